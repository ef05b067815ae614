// Package jmapclient is the client side of JMAP (RFC 8620). It shares its types with the server: requests and responses
// are those of packages jmap and mail.
//
//	c := &jmapclient.Client{URL: "https://mail.example.com", Auth: jmapclient.Bearer(token)}
//	b := c.Batch(jmap.CapabilityMail)
//	q := jmapclient.Add[jmap.QueryResponse](b, "Email/query", query)
//	g := jmapclient.Add[jmap.GetResponse[mail.Email]](b, "Email/get", get, q.Ref("ids", "/ids"))
//	err := b.Do(ctx)           // one round trip
//	emails, err := g.Result()  // of its own call
//
// What is more than the Session's limits allow is cut: a Batch into requests, Get and Set into calls, Query into pages.
// A reference between calls is checked against their types before anything is sent.
//
// The Session is fetched when first needed, and again when a response says that it has changed. Credentials go to the
// addresses of the Session only, and over HTTP without TLS only to loopback or when AllowPlaintext says so.
//
// A request that is refused as a whole gives a *jmap.RequestError with the HTTP status, a call that fails a
// *jmap.MethodError. Upload and Download stream.
//
//	for change, err := range c.Events(ctx, "Email") { … }   WebSocket, else event source
//	sync.Run(ctx)                                           a local copy that follows
//
// Events connects again when the connection breaks and goes on where it was (Last-Event-ID, pushState). A Sync keeps a
// Copy up to date: by /changes, and by reading everything anew where the server cannot tell what changed.
//
// RFC 8620: §2 (but not DNS SRV), §3, §5, §6, §7.1, §7.3. RFC 8887: pushes (§4.3.5); requests go over HTTP. Not here:
// PushSubscription (RFC 8620 §7.2), which needs an address that the server can reach.
package jmapclient
