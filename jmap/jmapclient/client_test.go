package jmapclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/jmap/mailserver"
)

var day = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

// start serves a store over TLS to alice, whose token is "secret".
func start(t testing.TB, store *jmaptest.Store) (*jmapclient.Client, *jmapserver.Server) {
	auth := jmapserver.Auth{Token: func(_ context.Context, token string) (string, error) {
		if token != "secret" {
			return "", sasl.ErrCredentials
		}
		return "alice@example.com", nil
	}}
	h := mailserver.NewServer(store, auth.User)
	s := httptest.NewTLSServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return &jmapclient.Client{URL: s.URL, Auth: jmapclient.Bearer("secret"), HTTP: s.Client()}, h
}

type (
	queryRequest = jmap.QueryRequest[mail.EmailCondition, mail.Comparator, mail.EmailQueryArgs]
	getRequest   = jmap.GetRequest[mail.EmailGetArgs]
	getResponse  = jmap.GetResponse[mail.Email]
)

func TestBatch(t *testing.T) {
	store := jmaptest.NewStore("alice@example.com")
	store.Deliver("alice@example.com", "inbox", day, jmaptest.Message("Bob <bob@example.net>", "Hello", "text", "List-Id: <l.example.net>"), "$seen")
	c, _ := start(t, store)
	ctx := t.Context()
	account, err := c.Account(ctx, jmap.CapabilityMail)
	if err != nil {
		t.Fatal(err)
	}
	b := c.Batch(jmap.CapabilityMail)
	q := jmapclient.Add[jmap.QueryResponse](b, "Email/query", queryRequest{AccountID: account, Filter: jmap.Where(mail.EmailCondition{Subject: "hello"})})
	g := jmapclient.Add[getResponse](b, "Email/get", getRequest{AccountID: account, Properties: []string{"subject", "from", "keywords", "header:List-Id", "textBody", "bodyValues"},
		Args: mail.EmailGetArgs{FetchTextBodyValues: true}}, q.Ref("ids", "/ids"))
	bad := jmapclient.Add[getResponse](b, "Email/get", getRequest{AccountID: "nope"})
	if _, err := g.Result(); err == nil {
		t.Error("a result before Do")
	}
	if err := b.Do(ctx); err != nil {
		t.Fatal(err)
	}
	emails, err := g.Result()
	if err != nil || len(emails.List) != 1 {
		t.Fatalf("%+v, %v", emails, err)
	}
	e := emails.List[0]
	if *e.Subject != "Hello" || e.From[0].Email != "bob@example.net" || !e.Keywords["$seen"] || string(e.Extra["header:List-Id"]) != `" <l.example.net>"` ||
		e.BodyValues[string(e.TextBody[0].PartID)].Value != "text\n" {
		t.Errorf("%+v", e)
	}
	if _, err := bad.Result(); !jmap.IsMethodError(err, jmap.AccountNotFound) {
		t.Errorf("foreign account: %v", err)
	}
	other := c.Batch()
	jmapclient.Add[getResponse](other, "Email/get", getRequest{}, q.Ref("ids", "/ids"))
	if err := other.Do(ctx); err == nil {
		t.Error("reference to another batch: no error")
	}
}

