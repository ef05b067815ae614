// Package equihash is postage that takes memory: stamps of the generalised birthday problem, in the manner of Equihash
// (Biryukov and Khovratovich, NDSS 2016).
//
//	eq1:120:0:261124:bob@example.com:from=example.org:LTnHSBgq3hXUfUR3:A:AB3k...
//	│   │   │ │      │               │                │                │ └ solution: 32 numbers of n/6+1 bits, base64url
//	│   │   │ │      │               │                │                └ counter: the run that found it, in base 64
//	│   │   │ │      │               │                └ random text
//	│   │   │ │      │               └ extensions, such as the binding to sender and message (postage.Binding.Ext)
//	│   │   │ │      └ resource: the recipient's address
//	│   │   │ └ date YYMMDD, UTC
//	│   │   └ bits: leading zero bits of BLAKE2b-256(all before the solution ‖ solution, packed)
//	│   └ n
//	└ version
//
// The seed is BLAKE2b-512 of the stamp up to the solution. BLAKE2b-512(seed ‖ g), g in four octets, little-endian, is cut
// into as many pieces of n bits, each in whole octets, as fit. So there are 2^(n/6+1) pieces, and a solution is 32
// different ones whose XOR is 0, and of which each two, four, eight and so on in a row agree in so many more times n/6
// bits: what Wagner's algorithm finds by sorting all of them. The smaller first number of each pair of halves comes
// first, so that there are no other spellings of a solution.
//
//	n     solution   memory of the solver   what for
//	120   84 octets  about 120 MiB          the default: some tenths of a second of one core
//	108   76 octets  about 30 MiB           telephones
//	96    68 octets  about 8 MiB            tests
//
// A run finds two solutions on average (fewer for an n of less than 72). One that has its bits, of 2^bits, ends the search: a price of 0 is one run or
// two, and each bit more doubles it. Checking a stamp takes 32 hashes whatever the price, eight at a time with AVX-512
// (assembly, amd64, left out with the build tag purego).
//
// What it is worth: postage raises the cost of bulk mail, it makes nothing impossible. Memory narrows the advantage of
// special hardware, from some hundredfold with SHA-1 to about the ratio of memory bandwidths; it does not end it.
//
// Done: n from 60 to 120 in steps of 6, k = 5; a strict check; a solver on one core that keeps its memory between runs.
// Tested on the vectors of Zcash for n = 96 with its own personalisation. Not done: other k, several cores in one run.
package equihash
