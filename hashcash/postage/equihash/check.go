package equihash

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/blake2b"
)

const (
	k      = 5
	places = 1 << k // numbers of a solution
	minN   = 60
	maxN   = 120
)

// Why a solution is none. Errors of Check wrap one of them.
var (
	ErrParameter = errors.New("equihash: n is not 60 to 120 in steps of 6")
	ErrLength    = errors.New("equihash: solution has another length")
	ErrDuplicate = errors.New("equihash: a number twice")
	ErrOrder     = errors.New("equihash: halves in the wrong order")
	ErrCollision = errors.New("equihash: no collision")
)

// params are what n says.
type params struct {
	n     int
	c     int // bits of one collision
	width int // octets of a piece
	each  int // pieces of a block
}

func paramsOf(n int) (params, error) {
	if n < minN || n > maxN || n%(k+1) != 0 {
		return params{}, fmt.Errorf("%w: %d", ErrParameter, n)
	}
	p := params{n: n, c: n / (k + 1), width: (n + 7) / 8}
	p.each = blake2b.Size / p.width
	return p, nil
}

// A piece is n bits, at the top of 128.
type piece struct{ hi, lo uint64 }

// piece takes number i of a block.
func (p params) piece(block *[blake2b.Size]byte, i int) piece {
	var b [16]byte
	copy(b[:], block[i*p.width:(i+1)*p.width])
	lo := binary.BigEndian.Uint64(b[8:])
	return piece{binary.BigEndian.Uint64(b[:]), lo &^ (1<<(128-p.n) - 1)}
}

// join is the XOR without the first c bits, which are equal.
func (p params) join(x, y piece) piece {
	hi, lo := x.hi^y.hi, x.lo^y.lo
	return piece{hi<<p.c | lo>>(64-p.c), lo << p.c}
}

// size returns the octets of a packed solution: 32 numbers of c+1 bits.
func (p params) size() int { return places * (p.c + 1) / 8 }

// pack appends the numbers of a solution, the first in the highest bits.
func (p params) pack(dst []byte, numbers []uint32) []byte {
	var acc uint64
	n := 0
	for _, x := range numbers {
		acc, n = acc<<(p.c+1)|uint64(x), n+p.c+1
		for ; n >= 8; n -= 8 {
			dst = append(dst, byte(acc>>(n-8)))
		}
	}
	return dst
}

// unpack is the reverse of pack; src has size octets, so that no bit is left over and every number is in range.
func (p params) unpack(src []byte) (numbers [places]uint32) {
	var acc uint64
	n, i := 0, 0
	for _, b := range src {
		acc, n = acc<<8|uint64(b), n+8
		if n >= p.c+1 {
			n -= p.c + 1
			numbers[i] = uint32(acc>>n) & (1<<(p.c+1) - 1)
			i++
		}
	}
	return numbers
}

// Check says whether solution, packed, is one for header: n/6+1 bits each for 32 different numbers, in order, whose pieces
// collide as they must. The error wraps ErrParameter, ErrLength, ErrDuplicate, ErrOrder or ErrCollision.
func Check(n int, header, solution []byte) error {
	p, err := paramsOf(n)
	if err != nil {
		return err
	}
	return p.check(seeded(header), solution)
}

func (p params) check(leaf leaves, solution []byte) error {
	if len(solution) != p.size() {
		return fmt.Errorf("%w: %d octets, not %d", ErrLength, len(solution), p.size())
	}
	numbers := p.unpack(solution)
	sorted := numbers
	slices.Sort(sorted[:])
	for i := 1; i < places; i++ {
		if sorted[i-1] == sorted[i] {
			return fmt.Errorf("%w: %d", ErrDuplicate, sorted[i])
		}
	}
	for half := 1; half < places; half *= 2 {
		for i := 0; i < places; i += 2 * half {
			if numbers[i] > numbers[i+half] {
				return fmt.Errorf("%w: %d before %d", ErrOrder, numbers[i], numbers[i+half])
			}
		}
	}
	var row [places]piece
	var of [lanes]uint32
	var blocks [lanes][blake2b.Size]byte
	for at := 0; at < places; at += lanes {
		some := numbers[at:][:lanes]
		for i, x := range some {
			of[i] = x / uint32(p.each)
		}
		leaf(&of, &blocks)
		for i, x := range some {
			row[at+i] = p.piece(&blocks[i], int(x)%p.each)
		}
	}
	for level := 1; level <= k; level++ {
		for i := range places >> level {
			x, y := row[2*i], row[2*i+1]
			if (x.hi^y.hi)>>(64-p.c) != 0 {
				return fmt.Errorf("%w at level %d", ErrCollision, level)
			}
			row[i] = p.join(x, y)
		}
	}
	if row[0] != (piece{}) {
		return fmt.Errorf("%w of the last bits", ErrCollision)
	}
	return nil
}
