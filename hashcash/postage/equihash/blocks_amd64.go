//go:build !purego

package equihash

import (
	"encoding/binary"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/sys/cpu"
)

// blocksAVX512 compresses eight blocks of seed and a number each; out has word i of all of them in row i.
//
//go:noescape
func blocksAVX512(out *[8][8]uint64, init *[16]uint64, seed *[8]uint64, numbers *[8]uint64)

// fastLeaves returns nil where the processor has no fast way.
func fastLeaves(seed *[blake2b.Size]byte) leaves {
	if !cpu.X86.HasAVX512F {
		return nil
	}
	init := initial()
	var words [8]uint64
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(seed[8*i:])
	}
	return func(numbers *[lanes]uint32, blocks *[lanes][blake2b.Size]byte) {
		var wide [lanes]uint64
		for i, g := range numbers {
			wide[i] = uint64(g)
		}
		var out [8][lanes]uint64
		blocksAVX512(&out, &init, &words, &wide)
		for i := range out {
			for lane := range blocks {
				binary.LittleEndian.PutUint64(blocks[lane][8*i:], out[i][lane])
			}
		}
	}
}
