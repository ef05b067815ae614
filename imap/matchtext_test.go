package imap

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/smtp/message"
)

// FuzzNeedle: what is found is what is found in lower case.
func FuzzNeedle(f *testing.F) {
	f.Add("A Letter of Words", "LETTER")
	f.Add("200 \u212aelvin in \u0130stanbul", "kelvin IN")
	f.Add("Grüße", "grÜSSE")
	f.Add(strings.Repeat("a", 200), strings.Repeat("a", 30)+"b") // more work than is worth it
	f.Add("x", "")
	f.Add("\xff\xfe", "\xff")
	f.Fuzz(func(t *testing.T, text, want string) {
		n := newNeedle(want)
		has := bytes.Contains(bytes.ToLower([]byte(text)), []byte(strings.ToLower(want)))
		if got := n.in([]byte(text)); got != has {
			t.Fatalf("%q in %q: %v", want, text, got)
		}
		var all texts
		all.add([]byte(""))
		all.add([]byte(text))
		for range 2 {
			if got := all.contains(&n); got != has {
				t.Fatalf("%q in %q of texts: %v", want, text, got)
			}
		}
	})
}

func TestNeedleWork(t *testing.T) {
	n := newNeedle(strings.Repeat("a", 1000) + "b")
	n.at, n.next = 0, 0 // as if there were nothing rare in it
	if found, sure := n.find(bytes.Repeat([]byte("a"), 1<<20)); found || sure {
		t.Error("a search that compares everything with everything went on to its end")
	}
}

// FuzzAppendDecoded: the decoders beside ones that take an octet at a time, behind what is in the memory already.
func FuzzAppendDecoded(f *testing.F) {
	for _, text := range []string{"a=C3=BCb =\r\nc \t\r\n=3d=\n", "=", "=4", "=4\r\n", "= \r\n", "a\r b\r\r\n", "=3D \r", "YWJj\r\nZA==", "YW Jj!ZA=", "YQ==YQ=="} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if got := appendQuotedPrintable([]byte("x"), text); string(got) != "x"+string(slowQuotedPrintable(text)) {
			t.Fatalf("quoted-printable of %q: %q", text, got)
		}
		kept := strings.Map(func(r rune) rune {
			if !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=", r) {
				return -1
			}
			return r
		}, string(text))
		want, _ := io.ReadAll(base64.NewDecoder(base64.StdEncoding, strings.NewReader(kept)))
		if got := appendBase64([]byte("x"), text); string(got) != "x"+string(want) {
			t.Fatalf("base64 of %q: %q, want %q", text, got[1:], want)
		}
	})
}

func slowQuotedPrintable(text []byte) []byte {
	var out []byte
	for line := range bytes.Lines(text) {
		end := line
		line = bytes.TrimRight(line, " \t\r\n")
		end = end[len(line):]
		for i := 0; i < len(line); i++ {
			if line[i] == '=' && i == len(line)-1 {
				end = nil
				break
			}
			if line[i] == '=' && i+2 < len(line) {
				if b, ok := hexOctet(line[i+1], line[i+2]); ok {
					out = append(out, b)
					i += 2
					continue
				}
			}
			out = append(out, line[i])
		}
		if i := bytes.IndexAny(end, "\r\n"); i >= 0 {
			out = append(out, end[i:]...)
		}
	}
	return out
}

// BenchmarkMatch looks for a word in a message of 4 KiB in quoted-printable.
func BenchmarkMatch(b *testing.B) {
	line := strings.Repeat("Words of a letter, as =C3=A4lter ones are.\r\n", 35)
	raw := "Received: from a.bench.test (a.bench.test [192.0.2.1])\r\n\tby b.bench.test with ESMTPS id 1\r\n\tfor <bob@bench.test>; Thu, 26 Nov 2026 10:00:00 +0000\r\n" +
		"From: Ann Example <ann@bench.test>\r\nTo: \"Bob B.\" <bob@bench.test>, carol@bench.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= number 1\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/alternative; boundary=\"=_b\"\r\n\r\n--=_b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + line +
		"\r\n--=_b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>" + line + "</p>\r\n--=_b--\r\n"
	c := SearchCriteria{Text: []string{"nowhere"}}
	match, text, m := c.Matcher(), &asked{m: message.Parse([]byte(raw))}, &Message{}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := match.Match(m, text); ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
