package imap

import "testing"

// TestProgress has the forms of RFC 9585 §4, and what §6 wants disregarded.
func TestProgress(t *testing.T) {
	for s, want := range map[string]Progress{
		"":                   {"", -1, -1},
		`("tag" NIL NIL)`:    {"tag", -1, -1},
		`("tag" 175 NIL)`:    {"tag", 175, -1},
		`("A001" 454 1000)`:  {"A001", 454, 1000},
		`(NIL 0 4294967295)`: {"", 0, 4294967295},
		`("a\\\"b" 1 2)`:     {`a\"b`, 1, 2},
	} {
		p, err := ParseProgress(s)
		if err != nil || p != want || s != "" && p.String() != s {
			t.Errorf("%s: %+v, %v", s, p, err)
		}
	}
	for _, s := range []string{"x", "(", `("t" 1 0)`, `("t" 5 5)`, `("t" 6 5)`, `("t" NIL 5)`, `("t" -1 5)`, `("t" 1 4294967296)`, `("t" 1 2) x`, `("t" 1)`} {
		if p, err := ParseProgress(s); err == nil {
			t.Errorf("%s: %+v", s, p)
		}
	}
	if s := (Progress{Tag: "a]", Done: -1, Goal: 5}).String(); s != "(NIL NIL NIL)" {
		t.Error(s)
	}
}
