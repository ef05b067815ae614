// Package policytest is the conformance suite for implementations of policy.Wallet and policy.Relations.
//
//	func TestWallet(t *testing.T) {
//		policytest.Wallet(t, func(t *testing.T, now func() time.Time) policy.Wallet { return newWallet(t, now) })
//	}
//
// It stands on the floor of package policy.
package policytest

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/smtp/policy"
)

const (
	ann   = "ann@a.example"
	bob   = "bob@example.org"
	carol = "carol@example.org"
)

// Wallet tests the wallets that open makes. Each subtest opens its own, empty one, which must take now for its clock.
func Wallet(t *testing.T, open func(t *testing.T, now func() time.Time) policy.Wallet) {
	start := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	run := func(name string, test func(w *wallet)) {
		t.Run(name, func(t *testing.T) {
			w := &wallet{T: t, clock: start}
			w.Wallet = open(t, func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.clock })
			test(w)
		})
	}
	run("empty", func(w *wallet) {
		w.has(ann, bob, capability.Token{})
		w.drop(ann, capability.NewID())
	})
	run("of the recipient, else of the domain", func(w *wallet) {
		one, whole := w.put(ann, bob, time.Time{}), w.put(ann, "example.org", time.Time{})
		w.has(ann, bob, one)
		w.has(ann, carol, whole)
		w.has(ann, "x@sub.example.org", capability.Token{})
		w.has("eve@a.example", bob, capability.Token{})
	})
	run("case and labels", func(w *wallet) {
		one, idn := w.put("Ann@A.example", "Bob@example.org", time.Time{}), w.put(ann, "x@xn--bcher-kva.example", time.Time{})
		w.has("ann@a.EXAMPLE", "BOB@Example.org", one)
		w.has(ann, "x@bücher.example", idn)
		w.has(ann, "bo\u212a@example.org", capability.Token{})
	})
	run("one of each issuer", func(w *wallet) {
		first, second := w.put(ann, bob, time.Time{}), w.put(ann, bob, time.Time{})
		w.has(ann, bob, second)
		w.drop(ann, first.Grant().ID) // there no more
		w.has(ann, bob, second)
		w.drop("ANN@a.example", second.Grant().ID)
		w.has(ann, bob, capability.Token{})
	})
	run("expired", func(w *wallet) {
		one, whole := w.put(ann, bob, start.Add(time.Hour)), w.put(ann, "example.org", time.Time{})
		w.has(ann, bob, one)
		w.mu.Lock()
		w.clock = start.Add(time.Hour)
		w.mu.Unlock()
		w.has(ann, bob, whole)
	})
	run("at once", func(w *wallet) {
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				issuer := fmt.Sprintf("u%d@example.org", i)
				w.has(ann, issuer, w.put(ann, issuer, time.Time{}))
			})
		}
		wg.Wait()
	})
	run("context", func(w *wallet) {
		ended, cancel := context.WithCancel(w.Context())
		cancel()
		token := w.token(bob, time.Time{})
		if err := w.Put(ended, ann, token); err == nil {
			w.Error("Put with an ended context: no error")
		}
		w.has(ann, bob, capability.Token{})
		if _, _, err := w.Get(ended, ann, bob); err == nil {
			w.Error("Get with an ended context: no error")
		}
		if err := w.Drop(ended, ann, token.Grant().ID); err == nil {
			w.Error("Drop with an ended context: no error")
		}
	})
}

// A wallet is one under test, with its clock.
type wallet struct {
	*testing.T
	policy.Wallet
	mu    sync.Mutex
	clock time.Time
}

func (w *wallet) token(issuer string, expires time.Time) capability.Token {
	w.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	t, err := capability.Issue(capability.Grant{Issuer: issuer, Limits: capability.Limits{Expires: expires}}, key)
	if err != nil {
		w.Fatal(err)
	}
	return t
}

