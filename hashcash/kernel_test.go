package hashcash

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// scannerFor searches stamps that begin with prefix.
func scannerFor(prefix string, price int) *scanner {
	digits := 4 + (4*(firstRound+1)-len(prefix)%64-4+128)%64
	return newScanner([]byte(prefix), digits, price, newSpread())
}

// firstWord is the first word of the hash of the stamp with counter c.
func (s *scanner) firstWord(c uint64) uint32 {
	putCounter(s.text[len(s.text)-s.digits:], c)
	sum := sha1.Sum(s.text)
	return binary.BigEndian.Uint32(sum[:])
}

// everyKernel runs f with each kernel; those that this processor cannot run are skipped by name.
func everyKernel(t *testing.T, f func(t *testing.T, scan func(*tail, *spread) int)) {
	for _, name := range []string{"avx512", "avx2", "portable"} {
		t.Run(name, func(t *testing.T) {
			scan := kernelNamed(name)
			if scan == nil {
				feature := map[string]string{"avx512": "AVX512F", "avx2": "AVX2"}[name]
				t.Skipf("needs amd64 with %s, built without purego; this is %s with %s", feature, runtime.GOARCH, strings.Join(Kernels(), ", "))
			}
			f(t, scan)
		})
	}
}

// TestKernelFindsEachLane makes each of the counters of one call, in turn, the only one that does it.
func TestKernelFindsEachLane(t *testing.T) {
	s := scannerFor("1:20:261124:bob@example.com::AAAAAAAAAAAAAAAA:", 32)
	const first = 1234 << scanBits
	everyKernel(t, func(t *testing.T, scan func(*tail, *spread) int) {
		step := 1
		if testing.Short() {
			step = 61
		}
		for want := 0; want < scanTries; want += step {
			tail := s.at(first)
			tail.h0 -= s.firstWord(first + uint64(want))
			s.high = ^uint64(0)
			if got := scan(tail, s.spread); got != want {
				t.Fatalf("%d, want %d", got, want)
			}
		}
	})
}

// TestKernelFindsTheFirst: the search ends at the least counter, whatever the layout of the stamp.
func TestKernelFindsTheFirst(t *testing.T) {
	everyKernel(t, func(t *testing.T, scan func(*tail, *spread) int) {
		for n := range 130 {
			s := scannerFor(strings.Repeat("x", n), 8)
			for c := uint64(0); c < 3<<scanBits; c += scanTries {
				if got, want := scan(s.at(c), s.spread), s.confirm(c, 0); got != want {
					t.Fatalf("prefix of %d octets, from %d: %d, want %d", n, c, got, want)
				}
			}
		}
	})
}

// FuzzKernels holds the kernels to crypto/sha1.
func FuzzKernels(f *testing.F) {
	f.Add([]byte("1:20:261124:bob@example.com::AAAAAAAAAAAAAAAA:"), uint64(0), uint8(12))
	f.Add([]byte("1:20:261124:"+strings.Repeat("b", 60)+"@example.com::AAAAAAAAAAAAAAAA:"), uint64(1)<<40, uint8(9))
	f.Add([]byte{}, ^uint64(0), uint8(0))
	f.Fuzz(func(t *testing.T, prefix []byte, c uint64, price uint8) {
		if len(prefix) > MaxLength {
			return
		}
		s := scannerFor(string(prefix), int(price%33))
		c &^= scanTries - 1
		want := s.confirm(c, 0)
		for _, k := range kernels() {
			if got := k.scan(s.at(c), s.spread); got != want {
				t.Errorf("%s: %q from %d for %d bits: %d, want %d", k.name, prefix, c, s.price, got, want)
			}
		}
	})
}

// TestBeyondTheFirstWord: what a kernel finds is not enough for more than 32 bits.
func TestBeyondTheFirstWord(t *testing.T) {
	s := scannerFor("1:40:261124:bob@example.com::AAAAAAAAAAAAAAAA:", 40)
	calls := 0
	luck := func(*tail, *spread) int { calls++; return 7 }
	if c, ok := s.chunk(luck, 0); ok || calls != chunk/scanTries {
		t.Errorf("%d, %v after %d calls", c, ok, calls)
	}
	s.price = 32
	if c, ok := s.chunk(luck, chunk); !ok || c != chunk+7 {
		t.Errorf("%d, %v", c, ok)
	}
}

func TestKernelsMintTheSame(t *testing.T) {
	var want Stamp
	for i, name := range append(Kernels(), "") {
		m := Minter{Bits: 15, Kernel: name, Workers: 2, Rand: bytes.NewReader(make([]byte, 16)), Now: clock}
		got, err := m.Mint(t.Context(), "somebody.with.a.name@a.longer.domain.example.com", "")
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			want = got
		}
		if got != want || len(got.String())%64 != 52 {
			t.Errorf("%s: %v of %d octets, want %v", name, got, len(got.String()), want)
		}
	}
	if _, err := (Minter{Bits: 4, Kernel: "abacus"}).Mint(t.Context(), "a@x", ""); !errors.Is(err, ErrKernel) {
		t.Errorf("%v, want ErrKernel", err)
	}
	if !slices.Contains(Kernels(), "portable") {
		t.Error("no portable kernel")
	}
}

func BenchmarkKernel(b *testing.B) {
	s := scannerFor("1:20:261124:bob@example.com::AAAAAAAAAAAAAAAA:", 64)
	for _, k := range kernels() {
		b.Run(k.name, func(b *testing.B) {
			b.SetBytes(scanTries) // an octet is an attempt: MB/s are millions of attempts a second
			for i := uint64(0); b.Loop(); i++ {
				k.scan(s.at(i<<scanBits), s.spread)
			}
		})
	}
}
