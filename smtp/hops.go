package smtp

import "bytes"

// A HopCounter counts the Received fields of a message that is written through it, to find loops (RFC 5321 §6.3). The
// zero value is ready. It looks at the header section only and costs nothing after it.
type HopCounter struct {
	hops, size int
	col        int // octets of "received" matched in this line; -1: this line is settled
	done       bool
}

// Hops returns the number of Received fields so far.
func (c *HopCounter) Hops() int { return c.hops }

// HeaderSize returns the octets of the header section so far.
func (c *HopCounter) HeaderSize() int { return c.size }

// Done reports whether the header section has ended.
func (c *HopCounter) Done() bool { return c.done }

// Write counts the fields in the next octets of the message, which has CRLF line endings. It never fails.
func (c *HopCounter) Write(p []byte) (int, error) {
	const name = "received"
	n := len(p)
	for len(p) > 0 && !c.done {
		b := p[0]
		switch {
		case c.col < 0:
			i := bytes.IndexByte(p, '\n')
			if i < 0 {
				c.size += len(p)
				return n, nil
			}
			c.size += i + 1
			p, c.col = p[i+1:], 0
			continue
		case c.col == 0 && (b == '\r' || b == '\n'):
			c.done = true
			return n, nil
		case c.col < len(name) && b|0x20 == name[c.col]:
			c.col++
		case c.col == len(name) && (b == ' ' || b == '\t'): // RFC 5322 §4.5.3
		case c.col == len(name) && b == ':':
			c.hops++
			c.col = -1
		default:
			c.col = -1
			continue
		}
		c.size++
		p = p[1:]
	}
	return n, nil
}
