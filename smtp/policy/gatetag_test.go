package policy_test

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
	"github.com/mailbricks/mailbricks/smtp/policy/policystore"
)

// asking is a store of grants that counts what it is asked, and may be down.
type asking struct {
	capability.GrantStore
	asked int
	down  bool
}

func (a *asking) Grant(ctx context.Context, id capability.ID) (capability.Grant, error) {
	a.asked++
	if a.down {
		return capability.Grant{}, errors.New("disk")
	}
	return a.GrantStore.Grant(ctx, id)
}

func tagRig(t *testing.T, change ...func(*policy.Gate)) (*rig, *asking) {
	store := capability.NewMemoryStore(nil)
	book := &asking{GrantStore: store}
	r := newRig(t, append([]func(*policy.Gate){func(g *policy.Gate) {
		g.Tags = capability.Tags{Keys: map[uint8][]byte{1: capability.NewTagKey()}, Current: 1}
		g.Capabilities.Store, g.Capabilities.Grants = store, book
	}}, change...)...)
	return r, book
}

// tag returns the address of a new grant; an empty local is a tag alone.
func (r *rig) tag(local string, l capability.Limits) (string, capability.ID) {
	r.Helper()
	id := capability.NewTagID()
	if err := r.gate.Capabilities.Grants.(capability.GrantStore).PutGrant(r.Context(), capability.Grant{ID: id, Issuer: bob, Limits: l}); err != nil {
		r.Fatal(err)
	}
	s, err := r.gate.Tags.Append(id, local, "example.org")
	if err != nil {
		r.Fatal(err)
	}
	return s + "@example.org", id
}

// TestTaggedAddress: what an address with a tag gets, what came in, and for whom.
func TestTaggedAddress(t *testing.T) {
	const closed, noUser = "550 5.7.1 Unknown sender, capability not established", "550 5.1.1 No such user here"
	r, book := tagRig(t)
	ann := fromAuthor("ann@a.example")
	scope := capability.Limits{Scope: "a.example"}
	good, id := r.tag("bob", scope)
	alone, _ := r.tag("", scope)
	open, _ := r.tag("bob", capability.Limits{})
	revoked, gone := r.tag("bob", scope)
	if err := r.gate.Capabilities.Store.Revoke(t.Context(), capability.Revocation{ID: gone}); err != nil {
		t.Fatal(err)
	}
	small, _ := r.tag("bob", capability.Limits{Scope: "a.example", Size: 20})
	expired, _ := r.tag("bob", capability.Limits{Expires: time.Now().Add(-time.Hour)})
	detail := good[strings.IndexByte(good, '+'):]
	for _, tt := range []struct {
		name, to, message, want string
		asks                    bool
	}{
		{"good", good, ann, taken, true},
		{"upper case", strings.ToUpper(good), ann, taken, true},
		{"alone", alone, ann, taken, true},
		{"for whoever has it, unsigned", open, "From: x@y.example\r\n\r\nHello.\r\n", taken, true},
		{"another author", good, fromAuthor("eve@evil.example"), closed, true},
		{"unsigned", good, "From: ann@a.example\r\n\r\nHello.\r\n", closed, true},
		{"another author who pays", good, fromAuthor("eve@evil.example", "X-Hashcash: "+r.stamp(price, bob)+"\r\n"), closed, true},
		{"revoked", revoked, ann, closed, true},
		{"expired", expired, ann, closed, true},
		{"too big", small, ann, closed, true},
		{"forged", good[:5] + "v" + good[6:], ann, noUser, false},
		{"of another mailbox", "carol" + detail, ann, noUser, false},
		{"detail of another kind", "bob+lists@example.org", ann, strings.Replace(asks, bob, "bob+lists@example.org", 1), false},
	} {
		before, asked := r.count(), book.asked
		got := r.send("ann@a.example", strings.NewReader(tt.message), rcpt(tt.to, "", ""))[0]
		if got != tt.want || (got == taken) != (r.count() == before+1) {
			t.Errorf("%s: %s", tt.name, got)
		}
		if (book.asked > asked) != tt.asks {
			t.Errorf("%s: the store was asked %d times", tt.name, book.asked-asked)
		}
	}
	r.send("ann@a.example", strings.NewReader(ann), rcpt(good, "", ""))
	if m, _ := r.inbox.last(); !strings.HasPrefix(m, "Mailbricks-Decision: class=trusted; channel="+id.String()+"\r\n") {
		t.Errorf("%q", m)
	}
	book.down = true
	if got := r.send("ann@a.example", strings.NewReader(ann), rcpt(good, "", ""))[0]; got != "451 4.7.1 Cannot decide now, try again later" {
		t.Errorf("store down: %s", got)
	}
}

// TestTaggedMailbox: what stands behind gets the plain mailbox, and the address that was written as the original one.
func TestTaggedMailbox(t *testing.T) {
	r, _ := tagRig(t)
	good, _ := r.tag("Bob", capability.Limits{Scope: "a.example"})
	alone, _ := r.tag("", capability.Limits{Scope: "a.example"})
	seen := &recipients{Handler: r.inbox}
	r.h = r.gate.Handler(seen)
	withORCPT := rcpt(good, "", "")
	withORCPT.Params.OriginalType, withORCPT.Params.Original = "rfc822", "old@a.example"
	for _, to := range []smtp.Recipient{rcpt(good, "", ""), rcpt(alone, "", ""), withORCPT, rcpt("postmaster@example.org", "", "")} {
		if got := r.send("ann@a.example", strings.NewReader(fromAuthor("ann@a.example")), to)[0]; got != taken {
			t.Error(got)
		}
	}
	want := "Bob@example.org " + good + "|bob@example.org " + alone + "|Bob@example.org old@a.example|postmaster@example.org "
	if got := strings.Join(seen.to, "|"); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	// Two tags do not share a transaction, whatever they allow.
	other, _ := r.tag("bob", capability.Limits{Scope: "a.example"})
	if got := r.send("ann@a.example", strings.NewReader(fromAuthor("ann@a.example")), rcpt(good, "", ""), rcpt(other, "", "")); got[0] != taken || !strings.HasPrefix(got[1], "452 4.5.3") {
		t.Errorf("%q", got)
	}
}

