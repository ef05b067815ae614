// Package policy holds the Handlers that stand between a server of SMTP and what takes its mail.
//
//	peer ─ smtpserver ─ Signer.Handler ─ queue          outgoing: DKIM signatures of the author's domain put on top
//
// Each is a func(smtp.Handler) smtp.Handler, so they can be put one before another. They read a message to its end
// before they hand it on: up to 256 KiB of it in memory, the rest in a temporary file.
//
// The decision about a message, one pure function from evidence (authentication, capability, postage, reputation) to
// what is answered, is to live in this package too; so are the ESMTP extensions of capability and postage.
package policy
