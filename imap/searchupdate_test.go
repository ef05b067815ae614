package imap

import (
	"fmt"
	"slices"
	"testing"
)

// The examples of RFC 5267 §4.3.3: three ways to tell the same.
func TestSearchUpdates(t *testing.T) {
	for _, c := range []struct{ line, list, want string }{
		{` (TAG "C01") UID ADDTO (1 2733 1 2732 1 2731)`, "2734:2735", "2731:2735"},
		{` (TAG "C01") UID ADDTO (1 2733) ADDTO (1 2731:2732)`, "2734:2735", "2731:2735"},
		{` (TAG "C01") UID ADDTO (1 2731:2733)`, "2734:2735", "2731:2735"},
		{` (TAG "B01") UID ADDTO (0 32768:32769)`, "5,40000", "5,32768:32769,40000"},
		{` (TAG "B01") UID REMOVEFROM (0 32768)`, "5,32768:32769", "5,32769"},
		{` ADDTO (3 9,7 2 1) REMOVEFROM (1 4 4 7)`, "4,2", "1:2,9"},
		{` REMOVEFROM (2 2,3)`, "1,3,2", "!"}, // not in this order
		{` REMOVEFROM (3 2,3)`, "1,3,2", "!"},
		{` ADDTO (5 9)`, "1,3,2", "!"},
		{` ADDTO (4294967295 9)`, "1,3,2", "!"},
		{` ADDTO (1 4:100)`, "1,3,2", "!"}, // too many
		{` ADDTO (1 4:10)`, "1,3,2", "!"},
		{` ADDTO (0 *)`, "1", "!"},
		{` ADDTO (1)`, "1", "!"},
		{` ADDTO ()`, "1", "!"},
		{` ADDTO (1 2,3 4)`, "1", "!"},
	} {
		d := decode(c.line+"\r\n", DecoderOptions{})
		data := d.ESearchData(false)
		list, err := ParseUIDs([]byte(c.list), 100)
		if err != nil {
			t.Fatal(err)
		}
		err = d.Err()
		for i := range data.Updates {
			if err == nil {
				list, err = data.Updates[i].Apply(list, 8)
			}
		}
		got := string(AppendUIDs(nil, list))
		if err != nil {
			got = "!"
		}
		if got != c.want {
			t.Errorf("%s of %s: %s, want %s (%v)", c.line, c.list, got, c.want, err)
		}
	}
	if s := AppendSearchUpdates(nil, []SearchUpdate{{true, 3, Ordered([]UID{7, 8, 2})}, {true, 1, Ordered([]UID{9})}, {false, 0, Ordered([]UID{4})}}); string(s) != " REMOVEFROM (3 7:8,2 1 9) ADDTO (0 4)" {
		t.Errorf("%s", s)
	}
}

// FuzzSearchUpdates writes what it reads, and applies it to a list and, where the order is that of the mailbox, to a set.
func FuzzSearchUpdates(f *testing.F) {
	f.Add(` (TAG "a") UID ADDTO (0 3:5) REMOVEFROM (0 4) ADDTO (0 9)`)
	f.Add(` REMOVEFROM (1 1:2,5 1 7) ADDTO (1 9,8)`)
	f.Add(` ADDTO (0 4294967295:4294967294)`)
	f.Fuzz(func(t *testing.T, line string) {
		d := decode(line+"\r\n", DecoderOptions{})
		data := d.ESearchData(false)
		if d.Err() != nil || len(data.Updates) == 0 {
			return
		}
		d = decode(string(AppendSearchUpdates(nil, data.Updates))+"\r\n", DecoderOptions{})
		if again := d.ESearchData(false); d.Err() != nil || fmt.Sprint(again.Updates) != fmt.Sprint(data.Updates) {
			t.Fatalf("%v, read again %v, %v", data.Updates, again.Updates, d.Err())
		}
		list := []UID{1, 2, 5, 7}
		set, inOrder := UIDs(list...), true
		for i := range data.Updates {
			u := &data.Updates[i]
			var err error
			if list, err = u.Apply(list, 1000); err != nil {
				return
			}
			inOrder = inOrder && u.Position == 0
			if set = u.ApplySet(set); inOrder && !slices.Equal(list, slices.Collect(set.All())) {
				t.Fatalf("list %v, set %v", list, set)
			}
			if len(list) > 1000 {
				t.Fatalf("%d numbers", len(list))
			}
		}
	})
}
