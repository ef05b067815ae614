// Package sqlite keeps on one machine, in one file of SQLite, what packages of mailbricks leave to a store: spent stamps
// (SpentStore), grants and their uses (GrantStore), channels (ChannelStore). Any number of processes may share the file, and
// all the stores may share one.
//
// Not done: other stores. Package mailstore has mail itself.
package sqlite
