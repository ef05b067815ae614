// Package nats keeps in NATS JetStream, shared by any number of processes and machines, what packages of mailbricks leave
// to a store: spent stamps (SpentStore).
//
// Not done: other stores.
package nats
