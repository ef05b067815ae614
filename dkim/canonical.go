package dkim

import (
	"bytes"
	"hash"
)

// Canonicalization is simple or relaxed (RFC 6376 §3.4).
type Canonicalization string

// Canonicalizations.
const (
	Simple  Canonicalization = "simple"
	Relaxed Canonicalization = "relaxed"
)

// AppendField appends a header field in canonical form. raw is the field with its folding and its final CRLF or LF.
func (c Canonicalization) AppendField(dst, raw []byte) []byte {
	if c == Simple {
		return append(dst, raw...)
	}
	colon := bytes.IndexByte(raw, ':')
	if colon < 0 {
		colon = len(raw)
	}
	for _, b := range bytes.TrimRight(raw[:colon], " \t") {
		if b >= 'A' && b <= 'Z' {
			b |= 0x20
		}
		dst = append(dst, b)
	}
	dst = append(dst, ':')
	start := len(dst)
	space := false
	for _, b := range raw[min(colon+1, len(raw)):] {
		switch b {
		case ' ', '\t', '\r', '\n':
			space = true
			continue
		}
		if space && len(dst) > start {
			dst = append(dst, ' ')
		}
		space = false
		dst = append(dst, b)
	}
	return append(dst, '\r', '\n')
}

// A BodyHash hashes a body in canonical form as it is written, in pieces of any size; the hash does not depend on
// where they are cut. Lines end with CRLF; a bare CR or LF is a character like others.
type BodyHash struct {
	h       hash.Hash
	relaxed bool
	limit   int64 // octets still to be hashed; negative: no limit
	n       int64 // canonical octets hashed, or past limit

	// What has been read but not hashed, because it may have to go: ends of lines, then white space (relaxed), then CR.
	crlf  int64
	space bool
	cr    bool

	buf [2048]byte
	w   int
}

// NewBodyHash returns a BodyHash that feeds h. length is how many octets of the canonical body count (l=), negative
// for all.
func NewBodyHash(c Canonicalization, h hash.Hash, length int64) *BodyHash {
	b := new(BodyHash)
	b.init(c, h, length)
	return b
}

func (b *BodyHash) init(c Canonicalization, h hash.Hash, length int64) {
	b.h, b.relaxed, b.limit = h, c == Relaxed, length
}

// Write takes the next piece of the body. It never fails.
func (b *BodyHash) Write(p []byte) (int, error) {
	n := len(p)
	if b.relaxed {
		b.writeRelaxed(p)
	} else {
		b.writeSimple(p)
	}
	return n, nil
}

// Sum ends the body and returns the hash. Nothing may be written after it.
func (b *BodyHash) Sum() []byte {
	if b.cr { // a bare CR at the end is content
		b.cr = false
		b.hold()
		b.emit('\r')
	}
	if b.n > 0 || b.w > 0 || !b.relaxed { // RFC 6376 §3.4.3, §3.4.4: one CRLF ends the body; an empty one is CRLF or nothing
		b.emit('\r')
		b.emit('\n')
	}
	b.flush()
	return b.h.Sum(nil)
}

// Size returns the octets of the canonical body, after Sum.
func (b *BodyHash) Size() int64 { return b.n }

// writeSimple hashes all but the ends of lines that p ends with.
func (b *BodyHash) writeSimple(p []byte) {
	end := len(p)
	for end > 0 && (p[end-1] == '\n' || p[end-1] == '\r') {
		end--
	}
	for end > 0 && (b.crlf > 0 || b.cr) { // ends of lines were held back: what begins p may be one more
		b.slow(p[0])
		p, end = p[1:], end-1
	}
	b.block(p[:end])
	for _, c := range p[end:] {
		b.slow(c)
	}
}

