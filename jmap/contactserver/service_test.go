package contactserver_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/contact"
	"github.com/mailbricks/mailbricks/jmap/contactserver"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
)

// memory is one account, whose records are in memory.
type memory struct {
	mu       sync.Mutex
	channels []contact.Channel
	requests []contact.Request
	down     bool
}

func (m *memory) Accounts(_ context.Context, user string) ([]contact.Account, error) {
	if user != "bob" {
		return nil, nil
	}
	return []contact.Account{{ID: "a", Channels: channels{m}, Requests: requests{m}}}, nil
}

type channels struct{ *memory }

func (c channels) List(context.Context) ([]contact.Channel, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return nil, errors.New("disk")
	}
	return slices.Clone(c.channels), nil
}

func (c channels) Create(_ context.Context, r contact.Channel) (contact.Channel, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Note == "refuse" {
		return r, &jmap.SetError{Type: jmap.SetInvalidProperties, Properties: []string{"note"}}
	}
	r.ID = jmap.ID(fmt.Sprintf("C%d", len(c.channels)+1))
	r.Address, r.State = "bob+"+string(r.ID)+"@example.com", "open"
	c.channels = append(c.channels, r)
	return r, nil
}

func (c channels) Update(_ context.Context, old, now contact.Channel) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Note == "break" {
		return errors.New("disk")
	}
	c.channels[slices.IndexFunc(c.channels, func(x contact.Channel) bool { return x.ID == old.ID })] = now
	return nil
}

func (c channels) Destroy(_ context.Context, r contact.Channel) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.channels = slices.DeleteFunc(c.channels, func(x contact.Channel) bool { return x.ID == r.ID })
	return nil
}

type requests struct{ *memory }

func (q requests) List(context.Context) ([]contact.Request, error) {
	return slices.Clone(q.requests), nil
}
func (q requests) Create(context.Context, contact.Request) (contact.Request, error) {
	panic("not asked for")
}
func (q requests) Destroy(context.Context, contact.Request) error { panic("not asked for") }
func (q requests) Update(_ context.Context, old, now contact.Request) error {
	if now.Decision != "accept" {
		return &jmap.SetError{Type: jmap.SetInvalidProperties, Properties: []string{"decision"}}
	}
	q.requests = slices.DeleteFunc(q.requests, func(x contact.Request) bool { return x.ID == old.ID })
	q.memory.requests = q.requests
	return nil
}

type rig struct {
	*testing.T
	m *memory
	s *jmapserver.Server
}

func newRig(t *testing.T) *rig {
	m := &memory{requests: []contact.Request{{ID: "M2", From: "ann@example.org"}, {ID: "M1", From: "eve@example.org"}}}
	people := contactserver.New(m)
	mux := new(jmapserver.Mux)
	people.Register(mux)
	s := &jmapserver.Server{Mux: mux, Authenticate: func(*http.Request) (string, error) { return "bob", nil },
		Accounts: func(ctx context.Context, user string) ([]jmapserver.Account, error) {
			out := []jmapserver.Account{{ID: "a", SessionAccount: jmap.SessionAccount{Name: "bob@example.com", AccountCapabilities: map[string]jmap.Raw{}}},
				{ID: "b", SessionAccount: jmap.SessionAccount{Name: "b", AccountCapabilities: map[string]jmap.Raw{}}}}
			return out, people.Offer(ctx, user, out)
		}}
	return &rig{t, m, s}
}

// call makes one method call, and returns the response as text.
func (r *rig) call(name, args string) string {
	r.Helper()
	body := fmt.Sprintf(`{"using":["urn:ietf:params:jmap:core",%q],"methodCalls":[[%q,%s,"0"]]}`, contact.Capability, name, args)
	resp, err := r.s.Answer(r.Context(), "bob", []byte(body))
	if err != nil {
		r.Fatal(err)
	}
	var out []string
	for _, in := range resp.MethodResponses {
		out = append(out, in.Name+" "+string(in.Args))
	}
	return strings.Join(out, "\n")
}

func (r *rig) has(got string, want ...string) {
	r.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			r.Errorf("no %s in %s", w, got)
		}
	}
}

