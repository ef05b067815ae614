package line

import (
	"bytes"
	"io"
)

// A DotReader yields a body as it was before dot-stuffing, with its last CRLF and without the final dot, and then
// io.EOF. Where the stream ends before the body does the error is io.ErrUnexpectedEOF.
//
// After an *OffenceError or a *TooLongError the rest of the body is still unread: Drain reads it.
type DotReader struct {
	r        *Reader
	offences Offences
	scanner
	lf     bool // the LF of a normalised line end is still to be given out
	offset int64
	ended  bool
	err    error
	eol    [2]byte
}

// NewDotReader returns a DotReader for the body that begins where r stands. maxLine limits a line of the body in
// octets with its CRLF; 0 is no limit. r must not be used until the body has ended.
func NewDotReader(r *Reader, offences Offences, maxLine int) *DotReader {
	d := new(DotReader)
	d.Reset(r, offences, maxLine)
	return d
}

// Reset makes d what NewDotReader returns.
func (d *DotReader) Reset(r *Reader, offences Offences, maxLine int) {
	*d = DotReader{r: r, offences: offences, scanner: newScanner(maxLine)}
}

// Ended reports whether the final dot was read.
func (d *DotReader) Ended() bool { return d.ended }

// Read implements io.Reader.
func (d *DotReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := d.next(len(p))
	return copy(p, b), err
}

// WriteTo implements io.WriterTo without copying.
func (d *DotReader) WriteTo(w io.Writer) (int64, error) {
	var n int64
	for {
		b, err := d.next(maxWindow)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		k, err := w.Write(b)
		n += int64(k)
		if err != nil {
			return n, err
		}
	}
}

// Drain reads to the end of the body whatever is wrong with it, and returns nil once the final dot was read. It gives
// up with a *TooLongError after limit octets.
func (d *DotReader) Drain(limit int64) error {
	switch d.err.(type) {
	case *OffenceError, *TooLongError:
		d.err = nil
	}
	d.offences, d.maxLine = Pass, 0
	for n := int64(0); n <= limit; {
		b, err := d.next(maxWindow)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		n += int64(len(b))
	}
	return &TooLongError{Limit: int(limit)}
}

// next gives out the next octets of the body, at most limit, valid until the next call.
func (d *DotReader) next(limit int) ([]byte, error) {
	for d.err == nil {
		if d.lf {
			d.lf = false
			return d.give(d.eol[1:]), nil
		}
		w := d.r.buf[d.r.start:d.r.end]
		if d.start && len(w) > 0 && w[0] == '.' {
			switch {
			case bytes.HasPrefix(w, []byte(".\r\n")):
				d.r.start += 3
				d.ended, d.err = true, io.EOF
				continue
			case len(w) == 1 || len(w) == 2 && w[1] == '\r':
				d.fill()
				continue
			}
			d.r.start++ // RFC 5321 §4.5.2: the first of more characters on the line is deleted
			w = w[1:]
			d.start = false
		}
		n, found := d.run(w, limit)
		if n > 0 {
			d.r.start += n
			return d.give(w[:n]), nil
		}
		switch found {
		case nothing:
			d.fill()
		case tooLong:
			d.err = &TooLongError{Limit: d.maxLine}
		case offence:
			if b := d.offend(w, limit); len(b) > 0 {
				return d.give(b), nil
			}
		}
	}
	return nil, d.err
}

func (d *DotReader) give(b []byte) []byte {
	d.offset += int64(len(b))
	return b
}

func (d *DotReader) fill() {
	if err := d.r.fill(); err == io.EOF {
		d.err = io.ErrUnexpectedEOF
	} else if err != nil {
		d.err = err
	}
}

// offend deals with the offence that w begins with and returns what is given out in its place.
func (d *DotReader) offend(w []byte, limit int) []byte {
	if d.offences == Refuse {
		d.err = &OffenceError{Char: w[0], Offset: d.offset}
		return nil
	}
	if d.offences == Pass && d.maxLine > 0 && d.len >= d.maxLine {
		d.err = &TooLongError{Limit: d.maxLine}
		return nil
	}
	d.r.start++
	d.window = minWindow
	d.start, d.cr = false, false
	if d.offences == Pass {
		d.len++
		return w[:1]
	}
	if w[0] == 0 {
		return nil
	}
	d.len = 0
	d.lf = limit == 1
	copy(d.eol[:], "\r\n")
	return d.eol[:min(2, limit)]
}
