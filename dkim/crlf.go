package dkim

import "io"

// NewCRLFReader returns a reader that puts a CR before each LF of r that has none, as a message gets on its way into
// SMTP.
func NewCRLFReader(r io.Reader) io.Reader { return &crlfReader{r: r} }

type crlfReader struct {
	r    io.Reader
	last byte // of what was read
	lf   bool // LF to be given next
	in   [4096]byte
	buf  []byte
	err  error
}

func (c *crlfReader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if c.lf {
			c.lf = false
			p[n] = '\n'
			n++
			continue
		}
		if len(c.buf) == 0 {
			if n > 0 || c.err != nil {
				break
			}
			k, err := c.r.Read(c.in[:])
			c.buf, c.err = c.in[:k], err
			continue
		}
		b := c.buf[0]
		c.buf = c.buf[1:]
		if b == '\n' && c.last != '\r' {
			c.lf = true
			p[n] = '\r'
		} else {
			p[n] = b
		}
		c.last = b
		n++
	}
	if n > 0 {
		return n, nil
	}
	return 0, c.err
}
