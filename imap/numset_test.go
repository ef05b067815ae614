package imap

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestParseSequenceSet(t *testing.T) {
	good := []struct {
		in       string
		largest  uint32
		resolved string
	}{
		{"1", 9, "1"},
		{"2,4:7,9,12:*", 15, "2,4:7,9,12:15"}, // RFC 9051 §9
		{"*:4,5:7", 10, "4:10"},
		{"3:1,2", 9, "1:3"},
		{"*", 9, "9"},
		{"*", 0, ""},
		{"*:*", 0, ""},
		{"5:*", 3, "3:5"},
		{"5:*", 0, "5"},
		{"1,2,3,5", 9, "1:3,5"},
		{"4294967295:1", 9, "1:4294967295"},
		{"4294967295,4294967294", 9, "4294967294:4294967295"},
	}
	for _, tt := range good {
		s, err := ParseSequenceSet([]byte(tt.in))
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		if got := s.Resolve(tt.largest).String(); got != tt.resolved {
			t.Errorf("%s with %d: %s, want %s", tt.in, tt.largest, got, tt.resolved)
		}
	}
	for _, in := range []string{"", "0", "01", "1:", ":1", "1,", ",1", "1,,2", "-1", "1 ", "4294967296", "99999999999999999999", "a", "1:2:3", "**", "$"} {
		if s, err := ParseSequenceSet([]byte(in)); err == nil {
			t.Errorf("%q gives %v", in, s)
		} else if _, ok := errors.AsType[*SyntaxError](err); !ok {
			t.Errorf("%q: %v", in, err)
		}
	}
	long := slices.Repeat([]byte("1,"), MaxSetMembers)
	if _, err := ParseSequenceSet(append(long, '1')); !errorIs[*LimitError](err) {
		t.Errorf("%d members: %v", MaxSetMembers+1, err)
	}
}

func errorIs[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// naive is a set as a map over 1..16.
func naive(s UIDSet) (m [17]bool) {
	for u := range UID(17) {
		m[u] = u > 0 && s.Contains(u)
	}
	return m
}

func wellFormed(s UIDSet) bool {
	for i, r := range s {
		if r.First == 0 || r.First > r.Last || i > 0 && s[i-1].Last >= r.First-1 {
			return false
		}
	}
	return true
}

// TestOperations compares the set operations with bit operations, over every pair of subsets of 1..6.
func TestOperations(t *testing.T) {
	set := func(bits int) (s UIDSet) {
		for u := UID(6); u >= 1; u-- { // descending: the dear way of Add
			if bits>>u&1 != 0 {
				s.Add(u, u)
			}
		}
		return s
	}
	for a := 0; a < 128; a += 2 {
		for b := 0; b < 128; b += 2 {
			s, u := set(a), set(b)
			for name, r := range map[string]struct{ got, want UIDSet }{
				"union": {s.Union(u), set(a | b)}, "intersection": {s.Intersect(u), set(a & b)}, "difference": {s.Minus(u), set(a &^ b)},
			} {
				if !wellFormed(r.got) || !slices.Equal(r.got, r.want) {
					t.Fatalf("%s of %v and %v: %v, want %v", name, s, u, r.got, r.want)
				}
			}
		}
		if s := set(a); int64(len(slices.Collect(s.All()))) != s.Len() || !slices.Equal(UIDs(slices.Collect(s.All())...), s) {
			t.Fatalf("%v does not list itself", s)
		}
	}
	if s := (UIDSet{{1, 3}}).Minus(AllUIDs()); len(s) != 0 {
		t.Errorf("minus all: %v", s)
	}
	if n := AllUIDs().Len(); n != 1<<32-1 {
		t.Errorf("all UIDs: %d", n)
	}
	s := AllUIDs()
	s.Add(MaxUID, MaxUID)
	if !slices.Equal(s, AllUIDs()) {
		t.Error(s)
	}
}

func TestUIDs(t *testing.T) {
	in := []UID{304, 319, 320, 7}
	b := AppendUIDs(nil, in)
	if string(b) != "304,319:320,7" { // RFC 4315 §3
		t.Errorf("%s", b)
	}
	if out, err := ParseUIDs(b, 4); err != nil || !slices.Equal(in, out) {
		t.Error(out, err)
	}
	if _, err := ParseUIDs(b, 3); !errorIs[*LimitError](err) {
		t.Error(err)
	}
	for _, bad := range []string{"*", "1:*", "", "x"} {
		if _, err := ParseUIDs([]byte(bad), 9); !errorIs[*SyntaxError](err) {
			t.Errorf("ParseUIDs(%q): %v", bad, err)
		}
		if _, err := ParseUIDSet([]byte(bad)); !errorIs[*SyntaxError](err) {
			t.Errorf("ParseUIDSet(%q): %v", bad, err)
		}
	}
	if s, err := ParseUIDSet([]byte("5,1:3,2")); err != nil || fmt.Sprint(s) != "1:3,5" {
		t.Error(s, err)
	}
}

func FuzzSequenceSet(f *testing.F) {
	f.Add([]byte("2,4:7,9,12:*"), uint32(15))
	f.Add([]byte("*:1,4294967295,*"), uint32(0))
	f.Fuzz(func(t *testing.T, b []byte, largest uint32) {
		s, err := ParseSequenceSet(b)
		if err != nil {
			return
		}
		again, err := ParseSequenceSet(AppendSequenceSet(nil, s))
		if err != nil || !slices.Equal(again, s) {
			t.Errorf("%q: %v, again %v %v", b, s, again, err)
		}
		if r := s.Resolve(largest); !wellFormed(r) || largest > 0 && len(r) == 0 || largest < 17 && s.Max() < 17 && len(r) > 0 && naive(r) == [17]bool{} {
			t.Errorf("%q with %d: %v", b, largest, r)
		}
	})
}
