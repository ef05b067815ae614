package line

import (
	"errors"
	"io"
)

// errClosed is what a DotWriter says after Close.
var errClosed = errors.New("line: write after the end of the body")

// A DotWriter writes a body with dot-stuffing. It never emits a bare CR or a bare LF: these and NUL are refused with
// an *OffenceError or normalised (Pass counts as Refuse). After an error the body has not ended on the wire and must
// not be ended: drop the connection.
type DotWriter struct {
	w        io.Writer
	offences Offences
	scanner
	plain  bool // no dot-stuffing, no final dot
	held   bool // the last octet given was a CR that waits for its LF
	offset int64
	err    error
}

// NewDotWriter returns a DotWriter on w, which should be buffered.
func NewDotWriter(w io.Writer, offences Offences) *DotWriter {
	return &DotWriter{w: w, offences: offences, scanner: newScanner(0)}
}

// NewTextWriter returns a DotWriter that leaves dots as they are and writes no final dot: the same care for the ends of
// lines, for a body whose length is told (RFC 3030).
func NewTextWriter(w io.Writer, offences Offences) *DotWriter {
	d := NewDotWriter(w, offences)
	d.plain = true
	return d
}

// Write implements io.Writer.
func (d *DotWriter) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) && d.err == nil {
		k := d.write(p[n:])
		n += k
		d.offset += int64(k)
	}
	return n, d.err
}

// write writes the first octets of p and returns how many it took.
func (d *DotWriter) write(p []byte) int {
	if d.held {
		d.held = false
		if p[0] != '\n' {
			d.offset--
			d.offend('\r')
			d.offset++
			return 0
		}
		d.state = state{start: true}
		d.emit("\r\n")
		return 1
	}
	if d.start && p[0] == '.' {
		if !d.plain {
			d.emit(".")
		}
		d.start = false
	}
	n, found := d.run(p, len(p))
	switch {
	case n > 0:
		if d.err == nil {
			_, d.err = d.w.Write(p[:n])
		}
		return n
	case found == offence:
		d.offend(p[0])
	default:
		d.held = true
	}
	return 1
}

func (d *DotWriter) offend(c byte) {
	if d.offences != Normalize {
		d.err = &OffenceError{Char: c, Offset: d.offset}
		return
	}
	d.window = minWindow
	if c != 0 { // a NUL leaves no trace, so that the line still starts after it
		d.state = state{start: true}
		d.emit("\r\n")
	}
}

func (d *DotWriter) emit(s string) {
	if d.err == nil {
		_, d.err = io.WriteString(d.w, s)
	}
}

// Close ends the body: it writes the CRLF that the last line may lack, and the final dot. It neither flushes nor
// closes the underlying writer. After an error it writes nothing and returns that error.
func (d *DotWriter) Close() error {
	if d.held {
		d.held = false
		d.offset--
		d.offend('\r')
	}
	if !d.start {
		d.emit("\r\n")
	}
	if !d.plain {
		d.emit(".\r\n")
	}
	if d.err != nil {
		return d.err
	}
	d.err = errClosed
	return nil
}
