package imap

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/smtp/message"
)

// asked is the text of a message, and counts who asks.
type asked struct {
	m               *message.Message
	headers, wholes int
	err             error
}

func (a *asked) Header() (*message.Message, error)  { a.headers++; return a.m, a.err }
func (a *asked) Message() (*message.Message, error) { a.wholes++; return a.m, a.err }

func TestMatch(t *testing.T) {
	raw := "From: =?utf-8?q?J=C3=BCrgen?= <juergen@example.com>\r\nTo: a@example.org, Bob B <bob@example.net>\r\nSubject: =?iso-8859-1?q?Gr=FC?=\r\n =?iso-8859-1?q?=DFe?=\r\n" +
		"Date: Mon, 7 Feb 1994 21:52:25 -0800\r\nX-Test: some\r\n thing\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: base64\r\n\r\n" + "z9TQ1dPL\r\n" + // отпуск
		"--b\r\nContent-Type: image/png; name=\"pict ure.png\"\r\n\r\nhidden\r\n" +
		"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: within\r\n\r\n=\r\ninner\r\n" +
		"--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: x-unknown\r\n\r\nunknown\r\n--b--\r\n"
	m := message.Parse([]byte(raw))
	msg := &Message{UID: 7, Flags: []Flag{FlagSeen, "$Label"}, Size: 100, ModSeq: 5, InternalDate: time.Date(2020, 5, 5, 23, 0, 0, 0, time.FixedZone("", -7*3600)),
		SaveDate: time.Date(2021, 6, 7, 1, 0, 0, 0, time.UTC), EmailID: "M1", ThreadID: "T1", Envelope: ParseEnvelope(m.Root())}
	day := func(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC) }
	header := func(name, value string) SearchCriteria {
		return SearchCriteria{Header: []HeaderCriterion{{name, value}}}
	}
	for i, c := range []struct {
		c               SearchCriteria
		want            bool
		headers, wholes int
	}{
		{SearchCriteria{}, true, 0, 0},
		{SearchCriteria{UIDs: UIDs(7)}, true, 0, 0},
		{SearchCriteria{UIDs: UIDSet{}}, false, 0, 0},
		{SearchCriteria{Flags: []Flag{`\SEEN`, "$label"}}, true, 0, 0},
		{SearchCriteria{NotFlags: []Flag{"$LABEL"}}, false, 0, 0},
		{SearchCriteria{Larger: 99, Smaller: 101}, true, 0, 0},
		{SearchCriteria{Larger: 100}, false, 0, 0},
		{SearchCriteria{Smaller: 100}, false, 0, 0},
		{SearchCriteria{ModSeq: 5}, true, 0, 0},
		{SearchCriteria{ModSeq: 6}, false, 0, 0},
		{SearchCriteria{Since: day(2020, 5, 5), Before: day(2020, 5, 6)}, true, 0, 0}, // the day where it was set
		{SearchCriteria{Before: day(2020, 5, 5)}, false, 0, 0},
		{SearchCriteria{SentSince: day(1994, 2, 7), SentBefore: day(1994, 2, 8)}, true, 0, 0},
		{SearchCriteria{SentSince: day(1994, 2, 8)}, false, 0, 0},
		{SearchCriteria{SavedSince: day(2021, 6, 7), SavedBefore: day(2021, 6, 8)}, true, 0, 0},
		{SearchCriteria{SavedBefore: day(2021, 6, 7)}, false, 0, 0},
		{SearchCriteria{EmailID: "M1", ThreadID: "T1"}, true, 0, 0},
		{SearchCriteria{EmailID: "M2"}, false, 0, 0},
		{header("Subject", "grüße"), true, 0, 0},
		{header("From", "JÜRGEN <juergen@"), true, 0, 0},
		{header("To", "bob b"), true, 0, 0},
		{header("Cc", "x"), false, 0, 0},
		{header("X-Test", "SOME thing"), true, 1, 0},
		{header("X-Test", ""), true, 1, 0},
		{header("X-None", ""), false, 1, 0},
		{SearchCriteria{Body: []string{"ОТПУСК"}}, true, 0, 1},
		{SearchCriteria{Body: []string{"within", "inner"}}, true, 0, 1},
		{SearchCriteria{Body: []string{"hidden"}}, false, 0, 1},
		{SearchCriteria{Body: []string{"unknown"}}, true, 0, 1}, // as the name of its encoding
		{SearchCriteria{Body: []string{"juergen"}}, false, 0, 1},
		{SearchCriteria{Text: []string{"juergen", "отпуск", "pict ure"}}, true, 0, 1},
		{SearchCriteria{Text: []string{"nosuch"}}, false, 0, 1},
		{SearchCriteria{Not: []SearchCriteria{header("Subject", "x"), {Flags: []Flag{FlagDraft}}}}, true, 0, 0},
		{SearchCriteria{Not: []SearchCriteria{{}}}, false, 0, 0},
		{SearchCriteria{Or: [][2]SearchCriteria{{{Flags: []Flag{FlagDraft}}, {Body: []string{"inner"}}}}}, true, 0, 1},
		{SearchCriteria{Or: [][2]SearchCriteria{{{Flags: []Flag{FlagSeen}}, {Body: []string{"inner"}}}}}, true, 0, 0},
		{SearchCriteria{Flags: []Flag{FlagDraft}, Body: []string{"x"}}, false, 0, 0}, // nothing is read in vain
	} {
		a := &asked{m: m}
		got, err := c.c.Match(msg, a)
		if got != c.want || err != nil || a.headers != c.headers || a.wholes != c.wholes {
			t.Errorf("%d %+v: %v, %v, %d headers and %d messages read", i, c.c, got, err, a.headers, a.wholes)
		}
	}
	broken := errors.New("broken")
	for _, c := range []SearchCriteria{{Body: []string{"x"}}, header("X", ""), {Not: []SearchCriteria{{Text: []string{"x"}}}}} {
		if _, err := c.Match(msg, &asked{m: m, err: broken}); !errors.Is(err, broken) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestMatchCollation has texts and keys in several charsets, and such as are in none (RFC 5255 §4.6 (c)).
func TestMatchCollation(t *testing.T) {
	raw := "From: =?utf-8?q?Rene=CC=81e?= <r@example.com>, =?x-unknown?q?Caf=E9?= <c@example.com>\r\nSubject: =?utf-8?q?Caf=C3=A9_=EF=AC=81n?=\r\n" +
		"X-Latin: Gr\xfc\xdfe There\r\nX-Unknown: =?x-unknown?q?Gr=FC=DFe?= There\r\nX-Language: =?iso-8859-1*de?q?Gr=FC=DFe?=\r\n" +
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain; charset=iso-8859-2\r\n\r\nD\xeckuji\r\n" + // Děkuji
		"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nBroken \xff Here\r\n" +
		"--b\r\nContent-Type: text/plain; charset=x-unknown\r\n\r\nStrange\r\n" +
		"--b\r\nContent-Type: text/plain; charset=euc-jp\r\n\r\nTrouble \xff\r\n--b--\r\n"
	m := message.Parse([]byte(raw))
	msg := &Message{Envelope: ParseEnvelope(m.Root())}
	for _, c := range []struct {
		field, key string // no field: the body
		want       bool
	}{
		{"From", "renée", false}, {"From", "rene", false}, // with a name in an unknown charset all is octets
		{"From", "Rene\u0301", true}, {"From", "Caf\xe9", true},
		{"Subject", "cafe", true}, {"Subject", "CAFE\u0301", true}, {"Subject", "café", true}, {"Subject", "ﬁ", true}, {"Subject", "fi", false},
		{"Subject", "Caf\xe9", false},
		{"X-Latin", "There", true}, {"X-Latin", "there", false}, {"X-Latin", "grüße", false}, {"X-Latin", "Gr\xfc", true},
		{"X-Unknown", "Gr\xfc\xdfe There", true}, {"X-Unknown", "there", false}, {"X-Language", "GRU\u0308ßE", true},
		{"X-Language", "Gr\xfc", true}, // a key that is not UTF-8 is looked for in what was there before the conversion
		{"", "DĚKUJI", true}, {"", "dekuji", false}, {"", "de\u030ckuji", true}, {"", "D\xeckuji", true}, {"", "d\xeckuji", false},
		{"", "Here", true}, {"", "here", false}, {"", "Strange", true}, {"", "strange", false}, {"", "Trouble", true}, {"", "trouble", false},
	} {
		s := SearchCriteria{Body: []string{c.key}}
		if c.field != "" {
			s = SearchCriteria{Header: []HeaderCriterion{{c.field, c.key}}}
		}
		if got, err := s.Match(msg, &asked{m: m}); got != c.want || err != nil {
			t.Errorf("%s %q: %v, %v", c.field, c.key, got, err)
		}
		if c.want && c.field != "" {
			if got, err := (&SearchCriteria{Text: []string{c.key}}).Match(msg, &asked{m: m}); !got || err != nil {
				t.Errorf("TEXT %q: %v, %v", c.key, got, err)
			}
		}
	}
}

func TestDecodeWords(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                                         "plain",
		"=?utf-8?q?a=20b?= =?UTF-8?B?w7w=?= c":          "a bü c",
		"x =?utf-8?q?a?= y =?utf-8?q?b?=":               "x a y b",
		"=?utf-8?q?open":                                "=?utf-8?q?open",
		"=?utf-8?x?a?= =?utf-8?q?b?=":                   "=?utf-8?x?a?= b",
		"=?no such?q?a?=":                               "=?no such?q?a?=",
		"=??q?a?=":                                      "=??q?a?=",
		"=?koi8-r?b?z9TQ1dPL?=":                         "отпуск",
		"=?utf-8?q?" + strings.Repeat("a", 2000) + "?=": "=?utf-8?q?" + strings.Repeat("a", 2000) + "?=",
	} {
		if got, ok := decodeWords(in); got != want || !ok {
			t.Errorf("%.60q: %q, want %q", in, got, want)
		}
	}
}

