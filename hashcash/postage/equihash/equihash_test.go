package equihash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/blake2b"

	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
	"github.com/mailbricks/mailbricks/hashcash/postage/postagetest"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

func TestConforms(t *testing.T) {
	postagetest.Run(t, func(_ *testing.T, now func() time.Time, spent hashcash.SpentStore) postage.Scheme {
		return &Scheme{N: 72, Rand: postagetest.Rand(), Now: now, Spent: spent}
	})
}

// solved is a header and a solution of it.
func solved(t testing.TB, n int) (header, solution []byte) {
	t.Helper()
	var s Solver
	for i := range 100 {
		header = fmt.Appendf(nil, "header %d", i)
		found, err := s.Solve(t.Context(), n, header)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) > 0 {
			return header, found[0]
		}
	}
	t.Fatal("no solution in 100 runs")
	return nil, nil
}

// TestSolutions: all that the solver finds is valid, and there are about two a run.
func TestSolutions(t *testing.T) {
	var s Solver
	for n := minN; n <= 90; n += 6 {
		runs, found := 30, 0
		if n > 78 {
			runs = 4
		}
		for i := range runs {
			header := fmt.Appendf(nil, "%d", i)
			solutions, err := s.Solve(t.Context(), n, header)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range solutions {
				if err := Check(n, header, x); err != nil {
					t.Errorf("n = %d, run %d: %v", n, i, err)
				}
			}
			found += len(solutions)
		}
		// The smallest n lose many of their pairs to pieces that come twice.
		if least := runs / 2; found > 4*runs || n >= 72 && found < least || found == 0 {
			t.Errorf("n = %d: %d solutions in %d runs", n, found, runs)
		}
	}
	for _, n := range []int{-6, 0, 54, 61, 126, 200} {
		if _, err := s.Solve(t.Context(), n, nil); !errors.Is(err, ErrParameter) {
			t.Errorf("n = %d: %v, want ErrParameter", n, err)
		}
		if err := Check(n, nil, nil); !errors.Is(err, ErrParameter) {
			t.Errorf("n = %d: %v, want ErrParameter", n, err)
		}
	}
}

