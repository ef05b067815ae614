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
// WebPush serves RFC 8620 §7.2: PushSubscription/get and /set (jmapserver.RegisterPush), and changes sent to the URLs of
// clients that are not connected.
//
//	PushSubscription/set {create: {deviceClientId, url, keys}}  →
//	                                  POST url  ←  {"@type":"PushVerification","verificationCode":"…"}
//	PushSubscription/set {update: {verificationCode}}           →
//
//	store: commit ─ Watcher ─         POST url  ←  TTL, Urgency, Topic; encrypted {"@type":"StateChange",…}
//	                                  201, or 404 and 410: erased; 429 and 5xx: later, and all changes in one
//
// With keys all is encrypted (RFC 8291), with a Signer it says who sends (RFC 8292, RFC 9749); see package webpush. Nothing
// but one verification goes to a URL that is not verified, once a minute at most; private addresses are refused when they
// are named or dialed, and redirections are not followed. A subscription is its credential's: others do not see it, and it ends
// with it. What a push service has taken is kept, so that a restart loses no change. One process at a time sends for a
// store.
//
// Not here: a key of the Signer that is replaced ends all subscriptions at once, with no time between (RFC 9749 §5);
// subscriptions of sessions with an end of their own are bounded by Valid alone; compression (RFC 7692) and WebSockets over HTTP/2 (RFC 8441).
package push
