package hashcash

import (
	"encoding/binary"
	"math/bits"
)

//go:generate go run -C ../internal/hashcashgen . -kernel avx512 -out ../../hashcash/scan_avx512_amd64.s
//go:generate go run -C ../internal/hashcashgen . -kernel avx2 -out ../../hashcash/scan_avx2_amd64.s
//go:generate go run -C ../internal/hashcashgen . -kernel portable ../../hashcash/scan_portable.go

// How a search goes. The stamp is made so long that its last block ends with the last four digits of the counter in
// word 12:
//
//	word   0 .............. 11          12            13      14, 15
//	       ...dom text:counter's  ... d3 d2 d1 d0   80000000  length in bits
//
// So the blocks before it and its first twelve rounds are done once for all 2^24 values of those digits. The rest of
// the schedule is linear over XOR: its word t is what it would be without word 12, XOR what each digit adds to it, and
// that stands in a table. What is left is rounds 12 to 79, in lanes that differ in d0.

const (
	firstRound = 12
	schedWords = 80 - firstRound
	scanBits   = 12 // of the counter: two digits, tried by one call of a kernel
	scanTries  = 1 << scanBits
	tailBits   = 24 // of the counter: the four digits of word 12
)

// A tail is the last block of a search's stamps without the last two digits. internal/hashcashgen knows its layout.
type tail struct {
	// start is what is the same in all lanes, added up: all but word 12 in round 12, all but a <<< 5 in round 13, e, word and
	// constant of rounds 14, 15 and 16; then a <<< 30 and b <<< 30 of round 12.
	start [7]uint32
	h0    uint32 // added to a after the last round: the first word of the hash
	mask  uint32 // which of its bits must be 0
	_     [7]uint32
	sched [80]uint32 // from word 12 on; words that the digits have no part in, from 17 on, with the constant of their round
	row   [80]uint32 // for the kernels: sched and the digit before the last
}

// A spread is what the last two digits add to the schedule. internal/hashcashgen knows its layout.
type spread struct {
	lane  [schedWords][64]uint32 // the last digit
	outer [64][80]uint32         // the one before it
}

func newSpread() *spread {
	s := new(spread)
	for i := range 64 {
		w := expand([16]uint32{firstRound: uint32(alphabet[i])})
		for t := firstRound; t < 80; t++ {
			s.lane[t-firstRound][i] = w[t]
			s.outer[i][t-firstRound] = bits.RotateLeft32(w[t], 8)
		}
	}
	return s
}

// expand returns SHA-1's schedule of a block.
func expand(block [16]uint32) (w [80]uint32) {
	copy(w[:], block[:])
	for t := 16; t < len(w); t++ {
		w[t] = bits.RotateLeft32(w[t-3]^w[t-8]^w[t-14]^w[t-16], 1)
	}
	return w
}

// roundKey is the constant of a round.
func roundKey(t int) uint32 {
	return [4]uint32{0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6}[t/20]
}

// rounds does rounds from to to of SHA-1.
func rounds(s [5]uint32, w *[80]uint32, from, to int) [5]uint32 {
	a, b, c, d, e := s[0], s[1], s[2], s[3], s[4]
	for t := from; t < to; t++ {
		var f uint32
		switch t / 20 {
		case 0:
			f = d ^ b&(c^d)
		case 2:
			f = b&c | d&(b|c)
		default:
			f = b ^ c ^ d
		}
		a, b, c, d, e = bits.RotateLeft32(a, 5)+f+e+w[t]+roundKey(t), a, bits.RotateLeft32(b, 30), c, d
	}
	return [5]uint32{a, b, c, d, e}
}

// sha1Start is the state that SHA-1 begins with.
var sha1Start = [5]uint32{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}

// A kernel tries the counters of one tail, in order, and returns the first that does it, or scanTries.
type kernel struct {
	name string
	scan func(*tail, *spread) int
}

// kernels are those that this processor can run, the fastest first.
func kernels() []kernel { return append(fastKernels(), kernel{"portable", scanPortable}) }

// Kernels returns the names of the kernels, the inner loops of the search, that this processor can run, the fastest
// first: "avx512" and "avx2" on amd64, unless built with the tag purego, and "portable" everywhere. All find the same
// stamps.
func Kernels() []string {
	var names []string
	for _, k := range kernels() {
		names = append(names, k.name)
	}
	return names
}

// kernelNamed returns the fastest one where name is empty, and nil where there is none of that name.
func kernelNamed(name string) func(*tail, *spread) int {
	for _, k := range kernels() {
		if name == "" || name == k.name {
			return k.scan
		}
	}
	return nil
}

