package jmapclient_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// counting counts the requests to the API.
type counting struct {
	http.RoundTripper
	api int
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/jmap/api" {
		c.api++
	}
	return c.RoundTripper.RoundTrip(r)
}

// TestBatchCut makes more calls than one request may have: results and creation ids are carried over.
func TestBatchCut(t *testing.T) {
	store := jmaptest.NewStore("alice@example.com")
	c, h := start(t, store)
	limits := jmap.DefaultLimits()
	limits.MaxCallsInRequest = 3
	h.Limits = &limits
	count := &counting{RoundTripper: c.HTTP.Transport}
	c.HTTP.Transport = count
	want := []jmap.ID{}
	for i := range 3 {
		want = append(want, store.Deliver("alice@example.com", "inbox", day.Add(time.Duration(i)*time.Hour), jmaptest.Message("a@example.com", "x", "y")))
	}
	type set = jmap.SetRequest[mail.Mailbox, jmap.Patch, mail.MailboxSetArgs]
	b := c.Batch(jmap.CapabilityMail)
	made := jmapclient.Add[jmap.SetResponse[mail.Mailbox]](b, "Mailbox/set", set{AccountID: "u1", Create: map[jmap.ID]mail.Mailbox{"top": {Name: "Top"}}})
	q := jmapclient.Add[jmap.QueryResponse](b, "Email/query", queryRequest{AccountID: "u1"})
	failed := jmapclient.Add[jmap.QueryResponse](b, "Email/query", queryRequest{AccountID: "nope"})
	for range 4 {
		jmapclient.Add[jmap.GetResponse[mail.Mailbox]](b, "Mailbox/get", jmap.GetRequest[jmap.NoArgs]{AccountID: "u1", IDs: []jmap.ID{}})
	}
	g := jmapclient.Add[getResponse](b, "Email/get", getRequest{AccountID: "u1", Properties: []string{"threadId"}}, q.Ref("ids", "/ids"))
	threads := jmapclient.Add[jmap.GetResponse[mail.Thread]](b, "Thread/get", jmap.GetRequest[jmap.NoArgs]{AccountID: "u1"}, g.Ref("ids", "/list/*/threadId"))
	orphan := jmapclient.Add[getResponse](b, "Email/get", getRequest{AccountID: "u1"}, failed.Ref("ids", "/ids"))
	parent := jmap.ID("#top")
	child := jmapclient.Add[jmap.SetResponse[mail.Mailbox]](b, "Mailbox/set", set{AccountID: "u1", Create: map[jmap.ID]mail.Mailbox{"sub": {Name: "Sub", ParentID: &parent}}})
	if err := b.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	if count.api != 4 {
		t.Errorf("%d requests", count.api)
	}
	emails, err := g.Result()
	if err != nil || len(emails.List) != len(want) {
		t.Fatalf("%+v, %v", emails, err)
	}
	if got, err := threads.Result(); err != nil || len(got.List) != len(want) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := orphan.Result(); !jmap.IsMethodError(err, jmap.InvalidResultReference) {
		t.Errorf("reference to a call that failed: %v", err)
	}
	top, err := made.Result()
	if err != nil || len(top.Created) != 1 {
		t.Fatalf("%+v, %v", top, err)
	}
	if got, err := child.Result(); err != nil || len(got.Created) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestReferenceTypes: what cannot fit is found before anything is sent.
func TestReferenceTypes(t *testing.T) {
	c, _ := start(t, jmaptest.NewStore("alice@example.com"))
	type change = jmap.ChangesResponse
	for name, add := range map[string]func(b *jmapclient.Batch, q *jmapclient.Call[jmap.QueryResponse], g *jmapclient.Call[getResponse]){
		"": func(b *jmapclient.Batch, q *jmapclient.Call[jmap.QueryResponse], g *jmapclient.Call[getResponse]) {
			jmapclient.Add[getResponse](b, "Email/get", getRequest{}, q.Ref("ids", "/ids"), g.Ref("properties", "/list/0/header:x"))
			jmapclient.Add[getResponse](b, "Email/get", getRequest{}, g.Ref("ids", "/list/*/threadId"), g.Ref("maxBodyValueBytes", "/list/0/size"))
			jmapclient.Add[change](b, "Email/changes", jmap.ChangesRequest{}, g.Ref("sinceState", "/state"))
		},
		`has no property "id"`: func(b *jmapclient.Batch, q *jmapclient.Call[jmap.QueryResponse], _ *jmapclient.Call[getResponse]) {
			jmapclient.Add[getResponse](b, "Email/get", getRequest{}, q.Ref("ids", "/id"))
		},
		`has no property "identities"`: func(b *jmapclient.Batch, q *jmapclient.Call[jmap.QueryResponse], _ *jmapclient.Call[getResponse]) {
			jmapclient.Add[getResponse](b, "Email/get", getRequest{}, q.Ref("identities", "/ids"))
		},
		"argument ids takes []jmap.ID": func(b *jmapclient.Batch, q *jmapclient.Call[jmap.QueryResponse], _ *jmapclient.Call[getResponse]) {
			jmapclient.Add[getResponse](b, "Email/get", getRequest{}, q.Ref("ids", "/queryState"))
		},
		"argument sinceState takes jmap.State": func(b *jmapclient.Batch, _ *jmapclient.Call[jmap.QueryResponse], g *jmapclient.Call[getResponse]) {
			jmapclient.Add[change](b, "Email/changes", jmap.ChangesRequest{}, g.Ref("sinceState", "/accountId"))
		},
		"not a JSON pointer": func(b *jmapclient.Batch, q *jmapclient.Call[jmap.QueryResponse], _ *jmapclient.Call[getResponse]) {
			jmapclient.Add[getResponse](b, "Email/get", getRequest{}, q.Ref("ids", "ids"))
		},
	} {
		b := c.Batch(jmap.CapabilityMail)
		q := jmapclient.Add[jmap.QueryResponse](b, "Email/query", queryRequest{AccountID: "u1"})
		g := jmapclient.Add[getResponse](b, "Email/get", getRequest{AccountID: "u1"}, q.Ref("ids", "/ids"))
		add(b, q, g)
		if err := b.Do(t.Context()); name == "" && err != nil || name != "" && (err == nil || !strings.Contains(err.Error(), name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMany reads and changes more records than one call may have.
func TestMany(t *testing.T) {
	store := jmaptest.NewStore("alice@example.com")
	c, h := start(t, store)
	small(h)
	var ids []jmap.ID
	for i := range 11 {
		ids = append(ids, store.Deliver("alice@example.com", "inbox", day.Add(time.Duration(i)*time.Hour), jmaptest.Message("a@example.com", "x", "y")))
	}
	got, err := jmapclient.Get[mail.Email](t.Context(), c, jmap.CapabilityMail, "Email", getRequest{AccountID: "u1", IDs: append(ids[:11:11], "x"), Properties: []string{"size"}})
	if err != nil || len(got.List) != len(ids) || !slices.Equal(got.NotFound, []jmap.ID{"x"}) {
		t.Errorf("%+v, %v", got, err)
	}
	r := jmap.SetRequest[mail.Email, jmap.Patch, jmap.NoArgs]{AccountID: "u1", IfInState: &got.State, Update: map[jmap.ID]jmap.Patch{}, Destroy: ids[6:]}
	for _, id := range ids[:6] {
		r.Update[id] = jmap.Patch{"keywords/$seen": jmap.Raw("true")}
	}
	set, err := jmapclient.Set[mail.Email](t.Context(), c, jmap.CapabilityMail, "Email", r)
	if err != nil || len(set.Updated) != 6 || len(set.Destroyed) != 5 || set.OldState != got.State || set.NewState == got.State {
		t.Errorf("%+v, %v", set, err)
	}
	if _, err := jmapclient.Set[mail.Email](t.Context(), c, jmap.CapabilityMail, "Email", r); !jmap.IsMethodError(err, jmap.StateMismatch) {
		t.Errorf("an old state: %v", err)
	}
	empty, err := jmapclient.Get[mail.Email](t.Context(), c, jmap.CapabilityMail, "Email", getRequest{AccountID: "u1", IDs: []jmap.ID{}})
	if err != nil || len(empty.List) != 0 || empty.State != set.NewState {
		t.Errorf("%+v, %v", empty, err)
	}
}

// TestQueryPages: what comes and goes between pages hides nothing and shows nothing twice.
func TestQueryPages(t *testing.T) {
	store := jmaptest.NewStore("alice@example.com")
	c, _ := start(t, store)
	var ids []jmap.ID
	for i := range 20 {
		ids = append(ids, store.Deliver("alice@example.com", "inbox", day.Add(time.Duration(i)*time.Hour), jmaptest.Message("a@example.com", "x", "y")))
	}
	slices.Reverse(ids)
	var got []jmap.ID
	q := queryRequest{AccountID: "u1", Limit: new(uint(5)), Sort: []mail.Comparator{{Property: "receivedAt", IsAscending: new(false)}}}
	for id, err := range jmapclient.Query(t.Context(), c, jmap.CapabilityMail, "Email", q) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, id)
		switch len(got) {
		case 5: // one more before those that are known
			store.Deliver("alice@example.com", "inbox", day.Add(100*time.Hour), jmaptest.Message("a@example.com", "x", "y"))
		case 10: // the last one that is known goes; there is one more before it, so its place is not that of its number
			r := jmap.SetRequest[mail.Email, jmap.Patch, jmap.NoArgs]{AccountID: "u1", Destroy: []jmap.ID{id}}
			if _, err := jmapclient.Set[mail.Email](t.Context(), c, jmap.CapabilityMail, "Email", r); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !slices.Equal(got, ids) {
		t.Errorf("got  %v\nwant %v", got, ids)
	}
}

// TestStreaming sends and fetches a blob that is far larger than what either side may hold of it.
func TestStreaming(t *testing.T) {
	const size = 64 << 20
	received := int64(0)
	var h http.HandlerFunc = func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == jmap.WellKnown:
			io.WriteString(w, `{"uploadUrl":"/upload/{accountId}","downloadUrl":"/download/{accountId}/{blobId}/{name}?accept={type}"}`)
		case r.Method == http.MethodPost:
			received, _ = io.Copy(io.Discard, r.Body)
			fmt.Fprintf(w, `{"accountId":"u1","blobId":"B","type":"text/plain","size":%d}`, received)
		default:
			io.Copy(w, io.LimitReader(zeros{}, size))
		}
	}
	c := serve(t, h)
	if _, err := c.Session(t.Context()); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	up, err := c.Upload(t.Context(), "u1", "text/plain", io.LimitReader(zeros{}, size))
	if err != nil || up.Size != size || received != size {
		t.Fatalf("%+v, %v", up, err)
	}
	r, err := c.Download(t.Context(), "u1", "B", "text/plain", "x")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n, err := io.Copy(io.Discard, r)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; err != nil || n != size || used > 2<<20 {
		t.Errorf("%d octets, %v, %d allocated", n, err, used)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
