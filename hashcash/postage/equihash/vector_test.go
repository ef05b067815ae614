package equihash

import (
	"encoding"
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/crypto/blake2b"
)

// zcash returns the leaves of Zcash's Equihash (protocol specification §7.7.1): BLAKE2b with a personalisation and a
// length of whole pieces, over header, nonce and number. The personalisation goes in by way of a saved state, whose first
// words are the initialisation vector XOR the parameter block (RFC 7693 §2.5).
func zcash(t *testing.T, p params, header string, nonce byte) leaves {
	h, err := blake2b.New(p.each*p.width, nil)
	if err != nil {
		t.Fatal(err)
	}
	state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	personal := append([]byte("ZcashPoW"), binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, uint32(p.n)), k)...)
	const magic = len("b2b")
	for i, x := range personal { // words 6 and 7, kept in big-endian order
		state[magic+48+i/8*8+7-i%8] ^= x
	}
	v := make([]byte, 32)
	v[0] = nonce
	return each(func(g uint32) (block [blake2b.Size]byte) {
		if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
			t.Fatal(err)
		}
		h.Write([]byte(header))
		h.Write(v)
		h.Write(binary.LittleEndian.AppendUint32(nil, g))
		h.Sum(block[:0])
		return block
	})
}

// each makes one block after another.
func each(leaf func(g uint32) [blake2b.Size]byte) leaves {
	return func(numbers *[lanes]uint32, blocks *[lanes][blake2b.Size]byte) {
		for i, g := range numbers {
			blocks[i] = leaf(g)
		}
	}
}

const zcashHeader = "Equihash is an asymmetric PoW based on the Generalised Birthday problem."

// zcashValid is a valid solution of n = 96, nonce 1.
var zcashValid = []uint32{2261, 15185, 36112, 104243, 23779, 118390, 118332, 130041, 32642, 69878, 76925, 80080, 45858, 116805, 92842, 111026,
	15972, 115059, 85191, 90330, 68190, 122819, 81830, 91132, 23460, 49807, 52426, 80391, 69567, 114474, 104973, 122568}

// TestZcash checks that solution, and finds it.
func TestZcash(t *testing.T) {
	p, err := paramsOf(96)
	if err != nil {
		t.Fatal(err)
	}
	leaf := zcash(t, p, zcashHeader, 1)
	packed := p.pack(nil, zcashValid)
	if err := p.check(leaf, packed); err != nil {
		t.Error(err)
	}
	var s Solver
	found, err := s.run(t.Context(), p, leaf)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(found, func(x []byte) bool { return slices.Equal(x, packed) }) {
		t.Errorf("not among the %d found", len(found))
	}
	for _, x := range found {
		t.Log(p.unpack(x))
	}
}
