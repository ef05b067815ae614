// Package push tells clients of JMAP what has changed, when it changes: from the change feed of a store, at commit,
// without polling.
//
//	GET /jmap/eventsource?types=Email,Mailbox&closeafter=no&ping=300
//	                                  ←  id: 1              where a client that comes back goes on
//
//	store: commit ─ Watcher ─         ←  event: state
//	                                     id: 2
//	                                     data: {"@type":"StateChange","changed":{"A1":{"Email":"7"}}}
//	                                  ←  event: ping
//	                                     data: {"interval":300}
//
// EventSource serves RFC 8620 §7.3: types, closeafter, ping, and Last-Event-ID, by which a client that was away learns
// at once what it missed. A client that does not read is dropped after a while; it loses nothing but the connection.
//
// Not here: PushSubscription (RFC 8620 §7.2), JMAP over WebSocket (RFC 8887), web push.
package push
