// Package hashcash mints and verifies Hashcash stamps: a little computing that a letter carries as postage.
//
// A stamp is one line of ASCII. Its SHA-1 begins with as many zero bits as it claims, and finding such a line takes
// 2^bits attempts on average, while checking it takes one:
//
//	1:20:040806:foo::65f460d0726f420d:13a6b8
//	│ │  │      │   │ │                └ counter, searched by the minter
//	│ │  │      │   │ └ random text, so that no two minters search the same lines
//	│ │  │      │   └ extensions name=value,value;name=... (empty here)
//	│ │  │      └ resource: the recipient's address
//	│ │  └ date YYMMDD, YYMMDDhhmm or YYMMDDhhmmss, UTC
//	│ └ claimed bits
//	└ version
//
//	SHA-1 00000f91d51a9c213f9b7420c35c62b5e818c23e
//
// On the way it is the header field X-Hashcash, one a recipient. A recipient takes a stamp once: the SpentStore holds
// the spent ones until they would have expired anyway. MemoryStore and FileStore are two; examples/adapters has others in
// SQLite, PostgreSQL and NATS, and package spenttest the suite that all pass.
//
// The search runs in one of several kernels, chosen by what the processor can do: AVX-512 with 16 lanes, AVX2 with 8
// (assembly, amd64, left out with the build tag purego), and Go. All find the same stamp; see Kernels and Minter.Kernel.
//
// What it is worth: postage raises the cost of bulk mail, it makes nothing impossible. A stamp of 20 bits takes one
// core a tenth of a second or much less, and a large graphics processor microseconds. So let difficulty follow reputation, let one
// stamp buy the introduction, and answer with a capability (package capability).
//
// There is no RFC; the format is that of hashcash.org, versions 0 (verified, never minted) and 1. Resources with a
// colon, such as an IPv6 address literal, cannot be told from the next field: they are refused when minting.
package hashcash
