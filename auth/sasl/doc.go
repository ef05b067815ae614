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
// An Authenticator is put together from mechanisms as values, and wrapped where more is wanted:
//
//	users := sasl.NewUsers()
//	a := &sasl.Limiter{Authenticator: sasl.New(sasl.Plain(users.Check), sasl.LoginMechanism(users.Check))}
//
// Done: RFC 4422 (framework), 4616 (PLAIN), LOGIN (expired draft, for old clients), 7628 (OAUTHBEARER). Passwords of
// Users are prepared with the OpaqueString profile of RFC 8265. Not done: SCRAM (RFC 5802, 7677), EXTERNAL, ANONYMOUS.
package sasl
