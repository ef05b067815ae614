package mailserver_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/jmap/jmaptest"
)

const using = `"using":["urn:ietf:params:jmap:core","urn:ietf:params:jmap:mail","urn:ietf:params:jmap:submission","urn:ietf:params:jmap:blob"]`

// Whatever a client sends, the answer is the error that the RFC has for it, and no mail changes.
func TestBadInput(t *testing.T) {
	store := newStore()
	e := string(store.Deliver("alice@example.com", "inbox", at(0), jmaptest.Message("a@example.com", "x", "y"), "$seen"))
	bobs := string(store.Deliver("bob@example.com", "inbox", at(0), jmaptest.Message("a@example.com", "secret", "y")))
	srv := httptest.NewServer(newServer(store))
	defer srv.Close()
	send := func(body string) (status int, text string) {
		t.Helper()
		r, err := http.Post(srv.URL+"/jmap/api", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(io.LimitReader(r.Body, 64<<20))
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, string(b)
	}
	calls := func(list string) string { return `{` + using + `,"methodCalls":[` + list + `]}` }
	all := calls(`["Email/get",{"accountId":"u1"},"0"],["Mailbox/get",{"accountId":"u1"},"1"],["Thread/get",{"accountId":"u1","ids":null},"2"]`)
	_, before := send(all)

	const problem = "urn:ietf:params:jmap:error:"
	huge := strings.Repeat("a", 256)
	var many strings.Builder
	for i := range 1001 {
		fmt.Fprintf(&many, `,"x%d"`, i)
	}
	ids := many.String()[1:]
	deep := strings.Repeat(`{"operator":"NOT","conditions":[`, 1000) + `{}` + strings.Repeat(`]}`, 1000)
	requests := []struct{ name, body, want string }{
		{"nothing", ``, problem + "notJSON"},
		{"half of JSON", calls(`["Core/echo",{`), problem + "notJSON"},
		{"duplicate names", calls(`["Core/echo",{"a":1,"a":2},"0"]`), problem + "notJSON"},
		{"no UTF-8", calls("[\"Core/echo\",{\"a\":\"\xff\"},\"0\"]"), problem + "notJSON"},
		{"half a surrogate pair", calls(`["Core/echo",{"a":"\udead"},"0"]`), problem + "notJSON"},
		{"deep JSON", calls(`["Core/echo",{"a":` + strings.Repeat(`[`, 100_000) + strings.Repeat(`]`, 100_000) + `},"0"]`), problem + "notJSON"},
		{"no request", `[]`, problem + "notRequest"},
		{"calls that are none", calls(`["Core/echo"]`), problem + "notRequest"},
		{"unknown capability", `{"using":["urn:example:none"],"methodCalls":[]}`, problem + "unknownCapability"},
		{"10,000 calls", calls(strings.Repeat(`["Core/echo",{},"0"],`, 9999) + `["Core/echo",{},"0"]`), problem + "limit"},
	}
	for _, c := range requests {
		if status, got := send(c.body); status != 400 || !strings.Contains(got, `"type":"`+c.want+`"`) {
			t.Errorf("%s: %d %.300s, want %s", c.name, status, got, c.want)
		}
	}
	methods := []struct{ name, call, want string }{
		{"unknown method", `["Email/nope",{"accountId":"u1"},"0"]`, "unknownMethod"},
		{"foreign account, get", `["Email/get",{"accountId":"u2","ids":["` + bobs + `"]},"0"]`, "accountNotFound"},
		{"foreign account, set", `["Email/set",{"accountId":"u2","destroy":["` + bobs + `"]},"0"]`, "accountNotFound"},
		{"foreign account, query", `["Email/query",{"accountId":"u2"},"0"]`, "accountNotFound"},
		{"foreign account, queryChanges", `["Email/queryChanges",{"accountId":"u2","sinceQueryState":"1"},"0"]`, "accountNotFound"},
		{"foreign account, changes", `["Thread/changes",{"accountId":"u2","sinceState":"1"},"0"]`, "accountNotFound"},
		{"foreign account, mailboxes", `["Mailbox/get",{"accountId":"u2"},"0"]`, "accountNotFound"},
		{"foreign account, copy from", `["Email/copy",{"fromAccountId":"u2","accountId":"u1","create":{"k":{"id":"` + bobs + `","mailboxIds":{"m1":true}}}},"0"]`, "fromAccountNotFound"},
		{"foreign account, blobs", `["Blob/copy",{"fromAccountId":"u2","accountId":"u1","blobIds":["x"]},"0"]`, "fromAccountNotFound"},
		{"foreign account, submissions", `["EmailSubmission/set",{"accountId":"u2","create":{}},"0"]`, "accountNotFound"},
		{"no account", `["Email/get",{"ids":[]},"0"]`, "accountNotFound"},
		{"account of another type", `["Email/get",{"accountId":7},"0"]`, "invalidArguments"},
		{"stale state, set", `["Email/set",{"accountId":"u1","ifInState":"1","destroy":["` + e + `"]},"0"]`, "stateMismatch"},
		{"stale state, mailboxes", `["Mailbox/set",{"accountId":"u1","ifInState":"x","destroy":["m1"]},"0"]`, "stateMismatch"},
		{"stale state, import", `["Email/import",{"accountId":"u1","ifInState":"x","emails":{}},"0"]`, "stateMismatch"},
		{"state of no time, changes", `["Email/changes",{"accountId":"u1","sinceState":"99999999999999999999999"},"0"]`, "cannotCalculateChanges"},
		{"state of no time, mailboxes", `["Mailbox/changes",{"accountId":"u1","sinceState":"-1"},"0"]`, "cannotCalculateChanges"},
		{"state of no time, queryChanges", `["Email/queryChanges",{"accountId":"u1","sinceQueryState":"x"},"0"]`, "cannotCalculateChanges"},
		{"maxChanges of 0", `["Email/changes",{"accountId":"u1","sinceState":"1","maxChanges":0},"0"]`, "invalidArguments"},
		{"maxChanges below 0", `["Email/changes",{"accountId":"u1","sinceState":"1","maxChanges":-1},"0"]`, "invalidArguments"},
		{"huge id", `["Email/get",{"accountId":"u1","ids":["` + huge + `"]},"0"]`, "invalidArguments"},
		{"id with a space", `["Email/get",{"accountId":"u1","ids":["a b"]},"0"]`, "invalidArguments"},
		{"more ids than the limit", `["Email/get",{"accountId":"u1","ids":[` + ids + `]},"0"]`, "requestTooLarge"},
		{"more changes than the limit", `["Email/set",{"accountId":"u1","destroy":[` + ids + `]},"0"]`, "requestTooLarge"},
		{"unknown property", `["Email/get",{"accountId":"u1","ids":[],"properties":["nope"]},"0"]`, "invalidArguments"},
		{"bad header property", `["Email/get",{"accountId":"u1","ids":[],"properties":["header:Subject:asNope"]},"0"]`, "invalidArguments"},
		{"limit below 0", `["Email/query",{"accountId":"u1","limit":-1},"0"]`, "invalidArguments"},
		{"position beyond 2^53", `["Email/query",{"accountId":"u1","position":99999999999999999999},"0"]`, "invalidArguments"},
		{"anchor that is not there", `["Email/query",{"accountId":"u1","anchor":"none"},"0"]`, "anchorNotFound"},
		{"deep filter", `["Email/query",{"accountId":"u1","filter":` + deep + `},"0"]`, "invalidArguments"},
		{"filter of an unknown condition", `["Email/query",{"accountId":"u1","filter":{"nope":1}},"0"]`, "invalidArguments"},
		{"unknown sort", `["Email/query",{"accountId":"u1","sort":[{"property":"nope"}]},"0"]`, "unsupportedSort"},
		{"reference to itself", `["Email/get",{"accountId":"u1","#ids":{"resultOf":"0","name":"Email/get","path":"/ids"}},"0"]`, "invalidResultReference"},
		{"cyclic references", `["Email/get",{"accountId":"u1","#ids":{"resultOf":"1","name":"Email/get","path":"/list/*/id"}},"0"],` +
			`["Email/get",{"accountId":"u1","#ids":{"resultOf":"0","name":"Email/get","path":"/list/*/id"}},"1"]`, "invalidResultReference"},
		{"reference by another name", `["Core/echo",{"a":[]},"1"],["Email/get",{"accountId":"u1","#ids":{"resultOf":"1","name":"Email/query","path":"/a"}},"0"]`, "invalidResultReference"},
		{"reference to nothing", `["Core/echo",{"a":[]},"1"],["Email/get",{"accountId":"u1","#ids":{"resultOf":"1","name":"Core/echo","path":"/b"}},"0"]`, "invalidResultReference"},
		{"* on an object", `["Core/echo",{"a":{}},"1"],["Email/get",{"accountId":"u1","#ids":{"resultOf":"1","name":"Core/echo","path":"/a/*/x"}},"0"]`, "invalidResultReference"},
		{"a value and a reference", `["Core/echo",{"a":[]},"1"],["Email/get",{"accountId":"u1","ids":[],"#ids":{"resultOf":"1","name":"Core/echo","path":"/a"}},"0"]`, "invalidArguments"},
	}
	for _, c := range methods {
		if status, got := send(calls(c.call)); status != 200 || !strings.Contains(got, `["error",{"type":"`+c.want+`"`) {
			t.Errorf("%s: %d %.300s, want %s", c.name, status, got, c.want)
		}
	}
	update := func(id, patch string) string {
		return fmt.Sprintf(`["Email/set",{"accountId":"u1","update":{%q:%s}},"0"]`, id, patch)
	}
	records := []struct{ name, call, want string }{
		{"patch of what the server sets", update(e, `{"size":1}`), "invalidProperties"},
		{"patch of what cannot change", update(e, `{"subject":"z"}`), "invalidProperties"},
		{"patch below nothing", update(e, `{"nope/x":1}`), "invalidP"},
		{"patch of a keyword that is none", update(e, `{"keywords/a b":true}`), "invalidProperties"},
		{"patch of a path and one below it", update(e, `{"keywords":{},"keywords/x":true}`), "invalidPatch"},
		{"out of all mailboxes", update(e, `{"mailboxIds":{}}`), "invalidProperties"},
		{"into a mailbox that is not there", update(e, `{"mailboxIds/none":true}`), "invalidProperties"},
		{"update of another's email", update(bobs+"0", `{"keywords/x":true}`), "notFound"},
		{"a creation id of nothing", update("#nope", `{"keywords/x":true}`), "notFound"},
		{"destroy of none", `["Email/set",{"accountId":"u1","destroy":["none"]},"0"]`, "notFound"},
		{"create in no mailbox", `["Email/set",{"accountId":"u1","create":{"k":{"subject":"z"}}},"0"]`, "invalidProperties"},
		{"create of a blob that is not there", `["Email/set",{"accountId":"u1","create":{"k":{"mailboxIds":{"m1":true},"attachments":[{"blobId":"Bnone"}]}}},"0"]`, "blobNotFound"},
		{"create of a header with a line end", `["Email/set",{"accountId":"u1","create":{"k":{"mailboxIds":{"m1":true},"header:X-A:asRaw":" a\r\nBcc: b"}}},"0"]`, "invalidProperties"},
		{"import of a blob that is not there", `["Email/import",{"accountId":"u1","emails":{"k":{"blobId":"Bnone","mailboxIds":{"m1":true}}}},"0"]`, "invalidProperties"},
		{"mailbox below itself", `["Mailbox/set",{"accountId":"u1","update":{"m1":{"parentId":"m1"}}},"0"]`, "invalidProperties"},
		{"mailbox of a name that is too long", `["Mailbox/set",{"accountId":"u1","create":{"k":{"name":"` + strings.Repeat("n", 10_000) + `"}}},"0"]`, "invalidProperties"},
		{"destroy of a mailbox with mail", `["Mailbox/set",{"accountId":"u1","destroy":["m1"]},"0"]`, "mailboxHasEmail"},
	}
	for _, c := range records {
		if status, got := send(calls(c.call)); status != 200 || !strings.Contains(got, `:{"type":"`+c.want) {
			t.Errorf("%s: %d %.300s, want %s", c.name, status, got, c.want)
		}
	}
	if _, after := send(all); after != before {
		t.Errorf("the mail changed:\n%s\nwas\n%s", after, before)
	}
}
