// Package reputation asks others about a sender: lists in DNS of addresses and domains, certifiers that vouch for a
// domain, and the names of an address.
//
//	192.0.2.99  ──  99.2.0.192.bl.example  A ?   127.0.0.2: listed; TXT: why; no record: not listed
//	                2.0.0.127.bl.example   A ?   test point: must be listed, or the list is dead and not asked
//	                1.0.0.127.bl.example   A ?   test point: must not be listed, or the list answers everything
//
//	VBR-Info: md=bank.example; mc=transaction; mv=certifier.example
//	                bank.example._vouch.certifier.example TXT ?   "transaction list": vouched for
//
//	192.0.2.99  ──  PTR ?  mail.bank.example  A ?  192.0.2.99: iprev=pass
//
// [Lists] asks several lists side by side, after their test points, which it asks again every hour. [VBR.Verify] believes
// only certifiers that its caller names and domains that its caller has authenticated. [IPRev] says that an address has a
// name, which authenticates nobody.
//
//	bank.example  ──  GET https://rep.example.net/repute/email-id/bank.example?assertion=spam   rating 0.012 of 17 million letters
//
// [Repute] asks a service by RFC 7072, [Service] is one, and [Local] what it can tell: what was seen here, with decay.
//
// Everything here is evidence; what it weighs is for smtp/policy. What a list that cannot be reached would have said is not
// known: no verdict comes from an error.
//
// RFC 5782 (Informational): address and domain lists, IPv6, test points; codes from 127.255.255.0/24, by which lists tell
// that they will not answer, are errors by habit of theirs. RFC 5518 (Proposed Standard) and RFC 8601 §3 (iprev) are done.
// RFC 7070 to 7073 (Proposed Standard): reputons and questions over HTTPS; of URI templates {name} and {?name}, of the extensions of
// email-id the identity.
package reputation
