package mailserver_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/mailserver"
)

func newServer(store *jmaptest.Store) *jmapserver.Server {
	return mailserver.NewServer(store, func(*http.Request) (string, error) { return "alice@example.com", nil })
}

func newStore() *jmaptest.Store { return jmaptest.NewStore("alice@example.com", "bob@example.com") }

// at is the time of test messages: so many minutes after a fixed one.
func at(minutes int) time.Time {
	return time.Date(2013, 10, 13, 14, 12, 0, 0, time.UTC).Add(time.Duration(minutes) * time.Minute)
}

// post makes calls and returns the responses as text.
func post(t testing.TB, h http.Handler, calls string) string {
	t.Helper()
	r := httptest.NewRequest("POST", "/jmap/api", strings.NewReader(`{"using":["urn:ietf:params:jmap:core","urn:ietf:params:jmap:mail","urn:ietf:params:jmap:submission","urn:ietf:params:jmap:blob","urn:ietf:params:jmap:quota","urn:ietf:params:jmap:vacationresponse","urn:ietf:params:jmap:mdn"],"methodCalls":`+calls+`}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	got := strings.TrimPrefix(w.Body.String(), `{"methodResponses":`)
	got, _, _ = strings.Cut(got, `,"sessionState":`)
	return got
}

// expect compares the responses to calls, "…" in want being anything.
func expect(t *testing.T, h http.Handler, calls, want string) {
	t.Helper()
	got := post(t, h, calls)
	pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(want), "…", ".*") + "$"
	if !regexp.MustCompile(pattern).MatchString(got) {
		t.Errorf("%s\ngot  %s\nwant %s", calls, got, want)
	}
}

const invitation = "From: Joe Bloggs <joe@example.com>\r\nSubject: Dinner on Thursday?\r\nList-Post: <mailto:partytime@lists.example.com>\r\n" +
	"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/html\r\n\r\n<html><body><p>Hello there, this goes on for a while</p>\r\n" +
	"--b\r\nContent-Type: text/plain\r\n\r\n-- Sent by your friendly mailing list\r\n--b--\r\n"

// The first request that anybody makes: subject, from, receivedAt and bodyStructure.
func TestEmailGet(t *testing.T) {
	store := newStore()
	id := string(store.Deliver("alice@example.com", "inbox", at(0), []byte(invitation), "$seen"))
	h := newServer(store)
	expect(t, h, `[["Email/get",{"accountId":"u1","ids":["`+id+`"],"properties":["subject","from","receivedAt","bodyStructure"]},"0"]]`,
		`[["Email/get",{"accountId":"u1","state":"…","list":[{"id":"`+id+`","subject":"Dinner on Thursday?","from":[{"name":"Joe Bloggs","email":"joe@example.com"}],`+
			`"receivedAt":"2013-10-13T14:12:00Z","bodyStructure":{"partId":null,"blobId":null,"size":0,"name":null,"type":"multipart/mixed","charset":null,"disposition":null,`+
			`"cid":null,"language":null,"location":null,"subParts":[`+
			`{"partId":"1","blobId":"…_p1","size":56,"name":null,"type":"text/html","charset":"us-ascii","disposition":null,"cid":null,"language":null,"location":null},`+
			`{"partId":"2","blobId":"…_p2","size":37,"name":null,"type":"text/plain","charset":"us-ascii","disposition":null,"cid":null,"language":null,"location":null}]}}],"notFound":[]},"0"]]`)
	// RFC 8621 §4.2.1.
	expect(t, h, `[["Email/get",{"accountId":"u1","ids":["`+id+`","f123u457"],"properties":["threadId","mailboxIds","from","subject","receivedAt","header:List-POST:asURLs","htmlBody","bodyValues"],
		"bodyProperties":["partId","blobId","size","type"],"fetchHTMLBodyValues":true,"maxBodyValueBytes":25},"#1"]]`,
		`[["Email/get",{"accountId":"u1","state":"…","list":[{"id":"`+id+`","threadId":"…","mailboxIds":{"m1":true},"from":[{"name":"Joe Bloggs","email":"joe@example.com"}],`+
			`"subject":"Dinner on Thursday?","receivedAt":"2013-10-13T14:12:00Z","header:List-POST:asURLs":["mailto:partytime@lists.example.com"],`+
			`"htmlBody":[{"partId":"1","blobId":"…_p1","size":56,"type":"text/html"},{"partId":"2","blobId":"…_p2","size":37,"type":"text/plain"}],`+
			`"bodyValues":{"1":{"value":"<html><body><p>Hello ther","isEncodingProblem":false,"isTruncated":true},"2":{"value":"-- Sent by your friendly ","isEncodingProblem":false,"isTruncated":true}}}],`+
			`"notFound":["f123u457"]},"#1"]]`)
	expect(t, h, `[["Email/get",{"accountId":"u1","ids":["`+id+`"]},"0"]]`,
		`…"keywords":{"$seen":true},"size":…,"messageId":null,"inReplyTo":null,"references":null,"sender":null,"from":…,"to":null,"cc":null,"bcc":null,"replyTo":null,`+
			`"subject":"Dinner on Thursday?","sentAt":null,"hasAttachment":false,"preview":"Hello there, this goes on for a while -- Sent by your friendly mailing list","bodyValues":{},"textBody":[{…}],"htmlBody":[{…}],"attachments":[]}],"notFound":[]},"0"]]`)
	expect(t, h, `[["Email/get",{"accountId":"u1","ids":["`+id+`"],"properties":["headers","header:x","header:Subject:asText:all"]},"0"]]`,
		`…"headers":[{"name":"From","value":" Joe Bloggs <joe@example.com>"},…],"header:x":null,"header:Subject:asText:all":["Dinner on Thursday?"]}],…`)
	expect(t, h, `[["Email/get",{"accountId":"u1","ids":["`+id+`"],"properties":["bodyValues"],"fetchTextBodyValues":true},"0"]]`, `…"bodyValues":{"1":…,"2":…}}],…`)
	expect(t, h, `[["Email/get",{"accountId":"u1","ids":["`+id+`"],"properties":["bodyStructure"],"bodyProperties":["type","header:Content-Type"]},"0"]]`,
		`…"bodyStructure":{"type":"multipart/mixed","header:Content-Type":" multipart/mixed; boundary=b"}}],…`)
	for _, bad := range []string{`"properties":["nope"]`, `"properties":["header:From:asDate"]`, `"bodyProperties":["nope"]`, `"bodyProperties":["header:"]`, `"maxBodyValueBytes":-1`} {
		expect(t, h, `[["Email/get",{"accountId":"u1","ids":[],`+bad+`},"0"]]`, `[["error",{"type":"invalidArguments",…},"0"]]`)
	}
	for _, call := range []string{"Email/get", "Mailbox/get", "Thread/get", "Email/query", "Mailbox/query", "Email/set", "Mailbox/set"} {
		expect(t, h, `[["`+call+`",{"accountId":"u2"},"0"]]`, `[["error",{"type":"accountNotFound",…},"0"]]`)
	}
	expect(t, h, `[["Email/changes",{"accountId":"u2","sinceState":"0"},"0"]]`, `[["error",{"type":"accountNotFound",…},"0"]]`)
}

func TestMailboxGet(t *testing.T) {
	store := newStore()
	store.Deliver("alice@example.com", "inbox", at(0), jmaptest.Message("a@example.com", "x", "y"))
	store.Deliver("alice@example.com", "inbox", at(0), jmaptest.Message("a@example.com", "x", "y"), "$seen")
	h := newServer(store)
	expect(t, h, `[["Mailbox/get",{"accountId":"u1","ids":["m1"]},"0"]]`,
		`[["Mailbox/get",{"accountId":"u1","state":"8","list":[{"id":"m1","name":"Inbox","parentId":null,"role":"inbox","sortOrder":10,"totalEmails":2,"unreadEmails":1,"totalThreads":2,"unreadThreads":1,`+
			`"myRights":{"mayReadItems":true,"mayAddItems":true,"mayRemoveItems":true,"maySetSeen":true,"maySetKeywords":true,"mayCreateChild":true,"mayRename":true,"mayDelete":true,"maySubmit":true},`+
			`"isSubscribed":true}],"notFound":[]},"0"]]`)
	expect(t, h, `[["Mailbox/get",{"accountId":"u1","ids":null,"properties":["role"]},"0"]]`,
		`…"list":[{"id":"m1","role":"inbox"},{"id":"m2","role":"drafts"},{"id":"m3","role":"sent"},{"id":"m4","role":"junk"},{"id":"m5","role":"trash"},{"id":"m6","role":"archive"}],…`)
}

func TestMailboxQuery(t *testing.T) {
	h := newServer(newStore())
	expect(t, h, `[["Mailbox/set",{"accountId":"u1","create":{"a":{"name":"Zoo"}}},"0"],["Mailbox/set",{"accountId":"u1","create":{"b":{"name":"Ape","parentId":"#a"},"c":{"name":"Bee","sortOrder":3}}},"1"],
		["Mailbox/query",{"accountId":"u1","filter":{"role":null},"sort":[{"property":"name"}]},"2"],
		["Mailbox/query",{"accountId":"u1","filter":{"hasAnyRole":false},"sort":[{"property":"name","isAscending":false}],"sortAsTree":true,"calculateTotal":true},"3"],
		["Mailbox/query",{"accountId":"u1","filter":{"name":"APE"},"filterAsTree":true},"4"],
		["Mailbox/query",{"accountId":"u1","filter":{"parentId":"m7"}},"5"],
		["Mailbox/query",{"accountId":"u1","filter":{"parentId":null,"role":"inbox"}},"6"],
		["Mailbox/query",{"accountId":"u1","sort":[{"property":"size"}]},"7"],
		["Mailbox/query",{"accountId":"u1","filter":{"nope":1}},"8"]]`,
		`[["Mailbox/set",{…"created":{"a":{"id":"m7","parentId":null,"role":null,"sortOrder":10,"totalEmails":0,"unreadEmails":0,"totalThreads":0,"unreadThreads":0,"myRights":{…},"isSubscribed":true}},…`+
			`["Mailbox/set",{…},"1"],`+
			`["Mailbox/query",{…"ids":["m8","m9","m7"]},"2"],`+
			`["Mailbox/query",{"accountId":"u1","queryState":"…","canCalculateChanges":false,"position":0,"ids":["m7","m8","m9"],"total":3},"3"],`+
			`["Mailbox/query",{…"ids":[]},"4"],`+
			`["Mailbox/query",{…"ids":["m8"]},"5"],`+
			`["Mailbox/query",{…"ids":["m1"]},"6"],`+
			`["error",{"type":"unsupportedSort",…},"7"],`+
			`["error",{"type":"invalidArguments",…},"8"]]`)
}

func TestMailboxSet(t *testing.T) {
	store := newStore()
	store.Deliver("alice@example.com", "inbox", at(0), jmaptest.Message("a@example.com", "x", "y"))
	h := newServer(store)
	expect(t, h, `[["Mailbox/set",{"accountId":"u1","ifInState":"stale","create":{"a":{"name":"x"}}},"0"]]`, `[["error",{"type":"stateMismatch",…},"0"]]`)
	expect(t, h, `[["Mailbox/set",{"accountId":"u1","create":{"a":{"name":"x"},"b":{"name":"a/b"},"c":{},"d":{"name":"y","role":"Inbox"},"e":{"name":"z","totalEmails":3},"f":{"name":"Inbox"}},
		"update":{"m1":{"name":"Post","sortOrder":3},"m2":{"parentId":"m2"},"m3":{"nope":1},"m99":{"name":"q"}},"destroy":["m1","m6","m6","m98"]},"0"]]`,
		`[["Mailbox/set",{"accountId":"u1","oldState":"7","newState":"…","created":{"a":{…}},"updated":{"m1":null},"destroyed":["m6"],`+
			`"notCreated":{"b":{"type":"invalidProperties",…"properties":["name"]},"c":{…},"d":{…},"e":{…"properties":["totalEmails"]},"f":{…}},`+
			`"notUpdated":{"m2":{…"properties":["parentId"]},"m3":{…"properties":["nope"]},"m99":{"type":"notFound"}},`+
			`"notDestroyed":{"m1":{"type":"mailboxHasEmail"},"m98":{"type":"notFound"}}},"0"]]`)
	expect(t, h, `[["Mailbox/set",{"accountId":"u1","destroy":["m1"],"onDestroyRemoveEmails":true},"0"],["Email/get",{"accountId":"u1","ids":null,"properties":[]},"1"]]`,
		`[["Mailbox/set",{…"destroyed":["m1"],…},"0"],["Email/get",{…"list":[],…},"1"]]`)
}

func TestChanges(t *testing.T) {
	store := newStore()
	h := newServer(store)
	a := string(store.Deliver("alice@example.com", "inbox", at(0), jmaptest.Message("a@example.com", "x", "y")))
	b := string(store.Deliver("alice@example.com", "inbox", at(1), jmaptest.Message("a@example.com", "x", "y")))
	expect(t, h, `[["Email/changes",{"accountId":"u1","sinceState":"6"},"0"],["Mailbox/changes",{"accountId":"u1","sinceState":"6"},"1"],["Mailbox/changes",{"accountId":"u1","sinceState":"0"},"2"]]`,
		`[["Email/changes",{"accountId":"u1","oldState":"6","newState":"8","hasMoreChanges":false,"created":["`+a+`","`+b+`"],"updated":[],"destroyed":[]},"0"],`+
			`["Mailbox/changes",{"accountId":"u1","oldState":"6","newState":"8","hasMoreChanges":false,"created":[],"updated":["m1"],"destroyed":[],"updatedProperties":["totalEmails","unreadEmails","totalThreads","unreadThreads"]},"1"],`+
			`["Mailbox/changes",{…"created":["m2","m3","m4","m5","m6","m1"],…"updatedProperties":[…]},"2"]]`)
	expect(t, h, `[["Email/changes",{"accountId":"u1","sinceState":"6","maxChanges":1},"0"]]`, `[["Email/changes",{…"newState":"7-7","hasMoreChanges":true,"created":["`+a+`"],…`)
	expect(t, h, `[["Email/set",{"accountId":"u1","update":{"`+a+`":{"keywords/$SEEN":true}},"destroy":["`+b+`"]},"0"],["Email/changes",{"accountId":"u1","sinceState":"8"},"1"],["Thread/changes",{"accountId":"u1","sinceState":"8"},"2"]]`,
		`[["Email/set",{…},"0"],["Email/changes",{…"created":[],"updated":["`+a+`"],"destroyed":["`+b+`"]},"1"],["Thread/changes",{…"updated":[],"destroyed":["…"]},"2"]]`)
	for _, state := range []string{"99", "x", ""} {
		expect(t, h, `[["Email/changes",{"accountId":"u1","sinceState":"`+state+`"},"0"]]`, `[["error",{"type":"cannotCalculateChanges",…},"0"]]`)
	}
	// Renaming shows: updatedProperties is null, and a reference to it asks for all.
	expect(t, h, `[["Mailbox/set",{"accountId":"u1","update":{"m1":{"name":"Post"}}},"0"],["Mailbox/changes",{"accountId":"u1","sinceState":"8"},"1"],
		["Mailbox/get",{"accountId":"u1","#ids":{"resultOf":"1","name":"Mailbox/changes","path":"/updated"},"#properties":{"resultOf":"1","name":"Mailbox/changes","path":"/updatedProperties"}},"2"]]`,
		`…"updatedProperties":null},"1"],["Mailbox/get",{…"name":"Post",…},"2"]]`)
}

func TestEmailSet(t *testing.T) {
	store := newStore()
	h := newServer(store)
	id := string(store.Deliver("alice@example.com", "inbox", at(0), jmaptest.Message("a@example.com", "x", "y"), "$flagged", "work"))
	get := func(want string) {
		t.Helper()
		expect(t, h, `[["Email/get",{"accountId":"u1","ids":["`+id+`"],"properties":["keywords","mailboxIds"]},"0"]]`, `…"list":[{"id":"`+id+`",`+want+`}],…`)
	}
	update := func(patch, want string) {
		t.Helper()
		expect(t, h, `[["Email/set",{"accountId":"u1","update":{"`+id+`":`+patch+`}},"0"]]`, `…`+want+`…`)
	}
	update(`{"keywords/$Seen":true,"keywords/work":null}`, `"updated":{"`+id+`":null}`)
	get(`"keywords":{"$flagged":true,"$seen":true},"mailboxIds":{"m1":true}`)
	update(`{"keywords":{"new":true},"mailboxIds/m5":true,"mailboxIds/m1":null}`, `"updated":{"`+id+`":null}`)
	get(`"keywords":{"new":true},"mailboxIds":{"m5":true}`)
	update(`{"mailboxIds":{"m1":true,"m2":true}}`, `"updated":{"`+id+`":null}`)
	get(`"keywords":{"new":true},"mailboxIds":{"m1":true,"m2":true}`)
	for patch, want := range map[string]string{
		`{"keywords":{"a":true},"keywords/b":true}`:   `"type":"invalidPatch"`,
		`{"keywords/$seen":false}`:                    `"type":"invalidProperties"`,
		`{"keywords/a b":true}`:                       `"type":"invalidProperties"`,
		`{"keywords":["a"]}`:                          `"type":"invalidProperties"`,
		`{"keywords/a/b":true}`:                       `"type":"invalidProperties"`,
		`{"mailboxIds":{}}`:                           `"type":"invalidProperties"`,
		`{"mailboxIds/m1":null,"mailboxIds/m2":null}`: `"type":"invalidProperties"`,
		`{"mailboxIds/m99":true}`:                     `"type":"invalidProperties"`,
		`{"subject":"x"}`:                             `"properties":["subject"]`,
		`{"id":"x"}`:                                  `"properties":["id"]`,
	} {
		update(patch, `"notUpdated":{"`+id+`":{…`+want)
	}
	get(`"keywords":{"new":true},"mailboxIds":{"m1":true,"m2":true}`)
	expect(t, h, `[["Email/set",{"accountId":"u1","create":{"k":{"subject":"x"}},"update":{"`+id+`":{"keywords/x":true},"e99":{}},"destroy":["`+id+`","e98"]},"0"]]`,
		`…"destroyed":["`+id+`"],"notCreated":{"k":{"type":"invalidProperties",…"properties":["mailboxIds"]}},"notUpdated":{"`+id+`":{"type":"willDestroy"},"e99":{"type":"notFound"}},"notDestroyed":{"e98":{"type":"notFound"}}},"0"]]`)
}

func TestImportAndBlobs(t *testing.T) {
	store := newStore()
	h := newServer(store)
	do := func(method, path, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
		return w
	}
	w := do("POST", "/jmap/upload/u1", invitation)
	var up struct {
		BlobID string `json:"blobId"`
	}
	if err := jmap.Unmarshal(w.Body.Bytes(), &up); err != nil || w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	expect(t, h, `[["Email/import",{"accountId":"u1","emails":{"k":{"blobId":"`+up.BlobID+`","mailboxIds":{"m1":true},"keywords":{"$Seen":true},"receivedAt":"2013-10-13T14:12:00Z"},
		"l":{"blobId":"nope","mailboxIds":{"m1":true}},"m":{"blobId":"`+up.BlobID+`","mailboxIds":{}},"n":{"blobId":"`+up.BlobID+`","mailboxIds":{"m99":true}}}},"0"],
		["Email/set",{"accountId":"u1","update":{"#k":{"keywords/x":true}}},"1"]]`,
		`[["Email/import",{…"created":{"k":{"id":"…","blobId":"`+up.BlobID+`","threadId":"…","size":…}},"notCreated":{"l":{"type":"invalidProperties",…"properties":["blobId"]},"m":{"type":"invalidProperties",…},"n":{…}}},"0"],`+
			`["Email/set",{…"updated":{"…":null},…},"1"]]`)
	if w := do("GET", "/jmap/download/u1/"+up.BlobID+"/m.eml?type=message/rfc822", ""); w.Code != 200 || w.Body.String() != invitation {
		t.Errorf("whole: %d", w.Code)
	}
	if w := do("GET", "/jmap/download/u1/"+up.BlobID+"_p2/p.txt?type=text/plain", ""); w.Code != 200 || w.Body.String() != "-- Sent by your friendly mailing list" {
		t.Errorf("part: %d %q", w.Code, w.Body)
	}
	for _, p := range []string{"/jmap/download/u2/" + up.BlobID + "/x", "/jmap/download/u1/" + up.BlobID + "_p9/x", "/jmap/download/u1/nope_p1/x", "/jmap/download/u1/nope/x"} {
		if w := do("GET", p, ""); w.Code != 404 {
			t.Errorf("%s: %d", p, w.Code)
		}
	}
	if w := do("POST", "/jmap/upload/u2", "x"); w.Code != 404 {
		t.Errorf("upload into a foreign account: %d", w.Code)
	}
}
