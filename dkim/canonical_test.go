package dkim

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// keep is a hash that keeps what it is fed.
type keep struct{ bytes.Buffer }

func (k *keep) Sum([]byte) []byte { return k.Bytes() }
func (k *keep) Size() int         { return 0 }
func (k *keep) BlockSize() int    { return 1 }

var _ hash.Hash = (*keep)(nil)

func canonical(c Canonicalization, length int64, pieces ...string) string {
	k := &keep{}
	b := NewBodyHash(c, k, length)
	for _, p := range pieces {
		b.Write([]byte(p))
	}
	return string(b.Sum())
}

// naive does what RFC 6376 §3.4.3 and §3.4.4 say, with no thought of speed.
func naive(c Canonicalization, body string) string {
	if c == Relaxed {
		lines := strings.Split(body, "\r\n")
		for i, line := range lines {
			line = regexp.MustCompile(`[ \t]+`).ReplaceAllString(line, " ")
			lines[i] = strings.TrimRight(line, " ")
		}
		body = strings.Join(lines, "\r\n")
	}
	for strings.HasSuffix(body, "\r\n") {
		body = strings.TrimSuffix(body, "\r\n")
	}
	if body == "" && c == Relaxed {
		return ""
	}
	return body + "\r\n"
}

func TestBody(t *testing.T) {
	for _, tt := range []struct{ in, simple, relaxed string }{
		{"", "\r\n", ""},
		{"\r\n\r\n", "\r\n", ""},
		{" \r\n", " \r\n", ""},
		{" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"}, // RFC 6376 §3.4.5
		{"no end", "no end\r\n", "no end\r\n"},
		{"space at end  ", "space at end  \r\n", "space at end\r\n"},
		{"a\r\n\r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n"},
		{"a\r\n \t \r\n", "a\r\n \t \r\n", "a\r\n"},
		{"bare\rCR and\nLF \r", "bare\rCR and\nLF \r\r\n", "bare\rCR and\nLF \r\r\n"},
	} {
		if got := canonical(Simple, -1, tt.in); got != tt.simple {
			t.Errorf("simple %q: %q, want %q", tt.in, got, tt.simple)
		}
		if got := canonical(Relaxed, -1, tt.in); got != tt.relaxed {
			t.Errorf("relaxed %q: %q, want %q", tt.in, got, tt.relaxed)
		}
	}
	if got := canonical(Simple, 3, "abcdef"); got != "abc" {
		t.Errorf("l=3: %q", got)
	}
	if got := canonical(Relaxed, 0, "abcdef"); got != "" {
		t.Errorf("l=0: %q", got)
	}
}

// TestBodySplit: where a body is cut does not matter, and what comes out is what the RFC says.
func TestBodySplit(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const letters = "ab \t\r\n"
	for range 700 {
		var s strings.Builder
		for range rng.IntN(40) {
			switch rng.IntN(4) {
			case 0:
				s.WriteString("\r\n")
			case 3: // long enough to be hashed as a block
				s.WriteString(strings.Repeat("w", rng.IntN(2*denseRun)))
			case 1:
				s.WriteString("word")
			default:
				s.WriteByte(letters[rng.IntN(len(letters))])
			}
		}
		body := s.String()
		for _, c := range []Canonicalization{Simple, Relaxed} {
			want := naive(c, body)
			one := make([]string, len(body))
			for i := range len(body) {
				one[i] = body[i : i+1]
				if got := canonical(c, -1, body[:i], body[i:]); got != want {
					t.Fatalf("%s %q cut at %d: %q, want %q", c, body, i, got, want)
				}
			}
			if got := canonical(c, -1, one...); got != want {
				t.Fatalf("%s %q octet by octet: %q, want %q", c, body, got, want)
			}
		}
	}
}

func FuzzBody(f *testing.F) {
	f.Add([]byte(" C \r\nD \t E\r\n\r\n\r\n"), uint16(3))
	f.Add([]byte("\r\r\n\n \r"), uint16(1))
	f.Fuzz(func(t *testing.T, body []byte, cut uint16) {
		n := min(int(cut), len(body))
		for _, c := range []Canonicalization{Simple, Relaxed} {
			if got, want := canonical(c, -1, string(body[:n]), string(body[n:])), naive(c, string(body)); got != want {
				t.Fatalf("%s %q cut at %d: %q, want %q", c, body, n, got, want)
			}
		}
	})
}

func TestField(t *testing.T) {
	for _, tt := range []struct{ in, relaxed string }{
		{"A: X\r\n", "a:X\r\n"}, // RFC 6376 §3.4.5
		{"B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"},
		{"Subject:\r\n", "subject:\r\n"},
		{"SUBJect: AbC\r\n", "subject:AbC\r\n"},
	} {
		if got := string(Relaxed.AppendField(nil, []byte(tt.in))); got != tt.relaxed {
			t.Errorf("%q: %q, want %q", tt.in, got, tt.relaxed)
		}
		if got := string(Simple.AppendField(nil, []byte(tt.in))); got != tt.in {
			t.Errorf("%q: %q", tt.in, got)
		}
	}
}

func TestWithoutB(t *testing.T) {
	for in, want := range map[string]string{
		"S: v=1; b=abc; bh=x\r\n":              "S: v=1; b=; bh=x\r\n",
		"S: v=1; b =\r\n abc\r\n def; c=1\r\n": "S: v=1; b =; c=1\r\n",
		"S: b=abc\r\n":                         "S: b=\r\n",
		"S: bh=abb=; ab=b=c;b=x;\r\n":          "S: bh=abb=; ab=b=c;b=;\r\n",
		"S: v=1;\r\n\tb=a=b=\r\n":              "S: v=1;\r\n\tb=\r\n",
	} {
		if got := string(appendWithoutB(nil, []byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func BenchmarkBody(b *testing.B) {
	text := bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog, and then it does so once more.\r\n"), 1<<20/77)
	for _, c := range []Canonicalization{Simple, Relaxed} {
		b.Run(string(c), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				h := NewBodyHash(c, nothing{}, -1)
				h.Write(text)
				h.Sum()
			}
		})
	}
	b.Run("sha256", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			sha256.Sum256(text)
		}
	})
}

// nothing is a hash that costs nothing.
type nothing struct{}

func (nothing) Write(p []byte) (int, error) { return len(p), nil }
func (nothing) Sum([]byte) []byte           { return nil }
func (nothing) Reset()                      {}
func (nothing) Size() int                   { return 0 }
func (nothing) BlockSize() int              { return 1 }

// BenchmarkHostileBody canonicalises what has no long canonical run.
func BenchmarkHostileBody(b *testing.B) {
	for name, unit := range map[string]string{"html": "\t\t<td>The quick  brown fox</td> \r\n        <td class=\"b\">jumps over the lazy dog.</td>\r\n", "tabs": "a\t", "spaces": "a  ", "trailing": "a \r\n", "cr": "\r", "lines": "\r\n", "short lines": "a\r\n", "blank": " \r\n"} {
		body := []byte(strings.Repeat(unit, 1<<20/len(unit)))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				h := NewBodyHash(Relaxed, nothing{}, -1)
				_, _ = h.Write(body)
				h.Sum()
			}
		})
	}
}
