// Package serve puts one store of mail behind all the ways to reach it.
//
//	LMTP ──▶ smtpserver ──┐
//	IMAP(S) ▶ imapserver ─┤   ┌ one Authenticator, one limit of connections
//	POP3(S) ▶ pop3 ───────┼───┤
//	HTTP(S) ▶ jmapserver ─┘   └ one Store: a change made through one shows on all others
//
//	s, err := serve.New(serve.Config{Store: store, Hostname: "mail.example.com", Users: users.Check})
//	err = s.IMAP(ctx, listener)
//
// LMTP, IMAP, IMAPS, POP3, POP3S and JMAP each serve a listener until ctx ends, may be called for several listeners, and
// return when the sessions are over.
//
// JMAP serves RFC 8620 and 8621 with pushed changes (EventSource, and WebSocket by RFC 8887) at /.well-known/jmap and
// /jmap/, by HTTP Basic (RFC 7617) and Bearer (RFC 6750). With
// Config.Push, changes are sent to clients that are not connected, too (RFC 8620 §7.2). What users send goes to Config.Submit.
package serve
