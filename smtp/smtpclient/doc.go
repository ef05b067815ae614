// Package smtpclient sends mail: a Conn is one connection to a server of SMTP, submission or LMTP, a Client one next
// hop with a pool of them. Both are an smtp.BatchHandler, so that a relay or a store is plugged into a server, a queue
// or a filter as it is.
//
//	                             220 mx.example.com ESMTP
//	EHLO client.example.org
//	                             250-PIPELINING 250-SIZE 50000000 250-STARTTLS 250 8BITMIME
//	STARTTLS                     then EHLO and, with Credentials, AUTH
//	MAIL FROM:<a@example.org> SIZE=4096 BODY=8BITMIME  ┐
//	RCPT TO:<b@example.com>                            │ one write
//	RCPT TO:<c@example.com>                            │
//	DATA                                               ┘
//	                             250, 250, 550 5.1.1 No such user, 354
//	the message, one write for the last part and the dot
//	                             250 2.0.0 Queued        Results: 250 for b, 550 for c
//
// What a server does not offer is not used: DSN parameters and unknown parameters are left out (Result.DSNPassed tells
// of the first), a message that needs 8BITMIME, BINARYMIME, SMTPUTF8 or REQUIRETLS is refused here with the reply that
// its RFC names, one that is longer than SIZE too. A message goes out with CRLF line endings and exactly as it is given;
// bare CR, bare LF and NUL are refused, or mended with Config.Normalize; a last line without CRLF gets one. If the body
// cannot be read to its end the connection is dropped, so that no server takes a part for the whole.
//
// Every error is an *Error that names the host and the place, and holds the reply to tell as *smtp.Error.
// Every phase has an absolute deadline (Timeouts), every reply a limit (smtp.ReplyReader), and ctx ends each of them.
//
// Done: RFC 5321 (client), 1870 SIZE, 2033 LMTP, 2034 enhanced codes, 2852 DELIVERBY, 2920 PIPELINING, 3030 CHUNKING and BINARYMIME,
// 4865 FUTURERELEASE, 6710 MT-PRIORITY, 3207 STARTTLS and 8314 implicit TLS, 3461 DSN parameters, 4954 AUTH (PLAIN, LOGIN, OAUTHBEARER through package
// auth/sasl), 6152 8BITMIME, 6531 SMTPUTF8 (domains in A-labels where it is missing), 8689 REQUIRETLS, 9422 LIMITS
// (RCPTMAX, MAILMAX). Not done: conversion of 8-bit messages to 7 bits, VRFY, EXPN, ETRN, BURL, channel binding.
package smtpclient
