package imap

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/smtp/message"
)

func envelope(raw string) string {
	return string(AppendEnvelope(nil, ParseEnvelope(message.Parse([]byte(raw)).Root())))
}

// The message of RFC 9051 §8.
const minutes = "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n" +
	"From: Terry Gray <gray@cac.washington.edu>\r\n" +
	"Subject: IMAP4rev2 WG mtg summary and minutes\r\n" +
	"To: imap@cac.washington.edu\r\n" +
	"cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n" +
	"Message-Id: <B27397-0100000@cac.washington.edu>\r\n" +
	"MIME-Version: 1.0\r\n" +
	"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n"

func TestEnvelope(t *testing.T) {
	gray := `(("Terry Gray" NIL "gray" "cac.washington.edu"))`
	tests := []struct{ raw, want string }{
		{minutes, `("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev2 WG mtg summary and minutes" ` + gray + " " + gray + " " + gray +
			` ((NIL NIL "imap" "cac.washington.edu")) ((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU"))` +
			` NIL NIL "<B27397-0100000@cac.washington.edu>")`},
		{"", `(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)`},
		{"Subject:\r\nFrom:\r\n\r\n", `(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)`},
		{"From: a@b\r\nSender: c@d\r\nReply-To: e@f\r\nBcc: g@h\r\nIn-Reply-To: <1@b>\r\n\r\n",
			`(NIL NIL ((NIL NIL "a" "b")) ((NIL NIL "c" "d")) ((NIL NIL "e" "f")) NIL NIL ((NIL NIL "g" "h")) "<1@b>" NIL)`},
		{"Subject: a\r\n =?utf-8?q?b?=\r\nSubject: second\r\nTo: a@b\r\nTo: c@d\r\n\r\n",
			`(NIL "a =?utf-8?q?b?=" NIL NIL NIL ((NIL NIL "a" "b")(NIL NIL "c" "d")) NIL NIL NIL NIL)`},
		{"Subject: \"\\\r\n\r\n", `(NIL "\"\\" NIL NIL NIL NIL NIL NIL NIL NIL)`},
		{"Subject: b\xe9b\x00\xc3\xa9\r\n\r\n", "(NIL {5}\r\nb\xe9b\xc3\xa9 NIL NIL NIL NIL NIL NIL NIL NIL)"},
	}
	for _, tt := range tests {
		if got := envelope(tt.raw); got != tt.want {
			t.Errorf("%q:\n got %s\nwant %s", tt.raw, got, tt.want)
		}
	}
}

func TestParseAddresses(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", `NIL`},
		{" , ,", `NIL`},
		{"a@b", `((NIL NIL "a" "b"))`},
		{"A B <a@b>", `(("A B" NIL "a" "b"))`},
		{`"Joe Q. Public" <john.q.public@example.com>`, `(("Joe Q. Public" NIL "john.q.public" "example.com"))`}, // RFC 5322 A.1.2
		{`Who? <one@y.test>`, `(("Who?" NIL "one" "y.test"))`},
		{`"Giant; \"Big\" Box" <sysservices@example.net>`, `(("Giant; \"Big\" Box" NIL "sysservices" "example.net"))`},
		{`A Group:Ed Jones <joe@where.test>,joe@where.test,John <jdoe@one.test>;`, // RFC 5322 A.1.3
			`((NIL NIL "A Group" NIL)("Ed Jones" NIL "joe" "where.test")(NIL NIL "joe" "where.test")("John" NIL "jdoe" "one.test")(NIL NIL NIL NIL))`},
		{`Undisclosed recipients:;`, `((NIL NIL "Undisclosed recipients" NIL)(NIL NIL NIL NIL))`},
		{`open: a@b`, `((NIL NIL "open" NIL)(NIL NIL "a" "b")(NIL NIL NIL NIL))`},
		{`: a@b;`, `((NIL NIL "MISSING_MAILBOX" NIL)(NIL NIL "a" "b")(NIL NIL NIL NIL))`},
		{`Pete(A nice \) chap) <pete(his account)@silly.test(his host)>`, `(("Pete" NIL "pete" "silly.test"))`}, // RFC 5322 A.5
		{`Joe Q. Public <john.q.public@example.com>`, `(("Joe Q. Public" NIL "john.q.public" "example.com"))`},  // RFC 5322 A.6.1
		{`Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example`, `(("Mary Smith" NIL "mary" "example.net")(NIL NIL "jdoe" "test.example"))`},
		{"john . doe @ example.com", `((NIL NIL "john.doe" "example.com"))`},
		{"a@b (Alice \\(x\\))", `(("Alice (x)" NIL "a" "b"))`},
		{"<a@b> (Alice)", `(("Alice" NIL "a" "b"))`},
		{`"john doe"@example.com`, `((NIL NIL "john doe" "example.com"))`},
		{"a@[192.0.2.1]", `((NIL NIL "a" "[192.0.2.1]"))`},
		{"a@b.example <c@d>", `(("a@b.example" NIL "c" "d"))`},
		{"a b@c, d . e@f", `(("a b" NIL "MISSING_MAILBOX" "MISSING_DOMAIN")(NIL NIL "d.e" "f"))`},
		{"root", `((NIL NIL "root" "MISSING_DOMAIN"))`},
		{"root@", `((NIL NIL "root" "MISSING_DOMAIN"))`},
		{"<>", `((NIL NIL "MISSING_MAILBOX" "MISSING_DOMAIN"))`},
		{"@b", `((NIL NIL "MISSING_MAILBOX" "b"))`},
		{"A <a@b, c@d", `(("A" NIL "a" "b")(NIL NIL "c" "d"))`},
		{"A <a@b garbage>, c@d", `(("A" NIL "a" "b")(NIL NIL "c" "d"))`},
		{"a@b garbage, c@d", `((NIL NIL "a" "b")(NIL NIL "c" "d"))`},
		{"> a@b", `((NIL NIL "a" "b"))`},
		{"\"open <a@b>", `(("" NIL "open <a@b>" "MISSING_DOMAIN"))`},
		{"A\r\n B\r\n <a@b>", `(("A B" NIL "a" "b"))`},
		{"=?utf-8?q?J=C3=BCrgen?= <j@b>", `(("=?utf-8?q?J=C3=BCrgen?=" NIL "j" "b"))`},
	}
	for _, tt := range tests {
		got := string(appendAddresses(nil, ParseAddresses(nil, []byte(tt.in))))
		if want := strings.ReplaceAll(tt.want, `("" `, "(NIL "); got != want {
			t.Errorf("%q:\n got %s\nwant %s", tt.in, got, want)
		}
	}
}