// A scanner holds what the tails of one search have in common.
type scanner struct {
	text   []byte // the stamp, its counter in the last digits octets
	digits int
	price  int
	spread *spread

	high uint64 // the counter without the digits of word 12; valid with ready
	base tail   // with these digits 0
	next tail
}

// newScanner takes prefix, the stamp up to its counter, whose length is that of one that ends in word 12, less digits.
func newScanner(prefix []byte, digits, price int, s *spread) *scanner {
	text := append(append(make([]byte, 0, len(prefix)+digits), prefix...), make([]byte, digits)...)
	return &scanner{text: text, digits: digits, price: price, spread: s, high: ^uint64(0)}
}

// at returns the tail with the counters from c on, a multiple of scanTries.
func (s *scanner) at(c uint64) *tail {
	if s.high != c>>tailBits {
		s.high = c >> tailBits
		s.rebase()
	}
	// Words of outer are those of the digit in the second octet from below; these two are in the third and the fourth.
	d2, d3 := &s.spread.outer[c>>scanBits&63], &s.spread.outer[c>>(scanBits+6)&63]
	for i := range s.next.sched[:schedWords] {
		s.next.sched[i] = s.base.sched[i] ^ bits.RotateLeft32(d2[i], 8) ^ bits.RotateLeft32(d3[i], 16)
	}
	return &s.next
}

// chunk returns the first of the chunk counters from c on, a multiple of chunk, that does it.
func (s *scanner) chunk(scan func(*tail, *spread) int, c uint64) (uint64, bool) {
	for end := c + chunk; c < end; c += scanTries {
		i := scan(s.at(c), s.spread)
		if i < scanTries && s.price > 32 {
			i = s.confirm(c, i) // a kernel looks at 32 bits
		}
		if i < scanTries {
			return c + uint64(i), true
		}
	}
	return 0, false
}

// confirm returns the first counter from c+i on that does it, less c.
func (s *scanner) confirm(c uint64, i int) int {
	for ; i < scanTries; i++ {
		putCounter(s.text[len(s.text)-s.digits:], c+uint64(i))
		if zeros(s.text) >= s.price {
			break
		}
	}
	return i
}

// rebase hashes what comes before word 12.
func (s *scanner) rebase() {
	putCounter(s.text[len(s.text)-s.digits:], s.high<<tailBits)
	h := sha1Start
	rest := s.text
	for ; len(rest) >= 64; rest = rest[64:] {
		w := expand(words(rest))
		for i, x := range rounds(h, &w, 0, 80) {
			h[i] += x
		}
	}
	var block [64]byte
	copy(block[:], rest[:4*firstRound])
	block[4*firstRound+4] = 0x80
	binary.BigEndian.PutUint64(block[56:], uint64(len(s.text))*8)
	w := expand(words(block[:]))
	// Left to do in round t with a state z: what is the same in all lanes of it.
	add := func(z [5]uint32, t int) uint32 { return z[4] + w[t] + roundKey(t) }
	choice := func(z [5]uint32) uint32 { return z[3] ^ z[1]&(z[2]^z[3]) }
	z := rounds(h, &w, 0, firstRound)
	t := &s.next
	*t = tail{h0: h[0], mask: ^uint32(0) << max(0, 32-s.price)}
	t.start[0] = bits.RotateLeft32(z[0], 5) + choice(z) + add(z, 12) // word 12 is 0 here
	y := [5]uint32{0, z[0], bits.RotateLeft32(z[1], 30), z[2], z[3]}
	t.start[1] = choice(y) + add(y, 13)
	t.start[5], t.start[6] = bits.RotateLeft32(z[0], 30), y[2]
	for i, e := range [3]uint32{z[2], t.start[6], t.start[5]} {
		t.start[2+i] = e + w[14+i] + roundKey(14+i)
	}
	for i := range schedWords {
		t.sched[i] = w[firstRound+i]
		if r := firstRound + i; r > 16 && s.spread.lane[i][0] == 0 {
			t.sched[i] += roundKey(r)
		}
	}
	s.base = *t
}

func words(b []byte) (w [16]uint32) {
	for i := range w {
		w[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	return w
}

// scanPortable is the kernel in Go.
func scanPortable(t *tail, s *spread) int {
	for o := range s.outer {
		for i := range t.row {
			t.row[i] = t.sched[i] ^ s.outer[o][i]
		}
		for l := range 64 {
			if (lastA(&t.start, &t.row, &s.lane, l)+t.h0)&t.mask == 0 {
				return o<<6 | l
			}
		}
	}
	return scanTries
}
