package mailstore

import "testing"

func TestBaseSubject(t *testing.T) {
	for in, want := range map[string]string{
		"":                            "",
		"Lunch":                       "lunch",
		"Re: Lunch":                   "lunch",
		"RE : re[4]: FW: Fwd: Lunch ": "lunch",
		"[list] Re: [list] Lunch":     "lunch",
		"Re: [a b] Lunch (fwd) (fwd)": "lunch",
		"[Fwd: Re: Lunch]":            "lunch",
		"AW: WG: Lunch":               "lunch",
		"Lunch  at\t12":               "lunchat12",
		"[only a blob]":               "[onlyablob]",
		"Re: [only a blob]":           "[onlyablob]",
		"Regarding lunch":             "regardinglunch",
		"Re:":                         "",
		"ÜBER":                        "über",
	} {
		if got := baseSubject(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestThreadRefs(t *testing.T) {
	a := threadRefs([]string{"1@x", "2@x", "1@x", ""}, "Re: Lunch")
	b := threadRefs([]string{"2@x"}, "lunch")
	if len(a) != 2 || len(b) != 1 || a[1] != b[0] {
		t.Errorf("got %v and %v", a, b)
	}
	if c := threadRefs([]string{"2@x"}, "Dinner"); c[0] == b[0] {
		t.Error("another subject joins the thread")
	}
	many := make([]string, 1000)
	for i := range many {
		many[i] = string(rune('a' + i))
	}
	if got := threadRefs(many, ""); len(got) != maxRefs || got[0] != threadRefs(many[:1], "")[0] || got[maxRefs-1] != threadRefs(many[999:], "")[0] {
		t.Errorf("%d references of 1000", len(got))
	}
}
