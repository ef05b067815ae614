package mailserver_test

import "testing"

// A mailbox may be in one that the same call creates, whatever their order, and what is created may be changed by the
// same call (RFC 8620 §5.3).
func TestMailboxSetRefers(t *testing.T) {
	h := newServer(newStore())
	expect(t, h, `[["Mailbox/set",{"accountId":"u1","create":{"c":{"name":"child","parentId":"#p"},"g":{"name":"grandchild","parentId":"#c"},"p":{"name":"parent"},"other":{"name":"other"}},
		"update":{"#other":{"name":"moved","parentId":"#g"}}},"0"],
		["Mailbox/query",{"accountId":"u1","filter":{"name":"moved"}},"1"],
		["Mailbox/get",{"accountId":"u1","#ids":{"resultOf":"1","name":"Mailbox/query","path":"/ids"},"properties":["name","parentId"]},"2"],
		["Mailbox/get",{"accountId":"u1","#ids":{"resultOf":"2","name":"Mailbox/get","path":"/list/*/parentId"},"properties":["name","parentId"]},"3"],
		["Mailbox/get",{"accountId":"u1","#ids":{"resultOf":"3","name":"Mailbox/get","path":"/list/*/parentId"},"properties":["name","parentId"]},"4"],
		["Mailbox/get",{"accountId":"u1","#ids":{"resultOf":"4","name":"Mailbox/get","path":"/list/*/parentId"},"properties":["name","parentId"]},"5"]]`,
		`[["Mailbox/set",{…"notCreated":{},"notUpdated":{},"notDestroyed":{}},"0"],["Mailbox/query",{…},"1"],["Mailbox/get",{…"name":"moved",…},"2"],["Mailbox/get",{…"name":"grandchild",…},"3"],`+
			`["Mailbox/get",{…"name":"child",…},"4"],["Mailbox/get",{…"name":"parent",…},"5"]]`)
	expect(t, h, `[["Mailbox/set",{"accountId":"u1","create":{"a":{"name":"a","parentId":"#b"},"b":{"name":"b","parentId":"#a"},"c":{"name":"c"},"d":{"name":"d","parentId":"#none"}},"destroy":["#c"]},"0"]]`,
		`[["Mailbox/set",{…"created":{"c":{…}},"updated":{},"destroyed":["…"],"notCreated":{"a":{"type":"invalidProperties",…},"b":{"type":"invalidProperties",…},"d":{"type":"invalidProperties",…}},"notUpdated":{},"notDestroyed":{}},"0"]]`)
	expect(t, h, `[["Mailbox/set",{"accountId":"u1","ifInState":"x","create":{"c":{"name":"new child","parentId":"#p"},"p":{"name":"new parent"}}},"0"]]`,
		`[["error",{"type":"stateMismatch",…},"0"]]`)
}
