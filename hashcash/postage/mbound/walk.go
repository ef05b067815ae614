package mbound

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
)

// Limits of a table and a walk.
const (
	MinTable = 8 // 2^8 words
	MaxTable = 28
	MaxSteps = 1 << 16

	// DefaultTable and DefaultSteps are those of the paper: 16 MiB, 2048 steps.
	DefaultTable = 22
	DefaultSteps = 2048
)

// ErrTable says that a table would be smaller or larger than the limits.
var ErrTable = errors.New("mbound: table of another size than 2^8 to 2^28 words")

// A Table is the words that walks go through. It is the same for everybody: ChaCha8 with a seed that says so. It is safe
// for concurrent use.
type Table struct {
	words []uint32 // 2^size of them
	size  int
}

// NewTable makes a table of 2^size words of four octets.
func NewTable(size int) (*Table, error) {
	if size < MinTable || size > MaxTable {
		return nil, fmt.Errorf("%w: 2^%d", ErrTable, size)
	}
	t := &Table{words: make([]uint32, 1<<size), size: size}
	source := rand.NewChaCha8(sha256.Sum256([]byte("mailbricks mbound table")))
	for i := 0; i < len(t.words); i += 2 {
		x := source.Uint64()
		t.words[i], t.words[i+1] = uint32(x), uint32(x>>32)
	}
	return t, nil
}

// walk goes steps steps for a stamp, and returns the leading zero bits of the hash of where it has come, 64 at most.
func (t *Table) walk(stamp string, steps int) int {
	var a [256]uint32
	source := rand.NewChaCha8(sha256.Sum256([]byte(stamp)))
	for i := 0; i < len(a); i += 2 {
		x := source.Uint64()
		a[i], a[i+1] = uint32(x), uint32(x>>32)
	}
	mask := uint32(len(t.words) - 1)
	c := a[0]
	var i, j uint8
	for range steps {
		word := t.words[c&mask]
		i++
		j += uint8(a[i])
		a[i] = bits.RotateLeft32(a[i]+word, -11)
		a[i], a[j] = a[j], a[i]
		c = word ^ a[uint8(a[i]+a[j])]
	}
	var end [4 * len(a)]byte
	for i, x := range a {
		binary.BigEndian.PutUint32(end[4*i:], x)
	}
	sum := sha256.Sum256(end[:])
	return bits.LeadingZeros64(binary.BigEndian.Uint64(sum[:]))
}
