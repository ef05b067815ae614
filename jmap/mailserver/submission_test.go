package mailserver_test

import (
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/jmap/jmaptest"
)

const draft = "From: Alice <alice@example.com>\r\nTo: bob@example.com, Bob <bob@example.com>\r\nBcc: carol@example.com,\r\n dave@refused.example\r\nSubject: x\r\nDate: Thu, 2 Jan 2020 03:04:05 +0000\r\n\r\nBcc: in the body\r\n"

// RFC 8621 §7.5.1: sent at once, and moved from the drafts to the sent mail.
func TestSubmission(t *testing.T) {
	store := newStore()
	store.Deliver("alice@example.com", "drafts", at(0), []byte(draft), "$draft")
	store.Deliver("alice@example.com", "drafts", at(0), jmaptest.Message("alice@example.com", "no date", "x"))
	store.Deliver("alice@example.com", "drafts", at(0), jmaptest.Message("eve@example.com", "x", "y", "Date: Thu, 2 Jan 2020 03:04:05 +0000", "To: a@b"))
	store.Deliver("alice@example.com", "drafts", at(0), jmaptest.Message("alice@example.com", "x", "y", "Date: Thu, 2 Jan 2020 03:04:05 +0000"))
	h := newServer(store)
	for sub, want := range map[string]string{
		`"identityId":"I9","emailId":"e7"`:                                 `"type":"invalidProperties",…"properties":["identityId"]`,
		`"identityId":"I1","emailId":"e99"`:                                `"type":"invalidProperties",…"properties":["emailId"]`,
		`"identityId":"I1","emailId":"e7","sendAt":"2030-01-01T00:00:00Z"`: `…"properties":["sendAt"]`,
		`"identityId":"I1","emailId":"e9"`:                                 `"type":"invalidEmail","properties":["sentAt"]`,
		`"identityId":"I1","emailId":"e11"`:                                `"type":"forbiddenFrom"`,
		`"identityId":"I1","emailId":"e13"`:                                `"type":"noRecipients"`,
		`"identityId":"I1","emailId":"e7","envelope":{"mailFrom":{"email":"eve@example.com"},"rcptTo":[]}`:                                                                   `"type":"forbiddenMailFrom"`,
		`"identityId":"I1","emailId":"e7","envelope":{"mailFrom":{"email":"alice@example.com"},"rcptTo":[{"email":"a@b>\r\nRCPT TO:<c@d"},{"email":"x"}]}`:                   `"type":"invalidRecipients","invalidRecipients":["a@b>\r\nRCPT TO:<c@d","x"]`,
		`"identityId":"I1","emailId":"e7","envelope":{"mailFrom":{"email":"alice@example.com","parameters":{"HOLDFOR":"9"}},"rcptTo":[{"email":"a@b"}]}`:                     `…"properties":["envelope"]`,
		`"identityId":"I1","emailId":"e7","envelope":{"mailFrom":{"email":"alice@example.com"},"rcptTo":[` + strings.Repeat(`{"email":"a@b"},`, 9) + manyRecipients() + `]}`: `"type":"tooManyRecipients","maxRecipients":1000`,
	} {
		expect(t, h, `[["EmailSubmission/set",{"accountId":"u1","create":{"k":{`+sub+`}},"onSuccessUpdateEmail":{"#k":{"keywords/$sent":true}}},"0"]]`,
			`[["EmailSubmission/set",{…"created":{},…"notCreated":{"k":{`+want+`…}},…},"0"]]`)
	}
	if got := store.Sent("alice@example.com"); got != nil {
		t.Fatalf("%+v", got)
	}
	expect(t, h, `[["EmailSubmission/set",{"accountId":"u1","create":{"k1490":{"identityId":"I1","emailId":"e7"}},"onSuccessUpdateEmail":{"#k1490":{"mailboxIds/m2":null,"mailboxIds/m3":true,"keywords/$draft":null},"#no":{"keywords/x":true}}},"0"],
		["Email/get",{"accountId":"u1","ids":["e7"],"properties":["mailboxIds","keywords"]},"1"]]`,
		`[["EmailSubmission/set",{"accountId":"u1","oldState":"0","newState":"0","created":{"k1490":{"id":"…","threadId":"…","envelope":{"mailFrom":{"email":"alice@example.com","parameters":{}},"rcptTo":[…]},"sendAt":"…","undoStatus":"final",`+
			`"deliveryStatus":{"bob@example.com":{"smtpReply":"250 2.1.5 ok","delivered":"unknown","displayed":"unknown"},"carol@example.com":{…},"dave@refused.example":{"smtpReply":"550 5.1.1 no such user","delivered":"no",…}}}},…},"0"],`+
			`["Email/set",{…"updated":{"e7":null},…},"0"],["Email/get",{…"list":[{"id":"e7","mailboxIds":{"m3":true},"keywords":{}}],…},"1"]]`)
	got := store.Sent("alice@example.com")
	if len(got) != 1 || got[0].From != "alice@example.com" || strings.Join(got[0].To, " ") != "bob@example.com carol@example.com dave@refused.example" ||
		strings.Contains(string(got[0].Raw), "carol") || strings.Contains(string(got[0].Raw), "dave") || !strings.HasSuffix(string(got[0].Raw), "\r\nSubject: x\r\nDate: Thu, 2 Jan 2020 03:04:05 +0000\r\n\r\nBcc: in the body\r\n") {
		t.Fatalf("%+v", got)
	}
	// Made, sent and destroyed in one request.
	expect(t, h, `[["Email/set",{"accountId":"u1","create":{"d":{"mailboxIds":{"m2":true},"from":[{"name":null,"email":"alice@example.com"}],"to":[{"name":null,"email":"bob@example.com"}],"textBody":[{"partId":"1"}],"bodyValues":{"1":{"value":"hi"}}}}},"0"],
		["EmailSubmission/set",{"accountId":"u1","create":{"s":{"identityId":"I1","emailId":"#d"}},"onSuccessDestroyEmail":["#s"]},"1"],
		["EmailSubmission/get",{"accountId":"u1","ids":["x"]},"2"],["EmailSubmission/query",{"accountId":"u1"},"3"],["EmailSubmission/changes",{"accountId":"u1","sinceState":"0"},"4"],
		["EmailSubmission/queryChanges",{"accountId":"u1","sinceQueryState":"0"},"5"],["EmailSubmission/set",{"accountId":"u1","update":{"x":{"undoStatus":"canceled"}},"destroy":["y"]},"6"],
		["EmailSubmission/set",{"accountId":"u1","ifInState":"9"},"7"]]`,
		`[["Email/set",{…"created":{"d":{…}},…},"0"],["EmailSubmission/set",{…"created":{"s":{…}},…},"1"],["Email/set",{…"destroyed":["…"],…},"1"],`+
			`["EmailSubmission/get",{…"list":[],"notFound":["x"]},"2"],["EmailSubmission/query",{…"ids":[]},"3"],["EmailSubmission/changes",{…},"4"],["EmailSubmission/queryChanges",{…"removed":[],"added":[]},"5"],`+
			`["EmailSubmission/set",{…"notUpdated":{"x":{"type":"notFound"}},"notDestroyed":{"y":{"type":"notFound"}}},"6"],["error",{"type":"stateMismatch",…},"7"]]`)
	if n := len(store.Sent("alice@example.com")); n != 2 {
		t.Errorf("%d sent", n)
	}
}