// state returns the state of a type.
func (r *rig) state(typ string) string {
	r.Helper()
	_, after, _ := strings.Cut(r.call(typ+"/get", `{"accountId":"a","ids":[]}`), `"state":"`)
	state, _, _ := strings.Cut(after, `"`)
	if state == "" {
		r.Fatal("no state")
	}
	return state
}

// TestChannels: created, patched, destroyed; what a client may not set is refused, record by record.
func TestChannels(t *testing.T) {
	r := newRig(t)
	empty := r.state("Channel")
	made := r.call("Channel/set", `{"accountId":"a","create":{"n":{"note":"shoes","maxUses":3},"x":{"address":"bob@example.com"},"y":{"note":"refuse"},"z":{"note":7}}}`)
	r.has(made, `"n":{"id":"C1"`, `"address":"bob+C1@example.com"`, `"x":{"type":"invalidProperties","description":"not for a client to set","properties":["address"]}`,
		`"y":{"type":"invalidProperties","properties":["note"]}`, `"z":{"type":"invalidProperties"`, `"oldState":"`+empty+`"`)
	if strings.Contains(made, "shoes") {
		t.Errorf("the client's own is sent back: %s", made)
	}
	one := r.state("Channel")
	r.has(r.call("Channel/get", `{"accountId":"a","ids":["C1","C9","C1"],"properties":["note","peer","expires"]}`), `"list":[{"id":"C1","note":"shoes","peer":null,"expires":null}]`, `"notFound":["C9"]`)
	r.has(r.call("Channel/get", `{"accountId":"a","ids":null}`), `"maxUses":3`, `"state":"open"`)
	r.has(r.call("Channel/set", `{"accountId":"a","ifInState":"`+empty+`","update":{"C1":{"note":"late"}}}`), "stateMismatch")
	r.has(r.call("Channel/set", `{"accountId":"a","ifInState":"`+one+`","update":{"C1":{"state":"paused"},"C9":{"note":"x"}},"destroy":["C8"]}`), `"updated":{"C1":null}`, `"C9":{"type":"notFound"}`, `"notDestroyed":{"C8":{"type":"notFound"}}`)
	r.has(r.call("Channel/set", `{"accountId":"a","update":{"C1":{"uses":0}}}`), `"properties":["uses"]`)
	r.has(r.call("Channel/set", `{"accountId":"a","update":{"C1":{"note/x":0}}}`), `"notUpdated":{"C1"`)
	r.has(r.call("Channel/set", `{"accountId":"a","create":{"n":{"note":"two"}},"update":{"#n":{"note":"second"}}}`), `"updated":{"C2":null}`)
	r.has(r.call("Channel/changes", `{"accountId":"a","sinceState":"`+empty+`"}`), `"created":["C1","C2"],"updated":[],"destroyed":[]`)
	r.has(r.call("Channel/changes", `{"accountId":"a","sinceState":"`+one+`"}`), `"created":["C2"],"updated":["C1"],"destroyed":[]`, `"hasMoreChanges":false`)
	r.has(r.call("Channel/changes", `{"accountId":"a","sinceState":"`+one+`","maxChanges":1}`), "cannotCalculateChanges")
	r.has(r.call("Channel/changes", `{"accountId":"a","sinceState":"other"}`), "cannotCalculateChanges")
	two := r.state("Channel")
	r.has(r.call("Channel/set", `{"accountId":"a","destroy":["C2"]}`), `"destroyed":["C2"]`)
	r.has(r.call("Channel/changes", `{"accountId":"a","sinceState":"`+two+`"}`), `"created":[],"updated":[],"destroyed":["C2"]`)
	if r.state("Channel") == two {
		t.Error("the state stayed")
	}
	r.has(r.call("Channel/set", `{"accountId":"a","update":{"C1":{"note":"break"}}}`), "error", "serverFail")
	r.has(r.call("Channel/set", `{"accountId":"a","create":{"n":{"note":"three"}},"update":{"C1":{"note":"break"}}}`), "serverPartialFail")
	r.m.down = true
	if got := r.call("Channel/get", `{"accountId":"a","ids":null}`); !strings.Contains(got, "serverFail") || strings.Contains(got, "disk") {
		t.Error(got)
	}
}