// recipients notes the recipients that get to a Handler.
type recipients struct {
	smtp.Handler
	to []string
}

func (h *recipients) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	tx, err := h.Handler.Mail(ctx, peer, from, p)
	return noting{tx, h}, err
}

type noting struct {
	smtp.Transaction
	h *recipients
}

func (n noting) Rcpt(ctx context.Context, to smtp.Path, p smtp.RcptParams) error {
	n.h.to = append(n.h.to, to.Address()+" "+p.Original)
	return n.Transaction.Rcpt(ctx, to, p)
}

// TestTaggedOnce: a failed delivery does not use up a tag for one message, and a second message does not get in. It ends
// at its time.
func TestTaggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := tagRig(t)
		once, _ := r.tag("bob", capability.Limits{Scope: "a.example", Uses: 1})
		late, _ := r.tag("bob", capability.Limits{Scope: "a.example", Expires: time.Now().Add(time.Hour)})
		send := func(to, text string) string {
			return r.send("ann@a.example", strings.NewReader(fromAuthor("ann@a.example")+text), rcpt(to, "", ""))[0]
		}
		if got := r.send("ann@a.example", strings.NewReader(fromAuthor("eve@evil.example")), rcpt(once, "", ""))[0]; !strings.HasPrefix(got, "550 5.7.1") {
			t.Error(got)
		}
		if got := send(once, "one"); got != taken {
			t.Error(got)
		}
		if got := send(once, "two"); !strings.HasPrefix(got, "550 5.7.1") {
			t.Error(got)
		}
		time.Sleep(time.Hour - time.Second)
		if got := send(late, "in time"); got != taken {
			t.Error(got)
		}
		time.Sleep(time.Second)
		if got := send(late, "late"); !strings.HasPrefix(got, "550 5.7.1") {
			t.Error(got)
		}
		if r.count() != 2 {
			t.Errorf("%d messages", r.count())
		}
	})
}

// house knows no mailbox but one.
type house struct{ smtp.Handler }

func (h house) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	return visiting{}, nil
}

type visiting struct{ smtp.Transaction }

func (visiting) Rcpt(_ context.Context, to smtp.Path, _ smtp.RcptParams) error {
	if to.Local != "bob" {
		return smtp.NewError(550, smtp.EnhancedCode{5, 1, 1}, "No such user here")
	}
	return nil
}

func (visiting) Close() error { return nil }

// guesses returns a function that has one address refused at RCPT, in the state of a border with tags.
func guesses(tb testing.TB) (ask func(to string) (reply string, took time.Duration), book *asking) {
	store := capability.NewMemoryStore(nil)
	book = &asking{GrantStore: store}
	g := policy.Gate{Rules: policy.Rules{Bits: price}, AuthServID: "mx.example.org", Relations: &policystore.MemoryRelations{},
		Tags:         capability.Tags{Keys: map[uint8][]byte{1: capability.NewTagKey()}, Current: 1},
		Capabilities: capability.Verifier{Keys: capability.OneKey(nil), Store: store, Grants: book},
		Postage:      []policy.Tariff{policy.Hashcash(&hashcash.MemoryStore{})}}
	h := g.Handler(house{})
	return func(to string) (string, time.Duration) {
		path, err := smtp.ParseMailbox(to)
		if err != nil {
			tb.Fatal(err)
		}
		tx, err := h.Mail(tb.Context(), &smtp.Peer{}, smtp.Path{Local: "eve", Domain: "evil.example"}, smtp.MailParams{})
		if err != nil {
			tb.Fatal(err)
		}
		defer tx.Close()
		start := time.Now()
		err = tx.Rcpt(tb.Context(), path, smtp.RcptParams{})
		took := time.Since(start)
		if err == nil {
			tb.Fatalf("%s is taken", to)
		}
		return smtp.ReplyOf(err).String(), took
	}, book
}

// guess is an address with a random tag.
func guess() string {
	b := make([]byte, capability.TagLength*5/8)
	_, _ = rand.Read(b) // never fails
	return "bob+" + strings.ToLower(base32.HexEncoding.EncodeToString(b)) + "@example.org"
}

// TestGuess: a million random tags get the reply that an unknown user gets, and no store is asked.
func TestGuess(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 20_000
	}
	ask, book := guesses(t)
	want, _ := ask("nobody@example.org")
	for range n {
		to := guess()
		if got, _ := ask(to); got != want {
			t.Fatalf("%s: %s, an unknown user gets %s", to, got, want)
		}
	}
	if book.asked != 0 {
		t.Errorf("the store was asked %d times", book.asked)
	}
}

// BenchmarkGuess shows, one beside the other, how long the refusal of an unknown user takes and that of a random tag.
func BenchmarkGuess(b *testing.B) {
	ask, _ := guesses(b)
	var unknown, random []time.Duration
	for b.Loop() {
		_, u := ask("nobody@example.org")
		_, r := ask(guess())
		unknown, random = append(unknown, u), append(random, r)
	}
	for name, list := range map[string][]time.Duration{"unknown": unknown, "random": random} {
		slices.Sort(list)
		for _, p := range []int{10, 50, 90, 99} {
			b.ReportMetric(float64(list[(len(list)-1)*p/100].Nanoseconds()), "ns-"+name+"-p"+strconv.Itoa(p))
		}
	}
}
