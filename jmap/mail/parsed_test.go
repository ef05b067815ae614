package mail_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

func crlf(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }

// entity writes a part: multiparts as "mixed(…)", leaves as "type disposition name".
func entity(spec *string, n *int) string {
	s := strings.TrimLeft(*spec, " \n\t")
	if i := strings.IndexAny(s, "(,)"); i >= 0 && s[i] == '(' {
		kind := s[:i]
		*n++
		boundary := fmt.Sprintf("b%d-", *n)
		var out strings.Builder
		out.WriteString("Content-Type: multipart/" + kind + "; boundary=\"" + boundary + "\"\n\n")
		s = s[i+1:]
		for {
			*spec = s
			out.WriteString("--" + boundary + "\n" + entity(spec, n) + "\n")
			s = strings.TrimLeft(*spec, " \n\t")
			end := s[0] == ')'
			s = s[1:]
			if end {
				*spec = s
				return out.String() + "--" + boundary + "--\n"
			}
		}
	}
	i := strings.IndexAny(s+")", ",)")
	f := append(strings.Fields(s[:i]), "", "")
	*spec = s[i:]
	out := "Content-Type: " + f[0] + "\nContent-Id: <" + f[1] + ">\n"
	if f[2] != "" {
		out += "Content-Disposition: " + f[2] + "\n"
	}
	return out + "\nbody of " + f[1] + "\n"
}

func cids(parts []mail.BodyPart) string {
	var out []string
	for _, p := range parts {
		out = append(out, string(p.CID))
	}
	return strings.Join(out, " ")
}

func TestBodyParts(t *testing.T) {
	for _, c := range []struct{ name, spec, text, html, attachments string }{
		{"RFC 8621 §4.1.4", `mixed(text/plain A inline, mixed(
			alternative(mixed(text/plain B inline, image/jpeg C inline, text/plain D inline), related(text/html E, image/jpeg F)),
			image/jpeg G attachment, application/x-excel H, message/rfc822 J), text/plain K inline)`,
			"A B C D K", "A E K", "C F G H J"},
		{"plain", `text/plain A`, "A", "A", ""},
		{"html", `text/html A`, "A", "A", ""},
		{"alternative", `alternative(text/plain A, text/html B)`, "A", "B", ""},
		{"html only alternative", `alternative(text/html B)`, "B", "B", ""},
		{"plain only alternative", `alternative(text/plain A, text/calendar X)`, "A", "A", "X"},
		{"attached text", `mixed(text/plain A, text/plain B attachment;filename=x)`, "A", "A", "B"},
		{"named text", `mixed(text/plain A, text/plain;name=x B, image/png;name=y C)`, "A C", "A C", "B"},
		{"only a pdf", `application/pdf A`, "", "", "A"},
		{"attached alone", `text/plain A attachment`, "", "", "A"},
	} {
		n, spec := 0, c.spec
		p := mail.Parse(crlf("Subject: x\n"+entity(&spec, &n)), "B")
		if got := cids(p.TextBody); got != c.text {
			t.Errorf("%s: text %q, want %q", c.name, got, c.text)
		}
		if got := cids(p.HTMLBody); got != c.html {
			t.Errorf("%s: html %q, want %q", c.name, got, c.html)
		}
		if got := cids(p.Attachments); got != c.attachments {
			t.Errorf("%s: attachments %q, want %q", c.name, got, c.attachments)
		}
	}
}

const letter = `From: "Jörg" <joerg@example.com>
To: bob@example.net
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
Date: Fri, 21 Nov 1997 09:55:06 -0600
Message-ID: <1@example.com>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

> quoted
Gr=FC=DFe,   und
=20 so=
 weiter
--=20
Sig
--b
Content-Type: application/octet-stream;
 name*0*=utf-8''%C3%A4; name*1=.bin
Content-Disposition: attachment
Content-Transfer-Encoding: base64
Content-Language: de, en-GB (x)
Content-Location: http://example.com/
 x

AAEC
Aw==
--b
Content-Disposition: inline; filename="=?utf-8?q?=C3=A4?=.txt"
Content-Transfer-Encoding: x-odd

caf` + "\xe9" + `
--b--
`

