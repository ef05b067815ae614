package imap

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/smtp/message"
)

func TestNeedleWork(t *testing.T) {
	n := newNeedle(strings.Repeat("a", 1000) + "b")
	n.at, n.next = 0, 0 // as if there were nothing rare in it
	if found, _, sure := n.find(bytes.Repeat([]byte("a"), 1<<20), &casemapper{}); found || sure {
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

// BenchmarkMatch looks for a word in messages of 4 KiB in quoted-printable.
func BenchmarkMatch(b *testing.B) {
	for _, c := range []struct{ name, line, key string }{
		{"ASCII", strings.Repeat("Words of a letter, as =61lter ones are.\r\n", 35), "nowhere"},
		{"Latin", strings.Repeat("Words of a letter, as =C3=A4lter ones are.\r\n", 35), "nowhere"},
		{"LatinKey", strings.Repeat("Words of a letter, as =C3=A4lter ones are.\r\n", 35), "nirgendwoüber"},
		{"Cyrillic", strings.Repeat("=D1=81=D0=BB=D0=BE=D0=B2=D0=B0 =D0=B8\r\n", 35), "нигде"},
		{"CJK", strings.Repeat("=E6=97=A5=E6=9C=AC=E8=AA=9E=E3=81=AE\r\n", 35), "nowhere"},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkMatch(b, c.line, c.key) })
	}
}

func benchmarkMatch(b *testing.B, line, key string) {
	raw := "Received: from a.bench.test (a.bench.test [192.0.2.1])\r\n\tby b.bench.test with ESMTPS id 1\r\n\tfor <bob@bench.test>; Thu, 26 Nov 2026 10:00:00 +0000\r\n" +
		"From: Ann Example <ann@bench.test>\r\nTo: \"Bob B.\" <bob@bench.test>, carol@bench.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= number 1\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/alternative; boundary=\"=_b\"\r\n\r\n--=_b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + line +
		"\r\n--=_b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>" + line + "</p>\r\n--=_b--\r\n"
	c := SearchCriteria{Text: []string{key}}
	match, text, m := c.Matcher(), &asked{m: message.Parse([]byte(raw))}, &Message{}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := match.Match(m, text); ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
