// Package pop3 is both sides of POP3: a Server over any imap.Backend, and a Client. It stands beside IMAP because it
// reads the same mailboxes through the same seam; nothing of it is about moving mail.
//
//	S: +OK example.com POP3 ready
//	C: STLS                        handshake; what came before it is forgotten
//	C: AUTH PLAIN dABib2IAc2VjcmV0 sasl.Authenticator → user → imap.Backend.OpenAccount
//	S: +OK 2 messages              snapshot of INBOX: a number, a UID and a size for each message
//	C: UIDL
//	S: 1 1764108000.17             UIDVALIDITY and UID: the same in every session
//	S: .
//	C: RETR 1                      Mailbox.Body in ranges, "." doubled → io.Reader at the client; RetrAll asks ahead
//	C: DELE 1                      a mark in the session
//	C: QUIT                        Expunger.Expunge, durable, and then +OK
//
// Done: RFC 1939 (POP3 with USER and PASS, TOP, UIDL), RFC 2449 (CAPA, PIPELINING, RESP-CODES, EXPIRE,
// LOGIN-DELAY, IMPLEMENTATION), RFC 2595 and RFC 8314 (STLS and implicit TLS), RFC 3206 (AUTH-RESP-CODE), RFC 5034 (AUTH with an
// initial response), RFC 6856 (UTF8, and LANG for a server that speaks English).
//
// Not done: APOP (its digest needs the password in clear). The maildrop is not locked (RFC 1939 §4):
// IMAP and other sessions go on working on it. Message numbers hold for the session all the same; a message that
// somebody else expunged is an error when it is asked for. Without the UTF8 command a message with UTF-8 in its header is refused with
// [UTF8] (RFC 6856 §2.1); a surrogate of it is not made. UTF-8 in the headers of its parts alone goes unnoticed.
package pop3
