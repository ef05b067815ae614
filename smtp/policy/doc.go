// Package policy holds the Handlers that stand between a server of SMTP and what takes its mail.
//
//	peer ─ smtpserver ─ Verifier.Handler ─ store        incoming
//	  MAIL    SPF is asked for                          550 or 451: the store sees no DATA
//	  DATA    keys, body hash, DMARC
//	          forged fields away, Authentication-Results on top
//
//	user ─ smtpserver ─ Signer.Handler ─ queue          outgoing
//	  DATA    DKIM signatures of the author's domain on top
//
// Each Handler method is a func(smtp.Handler) smtp.Handler, so they can be put one before another. They read a message
// to its end before they hand it on: up to 256 KiB of it in memory, the rest in a temporary file. MAIL and RCPT go
// straight through, so what stands behind refuses unknown recipients itself.
//
// SPF (RFC 7208), DKIM (RFC 6376) and DMARC (RFC 9989) are verified here; DMARC alone refuses mail, with 550 5.7.1.
// Authentication-Results is that of RFC 8601. Not here yet: ARC, and the pure decision from evidence of every kind
// (authentication, capability, postage, reputation) to accept, request queue, postage or refusal, which is to live in
// this package together with the ESMTP extensions of capability and postage.
package policy
