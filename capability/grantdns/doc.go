// Package grantdns puts the keys that sign grants, and what was taken back, into DNS, so that a host which is not the
// issuer's can verify a token of package capability: the next hop, a secondary MX, a mailing list.
//
//	0._mailcap.example.com.          300 IN TXT "v=MCAP1; k=ed25519; p=11qYAYKx...; e=3"       key 0 of the domain
//	0.HASH._mailcap.example.com.     300 IN TXT "v=MCAP1; k=ed25519; p=7MqPNzZp..."            key 0 of one mailbox
//	HASH._grant._mailcap.example.com. 300 IN TXT "v=MCAP1; s=revoked"                          one grant
//
// An owner name holds no address and no ID, only 160 bits of a SHA-256 in base32hex. Who knows an address can still try
// whether a mailbox has a key of its own, as with RFC 7929; a grant's ID cannot be tried. Against walks through the zone use
// NSEC3 (RFC 5155) or online signing.
//
// A mailbox without a key of its own has its domain's: the domain may speak for its mailboxes, not the reverse. The tags are
// those of RFC 6376 §3.2:
//
//	v  MCAP1, first        k  ed25519, which is also what its absence means
//	p  the key in base64; empty: it was taken back      e  the epoch: what has a lower one is revoked
//	g  "listed": a grant without a record is revoked    s  "live" or "revoked", of a grant
//
// A Publisher writes the lines of a master file (RFC 1035 §5.1) with a TTL of 300 s at most, so that what is taken back
// is gone in that time; the zone's negative TTL (RFC 2308 §5) is to be no longer. A Resolver reads them back for a
// capability.Verifier, as its Keys and its Status. It wants DNSSEC for every answer, absences too. It keeps nothing itself:
// a resolver behind it that does is to keep nothing longer than MaxTTL.
//
// There is no RFC; this is mailbricks's own form. Not here: keys in DNS for tags, which are secret; dynamic update (RFC 2136).
package grantdns
