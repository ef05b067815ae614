package line

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// chunks yields a stream in pieces of n octets, so that every look-ahead meets every border.
type chunks struct {
	data []byte
	n    int
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.n)], c.data)
	c.data = c.data[n:]
	return n, nil
}

// naive reads a body octet by octet. It returns what it yields, what of the wire is left, and how it ended.
func naive(wire []byte, off Offences, maxLine int) (out, rest []byte, end string) {
	start, n := true, 0
	at := func(i int) byte {
		if i < len(wire) {
			return wire[i]
		}
		return 1
	}
	for i := 0; i < len(wire); {
		if start && wire[i] == '.' {
			if i+2 >= len(wire) && strings.HasPrefix(".\r\n", string(wire[i:])) {
				return out, nil, "unexpected EOF"
			}
			if bytes.HasPrefix(wire[i:], []byte(".\r\n")) {
				return out, wire[i+3:], "EOF"
			}
			start = false
			i++
			continue
		}
		c := wire[i]
		switch {
		case c == '\r' && i+1 == len(wire) && (maxLine == 0 || n < maxLine):
			return out, nil, "unexpected EOF"
		case c == '\r' && at(i+1) == '\n' && i+1 < len(wire):
			for k := range 2 {
				if n++; maxLine > 0 && n > maxLine {
					return out, wire[i+k:], "long"
				}
				out = append(out, wire[i+k])
			}
			i += 2
			start, n = true, 0
			continue
		case (c == 0 || c == '\r') && maxLine > 0 && n >= maxLine:
			return out, wire[i:], "long"
		case c == '\r' || c == '\n' || c == 0:
			switch off {
			case Refuse:
				return out, wire[i:], fmt.Sprintf("offence %d at %d", c, len(out))
			case Normalize:
				if c != 0 {
					out = append(out, "\r\n"...)
					n = 0
				}
			case Pass:
				if n++; maxLine > 0 && n > maxLine {
					return out, wire[i:], "long"
				}
				out = append(out, c)
			}
		default:
			if n++; maxLine > 0 && n > maxLine {
				return out, wire[i:], "long"
			}
			out = append(out, c)
		}
		start = false
		i++
	}
	return out, nil, "unexpected EOF"
}

func outcome(err error) string {
	if o, ok := errors.AsType[*OffenceError](err); ok {
		return fmt.Sprintf("offence %d at %d", o.Char, o.Offset)
	}
	if _, ok := errors.AsType[*TooLongError](err); ok {
		return "long"
	}
	return err.Error()
}

// readDot reads a body through a buffer and in pieces of the given sizes.
func readDot(wire []byte, off Offences, maxLine, buffer, piece, read int) (out, rest []byte, end string) {
	r := NewReader(&chunks{wire, piece}, buffer)
	d := NewDotReader(r, off, maxLine)
	p := make([]byte, read)
	for {
		n, err := d.Read(p)
		out = append(out, p[:n]...)
		if err != nil {
			end = outcome(err)
			break
		}
	}
	if end == "EOF" {
		rest, _ = io.ReadAll(r)
	}
	return out, rest, end
}

