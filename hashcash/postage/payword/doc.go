// Package payword is postage by hash chains: a signature once for thousands of letters to one domain, and one hash a
// letter. It is PayWord (Rivest and Shamir, 1996).
//
//	w0 ◀─SHA-256─ w1 ◀─SHA-256─ w2 ◀─ ... ◀─ wn      made from the right; the sender signs w0 and reveals w1, w2, ...
//
//	sender's side                            recipient's domain                    broker
//	  commitment (signed), MAC key ──Open──▶ Accept
//	  pw1:id:1:w1:tag ───────────letter────▶ hash of w1 is w0, tag is for this letter
//	  pw1:id:2:w2:tag ───────────letter────▶ hash of w2 is w1
//	                                         Claim: commitment, 2, w2 ────────────▶ Check: sender owes 2 words
//
// A stamp:
//
//	pw1:3CVvBdSkLx6-VGrSyyYcFQ:1:rrqAEaFmHbh9Lbe3h7vXTVjqXjeIUi7ggQjGHiEMOS8:8wSk1R57qyIsUBvQTmuVQg
//	│   │                      │ │                                           └ HMAC-SHA256, cut, over number, recipient,
//	│   │                      │ └ word                                        sender and message digest
//	│   │                      └ its number
//	│   └ first half of the SHA-256 of the commitment
//	└ version
//
// The MAC key is known to the two sides alone, so that a word seen on the way is of no use for another letter. It proves
// nothing to third parties and need not: what is owed follows from the highest word. Letters may arrive in any order;
// words that never arrive below the highest one are paid for.
//
// Nobody's money is moved here: Claim.Check says who owes whom how many units, and the broker books it. The sender needs
// no store: after a restart it opens a new chain, and the rest of the old one is not owed. What the recipient is owed is
// as durable as its Ledger; the one in this package is memory.
//
// What it is worth: postage raises the cost of bulk mail, it makes nothing impossible. A sender who does not settle is
// found out by the broker, later; so bound what a stranger may owe (MaxValue, MaxWords).
//
// There is no RFC. Done: commitments, stamps, claims. Not done: brokers' certificates of the paper, partial refunds, a
// ledger on disk.
package payword
