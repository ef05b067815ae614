package deflate

import (
	"bufio"
	"errors"
	"io"
)

// ErrCorrupt says that the input is not DEFLATE.
var ErrCorrupt = errors.New("deflate: corrupt input")

const (
	window  = 32 << 10
	maxBits = 15
	// fast is how many bits of a code are looked up at once.
	fast = 9
	// symbolBits is the most that one symbol takes, with the distance behind it: two codes and their extra bits.
	symbolBits = 15 + 5 + 15 + 13
)

// A Reader decompresses. It is an io.Reader that returns what it has before it waits for more.
type Reader struct {
	in   *bufio.Reader
	bits uint64
	n    uint // of bits
	err  error

	// What a step has read, so that it can begin again after an error of the input that passes.
	undo  []byte
	saved struct {
		bits uint64
		n    uint
	}
	again []byte // to be read once more, before in

	out      [window]byte // a ring: what was decoded last
	at       int          // the next octet of out
	pending  int          // octets before at that have not been returned
	full     bool         // out has been filled once
	last     bool         // the block is the last one
	state    func(*Reader)
	stored   int // octets left of a stored block
	copyLen  int // octets left of a copy
	copyDist int
	lengths  code
	dists    code
}

// NewReader returns a Reader of r.
func NewReader(r io.Reader) *Reader {
	return &Reader{in: bufio.NewReaderSize(r, 4<<10), state: (*Reader).block}
}

// Read returns io.EOF after the last block, io.ErrUnexpectedEOF where the input ends within one, ErrCorrupt, or the
// error of the input, a timeout for example, after which reading may go on.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for r.pending == 0 && r.err == nil {
		r.state(r)
	}
	if r.pending == 0 {
		err := r.err
		if err != io.EOF && err != io.ErrUnexpectedEOF && err != ErrCorrupt {
			r.back()
		}
		return 0, err
	}
	start := (r.at - r.pending) & (window - 1)
	n := copy(p, r.out[start:min(start+r.pending, window)])
	r.pending -= n
	return n, nil
}

// begin begins a step: what takes several pieces of input, and does nothing before it has them all.
func (r *Reader) begin() { r.saved.bits, r.saved.n, r.undo = r.bits, r.n, r.undo[:0] }

// back goes to where the step began.
func (r *Reader) back() {
	r.err, r.bits, r.n = nil, r.saved.bits, r.saved.n
	r.again = append(append([]byte(nil), r.undo...), r.again...)
	r.undo = r.undo[:0]
}

// buffered is how many octets there are.
func (r *Reader) buffered() int { return len(r.again) + r.in.Buffered() }

func (r *Reader) readByte() (b byte, err error) {
	if len(r.again) > 0 {
		b, r.again = r.again[0], r.again[1:]
	} else if b, err = r.in.ReadByte(); err != nil {
		return 0, err
	}
	r.undo = append(r.undo, b)
	return b, nil
}

// enough reports whether symbols can be decoded without waiting for input.
func (r *Reader) enough() bool { return r.n+8*uint(r.buffered()) >= symbolBits }

// need makes at least n bits available, n being at most 48.
func (r *Reader) need(n uint) bool {
	for r.n < n && r.err == nil {
		b, err := r.readByte()
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			r.err = err
			return false
		}
		r.bits |= uint64(b) << r.n
		r.n += 8
	}
	return r.err == nil
}

// take removes n bits.
func (r *Reader) take(n uint) int {
	v := int(r.bits & (1<<n - 1))
	r.bits >>= n
	r.n -= n
	return v
}

func (r *Reader) get(n uint) int {
	if !r.need(n) {
		return 0
	}
	return r.take(n)
}

func (r *Reader) corrupt() {
	if r.err == nil {
		r.err = ErrCorrupt
	}
}

// block reads the header of a block (RFC 1951 §3.2.3).
func (r *Reader) block() {
	if r.last {
		r.err = io.EOF
		return
	}
	r.begin()
	if r.n < 8 && r.buffered() == 0 { // no block fits into what is left of an octet
		if _, err := r.in.Peek(1); err != nil { // between blocks the input may end
			r.err = err
			return
		}
	}
	final, kind := r.get(1), r.get(2)
	r.last = final == 1
	switch {
	case r.err != nil:
	case kind == 0:
		r.take(r.n & 7)
		n := r.get(16)
		if m := r.get(16); r.err == nil && n != ^m&0xffff {
			r.corrupt()
		}
		r.stored = n
		r.next((*Reader).copyStored)
	case kind == 1:
		r.fixed()
		r.next((*Reader).symbols)
	case kind == 2:
		r.dynamic()
		r.next((*Reader).symbols)
	default:
		r.corrupt()
	}
}

// next is the state after a step without an error.
func (r *Reader) next(state func(*Reader)) {
	if r.err == nil {
		r.state = state
	}
}

// copyStored is a block without compression.
func (r *Reader) copyStored() {
	for r.stored > 0 && r.pending < window {
		if r.n == 0 && r.buffered() == 0 && r.pending > 0 {
			return
		}
		r.begin()
		b := r.get(8)
		if r.err != nil {
			return
		}
		r.put(byte(b))
		r.stored--
	}
	if r.stored == 0 {
		r.state = (*Reader).block
	}
}

func (r *Reader) put(b byte) {
	r.out[r.at] = b
	if r.at++; r.at == window {
		r.at, r.full = 0, true
	}
	r.pending++
}