func TestDotReader(t *testing.T) {
	tests := []struct {
		name, wire string
		off        Offences
		maxLine    int
		out, end   string
	}{
		{"empty", ".\r\n", Refuse, 0, "", "EOF"},
		{"one line", "a\r\n.\r\n", Refuse, 0, "a\r\n", "EOF"},
		{"stuffed", "..a\r\n...\r\n.\r\n", Refuse, 0, ".a\r\n..\r\n", "EOF"},
		{"dot not stuffed", ".a\r\n.\r\n", Refuse, 0, "a\r\n", "EOF"},
		{"dot within", "a.\r\nb..c\r\n.\r\n", Refuse, 0, "a.\r\nb..c\r\n", "EOF"},
		{"no end", "a\r\n", Refuse, 0, "a\r\n", "unexpected EOF"},
		{"half an end", "a\r\n.\r", Refuse, 0, "a\r\n", "unexpected EOF"},
		{"bare LF", "ab\ncd\r\n.\r\n", Refuse, 0, "ab", "offence 10 at 2"},
		{"bare CR", "ab\rcd\r\n.\r\n", Refuse, 0, "ab", "offence 13 at 2"},
		{"NUL", "ab\x00cd\r\n.\r\n", Refuse, 0, "ab", "offence 0 at 2"},
		{"LF.LF", "a\n.\nb\r\n.\r\n", Pass, 0, "a\n.\nb\r\n", "EOF"},
		{"LF.CRLF", "a\n.\r\nb\r\n.\r\n", Pass, 0, "a\n.\r\nb\r\n", "EOF"},
		{"CRLF.LF", "a\r\n.\nb\r\n.\r\n", Pass, 0, "a\r\n\nb\r\n", "EOF"},
		{"CRLF.CR", "a\r\n.\rb\r\n.\r\n", Pass, 0, "a\r\n\rb\r\n", "EOF"},
		{"CR.CRLF", "a\r.\r\nb\r\n.\r\n", Pass, 0, "a\r.\r\nb\r\n", "EOF"},
		{"CRLF.NUL CRLF", "a\r\n.\x00\r\nb\r\n.\r\n", Pass, 0, "a\r\n\x00\r\nb\r\n", "EOF"},
		{"CRLF.CRCRLF", "a\r\n.\r\r\nb\r\n.\r\n", Pass, 0, "a\r\n\r\r\nb\r\n", "EOF"},
		{"ends in bare CR", "a\r\r\n.\r\n", Pass, 0, "a\r\r\n", "EOF"},
		{"normalised", "a\nb\rc\x00d\n.\r\n\r\n.\r\n", Normalize, 0, "a\r\nb\r\ncd\r\n.\r\n\r\n", "EOF"},
		{"normalised CRCRLF", "a\r\r\n.\r\n", Normalize, 0, "a\r\n\r\n", "EOF"},
		{"as long as may be", "abcd\r\n.\r\n", Refuse, 6, "abcd\r\n", "EOF"},
		{"one too long", "abcde\r\n.\r\n", Refuse, 6, "abcde\r", "long"},
		{"much too long", "abcdefghij\r\n.\r\n", Refuse, 6, "abcdef", "long"},
	}
	for _, tt := range tests {
		for piece := 1; piece <= len(tt.wire); piece++ {
			for _, read := range []int{1, 2, 3, 5, 4096} {
				out, rest, end := readDot([]byte(tt.wire+"QUIT\r\n"), tt.off, tt.maxLine, 64, piece, read)
				if strings.Contains(tt.end, "unexpected") {
					out, rest, end = readDot([]byte(tt.wire), tt.off, tt.maxLine, 64, piece, read)
				}
				if string(out) != tt.out || end != tt.end {
					t.Fatalf("%s, pieces of %d, reads of %d: %q %s, want %q %s", tt.name, piece, read, out, end, tt.out, tt.end)
				}
				if end == "EOF" && string(rest) != "QUIT\r\n" {
					t.Fatalf("%s, pieces of %d: rest %q", tt.name, piece, rest)
				}
			}
		}
	}
}

func TestDotReaderWriteTo(t *testing.T) {
	wire := strings.Repeat("..dots\r\nplain\r\n", 5000) + ".\r\nNOOP\r\n"
	want := strings.Repeat(".dots\r\nplain\r\n", 5000)
	r := NewReader(&chunks{[]byte(wire), 1000}, 4096)
	var b bytes.Buffer
	n, err := io.Copy(&b, NewDotReader(r, Refuse, 0))
	if err != nil || b.String() != want || n != int64(len(want)) {
		t.Fatalf("%d octets, %v", n, err)
	}
	if l, err := r.ReadLine(100); string(l) != "NOOP" {
		t.Fatalf("%q %v", l, err)
	}
}

