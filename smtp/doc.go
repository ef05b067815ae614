// Package smtp is the grammar and vocabulary of mail in motion: paths, parameters, commands, replies and trace fields,
// and the Handler, which is to mail what http.Handler is to requests.
//
//	220 mx.example.com ESMTP                        ParseReply, ReplyReader, AppendReply
//	EHLO client.example.org                         ParseCommand, ParseHello
//	250-mx.example.com ...
//	MAIL FROM:<a@example.org> SIZE=4096 ENVID=x+2B1 ParseMail, AppendPath, AppendMailParams
//	250 2.1.0 Sender ok
//	RCPT TO:<"b c"@example.com> NOTIFY=FAILURE      ParseRcpt, AppendRcptParams
//	550 5.1.1 No such user                          Error, ReplyOf
//	Received: from client.example.org ...           AppendReceived, HopCounter
//
// Whoever speaks SMTP is in a package below: smtp/smtpserver serves a Handler, smtp/smtpclient and smtp/queue are one.
// Nothing here opens a connection. LMTP (RFC 2033) shares all of it.
//
// Errors of the grammar are *Error with the reply that a server gives. Parsers take any bytes; appenders refuse what
// cannot be written safely: no CR, LF or NUL from a path or a parameter ever reaches the wire.
//
// Done: RFC 5321 (commands, paths, replies, trace fields; source routes are accepted and ignored), 1870 (SIZE),
// 2033, 2034 and 3463 (enhanced codes), 3461 (DSN parameters, xtext), 3848 (names of protocols), 4954 (AUTH
// parameter), 6152 and 3030 (BODY), 6531 and 6533 (UTF-8 in paths and ORCPT), 8314 §4.3 (tls clause of Received),
// 2852 (BY), 4865 (HOLDFOR, HOLDUNTIL), 6710 (MT-PRIORITY, and its clause of Received), 8689 (REQUIRETLS). Parameters of
// other extensions, such as 7293, travel in Other.
package smtp
