// Package postgres keeps in PostgreSQL, shared by any number of processes and machines, what packages of mailbricks leave
// to a store: spent stamps (SpentStore), grants and their uses (GrantStore), channels (ChannelStore). What a call did is as
// durable, when it returns, as the server's synchronous_commit says.
//
// Not done: other stores.
package postgres
