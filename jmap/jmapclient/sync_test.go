package jmapclient_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

func emailID(e *mail.Email) jmap.ID { return e.ID }

// emailSync is a Sync of alice's emails into memory.
func emailSync(c *jmapclient.Client) (*jmapclient.Sync[mail.Email], *jmapclient.Memory[mail.Email]) {
	m := &jmapclient.Memory[mail.Email]{ID: emailID}
	return &jmapclient.Sync[mail.Email]{Client: c, Account: "u1", Capability: jmap.CapabilityMail, Type: "Email",
		Properties: []string{"subject", "keywords"}, ID: emailID, Copy: m}, m
}

// same compares a copy with what the server has.
func same(t *testing.T, c *jmapclient.Client, m *jmapclient.Memory[mail.Email]) {
	t.Helper()
	want := map[jmap.ID]string{}
	type query = jmap.QueryRequest[mail.EmailCondition, mail.Comparator, mail.EmailQueryArgs]
	var ids []jmap.ID
	for id, err := range jmapclient.Query(t.Context(), c, jmap.CapabilityMail, "Email", query{AccountID: "u1"}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	got, err := jmapclient.Get[mail.Email](t.Context(), c, jmap.CapabilityMail, "Email", jmap.GetRequest[mail.EmailGetArgs]{AccountID: "u1", IDs: ids, Properties: []string{"keywords"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range got.List {
		want[e.ID] = fmt.Sprint(e.Keywords)
	}
	n := 0
	for id, e := range m.All() {
		if n++; want[id] != fmt.Sprint(e.Keywords) || e.Subject == nil {
			t.Errorf("%s: %v in the copy, %q at the server", id, e.Keywords, want[id])
		}
	}
	if state, _ := m.State(t.Context()); n != len(want) || state != got.State {
		t.Errorf("%d emails in state %s in the copy, %d in %s at the server", n, state, len(want), got.State)
	}
}

func small(h *jmapserver.Server) {
	limits := jmap.DefaultLimits()
	limits.MaxObjectsInGet, limits.MaxObjectsInSet, limits.MaxCallsInRequest = 3, 4, 2
	h.Limits = &limits
}

// TestSync follows a random history through limits that are too small for it.
func TestSync(t *testing.T) {
	store := jmaptest.NewStore("alice@example.com")
	c, h := start(t, store)
	small(h)
	s, m := emailSync(c)
	r := rand.New(rand.NewPCG(1, 2))
	var ids []jmap.ID
	for round := range 25 {
		for range r.IntN(12) {
			if len(ids) == 0 || r.IntN(3) > 0 {
				ids = append(ids, store.Deliver("alice@example.com", "inbox", day, jmaptest.Message("a@example.com", fmt.Sprint("m", len(ids)), "y")))
				continue
			}
			set := jmap.SetRequest[mail.Email, jmap.Patch, jmap.NoArgs]{AccountID: "u1"}
			if i := r.IntN(len(ids)); r.IntN(2) == 0 {
				set.Destroy = []jmap.ID{ids[i]}
				ids = slices.Delete(ids, i, i+1)
			} else {
				set.Update = map[jmap.ID]jmap.Patch{ids[i]: {"keywords/$flagged": jmap.Raw([]string{"true", "null"}[r.IntN(2)])}}
			}
			if _, err := jmapclient.Set[mail.Email](t.Context(), c, jmap.CapabilityMail, "Email", set); err != nil {
				t.Fatal(err)
			}
		}
		if round == 11 { // as if the server had forgotten what happened
			if err := m.Apply(t.Context(), &jmapclient.Delta[mail.Email]{Records: []mail.Email{{ID: "gone"}}, State: "unknown"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		same(t, c, m)
	}
	if len(ids) < 20 {
		t.Errorf("only %d emails", len(ids))
	}
}

// A refusing Copy fails now and then.
type refusing struct {
	*jmapclient.Memory[mail.Email]
	after int
}

var errFull = errors.New("the disk is full")

func (r *refusing) Apply(ctx context.Context, d *jmapclient.Delta[mail.Email]) error {
	if r.after--; r.after < 0 {
		return errFull
	}
	return r.Memory.Apply(ctx, d)
}

// TestSyncInterrupted: whatever part of a full synchronization was kept, the next one completes it.
func TestSyncInterrupted(t *testing.T) {
	store := jmaptest.NewStore("alice@example.com")
	c, h := start(t, store)
	small(h)
	for i := range 10 {
		store.Deliver("alice@example.com", "inbox", day, jmaptest.Message("a@example.com", fmt.Sprint(i), "y"))
	}
	for after := range 5 {
		s, m := emailSync(c)
		if err := m.Apply(t.Context(), &jmapclient.Delta[mail.Email]{Records: []mail.Email{{ID: "gone"}}, State: "unknown"}); err != nil {
			t.Fatal(err)
		}
		s.Copy = &refusing{m, after}
		if err := s.Once(t.Context()); !errors.Is(err, errFull) {
			t.Errorf("after %d: %v", after, err)
		}
		s.Copy = m
		if err := s.Once(t.Context()); err != nil {
			t.Error(err)
		}
		same(t, c, m)
	}
}

// A meddling copy has mail come when a sync has begun, and go when the sync has read it.
type meddling struct {
	*jmapclient.Memory[mail.Email]
	come  func() jmap.ID
	leave func(jmap.ID)
	id    jmap.ID
}

func (m *meddling) IDs(ctx context.Context) ([]jmap.ID, error) {
	m.id = m.come()
	return m.Memory.IDs(ctx)
}

func (m *meddling) Apply(ctx context.Context, d *jmapclient.Delta[mail.Email]) error {
	if slices.ContainsFunc(d.Records, func(e mail.Email) bool { return e.ID == m.id }) {
		m.leave(m.id)
	}
	return m.Memory.Apply(ctx, d)
}

// What came and went while a sync began anew is in no changes, and yet it must not stay.
func TestSyncWhatCameAndWent(t *testing.T) {
	store := jmaptest.NewStore("alice@example.com")
	c, h := start(t, store)
	small(h)
	deliver := func() jmap.ID {
		return store.Deliver("alice@example.com", "inbox", day, jmaptest.Message("a@example.com", "x", "y"))
	}
	for range 7 {
		deliver()
	}
	s, m := emailSync(c)
	s.Copy = &meddling{Memory: m, come: deliver, leave: func(id jmap.ID) {
		if _, err := jmapclient.Set[mail.Email](t.Context(), c, jmap.CapabilityMail, "Email", jmap.SetRequest[mail.Email, jmap.Patch, jmap.NoArgs]{AccountID: "u1", Destroy: []jmap.ID{id}}); err != nil {
			t.Error(err)
		}
	}}
	if err := s.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, c, m)
}

func TestSyncOthers(t *testing.T) {
	store := jmaptest.NewStore("alice@example.com")
	c, _ := start(t, store)
	store.Deliver("alice@example.com", "inbox", day, jmaptest.Message("a@example.com", "x", "y"))
	threads := &jmapclient.Memory[mail.Thread]{ID: func(x *mail.Thread) jmap.ID { return x.ID }}
	err := (&jmapclient.Sync[mail.Thread]{Client: c, Account: "u1", Capability: jmap.CapabilityMail, Type: "Thread", ID: threads.ID, Copy: threads, NoQuery: true}).Once(t.Context())
	if ids, _ := threads.IDs(t.Context()); err != nil || len(ids) != 1 {
		t.Errorf("%v, %v", ids, err)
	}
	wrong, m := emailSync(c)
	wrong.Account = "nope"
	if err := wrong.Once(t.Context()); !jmap.IsMethodError(err, jmap.AccountNotFound) {
		t.Error(err)
	}
	if ids, _ := m.IDs(t.Context()); len(ids) != 0 {
		t.Error(ids)
	}
}

// TestSyncRun keeps a copy while mail arrives.
func TestSyncRun(t *testing.T) {
	store := jmaptest.NewStore("alice@example.com")
	c, _ := start(t, store)
	s, m := emailSync(c)
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	m.Changed = func(d *jmapclient.Delta[mail.Email]) {
		if d.State == "" {
			return
		}
		if n++; n == 4 {
			cancel()
			return
		}
		store.Deliver("alice@example.com", "inbox", day, jmaptest.Message("a@example.com", fmt.Sprint(n), "y"))
	}
	if err := s.Run(ctx); err != nil || n < 4 {
		t.Errorf("%d deltas, %v", n, err)
	}
	if ids, _ := m.IDs(t.Context()); len(ids) != 3 {
		t.Errorf("%d emails", len(ids))
	}
}

// A copy of all emails that stays up to date, told of each change.
func ExampleSync() {
	store := jmaptest.NewStore("alice@example.com")
	store.Deliver("alice@example.com", "inbox", day, jmaptest.Message("Bob <bob@example.net>", "Lunch?", "At noon?"))
	c, stop := example(store)
	defer stop()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	account, err := c.Account(ctx, jmap.CapabilityMail)
	if err != nil {
		fmt.Println(err)
		return
	}
	emails := &jmapclient.Memory[mail.Email]{ID: func(e *mail.Email) jmap.ID { return e.ID }}
	emails.Changed = func(d *jmapclient.Delta[mail.Email]) {
		for _, e := range d.Records {
			fmt.Println(*e.Subject)
			if *e.Subject == "Lunch?" {
				store.Deliver("alice@example.com", "inbox", day, jmaptest.Message("Bob <bob@example.net>", "Or at one?", "Please."))
			} else {
				cancel()
			}
		}
	}
	sync := &jmapclient.Sync[mail.Email]{Client: c, Account: account, Capability: jmap.CapabilityMail, Type: "Email",
		Properties: []string{"subject"}, ID: emails.ID, Copy: emails}
	if err := sync.Run(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Lunch?
	// Or at one?
}
