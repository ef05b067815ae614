// Package jmapclient is the client side of JMAP (RFC 8620) over HTTP. It shares its types with the server: requests and
// responses are those of packages jmap and mail.
//
//	c := &jmapclient.Client{URL: "https://mail.example.com", Auth: jmapclient.Bearer(token)}
//	b := c.Batch(jmap.CapabilityMail)
//	q := jmapclient.Add[jmap.QueryResponse](b, "Email/query", query)
//	g := jmapclient.Add[jmap.GetResponse[mail.Email]](b, "Email/get", get, q.Ref("ids", "/ids"))
//	err := b.Do(ctx)           // one round trip
//	emails, err := g.Result()  // of its own call
//
// The Session is fetched when first needed, and again when a response says that it has changed. Credentials go to the
// addresses of the Session only, and over HTTP without TLS only to loopback or when AllowPlaintext says so.
//
// A request that is refused as a whole gives a *jmap.RequestError with the HTTP status, a call that fails a
// *jmap.MethodError. Events yields pushed changes (RFC 8620 §7.3) and connects again when the connection breaks.
package jmapclient
