package imap

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// parseLine reads one line with read and returns what it gives, or "! offset" of the *SyntaxError.
func parseLine(line string, read func(d *Decoder) any) string {
	d := decode(line+"\r\n", DecoderOptions{})
	v := read(d)
	d.EOL()
	if e, ok := errors.AsType[*SyntaxError](d.Err()); ok {
		return fmt.Sprint("! ", e.Offset)
	}
	if e, ok := errors.AsType[*LimitError](d.Err()); ok {
		return "limit: " + e.What
	}
	if d.Err() != nil {
		return d.Err().Error()
	}
	return fmt.Sprint(v)
}

func TestFetchItems(t *testing.T) {
	read := func(d *Decoder) any { return string(AppendFetchItems(nil, d.FetchItems())) }
	for line, want := range map[string]string{
		"FLAGS":                                 "(FLAGS)",
		"PREVIEW":                               "(PREVIEW)",
		"preview (lazy)":                        "(PREVIEW (LAZY))",
		"(UID PREVIEW (LAZY LAZY) FLAGS)":       "(UID PREVIEW (LAZY) FLAGS)",
		"(PREVIEW FLAGS)":                       "(PREVIEW FLAGS)",
		"PREVIEW ()":                            "! 10",
		"PREVIEW (EAGER)":                       "! 14",
		"(uid flags)":                           "(UID FLAGS)",
		"ALL":                                   "(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)",
		"FAST":                                  "(FLAGS INTERNALDATE RFC822.SIZE)",
		"full":                                  "(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY)",
		"(ALL)":                                 "! 4",
		"BODY":                                  "(BODY)",
		"BODY[]":                                "(BODY[])",
		"body.peek[]":                           "(BODY.PEEK[])",
		"BODY[1.2.header]":                      "(BODY[1.2.HEADER])",
		"BODY[HEADER.FIELDS (From \"To\")]":     "(BODY[HEADER.FIELDS (From To)])",
		"BODY[HEADER.FIELDS ({4}\r\nFrom)]":     "(BODY[HEADER.FIELDS (From)])",
		"BODY[2.HEADER.FIELDS.NOT (a)]<0.10>":   "(BODY[2.HEADER.FIELDS.NOT (a)]<0.10>)",
		"BODY[TEXT]<4294967295.1>":              "(BODY[TEXT]<4294967295.1>)",
		"BODY[]<0.9223372036854775807>":         "(BODY[]<0.9223372036854775807>)",
		"BODY[]<0.9223372036854775808>":         "! 9",
		"BODY[]<0.0>":                           "! 10",
		"BODY[]<0>":                             "! 9",
		"BODY[]<-1.1>":                          "! 7",
		"BODY[1.MIME]":                          "(BODY[1.MIME])",
		"BODY[MIME]":                            "! 9",
		"BODY[0]":                               "! 5",
		"BODY[1.]":                              "! 7",
		"BODY[1..2]":                            "! 9",
		"BODY[.1]":                              "! 7",
		"BODY[HEADER.FIELDS ()]":                "! 21",
		"BODY[HEADER.FIELDS (a b:c)]":           "! 25",
		"BODY[TEXT":                             "! 9",
		"BINARY[1.2]<0.5>":                      "(BINARY[1.2]<0.5>)",
		"BINARY.SIZE[]":                         "(BINARY.SIZE[])",
		"BINARY[1.TEXT]":                        "! 14",
		"BINARY.SIZE[1]<0.1>":                   "! 19",
		"NOSUCH":                                "! 6",
		"FLAGS[]":                               "! 5",
		"()":                                    "! 2",
		"(FLAGS  UID)":                          "! 7",
		"(FLAGS":                                "! 6",
		"(EMAILID THREADID MODSEQ)":             "(EMAILID THREADID MODSEQ)",
		"BODY[" + strings.Repeat("1.", 200):     "limit: nesting",
		"(" + strings.Repeat("UID ", 101) + ")": "limit: items of FETCH",
	} {
		if got := parseLine(line, read); got != want {
			t.Errorf("%.60s: got %s, want %s", line, got, want)
		}
	}
}

