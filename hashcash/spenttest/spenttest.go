// Package spenttest is the conformance suite for implementations of hashcash.SpentStore.
//
//	func TestStore(t *testing.T) {
//		spenttest.Run(t, func(t *testing.T, now func() time.Time) hashcash.SpentStore { return newStore(t, now) })
//	}
package spenttest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/hashcash"
)

// Run tests the stores that open makes. Each subtest opens its own, empty one, which must take now for its clock.
func Run(t *testing.T, open func(t *testing.T, now func() time.Time) hashcash.SpentStore) {
	start := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	fixed := func() time.Time { return start }
	must := func(t *testing.T, s hashcash.SpentStore, stamp string, expires time.Time, want bool) {
		t.Helper()
		got, err := s.Spend(t.Context(), stamp, expires)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("Spend(%q) = %v, want %v", stamp, got, want)
		}
	}
	const a, b = "1:20:261124:a@example.com::AAAA:a", "1:20:261124:A@example.com::AAAA:a"
	t.Run("once", func(t *testing.T) {
		s := open(t, fixed)
		must(t, s, a, start.Add(time.Hour), true)
		must(t, s, a, start.Add(time.Hour), false)
		must(t, s, a, start.Add(2*time.Hour), false) // another expiry makes no other stamp
	})
	t.Run("case matters", func(t *testing.T) {
		s := open(t, fixed)
		must(t, s, a, start.Add(time.Hour), true)
		must(t, s, b, start.Add(time.Hour), true) // another text has another hash, so it is another stamp
	})
	t.Run("kept until it expires", func(t *testing.T) {
		var offset atomic.Int64
		s := open(t, func() time.Time { return start.Add(time.Duration(offset.Load())) })
		must(t, s, a, start.Add(time.Hour), true)
		offset.Store(int64(time.Hour - time.Second))
		must(t, s, a, start.Add(time.Hour), false)
	})
	t.Run("a hundred at once", func(t *testing.T) {
		s := open(t, fixed)
		for round := range 3 {
			var first atomic.Int32
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					ok, err := s.Spend(t.Context(), fmt.Sprint(a, round), start.Add(time.Hour))
					if err != nil {
						t.Error(err)
					}
					if ok {
						first.Add(1)
					}
				})
			}
			wg.Wait()
			if n := first.Load(); n != 1 {
				t.Errorf("round %d: %d of 100 calls were told they are the first", round, n)
			}
		}
	})
	t.Run("context", func(t *testing.T) {
		s := open(t, fixed)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if ok, err := s.Spend(ctx, a, start.Add(time.Hour)); ok || err == nil {
			t.Errorf("with an ended context: %v, %v; want an error", ok, err)
		}
		must(t, s, a, start.Add(time.Hour), true)
	})
}