func TestSearchFields(t *testing.T) {
	for _, c := range []struct {
		keys string
		want Fields
	}{
		{"ALL", 0},
		{"SEEN", FieldFlags},
		{"NOT SEEN", FieldFlags},
		{"OR LARGER 1 SINCE 1-Jan-2000", FieldSize | FieldInternalDate},
		{"SENTON 1-Jan-2000 MODSEQ 5 EMAILID x", FieldEnvelope | FieldModSeq | FieldIDs},
		{"FROM x", FieldEnvelope},
		{"HEADER X-Y z BODY z", 0},
	} {
		d := decode(c.keys+"\r\n", DecoderOptions{})
		if s := d.SearchKeys(SearchNumbers{}); s.Fields() != c.want || d.Err() != nil {
			t.Errorf("%s: %b, want %b (%v)", c.keys, s.Fields(), c.want, d.Err())
		}
	}
}

func TestDecodeTransfer(t *testing.T) {
	for _, c := range []struct{ encoding, text, want string }{
		{"7bit", "a=\r\n", "a=\r\n"},
		{"", "\xff", "\xff"},
		{"BASE64", "YWJj\r\nZGVm", "abcdef"},
		{"base64", "YW!Jj*", "abc"},
		{"base64", "YWJjZ", "abc"},
		{"base64 (comment)", "YWJj", "abc"},
		{"quoted-printable", "a=3Db=\r\nc =\n", "a=bc "},
		{"quoted-printable", "a =\t \r\nb  \r\n=c3=BC\r\n\r\nend", "a b\r\n\xc3\xbc\r\n\r\nend"},
		{"quoted-printable", "=", ""},
		{"quoted-printable", "=4 =zz =\xff\xff", "=4 =zz =\xff\xff"},
		{"quoted-printable", strings.Repeat("=41", 3000) + "\r\n", strings.Repeat("A", 3000) + "\r\n"},
		{"x-uuencode", "x", "imap: unknown content-transfer-encoding"},
	} {
		m := message.Parse([]byte("Content-Transfer-Encoding: " + c.encoding + "\r\n\r\n" + c.text))
		got, err := DecodeTransfer(m.Root())
		if err != nil {
			got = []byte(err.Error())
		}
		if string(got) != c.want {
			t.Errorf("%s of %q: %q, want %q", c.encoding, c.text, got, c.want)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("Subject: x\r\nContent-Type: text/plain; charset=utf-16\r\n\r\nbody\r\n", "TEXT x NOT FROM y SENTON 1-Jan-2000")
	f.Add(strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 5), "OR BODY a HEADER Content-Type \"\"")
	f.Fuzz(func(t *testing.T, raw, keys string) {
		d := decode(keys+"\r\n", DecoderOptions{})
		c := d.SearchKeys(SearchNumbers{})
		if d.Err() != nil {
			return
		}
		m := message.Parse([]byte(raw))
		msg := &Message{UID: 1, Envelope: ParseEnvelope(m.Root())}
		got, err := c.Match(msg, &asked{m: m})
		not, err2 := (&SearchCriteria{Not: []SearchCriteria{c}}).Match(msg, &asked{m: m})
		if err != nil || err2 != nil || got == not {
			t.Errorf("%v, %v; NOT: %v, %v", got, err, not, err2)
		}
	})
}
