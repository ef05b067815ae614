package imap

import (
	"bytes"
	"io"
	"math"
	"strconv"
)

// A Literal is one whose octets have not been read (RFC 9051 §4.3).
type Literal struct {
	Size    int64
	NonSync bool // {n+}: the octets follow unasked (RFC 7888)
	Binary  bool // ~{n}: a literal8, which may hold NUL (RFC 3516)

	left int64
	d    *Decoder
}

// Literal returns the literal that is next, nil if there is none. Nothing is passed over and nothing asked for yet: a
// server that wants to refuse it replies and goes on with Next.
func (d *Decoder) Literal() *Literal {
	l, ok := literalAt(d.rest(), false)
	if !ok {
		return nil
	}
	l.d = d
	return &l
}

// Open asks for the octets of a synchronising literal and returns a reader of exactly Size octets; a connection that
// ends before is io.ErrUnexpectedEOF. The reader is valid until the next method of the Decoder, which passes over what
// has not been read.
func (l *Literal) Open() (io.Reader, error) {
	d := l.d
	if d.err != nil {
		return nil, d.err
	}
	if d.o.Continue != nil && !l.NonSync {
		if err := d.o.Continue(); err != nil {
			d.lose(err)
			return nil, err
		}
	}
	d.pos = len(d.line)
	l.left = l.Size
	d.open = l
	return l, nil
}

// Read reads the octets after Open.
func (l *Literal) Read(p []byte) (int, error) {
	if l.left == 0 || l.d.open != l {
		return 0, io.EOF
	}
	n, err := l.d.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	if err != nil {
		err = noEOF(err)
		l.d.lose(err)
	}
	return n, err
}

// literalBytes reads a literal into memory.
func (d *Decoder) literalBytes() []byte {
	l := d.Literal()
	switch {
	case d.err != nil:
		return nil
	case l == nil:
		d.badLiteral()
		return nil
	case l.Size > d.o.MaxLiteral:
		d.Fail(&LimitError{What: "literal", Limit: d.o.MaxLiteral})
		return nil
	case d.used+l.Size > d.o.MaxCommand:
		d.Fail(&LimitError{What: "command", Limit: d.o.MaxCommand})
		return nil
	}
	r, err := l.Open()
	if err != nil {
		return nil
	}
	d.used += l.Size
	b := make([]byte, l.Size)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil
	}
	if !l.Binary && !d.o.Lenient && bytes.IndexByte(b, 0) >= 0 {
		d.Want("a literal without NUL")
		return nil
	}
	return b
}

func (d *Decoder) badLiteral() {
	if n := len(d.line); n > 0 && d.line[n-1] == '}' {
		d.Want("the size of a literal")
		return
	}
	d.Want("a string")
}

// literalAt finds the announcement of a literal that b, the rest of a line, consists of, or with anywhere that b ends
// with.
func literalAt(b []byte, anywhere bool) (l Literal, ok bool) {
	if len(b) < 3 || b[len(b)-1] != '}' {
		return l, false
	}
	start := bytes.LastIndexByte(b, '{')
	if start < 0 {
		return l, false
	}
	digits := b[start+1 : len(b)-1]
	if start > 0 && b[start-1] == '~' {
		l.Binary = true
		start--
	}
	if start > 0 && !anywhere {
		return l, false
	}
	if k := len(digits); k > 0 && digits[k-1] == '+' {
		l.NonSync = true
		digits = digits[:k-1]
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return l, false
		}
	}
	size, err := strconv.ParseUint(string(digits), 10, 63)
	switch {
	case len(digits) == 0:
		return l, false
	case err != nil && !anywhere:
		return l, false
	case err != nil:
		size = math.MaxInt64 // beyond every limit on passing over
	}
	l.Size = int64(size)
	return l, true
}

// AppendLiteral appends b as a synchronising literal, or a server's: as a literal8 if it holds NUL.
func AppendLiteral(dst, b []byte) []byte {
	dst = AppendLiteralHeader(dst, int64(len(b)), bytes.IndexByte(b, 0) >= 0, false)
	return append(dst, b...)
}

// AppendLiteralHeader appends the announcement of a literal of size octets, with the line end behind it.
func AppendLiteralHeader(dst []byte, size int64, binary, nonSync bool) []byte {
	if binary {
		dst = append(dst, '~')
	}
	dst = append(dst, '{')
	dst = strconv.AppendInt(dst, size, 10)
	if nonSync {
		dst = append(dst, '+')
	}
	return append(dst, "}\r\n"...)
}