// symbols decodes until there is something to return and the input may block, or the ring is full.
func (r *Reader) symbols() {
	for r.pending < window {
		if r.copyLen > 0 {
			r.put(r.out[(r.at-r.copyDist)&(window-1)])
			r.copyLen--
			continue
		}
		if r.pending > 0 && !r.enough() {
			return
		}
		r.begin()
		s := r.lengths.decode(r)
		switch {
		case r.err != nil:
			return
		case s < 256:
			r.put(byte(s))
		case s == 256:
			r.state = (*Reader).block
			return
		default:
			if r.match(s - 257); r.err != nil {
				return
			}
		}
	}
}

// match reads the rest of a length and its distance (RFC 1951 §3.2.5).
func (r *Reader) match(s int) {
	if s >= len(lengthBase) {
		r.corrupt()
		return
	}
	n := int(lengthBase[s]) + r.get(uint(lengthExtra[s]))
	s = r.dists.decode(r)
	if r.err != nil {
		return
	}
	if s >= len(distBase) {
		r.corrupt()
		return
	}
	dist := int(distBase[s]) + r.get(uint(distExtra[s]))
	if !r.full && dist > r.at {
		r.corrupt()
	}
	if r.err == nil {
		r.copyLen, r.copyDist = n, dist
	}
}

var (
	lengthBase  = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase    = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
		8193, 12289, 16385, 24577}
	distExtra = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	codeOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

// fixed sets the codes of RFC 1951 §3.2.6.
func (r *Reader) fixed() {
	var l [288]uint8
	for i := range l {
		switch {
		case i < 144:
			l[i] = 8
		case i < 256:
			l[i] = 9
		case i < 280:
			l[i] = 7
		default:
			l[i] = 8
		}
	}
	r.lengths.build(l[:])
	for i := range 32 {
		l[i] = 5
	}
	r.dists.build(l[:32])
}

// dynamic reads the codes of RFC 1951 §3.2.7.
func (r *Reader) dynamic() {
	lits, dists, codes := r.get(5)+257, r.get(5)+1, r.get(4)+4
	if lits > 286 || dists > 30 {
		r.corrupt()
		return
	}
	var l [286 + 30]uint8
	for i := range codes {
		l[codeOrder[i]] = uint8(r.get(3))
	}
	if r.err != nil || !r.lengths.build(l[:19]) {
		r.corrupt()
		return
	}
	clear(l[:19])
	for i := 0; i < lits+dists; {
		s := r.lengths.decode(r)
		if r.err != nil {
			return
		}
		again, v := 1, uint8(s)
		switch s {
		case 16:
			if i == 0 {
				r.corrupt()
				return
			}
			again, v = 3+r.get(2), l[i-1]
		case 17:
			again, v = 3+r.get(3), 0
		case 18:
			again, v = 11+r.get(7), 0
		}
		if i+again > lits+dists {
			r.corrupt()
			return
		}
		for range again {
			l[i] = v
			i++
		}
	}
	if r.err != nil || l[256] == 0 || !r.lengths.build(l[:lits]) || !r.dists.build(l[lits:lits+dists]) {
		r.corrupt()
	}
}

// A code is a canonical Huffman code (RFC 1951 §3.2.2).
type code struct {
	count  [maxBits + 1]uint16
	symbol [288]uint16
	quick  [1 << fast]uint16 // symbol<<4 | length of the codes of fast bits at most, by their bits in the order of input
}

// build makes the code with these lengths. It may be incomplete only with one symbol, or with none.
func (c *code) build(lengths []uint8) bool {
	clear(c.count[:])
	clear(c.quick[:])
	for _, n := range lengths {
		c.count[n]++
	}
	used := len(lengths) - int(c.count[0])
	c.count[0] = 0
	left := 1
	for _, n := range c.count[1:] {
		if left = left<<1 - int(n); left < 0 {
			return false
		}
	}
	if left > 0 && (used > 1 || used == 1 && c.count[1] != 1) {
		return false
	}
	var next, first [maxBits + 2]uint16
	for n := 1; n <= maxBits; n++ {
		next[n+1] = next[n] + c.count[n]
		first[n+1] = (first[n] + c.count[n]) << 1
	}
	for s, n := range lengths {
		if n == 0 {
			continue
		}
		c.symbol[next[n]] = uint16(s)
		next[n]++
		if n <= fast {
			for v := reverse(first[n], n); v < 1<<fast; v += 1 << n {
				c.quick[v] = uint16(s)<<4 | uint16(n)
			}
		}
		first[n]++
	}
	return true
}

// reverse returns the lowest n bits of v in reverse.
func reverse(v uint16, n uint8) int {
	out := 0
	for range n {
		out = out<<1 | int(v&1)
		v >>= 1
	}
	return out
}

// decode reads one symbol. It takes no more input than the symbol needs.
func (c *code) decode(r *Reader) int {
	if q := c.quick[r.bits&(1<<fast-1)]; q != 0 && uint(q&15) <= r.n {
		r.take(uint(q & 15))
		return int(q >> 4)
	}
	v, first, index := 0, 0, 0
	for n := uint(1); n <= maxBits; n++ {
		if !r.need(n) {
			return 0
		}
		v |= int(r.bits >> (n - 1) & 1)
		count := int(c.count[n])
		if v-first < count {
			r.take(n)
			return int(c.symbol[index+v-first])
		}
		index += count
		first = (first + count) << 1
		v <<= 1
	}
	r.corrupt()
	return 0
}