func TestFlags(t *testing.T) {
	read := func(d *Decoder) any { return string(AppendFlags(nil, d.FlagList())) }
	for line, want := range map[string]string{
		`()`:                                    `()`,
		`(\seen \DELETED $junk)`:                `(\Seen \Deleted $junk)`,
		`(\* \Recent)`:                          `(\* \Recent)`,
		`(\)`:                                   `! 2`,
		`(a"b)`:                                 `! 2`,
		`("a")`:                                 `! 1`,
		`\Seen`:                                 `! 0`,
		"(" + strings.Repeat("a ", 1001) + "b)": "limit: flags",
	} {
		if got := parseLine(line, read); got != want {
			t.Errorf("%.60s: got %s, want %s", line, got, want)
		}
	}
}

func TestDates(t *testing.T) {
	for in, want := range map[string]string{
		"17-Jul-1996 02:44:25 -0700": `"17-Jul-1996 02:44:25 -0700"`,
		" 1-Jul-1996 02:44:25 +0000": `" 1-Jul-1996 02:44:25 +0000"`,
		"01-Jul-1996 02:44:25 +0530": `" 1-Jul-1996 02:44:25 +0530"`,
		"1-Jul-1996 02:44:25 +0530":  "",
		"31-Feb-1996 02:44:25 +0530": "",
		"17-Jul-1996 24:44:25 +0530": "",
		"17-Jul-0000 02:44:25 +0530": "",
		"17-Jul-1996 02:44:25 GMT":   "",
		"":                           "",
	} {
		tm, err := ParseDateTime(in)
		if want == "" {
			if _, ok := errors.AsType[*SyntaxError](err); !ok {
				t.Errorf("%q: %v, %v", in, tm, err)
			}
		} else if got := string(AppendDateTime(nil, tm)); err != nil || got != want {
			t.Errorf("%q: %s, %v", in, got, err)
		}
	}
	for in, ok := range map[string]bool{"1-Feb-1994": true, "01-Feb-1994": true, "32-Jan-2000": false, " 1-Feb-1994": false, "1-2-1994": false, "": false} {
		if _, err := ParseDate(in); (err == nil) != ok {
			t.Errorf("date %q: %v", in, err)
		}
	}
	if got := string(AppendDateTime(nil, time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC))); len(got) != 28 {
		t.Errorf("year 12000: %s", got)
	}
}

func TestUTF7(t *testing.T) {
	for wire, want := range map[string]string{
		"INBOX":                           "INBOX",
		"&-":                              "&",
		"Tom &- Jerry":                    "Tom & Jerry",
		"~peter/mail/&U,BTFw-/&ZeVnLIqe-": "~peter/mail/台北/日本語", // RFC 3501 §5.1.3
		"&2D3eAA-":                        "\U0001F600",
		"Entw&APw-rfe":                    "Entwürfe",
		"&Jjo":                            "!0", // not ended
		"&Jjo!":                           "!0",
		"&U,BTFw-&ZeVnLIqe-":              "!8", // two sections side by side
		"&AGE-":                           "!0", // a stands for itself
		"&2D0-":                           "!0", // half a surrogate
		"&3gDYPQ-":                        "!0",
		"&APx-":                           "!0", // bits left over
		"&APw=-":                          "!0",
		"&U/BT-":                          "!0",
		"M\xc3\xbcll":                     "!1",
		"a\tb":                            "!1",
	} {
		got, err := ParseUTF7(wire)
		if e, ok := errors.AsType[*SyntaxError](err); ok {
			got = fmt.Sprint("!", e.Offset)
		} else if back := string(AppendUTF7(nil, got)); back != wire {
			t.Errorf("%s: back %s", wire, back)
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", wire, got, want)
		}
	}
}