func TestParsed(t *testing.T) {
	p := mail.Parse(crlf(letter), "B1")
	sel, err := jmap.Select[mail.BodyPart](append(mail.DefaultBodyProperties(), "header:Content-Location"), func(string) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, part := range p.Structure.SubParts {
		part.SetSelection(sel)
		b, _ := jmap.Marshal(part)
		got = append(got, string(b))
	}
	want := []string{
		`{"partId":"1","blobId":"B1_p1","size":45,"name":null,"type":"text/plain","charset":"iso-8859-1","disposition":null,"cid":null,"language":null,"location":null,"header:Content-Location":null}`,
		`{"partId":"2","blobId":"B1_p2","size":4,"name":"ä.bin","type":"application/octet-stream","charset":null,"disposition":"attachment","cid":null,"language":["de","en-GB"],"location":"http://example.com/x","header:Content-Location":null}`,
		`{"partId":"3","blobId":"B1_p3","size":4,"name":"=?utf-8?q?=C3=A4?=.txt","type":"text/plain","charset":"us-ascii","disposition":"inline","cid":null,"language":null,"location":null,"header:Content-Location":null}`,
	}
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Errorf("part %d\ngot  %s\nwant %s", i+1, got[i], want[i])
		}
	}
	v := p.Value(&p.TextBody[0], 0)
	if v.Value != "> quoted\nGrüße,   und\n  so weiter\n-- \nSig" || v.IsEncodingProblem || v.IsTruncated {
		t.Errorf("%+v", v)
	}
	if v := p.Value(&p.TextBody[0], 12); v.Value != "> quoted\nGr" || !v.IsTruncated {
		t.Errorf("%+v", v)
	}
	if v := p.Value(&p.Structure.SubParts[2], 0); v.Value != "caf\ufffd" || !v.IsEncodingProblem {
		t.Errorf("%+v", v)
	}
	if b, ok := p.Content("2"); string(b) != "\x00\x01\x02\x03" || !ok {
		t.Errorf("%q, %v", b, ok)
	}
	for _, id := range []string{"0", "4", "x", ""} {
		if b, _ := p.Content(id); b != nil {
			t.Errorf("part %s: %q", id, b)
		}
	}
	s := p.Summary()
	if *s.Subject != "Grüße" || s.Preview != "Grüße, und so weiter" || !s.HasAttachment || s.From[0].Name != "Jörg" || s.MessageID[0] != "1@example.com" ||
		!s.SentAt.Equal(time.Date(1997, 11, 21, 15, 55, 6, 0, time.UTC)) || s.Cc != nil {
		t.Errorf("%+v", s)
	}
	b, err := s.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	back, err := mail.ParseSummary(b)
	if again, _ := back.AppendJSON(nil); err != nil || string(again) != string(b) {
		t.Errorf("%s became %s, %v", b, again, err)
	}
}

func TestHTMLValue(t *testing.T) {
	p := mail.Parse(crlf("Content-Type: text/html; charset=utf-8\n\n<p>Hello <a href=\"https://example.com\">there</a></p>"), "B")
	if v := p.Value(&p.HTMLBody[0], 20); v.Value != "<p>Hello " || !v.IsTruncated {
		t.Errorf("%+v", v)
	}
	for html, want := range map[string]string{
		"<html><head><title>x</title><style>p{}</style></head><body><p>a&amp;b</p><br>c": "a&b c",
		"<script>if (a < b) {}</script>x":                                                "x",
		"x<!-- y > z -->w":                                                               "xw",
		"a < b":                                                                          "a < b",
		`<img src="x" alt="a cat">`:                                                      "a cat",
		`<a title='T' href="a>b">l</a>`:                                                  "T l",
		"<style>never ends":                                                              "",
		"<head>never ends":                                                               "never ends",
		"wo<b>r</b>d":                                                                    "word",
		"<":                                                                              "<",
	} {
		p := mail.Parse([]byte("Content-Type: text/html\r\n\r\n"+html), "B")
		if got := p.Summary().Preview; got != want {
			t.Errorf("%q: got %q, want %q", html, got, want)
		}
	}
}

