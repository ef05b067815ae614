package message

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	gomessage "github.com/emersion/go-message"
)

// show draws the tree: kind, then children or the body.
func show(p *Part) string {
	raw := p.m.Raw
	body := strings.NewReplacer("\r", "r", "\n", "n").Replace(string(raw[p.BodyStart:p.End]))
	name := map[Kind]string{Leaf: "leaf", Multipart: "multi", Embedded: "msg"}[p.Kind]
	if p.Synthetic {
		name = "synth"
	}
	if p.Kind == Leaf {
		return fmt.Sprintf("%s<%s>", name, body)
	}
	var s []string
	for c := range p.Children() {
		s = append(s, show(c))
	}
	return fmt.Sprintf("%s(%s)", name, strings.Join(s, " "))
}

// check tests what holds of every map.
func check(t *testing.T, m *Message) {
	t.Helper()
	if len(m.Parts) == 0 || len(m.Parts) > MaxParts {
		t.Fatalf("%d parts", len(m.Parts))
	}
	root := m.Root()
	if root.Start != 0 || root.End != len(m.Raw) || root.Parent != -1 || root.next != len(m.Parts) {
		t.Fatalf("root %+v of %d octets", root, len(m.Raw))
	}
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Index != i || p.Start > p.BodyStart || p.BodyStart > p.End || p.Depth > MaxDepth {
			t.Fatalf("part %d: %+v", i, p)
		}
		at := p.Start
		for _, f := range p.Fields() {
			if f.Start != at || f.End <= f.Start || f.Colon >= f.End {
				t.Fatalf("part %d: field %+v does not begin at %d", i, f, at)
			}
			at = f.End
		}
		if gap := string(m.Raw[at:p.BodyStart]); gap != "" && gap != "\n" && gap != "\r\n" {
			t.Fatalf("part %d: %q between fields and body", i, gap)
		}
		at, n := p.BodyStart, 0
		for c := range p.Children() {
			n++
			if c.Parent != i || c.Depth != p.Depth+1 || c.Start < at || c.End > p.End {
				t.Fatalf("part %d: child %+v", i, c)
			}
			if p.Child(n) != c && n < 20 {
				t.Fatalf("part %d: Child(%d)", i, n)
			}
			at = c.End
		}
		if (p.Kind == Leaf) != (n == 0) || p.Kind == Embedded && n != 1 {
			t.Fatalf("part %d: kind %d with %d children", i, p.Kind, n)
		}
		p.ContentType()
	}
}

