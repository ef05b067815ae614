package hashcash

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestOneOfAHundred: of a hundred checks of one stamp at once exactly one succeeds, on each store of the package.
func TestOneOfAHundred(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spent")
	file := func() SpentStore {
		s, err := OpenFile(path, clock)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	for name, stores := range map[string][]SpentStore{
		"memory":                   {&MemoryStore{Now: clock}},
		"file, opened once":        {file()},
		"file, opened three times": {file(), file(), file()},
	} {
		s, err := (Minter{Bits: 8, Now: clock}).Mint(t.Context(), "bob@example.com", "")
		if err != nil {
			t.Fatal(err)
		}
		var valid atomic.Int32
		var wg sync.WaitGroup
		for i := range 100 {
			v := Verifier{Bits: 8, Now: clock, Spent: stores[i%len(stores)]}
			wg.Go(func() {
				_, err := v.Verify(t.Context(), s.String(), "bob@example.com")
				switch {
				case err == nil:
					valid.Add(1)
				case !errors.Is(err, ErrSpent):
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		wg.Wait()
		if n := valid.Load(); n != 1 {
			t.Errorf("%s: %d of 100 are valid", name, n)
		}
	}
}

// TestOneStampManyFields: one stamp in several header fields, folded and not, is worth one letter; of any number of fields
// the first MaxStamps are looked at.
func TestOneStampManyFields(t *testing.T) {
	s, err := (Minter{Bits: 8, Now: clock}).Mint(t.Context(), "somebody.with.a.long.name@a.long.domain.example.com", "")
	if err != nil {
		t.Fatal(err)
	}
	_, folded, _ := strings.Cut(string(AppendHeader(nil, s)), ":")
	if !strings.Contains(folded, "\r\n ") {
		t.Fatalf("%q is not folded", folded)
	}
	values := []string{s.String(), folded, " " + s.String() + "\r\n"}
	v := Verifier{Bits: 8, Now: clock, Spent: &MemoryStore{Now: clock}}
	valid := 0
	for text := range Stamps(slices.Values(values)) {
		if _, err := v.Verify(t.Context(), text, s.Resource); err == nil {
			valid++
		} else if !errors.Is(err, ErrSpent) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if valid != 1 {
		t.Errorf("%d of the %d fields are valid", valid, len(values))
	}
	taken, yielded := 0, 0
	for range Stamps(func(yield func(string) bool) {
		for taken < 100_000 && yield("junk") {
			taken++
		}
	}) {
		yielded++
	}
	if yielded != MaxStamps || taken > MaxStamps {
		t.Errorf("of 100,000 fields %d were taken and %d yielded", taken, yielded)
	}
}

// TestPatternsAreNone: a resource that looks like a pattern matches itself alone.
func TestPatternsAreNone(t *testing.T) {
	for _, resource := range []string{"*@example.com", ".*", "*", "?ob@example.com", "bob@*", "[a-z]ob@example.com"} {
		s, err := (Minter{Bits: 8, Now: clock}).Mint(t.Context(), resource, "")
		if err != nil {
			t.Fatal(err)
		}
		v := Verifier{Bits: 8, Now: clock, Spent: &MemoryStore{Now: clock}}
		if _, err := v.Verify(t.Context(), s.String(), "bob@example.com"); !errors.Is(err, ErrResource) {
			t.Errorf("%q: %v, want ErrResource", resource, err)
		}
		if _, err := v.Verify(t.Context(), s.String(), resource); err != nil {
			t.Errorf("%q for itself: %v", resource, err)
		}
	}
}

// TestMidnight: the date of a stamp is that of when its search began, and it is read once.
func TestMidnight(t *testing.T) {
	calls := 0
	now := func() time.Time {
		calls++
		return time.Date(2026, 11, 24, 23, 59, 59, 0, time.UTC).Add(time.Duration(calls-1) * time.Minute)
	}
	s, err := (Minter{Bits: 12, Now: now}).Mint(t.Context(), "bob@example.com", "")
	if err != nil || !s.Date.Equal(time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)) || calls != 1 {
		t.Errorf("%v of %v, %v; the clock was read %d times", s, s.Date, err, calls)
	}
}

// TestMintLeavesNothing: when Mint returns, found or cancelled, its goroutines have ended. synctest.Test fails otherwise.
func TestMintLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if _, err := (Minter{Bits: 10, Workers: 4}).Mint(t.Context(), "bob@example.com", ""); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		before := runtime.NumGoroutine()
		if s, err := (Minter{Bits: 64, Workers: 4}).Mint(ctx, "bob@example.com", ""); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, %v; want Canceled", s, err)
		}
		synctest.Wait()
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("%d goroutines, there were %d", n, before)
		}
	})
}

// TestMintBounds: prices out of range are refused before anything is searched.
func TestMintBounds(t *testing.T) {
	for _, bits := range []int{-1, 65, 160, 161, 1 << 30} {
		if s, err := (Minter{Bits: bits, Workers: 1}).Mint(t.Context(), "bob@example.com", ""); err == nil {
			t.Errorf("%d bits: %v", bits, s)
		}
	}
}

// BenchmarkCancel is how long Mint takes to return once its context has ended.
func BenchmarkCancel(b *testing.B) {
	var worst time.Duration
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		var at atomic.Int64
		m := Minter{Bits: 64, Interval: time.Millisecond, Progress: func(Progress) { at.CompareAndSwap(0, time.Now().UnixNano()); cancel() }}
		if _, err := m.Mint(ctx, "bob@example.com", ""); !errors.Is(err, context.Canceled) {
			b.Fatal(err)
		}
		worst = max(worst, time.Since(time.Unix(0, at.Load())))
	}
	b.ReportMetric(float64(worst)/1e6, "ms-worst")
}

// BenchmarkCores mints with one worker and with one on each core; the rates are those of Progress.
func BenchmarkCores(b *testing.B) {
	for _, workers := range []int{1, runtime.NumCPU()} {
		b.Run("", func(b *testing.B) {
			var rate float64
			for b.Loop() {
				ctx, cancel := context.WithTimeout(b.Context(), 300*time.Millisecond)
				m := Minter{Bits: 64, Workers: workers, Interval: 100 * time.Millisecond, Progress: func(p Progress) { rate = p.Rate }}
				_, _ = m.Mint(ctx, "bob@example.com", "")
				cancel()
			}
			b.ReportMetric(rate/1e6, "Mhash/s")
			b.ReportMetric(float64(workers), "workers")
		})
	}
}
