// Package sandbox is a mail world in one process: three domains with DNS, keys, relays and stores, over real TCP, TLS and
// UDP on 127.0.0.1, assembled from the packages of the SDK.
//
//	alice ─ submission ─▶ mx.harbour.example ─ signature ─ queue ─ DNS, MTA-STS ─ TLS ─▶ mx.meadow.example
//	                                                                                       │ SPF, DKIM, DMARC
//	bob ◀─ IMAP, POP3, JMAP ─ mail.meadow.example ◀─ LMTP ─────────────────────────────────┘ capability, postage
//
//	w, err := sandbox.New(nil)
//	m, err := sandbox.Prepare(file)
//	id, err := w.Send(m, sandbox.Options{}, "bob@meadow.example")
//	letter, err := w.Wait(ctx, id)             // letter.Hops: every dialogue, question and verdict
//
// Every letter is followed from hop to hop by its envelope id (RFC 3461 §4.4), read back over IMAP, POP3 and JMAP, and
// compared to the octet. Options break something on purpose: a wrong key, an unlisted address, a forged author.
//
// Hosts have addresses of the ranges for documentation (RFC 5737), which a NAT in the process maps to free ports of
// 127.0.0.1, so that SPF has something to tell apart and nothing but loopback is needed. Domains that a letter names as
// its author's get records in the world's DNS when it comes. Mail is kept in memory; queues are in a temporary
// directory, synced like any other, that goes with the world.
package sandbox
