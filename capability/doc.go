// Package capability is the right to reach somebody: a grant that a recipient gives to a sender, and that the
// recipient can limit, watch and take back.
//
// A Grant says who gives it (an address or a whole domain), who may use it (an address, a domain, its subdomains, or
// whoever holds it), from when until when, how often in all and in a time,
// for how large a message and for which class of mail. It is signed with Ed25519. Whoever
// holds a Token can narrow it without asking anybody, and never widen it: each block is signed with a key that the
// block before it names, and the last key travels with the token until it is sealed.
//
//	┌ version 1
//	│  ┌ length ┌ grant: id, issuer, scope, times, uses ... next key │ signature by the issuer's key
//	1 [ n        ..................................................  │ 64 ]
//	  [ n        narrower limits ............................ next key │ signature by the key before, over the block before too ]
//	0 private half of the last key: can be narrowed further   or   1 signature by it: sealed
//
// A last block without next key (128 is added to n) ends a token by itself: see IssueSealed.
//
// A token is bound to the sender's domain as authenticated (aligned DKIM or SPF, see package dmarc), so a stolen one
// is of no use to others; only a grant without a scope is good for whoever holds it. The dialogue, with the text that
// a stranger gets:
//
//	C: RCPT TO:<bob@example.com>
//	S: 550 5.7.1 Unknown sender, capability not established
//	C: RCPT TO:<bob@example.com> CAP=AUQBEG7k...
//	S: 250 2.1.5 Ok
//
// A Verifier reserves a use at RCPT and commits it at the final 250, so that a failed DATA burns nothing, and two
// deliveries on a single use never both succeed. Stores take back by id, by relationship, or all that came before.
//
// The second form needs nothing of the sender: a tag in the address, which Tags makes and checks. What it allows is in
// Grants by its ID. The MAC is over the mailbox too, and is checked in constant time before a store is asked.
//
//	                ┌ separator (RFC 5233)
//	RCPT TO:<bob    +    0h9s...  kq4f...      32 letters and digits in either case, of 64 in a local part
//	                     key, ID  MAC          1 + 10 and 9 octets in base32hex (RFC 4648 §7)
//	        @example.com>
//
// There is no RFC; this is mailbricks's own form. Sizes: a grant of an address to a domain, with expiry, uses and size, is under
// 200 octets as long as both names have 30 together, 95 if it is issued sealed. A block that narrows time, uses and size adds
// at most 112; rate and class take 10 more, a scope its length. Keys and revocations in DNS
// are in package capability/grantdns.
package capability
