// Package nats keeps in NATS JetStream, shared by any number of processes and machines, what packages of mailbricks leave
// to a store: spent stamps (SpentStore), grants and their uses (GrantStore), channels (ChannelStore), each in a bucket of its
// own. What changes is read, and written if nobody was faster.
//
//	tally.<id>            what is counted of a grant    channel.<id>        a channel
//	grant.<id>            what a tag stands for         owner.<hash>.<id>   that it is one of an owner's
//	issuer.<hash>         what an issuer took back
//
// Not done: other stores.
package nats
