package hashcash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

// TestKnownStamps holds the published stamps and what the format's own tool says of them.
func TestKnownStamps(t *testing.T) {
	for _, tt := range []struct {
		text         string
		zeros, value int
	}{
		{"1:20:040806:foo::65f460d0726f420d:13a6b8", 20, 20},
		{"1:24:040806:foo::511801694b4cd6b0:1e7297a", 24, 24},
		{"1:20:040806:foo::831d0c6f22eb81ff:15eae4", 21, 20},
		{"0:030626:adam@cypherspace.org:6470e06d773e05a8", 32, 32},
		{"1:12:261122:t@x::abcdefgh:5082", 18, 12},
		{"1:30:261122:t@x::abcdefgh:1a0", 16, 0},
	} {
		s, err := Parse(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if s.Zeros() != tt.zeros || s.Value() != tt.value || s.String() != tt.text {
			t.Errorf("%s: %d zeros, value %d; want %d, %d", s, s.Zeros(), s.Value(), tt.zeros, tt.value)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"", "1", "2:20:040806:foo::a:b", "1:20:040806:foo:a:b", "1:20:040806:a:b@x::r:c",
		"1:+20:040806:foo::a:b", "1:020:040806:foo::a:b", "1:-1:040806:foo::a:b", "1:161:040806:foo::a:b", "1:999:040806:foo::a:b", "1::040806:foo::a:b",
		"1:20:0408:foo::a:b", "1:20:041306:foo::a:b", "1:20:040230:foo::a:b", "1:20:04080625:foo::a:b", "1:20:0408062500:foo::a:b", "1:20:0408060060:foo::a:b", "1:20:040806000060:foo::a:b", "1:20:+00101:foo::a:b", "1:20:040800:foo::a:b", "1:20:230229:foo::a:b",
		"1:20:040806:::a:b", "1:20:040806:foo::a b:c", "1:20:040806:foo::a:b\n", "1:20:040806:foo::a:b\x00", "1:20:040806:f\xc3\xbc::a:b",
		"1:20:040806:foo::-:b", "1:20:040806:foo::a:", "0:030626:a:b:c", "0:030626:a", "1:20:040806:u@[IPv6:2001:db8::1]::a:b",
		"1:20:040806:" + strings.Repeat("x", MaxLength) + "::a:b",
	} {
		if s, err := Parse(text); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v, %v; want ErrSyntax", text, s, err)
		}
	}
}

func TestMintRefuses(t *testing.T) {
	for _, resource := range []string{"", "a:b@x", "u@[IPv6:2001:db8::1]", "a b@x", "ü@x", strings.Repeat("x", 500)} {
		if s, err := (Minter{Bits: 4}).Mint(t.Context(), resource, ""); !errors.Is(err, ErrResource) {
			t.Errorf("%q: %v, %v; want ErrResource", resource, s, err)
		}
	}
	if _, err := (Minter{Bits: 65}).Mint(t.Context(), "a@x", ""); err == nil {
		t.Error("65 bits: no error")
	}
	if _, err := (Minter{Bits: 4, Rand: strings.NewReader("short")}).Mint(t.Context(), "a@x", ""); err == nil {
		t.Error("a short source of random text: no error")
	}
}

func TestMintIsDeterministic(t *testing.T) {
	var want Stamp
	for workers := range 5 {
		m := Minter{Bits: 14, Workers: workers + 1, Rand: bytes.NewReader(make([]byte, 16)), Now: clock}
		got, err := m.Mint(t.Context(), "Bob@Example.com", "x=1")
		if err != nil {
			t.Fatal(err)
		}
		if workers == 0 {
			want = got
		}
		if got != want || got.Resource != "bob@example.com" || got.Ext != "x=1" || got.Value() != 14 {
			t.Errorf("%d workers: %v, want %v", workers+1, got, want)
		}
	}
}

func TestMintEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m := Minter{Bits: 64, Interval: time.Millisecond, Progress: func(p Progress) {
		if p.Attempts == 0 || p.Rate <= 0 || p.P90 < p.P50 {
			t.Errorf("progress %+v", p)
		}
		cancel()
	}}
	if _, err := m.Mint(ctx, "a@example.com", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}

type failing struct{}

func (failing) Spend(context.Context, string, time.Time) (bool, error) {
	return false, errors.New("down")
}

func TestVerify(t *testing.T) {
	const resource = "bob@example.com"
	mint := func(bits int, days int) string {
		s, err := (Minter{Bits: bits, Now: func() time.Time { return noon.AddDate(0, 0, days) }}).Mint(t.Context(), resource, "")
		if err != nil {
			t.Fatal(err)
		}
		return s.String()
	}
	good := mint(10, 0)
	unborne := good[:len(good)-1]
	for _, tt := range []struct {
		name, text, resource string
		v                    Verifier
		want                 error
	}{
		{"good", good, resource, Verifier{Bits: 10, Spent: &MemoryStore{}}, nil},
		{"case", good, "BOB@example.COM", Verifier{Bits: 10, Spent: &MemoryStore{}}, nil},
		{"claim too small", good, resource, Verifier{Bits: 11, Spent: &MemoryStore{}}, ErrBits},
		{"default price", good, resource, Verifier{Spent: &MemoryStore{}}, ErrBits},
		{"hash does not bear the claim", unborne, resource, Verifier{Bits: 10, Spent: &MemoryStore{}}, ErrBits},
		{"other recipient", good, "eve@example.com", Verifier{Bits: 10, Spent: &MemoryStore{}}, ErrResource},
		{"wildcard is no resource", good, "*@example.com", Verifier{Bits: 10, Spent: &MemoryStore{}}, ErrResource},
		{"29 days old", mint(10, -29), resource, Verifier{Bits: 10, Spent: &MemoryStore{}}, nil},
		{"31 days old", mint(10, -31), resource, Verifier{Bits: 10, Spent: &MemoryStore{}}, ErrExpired},
		{"a day ahead", mint(10, 1), resource, Verifier{Bits: 10, Spent: &MemoryStore{}}, nil},
		{"three days ahead", mint(10, 3), resource, Verifier{Bits: 10, Spent: &MemoryStore{}}, ErrFuture},
		{"store down", good, resource, Verifier{Bits: 10, Spent: failing{}}, ErrStore},
		{"no store", good, resource, Verifier{Bits: 10}, ErrStore},
		{"replay allowed", good, resource, Verifier{Bits: 10, AllowReplay: true}, nil},
		{"no stamp", "1:10", resource, Verifier{Bits: 10, Spent: &MemoryStore{}}, ErrSyntax},
	} {
		tt.v.Now = clock
		if _, err := tt.v.Verify(t.Context(), tt.text, tt.resource); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	v := Verifier{Bits: 10, Now: clock, Spent: &MemoryStore{Now: clock}}
	for _, want := range []error{nil, ErrSpent} {
		if _, err := v.Verify(t.Context(), good, resource); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

// TestEdges: a stamp is good from two days before its day began until 28 days and the grace after that, to the second.
func TestEdges(t *testing.T) {
	s, err := (Minter{Bits: 8, Now: clock}).Mint(t.Context(), "bob@example.com", "")
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		now  time.Time
		want error
	}{
		{day.AddDate(0, 0, -2).Add(-time.Second), ErrFuture},
		{day.AddDate(0, 0, -2), nil},
		{day.AddDate(0, 0, 30), nil},
		{day.AddDate(0, 0, 30).Add(time.Second), ErrExpired},
	} {
		v := Verifier{Bits: 8, AllowReplay: true, Now: func() time.Time { return tt.now }}
		if _, err := v.Verify(t.Context(), s.String(), "bob@example.com"); !errors.Is(err, tt.want) {
			t.Errorf("at %s: %v, want %v", tt.now, err, tt.want)
		}
	}
	for date, want := range map[string]int{"991231": 1999, "690101": 1969, "681231": 2068, "261124": 2026} {
		if s, err := Parse("1:8:" + date + ":bob@example.com::A:A"); err != nil || s.Date.Year() != want {
			t.Errorf("%s: %v, %v", date, s.Date, err)
		}
	}
	v := Verifier{Bits: 8, AllowReplay: true, Now: clock}
	if _, err := v.Verify(t.Context(), "1:8:991231:bob@example.com::A:A", "bob@example.com"); !errors.Is(err, ErrExpired) {
		t.Errorf("of 1999: %v", err)
	}
}

// TestStoreIsAskedLast: a stamp that is not valid otherwise never reaches the store.
func TestStoreIsAskedLast(t *testing.T) {
	v := Verifier{Bits: 20, Now: clock, Spent: failing{}}
	for _, text := range []string{"junk", "1:10:261124:a@x::AAAA:A", "1:20:200101:a@x::AAAA:A", "1:20:261124:b@x::AAAA:A", "1:20:261124:a@x::AAAA:A"} {
		if _, err := v.Verify(t.Context(), text, "a@x"); err == nil || errors.Is(err, ErrStore) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestMemoryStoreIsBounded(t *testing.T) {
	now := noon
	m := &MemoryStore{Max: 2, Now: func() time.Time { return now }}
	for i, want := range []error{nil, nil, ErrFull} {
		if _, err := m.Spend(t.Context(), fmt.Sprint(i), noon.Add(time.Hour)); !errors.Is(err, want) {
			t.Errorf("stamp %d: %v, want %v", i, err, want)
		}
	}
	now = noon.Add(2 * time.Hour)
	if ok, err := m.Spend(t.Context(), "3", now.Add(time.Hour)); !ok || err != nil {
		t.Errorf("after the first have expired: %v, %v", ok, err)
	}
}

func TestFileStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spent")
	open := func(now time.Time) *FileStore {
		s, err := OpenFile(path, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	spend := func(s *FileStore, stamp string, want bool) {
		t.Helper()
		if got, err := s.Spend(t.Context(), stamp, noon.Add(time.Hour)); got != want || err != nil {
			t.Errorf("%s: %v, %v; want %v", stamp, got, err, want)
		}
	}
	one, two := open(noon), open(noon)
	spend(one, "a", true)
	spend(two, "a", false) // two readers of one file see each other
	spend(two, "b", true)
	spend(one, "b", false)
	// A crash within a line: never acknowledged, written over.
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString("17640000")
	f.Close()
	three := open(noon)
	spend(three, "c", true)
	spend(one, "c", false)
	// Opened after all has expired, the file is written anew; those who hold the old one follow.
	late := open(noon.Add(2 * time.Hour))
	if info, err := os.Stat(path); err != nil || info.Size() != 0 {
		t.Errorf("after expiry: %v bytes, %v", info.Size(), err)
	}
	if ok, err := one.Spend(t.Context(), "d", noon.Add(3*time.Hour)); !ok || err != nil {
		t.Errorf("after the file was replaced: %v, %v", ok, err)
	}
	spend(late, "d", false)
	if err := os.WriteFile(path, []byte("no line of ours\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := OpenFile(path, clock); err == nil {
		s.Close()
		t.Error("a file that is none of ours was opened")
	}
}

func TestHeader(t *testing.T) {
	s, err := (Minter{Bits: 4}).Mint(t.Context(), "somebody.with.a.long.name@an.even.longer.domain.example.com", strings.Repeat("e", 90))
	if err != nil {
		t.Fatal(err)
	}
	field := string(AppendHeader(nil, s))
	for line := range strings.SplitSeq(strings.TrimSuffix(field, "\r\n"), "\r\n") {
		if len(line) > 76 {
			t.Errorf("line of %d octets: %q", len(line), line)
		}
	}
	_, value, _ := strings.Cut(field, ":")
	many := slices.Repeat([]string{value}, MaxStamps+5)
	got := slices.Collect(Stamps(slices.Values(many)))
	if len(got) != MaxStamps || got[0] != s.String() {
		t.Errorf("%d stamps, the first %q", len(got), got[0])
	}
	if got := slices.Collect(Stamps(slices.Values([]string{strings.Repeat("x", 10_000)}))); len(got) != 0 {
		t.Error("a field that is too long was taken")
	}
}

func TestEstimate(t *testing.T) {
	e := EstimateBits(20)
	if e.Mean != 1<<20 || math.Abs(e.P50/726817-1) > 1e-3 || e.P90 < e.P50 || e.P99 < e.P90 {
		t.Errorf("%+v", e)
	}
	if c := Chance(20, uint64(e.P90)); math.Abs(c-.9) > 1e-6 {
		t.Errorf("chance at p90: %v", c)
	}
	if Chance(0, 1) != 1 || EstimateBits(0).P99 != 1 {
		t.Error("zero bits take one attempt")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("1:20:040806:foo::65f460d0726f420d:13a6b8")
	f.Add("0:030626:adam@cypherspace.org:6470e06d773e05a8")
	f.Add("1:20:0408062359:a@x:n=v;m:AAAA:=+/")
	f.Add("0:700101:0:")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			if !errors.Is(err, ErrSyntax) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if s.String() != text || s.Value() > max(s.Bits, s.Zeros()) || s.Date.Year() < 1969 || s.Date.Year() > 2068 {
			t.Fatalf("%q: %+v", text, s)
		}
		_, value, _ := strings.Cut(string(AppendHeader(nil, s)), ":")
		if got := slices.Collect(Stamps(slices.Values([]string{value}))); len(got) != 1 || got[0] != text {
			t.Fatalf("%q came back as %q", text, got)
		}
	})
}

// FuzzParseDate: dates of digits alone are those of package time.
func FuzzParseDate(f *testing.F) {
	for _, text := range []string{"240229", "2402292359", "230229", "690101", "681231235959", "6812312359:9", "+00101"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseDate(text)
		var want time.Time
		ok := len(text) < len(dateLayouts) && dateLayouts[len(text)] != "" && strings.Trim(text, "0123456789") == ""
		if ok {
			var parseErr error
			want, parseErr = time.Parse(dateLayouts[len(text)], text)
			ok = parseErr == nil
		}
		if ok != (err == nil) || ok && !got.Equal(want) {
			t.Fatalf("%q: %v, %v; want %v", text, got, err, want)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	v := Verifier{AllowReplay: true, Now: func() time.Time { return time.Date(2004, 8, 7, 0, 0, 0, 0, time.UTC) }}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), "1:20:040806:foo::65f460d0726f420d:13a6b8", "foo"); err != nil {
			b.Fatal(err)
		}
	}
}
