package imap

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestBaseSubject(t *testing.T) {
	for in, want := range map[string]string{
		"":                                    "",
		"x":                                   "x",
		"Re: x":                               "x",
		"RE : x":                              "x",
		"re[2]: x":                            "x",
		"Fwd: FW: fwd : x (fwd) (FWD) ":       "x",
		"[list] Re: [other] x":                "x",
		"[list] x":                            "x",
		"[list]":                              "[list]",
		"Re: [list]":                          "[list]",
		"[fwd: Re: x]":                        "x",
		"[Fwd: [Fwd: x (fwd)]]":               "x",
		"Regards: x":                          "Regards: x",
		"Re":                                  "Re",
		"Re:":                                 "",
		"=?utf-8?q?Re=3A_=C3=BC?=":            "ü",
		"a  \t b":                             "a b",
		"[a[b] x":                             "[a[b] x",
		strings.Repeat("[a]", 400) + " Re: x": BaseSubject(strings.Repeat("[a]", 400)),
	} {
		if got := BaseSubject(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestSortKeys(t *testing.T) {
	read := func(d *Decoder) any { return string(AppendSortKeys(nil, d.SortKeys())) }
	for line, want := range map[string]string{
		"(SUBJECT reverse DATE)":    "(SUBJECT REVERSE DATE)",
		"(ARRIVAL CC FROM SIZE TO)": "(ARRIVAL CC FROM SIZE TO)",
		"(displayfrom DISPLAYTO)":   "(DISPLAYFROM DISPLAYTO)",
		"()":                        "! 2",
		"(REVERSE)":                 "! 9",
		"(REVERSE REVERSE DATE)":    "! 16",
		"(COLOUR)":                  "! 7",
		"DATE":                      "! 0",
		"(" + strings.Repeat("DATE ", 20) + "TO)": "limit: sort criteria",
	} {
		if got := parseLine(line, read); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

func TestCompareSort(t *testing.T) {
	msgs := []*Message{
		{UID: 1, Size: 30, InternalDate: time.Unix(100, 0), Envelope: &Envelope{Subject: "Re: b", From: []Address{{Mailbox: "Zoe"}}, Date: "Mon, 7 Feb 1994 21:52:25 -0800"}},
		{UID: 2, Size: 10, InternalDate: time.Unix(300, 0), Envelope: &Envelope{Subject: "a", From: []Address{{Name: "=?utf-8?q?=C3=9Cwe?=", Mailbox: "adam", Host: "x"}}, Date: "garbage"}},
		{UID: 3, Size: 20, InternalDate: time.Unix(200, 0), Envelope: &Envelope{Subject: "B", To: []Address{{Mailbox: "x"}}, Date: "Tue, 8 Feb 1994 03:52:25 +0000"}},
	}
	for _, c := range []struct {
		keys string
		want []UID
	}{
		{"(SUBJECT)", []UID{2, 1, 3}},
		{"(REVERSE SUBJECT SIZE)", []UID{3, 1, 2}},
		{"(SIZE)", []UID{2, 3, 1}},
		{"(ARRIVAL)", []UID{1, 3, 2}},
		{"(DATE)", []UID{2, 3, 1}},
		{"(FROM)", []UID{3, 2, 1}},
		{"(REVERSE TO CC)", []UID{3, 1, 2}},
		{"(DISPLAYFROM)", []UID{3, 2, 1}}, // "", "U\u0308WE", "ZOE"
		{"(REVERSE DISPLAYTO)", []UID{3, 1, 2}},
	} {
		keys := decode(c.keys+"\r\n", DecoderOptions{}).SortKeys()
		order := slices.Clone(msgs)
		slices.SortStableFunc(order, func(a, b *Message) int { return CompareSort(keys, SortValues(keys, a), SortValues(keys, b)) })
		var got []UID
		for _, m := range order {
			got = append(got, m.UID)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.keys, got, c.want)
		}
	}
}

func FuzzBaseSubject(f *testing.F) {
	f.Add("Re: [list] Fwd: x (fwd)")
	f.Add("[fwd: re[2]: [a] x]")
	f.Fuzz(func(t *testing.T, s string) {
		base := BaseSubject(s)
		if strings.Contains(base, "=?") { // it may become an encoded word
			return
		}
		if again := BaseSubject(base); again != base {
			t.Errorf("%q: %q, then %q", s, base, again)
		}
		if reply := BaseSubject("Re: " + s); reply != base && len(s) < maxBaseSubject-4 {
			t.Errorf("a reply to %q: %q, want %q", s, reply, base)
		}
	})
}

// TestSortOctets is the example of RFC 5255 §4.6: what is not of its charset comes last, by octets.
func TestSortOctets(t *testing.T) {
	keys := []SortKey{{Key: SortSubject}}
	var values [][]SortValue
	for _, subject := range []string{"=?utf-8?q?=D0=C0=D0=BD=D0=B4=D1=80=D0=B5=D0=B9?=", "=?utf-8?q?=D1=81=D0=95=D0=A0=D0=93=D0=95=D0=99?=",
		"=?utf-8?q?=D0=92=D0=B0=D1=81=D0=B8=D0=BB=D0=B8=FF=B9?=", "=?koi8-r?q?=E1=CC=C5=CB=D3=C5=CA?=", "=?x-unknown?q?a?="} {
		values = append(values, SortValues(keys, &Message{Envelope: &Envelope{Subject: subject}}))
	}
	order := []int{0, 1, 2, 3, 4}
	slices.SortFunc(order, func(a, b int) int { return CompareSort(keys, values[a], values[b]) })
	if want := []int{3, 1, 4, 2, 0}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	long := SortValues(keys, &Message{Envelope: &Envelope{Subject: strings.Repeat("a", maxBaseSubject-1) + "\u00e9"}})
	if CompareSort(keys, long, values[0]) >= 0 {
		t.Error("a subject that was cut within a character is taken for one that is not UTF-8")
	}
}
