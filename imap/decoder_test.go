package imap

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func decode(wire string, o DecoderOptions) *Decoder {
	d := NewDecoder(bufio.NewReaderSize(strings.NewReader(wire), 16), o)
	d.Next()
	return d
}

func TestTokens(t *testing.T) {
	read := map[string]func(d *Decoder) any{
		"atom":    func(d *Decoder) any { return d.Atom() },
		"tag":     func(d *Decoder) any { return d.Tag() },
		"keyword": func(d *Decoder) any { return d.Keyword() },
		"number":  func(d *Decoder) any { return d.Number() },
		"nz":      func(d *Decoder) any { return d.NzNumber() },
		"n64":     func(d *Decoder) any { return d.Number64() },
		"quoted":  func(d *Decoder) any { return d.Quoted() },
		"astring": func(d *Decoder) any { return d.Astring() },
		"nstring": func(d *Decoder) any { s, ok := d.Nstring(); return fmt.Sprint(s, " ", ok) },
		"string":  func(d *Decoder) any { return d.IString() },
		"set":     func(d *Decoder) any { return d.SequenceSet().String() },
		"value":   func(d *Decoder) any { return d.Value() },
		"list": func(d *Decoder) any {
			var s []string
			d.List(func() { s = append(s, d.Astring()) })
			return fmt.Sprint(s)
		},
	}
	tests := []struct{ method, wire, want string }{
		{"atom", "foo", "foo"},
		{"atom", "foo[bar", "foo[bar"},
		{"atom", "foo]", "! 3"},
		{"atom", "(", "! 0"},
		{"atom", "", "! 0"},
		{"atom", "\xe4", "! 0"},
		{"tag", "a.1]", "a.1]"},
		{"tag", "+", "! 0"},
		{"tag", "a+", "! 1"},
		{"tag", "*", "! 0"},
		{"keyword", "uId", "UID"},
		{"number", "0", "0"},
		{"number", "4294967295", "4294967295"},
		{"number", "4294967296", "! 0"},
		{"number", "-1", "! 0"},
		{"number", "", "! 0"},
		{"nz", "0", "! 0"},
		{"nz", "7", "7"},
		{"n64", "9223372036854775807", "9223372036854775807"},
		{"n64", "9223372036854775808", "! 0"},
		{"n64", "99999999999999999999999", "! 0"},
		{"quoted", `"a b"`, "a b"},
		{"quoted", `""`, ""},
		{"quoted", `"a\"\\"`, `a"\`},
		{"quoted", `"a\b"`, "! 2"},
		{"quoted", `"open`, "! 5"},
		{"quoted", `"open\`, "! 5"},
		{"quoted", "\"\xc3\xa9\"", "é"},
		{"quoted", "\"\xe9\"", "! 0"},
		{"quoted", "\"a\x00b\"", "! 0"},
		{"quoted", "\"a\rb\"", "! 0"},
		{"quoted", "a", "! 0"},
		{"astring", "a]", "a]"},
		{"astring", "\"a b\"", "a b"},
		{"astring", "{3}\r\na b", "a b"},
		{"astring", "{3+}\r\n\r\n{", "\r\n{"},
		{"astring", "{0}\r\n", ""},
		{"astring", "~{1}\r\na", "! 1"},
		{"astring", "{1}", "! 3 unexpected EOF"},
		{"astring", "{-1}", "! 0"},
		{"astring", "{}", "! 0"},
		{"astring", "{18446744073709551616}", "! 0"},
		{"astring", "{9223372036854775808}", "! 0"},
		{"astring", "{1} ", "! 0"},
		{"astring", "{65537}", "! 0 literal"},
		{"astring", "{1}\r\n\x00", "! 3"},
		{"astring", "*", "! 0"},
		{"nstring", "NIL", " false"},
		{"nstring", "nil", " false"},
		{"nstring", `"NIL"`, "NIL true"},
		{"nstring", "{3}\r\nNIL", "NIL true"},
		{"nstring", "NILS", "! 0"},
		{"string", "~{2}\r\n\x00a", "\x00a"},
		{"set", "1:*,3", "1:*,3"},
		{"set", "1,0", "! 2"},
		{"set", "x", "! 0"},
		{"value", "a", "a"},
		{"value", `(a ("b" {1}` + "\r\nc) NIL)", `(a ("b" {1}` + "\r\nc) NIL)"},
		{"value", "()", "()"},
		{"value", `(("a")("b") "c")`, `(("a")("b") "c")`},
		{"value", "(a", "! 2"},
		{"value", ")", "! 0"},
		{"value", "~{1}\r\n\x00", "~{1}\r\n\x00"},
		{"value", strings.Repeat("(", 111), "! 111 nesting"},
		{"list", "()", "[]"},
		{"list", "(a b)", "[a b]"},
		{"list", "(a  b)", "! 3"},
		{"list", "(a", "! 2"},
		{"list", "( a)", "! 1"},
		{"list", "(a ({1}", "! 3"},
	}
	for _, tt := range tests {
		d := decode(tt.wire+"\r\n", DecoderOptions{})
		got := fmt.Sprint(read[tt.method](d))
		d.EOL()
		if err := d.Err(); err != nil {
			got = fmt.Sprint("! ", d.pos)
			if e, ok := errors.AsType[*SyntaxError](err); ok {
				got = fmt.Sprint("! ", e.Offset)
			} else {
				got += " " + strings.TrimSuffix(strings.TrimPrefix(err.Error(), "imap: "), " beyond the limit of 65536")
				got = strings.TrimSuffix(got, " beyond the limit of 110")
			}
		}
		if got != tt.want {
			t.Errorf("%s of %q: got %q (%v), want %q", tt.method, tt.wire, got, d.Err(), tt.want)
		}
	}
}

// TestLines reads what a server reads: commands and what becomes of the literals that it does not want.
func TestLines(t *testing.T) {
	var asked int
	server := DecoderOptions{MaxLine: 40, MaxDiscard: 100, Continue: func() error { asked++; return nil }}
	tests := []struct {
		name, wire string
		asked      int
		want       string // tag and error of each command, then the end
	}{
		{"two commands", "a NOOP\r\nb NOOP\r\n", 0, "a-NOOP b-NOOP EOF"},
		{"literal in a command", "a X {3}\r\nfoo\r\nb NOOP\r\n", 1, "a-X-foo b-NOOP EOF"},
		{"non-sync", "a X {3+}\r\nfoo\r\nb NOOP\r\n", 0, "a-X-foo b-NOOP EOF"},
		{"literal of commands", "a X {10+}\r\n\r\nb NOOP\r\n\r\nc NOOP\r\n", 0, "a-X-\r\nb NOOP\r\n c-NOOP EOF"},
		{"refused non-sync literal is passed over", "a ( {10+}\r\nb DELETE v\r\nc NOOP\r\n", 0, "a-! c-NOOP EOF"},
		{"refused, twice", "a ( {3+}\r\nfoo {3+}\r\nbar\r\nc NOOP\r\n", 0, "a-! c-NOOP EOF"},
		{"refused in an open quoted string", "a X \"{3+}\r\nfoo\r\nc NOOP\r\n", 0, "a-X-! c-NOOP EOF"},
		{"refused sync literal never comes", "a ( {10}\r\nc NOOP\r\n", 0, "a-! c-NOOP EOF"},
		{"refused, too long to pass over", "a ( {101+}\r\nfoo", 0, "a-! octets to pass over"},
		{"refused, too long to count", "a ( {18446744073709551616+}\r\nfoo", 0, "a-! octets to pass over"},
		{"endless small ones", "a ( " + strings.Repeat("{0+}\r\n", 50) + "\r\n", 0, "a-! octets to pass over"},
		{"long line", "a " + strings.Repeat("X", 39) + "\r\nb NOOP\r\n", 0, "line"},
		{"longest line", "a " + strings.Repeat("X", 38) + "\r\nb NOOP\r\n", 0, "a-" + strings.Repeat("X", 38) + " b-NOOP EOF"},
		{"endless line", "a " + strings.Repeat("X", 1000), 0, "line"},
		{"bare LF", "a NOOP\nb NOOP\r\n", 0, "! b-NOOP EOF"},
		{"NUL", "a NO\x00OP\r\nb NOOP\r\n", 0, "! b-NOOP EOF"},
		{"bare CR", "a NO\rOP\r\nb NOOP\r\n", 0, "! b-NOOP EOF"},
		{"empty line", "\r\nb NOOP\r\n", 0, "! b-NOOP EOF"},
		{"cut line", "a NOOP", 0, "unexpected EOF"},
		{"cut literal", "a X {3}\r\nfo", 1, "a-X-! unexpected EOF"},
		{"cut behind a literal", "a X {3}\r\nfoo", 1, "a-X-foo-! unexpected EOF"},
		{"cut in what is passed over", "a ( {3+}\r\nfo", 0, "a-! unexpected EOF"},
	}
	for _, tt := range tests {
		for _, r := range []io.Reader{strings.NewReader(tt.wire), iotest.OneByteReader(strings.NewReader(tt.wire))} {
			asked = 0
			d := NewDecoder(bufio.NewReaderSize(r, 16), server)
			var got []string
			for {
				if err := d.Next(); err != nil {
					got = append(got, strings.Split(strings.TrimPrefix(err.Error(), "imap: "), " beyond")[0])
					break
				}
				s := d.Tag()
				d.SP()
				if w := d.Keyword(); w != "" {
					s += "-" + w
				}
				if d.Accept(' ') {
					if a := d.Astring(); a != "" {
						s += "-" + a
					}
				}
				if d.EOL(); d.Err() != nil {
					if s != "" {
						s += "-"
					}
					s += "!"
				}
				got = append(got, s)
			}
			if s := strings.Join(got, " "); s != tt.want || asked != tt.asked {
				t.Errorf("%s: got %q, asked %d times, want %q and %d", tt.name, s, asked, tt.want, tt.asked)
			}
		}
	}
}

func TestLiteralOpen(t *testing.T) {
	d := decode("* 1 FETCH (BODY[] {5}\r\nhello UID 3)\r\n* OK x\r\n", DecoderOptions{MaxLiteral: 1})
	d.Line()
	d.pos = len("* 1 FETCH (BODY[] ")
	l := d.Literal()
	if l == nil || l.Size != 5 || l.NonSync || l.Binary {
		t.Fatalf("%+v", l)
	}
	r, err := l.Open()
	if err != nil {
		t.Fatal(err)
	}
	var b [2]byte
	if _, err := io.ReadFull(r, b[:]); err != nil || string(b[:]) != "he" {
		t.Fatal(err)
	}
	d.SP() // passes over the rest
	if w := d.Keyword(); w != "UID" || d.Err() != nil {
		t.Fatal(w, d.Err())
	}
	if n, err := r.Read(b[:]); n != 0 || err != io.EOF {
		t.Error("a literal that is over reads", n, err)
	}
	if err := d.Next(); err != nil || d.Line() != "* OK x" {
		t.Error(err)
	}
}

func TestCommandLimit(t *testing.T) {
	wire := "a " + strings.Repeat("{10+}\r\n0123456789 ", 20) + "\r\nb\r\n"
	d := decode(wire, DecoderOptions{MaxCommand: 100, Continue: func() error { return nil }})
	d.Tag()
	for range 20 {
		d.SP()
		d.Astring()
	}
	if !errorIs[*LimitError](d.Err()) {
		t.Error(d.Err())
	}
	if err := d.Next(); err != nil || d.Tag() != "b" {
		t.Error(err)
	}
	d = decode("a {3}\r\n", DecoderOptions{Continue: func() error { return io.ErrClosedPipe }})
	d.Tag()
	d.SP()
	if d.Astring(); d.Err() != io.ErrClosedPipe || d.Next() != io.ErrClosedPipe {
		t.Error(d.Err())
	}
}

func TestLenient(t *testing.T) {
	d := decode("(a  b ) \"\xe9\\x\" \n", DecoderOptions{Lenient: true})
	n := 0
	d.List(func() { n++; d.Atom() })
	d.SP()
	s := d.Quoted()
	d.EOL()
	if n != 2 || s != "\xe9x" || d.Err() != nil {
		t.Error(n, s, d.Err())
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte("a X (b \"c\\\"\" {3}\r\nfoo) 5:*\r\nb {3+}\r\nbar ~{1+}\r\n\x00\r\n"), byte(0))
	f.Add([]byte("a {99+}\r\n"), byte(3))
	f.Fuzz(func(t *testing.T, wire []byte, how byte) {
		asked := 0
		o := DecoderOptions{MaxLine: 64, MaxLiteral: 32, MaxCommand: 256, MaxDiscard: 64, Lenient: how&1 != 0}
		if how&2 != 0 {
			o.Continue = func() error { asked++; return nil }
		}
		run := func(r io.Reader) string {
			asked = 0
			d := NewDecoder(bufio.NewReaderSize(r, 16), o)
			var out strings.Builder
			for d.Next() == nil {
				fmt.Fprintf(&out, "%q ", d.Tag())
				for i := how >> 2; d.Err() == nil && !d.AtEOL(); i++ {
					d.SP()
					switch i % 4 {
					case 0:
						fmt.Fprintf(&out, "%q ", d.Value())
					case 1:
						fmt.Fprintf(&out, "%q ", d.Astring())
					case 2:
						s, ok := d.Nstring()
						fmt.Fprintf(&out, "%q %v ", s, ok)
					case 3:
						if l := d.Literal(); l != nil {
							if r, err := l.Open(); err == nil {
								b, _ := io.ReadAll(r)
								if int64(len(b)) > l.Size {
									t.Fatal("more than the literal")
								}
								fmt.Fprintf(&out, "%q ", b)
							}
						}
					}
				}
				fmt.Fprintln(&out, d.Err())
			}
			fmt.Fprintln(&out, d.Next(), asked)
			return out.String()
		}
		whole, pieces := run(bytes.NewReader(wire)), run(iotest.OneByteReader(bytes.NewReader(wire)))
		if whole != pieces {
			t.Errorf("%q: at once\n%s in pieces\n%s", wire, whole, pieces)
		}
	})
}
