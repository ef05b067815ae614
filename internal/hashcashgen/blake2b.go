package main

import (
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// sigma is the order of message words in a round of BLAKE2b (RFC 7693 §2.7).
var sigma = [10][16]int{
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
	{14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
	{11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
	{7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
	{9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
	{2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
	{12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
	{13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
	{6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
	{10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
}

// columns and diagonals that one round mixes.
var mixed = [8][4]int{{0, 4, 8, 12}, {1, 5, 9, 13}, {2, 6, 10, 14}, {3, 7, 11, 15}, {0, 5, 10, 15}, {1, 6, 11, 12}, {2, 7, 8, 13}, {3, 4, 9, 14}}

// words is how many words of the block are not zero: the seed, and the number.
const words = 9

// blake2b writes the compression of eight blocks that differ in their last word alone, one in each lane. All of it stays in
// registers: sixteen of the state, nine of the blocks.
func blake2b() {
	build.TEXT("blocksAVX512", attr.NOSPLIT, "func(out *[8][8]uint64, init *[16]uint64, seed *[8]uint64, numbers *[8]uint64)")
	out, init := build.Load(build.Param("out"), build.GP64()), build.Load(build.Param("init"), build.GP64())
	seed, numbers := build.Load(build.Param("seed"), build.GP64()), build.Load(build.Param("numbers"), build.GP64())
	word := func(base reg.Register, i int) operand.Mem { return operand.Mem{Base: base, Disp: 8 * i} }
	var v [16]reg.VecVirtual
	for i := range v {
		v[i] = build.ZMM()
		build.VPBROADCASTQ(word(init, i), v[i])
	}
	var m [words]reg.VecVirtual
	for i := range m {
		m[i] = build.ZMM()
		if i < words-1 {
			build.VPBROADCASTQ(word(seed, i), m[i])
		} else {
			build.VMOVDQU64(word(numbers, 0), m[i])
		}
	}
	for round := range 12 {
		order := &sigma[round%len(sigma)]
		for half := 0; half < 8; half += 4 { // four that do not touch each other, step by step
			each := func(step func(a, b, c, d reg.VecVirtual, x, y int)) {
				for g := half; g < half+4; g++ {
					at := &mixed[g]
					step(v[at[0]], v[at[1]], v[at[2]], v[at[3]], order[2*g], order[2*g+1])
				}
			}
			add := func(a, b reg.VecVirtual, word int) {
				build.VPADDQ(b, a, a)
				if word < words {
					build.VPADDQ(m[word], a, a)
				}
			}
			turn := func(a, b reg.VecVirtual, n uint8) {
				build.VPXORQ(b, a, a)
				build.VPRORQ(operand.U8(n), a, a)
			}
			each(func(a, b, _, _ reg.VecVirtual, x, _ int) { add(a, b, x) })
			each(func(a, _, _, d reg.VecVirtual, _, _ int) { turn(d, a, 32) })
			each(func(_, _, c, d reg.VecVirtual, _, _ int) { build.VPADDQ(d, c, c) })
			each(func(_, b, c, _ reg.VecVirtual, _, _ int) { turn(b, c, 24) })
			each(func(a, b, _, _ reg.VecVirtual, _, y int) { add(a, b, y) })
			each(func(a, _, _, d reg.VecVirtual, _, _ int) { turn(d, a, 16) })
			each(func(_, _, c, d reg.VecVirtual, _, _ int) { build.VPADDQ(d, c, c) })
			each(func(_, b, c, _ reg.VecVirtual, _, _ int) { turn(b, c, 63) })
		}
	}
	for i := range 8 {
		h := build.ZMM()
		build.VPBROADCASTQ(word(init, i), h)
		build.VPXORQ(v[i], h, h)
		build.VPXORQ(v[i+8], h, h)
		build.VMOVDQU64(h, operand.Mem{Base: out, Disp: 64 * i})
	}
	build.VZEROUPPER()
	build.RET()
}
