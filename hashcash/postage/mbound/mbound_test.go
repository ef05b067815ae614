package mbound

import (
	"errors"
	"math/bits"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
	"github.com/mailbricks/mailbricks/hashcash/postage/postagetest"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

var smallTable = sync.OnceValue(func() *Table {
	t, err := NewTable(12)
	if err != nil {
		panic(err)
	}
	return t
})

func TestConforms(t *testing.T) {
	postagetest.Run(t, func(_ *testing.T, now func() time.Time, spent hashcash.SpentStore) postage.Scheme {
		return &Scheme{Table: smallTable(), Steps: 64, Rand: postagetest.Rand(), Now: now, Spent: spent}
	})
}

// TestTable: the table is the same everywhere, and its words look random.
func TestTable(t *testing.T) {
	table := smallTable()
	if len(table.words) != 1<<12 || table.words[0] != 0x898cb146 || table.words[len(table.words)-1] != 0x5efd4fd0 {
		t.Errorf("%d words, the first %#x, the last %#x", len(table.words), table.words[0], table.words[len(table.words)-1])
	}
	ones := 0
	for _, w := range table.words {
		ones += bits.OnesCount32(w)
	}
	if mean := float64(ones) / float64(len(table.words)); mean < 15.7 || mean > 16.3 {
		t.Errorf("%.2f bits a word are set", mean)
	}
	for _, size := range []int{-1, 0, MinTable - 1, MaxTable + 1} {
		if _, err := NewTable(size); !errors.Is(err, ErrTable) {
			t.Errorf("2^%d words: %v, want ErrTable", size, err)
		}
	}
}

// TestWalk: the end of a walk follows from the stamp, each step and the table, and its zeros come as often as chance has it.
func TestWalk(t *testing.T) {
	table := smallTable()
	zeros, differ := 0, 0
	for i := range uint64(2000) {
		s := digits(i)
		n := table.walk(s, 64)
		if n != table.walk(s, 64) {
			t.Fatal("a walk ends here and there")
		}
		if n >= 2 {
			zeros++
		}
		if n != table.walk(s, 65) {
			differ++
		}
	}
	if zeros < 400 || zeros > 600 {
		t.Errorf("2 zero bits in %d of 2000 walks, expected 500", zeros)
	}
	if differ < 1000 {
		t.Errorf("one step more changes the zeros of %d of 2000 walks", differ)
	}
}

func TestParseRefuses(t *testing.T) {
	const good = "mb1:12:64:4:261124:bob@example.com::AAAA:A"
	if s, err := Parse(good); err != nil || s.String() != good || s.Table != 12 || s.Steps != 64 || s.Bits != 4 {
		t.Fatalf("%+v, %v", s, err)
	}
	f := strings.Split(good, ":")
	for _, tt := range []struct {
		field int
		text  string
	}{
		{0, "mb2"}, {1, "7"}, {1, "29"}, {1, "012"}, {1, "+12"}, {1, ""}, {2, "0"}, {2, "65537"}, {2, "-1"}, {3, "0"}, {3, "41"}, {3, "x"},
		{4, "261324"}, {4, "260230"}, {4, "+00101"}, {4, ""}, {5, ""}, {5, "a b"}, {5, "ü"}, {7, ""}, {7, "-"}, {8, ""}, {8, "A="}, {8, "A\n"}, {8, "A:A"},
		{5, strings.Repeat("x", 500)},
	} {
		g := append([]string(nil), f...)
		g[tt.field] = tt.text
		if s, err := Parse(strings.Join(g, ":")); !errors.Is(err, hashcash.ErrSyntax) {
			t.Errorf("field %d is %q: %+v, %v; want ErrSyntax", tt.field, tt.text, s, err)
		}
	}
}

func TestPayRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		s         Scheme
		recipient string
		want      error
	}{
		"no table":  {Scheme{}, "a@x", postage.ErrDemand},
		"steps":     {Scheme{Table: smallTable(), Steps: MaxSteps + 1}, "a@x", postage.ErrDemand},
		"bits":      {Scheme{Table: smallTable(), Bits: MaxBits + 1}, "a@x", postage.ErrDemand},
		"dear":      {Scheme{Table: smallTable(), Bits: 17}, "a@x", postage.ErrDear},
		"never":     {Scheme{Table: smallTable(), Bits: 1, MaxBits: -1}, "a@x", postage.ErrDear},
		"colon":     {Scheme{Table: smallTable()}, "a:b@x", hashcash.ErrResource},
		"long":      {Scheme{Table: smallTable()}, strings.Repeat("x", 480), hashcash.ErrResource},
		"IPv6":      {Scheme{Table: smallTable()}, "u@[IPv6:2001:db8::1]", hashcash.ErrResource},
		"not ASCII": {Scheme{Table: smallTable()}, "ü@x", hashcash.ErrResource},
	} {
		d, err := tt.s.Quote(t.Context(), postage.Binding{Recipient: tt.recipient})
		if err == nil {
			_, err = tt.s.Pay(t.Context(), d)
		}
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// TestOtherWalks: a stamp of a smaller table or a shorter walk is not taken.
func TestOtherWalks(t *testing.T) {
	little, err := NewTable(MinTable)
	if err != nil {
		t.Fatal(err)
	}
	s := &Scheme{Table: smallTable(), Steps: 64, Bits: 4, Now: clock, Spent: &hashcash.MemoryStore{Now: clock}}
	d, err := s.Quote(t.Context(), postage.Binding{Recipient: "bob@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	for _, cheap := range []*Scheme{{Table: little, Steps: 64, Bits: 4, Now: clock}, {Table: smallTable(), Steps: 8, Bits: 4, Now: clock}} {
		other, err := cheap.Quote(t.Context(), d.Binding)
		if err != nil {
			t.Fatal(err)
		}
		stamp, err := cheap.Pay(t.Context(), other)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Verify(t.Context(), d, stamp); !errors.Is(err, hashcash.ErrBits) {
			t.Errorf("%s: %v, want ErrBits", stamp, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("mb1:22:2048:12:261124:bob@example.com:from=example.org:wJ5N2bXKZrTgq0hS:B3f")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			if !errors.Is(err, hashcash.ErrSyntax) {
				t.Fatal(err)
			}
			return
		}
		if s.String() != text || s.Table < MinTable || s.Table > MaxTable || s.Steps < 1 || s.Steps > MaxSteps || s.Bits < 1 || s.Bits > MaxBits {
			t.Fatalf("%q: %+v", text, s)
		}
	})
}

// BenchmarkWalk is one trial, or one check, with the paper's table and with one of 256 MiB.
func BenchmarkWalk(b *testing.B) {
	for name, size := range map[string]int{"16 MiB": DefaultTable, "256 MiB": 26} {
		table, err := NewTable(size)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			for i := uint64(0); b.Loop(); i++ {
				table.walk(digits(i), DefaultSteps)
			}
		})
	}
}