func TestDotReaderDrain(t *testing.T) {
	for _, body := range []string{"a\nb", "a\x00b", "a\rb", strings.Repeat("x", 500), "fine"} {
		r := NewReader(&chunks{[]byte(body + "\r\n.\r\nNOOP\r\n"), 7}, 64)
		d := NewDotReader(r, Refuse, 100)
		_, _ = io.Copy(io.Discard, d)
		if err := d.Drain(1 << 20); err != nil || !d.Ended() {
			t.Fatalf("%q: %v", body, err)
		}
		if l, err := r.ReadLine(100); string(l) != "NOOP" {
			t.Fatalf("%q: next line %q %v", body, l, err)
		}
	}
	d := NewDotReader(NewReader(strings.NewReader(strings.Repeat("x", 500)), 64), Refuse, 0)
	if err := d.Drain(300); outcome(err) != "long" || d.Ended() {
		t.Fatalf("endless body: %v", err)
	}
	d = NewDotReader(NewReader(iotest.ErrReader(io.ErrClosedPipe), 64), Refuse, 0)
	if err := d.Drain(300); !errors.Is(err, io.ErrClosedPipe) {
		t.Fatalf("lost stream: %v", err)
	}
}

func TestDotWriter(t *testing.T) {
	tests := []struct {
		name, body string
		off        Offences
		wire, err  string
	}{
		{"empty", "", Refuse, ".\r\n", ""},
		{"line", "a\r\n", Refuse, "a\r\n.\r\n", ""},
		{"no last CRLF", "a", Refuse, "a\r\n.\r\n", ""},
		{"dots", ".\r\n.a\r\nb.\r\n", Refuse, "..\r\n..a\r\nb.\r\n.\r\n", ""},
		{"only a dot", ".", Refuse, "..\r\n.\r\n", ""},
		{"bare LF", "a\n.\r\n", Refuse, "a", "offence 10 at 1"},
		{"bare CR", "a\r.\r\n", Refuse, "a", "offence 13 at 1"},
		{"last CR", "a\r", Refuse, "a", "offence 13 at 1"},
		{"NUL", "a\x00", Refuse, "a", "offence 0 at 1"},
		{"pass refuses too", "a\nb", Pass, "a", "offence 10 at 1"},
		{"normalised", "a\n.\n\rb\x00\r", Normalize, "a\r\n..\r\n\r\nb\r\n.\r\n", ""},
		{"CRCRLF", "a\r\r\n", Normalize, "a\r\n\r\n.\r\n", ""},
	}
	for _, tt := range tests {
		for piece := 1; piece <= len(tt.body)+1; piece++ {
			var b bytes.Buffer
			d := NewDotWriter(&b, tt.off)
			_, err := io.Copy(struct{ io.Writer }{d}, &chunks{[]byte(tt.body), piece})
			if cerr := d.Close(); err == nil {
				err = cerr
			}
			got := ""
			if err != nil {
				got = outcome(err)
			}
			if b.String() != tt.wire || got != tt.err {
				t.Fatalf("%s, pieces of %d: %q %q, want %q %q", tt.name, piece, b.String(), got, tt.wire, tt.err)
			}
		}
	}
	d := NewDotWriter(io.Discard, Refuse)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Write([]byte("x")); err == nil {
		t.Fatal("write after Close")
	}
}

func TestTextWriter(t *testing.T) {
	for body, want := range map[string]string{
		"": "", ".": ".\r\n", ".a\r\n..\r\nb": ".a\r\n..\r\nb\r\n", "a\n.\n": "a\r\n.\r\n", "\x00.\r": ".\r\n",
	} {
		for piece := 1; piece <= len(body)+1; piece++ {
			var b bytes.Buffer
			d := NewTextWriter(&b, Normalize)
			_, err := io.Copy(struct{ io.Writer }{d}, &chunks{[]byte(body), piece})
			if cerr := d.Close(); err != nil || cerr != nil || b.String() != want {
				t.Fatalf("%q, pieces of %d: %q, want %q; %v, %v", body, piece, b.String(), want, err, cerr)
			}
		}
	}
	if _, err := NewTextWriter(io.Discard, Refuse).Write([]byte("a\nb")); outcome(err) != "offence 10 at 1" {
		t.Fatal(err)
	}
}

