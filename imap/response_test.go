package imap

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/smtp/message"
)

// TestStructureRoundTrip reads back what is written of every public message.
func TestStructureRoundTrip(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(suites.Dir(t, "mime/cpython-email"), "msg_*.txt"))
	more, _ := filepath.Glob(filepath.Join(suites.Dir(t, "mime/mime4j"), "testmsgs", "*.msg"))
	if files = append(files, more...); err != nil || len(files) < 70 {
		t.Fatal("no messages", len(files))
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		root := message.Parse(bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))).Root()
		env, structure := ParseEnvelope(root), ParseBodyStructure(root)
		for _, lenient := range []bool{false, true} {
			for _, extended := range []bool{false, true} {
				wire := AppendBodyStructure(append(AppendEnvelope(nil, env), ' '), structure, extended)
				d := decode(string(wire)+"\r\n", DecoderOptions{Lenient: lenient})
				gotEnv := d.Envelope()
				d.SP()
				gotStructure := d.BodyStructure()
				d.EOL()
				again := AppendBodyStructure(append(AppendEnvelope(nil, gotEnv), ' '), gotStructure, extended)
				if d.Err() != nil || !bytes.Equal(again, wire) {
					t.Errorf("%s: %v\nwrote %q\nagain %q", filepath.Base(f), d.Err(), wire, again)
				}
			}
		}
	}
}

func TestBodyStructureResponse(t *testing.T) {
	read := func(lenient bool, s string) string {
		d := decode(s+"\r\n", DecoderOptions{Lenient: lenient})
		b := d.BodyStructure()
		d.EOL()
		if d.Err() != nil {
			return "! " + d.Err().Error()
		}
		return string(AppendBodyStructure(nil, b, true))
	}
	const text = `("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 1)`
	const full = `("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 1 NIL NIL NIL NIL)`
	for _, c := range []struct{ in, strict, lenient string }{
		{text, full, full},
		{`("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 1 NIL NIL NIL NIL "future" ("x" (1 2)))`, full, full},
		{`("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5)`, "! imap: at octet 36: want ' '", `("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 0 NIL NIL NIL NIL)`},
		{`("TEXT" "PLAIN" NIL NIL NIL NIL -1 -1)`, "! imap: at octet 32: want a number", `("TEXT" "PLAIN" NIL NIL NIL "7BIT" 0 0 NIL NIL NIL NIL)`},
		{`(TEXT PLAIN NIL NIL NIL 7BIT 5 1)`, "! imap: at octet 1: want a string", full},
		{`(` + text + text + ` "MIXED")`, `(` + full + full + ` "MIXED" NIL NIL NIL NIL)`, `(` + full + full + ` "MIXED" NIL NIL NIL NIL)`},
		{`(` + text + ` ` + text + ` "MIXED")`, "! imap: at octet 41: want a string", `(` + full + full + ` "MIXED" NIL NIL NIL NIL)`},
		{`("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 5)`, "! imap: at octet 40: want ' '", `("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 5 NIL NIL NIL NIL)`},
		{strings.Repeat("(", 200) + text, "! imap: nesting beyond the limit of 100", "! imap: nesting beyond the limit of 100"},
		{"(" + strings.Repeat(text, 10_001) + ` "MIXED")`, "! imap: line beyond the limit of 65536", "! imap: line beyond the limit of 65536"},
		{`("TEXT"`, "! imap: at octet 7: want ' '", "! imap: at octet 7: want ' '"},
		{`()`, "! imap: at octet 1: want a string", "! imap: at octet 1: want a string or NIL"},
		{`NIL`, "! imap: at octet 0: want '('", "! imap: at octet 0: want '('"},
	} {
		if got := read(false, c.in); got != c.strict {
			t.Errorf("%.60q: %s, want %s", c.in, got, c.strict)
		}
		if got := read(true, c.in); got != c.lenient {
			t.Errorf("%.60q lenient: %s, want %s", c.in, got, c.lenient)
		}
	}
	d := decode("("+strings.Repeat(text, 10_001)+" \"MIXED\")\r\n", DecoderOptions{MaxLine: 1 << 20})
	_ = d.BodyStructure()
	if got := fmt.Sprint(d.Err()); got != "imap: parts beyond the limit of 10000" {
		t.Errorf("10,001 parts: %s", got)
	}
}

