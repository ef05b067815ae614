// Package policy holds the Handlers that stand between a server of SMTP and what takes its mail, and the decision who may
// write to whom.
//
//	peer ─ smtpserver ─ Verifier ─ Gate ─ store            incoming
//	  RCPT    CAP=, POSTAGE= are checked                   550 5.7.1 and the price, 451, or 452 4.5.3
//	  DATA    Verifier: keys, body hash, DMARC; forged fields away, Authentication-Results on top
//	          Gate: evidence → decision; Mailbricks-Decision on top, stamp spent, use of the capability counted
//
//	user, or the host itself ─ Inside of the Gate ─ store  between users
//	  RCPT    a tag leads to its mailbox
//
//	user ─ smtpserver ─ Opener ─ Aliaser ─ Signer ─ queue ─ Payer ─ route     outgoing
//	  DATA    Opener: recipients may answer; Delivery-Capability-Offer on top
//	          Signer: DKIM signatures of the author's domain on top
//	          Payer: capability from the wallet; refused with a price: stamp minted, sent once more
//
// Each Handler method is a func(smtp.Handler) smtp.Handler, so they can be put one before another. Verifier, Signer and
// Payer read a message to its end before they hand it on: up to 256 KiB of it in memory, the rest in a temporary file. Gate,
// Opener and Aliaser keep its header only. MAIL and RCPT go straight through, so what stands behind refuses unknown recipients
// itself; but Payer gathers an envelope first, Aliaser says MAIL with the first recipient, and Gate looks at a recipient before.
//
// First contact, the dialogue (examples/firstcontact has both sides on a page):
//
//	C: RCPT TO:<bob@example.com>                          S: 250 2.1.5 Ok
//	C: DATA ...                                           S: 550-5.7.1 Unknown sender, capability not established
//	                                                      S: 550 5.7.1 Postage: scheme=hashcash; bits=20; resource=bob@example.com
//	C: RCPT TO:<bob@example.com> POSTAGE=1:20:261125:...  S: 250 2.1.5 Ok                      or X-Hashcash: 1:20:261125:...
//	C: DATA ...                                           S: 250 2.0.0                         a request for contact
//	bob answers, with                                        Delivery-Capability-Offer: AQFpAR...
//	C: RCPT TO:<bob@example.com> CAP=AQFpAR...            S: 250 2.1.5 Ok                      or Delivery-Capability: AQFpAR...
//	C: DATA ...                                           S: 250 2.0.0                         straight to the inbox
//
// The same for a sender who knows nothing of this: the capability is a tag in the address, and the store gets the mailbox.
//
//	C: RCPT TO:<bob+0f9kq...@example.com>                 S: 250 2.1.5 Ok                      550 5.1.1 if the tag is forged
//	C: DATA ...                                           S: 250 2.0.0                         550 5.7.1 if it is another's
//
// Where the tag is that of a channel (package capability/channel), the first authenticated author is pinned, and anybody else
// is told of as Leaked.
//
// The decision is one pure function, Rules.Decide, from Evidence (authentication, capability, postage, acquaintance,
// reputation) to Decision; Strict, Transitional and Open are Rules as values. Everything in front of it gathers evidence,
// everything behind it obeys. A capability that is bound to a sender counts only for an author whose domain is authenticated.
//
// SPF (RFC 7208), DKIM (RFC 6376) and DMARC (RFC 9989) are verified here. Authentication-Results is that of RFC 8601,
// refusals of unauthenticated authors carry the codes of RFC 7372. There is no RFC for capabilities and postage; the
// extension keywords are private. Postage is that of any postage.Scheme, as a Tariff; Relations and Wallets are in package
// policystore. Not here yet: ARC, list and forwarder grants, reputation (a hook takes its place), the binding of stamps to a
// message, Relations and wallets in databases.
package policy