func TestPreviewLength(t *testing.T) {
	p := mail.Parse([]byte("Content-Type: text/plain; charset=utf-8\r\n\r\n"+strings.Repeat("ä ö ", 1000)), "B")
	if got := utf8.RuneCountInString(p.Summary().Preview); got > 256 || got < 250 {
		t.Errorf("%d characters", got)
	}
}

func TestDecodeTransfer(t *testing.T) {
	for _, c := range []struct {
		encoding, in, want string
		ok                 bool
	}{
		{"", "x", "x", true},
		{"8BIT ", "x", "x", true},
		{"base64", "aGVs\r\nbG8=", "hello", true},
		{"Base64", "aGVsbG8", "hello", false},
		{"base64", "aGVsbG8=aGVsbG8=", "hellohello", true},
		{"base64", "aG*Vs", "hel", false},
		{"base64", "a", "", false},
		{"quoted-printable", "a=3D=\r\nb \t\r\nc", "a=b\r\nc", true},
		{"quoted-printable", "a=3d=", "a=", true},
		{"quoted-printable", "a=4", "a=4", false},
		{"quoted-printable", "=ZZ", "=ZZ", false},
		{"x-uuencode", "x", "x", false},
	} {
		got, ok := mail.DecodeTransfer([]byte(c.in), c.encoding)
		if string(got) != c.want || ok != c.ok {
			t.Errorf("%s %q: %q, %v", c.encoding, c.in, got, ok)
		}
	}
}

func TestPartBlob(t *testing.T) {
	for id, want := range map[jmap.ID]string{"B_p1": "B 1", "a_p2_p33": "a_p2 33", "B": "", "B_p": "", "_p1": "", "B_p1x": ""} {
		blob, part, ok := mail.PartBlob(id)
		if got := strings.TrimSpace(string(blob) + " " + part); got != want || ok != (want != "") {
			t.Errorf("%s: %s", id, got)
		}
	}
}

// Every message of the suite parses, and what comes of it is valid text.
func TestSuite(t *testing.T) {
	dir := suites.Dir(t, "mime")
	n := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n++
		check(t, path, raw)
		return nil
	})
	if err != nil || n < 10 {
		t.Errorf("%d files, %v", n, err)
	}
}

func check(t *testing.T, name string, raw []byte) {
	p := mail.Parse(raw, "B")
	b, err := jmap.Marshal(p.Structure)
	if err != nil || !utf8.Valid(b) {
		t.Errorf("%s: structure: %v", name, err)
	}
	for _, list := range [][]mail.BodyPart{p.TextBody, p.HTMLBody} {
		for i := range list {
			if strings.HasPrefix(list[i].Type, "text/") {
				if _, err := jmap.Marshal(p.Value(&list[i], 100)); err != nil {
					t.Errorf("%s: value: %v", name, err)
				}
			}
		}
	}
	s := p.Summary()
	if b, err = s.AppendJSON(nil); err != nil {
		t.Errorf("%s: summary: %v", name, err)
	}
	if utf8.RuneCountInString(s.Preview) > 256 {
		t.Errorf("%s: preview too long", name)
	}
	if _, err := mail.ParseSummary(b); err != nil {
		t.Errorf("%s: summary: %v", name, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(crlf(letter))
	f.Add([]byte("Content-Type: text/html; charset=koi8-r\r\n\r\n<head><!--\xff<a alt='&#0;'>"))
	f.Add([]byte("Content-Type: multipart/alternative; boundary=a\n\n--a\n\n--a\nContent-Type: multipart/related; boundary=aa\n\n--aa--"))
	f.Fuzz(func(t *testing.T, raw []byte) { check(t, "fuzz", raw) })
}

func BenchmarkSummarize(b *testing.B) {
	raw := crlf(letter + strings.Repeat("more text\n", 2000))
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		mail.Summarize(raw)
	}
}
