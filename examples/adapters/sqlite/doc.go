// Package sqlite keeps on one machine, in one file of SQLite, what packages of mailbricks leave to a store: spent stamps
// (SpentStore). Any number of processes may share the file.
//
// Not done: other stores. Package mailstore has mail itself.
package sqlite
