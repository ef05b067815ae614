// Package mbound is the memory-bound postage of the Penny Black papers (Dwork, Goldberg and Naor, "On Memory-Bound
// Functions for Fighting Spam", CRYPTO 2003). It is here as history: for something to use today see package equihash.
//
//	mb1:22:2048:12:261124:bob@example.com:from=example.org:wJ5N2bXKZrTgq0hS:B3f
//	│   │  │    │  │      │               │                │                └ counter: the trial, in base 64
//	│   │  │    │  │      │               │                └ random text
//	│   │  │    │  │      │               └ extensions, such as the binding to sender and message (postage.Binding.Ext)
//	│   │  │    │  │      └ resource: the recipient's address
//	│   │  │    │  └ date YYMMDD, UTC
//	│   │  │    └ bits that must be zero at the end of the walk
//	│   │  └ steps of a walk
//	│   └ table: 2^22 words of 32 bits
//	└ version
//
// A trial is a walk through a table of random words that both sides have, and that is too large for a cache: each step
// reads the word whose place the step before has told, so that memory's latency, which differs less between machines
// than the speed of processors, is what it costs. The walk begins with 256 words made of the stamp (its SHA-256 seeds
// ChaCha8) and mixes them as the paper's concrete proposal does:
//
//	i++; j += A[i]; A[i] += T[c]; A[i] >>>= 11; swap A[i], A[j]; c = T[c] ^ A[A[i]+A[j]]
//
// The stamp is good if the SHA-256 of A then begins with enough zero bits. On average 2^bits trials find one; checking
// takes one walk, and the table. What of this the paper leaves open, the table's words and the two hashes, is our own
// choice: there is no other implementation to talk to.
//
// What has become of it: 16 MiB were larger than any cache in 2003 and fit into many today, so Table takes up to 2^28
// words (1 GiB); and verifiers, who need the table too, do not like it. Postage raises the cost of bulk mail, it makes
// nothing impossible.
package mbound
