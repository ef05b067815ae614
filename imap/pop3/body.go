package pop3

import (
	"bufio"
	"bytes"
	"io"
	"unicode/utf8"

	"github.com/mailbricks/mailbricks/imap"
)

// A bodyBuffer is what sending a message takes, however long that is.
type bodyBuffer struct {
	in   [64 << 10]byte
	read int // octets of in that are the beginning of the message already
	out  *bufio.Writer
}

func newBodyBuffer() *bodyBuffer { return &bodyBuffer{out: bufio.NewWriterSize(nil, 64<<10)} }

// international reports whether a message has UTF-8 in its header (RFC 6532 §3.2). Octets that are not UTF-8 are of the time before, and
// those of the headers of parts are not looked at.
func (b *bodyBuffer) international(body imap.Body) (bool, error) {
	b.read = 0
	s := headerScanner{start: true}
	for at, size := int64(0), body.Size(); at < size && !s.done; {
		n, err := body.ReadAt(b.in[:min(int64(len(b.in)), size-at)], at)
		if n == 0 && err != nil {
			return false, err
		}
		s.scan(b.in[:n])
		if at == 0 {
			b.read = n
		} else {
			b.read = 0 // there is something else in it now
		}
		at += int64(n)
	}
	return s.wide && !s.other && s.left == 0, nil
}

// A headerScanner looks for UTF-8 from the beginning of a message to the empty line.
type headerScanner struct {
	start bool // of a line, or nothing but CR since
	done  bool // the empty line has been seen
	wide  bool // there are octets above 127
	other bool // and they are not UTF-8
	rune  [utf8.UTFMax]byte
	left  int // octets in rune, which is not whole
}

func (s *headerScanner) scan(p []byte) {
	for _, c := range p {
		if c < utf8.RuneSelf {
			s.other = s.other || s.left > 0
			s.left = 0
			if s.done = c == '\n' && s.start; s.done {
				return
			}
			s.start = c == '\n' || s.start && c == '\r'
			continue
		}
		s.wide, s.start = true, false
		s.rune[s.left] = c
		s.left++
		if r := s.rune[:s.left]; utf8.FullRune(r) {
			s.other = s.other || !utf8.Valid(r)
			s.left = 0
		}
	}
}

// send writes a message with its dots doubled and a final dot, or its header and lines lines of its body unless lines
// is negative.
func (b *bodyBuffer) send(w io.Writer, body imap.Body, lines int64) error {
	b.out.Reset(w)
	defer b.out.Reset(nil)
	c := cutter{w: b.out, start: true, header: true, lines: lines}
	for at, size := int64(0), body.Size(); at < size && !c.done; {
		n := b.read
		if b.read = 0; n == 0 {
			var err error
			if n, err = body.ReadAt(b.in[:min(int64(len(b.in)), size-at)], at); n == 0 && err != nil {
				if err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
				return err
			}
		}
		if err := c.write(b.in[:n]); err != nil {
			return err
		}
		at += int64(n)
	}
	if err := c.close(); err != nil {
		return err
	}
	return b.out.Flush()
}

// A cutter writes lines until it has had enough. Every octet goes out as it is, but a bare LF becomes CRLF: there are
// clients for which it ends a line, and a dot behind it would end the message.
type cutter struct {
	w      *bufio.Writer
	lines  int64 // of the body still to write; negative: all
	start  bool  // of a line
	cr     bool  // the last octet was CR
	empty  bool  // nothing but perhaps CR since the start of the line
	header bool
	done   bool
}

func (c *cutter) write(p []byte) error {
	for len(p) > 0 && !c.done {
		if c.start {
			c.empty = true
			if p[0] == '.' {
				_ = c.w.WriteByte('.')
			}
			c.start = false
		}
		i := bytes.IndexByte(p, '\n')
		text := p
		if i >= 0 {
			text = p[:i]
		}
		if len(text) > 1 || len(text) == 1 && text[0] != '\r' || len(text) == 1 && c.cr {
			c.empty = false
		}
		if len(text) > 0 {
			c.cr = text[len(text)-1] == '\r'
		}
		if _, err := c.w.Write(text); err != nil {
			return err
		}
		if i < 0 {
			return nil
		}
		p = p[i+1:]
		if err := c.endLine(); err != nil {
			return err
		}
	}
	return nil
}

// endLine writes the end of a line and counts it.
func (c *cutter) endLine() error {
	end := "\n"
	if !c.cr {
		end = "\r\n"
	}
	_, err := c.w.WriteString(end)
	c.start, c.cr = true, false
	switch {
	case c.lines < 0:
	case c.header:
		c.header = !c.empty
		c.done = !c.header && c.lines == 0
	default:
		c.lines--
		c.done = c.lines == 0
	}
	return err
}

// close ends the last line if it has not ended, and the message.
func (c *cutter) close() error {
	if !c.start {
		if err := c.endLine(); err != nil {
			return err
		}
	}
	_, err := c.w.WriteString(".\r\n")
	return err
}