func TestBodyStructure(t *testing.T) {
	text := strings.Repeat(strings.Repeat("x", 48)+"\r\n", 23) + "xx"
	diff := strings.Repeat(strings.Repeat("x", 60)+"\r\n", 73) + strings.Repeat("x", 28)
	tests := []struct{ name, raw, body, extended string }{
		{"RFC 9051 §7.5.2, a multipart", "Content-Type: multipart/mixed; boundary=b\r\n\r\n" +
			"--b\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n" + text + "\r\n" +
			"--b\r\nContent-Type: text/plain; charset=us-ascii; name=cc.diff\r\nContent-ID: <960723163407.20117h@cac.washington.edu>\r\n" +
			"Content-Description: Compiler diff\r\nContent-Transfer-Encoding: BASE64\r\n\r\n" + diff + "\r\n--b--\r\n",
			`(("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 1152 23)("TEXT" "PLAIN" ("CHARSET" "US-ASCII" "NAME" "cc.diff") ` +
				`"<960723163407.20117h@cac.washington.edu>" "Compiler diff" "BASE64" 4554 73) "MIXED")`, ""},
		{"nothing", "", `("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 0 0)`,
			`("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 0 0 NIL NIL NIL NIL)`},
		{"multipart without parts", "Content-Type: multipart/mixed; boundary=b\r\n\r\nhello\r\n",
			`(("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 0 0) "MIXED")`,
			`(("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 0 0 NIL NIL NIL NIL) "MIXED" ("BOUNDARY" "B") NIL NIL NIL)`},
		{"all extension data", "Content-Type: image/png\r\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\r\nContent-Disposition: attachment; filename=a.png\r\n" +
			"Content-Language: en, de\r\nContent-Location: http://example.com/\r\nContent-Transfer-Encoding: base64 (x)\r\n\r\nx",
			`("IMAGE" "PNG" NIL NIL NIL "BASE64" 1)`,
			`("IMAGE" "PNG" NIL NIL NIL "BASE64" 1 "Q2hlY2sgSW50ZWdyaXR5IQ==" ("ATTACHMENT" ("FILENAME" "A.PNG")) ("EN" "DE") "HTTP://EXAMPLE.COM/")`},
		{"parameters in pieces", "Content-Type: image/png; a*1=\"50%\"; x*2=no; a*0*=utf-8''%C3%A9; b*0=c; b*1=d; a*3=e\r\n\r\n",
			`("IMAGE" "PNG" ("A*" "UTF-8''%C3%A950%25" "X" "NO" "B" "CD") NIL NIL "7BIT" 0)`, ""},
		{"two dispositions", "Content-Type: image/png\r\nContent-Disposition: inline\r\nContent-Disposition: attachment; filename=a\r\nContent-Disposition: ;\r\n\r\n",
			`("IMAGE" "PNG" NIL NIL NIL "7BIT" 0)`, `("IMAGE" "PNG" NIL NIL NIL "7BIT" 0 NIL ("ATTACHMENT" ("FILENAME" "A")) NIL NIL)`},
		{"one language", "Content-Type: image/png\r\nContent-Language: en\r\nContent-Disposition: inline\r\n\r\n", `("IMAGE" "PNG" NIL NIL NIL "7BIT" 0)`,
			`("IMAGE" "PNG" NIL NIL NIL "7BIT" 0 NIL ("INLINE" NIL) "EN" NIL)`},
		{"a message", "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nhi\r\n",
			`("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 18 (NIL "X" NIL NIL NIL NIL NIL NIL NIL NIL) ("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 4 1) 3)`, ""},
		{"broken fields", "Content-Type: x\r\nContent-Transfer-Encoding:\r\nContent-Disposition: ;;\r\nContent-Language:\r\n\r\n",
			`("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 0 0)`, `("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 0 0 NIL NIL NIL NIL)`},
	}
	for _, tt := range tests {
		b := ParseBodyStructure(message.Parse([]byte(tt.raw)).Root())
		if got := string(AppendBodyStructure(nil, b, false)); !strings.EqualFold(got, tt.body) {
			t.Errorf("%s: BODY\n got %s\nwant %s", tt.name, got, tt.body)
		}
		if got := string(AppendBodyStructure(nil, b, true)); tt.extended != "" && !strings.EqualFold(got, tt.extended) {
			t.Errorf("%s: BODYSTRUCTURE\n got %s\nwant %s", tt.name, got, tt.extended)
		}
	}
	if got := string(AppendBodyStructure(nil, nil, false)); got != `("TEXT" "PLAIN" NIL NIL NIL "7BIT" 0 0)` {
		t.Error(got)
	}
}