func TestParse(t *testing.T) {
	tests := []struct{ name, raw, want string }{
		{"nothing", "", "leaf<>"},
		{"header only", "A: b\r\n", "leaf<>"},
		{"empty line only", "\r\n", "leaf<>"},
		{"no header", "\nhello", "leaf<hello>"},
		{"plain", "A: b\r\n\r\nhello\r\n", "leaf<hellorn>"},
		{"bare LF", "A: b\n\nhello\n", "leaf<hellon>"},
		{"CR is no line", "A: b\r\r\n\r\nx", "leaf<x>"},
		{"no colon, no body", "hello\nthere\n", "leaf<>"},
		{"two", "Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\nepi\r\n",
			"multi(leaf<one> leaf<two>)"},
		{"bare LF in parts", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b--\n", "multi(leaf<one> leaf<two>)"},
		{"no end boundary", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n", "multi(leaf<onern>)"},
		{"no line end behind the end boundary", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b--", "multi(leaf<one>)"},
		{"no parts", "Content-Type: multipart/mixed; boundary=b\r\n\r\nhello\r\n", "multi(synth<>)"},
		{"end boundary only", "Content-Type: multipart/mixed; boundary=b\r\n\r\nhello\r\n--b--\r\n", "multi(synth<>)"},
		{"no boundary parameter", "Content-Type: multipart/mixed\r\n\r\n--b\r\nhello\r\n", "multi(synth<>)"},
		{"empty boundary", "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\nx\r\n", "multi(synth<>)"},
		{"multipart without a body", "Content-Type: multipart/mixed; boundary=b\r\n", "multi(synth<>)"},
		{"empty parts", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b\r\n\r\n--b\r\n\r\n\r\n--b--\r\n", "multi(leaf<> leaf<> leaf<>)"},
		{"part header cut by a boundary", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nA: b\r\n--b\r\n\r\nx\r\n--b--\r\n", "multi(leaf<> leaf<x>)"},
		{"white space behind the boundary", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b \t\r\n\r\nx\r\n--b-- \r\n", "multi(leaf<x>)"},
		{"not at the beginning of a line", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx --b\r\n --b\r\n--b--\r\n", "multi(leaf<x --brn --b>)"},
		{"boundary in quotes with escapes", "Content-Type: multipart/mixed; boundary=\"a\\\"b c\"\r\n\r\n--a\"b c\r\n\r\nx\r\n--a\"b c--\r\n", "multi(leaf<x>)"},
		{"boundary in pieces", "Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\r\n\r\n--ab\r\n\r\nx\r\n--ab--\r\n", "multi(leaf<x>)"},
		{"Content-Type folded and commented", "Content-Type: (a) multipart (b) / \r\n mixed (c) ;\r\n\tboundary=b (d)\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n", "multi(leaf<x>)"},
		{"first Content-Type counts", "Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n", "leaf<--brnrnxrn>"},
		{"nested", "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n1\r\n--b--\r\n\r\n--a\r\n\r\n2\r\n--a--\r\n",
			"multi(multi(leaf<1>) leaf<2>)"},
		{"inner end boundary missing", "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n1\r\n--a\r\n\r\n2\r\n--a--\r\n",
			"multi(multi(leaf<1>) leaf<2>)"},
		{"inner boundary extends the outer", "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=ab\r\n\r\n--ab\r\n\r\n1\r\n--ab\r\n\r\n2\r\n--ab--\r\n\r\n--a\r\n\r\n3\r\n--a--\r\n",
			"multi(multi(leaf<1> leaf<2>) leaf<3>)"},
		{"outer boundary extends the inner", "Content-Type: multipart/mixed; boundary=ab\r\n\r\n--ab\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\n1\r\n--ab\r\n\r\n2\r\n--ab--\r\n",
			"multi(multi(leaf<1>) leaf<2>)"},
		{"inner boundary is the outer end", "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=a--\r\n\r\n--a--\r\n\r\n1\r\n--a----\r\n--a\r\n\r\n2\r\n--a--\r\n",
			"multi(multi(leaf<1>) leaf<2>)"},
		{"same boundary twice", "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\n1\r\n--a--\r\n--a\r\n\r\n2\r\n--a--\r\n",
			"multi(multi(leaf<1>) leaf<2>)"},
		{"message", "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nhello", "msg(leaf<hello>)"},
		{"message of nothing", "Content-Type: message/rfc822\r\n\r\n", "msg(leaf<>)"},
		{"message without a body", "Content-Type: message/rfc822\r\n", "msg(leaf<>)"},
		{"global", "Content-Type: message/global\r\n\r\nSubject: x\r\n\r\nhello", "msg(leaf<hello>)"},
		{"partial is a leaf", "Content-Type: message/partial\r\n\r\nSubject: x\r\n\r\nhello", "leaf<Subject: xrnrnhello>"},
		{"message within a part", "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n1\r\n--a\r\n\r\n2\r\n--a--\r\n",
			"multi(msg(multi(leaf<1>)) leaf<2>)"},
		{"message cut in its header", "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: message/rfc822\r\n--a--\r\n", "multi(msg(synth<>))"},
		{"digest", "Content-Type: multipart/digest; boundary=a\r\n\r\n--a\r\n\r\nSubject: x\r\n\r\n1\r\n--a\r\nContent-Type: text/plain\r\n\r\n2\r\n--a--\r\n",
			"multi(msg(leaf<1>) leaf<2>)"},
	}
	for _, tt := range tests {
		m := Parse([]byte(tt.raw))
		check(t, m)
		if got := show(m.Root()); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
		if m.Truncated {
			t.Errorf("%s: truncated", tt.name)
		}
	}
}

func TestLimits(t *testing.T) {
	var nested strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&nested, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	m := Parse([]byte(nested.String()))
	check(t, m)
	last := &m.Parts[len(m.Parts)-1]
	if !m.Truncated || last.Depth != MaxDepth || last.ContentType().Type != "application" {
		t.Errorf("5000 nested multiparts: %d parts, the last at depth %d, %v", len(m.Parts), last.Depth, last.ContentType())
	}

	m = Parse([]byte(strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 5000)))
	check(t, m)
	if !m.Truncated || len(m.Parts) != MaxDepth+1 {
		t.Errorf("5000 nested messages: %d parts", len(m.Parts))
	}

	raw := "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 20000) + "--b--\r\n"
	m = Parse([]byte(raw))
	check(t, m)
	if last = &m.Parts[len(m.Parts)-1]; !m.Truncated || len(m.Parts) != MaxParts || last.End != len(raw) {
		t.Errorf("20000 parts: %d, the last %+v", len(m.Parts), last)
	}
	raw = "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: message/rfc822\r\n\r\n" + raw
	m = Parse([]byte(raw))
	check(t, m)
	if p := m.Root().Child(1); !m.Truncated || p.End != len(raw) || p.Child(1).End != len(raw) {
		t.Errorf("20000 parts further down: %+v", p)
	}
	raw = "Content-Type: multipart/digest; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nA: b\r\n\r\nx\r\n", 20000) + "--b--\r\n"
	check(t, Parse([]byte(raw)))
}

func TestFields(t *testing.T) {
	raw := []byte("From x\nSubject : a\r\n b\r\nX:\r\nsubject:c\r\n\r\n")
	p := Parse(raw).Root()
	var got []string
	for _, f := range p.Fields() {
		got = append(got, fmt.Sprintf("%q=%q", f.Name(raw), f.Value(raw)))
	}
	want := []string{`""="From x"`, `"Subject"=" a\r\n b"`, `"X"=""`, `"subject"="c"`}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	v, ok := p.Get("SUBJECT")
	if s := AppendUnfolded([]byte("> "), v); !ok || string(s) != "> a b" {
		t.Errorf("unfolded %q", s)
	}
	if _, ok := p.Get("To"); ok {
		t.Error("found a field that is not there")
	}
	n := 0
	for range p.Values("Subject") {
		n++
	}
	if n != 2 {
		t.Errorf("%d Subjects", n)
	}
	if string(p.Header())+string(p.Body()) != string(raw) || string(p.Bytes()) != string(raw) || &p.Message().Raw[0] != &raw[0] {
		t.Error("header and body are not the message")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: message/rfc822\r\n\r\nA: b\r\n\r\n1\r\n--a\r\n\r\n2\r\n--a--\r\n"))
	f.Add([]byte("Content-Type: multipart/digest; boundary*0=\"a\\\"\r\n\r\n--a\"\n--a\"--"))
	f.Add([]byte("Content-Type: multipart/x; boundary=a--\n\n--a--\nContent-Type: multipart/mixed; boundary=a\n\n--a--\n\n--a\n"))
	f.Fuzz(func(t *testing.T, raw []byte) { check(t, Parse(raw)) })
}

func newsletter() []byte {
	var b bytes.Buffer
	b.WriteString("From: Alice <alice@example.com>\r\nTo: bob@example.net\r\nSubject: hi\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n" +
		"Message-ID: <1@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"outer\"\r\n\r\n" +
		"--outer\r\nContent-Type: multipart/alternative; boundary=\"inner\"\r\n\r\n" +
		"--inner\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")
	b.WriteString(strings.Repeat("A line of plain text that is as long as lines are wont to be.\r\n", 40))
	b.WriteString("--inner\r\nContent-Type: text/html; charset=utf-8\r\n\r\n")
	b.WriteString(strings.Repeat("<p>A line of text that is as long as lines are wont to be.</p>\r\n", 60))
	b.WriteString("--inner--\r\n--outer\r\nContent-Type: application/pdf; name=\"a.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	b.WriteString(strings.Repeat("JVBERi0xLjQKJcOkw7zDtsOfCjIgMCBvYmoKPDwvTGVuZ3RoIDMgMCBSL0ZpbHRlci9GbGF0ZURl\r\n", 500))
	b.WriteString("--outer--\r\n")
	return b.Bytes()
}

func BenchmarkParse(b *testing.B) {
	raw := newsletter()
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if len(Parse(raw).Parts) != 5 {
			b.Fatal("parts")
		}
	}
}

// BenchmarkGoMessage does the same work with go-message: it finds every part and skips its body.
func BenchmarkGoMessage(b *testing.B) {
	raw := newsletter()
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		e, err := gomessage.Read(bytes.NewReader(raw))
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		if err := e.Walk(func([]int, *gomessage.Entity, error) error { n++; return nil }); err != nil || n != 5 {
			b.Fatal(n, err)
		}
	}
}