func FuzzDotReader(f *testing.F) {
	for _, s := range []string{".\r\n", "a\r\n.\r\n", "..\r\n.\r\nX", "a\n.\nb\r\n.\r\n", "\r\n.\r\r\n.\r\n", "\x00\r\n.\r", "ab\r", "abcdef\r\n.\r\n"} {
		f.Add([]byte(s), uint8(0), uint8(1), uint8(3), uint8(2))
		f.Add([]byte(s), uint8(1), uint8(200), uint8(0), uint8(1))
	}
	f.Fuzz(func(t *testing.T, wire []byte, off, piece, maxLine, read uint8) {
		o := Offences(off % 3)
		out, rest, end := readDot(wire, o, int(maxLine), 64, int(piece)+1, int(read)+1)
		wantOut, wantRest, wantEnd := naive(wire, o, int(maxLine))
		if !bytes.Equal(out, wantOut) || end != wantEnd || end == "EOF" && !bytes.Equal(rest, wantRest) {
			t.Fatalf("%q mode %d maxLine %d: got %q %q %s, want %q %q %s", wire, o, maxLine, out, rest, end, wantOut, wantRest, wantEnd)
		}
	})
}

func FuzzDotWriter(f *testing.F) {
	for _, s := range []string{"", "a", ".\r\n.", "a\n.b", "\r\r\n", "..\r\n"} {
		f.Add([]byte(s), uint8(2), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, piece uint8, normalize bool) {
		off := Refuse
		if normalize {
			off = Normalize
		}
		var b bytes.Buffer
		d := NewDotWriter(&b, off)
		_, err := io.Copy(struct{ io.Writer }{d}, &chunks{body, int(piece) + 1})
		if err == nil {
			err = d.Close()
		}
		wire := b.Bytes()
		if err != nil {
			if normalize {
				t.Fatal(err)
			}
			if bytes.HasSuffix(wire, []byte("\r\n.\r\n")) {
				t.Fatalf("a refused body was ended: %q", wire)
			}
			return
		}
		out, rest, end := naive(wire, Refuse, 0)
		if end != "EOF" || len(rest) != 0 {
			t.Fatalf("%q went out as %q: %s", body, wire, end)
		}
		if normalize {
			return
		}
		if want := bytes.TrimSuffix(out, []byte("\r\n")); !bytes.Equal(want, bytes.TrimSuffix(body, []byte("\r\n"))) {
			t.Fatalf("%q came back as %q", body, out)
		}
	})
}

// body is n octets of base64-like lines with a few dots.
func body(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		if i%50 == 0 {
			b.WriteByte('.')
		}
		b.WriteString(strings.Repeat("QUJDREVG", 9) + "QUJD\r\n")
	}
	return b.Bytes()
}

func BenchmarkDotReader(b *testing.B) {
	data := body(1 << 20)
	var wire bytes.Buffer
	w := NewDotWriter(&wire, Refuse)
	_, _ = w.Write(data)
	_ = w.Close()
	for _, bb := range []struct {
		name string
		wire []byte
		off  Offences
	}{
		{"text", wire.Bytes(), Refuse},
		{"dots", []byte(strings.Repeat("..\r\n", 1<<18) + ".\r\n"), Refuse},
		{"LF only", []byte(strings.Repeat("\n", 1<<20) + "\r\n.\r\n"), Normalize},
		{"CR only", []byte(strings.Repeat("\r", 1<<20) + "\r\n.\r\n"), Normalize},
	} {
		b.Run(bb.name, func(b *testing.B) {
			src := bytes.NewReader(nil)
			r := NewReader(src, 64<<10)
			var d DotReader
			p := make([]byte, 32<<10)
			b.SetBytes(int64(len(bb.wire)))
			for b.Loop() {
				src.Reset(bb.wire)
				r.Reset(src)
				d.Reset(r, bb.off, 1<<20)
				for {
					if _, err := d.Read(p); err != nil {
						if err != io.EOF {
							b.Fatal(err)
						}
						break
					}
				}
			}
		})
	}
}

func BenchmarkDotWriter(b *testing.B) {
	data := body(1 << 20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		w := NewDotWriter(io.Discard, Refuse)
		if _, err := w.Write(data); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
