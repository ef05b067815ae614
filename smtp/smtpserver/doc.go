// Package smtpserver serves an smtp.Handler over SMTP, message submission and LMTP.
//
//	S: 220 mx.example.com ESMTP               Server.Hostname, Mode
//	C: EHLO client.example.org                Extensions, TLS, Authenticator: what the reply offers
//	C: STARTTLS, AUTH PLAIN ...               TLS, Authenticator
//	C: MAIL FROM:<a@example.org>              Handler.Mail      250, or the Reply of its error
//	C: RCPT TO:<b@example.com>                Transaction.Rcpt
//	C: DATA                                   Transaction.Data  first Read of the body: 354
//	C: message, CRLF.CRLF                     io.EOF, Results   250, or for LMTP one reply a recipient
//	C: QUIT                                   221
//
// A whole server is
//
//	s := &smtpserver.Server{Handler: h, Hostname: "mx.example.com", TLS: config}
//	err := s.Serve(ctx, listener)
//
// The Handler sees the message with a Received field on top, and in Submission with the Date and Message-ID that it
// lacked. Its rules are those of smtp.Transaction; a Handler that breaks them is logged, and the peer told 451 4.3.0.
// One that panics loses that connection, before any reply; the transaction is closed and the server goes on.
//
// Only CRLF ends a line and only CRLF.CRLF ends a message. A message with bare CR, bare LF or NUL is read to its true end
// and refused with 550 5.6.11, so that nobody downstream can be made to see two messages in one. Replies are sent when
// the input is used up (RFC 2920 §3.2); RefuseEarly closes on who does not wait where it must. A session that waits
// holds a read buffer of 3 KiB, one that receives a message 64 KiB.
//
// Done: RFC 5321 (EHLO HELO MAIL RCPT DATA RSET NOOP QUIT VRFY HELP; VRFY answers 252, EXPN 502), 1870 (SIZE), 2033
// (LMTP), 2034 (enhanced codes), 2920 (PIPELINING), 3030 (CHUNKING, and BINARYMIME where asked for), 3207 (STARTTLS),
// 3461 (DSN: the parameters reach the Handler), 3848 (names in Received), 4954 (AUTH, any mechanism of auth/sasl), 6152
// (8BITMIME), 6409 (Submission), 6531 (SMTPUTF8), 8314 (implicit TLS), 9422 (LIMITS
// RCPTMAX); where asked for 2852 (DELIVERBY), 4865 (FUTURERELEASE), 6710 (MT-PRIORITY), 8689 (REQUIRETLS). A listener of smtp/proxyproto brings the PROXY protocol, XCLIENT is as Postfix documents it. Others are added
// as values: see Extension.
//
// Not done: XFORWARD, ETRN, BURL (RFC 4468). Normalize does not reach messages that come by BDAT, which
// are refused instead. ctx of the Handler does not end when the peer goes away between commands: that is seen at the
// next read.
package smtpserver
