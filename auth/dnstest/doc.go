// Package dnstest is a DNS zone in memory, for tests, demonstrations and programs that must not ask the world.
//
// A [Zone] answers in three ways from the same records:
//
//	zone.LookupTXT(ctx, "example.com")        the methods of net.Resolver, and their Secure variants
//	zone.Exchange(ctx, packet)                one DNS packet in, one out: a transport for auth/resolver
//	server, _ := zone.Serve("")               a real UDP and TCP server on loopback, for real peers
//
// Records are written as RFC 1035 master-file text or with the typed methods, and may change while the zone is being
// asked:
//
//	zone := dnstest.New()
//	zone.MustAdd(`
//	    example.com.         300 IN MX  10 mx.example.com.
//	    mx.example.com.      300 IN A   192.0.2.1
//	    *.shop.example.com.  300 IN TXT "wildcards work"`)
//	zone.AddTXT("example.com", "v=spf1 mx -all")
//	zone.Fail("slow.example.com", dnstest.Timeout)
//
// A name that has neither records nor names below it is NXDOMAIN; a name without records of the wanted type is NODATA.
// The Lookup methods return a *net.DNSError that IsNotFound for both, as net.Resolver does; errors.As with an
// interface{ NXDomain() bool } tells them apart, as with auth/resolver.
// Aliases are followed, a circle of them is SERVFAIL, as recursive resolvers answer it. [Zone.Sign] declares a
// part of the tree as DNSSEC-signed: its answers carry the AD bit, so what reads that bit can be tried. There are no
// signatures in it.
//
// RFC 1034 and 1035 (names, types, master files, UDP and TCP, truncation), RFC 4592 (wildcards), RFC 6891 (UDP size),
// RFC 2308 (SOA with negative answers), RFC 6840 §5.7 (AD bit). Not done: delegation, zone transfer, update, DNSSEC
// records.
package dnstest