// TestRequests: in the order of the list, decided on, gone; not made by clients.
func TestRequests(t *testing.T) {
	r := newRig(t)
	r.has(r.call("Request/query", `{"accountId":"a","calculateTotal":true}`), `"ids":["M2","M1"]`, `"total":2`, `"canCalculateChanges":false`)
	r.has(r.call("Request/query", `{"accountId":"a","position":1,"limit":5}`), `"ids":["M1"]`)
	r.has(r.call("Request/query", `{"accountId":"a","filter":{"from":"x"}}`), "unsupportedFilter")
	r.has(r.call("Request/query", `{"accountId":"a","sort":[{"property":"from"}]}`), "unsupportedSort")
	r.has(r.call("Request/get", `{"accountId":"a","ids":["M1"],"properties":["from","decision"]}`), `{"id":"M1","from":"eve@example.org","decision":null}`)
	r.has(r.call("Request/set", `{"accountId":"a","create":{"x":{}},"update":{"M1":{"decision":"perhaps"}},"destroy":["M1"]}`), `"notCreated":{"x":{"type":"forbidden"`, `"notUpdated":{"M1":{"type":"invalidProperties"`, `"notDestroyed":{"M1":{"type":"forbidden"`)
	r.has(r.call("Request/set", `{"accountId":"a","update":{"M2":{"decision":"accept"}}}`), `"updated":{"M2":null}`)
	r.has(r.call("Request/query", `{"accountId":"a"}`), `"ids":["M1"]`)
}

// TestAccounts: only who has contacts has the capability, and only what is there answers.
func TestAccounts(t *testing.T) {
	r := newRig(t)
	r.has(r.call("Grant/get", `{"accountId":"a","ids":null}`), "accountNotSupportedByMethod")
	r.has(r.call("Channel/get", `{"accountId":"b","ids":null}`), "accountNotFound")
	r.has(r.call("Channel/set", `{"accountId":"b"}`), "accountNotFound")
	var destroy []string
	for i := range 1001 {
		destroy = append(destroy, fmt.Sprintf("%q", fmt.Sprint("C", i)))
	}
	r.has(r.call("Channel/set", `{"accountId":"a","destroy":[`+strings.Join(destroy, ",")+`]}`), "requestTooLarge")
	w := httptest.NewRecorder()
	r.s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", jmap.WellKnown, nil))
	if got := w.Body.String(); strings.Count(got, contact.Capability) != 2 { // the session, and the one account
		t.Error(got)
	}
	var wg sync.WaitGroup // several at once
	for range 8 {
		wg.Go(func() { r.call("Channel/set", `{"accountId":"a","create":{"n":{"note":"x"}}}`) })
	}
	wg.Wait()
	if len(r.m.channels) != 8 {
		t.Errorf("%d channels", len(r.m.channels))
	}
}

// How do I let users see who asks to write to them? Register a Service beside that of mail, and offer it to their accounts.
// Clients use the same types.
func Example() {
	people := contactserver.New(&memory{requests: []contact.Request{{ID: "M1", From: "ann@example.org"}}})
	mux := new(jmapserver.Mux)
	people.Register(mux)
	server := httptest.NewServer(&jmapserver.Server{Mux: mux, Authenticate: func(*http.Request) (string, error) { return "bob", nil },
		Accounts: func(ctx context.Context, user string) ([]jmapserver.Account, error) {
			accounts := []jmapserver.Account{{ID: "a", SessionAccount: jmap.SessionAccount{Name: user, IsPersonal: true, AccountCapabilities: map[string]jmap.Raw{}}}}
			return accounts, people.Offer(ctx, user, accounts)
		}})
	defer server.Close()

	ctx := context.Background()
	c := &jmapclient.Client{URL: server.URL}
	account, err := c.Account(ctx, contact.Capability)
	if err != nil {
		fmt.Println(err)
		return
	}
	waiting, err := jmapclient.Get[contact.Request](ctx, c, contact.Capability, "Request", jmap.GetRequest[jmap.NoArgs]{AccountID: account, Properties: []string{"from"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range waiting.List {
		decided, err := jmapclient.Set[contact.Request](ctx, c, contact.Capability, "Request", jmap.SetRequest[jmap.Patch, jmap.Patch, jmap.NoArgs]{AccountID: account,
			Update: map[jmap.ID]jmap.Patch{r.ID: {"decision": jmap.Raw(`"accept"`)}}})
		fmt.Println(r.From, len(decided.Updated), err)
	}
	// Output: ann@example.org 1 <nil>
}