func manyRecipients() string {
	var b strings.Builder
	for i := range 1001 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"email":"r` + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + strings.Repeat("y", i/26) + `@example.com"}`)
	}
	return b.String()
}

// RFC 8621 §6: the address of the account is an identity that stays; others are made, but of no foreign address.
func TestIdentities(t *testing.T) {
	h := newServer(newStore())
	expect(t, h, `[["Identity/get",{"accountId":"u1"},"0"],["Identity/get",{"accountId":"u1","ids":["I1","I2"],"properties":["email"]},"1"]]`,
		`[["Identity/get",{"accountId":"u1","state":"…","list":[{"id":"I1","name":"","email":"alice@example.com","replyTo":null,"bcc":null,"textSignature":"","htmlSignature":"","mayDelete":false}],"notFound":[]},"0"],`+
			`["Identity/get",{…"list":[{"id":"I1","email":"alice@example.com"}],"notFound":["I2"]},"1"]]`)
	_, rest, _ := strings.Cut(post(t, h, `[["Identity/get",{"accountId":"u1"},"0"]]`), `"state":"`)
	state, _, _ := strings.Cut(rest, `"`)
	expect(t, h, `[["Identity/set",{"accountId":"u1","ifInState":"`+state+`","create":{"k":{"email":"alice@example.com","name":"Work","bcc":[{"name":null,"email":"a@b"}]},"f":{"email":"eve@example.com"},"n":{"name":"x"},"d":{"email":"alice@example.com","mayDelete":true}},
		"update":{"I1":{"textSignature":"-- \nAlice"},"I2":{"name":"x"},"#k":{"email":"bob@example.com"}},"destroy":["I1","I2","x"]},"0"],
		["Identity/changes",{"accountId":"u1","sinceState":"`+state+`"},"1"],["Identity/get",{"accountId":"u1"},"2"]]`,
		`[["Identity/set",{"accountId":"u1","oldState":"`+state+`","newState":"…","created":{"k":{"id":"n…","replyTo":null,"textSignature":"","htmlSignature":"","mayDelete":true}},"updated":{"I1":null},"destroyed":[],`+
			`"notCreated":{"d":{"type":"invalidProperties",…"properties":["mayDelete"]},"f":{"type":"forbiddenFrom"},"n":{"type":"invalidProperties",…"properties":["email"]}},`+
			`"notUpdated":{"#k":{"type":"invalidProperties",…},"I2":{"type":"notFound"}},"notDestroyed":{"I1":{"type":"forbidden",…},"I2":{"type":"notFound"},"x":{"type":"notFound"}}},"0"],`+
			`["Identity/changes",{…"created":["n…"],"updated":["I1"],"destroyed":[]},"1"],`+
			`["Identity/get",{…"list":[{"id":"I1",…"email":"alice@example.com",…"textSignature":"-- \nAlice",…"mayDelete":false},{"id":"n…","name":"Work",…"bcc":[{"name":null,"email":"a@b"}],…"mayDelete":true}],…},"2"]]`)
	expect(t, h, `[["Identity/set",{"accountId":"u1","ifInState":"`+state+`"},"0"],["Identity/changes",{"accountId":"u1","sinceState":"0"},"1"]]`,
		`[["error",{"type":"stateMismatch",…},"0"],["error",{"type":"cannotCalculateChanges",…},"1"]]`)
}
