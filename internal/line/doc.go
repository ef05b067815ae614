// Package line reads and writes what SMTP, LMTP and POP3 send: lines that end in CRLF, and message bodies that end
// in a line with a single dot.
//
//	MAIL FROM:<a@example.com>CRLF      Reader.ReadLine: bounded, without CRLF, typed errors
//	DATA CRLF
//	Subject: hi CRLF                   DotReader: streams, takes one dot off "..", ends at CRLF.CRLF only
//	..two dots here CRLF
//	. CRLF
//
// Nothing but CRLF ends a line and nothing but CRLF.CRLF ends a body (RFC 5321 §2.3.8, §4.1.1.4). A bare CR, a bare
// LF or a NUL is an offence: it is refused, normalised or passed on, as the caller says, and never ends anything.
package line
