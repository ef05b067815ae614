package imap

import (
	"errors"
	"strings"
	"testing"
)

// x is a Decoder's helper for a key X-LABEL with one astring.
func xLabel(d *Decoder, name string) (OtherKey, bool) {
	if name != "X-LABEL" {
		return OtherKey{}, false
	}
	d.SP()
	label := d.Astring()
	return OtherKey{Name: name, Args: string(AppendAString(nil, label)), Fields: FieldSize, Match: func(m *Message, _ SearchText) (bool, error) {
		return m.Size == int64(len(label)), nil
	}}, true
}

func TestOtherKey(t *testing.T) {
	for line, want := range map[string]string{
		"X-LABEL abc":                       "X-LABEL abc",
		"x-label \"a b\" SEEN":              "SEEN X-LABEL \"a b\"",
		"OR X-LABEL a NOT (X-LABEL bb)":     "OR (X-LABEL a) (NOT (X-LABEL bb))",
		"X-LABEL":                           "! 7",
		"X-OTHER a":                         "! 7",
		"NOT X-LABEL {3}\r\na\r\n ANSWERED": "ANSWERED NOT (X-LABEL {3}\r\na\r\n)",
	} {
		got := parseLine(line, func(d *Decoder) any {
			c := d.SearchKeys(SearchNumbers{Other: xLabel})
			if d.Err() != nil {
				return nil
			}
			b, err := AppendSearchKeys(nil, &c)
			if err != nil {
				return err
			}
			return string(b)
		})
		if got != want {
			t.Errorf("%q: %v, want %s", line, got, want)
		}
	}
}

// TestOtherKeyMatch: the key is asked where it stands, and what an index is asked never has fewer messages.
func TestOtherKeyMatch(t *testing.T) {
	m := &Message{Size: 2}
	for line, want := range map[string]bool{
		"X-LABEL aa": true, "X-LABEL a": false, "NOT X-LABEL a": true, "NOT X-LABEL aa": false,
		"OR X-LABEL a LARGER 1": true, "OR X-LABEL a LARGER 2": false, "NOT (X-LABEL a LARGER 1)": true, "X-LABEL aa LARGER 9": false,
	} {
		var c SearchCriteria
		parseLine(line, func(d *Decoder) any { c = d.SearchKeys(SearchNumbers{Other: xLabel}); return nil })
		if got, err := c.Match(m, nil); got != want || err != nil {
			t.Errorf("%s: %v, %v", line, got, err)
		}
		if c.Fields()&FieldSize == 0 {
			t.Errorf("%s: the fields of the key are not asked for", line)
		}
		narrow, same := c.Indexable()
		if same || narrow.hasOther() {
			t.Errorf("%s: the key is still there", line)
		}
		if got, err := narrow.Match(m, nil); want && !got || err != nil {
			t.Errorf("%s: an index would leave the message out (%v)", line, err)
		}
	}
	plain := &SearchCriteria{Larger: 1}
	if got, same := plain.Indexable(); got != plain || !same {
		t.Error("criteria without such keys are changed")
	}
	c := SearchCriteria{Other: []OtherKey{{Name: "X"}}}
	if _, err := c.Match(m, nil); !errors.Is(err, ErrNoMatch) {
		t.Errorf("a key without Match: %v", err)
	}
	for _, k := range []OtherKey{{}, {Name: "A B"}, {Name: `\X`}, {Name: "X", Args: "a\r\nb LOGOUT"}, {Name: "X", Args: "{9}\r\na"}} {
		if b, err := AppendSearchKeys(nil, &SearchCriteria{Other: []OtherKey{k}}); err == nil {
			t.Errorf("%+v is written as %q", k, b)
		}
	}
}

func TestValidLine(t *testing.T) {
	for _, s := range []string{"", "a b", "{3}\r\na\r\n c", "~{1}\r\n\x00", "{1+}\r\nx {0}\r\n", "é"} {
		if !ValidLine([]byte(s)) {
			t.Errorf("%q is refused", s)
		}
	}
	for _, s := range []string{"\r\n", "a\n", "a\rb", "\x00", "{3}\r\nab", "a\r\nb", "{1}\r\nx\r\n", "3}\r\nabc", "{-1}\r\n", "{99999999999999999999}\r\n"} {
		if ValidLine([]byte(s)) {
			t.Errorf("%q is taken", s)
		}
	}
}

func TestKnown(t *testing.T) {
	for s := range strings.FieldsSeq("ALL SEEN NEW SUBJECT HEADER LARGER OR NOT UID MODSEQ EMAILID OLDER SAVEDON") {
		if !KnownSearchKey(s) {
			t.Errorf("search key %s is not known", s)
		}
	}
	for _, a := range []FetchAtt{"FLAGS", "ALL", "BODY", "BODY.PEEK", "BINARY", "RFC822.TEXT", "PREVIEW", "MODSEQ"} {
		if !a.Known() {
			t.Errorf("%s is not known", a)
		}
	}
	if KnownSearchKey("X-LABEL") || FetchAtt("X-LABELS").Known() || StatusItem("X-SIZE").Known() || !StatusUnseen.Known() {
		t.Error("known and unknown are mixed up")
	}
	d := func(d *Decoder) any { return string(AppendFetchItems(nil, d.FetchItems("X-LABELS"))) }
	if got := parseLine("(UID x-labels)", d); got != "(UID X-LABELS)" {
		t.Error(got)
	}
	if got := parseLine("X-LABELS[]", d); got != "! 8" {
		t.Error(got)
	}
	s := func(d *Decoder) any { return len(d.StatusItems("X-SIZE")) }
	if got := parseLine("(MESSAGES X-SIZE)", s); got != "2" {
		t.Error(got)
	}
}