func TestListPattern(t *testing.T) {
	long := strings.Repeat("a", 70)
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true}, {"%", "a/b", false}, {"%/%", "a/b", true}, {"*", "a/b", true}, {"", "", true}, {"", "a", false},
		{"a", "a", true}, {"a*", "a", true}, {"%b", "ab", true}, {"%b", "a/b", false}, {"*%*", "a/b", true}, {"%%", "a/b", false},
		{"a%/c", "ab/c", true}, {"inbox", "INBOX", true}, {"InB%", "INBOX", true}, {"inbox/x", "INBOX/x", false}, {"foo", "FOO", false},
		{long + "*", long + "xyz", true}, {long + "%b", long + "xyzb", true}, {long + "%b", long + "xy/b", false}, {"*" + long, "x" + long, true},
		{strings.Repeat("*a", 60) + "*b", strings.Repeat("a", 120), false},
		{strings.Repeat("*a", 60) + "*b", strings.Repeat("a", 120) + "b", true},
	} {
		p, err := ParseListPattern(c.pattern, '/')
		if err != nil || p.Match(c.name) != c.want {
			t.Errorf("%s against %s: want %v, err %v", c.pattern, c.name, c.want, err)
		}
	}
	if _, err := ParseListPattern(strings.Repeat("x", MaxListPattern+1), '/'); err == nil {
		t.Error("no limit")
	}
}

// naiveMatch is the definition.
func naiveMatch(p, s string) bool {
	switch {
	case p == "":
		return s == ""
	case p[0] == '*' || p[0] == '%':
		return naiveMatch(p[1:], s) || s != "" && (p[0] == '*' || s[0] != '/') && naiveMatch(p, s[1:])
	}
	return s != "" && s[0] == p[0] && naiveMatch(p[1:], s[1:])
}

func FuzzListPattern(f *testing.F) {
	f.Add("*a%b", "xa/b")
	f.Add("%/*c%", "a/b/c")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern) > 12 {
			pattern = pattern[:12]
		}
		if len(name) > 12 {
			name = name[:12]
		}
		p, err := ParseListPattern(pattern, '/')
		if err != nil || strings.EqualFold(name, "INBOX") {
			t.Skip()
		}
		if got, want := p.Match(name), naiveMatch(pattern, name); got != want {
			t.Errorf("%q against %q: %v, want %v", pattern, name, got, want)
		}
		// The same beyond one word of states.
		shift := strings.Repeat("x", 60)
		if p, _ = ParseListPattern(shift+pattern, '/'); p.Match(shift+name) != naiveMatch(pattern, name) {
			t.Errorf("%q against %q: shifted it is not the same", pattern, name)
		}
	})
}

func FuzzUTF7(f *testing.F) {
	f.Add("~peter/mail/&U,BTFw-/&ZeVnLIqe-")
	f.Add("&2D3eAA-")
	f.Fuzz(func(t *testing.T, s string) {
		if name, err := ParseUTF7(s); err == nil {
			if back := string(AppendUTF7(nil, name)); back != s {
				t.Errorf("%q is %q, back %q", s, name, back)
			}
		}
		wire := string(AppendUTF7(nil, s))
		if back, err := ParseUTF7(wire); err == nil {
			if back != strings.ToValidUTF8(s, "\uFFFD") && back != string([]rune(s)) {
				t.Errorf("%q written %q, back %q", s, wire, back)
			}
		} else if !strings.ContainsRune(s, 0) {
			t.Errorf("%q written %q: %v", s, wire, err)
		}
	})
}

func FuzzSection(f *testing.F) {
	f.Add("[1.2.HEADER.FIELDS (From)]<0.100>")
	f.Add("[]")
	f.Fuzz(func(t *testing.T, line string) {
		d := decode(line+"\r\n", DecoderOptions{})
		s := d.Section()
		if d.Err() != nil {
			return
		}
		wire := string(AppendSection(nil, &s))
		if strings.Contains(wire, "\r\n") {
			return // a field name as a literal
		}
		d = decode(wire+"\r\n", DecoderOptions{})
		if back := d.Section(); d.Err() != nil || !reflect.DeepEqual(back, s) {
			t.Errorf("%q: %+v is written %q: %+v, %v", line, s, wire, back, d.Err())
		}
	})
}