func TestResponses(t *testing.T) {
	for _, c := range []struct {
		line string
		read func(d *Decoder) any
		want string
	}{
		{`(\HasNoChildren \Sent) "/" Sent`, func(d *Decoder) any { return *d.Listing(false) }, `{Sent 47 [\HasNoChildren \Sent] }`},
		{`() NIL inbox`, func(d *Decoder) any { return *d.Listing(false) }, `{INBOX 0 [] }`},
		{`(\Noselect) "." "Entw&APw-rfe" ("OLDNAME" ("Drafts") X (1 2))`, func(d *Decoder) any { return *d.Listing(false) }, `{Entwürfe 46 [\Noselect] Drafts}`},
		{"() \"\\\\\" {4}\r\na\\b ", func(d *Decoder) any { return *d.Listing(true) }, `{a\b  92 [] }`},
		{`() "ab" x`, func(d *Decoder) any { return *d.Listing(false) }, `! 7`},
		{`"Sent" (MESSAGES 3 UIDNEXT 9 UNSEEN 1 SIZE 99 FUTURE (1 2) HIGHESTMODSEQ 7 MAILBOXID (F1) UIDVALIDITY 5 DELETED 2 DELETED-STORAGE 8)`,
			func(d *Decoder) any { return *d.StatusData(false) }, `{{Sent F1  false false } 5 9 7 3 1 2 99 8}`},
		{` 2 4 3 (MODSEQ 9)`, func(d *Decoder) any { return *d.SearchData() }, `{ false 2:4 0 0 0 9 <nil>  []  []  0}`},
		{``, func(d *Decoder) any { return *d.SearchData() }, `{ false  0 0 0 0 <nil>  []  []  0}`},
		{` 0`, func(d *Decoder) any { return *d.SearchData() }, `! 1`},
		{` (TAG "a1") UID PARTIAL (-1:-9 2:4,7) COUNT 5`, func(d *Decoder) any {
			s := d.ESearchData(false)
			if s.Partial == nil {
				return nil
			}
			return fmt.Sprint(*s.Partial, s.PartialSet, s.Count)
		}, `{1 9 true} 2:4,7 5`},
		{` (UIDVALIDITY 7 MAILBOX "Entw&APw-rfe" TAG "a1") UID ALL 2`, func(d *Decoder) any {
			s := d.ESearchData(false)
			return fmt.Sprint(s.Mailbox, " ", s.UIDValidity, " ", s.Tag)
		}, `Entwürfe 7 a1`},
		{` (TAG "a1" TAG "a2")`, func(d *Decoder) any { return d.ESearchData(false) }, `! 15`},
		{` (TAG "a1" COLOUR "a2")`, func(d *Decoder) any { return d.ESearchData(false) }, `! 18`},
		{` (UIDVALIDITY 0)`, func(d *Decoder) any { return d.ESearchData(false) }, `! 14`},
		{` PARTIAL (5:9 NIL)`, func(d *Decoder) any { return d.ESearchData(false).PartialSet }, ``},
		{` PARTIAL (5 NIL)`, func(d *Decoder) any { return d.ESearchData(false).PartialSet }, `! 11`},
		{` 2 4 3 (MODSEQ 9)`, func(d *Decoder) any { return d.SortData() }, `[2 4 3]`},
		{` 2 x`, func(d *Decoder) any { return d.SortData() }, `! 3`},
		{` (TAG "a1") UID MIN 2 MAX 9 COUNT 3 ALL 2,5,9 MODSEQ 4 FUTURE 5`, func(d *Decoder) any { return *d.ESearchData(false) }, `{a1 true 2,5,9 2 9 3 4 <nil>  [] 2,5,9 []  0}`},
		{` (TAG "B1") ALL 1,5,10 RELEVANCY (4 99 42)`, func(d *Decoder) any { return d.ESearchData(false).Relevancy }, `[4 99 42]`},
		{` RELEVANCY ()`, func(d *Decoder) any { return d.ESearchData(false).Relevancy }, `[]`},
		{` RELEVANCY (101)`, func(d *Decoder) any { return d.ESearchData(false).Relevancy }, `! 15`},
		{` RELEVANCY (0)`, func(d *Decoder) any { return d.ESearchData(false).Relevancy }, `! 12`},
	} {
		if got := parseLine(c.line, c.read); got != c.want {
			t.Errorf("%s: %s, want %s", c.line, got, c.want)
		}
	}
	for args, want := range map[string]string{
		"7 3:5": "&{7 [3 4 5] [] 0}", "7 5,3": "&{7 [5 3] [] 0}", "0 1": "!", "7": "!", "7 *": "!", "7 1:4294967295": "!", "x 1": "!",
	} {
		got, err := ParseAppendUID(args, 1000)
		if s := fmt.Sprint(got); err == nil && s != want || (err != nil) != (want == "!") {
			t.Errorf("APPENDUID %s: %s, %v, want %s", args, s, err, want)
		}
	}
	for args, want := range map[string]string{
		"7 1:2 9,8": "&{7 [1 2] [9 8]}", "7 1:2 9": "!", "7 1": "!", "7 1 *": "!", "* 1 1": "!", "7  1": "!",
	} {
		got, err := ParseCopyUID(args, 1000)
		if s := fmt.Sprint(got); err == nil && s != want || (err != nil) != (want == "!") {
			t.Errorf("COPYUID %s: %s, %v, want %s", args, s, err, want)
		}
	}
}