func TestBlobs(t *testing.T) {
	c, _ := start(t, jmaptest.NewStore("alice@example.com"))
	up, err := c.Upload(t.Context(), "u1", "text/plain", strings.NewReader("hello"))
	if err != nil || up.Size != 5 || up.Type != "text/plain" {
		t.Fatalf("%+v, %v", up, err)
	}
	r, err := c.Download(t.Context(), "u1", up.BlobID, "text/plain", "a b/ü?.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); string(b) != "hello" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	_, err = c.Download(t.Context(), "u1", "nope", "text/plain", "x")
	if e, ok := errors.AsType[*jmap.RequestError](err); !ok || e.Status != 404 {
		t.Errorf("no such blob: %v", err)
	}
}

func TestErrors(t *testing.T) {
	c, h := start(t, jmaptest.NewStore("alice@example.com"))
	ctx := t.Context()
	_, err := jmapclient.Do[getResponse](ctx, c, "urn:example:nope", "Email/get", getRequest{})
	if e, ok := errors.AsType[*jmap.RequestError](err); !ok || e.Type != jmap.ProblemUnknownCapability || e.Status != 400 {
		t.Errorf("unknown capability: %v", err)
	}
	wrong := &jmapclient.Client{URL: c.URL, HTTP: c.HTTP, Auth: jmapclient.Bearer("x")}
	_, err = wrong.Session(ctx)
	if e, ok := errors.AsType[*jmap.RequestError](err); !ok || e.Status != 401 {
		t.Errorf("wrong token: %v", err)
	}
	plain := &jmapclient.Client{URL: "http://mail.example.com", Auth: jmapclient.Bearer("x")}
	if _, err := plain.Session(ctx); err == nil || !strings.Contains(err.Error(), "without TLS") {
		t.Errorf("no TLS: %v", err)
	}
	h.BaseURL = "http://127.0.0.1:9"
	fresh := &jmapclient.Client{URL: c.URL, HTTP: c.HTTP, Auth: c.Auth}
	if _, err := jmapclient.Do[getResponse](ctx, fresh, jmap.CapabilityMail, "Email/get", getRequest{AccountID: "u1"}); err == nil || !strings.Contains(err.Error(), "without TLS") {
		t.Errorf("session leads to plain HTTP: %v", err)
	}
	huge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range 100 {
			io.WriteString(w, strings.Repeat(" ", 1000))
		}
	}))
	defer huge.Close()
	small := &jmapclient.Client{URL: huge.URL, MaxResponse: 10_000}
	if _, err := small.Session(ctx); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("huge session: %v", err)
	}
}

// A new session state makes the client fetch the Session again.
func TestSessionRefresh(t *testing.T) {
	c, h := start(t, jmaptest.NewStore("alice@example.com"))
	var renamed atomic.Bool
	accounts := h.Accounts
	h.Accounts = func(ctx context.Context, user string) ([]jmapserver.Account, error) {
		all, err := accounts(ctx, user)
		if renamed.Load() {
			all[0].Name = "Alice"
		}
		return all, err
	}
	ctx := t.Context()
	before, err := c.Session(ctx)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := c.Session(ctx)
	if again != before {
		t.Error("fetched twice")
	}
	renamed.Store(true)
	if _, err := jmapclient.Do[getResponse](ctx, c, jmap.CapabilityMail, "Email/get", getRequest{AccountID: "u1"}); err != nil {
		t.Fatal(err)
	}
	after, err := c.Session(ctx)
	if err != nil || after.State == before.State {
		t.Errorf("state %s, then %s, %v", before.State, after.State, err)
	}
}

func TestEvents(t *testing.T) {
	for name, push := range map[string]jmapclient.Push{"event source": jmapclient.PushEventSource, "web socket": jmapclient.PushWebSocket, "any": jmapclient.PushAny} {
		t.Run(name, func(t *testing.T) {
			store := jmaptest.NewStore("alice@example.com")
			c, _ := start(t, store)
			c.Push = push
			n := 0
			for change, err := range c.Events(t.Context(), "Email") {
				if err != nil {
					t.Fatal(err)
				}
				switch n++; n {
				case 1:
					if change.Changed != nil {
						t.Errorf("first: %+v", change)
					}
					store.Deliver("alice@example.com", "inbox", day, jmaptest.Message("a@example.com", "x", "y"))
				case 2:
					if st, ok := change.Changed["u1"]["Email"]; !ok || st == "" || len(change.Changed["u1"]) != 1 {
						t.Errorf("change: %+v", change)
					}
					store.Deliver("alice@example.com", "inbox", day, jmaptest.Message("a@example.com", "x", "y"))
				case 3:
					return
				}
			}
			t.Errorf("ended after %d", n)
		})
	}
}

func TestEventsRefused(t *testing.T) {
	c, h := start(t, jmaptest.NewStore("alice@example.com"))
	h.EventSource = nil
	c.Push = jmapclient.PushEventSource
	n := 0
	for change, err := range c.Events(t.Context()) {
		n++
		if e, ok := errors.AsType[*jmap.RequestError](err); !ok || e.Status != 501 || change != nil {
			t.Errorf("%+v, %v", change, err)
		}
	}
	if n != 1 {
		t.Errorf("%d values", n)
	}
}