func TestSearchKeys(t *testing.T) {
	day := func(n int) time.Time { return time.Date(1994, 2, n, 0, 0, 0, 0, time.UTC) }
	n := SearchNumbers{
		Sequence: func(s SequenceSet) (UIDSet, error) { return s.Resolve(9), nil },
		UID:      func(s SequenceSet) UIDSet { return s.Resolve(99) },
		Saved:    func() UIDSet { return UIDs(5) },
	}
	for line, want := range map[string]SearchCriteria{
		"ALL":                    {},
		"2:4 UID 3:*":            {UIDs: UIDSet{{3, 4}}},
		"1 2":                    {UIDs: UIDSet{}},
		"$":                      {UIDs: UIDs(5)},
		"UID $":                  {UIDs: UIDs(5)},
		"seen UNDELETED":         {Flags: []Flag{FlagSeen}, NotFlags: []Flag{FlagDeleted}},
		"KEYWORD $a UNKEYWORD b": {Flags: []Flag{"$a"}, NotFlags: []Flag{"b"}},
		"NEW":                    {UIDs: UIDSet{}},
		"OLD":                    {},
		"SINCE 1-Feb-1994 SINCE 3-Feb-1994 BEFORE 9-Feb-1994": {Since: day(3), Before: day(9)},
		`ON "1-Feb-1994"`: {Since: day(1), Before: day(2)},
		"SAVEDON 1-Feb-1994 SAVEDSINCE 1-Feb-1990 SAVEDATESUPPORTED": {SavedSince: day(1), SavedBefore: day(2)},
		"SENTON 1-Feb-1994":                       {SentSince: day(1), SentBefore: day(2)},
		"LARGER 5 LARGER 3 SMALLER 10 SMALLER 20": {Larger: 5, Smaller: 10},
		"SMALLER 0":                     {UIDs: UIDSet{}},
		"LARGER 0":                      {Not: []SearchCriteria{{Smaller: 1}}},
		"SUBJECT x HEADER X-Y \"\"":     {Header: []HeaderCriterion{{"Subject", "x"}, {"X-Y", ""}}},
		"BODY {3+}\r\na b TEXT c":       {Body: []string{"a b"}, Text: []string{"c"}},
		"OR SEEN (DELETED 1)":           {Or: [][2]SearchCriteria{{{Flags: []Flag{FlagSeen}}, {Flags: []Flag{FlagDeleted}, UIDs: UIDs(1)}}}},
		"NOT NOT SEEN":                  {Not: []SearchCriteria{{Not: []SearchCriteria{{Flags: []Flag{FlagSeen}}}}}},
		"MODSEQ 7":                      {ModSeq: 7},
		`MODSEQ "/flags/\\draft" all 7`: {ModSeq: 7},
		"EMAILID a THREADID b":          {EmailID: "a", ThreadID: "b"},
		"EMAILID a EMAILID b":           {EmailID: "b", UIDs: UIDSet{}},
	} {
		var got SearchCriteria
		if s := parseLine(line, func(d *Decoder) any { got = d.SearchKeys(n); return "" }); s != "" || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s\n got %+v\nwant %+v", line, s, got, want)
		}
	}
	for line, want := range map[string]string{
		"":                                     "! 0",
		"FOO":                                  "! 3",
		"SEEN ":                                "! 5",
		"(SEEN":                                "! 5",
		"()":                                   "! 1",
		"ON 1":                                 "! 3",
		"OR SEEN":                              "! 7",
		"UID x":                                "! 4",
		"0":                                    "! 0",
		"LARGER -1":                            "! 7",
		"LARGER 9223372036854775808":           "! 7",
		strings.Repeat("(", 20000) + "ALL":     "limit: nesting",
		strings.Repeat("NOT ", 10000) + "ALL":  "limit: nesting",
		strings.Repeat("OR ALL ", 200) + "ALL": "limit: nesting",
		"MODSEQ \"/flags/\\\\draft\" some 7":   "! 28",
	} {
		if got := parseLine(line, func(d *Decoder) any { return d.SearchKeys(n) }); got != want {
			t.Errorf("%.60s: got %s, want %s", line, got, want)
		}
	}
}