// TestAppendSearchKeys writes criteria and reads them back.
func TestAppendSearchKeys(t *testing.T) {
	day, _ := ParseDate("1-Feb-1994")
	c := SearchCriteria{
		UIDs: UIDs(1, 2, 9), Flags: []Flag{FlagSeen, "$Junk"}, NotFlags: []Flag{FlagDraft, "x"}, Since: day, Before: day, SentSince: day,
		SentBefore: day, Larger: 1, Smaller: 1 << 40, ModSeq: 7, Header: []HeaderCriterion{{"From", "a b"}, {"X", ""}}, Body: []string{"ü\r\n"},
		Text: []string{`"`}, EmailID: "M1", ThreadID: "T1",
		Not: []SearchCriteria{{Flags: []Flag{FlagSeen}}, {}}, Or: [][2]SearchCriteria{{{Larger: 5}, {Text: []string{"x"}}}},
	}
	wire, err := AppendSearchKeys(nil, &c)
	if err != nil {
		t.Fatal(err)
	}
	d := decode(string(wire)+"\r\n", DecoderOptions{})
	got := d.SearchKeys(SearchNumbers{UID: func(s SequenceSet) UIDSet { return s.Resolve(0) }})
	if d.Err() != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("%q: %v\ngot  %+v\nwant %+v", wire, d.Err(), got, c)
	}
	for _, c := range []SearchCriteria{
		{Flags: []Flag{`\Custom`}}, {Flags: []Flag{"a b"}}, {NotFlags: []Flag{"x\r\ny"}}, {EmailID: "a b"}, {Flags: []Flag{""}},
	} {
		if wire, err := AppendSearchKeys(nil, &c); err == nil {
			t.Errorf("%+v: %q", c, wire)
		}
	}
	deep := SearchCriteria{}
	for range 200 {
		deep = SearchCriteria{Not: []SearchCriteria{deep}}
	}
	if _, err := AppendSearchKeys(nil, &deep); err == nil {
		t.Error("nesting without limit")
	}
	if wire, _ := AppendSearchKeys(nil, &SearchCriteria{}); string(wire) != "ALL" {
		t.Errorf("nothing: %q", wire)
	}
	if wire, _ := AppendSearchKeys(nil, &SearchCriteria{UIDs: UIDSet{}}); string(wire) != "NOT ALL" {
		t.Errorf("no message: %q", wire)
	}
}

// FuzzResponse gives the readers of responses any octets.
func FuzzResponse(f *testing.F) {
	f.Add(byte(0), `("d" "s" (("n" NIL "m" "h")) NIL NIL NIL NIL NIL NIL "<id>")`)
	f.Add(byte(1), `(("TEXT" "PLAIN" ("charset" "x") NIL NIL "7BIT" 5 1)("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 9 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ("A" "B" NIL NIL NIL NIL 0) 2) "MIXED" NIL ("INLINE" NIL) ("de" "en") "l")`)
	f.Add(byte(2), `(\Sent) "/" Sent ("OLDNAME" (x))`)
	f.Add(byte(3), `x (MESSAGES 3)`)
	f.Add(byte(4), ` 1 2 (MODSEQ 3)`)
	f.Add(byte(5), ` (TAG "a") UID ALL 1:3`)
	f.Add(byte(5), ` (TAG "a" MAILBOX {1}\r\nx UIDVALIDITY 3) UID ALL 1:3 COUNT 3`)
	f.Fuzz(func(t *testing.T, kind byte, s string) {
		for _, lenient := range []bool{false, true} {
			d := decode(s+"\r\n", DecoderOptions{Lenient: lenient})
			switch kind % 6 {
			case 0:
				if e := d.Envelope(); d.Err() == nil {
					_ = AppendEnvelope(nil, e)
				}
			case 1:
				if b := d.BodyStructure(); d.Err() == nil {
					_ = AppendBodyStructure(nil, b, true)
				}
			case 2:
				_ = d.Listing(lenient)
			case 3:
				_ = d.StatusData(lenient)
			case 4:
				_ = d.SearchData()
			case 5:
				_ = d.ESearchData(false)
			}
		}
	})
}

// TestTry gets past bad values where no literal has been read of them.
func TestTry(t *testing.T) {
	for _, c := range []struct{ line, rest string }{
		{`(1 (2 "x)")) rest`, " rest"},
		{`"unknown" rest`, " rest"},
		{`NIL rest`, " rest"},
		{`{3}\r\nabc rest`, " rest"},
		{`("x" {3}\r\nabc) rest`, " rest"},
		{`({3}\r\nabcx) rest`, "!"}, // had the literal been read again, another would be taken for it
		{`(((rest`, "!"},
		{`"unclosed rest`, "!"},
		{``, "!"},
	} {
		d := decode(strings.ReplaceAll(c.line, `\r\n`, "\r\n")+"\r\n", DecoderOptions{})
		err := d.Try(func() {
			d.Expect('(')
			_ = d.IString()
			_ = d.Number()
		})
		rest := d.Line()
		if d.Err() != nil {
			rest = "!"
		}
		if err == nil || rest != c.rest {
			t.Errorf("%s: %v, then %q, want %q", c.line, err, rest, c.rest)
		}
	}
	d := decode("5 6\r\n", DecoderOptions{})
	n := uint32(0)
	if err := d.Try(func() { n = d.Number() }); err != nil || n != 5 || d.Line() != " 6" {
		t.Errorf("a good value: %d, %v", n, err)
	}
}
