// Package resolver looks up DNS records for the checks of mail: it asks a recursive resolver, keeps what it says for
// its time to live, tells an absent name from one that could not be looked up, and passes on the DNSSEC state.
//
//	caller        Resolver                     Transport                 recursive resolver
//	  |  LookupTXT   |  in the cache? else        |                            |
//	  |------------> |  Exchange(packet)          |  UDP, random port and id   |
//	  |              | -------------------------> | -------------------------> |
//	  |              |                            | <------ truncated, or wrong id
//	  |              |                            |  TCP                       |
//	  |              | <------------------------- | <------------------------> |
//	  | <----------- |  aliases followed, AD bit kept
//
// The Lookup methods have the names and shapes of net.Resolver's; each has a variant with the suffix Secure and one
// more result, true when a resolver that the caller declared trusted ([Options.TrustAD]) vouches for the answer, or for
// the absence of one, by the AD bit. Errors are *net.DNSError: IsNotFound where the records do not exist, IsTemporary
// where that is not known. An error that IsNotFound holds, for errors.As, an interface{ NXDomain() bool } that tells
// the absence of the whole name from that of records of the wanted type.
//
// A [Transport] carries packets: [Servers] over UDP and TCP, a zone of auth/dnstest, a [Recorder] in front of another
// one, or what a Recorder wrote, read back with [Replay], so that a verdict can be reproduced offline.
//
// RFC 1035 (packets, UDP and TCP), RFC 2308 (negative caching), RFC 5452 (defence against forged answers: question and
// id are compared, ports and ids random, a wrong id moves the question to TCP), RFC 6840 §5.7 (AD bit), RFC 6891 (UDP
// size, 1232 octets). Not done: DNSSEC validation of its own, iteration from the root, DNS over TLS or HTTPS (a
// Transport of a few lines).
package resolver
