// Package jmapserver is the server side of JMAP (RFC 8620) over HTTP, for any data types: methods are registered on a
// Mux by their request and response types, a Server is an http.Handler around it.
//
//	GET  /.well-known/jmap                                       the Session
//	POST /jmap/api                                               method calls, in order
//	GET  /jmap/download/{accountId}/{blobId}/{name}?type={type}  bytes of a blob, in ranges
//	POST /jmap/upload/{accountId}                                bytes, for a blob id
//	GET  /jmap/eventsource?types=…&closeafter=…&ping=…           changes, pushed
//	GET  /jmap/ws                                                all of it over a WebSocket
//	POST /jmap/ticket                                            a ticket for one of the two above
//
// Every request is authenticated (see Auth: HTTP Basic and Bearer). What is refused as a whole gets problem details
// (RFC 7807), a failed method its error in its place in the response. Every limit of jmap.Limits is kept: octets, calls,
// objects, and requests of one user at a time.
//
// A download is never shown inline with the rights of the server's origin: it comes as an attachment, with a sandbox
// policy, and without sniffing of its type. Other origins are allowed by name only (Server.Origins).
//
// Server.EventSource and Server.WebSocket serve pushed changes (see package push); without the former the address in
// the Session, which RFC 8620 §2 demands, answers 501. A browser cannot send Authorization to either: its page gets a
// ticket first, which is good for one connection within a minute (CapabilityTicket).
package jmapserver
