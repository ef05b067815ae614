// Package smtptest is for tests of what speaks SMTP or LMTP: a Handler that records, a server on loopback, a scripted
// peer for clients, hostile input with the replies that it deserves, and a suite for Handlers.
//
//	rec := &smtptest.Recorder{}                                    // an smtp.Handler
//	addr := smtptest.NewServer(t, &smtpserver.Server{Handler: rec}, false)
//	... send to addr ...
//	rec.Messages()[0].Body
//
//	peer := smtptest.NewScriptServer(t, nil, false, "> 220 mx ESMTP\n< EHLO *\n> 250 mx\n< QUIT\n> 221 bye")
//	... a client dials peer.Addr ...
//
//	for _, c := range smtptest.Corpus() { ... }                    // c.Input, c.Replies, c.Messages
package smtptest
