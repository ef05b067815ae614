// Package granttest is the conformance suite for implementations of capability.Store.
//
//	func TestStore(t *testing.T) {
//		granttest.Run(t, func(t *testing.T, now func() time.Time) capability.Store { return newStore(t, now) })
//	}
package granttest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/capability"
)

// Run tests the stores that open makes. Each subtest opens its own, empty one, which must take now for its clock.
func Run(t *testing.T, open func(t *testing.T, now func() time.Time) capability.Store) {
	for _, tt := range []struct {
		name string
		test func(*testing.T, *bench)
	}{
		{"single use", testSingleUse},
		{"a failed delivery burns nothing", testRelease},
		{"a reservation lapses", testLapse},
		{"the same message counts once", testIdempotent},
		{"counters within counters", testCounters},
		{"a rate is of any time of its length", testRate},
		{"a rate beside other counters", testRateCounters},
		{"revocation", testRevoke},
		{"revocation by id, relationship and epoch", testRevokeKinds},
		{"of fifty deliveries at once one succeeds", testConcurrent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &bench{T: t}
			b.Store = open(t, b.now)
			tt.test(t, b)
		})
	}
}

// RunGrants tests the stores of what tags stand for that open makes. Each subtest opens its own, empty one.
func RunGrants(t *testing.T, open func(t *testing.T) capability.GrantStore) {
	full := capability.Grant{ID: capability.NewTagID(), Issuer: "bob@example.com", Epoch: 7, Key: 3,
		Limits: capability.Limits{Scope: "*.shop.example", NotBefore: start, Expires: start.AddDate(0, 1, 0), Uses: 5, Size: 1 << 40,
			Rate: capability.Rate{Count: 10, Per: 24 * time.Hour}, Class: capability.Transactional}}
	t.Run("what is put is what comes back", func(t *testing.T) {
		s := open(t)
		for _, g := range []capability.Grant{full, {ID: capability.NewID(), Issuer: "example.com"}} {
			if err := s.PutGrant(t.Context(), g); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Grant(t.Context(), g.ID); err != nil || got != g {
				t.Errorf("%+v came back as %+v, %v", g, got, err)
			}
		}
	})
	t.Run("what was not put is unknown", func(t *testing.T) {
		s := open(t)
		if err := s.PutGrant(t.Context(), full); err != nil {
			t.Fatal(err)
		}
		for _, id := range []capability.ID{{}, capability.NewTagID(), capability.NewID()} {
			if g, err := s.Grant(t.Context(), id); !errors.Is(err, capability.ErrUnknown) {
				t.Errorf("%v: %+v, %v", id, g, err)
			}
		}
	})
	t.Run("the last put counts", func(t *testing.T) {
		s := open(t)
		later := full
		later.Uses, later.Scope = 1, "shop.example"
		for _, g := range []capability.Grant{full, later} {
			if err := s.PutGrant(t.Context(), g); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := s.Grant(t.Context(), full.ID); err != nil || got != later {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("a grant of nothing is refused", func(t *testing.T) {
		s := open(t)
		for _, g := range []capability.Grant{{}, {ID: full.ID}, {Issuer: "bob@example.com"}, {ID: full.ID, Issuer: "bob@example.com", Limits: capability.Limits{Scope: "no domain"}},
			{ID: full.ID, Issuer: "bob@example.com", Limits: capability.Limits{Rate: capability.Rate{Count: 1}}}, {ID: full.ID, Issuer: "bob@example.com", Limits: capability.Limits{Class: 200}}} {
			if err := s.PutGrant(t.Context(), g); !errors.Is(err, capability.ErrSyntax) {
				t.Errorf("%+v: %v", g, err)
			}
		}
	})
}

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// A bench is a store with a clock of its own.
type bench struct {
	*testing.T
	capability.Store
	offset atomic.Int64
}

func (b *bench) now() time.Time { return start.Add(time.Duration(b.offset.Load())) }

func (b *bench) reserve(g capability.Grant, want error, counters ...capability.Counter) capability.Reservation {
	b.Helper()
	if counters == nil && g.Uses > 0 {
		counters = []capability.Counter{{Key: g.ID, Max: g.Uses}}
	}
	r, err := b.Reserve(b.Context(), capability.Use{Grant: g, Counters: counters, Now: b.now(), Until: b.now().Add(time.Minute)})
	if !errors.Is(err, want) {
		b.Errorf("Reserve: %v, want %v", err, want)
	}
	return r
}

func (b *bench) commit(r capability.Reservation, message byte, want error) {
	b.Helper()
	if err := b.Commit(b.Context(), r, [32]byte{message}); !errors.Is(err, want) {
		b.Errorf("Commit: %v, want %v", err, want)
	}
}

func (b *bench) release(r capability.Reservation) {
	b.Helper()
	if err := b.Release(b.Context(), r); err != nil {
		b.Error("Release:", err)
	}
}

func (b *bench) revoke(r capability.Revocation) {
	b.Helper()
	if err := b.Revoke(b.Context(), r); err != nil {
		b.Error("Revoke:", err)
	}
}

func grant(id byte, uses uint32) capability.Grant {
	return capability.Grant{ID: capability.ID{id}, Issuer: "bob@example.com", Epoch: 1,
		Limits: capability.Limits{Scope: "shop.example", Uses: uses}}
}

func testSingleUse(t *testing.T, b *bench) {
	r := b.reserve(grant(1, 1), nil)
	b.reserve(grant(1, 1), capability.ErrReserved)
	b.reserve(grant(2, 1), nil) // another grant is another
	b.commit(r, 'a', nil)
	b.reserve(grant(1, 1), capability.ErrUsedUp)
}

func testRelease(t *testing.T, b *bench) {
	r := b.reserve(grant(1, 1), nil)
	b.release(r)
	b.release(r) // releasing again does nothing
	b.commit(r, 'a', capability.ErrReserved)
	r = b.reserve(grant(1, 1), nil)
	b.commit(r, 'b', nil)
	b.release(r) // after its end a reservation cannot be released
	b.reserve(grant(1, 1), capability.ErrUsedUp)
}

func testLapse(t *testing.T, b *bench) {
	old := b.reserve(grant(1, 1), nil)
	b.offset.Store(int64(2 * time.Minute))
	r := b.reserve(grant(1, 1), nil)
	b.commit(old, 'a', capability.ErrReserved)
	b.commit(r, 'b', nil)
}

func testIdempotent(t *testing.T, b *bench) {
	g := grant(1, 2)
	r := b.reserve(g, nil)
	b.commit(r, 'a', nil)
	b.commit(r, 'a', nil) // the reply was lost, the same call again
	again := b.reserve(g, nil)
	b.commit(again, 'a', nil) // the same message in another transaction
	b.commit(b.reserve(g, nil), 'b', nil)
	b.reserve(g, capability.ErrUsedUp)
}

func testCounters(t *testing.T, b *bench) {
	g := grant(1, 3)
	whole, part := capability.Counter{Key: g.ID, Max: 3}, capability.Counter{Key: capability.ID{9}, Max: 1}
	b.commit(b.reserve(g, nil, whole, part), 'a', nil)
	b.reserve(g, capability.ErrUsedUp, whole, part) // the part is used up
	b.commit(b.reserve(g, nil, whole), 'b', nil)
	b.commit(b.reserve(g, nil, whole), 'c', nil)
	b.reserve(g, capability.ErrUsedUp, whole) // the part counted for the whole too
	b.commit(b.reserve(grant(2, 0), nil), 'd', nil)
	b.commit(b.reserve(grant(2, 0), nil), 'e', nil) // without counters there is no end
}

func testRate(t *testing.T, b *bench) {
	g := grant(1, 0)
	rate := capability.Counter{Key: g.ID, Max: 2, Per: time.Hour}
	at := func(minute int) { b.offset.Store(int64(time.Duration(minute) * time.Minute)) }
	b.commit(b.reserve(g, nil, rate), 'a', nil)
	at(40)
	held := b.reserve(g, nil, rate)
	b.reserve(g, capability.ErrReserved, rate) // what is held counts
	b.release(held)
	b.commit(b.reserve(g, nil, rate), 'b', nil)
	b.reserve(g, capability.ErrRate, rate)
	at(59)
	b.reserve(g, capability.ErrRate, rate)
	at(61) // the first is out of the hour, the second is in it
	b.commit(b.reserve(g, nil, rate), 'c', nil)
	b.reserve(g, capability.ErrRate, rate)
	at(80)
	b.reserve(g, capability.ErrRate, rate)
	b.reserve(grant(2, 0), nil, capability.Counter{Key: capability.ID{2}, Max: 2, Per: time.Hour}) // another grant is another
	at(101)
	b.commit(b.reserve(g, nil, rate), 'd', nil)
	b.commit(b.reserve(g, capability.ErrRate, rate), 'e', capability.ErrReserved)
	at(24 * 60)
	b.commit(b.reserve(g, nil, rate), 'a', nil) // the same message is not counted twice
	b.commit(b.reserve(g, nil, rate), 'f', nil)
	b.commit(b.reserve(g, nil, rate), 'g', nil)
	b.reserve(g, capability.ErrRate, rate)
}

func testRateCounters(t *testing.T, b *bench) {
	g := grant(1, 3)
	all, hour, day := capability.Counter{Key: g.ID, Max: 3}, capability.Counter{Key: g.ID, Max: 1, Per: time.Hour}, capability.Counter{Key: g.ID, Max: 2, Per: 24 * time.Hour}
	at := func(hours int) { b.offset.Store(int64(time.Duration(hours) * time.Hour)) }
	b.commit(b.reserve(g, nil, all, hour, day), 'a', nil)
	b.reserve(g, capability.ErrRate, all, hour, day)
	at(2)
	b.commit(b.reserve(g, nil, all, hour, day), 'b', nil)
	at(4)
	b.reserve(g, capability.ErrRate, all, hour, day) // of the day
	at(30)
	b.commit(b.reserve(g, nil, all, hour, day), 'c', nil)
	at(100)
	b.reserve(g, capability.ErrUsedUp, all, hour, day)
	b.reserve(g, nil, hour, day)
}

func testRevoke(t *testing.T, b *bench) {
	one, other, old, address := grant(1, 0), grant(2, 0), grant(3, 0), grant(4, 0)
	old.Epoch = 0
	address.Scope = "a@shop.example"
	foreign := grant(5, 0)
	foreign.Issuer = "carol@example.com"
	r := b.reserve(one, nil)
	b.revoke(capability.Revocation{ID: one.ID})
	b.reserve(one, capability.ErrRevoked)
	b.commit(r, 'a', capability.ErrRevoked) // revoked between RCPT and the end of data
	b.revoke(capability.Revocation{Issuer: "bob@example.com", Before: 1})
	b.reserve(old, capability.ErrRevoked)
	b.reserve(other, nil)
	b.revoke(capability.Revocation{Issuer: "bob@example.com", Scope: "shop.example"})
	b.reserve(other, capability.ErrRevoked)
	b.reserve(address, capability.ErrRevoked)
	b.reserve(foreign, nil) // another issuer's grants are not touched
}

// testRevokeKinds: what each kind takes back, and what it leaves; what is held while it is taken back cannot be committed.
func testRevokeKinds(t *testing.T, b *bench) {
	with := func(id byte, issuer, scope string, epoch uint32) capability.Grant {
		return capability.Grant{ID: capability.ID{id}, Issuer: issuer, Epoch: epoch, Limits: capability.Limits{Scope: scope}}
	}
	const bob, carol = "bob@example.com", "carol@example.com"
	all := []capability.Grant{
		with(1, bob, "shop.example", 0), with(2, bob, "a@shop.example", 3), with(3, bob, "*.shop.example", 3), with(4, bob, "evilshop.example", 3),
		with(5, bob, "", 3), with(6, bob, "a@b.shop.example", 3), with(7, carol, "shop.example", 0), with(8, bob, "bank.example", 2), with(9, bob, "bank.example", 4),
	}
	held := make([]capability.Reservation, len(all))
	for i, g := range all {
		held[i] = b.reserve(g, nil)
	}
	gone := make(map[byte]bool)
	for _, tt := range []struct {
		revoke capability.Revocation
		takes  string
	}{
		{capability.Revocation{ID: capability.ID{9}}, "\x09"},
		{capability.Revocation{Issuer: "Bob@example.com", Scope: "Shop.example"}, "\x01\x02"},
		{capability.Revocation{Issuer: bob, Scope: "*.shop.example"}, "\x03\x06"},
		{capability.Revocation{Issuer: bob, Before: 3}, "\x08"},
		{capability.Revocation{Issuer: bob, Before: 1}, ""}, // an epoch does not go back
		{capability.Revocation{Issuer: bob, Before: 4}, "\x04\x05"},
		{capability.Revocation{}, ""},
	} {
		b.revoke(tt.revoke)
		for _, id := range []byte(tt.takes) {
			gone[id] = true
		}
		for _, g := range all {
			want := error(nil)
			if gone[g.ID[0]] {
				want = capability.ErrRevoked
			}
			b.release(b.reserve(g, want))
		}
	}
	for i, g := range all {
		want := error(nil)
		if gone[g.ID[0]] {
			want = capability.ErrRevoked
		}
		b.commit(held[i], g.ID[0], want)
	}
}

func testConcurrent(t *testing.T, b *bench) {
	g := grant(1, 1)
	var delivered atomic.Int32
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			r, err := b.Reserve(t.Context(), capability.Use{Grant: g, Counters: []capability.Counter{{Key: g.ID, Max: 1}}, Now: b.now(), Until: b.now().Add(time.Minute)})
			if err != nil {
				if !errors.Is(err, capability.ErrReserved) && !errors.Is(err, capability.ErrUsedUp) {
					t.Error(err)
				}
				return
			}
			if err := b.Commit(t.Context(), r, [32]byte{byte(i), 1}); err != nil {
				t.Error(err)
				return
			}
			delivered.Add(1)
		})
	}
	wg.Wait()
	if n := delivered.Load(); n != 1 {
		t.Errorf("%d deliveries on a single use", n)
	}
}

// Shared is a store that is several over one: each call goes to the next of them. So Run shows what processes that share
// a store see of each other, as far as goroutines tell.
type Shared struct {
	of []capability.Store
	n  atomic.Uint32
}

// Share returns a Shared of stores.
func Share(stores ...capability.Store) *Shared { return &Shared{of: stores} }

func (s *Shared) next() capability.Store { return s.of[int(s.n.Add(1))%len(s.of)] }

// Reserve implements capability.Store.
func (s *Shared) Reserve(ctx context.Context, u capability.Use) (capability.Reservation, error) {
	return s.next().Reserve(ctx, u)
}

// Commit implements capability.Store.
func (s *Shared) Commit(ctx context.Context, r capability.Reservation, digest [32]byte) error {
	return s.next().Commit(ctx, r, digest)
}

// Release implements capability.Store.
func (s *Shared) Release(ctx context.Context, r capability.Reservation) error {
	return s.next().Release(ctx, r)
}

// Revoke implements capability.Store.
func (s *Shared) Revoke(ctx context.Context, r capability.Revocation) error {
	return s.next().Revoke(ctx, r)
}
