package equihash

import (
	"encoding/binary"

	"golang.org/x/crypto/blake2b"
)

//go:generate go run -C ../../../internal/hashcashgen . -kernel blake2b -out ../../hashcash/postage/equihash/blocks_avx512_amd64.s

// lanes is how many blocks of pieces are made at once.
const lanes = 8

// leaves makes the blocks of pieces of some numbers.
type leaves func(numbers *[lanes]uint32, blocks *[lanes][blake2b.Size]byte)

// seeded are those of a stamp.
func seeded(header []byte) leaves {
	seed := blake2b.Sum512(header)
	if fast := fastLeaves(&seed); fast != nil {
		return fast
	}
	return slowLeaves(&seed)
}

func slowLeaves(seed *[blake2b.Size]byte) leaves {
	return func(numbers *[lanes]uint32, blocks *[lanes][blake2b.Size]byte) {
		var in [len(seed) + 4]byte
		copy(in[:], seed[:])
		for i, g := range numbers {
			binary.LittleEndian.PutUint32(in[len(seed):], g)
			blocks[i] = blake2b.Sum512(in[:])
		}
	}
}

// initial is the state of BLAKE2b-512 before its last block, which ends at octet 68 (RFC 7693 §2.6, §3.2): the first half
// is what the result is XORed with too.
func initial() (v [16]uint64) {
	iv := [8]uint64{0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
		0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179}
	copy(v[:8], iv[:])
	copy(v[8:], iv[:])
	v[0] ^= 0x01010000 ^ blake2b.Size // no key, one leaf, the length
	v[12] ^= blake2b.Size + 4
	v[14] = ^v[14]
	return v
}