func FuzzSearchKeys(f *testing.F) {
	f.Add("OR (SEEN 1:3) NOT FROM \"x\" SINCE 1-Feb-1994")
	f.Add("UID 1:* LARGER 5 HEADER a {1+}\r\nb")
	n := SearchNumbers{UID: func(s SequenceSet) UIDSet { return s.Resolve(99) }}
	f.Fuzz(func(t *testing.T, line string) {
		d := decode(line+"\r\n", DecoderOptions{})
		c := d.SearchKeys(n)
		if d.Err() != nil {
			return
		}
		if depth(&c) > MaxNesting+1 {
			t.Errorf("%d deep", depth(&c))
		}
		// The empty set is written NOT ALL, which is read as such; then nothing changes any more.
		for range 2 {
			wire, err := AppendSearchKeys(nil, &c)
			if err != nil {
				return // deeper than it was, or a keyword that is none
			}
			d = decode(string(wire)+"\r\n", DecoderOptions{})
			back := d.SearchKeys(n)
			if d.Err() != nil || !strings.Contains(string(wire), "NOT ALL") && !reflect.DeepEqual(back, c) {
				t.Errorf("%q: %+v is written %q: %+v, %v", line, c, wire, back, d.Err())
			}
			c = back
		}
	})
}

func depth(c *SearchCriteria) int {
	n := 0
	for i := range c.Not {
		n = max(n, depth(&c.Not[i]))
	}
	for i := range c.Or {
		n = max(n, depth(&c.Or[i][0]), depth(&c.Or[i][1]))
	}
	return n + 1
}

func TestStatus(t *testing.T) {
	for line, want := range map[string]Status{
		"OK done":                                {Type: StatusOK, Text: "done"},
		"ok [READ-WRITE] done":                   {Type: StatusOK, Code: CodeReadWrite, Text: "done"},
		"NO [BADCHARSET (US-ASCII UTF-8)] no":    {Type: StatusNo, Code: CodeBadCharset, Args: "(US-ASCII UTF-8)", Text: "no"},
		"OK [PERMANENTFLAGS (\\Seen \\*)] x [y]": {Type: StatusOK, Code: CodePermanentFlags, Args: `(\Seen \*)`, Text: "x [y]"},
		`OK [X "a]b"] text`:                      {Type: StatusOK, Code: "X", Args: `"a]b"`, Text: "text"},
		"BYE":                                    {Type: StatusBye},
		"OK [ALERT]":                             {Type: StatusOK, Code: CodeAlert},
	} {
		var got Status
		if s := parseLine(line, func(d *Decoder) any { got = d.Status(); return "" }); s != "" || got != want {
			t.Errorf("%s: %s %+v", line, s, got)
		}
	}
	for _, line := range []string{"", "FOO x", "OK [", "OK [] x", "OKx y"} {
		if got := parseLine(line, func(d *Decoder) any { return d.Status() }); !strings.HasPrefix(got, "!") {
			t.Errorf("%s: %s", line, got)
		}
	}
	s := &Status{Type: StatusNo, Code: CodeTryCreate, Text: "a\r\nb"}
	if got := string(AppendStatus(nil, s)); got != "NO [TRYCREATE] a  b" {
		t.Error(got)
	}
	if err := fmt.Errorf("x: %w", s); !errors.Is(err, &Status{Code: CodeTryCreate}) || errors.Is(err, &Status{Type: StatusBad}) {
		t.Error("errors.Is")
	}
}

func TestStatusItems(t *testing.T) {
	for line, want := range map[string]string{
		"(MESSAGES unseen MESSAGES)": "[MESSAGES UNSEEN]",
		"()":                         "! 2",
		"(FOO)":                      "! 4",
		"MESSAGES":                   "! 0",
	} {
		if got := parseLine(line, func(d *Decoder) any { return d.StatusItems() }); got != want {
			t.Errorf("%s: got %s, want %s", line, got, want)
		}
	}
}