func (w *wallet) put(owner, issuer string, expires time.Time) capability.Token {
	w.Helper()
	t := w.token(issuer, expires)
	if err := w.Put(w.Context(), owner, t); err != nil {
		w.Error("Put:", err)
	}
	return t
}

func (w *wallet) drop(owner string, id capability.ID) {
	w.Helper()
	if err := w.Drop(w.Context(), owner, id); err != nil {
		w.Error("Drop:", err)
	}
}

// has holds what is there for a recipient to want; the zero Token is nothing.
func (w *wallet) has(owner, recipient string, want capability.Token) {
	w.Helper()
	got, ok, err := w.Get(w.Context(), owner, recipient)
	if err != nil || ok != (want.Grant() != capability.Grant{}) || ok && got.String() != want.String() {
		w.Errorf("Get(%s, %s) = %+v, %v, %v; want %+v", owner, recipient, got.Grant(), ok, err, want.Grant())
	}
}

// Relations tests the stores that open makes. Each subtest opens its own, empty one.
func Relations(t *testing.T, open func(t *testing.T) policy.Relations) {
	run := func(name string, test func(r *relations)) {
		t.Run(name, func(t *testing.T) { test(&relations{t, open(t)}) })
	}
	known := policy.Relation{State: policy.Known, Grant: capability.NewID()}
	blocked := policy.Relation{State: policy.Blocked}
	given := policy.Relation{Grant: capability.NewID()}
	none := policy.Relation{}
	run("what was set", func(r *relations) {
		r.has(bob, ann, none)
		for _, want := range []policy.Relation{known, blocked, given, known, none} {
			r.set(bob, ann, want)
			r.has(bob, ann, want)
			r.has(carol, ann, none)
			r.has(ann, bob, none)
		}
	})
	run("case and labels", func(r *relations) {
		r.set("Bob@Example.org", "X@Bücher.example", known)
		r.has(bob, "x@xn--bcher-kva.EXAMPLE", known)
		r.has(bob, "\u212a@xn--bcher-kva.example", none)
	})
	run("a domain", func(r *relations) {
		domain := func(want policy.State) {
			r.Helper()
			if got, err := r.Relation(r.Context(), bob, "A.example"); err != nil || got.State != want {
				r.Errorf("of the domain: %+v, %v; want state %v", got, err, want)
			}
		}
		domain(policy.Stranger)
		r.set(bob, ann, known)
		r.set(bob, ann, known)
		r.set(bob, "eve@a.example", blocked)
		r.set(bob, "x@sub.a.example", known)
		r.set(carol, "x@a.example", known)
		domain(policy.Known)
		r.set(bob, "dan@a.example", known)
		r.set(bob, ann, none)
		domain(policy.Known)
		r.set(bob, "dan@a.example", blocked)
		domain(policy.Stranger)
	})
	run("at once", func(r *relations) {
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				who := fmt.Sprintf("u%d@a.example", i)
				r.set(bob, who, known)
				r.has(bob, who, known)
			})
		}
		wg.Wait()
	})
	run("context", func(r *relations) {
		ended, cancel := context.WithCancel(r.Context())
		cancel()
		if err := r.SetRelation(ended, bob, ann, known); err == nil {
			r.Error("SetRelation with an ended context: no error")
		}
		if _, err := r.Relation(ended, bob, ann); err == nil {
			r.Error("Relation with an ended context: no error")
		}
		r.has(bob, ann, none)
	})
}

// relations are those under test.
type relations struct {
	*testing.T
	policy.Relations
}

func (r *relations) set(owner, correspondent string, to policy.Relation) {
	r.Helper()
	if err := r.SetRelation(r.Context(), owner, correspondent, to); err != nil {
		r.Error("SetRelation:", err)
	}
}

func (r *relations) has(owner, correspondent string, want policy.Relation) {
	r.Helper()
	if got, err := r.Relation(r.Context(), owner, correspondent); err != nil || got != want {
		r.Errorf("Relation(%s, %s) = %+v, %v; want %+v", owner, correspondent, got, err, want)
	}
}
