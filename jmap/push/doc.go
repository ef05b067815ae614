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
// WebSocket serves RFC 8887: requests and their responses, and changes from when WebSocketPushEnable asks for them; the
// pushState of one connection is where the next goes on, whatever server of the same store it reaches.
//
//	GET /jmap/ws  Upgrade: websocket
//	{"@type":"WebSocketPushEnable",…  →
//	                                  ←  {"@type":"StateChange","changed":{…},"pushState":"…"}
//	{"@type":"Request","id":"R1",…    →
//	                                  ←  {"@type":"Response","requestId":"R1",…
//
// The requests of a connection are answered one after the other. Pages of other origins are refused, but for Origins.
//
// Not here: PushSubscription (RFC 8620 §7.2) and web push; compression (RFC 7692) and WebSockets over HTTP/2 (RFC 8441).
package push
