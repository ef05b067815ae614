// Package sasl answers one question for SMTP, IMAP, POP3 and JMAP alike: who is it? Servers ask an Authenticator,
// clients take their side of a mechanism from Credentials. Both stand on the Client and Server interfaces of
// github.com/emersion/go-sasl.
//
//	C: AUTH PLAIN AGFsaWNlAHNlY3JldA==      Authenticator.Start("PLAIN"), Exchange.Next(response)
//	S: 235 2.7.0 ok                         done: Exchange.Identity().Name == "alice"
//
//	C: LOGIN alice secret                   Login(ctx, authenticator, conn, "alice", "secret")
//	C: USER alice / PASS secret             (IMAP LOGIN, POP3 and HTTP Basic)
//
// With SCRAM the password itself never crosses the connection, and the server keeps none; -PLUS binds the log-in to the TLS channel,
// so that nobody who ends TLS in between can pass it on, and either side finds out if the offer of it was taken away:
//
//	C: AUTH SCRAM-SHA-256-PLUS  p=tls-exporter,,n=alice,r=NONCE1
//	S: r=NONCE1NONCE2,s=SALT,i=15000                       the salt of an unknown user stays the same, too
//	C: c=BINDING,r=NONCE1NONCE2,p=PROOF                    knows the password, sees the same TLS channel
//	S: v=PROOF                                             so does the server; Proven(client) == nil
//
// An Authenticator is put together from mechanisms as values, and wrapped where more is wanted:
//
//	users := sasl.NewUsers()
//	scram := sasl.SCRAM{Keys: users.Keys}
//	a := &sasl.Limiter{Authenticator: sasl.New(append(scram.Mechanisms(), sasl.Plain(users.Check))...)}
//
// Done: RFC 4422 (framework, and EXTERNAL with client certificates), 4616 (PLAIN), LOGIN (expired draft, for old clients), 5802
// and 7677 (SCRAM-SHA-256, SCRAM-SHA-1, each with -PLUS), 5803 (text form of keys), 9266 and 5929 §4 (channel bindings tls-exporter
// and tls-server-end-point), 7628 (OAUTHBEARER), XOAUTH2, 4505 (ANONYMOUS). Passwords are prepared with the OpaqueString profile
// of RFC 8265. Not done: the binding tls-unique, which TLS 1.3 does not have; the error values of SCRAM (e=) are understood and not sent, since
// every protocol tells a failure itself; EXTERNAL by anything but a certificate.
package sasl