// TestStructureOfSuite gives an answer for every message of the suite and for its every beginning.
func TestStructureOfSuite(t *testing.T) {
	n := 0
	err := filepath.WalkDir(suites.Dir(t, "mime"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		n++
		for i := range 5 {
			structureHolds(t, raw[:len(raw)*i/4])
		}
		return err
	})
	if err != nil || n < 300 {
		t.Fatal(n, err)
	}
}

func structureHolds(t *testing.T, raw []byte) {
	t.Helper()
	m := message.Parse(raw)
	e := AppendEnvelope(nil, ParseEnvelope(m.Root()))
	b := AppendBodyStructure(nil, ParseBodyStructure(m.Root()), true)
	if len(e) < len("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)") || len(b) < len(`("X" "Y" NIL NIL NIL "7BIT" 0 NIL NIL NIL NIL)`) {
		t.Errorf("%q: %s %s", raw, e, b)
	}
	for _, s := range [][]byte{e, b} {
		if strings.Contains(string(s), "\x00") {
			t.Errorf("%q: NUL in %q", raw, s)
		}
	}
}

func FuzzAddresses(f *testing.F) {
	f.Add([]byte(`A "b\" c" <@x,@y:"d e"@f.example (g)>, h: i@j;, k (l`))
	f.Add([]byte("a@b <c@[d\r\n e]>;;:\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		list := ParseAddresses(nil, b)
		if len(list) > 2*len(b)+2 {
			t.Errorf("%d addresses from %d octets", len(list), len(b))
		}
		open := false
		for _, a := range list {
			switch {
			case a.Host != "":
			case a.Mailbox != "" && !open:
				open = true
			case a.Mailbox == "" && open:
				open = false
			default:
				t.Errorf("group out of order: %+v", list)
			}
		}
		if open {
			t.Errorf("group left open: %+v", list)
		}
	})
}

func BenchmarkStructure(b *testing.B) {
	raw := []byte(minutes + strings.Repeat("A line of the body, as long as lines are.\r\n", 80))
	b.ReportAllocs()
	for b.Loop() {
		m := message.Parse(raw)
		ParseEnvelope(m.Root())
		ParseBodyStructure(m.Root())
	}
}

func BenchmarkAppendStructure(b *testing.B) {
	m := message.Parse([]byte(minutes))
	e, s := ParseEnvelope(m.Root()), ParseBodyStructure(m.Root())
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendBodyStructure(AppendEnvelope(buf[:0], e), s, true)
	}
}
