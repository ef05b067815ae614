// Package jmap is the grammar and vocabulary of JMAP (RFC 8620): what a client and a server say to each other, typed
// once for both, and the roles that a store of any data type plays.
//
//	client                                            server
//	GET /.well-known/jmap                          →
//	                                               ←  Session: accounts, capabilities and limits, URLs, state
//	POST apiUrl  Request                           →
//	  using       [urn:ietf:params:jmap:core …]
//	  methodCalls [[Foo/query {…} "0"]
//	               [Foo/get {"#ids": {resultOf "0",
//	                name "Foo/query", path "/ids"}} "1"]]
//	                                               ←  Response
//	                                                  methodResponses [[Foo/query {ids} "0"] [Foo/get {list} "1"]]
//
// Package jmapserver answers such requests, package jmapclient makes them, package push tells of changes, package mail
// holds the types of RFC 8621.
//
// What is here: identifiers, dates, the Session, Request and Response with their Invocations, result references and
// their pointers (RFC 6901 and "*"), patches, filters, the requests and responses of the standard methods, and every
// error on its three levels: [RequestError], [MethodError], [SetError].
//
// JSON is I-JSON (RFC 7493): duplicate names and text that is not UTF-8 are refused, member names match exactly.
// Nil slices and maps are written as [] and {}, but in a record with a [Selection], where a nil slice is null.
//
// Not here: PushSubscription (RFC 8620 §7.2).
package jmap