// Two calls in one round trip: what is newest, and what a list shows of it.
func Example() {
	store := jmaptest.NewStore("alice@example.com")
	store.Deliver("alice@example.com", "inbox", day, jmaptest.Message("Bob <bob@example.net>", "Lunch?", "At noon?"))
	auth := jmapserver.Auth{AllowPlaintext: true, Token: func(context.Context, string) (string, error) { return "alice@example.com", nil }}
	server := httptest.NewServer(mailserver.NewServer(store, auth.User))
	defer server.Close()

	ctx := context.Background()
	c := &jmapclient.Client{URL: server.URL, Auth: jmapclient.Bearer("secret")}
	account, err := c.Account(ctx, jmap.CapabilityMail)
	if err != nil {
		fmt.Println(err)
		return
	}
	b := c.Batch(jmap.CapabilityMail)
	query := jmapclient.Add[jmap.QueryResponse](b, "Email/query", jmap.QueryRequest[mail.EmailCondition, mail.Comparator, mail.EmailQueryArgs]{
		AccountID: account,
		Sort:      []mail.Comparator{{Property: "receivedAt", IsAscending: new(false)}},
		Limit:     new(uint(10)),
	})
	get := jmapclient.Add[jmap.GetResponse[mail.Email]](b, "Email/get", jmap.GetRequest[mail.EmailGetArgs]{
		AccountID:  account,
		Properties: []string{"from", "subject", "preview"},
	}, query.Ref("ids", "/ids"))
	if err := b.Do(ctx); err != nil {
		fmt.Println(err)
		return
	}
	emails, err := get.Result()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range emails.List {
		fmt.Printf("%s: %s (%s)\n", e.From[0].Name, *e.Subject, e.Preview)
	}
	// Output: Bob: Lunch? (At noon?)
}

// A connection that breaks is made again and goes on from the last event.
func TestEventsResume(t *testing.T) {
	var ids []string
	var h http.HandlerFunc = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == jmap.WellKnown {
			io.WriteString(w, `{"eventSourceUrl":"/events?t={types}&c={closeafter}&p={ping}"}`)
			return
		}
		ids = append(ids, r.Header.Get("Last-Event-ID")+" "+r.URL.RawQuery)
		fmt.Fprintf(w, "id: i%d\n\n: comment\nevent: ping\ndata: {}\n\nevent: state\r\ndata: {\"@type\":\"StateChange\",\r\ndata: \"changed\":{\"A\":{\"Email\":\"%d\"}}}\n\nevent: state\ndata: half", len(ids), len(ids))
	}
	synctest.Test(t, func(t *testing.T) {
		c := &jmapclient.Client{URL: "https://mail.example.com", HTTP: &http.Client{Transport: transport{h}}}
		var got []string
		for change, err := range c.Events(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, string(change.Changed["A"]["Email"])); len(got) == 4 {
				break
			}
		}
		if want := []string{"", "1", "2", "3"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	if want := []string{" t=%2A&c=no&p=60", "i1 t=%2A&c=no&p=60", "i2 t=%2A&c=no&p=60"}; !slices.Equal(ids, want) {
		t.Errorf("connections %q, want %q", ids, want)
	}
}

// TestEventsReset: a stream that the server resets is made again, as a connection that ends is. Without ids nobody
// can tell what came between, so a value without Changed says so.
func TestEventsReset(t *testing.T) {
	n := 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == jmap.WellKnown {
			io.WriteString(w, `{"eventSourceUrl":"/events?t={types}&c={closeafter}&p={ping}"}`)
			return
		}
		n++
		fmt.Fprintf(w, "event: state\ndata: {\"@type\":\"StateChange\",\"changed\":{\"A\":{\"Email\":\"%d\"}}}\n\n", n)
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	c := &jmapclient.Client{URL: server.URL, HTTP: server.Client()}
	var got []string
	for change, err := range c.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, string(change.Changed["A"]["Email"])); len(got) == 4 {
			break
		}
	}
	if want := []string{"", "1", "", "2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// transport answers requests by a handler, without a network.
type transport struct{ http.Handler }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	t.ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// serve serves any Handler.
func serve(t testing.TB, h http.Handler) *jmapclient.Client {
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return &jmapclient.Client{URL: s.URL, HTTP: s.Client()}
}
