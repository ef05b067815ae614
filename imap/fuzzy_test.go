package imap

import (
	"errors"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/smtp/message"
)

func fuzzyLetter(subject, body string) (*Message, *asked) {
	m := message.Parse([]byte("From: Dave <dave@example.com>\r\nSubject: " + subject + "\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + body))
	return &Message{UID: 1, Size: 100, Envelope: ParseEnvelope(m.Root())}, &asked{m: m}
}

func TestFuzzyMatcher(t *testing.T) {
	subject := func(s string) SearchCriteria {
		return SearchCriteria{Header: []HeaderCriterion{{"Subject", s}}}
	}
	for _, c := range []struct {
		subject, body string
		c             SearchCriteria
		want          int
	}{
		{"IMAP break", "", subject("IMAP break"), 100},
		{"broken IMAP", "", subject("IMAP break"), 1}, // the example of RFC 6203 §3: half of it
		{"breaking of IMAP", "", subject("IMAP break"), 29},
		{"POP3", "", subject("IMAP break"), 0},
		{"x", "hello", SearchCriteria{Text: []string{"Helo"}}, 8}, // the example of §4
		{"x", "help", SearchCriteria{Text: []string{"Helo"}}, 8},
		{"x", "hell", SearchCriteria{Text: []string{"Helol"}}, 8},
		{"x", "Meine Grüsse", SearchCriteria{Body: []string{"gruesse"}}, 8}, // one letter more
		{"x", "Tres deja vu", SearchCriteria{Body: []string{"DÉJÀ"}}, 36},
		{"Letters", "", subject("letter"), 86},
		{"letter", "", subject("letters"), 15},
		{"go", "", subject("gi"), 0},
		{"x", "unlikely", SearchCriteria{Body: []string{"like"}}, 31}, // a part of a word
		{"x", "a?!b", SearchCriteria{Body: []string{"?!"}}, 31},
		{"x", "broken \xff", SearchCriteria{Body: []string{"\xff"}}, 31},
		{"x", "y", SearchCriteria{}, 100},
		{"x", "y", SearchCriteria{Larger: 100}, 0},
		{"x", "y", SearchCriteria{Flags: []Flag{FlagSeen}}, 0},
		{"x", "letter", SearchCriteria{Not: []SearchCriteria{{Body: []string{"latter"}}}}, 100},
		{"x", "letter", SearchCriteria{Body: []string{"letter"}, Fuzzy: []SearchCriteria{{Body: []string{"latter"}}}}, 54},
		{"x", "letter", SearchCriteria{Or: [][2]SearchCriteria{{{Body: []string{"latter"}}, {Body: []string{"letter"}}}}}, 100},
		{"x", "letter", SearchCriteria{Or: [][2]SearchCriteria{{{Body: []string{"nothing"}}, {Flags: []Flag{FlagSeen}}}}}, 0},
		{"x", "y", SearchCriteria{Header: []HeaderCriterion{{"Subject", ""}}}, 100},
	} {
		m, text := fuzzyLetter(c.subject, c.body)
		if got, err := c.c.FuzzyMatcher().Match(m, text); got != c.want || err != nil {
			t.Errorf("%+v in %q, %q: %d, %v, want %d", c.c, c.subject, c.body, got, err, c.want)
		}
	}
	m, text := fuzzyLetter("x", "y")
	text.err = errors.New("broken")
	for _, c := range []SearchCriteria{{Body: []string{"x"}}, {Or: [][2]SearchCriteria{{{Text: []string{"x"}}}}}, {Fuzzy: []SearchCriteria{{Header: []HeaderCriterion{{"X", "x"}}}}}} {
		if got, err := c.FuzzyMatcher().Match(m, text); got != 0 || !errors.Is(err, text.err) {
			t.Errorf("%+v: %d, %v", c, got, err)
		}
	}
	long := (&SearchCriteria{Body: []string{strings.Repeat("word ", 1000)}}).FuzzyMatcher()
	if n := len(long.c.keys[0].words); n != maxFuzzyWords {
		t.Errorf("%d words of a key are compared", n)
	}
}

// TestLikeness compares with the edit distance.
func TestLikeness(t *testing.T) {
	for _, c := range []struct {
		key, word string
		want      float64
	}{
		{"ABCD", "ABCD", 1}, {"ABC", "ABCDEFG", 0.8}, {"AB", "ABC", 0}, {"ABCDEFG", "ABCD", 0.7}, {"ABCDEFGH", "ABCD", 0},
		{"ABCD", "XBCD", 0.6}, {"ABCD", "AXCD", 0.6}, {"ABCD", "ABCX", 0.6}, {"ABCD", "BCD", 0.6}, {"ABCD", "ACD", 0.6}, {"ABCD", "ABC", 0.6},
		{"ABCD", "XABCD", 0.6}, {"ABCD", "ABXCD", 0.6}, {"ABCD", "XYCD", 0}, {"ABCD", "BACD", 0}, {"ABCD", "", 0}, {"", "", 1}, {"ABC", "ABX", 0},
	} {
		if got := likeness([]rune(c.key), []rune(c.word)); got != c.want {
			t.Errorf("%s for %s: %v, want %v", c.word, c.key, got, c.want)
		}
	}
}

// FuzzFuzzy: what matches exactly matches, and relevancies are from 1 to 100.
func FuzzFuzzy(f *testing.F) {
	f.Add("SUBJECT \"IMAP break\"", "broken IMAP", "x")
	f.Add("OR BODY Helo NOT (FROM dave TEXT x)", "y", "hello")
	f.Add("FUZZY BODY caf\u00e9 HEADER x-y \"\"", "y", "cafe\u0301")
	f.Fuzz(func(t *testing.T, keys, subject, body string) {
		d := decode(keys+"\r\n", DecoderOptions{})
		c := d.SearchKeys(SearchNumbers{Fuzzy: true})
		if d.Err() != nil {
			return
		}
		m, text := fuzzyLetter(subject, body)
		exact, err := c.Match(m, text)
		got, err2 := c.FuzzyMatcher().Match(m, text)
		if err != nil || err2 != nil || exact && got == 0 || got < 0 || got > 100 {
			t.Fatalf("%s: exactly %v, %d, %v, %v", keys, exact, got, err, err2)
		}
	})
}

func TestFuzzyKey(t *testing.T) {
	for line, want := range map[string]string{
		"FUZZY SUBJECT work FROM x":               "HEADER From x FUZZY (HEADER Subject work)",
		"FUZZY (SUBJECT work FROM x)":             "FUZZY (HEADER Subject work HEADER From x)",
		"FUZZY FUZZY TEXT x":                      "FUZZY (TEXT x)",
		"FUZZY (TEXT x FUZZY SEEN)":               "FUZZY (SEEN TEXT x)",
		"NOT FUZZY TEXT x FUZZY TEXT y":           "NOT (FUZZY (TEXT x)) FUZZY (TEXT y)",
		"OR FUZZY TEXT x TEXT y":                  "OR (FUZZY (TEXT x)) (TEXT y)",
		"FUZZY":                                   "! 5",
		strings.Repeat("FUZZY SEEN ", 11) + "ALL": "limit: FUZZY keys",
		strings.Repeat("FUZZY ", 200):             "limit: nesting",
	} {
		got := parseLine(line, func(d *Decoder) any {
			c := d.SearchKeys(SearchNumbers{Fuzzy: true})
			b, err := AppendSearchKeys(nil, &c)
			if err != nil {
				t.Error(err)
			}
			return string(b)
		})
		if got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
	if got := parseLine("FUZZY TEXT x", func(d *Decoder) any { d.SearchKeys(SearchNumbers{}); return "" }); got != "! 5" {
		t.Errorf("FUZZY where it is no key: %s", got)
	}
}