// TestCheckRefuses: each way to make a second stamp of one, and each way to be none.
func TestCheckRefuses(t *testing.T) {
	const n = 78
	p, _ := paramsOf(n)
	header, solution := solved(t, n)
	change := func(f func(x *[places]uint32)) []byte {
		numbers := p.unpack(solution)
		f(&numbers)
		return p.pack(nil, numbers[:])
	}
	type check struct {
		name     string
		solution []byte
		want     error
	}
	checks := []check{
		{"valid", solution, nil},
		{"empty", nil, ErrLength},
		{"short", solution[1:], ErrLength},
		{"long", append(bytes.Clone(solution), 0), ErrLength},
		{"zeros", make([]byte, len(solution)), ErrDuplicate},
		{"a number twice", change(func(x *[places]uint32) { x[1] = x[0] }), ErrDuplicate},
		{"a pair twice", change(func(x *[places]uint32) { copy(x[2:4], x[:2]) }), ErrDuplicate},
		{"one half twice", change(func(x *[places]uint32) { copy(x[16:], x[:16]) }), ErrDuplicate},
		{"the last number another", change(func(x *[places]uint32) { x[31] ^= 1 }), ErrCollision},
	}
	for half := 1; half < places; half *= 2 {
		for i := 0; i < places; i += 2 * half {
			checks = append(checks, check{fmt.Sprintf("halves of %d at %d swapped", half, i), change(func(x *[places]uint32) {
				for j := range half {
					x[i+j], x[i+half+j] = x[i+half+j], x[i+j]
				}
			}), ErrOrder})
		}
	}
	for _, tt := range checks {
		if err := Check(n, header, tt.solution); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	if err := Check(n, append(header, ' '), solution); !errors.Is(err, ErrCollision) {
		t.Errorf("another header: %v, want ErrCollision", err)
	}
	for i := range 8 * len(solution) {
		other := bytes.Clone(solution)
		other[i/8] ^= 1 << (i % 8)
		if Check(n, header, other) == nil {
			t.Errorf("bit %d is of no importance", i)
		}
	}
	// Pieces that collide in all but the very last bits.
	leaf := each(func(g uint32) (block [64]byte) {
		if g == 0 {
			block[p.width-1] = 1 << (8*p.width - n)
		}
		return block
	})
	var numbers [places]uint32
	for i := range numbers {
		numbers[i] = uint32(i)
	}
	if err := p.check(leaf, p.pack(nil, numbers[:])); !errors.Is(err, ErrCollision) {
		t.Errorf("the last bit: %v, want ErrCollision", err)
	}
}

func TestPack(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := minN; n <= maxN; n += 6 {
		p, _ := paramsOf(n)
		var x [places]uint32
		for i := range x {
			x[i] = rng.Uint32N(1 << (p.c + 1))
		}
		packed := p.pack(nil, x[:])
		if len(packed) != p.size() || p.unpack(packed) != x {
			t.Errorf("n = %d: %d octets", n, len(packed))
		}
	}
	if p, _ := paramsOf(120); p.size() != 84 {
		t.Errorf("n = 120: %d octets", p.size())
	}
}

func TestParseRefuses(t *testing.T) {
	s := Scheme{N: 60, Rand: postagetest.Rand(), Now: clock, MaxBits: 60}
	d, err := s.Quote(t.Context(), postage.Binding{Recipient: "bob@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	good, err := s.Pay(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := Parse(good)
	if err != nil || parsed.String() != good || parsed.Check() != nil || (Stamp{}).String() != "" {
		t.Fatalf("%q: %+v, %v", good, parsed, err)
	}
	f := strings.Split(good, ":")
	with := func(i int, text string) string {
		g := slices.Clone(f)
		g[i] = text
		return strings.Join(g, ":")
	}
	for _, text := range []string{
		"", ":", good + ":", strings.Join(f[:8], ":"), with(0, "eq2"), with(0, "1"),
		with(1, "61"), with(1, "060"), with(1, "+60"), with(1, "-60"), with(1, ""), with(1, "200"), with(1, "66"), with(1, "999999999999999999999"),
		with(2, "-1"), with(2, "01"), with(2, "65"), with(2, ""),
		with(3, "261324"), with(3, "260230"), with(3, "+00101"), with(3, "2611241200"), with(3, ""),
		with(4, ""), with(4, "a b"), with(4, "a\x00"), with(4, "ü"), with(6, ""), with(6, "a-b"), with(7, ""), with(7, "="),
		with(8, ""), with(8, f[8][1:]), with(8, f[8]+"A"), with(8, f[8]+"="), with(8, f[8][1:]+"*"), with(8, f[8][:len(f[8])-1]+"_"), good + "\n",
		with(4, strings.Repeat("x", 500)),
	} {
		if s, err := Parse(text); !errors.Is(err, hashcash.ErrSyntax) {
			t.Errorf("%q: %+v, %v; want ErrSyntax", text, s, err)
		}
	}
	// A claim that the hash does not bear out, and resources that cannot stand in a stamp.
	d.Price = 40
	if _, err := s.Verify(t.Context(), d, with(2, "64")); !errors.Is(err, hashcash.ErrBits) {
		t.Errorf("%v, want ErrBits", err)
	}
	for _, r := range []string{"a:b@x", "u@[IPv6:2001:db8::1]", "a b@x", "ü@x", strings.Repeat("x", 500)} {
		d.Recipient = r
		if stamp, err := s.Pay(t.Context(), d); !errors.Is(err, hashcash.ErrResource) {
			t.Errorf("%q: %q, %v; want ErrResource", r, stamp, err)
		}
	}
}

func TestPrice(t *testing.T) {
	runs := 0
	s := &Scheme{N: 60, Bits: 4, Rand: postagetest.Rand(), Now: clock, Spent: &hashcash.MemoryStore{Now: clock}, Progress: func(n int) { runs = n }}
	d, err := s.Quote(t.Context(), postage.Binding{Recipient: "bob@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	stamp, err := s.Pay(t.Context(), d)
	if err != nil || runs == 0 {
		t.Fatal(err, runs)
	}
	lighter := d
	lighter.Params = "n=54"
	if _, err := s.Pay(t.Context(), lighter); !errors.Is(err, postage.ErrDemand) {
		t.Errorf("%v, want ErrDemand", err)
	}
	heavier := &Scheme{N: 66, Now: clock, Spent: s.Spent}
	if _, err := heavier.Verify(t.Context(), d, stamp); !errors.Is(err, hashcash.ErrBits) {
		t.Errorf("a lighter n than the scheme's: %v, want ErrBits", err)
	}
	if v, err := s.Verify(t.Context(), d, stamp); err != nil || v.Amount != 4 {
		t.Errorf("%+v, %v", v, err)
	}
	s.MaxBits = -1
	if _, err := s.Pay(t.Context(), d); !errors.Is(err, postage.ErrDear) {
		t.Errorf("%v, want ErrDear", err)
	}
}

// TestLeaves: the fast way makes the same blocks.
func TestLeaves(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var seed [64]byte
		var numbers [lanes]uint32
		for i := range seed {
			seed[i] = byte(rnd.Uint32())
		}
		for i := range numbers {
			numbers[i] = rnd.Uint32()
		}
		fast := fastLeaves(&seed)
		if fast == nil {
			t.Skip("this processor has no fast way")
		}
		var got, want [lanes][64]byte
		fast(&numbers, &got)
		slowLeaves(&seed)(&numbers, &want)
		if got != want {
			t.Fatalf("blocks %d of %x\n got %x\nwant %x", numbers, seed, got, want)
		}
	}
}

// TestSolverEndsWithContext in each of its stages: while pieces are hashed and while they are paired.
func TestSolverEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, _ := paramsOf(84)
	leaf := seeded([]byte("x"))
	var s Solver
	_, err := s.run(ctx, p, func(numbers *[lanes]uint32, blocks *[lanes][64]byte) {
		if numbers[0] == 1024 {
			cancel()
		}
		leaf(numbers, blocks)
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want Canceled", err)
	}
	if _, err := s.Solve(ctx, 84, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want Canceled", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("eq1:60:0:261124:bob@example.com::AAAA:A:" + strings.Repeat("A", 59))
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			if !errors.Is(err, hashcash.ErrSyntax) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if s.String() != text {
			t.Fatalf("%q came back as %q", text, s)
		}
		for _, want := range []error{nil, hashcash.ErrBits, ErrDuplicate, ErrOrder, ErrCollision} {
			if errors.Is(s.Check(), want) {
				return
			}
		}
		t.Fatalf("%q: %v", text, s.Check())
	})
}

func BenchmarkCheck(b *testing.B) {
	header, solution := solved(b, 120)
	p, _ := paramsOf(120)
	seed := blake2b.Sum512(header)
	b.Run("any processor", func(b *testing.B) {
		for b.Loop() {
			if err := p.check(slowLeaves(&seed), solution); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("this processor", func(b *testing.B) {
		for b.Loop() {
			if err := Check(120, header, solution); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSolve reports what one solution takes, and the memory of the solver.
func BenchmarkSolve(b *testing.B) {
	for _, n := range []int{96, 108, 120} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			var s Solver
			found := 0
			for i := 0; b.Loop(); i++ {
				x, err := s.Solve(b.Context(), n, fmt.Appendf(nil, "%d", i))
				if err != nil {
					b.Fatal(err)
				}
				found += len(x)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			runtime.KeepAlive(&s)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB")
			b.ReportMetric(float64(found)/float64(b.N), "solutions/op")
			b.ReportMetric(b.Elapsed().Seconds()/float64(max(found, 1)), "s/solution")
		})
	}
}
