package imap

import (
	"fmt"
	"testing"
)

func TestPartialRange(t *testing.T) {
	read := func(d *Decoder) any { return string(AppendPartialRange(nil, d.PartialRange())) }
	for line, want := range map[string]string{
		"1:500":        "1:500",
		"500:1":        "500:1",
		"-1:-100":      "-1:-100",
		"-100:-1":      "-100:-1",
		"1:4294967295": "1:4294967295",
		"0:5":          "! 0",
		"5":            "! 1",
		"1:*":          "! 2",
		"-1:5":         "! 3",
		"1:-5":         "! 2",
		"1:4294967296": "! 2",
	} {
		if got := parseLine(line, read); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
	for _, c := range []struct {
		r    PartialRange
		n    int64
		want string
	}{
		{PartialRange{1, 3, false}, 10, "0 3"},
		{PartialRange{3, 1, false}, 10, "0 3"},
		{PartialRange{8, 12, false}, 10, "7 10"},
		{PartialRange{11, 12, false}, 10, "10 10"},
		{PartialRange{1, 3, true}, 10, "7 10"},
		{PartialRange{12, 8, true}, 10, "0 3"},
		{PartialRange{11, 12, true}, 10, "0 0"},
		{PartialRange{1, 1<<32 - 1, false}, 0, "0 0"},
		{PartialRange{1, 1<<32 - 1, true}, 2, "0 2"},
	} {
		if got := fmt.Sprintln(c.r.Cut(c.n)); got != c.want+"\n" {
			t.Errorf("%v of %d: %s, want %s", c.r, c.n, got, c.want)
		}
	}
}

func TestUIDSetSlice(t *testing.T) {
	set := UIDSet{{2, 4}, {7, 7}, {9, 12}}
	var all []UID
	for u := range set.All() {
		all = append(all, u)
	}
	for start := int64(0); start <= 9; start++ {
		for end := start; end <= 9; end++ {
			want := UIDs(all[min(start, 8):min(end, 8)]...)
			if got := set.Slice(start, end); got.String() != want.String() {
				t.Errorf("%d:%d: %s, want %s", start, end, got, want)
			}
		}
	}
	if got := AllUIDs().Slice(1<<31, 1<<32); got.String() != "2147483649:4294967295" {
		t.Error(got)
	}
}
