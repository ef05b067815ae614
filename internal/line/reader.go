package line

import (
	"bytes"
	"io"
)

// lostAfter is how many octets of one too long line are read in search of its end.
const lostAfter = 1 << 20

// minBuffer holds the longest look-ahead of a DotReader with room to spare.
const minBuffer = 64

// A Reader reads lines, bodies and raw octets from one stream. It reads from the underlying reader only when its
// buffer does not hold what is asked for, so that a reader which flushes pending output before it blocks gets the
// batching of RFC 2920 §3.2 for nothing.
type Reader struct {
	r          io.Reader
	buf        []byte
	start, end int
	full       bool  // by the last read
	err        error // of the underlying reader, given out when the buffer is used up
}

// NewReader returns a Reader with a buffer of size octets. The buffer grows when ReadLine needs it.
func NewReader(r io.Reader, size int) *Reader {
	return &Reader{r: r, buf: make([]byte, max(size, minBuffer))}
}

// Reset drops what is buffered and reads from r.
func (r *Reader) Reset(from io.Reader) {
	r.r, r.start, r.end, r.err = from, 0, 0, nil
}

// Buffered returns the number of octets that were read from the stream and not yet given out.
func (r *Reader) Buffered() int { return r.end - r.start }

// Swap makes buf the buffer, moves what is buffered into it and returns the old buffer for reuse. If what is
// buffered does not fit, or buf is too small for the Reader to work, nothing changes and buf itself is returned.
func (r *Reader) Swap(buf []byte) []byte {
	if len(buf) < max(r.Buffered(), minBuffer) {
		return buf
	}
	old := r.buf
	r.end = copy(buf, old[r.start:r.end])
	r.start, r.buf = 0, buf
	return old
}

// Await reads where nothing is buffered. An error comes again with the next read.
func (r *Reader) Await() {
	if r.start == r.end {
		_ = r.fill()
	}
}

// Full reports that the last read filled the buffer, so that more may be on its way.
func (r *Reader) Full() bool { return r.full }

// fill reads more octets behind those that are buffered. The buffer must not be full.
func (r *Reader) fill() error {
	if r.err != nil {
		return r.err
	}
	if r.start > 0 {
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	for range 100 {
		n, err := r.r.Read(r.buf[r.end:])
		r.end += n
		r.full = r.end == len(r.buf)
		r.err = err
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	r.err = io.ErrNoProgress
	return r.err
}

// ReadLine returns the next line without its CRLF, valid until the next call. limit is in octets and counts the CRLF.
// The errors are *TooLongError, *OffenceError (the line is used up, reading can go on), io.EOF at a clean end,
// io.ErrUnexpectedEOF within a line, and those of the underlying reader.
func (r *Reader) ReadLine(limit int) ([]byte, error) {
	scanned := 0
	for {
		w := r.buf[r.start:r.end]
		if i := bytes.IndexByte(w[scanned:], '\n'); i >= 0 {
			l := w[:scanned+i]
			r.start += len(l) + 1
			if len(l)+1 > limit {
				return nil, &TooLongError{Limit: limit, Ended: true}
			}
			return checkLine(l)
		}
		scanned = len(w)
		if scanned >= limit {
			return nil, r.skipLine(limit)
		}
		if scanned == len(r.buf) {
			r.Swap(make([]byte, max(min(2*len(r.buf), limit), len(r.buf)+1)))
		}
		if err := r.fill(); err != nil {
			if err == io.EOF && r.Buffered() > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// checkLine takes the CR off l, which ended in LF.
func checkLine(l []byte) ([]byte, error) {
	n := len(l)
	if i := bytes.IndexByte(l, 0); i >= 0 {
		return nil, &OffenceError{Char: 0, Offset: int64(i)}
	}
	switch i := bytes.IndexByte(l, '\r'); {
	case i < 0:
		return nil, &OffenceError{Char: '\n', Offset: int64(n)}
	case i < n-1:
		return nil, &OffenceError{Char: '\r', Offset: int64(i)}
	}
	return l[:n-1], nil
}

// skipLine looks for the end of a line that is longer than limit.
func (r *Reader) skipLine(limit int) error {
	for skipped := 0; ; {
		w := r.buf[r.start:r.end]
		if i := bytes.IndexByte(w, '\n'); i >= 0 {
			r.start += i + 1
			return &TooLongError{Limit: limit, Ended: true}
		}
		skipped += len(w)
		r.start = r.end
		if skipped > lostAfter {
			return &TooLongError{Limit: limit}
		}
		if err := r.fill(); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
}

// Read gives raw octets: what is buffered, else what one Read of the stream yields.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := r.Next(len(p))
	return copy(p, b), err
}

// Next gives raw octets as Read does, at least one and at most limit, without copying them: they are valid until the next
// call.
func (r *Reader) Next(limit int) ([]byte, error) {
	if r.start == r.end {
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
	b := r.buf[r.start:min(r.end, r.start+limit)]
	r.start += len(b)
	return b, nil
}
