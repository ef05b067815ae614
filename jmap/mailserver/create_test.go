package mailserver_test

import (
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// An email made of its parts comes back as it was made, and can be changed by its creation id.
func TestCreate(t *testing.T) {
	h := newServer(newStore())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/jmap/upload/u1", strings.NewReader("\x89PNG\r\n\x00")))
	var up struct {
		BlobID string `json:"blobId"`
	}
	if err := jmap.Unmarshal(w.Body.Bytes(), &up); err != nil {
		t.Fatal(err)
	}
	expect(t, h, `[["Email/set",{"accountId":"u1","create":{"k":{"mailboxIds":{"m2":true},"keywords":{"$draft":true,"$Seen":true},"receivedAt":"2020-01-02T03:04:05Z",
		"from":[{"name":"Ann","email":"alice@example.com"}],"to":[{"name":null,"email":"bob@example.com"}],"subject":"Grüße","header:X-Mood:asText":"good",
		"textBody":[{"partId":"t","type":"text/plain"}],"htmlBody":[{"partId":"h","type":"text/html"}],
		"attachments":[{"blobId":"`+up.BlobID+`","type":"image/png","name":"ü.png"},{"blobId":"`+up.BlobID+`","type":"image/png","cid":"i@x","disposition":"inline"}],
		"bodyValues":{"t":{"value":"Hallo\nWelt"},"h":{"value":"<b>Hällo</b>"}}}}},"0"],
		["Email/set",{"accountId":"u1","update":{"#k":{"keywords/$flagged":true}}},"1"],
		["Email/get",{"accountId":"u1","ids":["e7"],"properties":["mailboxIds","keywords","receivedAt","from","to","subject","sentAt","messageId","header:x-mood:asText","bodyStructure","bodyValues"],
			"bodyProperties":["type","name","cid","charset","disposition","subParts"],"fetchAllBodyValues":true},"2"]]`,
		`[["Email/set",{…"created":{"k":{"id":"e7","blobId":"…","threadId":"…","size":…}},"updated":{},"destroyed":[],"notCreated":{},"notUpdated":{},"notDestroyed":{}},"0"],`+
			`["Email/set",{…"updated":{"e7":null},…},"1"],`+
			`["Email/get",{…"list":[{"id":"e7","mailboxIds":{"m2":true},"keywords":{"$draft":true,"$flagged":true,"$seen":true},"receivedAt":"2020-01-02T03:04:05Z",`+
			`"from":[{"name":"Ann","email":"alice@example.com"}],"to":[{"name":null,"email":"bob@example.com"}],"subject":"Grüße","sentAt":"…","messageId":["…@example.com"],"header:x-mood:asText":"good",`+
			`"bodyStructure":{"type":"multipart/mixed","name":null,"cid":null,"charset":null,"disposition":null,"subParts":[{"type":"multipart/alternative",…"subParts":[`+
			`{"type":"text/plain",…"charset":"us-ascii",…},{"type":"multipart/related",…"subParts":[{"type":"text/html",…"charset":"utf-8",…},{"type":"image/png",…"cid":"i@x",…"disposition":"inline",…}]}]},`+
			`{"type":"image/png","name":"ü.png",…"disposition":"attachment"…}]},`+
			`"bodyValues":{"1":{"value":"Hallo\nWelt",…},"2":{"value":"<b>Hällo</b>",…}}}],…`)
	for bad, want := range map[string]string{
		`"subject":"x"`:                                                                                                                       `"properties":["mailboxIds"]`,
		`"mailboxIds":{"m2":true},"id":"x"`:                                                                                                   `"properties":["id"]`,
		`"mailboxIds":{"m2":true},"headers":[]`:                                                                                               `"properties":["headers"]`,
		`"mailboxIds":{"m2":true},"subject":"x","header:subject":"y"`:                                                                         `"properties":["header:subject"]`,
		`"mailboxIds":{"m2":true},"header:From:asDate":"2020-01-02T03:04:05Z"`:                                                                `"properties":["header:From:asDate"]`,
		`"mailboxIds":{"m2":true},"header:Content-Type":"text/plain"`:                                                                         `"properties":["header:Content-Type"]`,
		`"mailboxIds":{"m2":true},"header:X-A":"a\r\nBcc: eve@example.com"`:                                                                   `"properties":["header:X-A"]`,
		`"mailboxIds":{"m2":true},"from":[{"name":"x","email":"a@b>\r\nBcc: <c@d"}]`:                                                          `"properties":["from"]`,
		`"mailboxIds":{"m2":true},"bodyStructure":{"type":"text/plain"},"textBody":[]`:                                                        `"properties":["textBody"]`,
		`"mailboxIds":{"m2":true},"subject":"x","bodyStructure":{"type":"text/plain","header:Subject":"y"}`:                                   `"properties":["bodyStructure"]`,
		`"mailboxIds":{"m2":true},"textBody":[]`:                                                                                              `"properties":["textBody"]`,
		`"mailboxIds":{"m2":true},"textBody":[{"partId":"1","type":"text/html"}]`:                                                             `"properties":["textBody"]`,
		`"mailboxIds":{"m2":true},"textBody":[{"partId":"1"}]`:                                                                                `"properties":["bodyValues"]`,
		`"mailboxIds":{"m2":true},"textBody":[{"partId":"1","blobId":"x"}]`:                                                                   `"properties":["partId"]`,
		`"mailboxIds":{"m2":true},"textBody":[{"partId":"1","charset":"utf-8"}],"bodyValues":{"1":{"value":"x"}}`:                             `"properties":["charset","size"]`,
		`"mailboxIds":{"m2":true},"bodyValues":{"1":{"value":"x","isTruncated":true}}`:                                                        `"properties":["bodyValues"]`,
		`"mailboxIds":{"m2":true},"textBody":[{"partId":"1","header:Content-Transfer-Encoding":"8bit"}],"bodyValues":{"1":{"value":"x"}}`:     `"properties":["header:Content-Transfer-Encoding"]`,
		`"mailboxIds":{"m2":true},"attachments":[{"blobId":"nope","type":"a/b"},{"blobId":"nope2","type":"a/b"}]`:                             `"type":"blobNotFound","notFound":["nope","nope2"]`,
		`"mailboxIds":{"m2":true},"bodyStructure":{"type":"multipart/mixed","subParts":[{"type":"x"}]}`:                                       `"properties":["type"]`,
		`"mailboxIds":{"m2":true},"bodyStructure":{"type":"multipart/mixed","subParts":[{"type":"multipart/mixed"}]}`:                         `"properties":["type"]`,
		`"mailboxIds":{"m2":true},"bodyStructure":{"type":"text/plain","cid":"a>\r\nX: <b"}`:                                                  `"properties":["cid"]`,
		`"mailboxIds":{"m2":true},"subject":3`:                                                                                                `"type":"invalidProperties"`,
		`"mailboxIds":{"m99":true}`:                                                                                                           `"properties":["mailboxIds"]`,
		`"mailboxIds":{"m2":false}`:                                                                                                           `"properties":["mailboxIds"]`,
		`"mailboxIds":{"m2":true},"bodyStructure":` + strings.Repeat(`{"type":"multipart/mixed","subParts":[`, 40) + strings.Repeat(`]}`, 40): `"properties":["bodyStructure"]`,
	} {
		expect(t, h, `[["Email/set",{"accountId":"u1","create":{"k":{`+bad+`}}},"0"]]`, `[["Email/set",{…"created":{},…"notCreated":{"k":{…`+want+`…`)
	}
}

// A creation id that is used again stands for the latest record, whatever its type (RFC 8620 §5.3); one whose creation
// fails, for the record that it stood for before.
func TestCreationIDAgain(t *testing.T) {
	h := newServer(newStore())
	expect(t, h, `[["Mailbox/set",{"accountId":"u1","create":{"k":{"name":"first"}}},"0"],
		["Mailbox/set",{"accountId":"u1","create":{"k":{"name":"second"}}},"1"],
		["Mailbox/set",{"accountId":"u1","create":{"k":{"name":""}}},"2"],
		["Mailbox/set",{"accountId":"u1","create":{"l":{"name":"child","parentId":"#k"}}},"3"],
		["Email/set",{"accountId":"u1","create":{"k":{"mailboxIds":{"#l":true},"subject":"x"}}},"4"],
		["Email/set",{"accountId":"u1","update":{"#k":{"keywords/x":true}}},"5"],
		["Mailbox/get",{"accountId":"u1","ids":["m8","m9"],"properties":["name","parentId"]},"6"]]`,
		`[…"created":{"k":{"id":"m7",…"created":{"k":{"id":"m8",…["Mailbox/set",{…"notCreated":{"k":{…}},…},"2"],…"created":{"l":{"id":"m9",…"created":{"k":{"id":"e10",…"updated":{"e10":null},…`+
			`"list":[{"id":"m8","name":"second","parentId":null},{"id":"m9","name":"child","parentId":"m8"}],…`)
}

// A message whose header is UTF-8 (RFC 6532) is imported, parsed, found and given back to the octet (RFC 8621 §4.8, §4.9).
func TestInternationalHeader(t *testing.T) {
	const letter = "From: Jürgen <jürgen@münchen.example>\r\nTo: 田中 <田中@例え.example>\r\nSubject: Grüße aus 京都\r\n\r\nx\r\n"
	h := newServer(newStore())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/jmap/upload/u1", strings.NewReader(letter)))
	var up struct {
		BlobID string `json:"blobId"`
	}
	if err := jmap.Unmarshal(w.Body.Bytes(), &up); err != nil {
		t.Fatal(err)
	}
	const header = `"subject":"Grüße aus 京都","from":[{"name":"Jürgen","email":"jürgen@münchen.example"}],"to":[{"name":"田中","email":"田中@例え.example"}]`
	expect(t, h, `[["Email/parse",{"accountId":"u1","blobIds":["`+up.BlobID+`"],"properties":["subject","from","to"]},"0"],
		["Email/import",{"accountId":"u1","emails":{"k":{"blobId":"`+up.BlobID+`","mailboxIds":{"m1":true}}}},"1"],
		["Email/query",{"accountId":"u1","filter":{"from":"JÜRGEN","subject":"京都"}},"2"],
		["Email/get",{"accountId":"u1","#ids":{"resultOf":"2","name":"Email/query","path":"/ids"},"properties":["blobId","subject","from","to"]},"3"]]`,
		`[["Email/parse",{…{"`+up.BlobID+`":{`+header+`}}…},"0"],["Email/import",{…"created":{"k":{…},"1"],["Email/query",{…"ids":["e7"]…},"2"],`+
			`["Email/get",{…"list":[{"id":"e7","blobId":"`+up.BlobID+`",`+header+`}],…`)
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/jmap/download/u1/"+up.BlobID+"/m.eml", nil))
	if w.Body.String() != letter {
		t.Errorf("downloaded: %d %q", w.Code, w.Body)
	}
}

func TestParse(t *testing.T) {
	store := newStore()
	outer := "From: a@example.com\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: message/rfc822\r\n\r\n" + invitation + "\r\n--o\r\n\r\nno message\r\n--o--\r\n"
	store.Deliver("alice@example.com", "inbox", at(0), []byte(outer))
	h := newServer(store)
	got := post(t, h, `[["Email/get",{"accountId":"u1","ids":["e7"],"properties":["blobId"]},"0"]]`)
	_, blob, _ := strings.Cut(got, `"blobId":"`)
	blob, _, _ = strings.Cut(blob, `"`)
	expect(t, h, `[["Email/parse",{"accountId":"u1","blobIds":["`+blob+`_p1","`+blob+`_p2","nope"],"properties":["subject","threadId","mailboxIds","keywords","receivedAt","blobId"]},"0"]]`,
		`[["Email/parse",{"accountId":"u1","parsed":{"`+blob+`_p1":{"subject":"Dinner on Thursday?","threadId":null,"mailboxIds":null,"keywords":null,"receivedAt":null,"blobId":"`+blob+`_p1"}},`+
			`"notParsable":["`+blob+`_p2"],"notFound":["nope"]},"0"]]`)
	expect(t, h, `[["Email/parse",{"accountId":"u1","blobIds":["`+blob+`_p1"],"fetchAllBodyValues":true},"0"]]`,
		`[["Email/parse",{"accountId":"u1","parsed":{"…":{"messageId":null,…"subject":"Dinner on Thursday?",…"bodyValues":{"1":{…},"2":{…}},"textBody":…`)
	expect(t, h, `[["Email/parse",{"accountId":"u1","blobIds":["`+blob+`"],"properties":["id"]},"0"]]`, `…"parsed":{"`+blob+`":{"id":null}},…`)
	expect(t, h, `[["Email/parse",{"accountId":"u2","blobIds":[]},"0"],["Email/parse",{"accountId":"u1","blobIds":[],"properties":["nope"]},"1"]]`,
		`[["error",{"type":"accountNotFound",…},"0"],["error",{"type":"invalidArguments",…},"1"]]`)
}

func TestCopy(t *testing.T) {
	store := newStore()
	store.Share("bob@example.com", "alice@example.com")
	store.Deliver("bob@example.com", "inbox", at(0), []byte(invitation), "$seen", "work")
	store.Deliver("bob@example.com", "inbox", at(1), jmaptest.Message("x@example.com", "two", "y"))
	h := newServer(store)
	expect(t, h, `[["Email/copy",{"fromAccountId":"u2","accountId":"u1","create":{"a":{"id":"e7","mailboxIds":{"m1":true}},"b":{"id":"e9","mailboxIds":{"m2":true},"keywords":{"x":true},"receivedAt":"2020-01-02T03:04:05Z"},
			"c":{"id":"e99","mailboxIds":{"m1":true}},"d":{"id":"e7"},"e":{"id":"e7","mailboxIds":{"m1":true},"subject":"y"}},"onSuccessDestroyOriginal":true},"0"],
		["Email/get",{"accountId":"u1","properties":["mailboxIds","keywords","receivedAt","subject"]},"1"],["Email/get",{"accountId":"u2","properties":[]},"2"]]`,
		`[["Email/copy",{"fromAccountId":"u2","accountId":"u1","oldState":"…","newState":"…","created":{"a":{"id":"…","blobId":"…","threadId":"…","size":…},"b":{…}},"notCreated":{"c":{"type":"notFound"},"d":{…["mailboxIds"]},"e":{…["subject"]}}},"0"],`+
			`["Email/set",{"accountId":"u2",…"destroyed":["…","…"],…},"0"],`+
			`["Email/get",{…"list":[{…"mailboxIds":{"m1":true},"keywords":{"$seen":true,"work":true},"receivedAt":"2013-10-13T14:12:00Z","subject":"Dinner on Thursday?"},{…"mailboxIds":{"m2":true},"keywords":{"x":true},"receivedAt":"2020-01-02T03:04:05Z","subject":"two"}],…},"1"],`+
			`["Email/get",{…"list":[],…},"2"]]`)
	expect(t, h, `[["Email/copy",{"fromAccountId":"u9","accountId":"u1","create":{}},"0"],["Email/copy",{"fromAccountId":"u2","accountId":"u9","create":{}},"1"],["Email/copy",{"fromAccountId":"u1","accountId":"u1","create":{}},"2"],
		["Email/copy",{"fromAccountId":"u2","accountId":"u1","ifFromInState":"x","create":{}},"3"],["Email/copy",{"fromAccountId":"u2","accountId":"u1","ifInState":"x","create":{}},"4"]]`,
		`[["error",{"type":"fromAccountNotFound",…},"0"],["error",{"type":"accountNotFound",…},"1"],["error",{"type":"invalidArguments",…},"2"],["error",{"type":"stateMismatch",…},"3"],["error",{"type":"stateMismatch",…},"4"]]`)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/jmap/upload/u2", strings.NewReader("hello")))
	_, blob, _ := strings.Cut(w.Body.String(), `"blobId":"`)
	blob, _, _ = strings.Cut(blob, `"`)
	expect(t, h, `[["Blob/copy",{"fromAccountId":"u2","accountId":"u1","blobIds":["`+blob+`","nope"]},"0"]]`,
		`[["Blob/copy",{"fromAccountId":"u2","accountId":"u1","copied":{"`+blob+`":"…"},"notCopied":{"nope":{"type":"blobNotFound","notFound":["nope"]}}},"0"]]`)
}

func TestSnippets(t *testing.T) {
	store := newStore()
	long := strings.Repeat("word ", 100)
	store.Deliver("alice@example.com", "inbox", at(0), jmaptest.Message("a@example.com", "Fish & chips", "It is <foo> time. "+long))
	store.Deliver("alice@example.com", "inbox", at(1), jmaptest.Message("a@example.com", "other", long+"Straße FOO "+long))
	store.Deliver("alice@example.com", "inbox", at(2), jmaptest.Message("a@example.com", "no", "thing"))
	h := newServer(store)
	got := post(t, h, `[["SearchSnippet/get",{"accountId":"u1","filter":{"operator":"AND","conditions":[{"text":"foo strasse"},{"subject":"CHIPS"},{"operator":"NOT","conditions":[{"text":"time"}]}]},"emailIds":["e7","e9","e11","e99"]},"0"]]`)
	var all []jmap.Invocation
	var resp struct {
		List     []mail.SearchSnippet `json:"list"`
		NotFound []jmap.ID            `json:"notFound"`
	}
	if err := jmap.Unmarshal([]byte(got), &all); err != nil {
		t.Fatal(err)
	}
	if err := all[0].Decode("SearchSnippet/get", &resp); err != nil || len(resp.List) != 3 || !slices.Equal(resp.NotFound, []jmap.ID{"e99"}) {
		t.Fatalf("%v %s", err, got)
	}
	if s := resp.List[0]; s.Subject != "Fish &amp; <mark>chips</mark>" || !strings.HasPrefix(string(s.Preview), "It is &lt;<mark>foo</mark>&gt; time. word") {
		t.Errorf("%+v", s)
	}
	if s := resp.List[1]; s.Subject != "" || !strings.Contains(string(s.Preview), "word <mark>Straße</mark> <mark>FOO</mark> word") {
		t.Errorf("%+v", s)
	}
	if s := resp.List[2]; s.Subject != "" || s.Preview != "" {
		t.Errorf("%+v", s)
	}
	for _, s := range resp.List {
		if len(s.Preview) > 255 {
			t.Errorf("%d octets", len(s.Preview))
		}
	}
}

// What queryChanges refuses; what it answers is checked by jmaptest.TestQueries.
func TestQueryChangesRefused(t *testing.T) {
	store := newStore()
	h := newServer(store)
	for i := range 3 {
		store.Deliver("alice@example.com", "inbox", at(i), jmaptest.Message("a@example.com", strconv.Itoa(i), "y"))
	}
	for q, want := range map[string]string{
		`"sinceQueryState":"99999","collapseThreads":true`: `cannotCalculateChanges`,
		`"sinceQueryState":"99999"`:                        `cannotCalculateChanges`,
		`"sinceQueryState":"0","maxChanges":1`:             `tooManyChanges`,
		`"sinceQueryState":"0","sort":[{"property":"x"}]`:  `unsupportedSort`,
	} {
		expect(t, h, `[["Email/queryChanges",{"accountId":"u1",`+q+`},"0"]]`, `[["error",{"type":"`+want+`",…},"0"]]`)
	}
	expect(t, h, `[["Mailbox/queryChanges",{"accountId":"u1","sinceQueryState":"0"},"0"],["Mailbox/queryChanges",{"accountId":"u7","sinceQueryState":"0"},"1"]]`,
		`[["error",{"type":"cannotCalculateChanges",…},"0"],["error",{"type":"accountNotFound",…},"1"]]`)
}