// writeRelaxed hashes in blocks as far as they are canonical already: no tab, no two spaces, no space before CR. The
// places where that ends are looked for once each; around them dense looks closer.
func (b *BodyHash) writeRelaxed(p []byte) {
	i, tab, double, trail := 0, -1, -1, -1
	next := func(at int, pattern []byte) int {
		if at >= i {
			return at
		}
		if k := bytes.Index(p[i:], pattern); k >= 0 {
			return i + k
		}
		return len(p)
	}
	for i < len(p) {
		if b.cr || b.space || b.crlf > 0 {
			i += b.dense(p[i:], 0)
			continue
		}
		tab, double, trail = next(tab, tabs), next(double, spaces), next(trail, spaceCR)
		stop := min(tab, double, trail)
		end := stop
		for end > i && (p[end-1] == '\n' || p[end-1] == '\r' || p[end-1] == ' ') {
			end--
		}
		b.block(p[i:end])
		i = end + b.dense(p[end:], stop-end)
	}
}

var tabs, spaces, spaceCR = []byte("\t"), []byte("  "), []byte(" \r")

// denseRun is how many canonical octets in a row make blocks worth looking for again.
const denseRun = 64

// dense canonicalises relaxed piece by piece, at least so many octets as least says, until denseRun of them needed no
// change and nothing is held back. It returns how many it took.
func (b *BodyHash) dense(p []byte, least int) int {
	i, changed := 0, 0
	for i < len(p) {
		c := p[i]
		switch {
		case b.cr && c == '\n':
			if b.space {
				b.space, changed = false, i
			}
			b.cr = false
			b.crlf++
			i++
		case b.cr: // a CR alone is content
			b.cr = false
			b.hold()
			b.emit('\r')
		case c == '\r':
			b.cr = true
			i++
		case c == ' ' || c == '\t':
			if b.space || c == '\t' {
				changed = i
			}
			b.space = true
			for i++; i < len(p) && (p[i] == ' ' || p[i] == '\t'); i++ {
				changed = i
			}
		default:
			if b.space || b.crlf > 0 {
				b.hold()
			}
			if i-changed >= denseRun && i >= least {
				return i
			}
			b.emit(c)
			i++
			i += b.words(p[i:min(len(p), max(changed+denseRun, least)+2)])
		}
	}
	return i
}

// words takes what p begins with as far as it is canonical whatever follows: words with single spaces and ends of lines
// between them. It returns the length.
func (b *BodyHash) words(p []byte) int {
	i, out := 0, b.buf[b.w:]
	for i+2 < len(p) && i < len(out) {
		c := p[i]
		if c > ' ' || c == ' ' && p[i+1] > ' ' {
			out[i] = c
			i++
			continue
		}
		if c != '\r' || p[i+1] != '\n' || p[i+2] <= ' ' || i+1 == len(out) {
			break
		}
		out[i], out[i+1] = '\r', '\n'
		i += 2
	}
	b.w += i
	return i
}

// slow takes one octet of a simple body.
func (b *BodyHash) slow(c byte) {
	if b.cr {
		b.cr = false
		if c == '\n' {
			b.crlf++
			return
		}
		b.hold()
		b.emit('\r')
	}
	if c == '\r' {
		b.cr = true
		return
	}
	b.hold()
	b.emit(c)
}

// hold hashes what was held back: content follows.
func (b *BodyHash) hold() {
	for ; b.crlf > 0; b.crlf-- {
		b.emit('\r')
		b.emit('\n')
	}
	if b.space {
		b.space = false
		b.emit(' ')
	}
}

func (b *BodyHash) emit(c byte) {
	if b.w == len(b.buf) {
		b.flush()
	}
	b.buf[b.w] = c
	b.w++
}

// block hashes canonical octets.
func (b *BodyHash) block(p []byte) {
	if len(p) <= len(b.buf)-b.w {
		b.w += copy(b.buf[b.w:], p)
		return
	}
	b.flush()
	b.hash(p)
}

func (b *BodyHash) flush() {
	b.hash(b.buf[:b.w])
	b.w = 0
}

func (b *BodyHash) hash(p []byte) {
	b.n += int64(len(p))
	if b.limit >= 0 {
		p = p[:min(int64(len(p)), b.limit)]
		b.limit -= int64(len(p))
	}
	b.h.Write(p)
}
