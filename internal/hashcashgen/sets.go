package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// avx512 has 16 lanes, rotation, and any function of three inputs in one instruction. It asks for AVX512F.
type avx512 struct {
	keys     [4]reg.VecVirtual
	h0, mask reg.VecVirtual
}

func (*avx512) width() int { return 64 }

func (*avx512) vector() reg.VecVirtual { return build.ZMM() }

func (x *avx512) prepare(tail reg.Register) {
	r := build.GP32()
	for i, k := range keys {
		if i == 0 {
			continue // its rounds have it in their words
		}
		x.keys[i] = build.ZMM()
		build.MOVL(operand.U32(k), r)
		build.VPBROADCASTD(r, x.keys[i])
	}
	x.h0, x.mask = build.ZMM(), build.ZMM()
	build.VPBROADCASTD(operand.Mem{Base: tail, Disp: offH0}, x.h0)
	build.VPBROADCASTD(operand.Mem{Base: tail, Disp: offMask}, x.mask)
}

func (*avx512) broadcast(m operand.Mem, v reg.VecVirtual) { build.VPBROADCASTD(m, v) }

func (*avx512) xor(m operand.Mem, a, v reg.VecVirtual) { build.VPXORD(m, a, v) }

func (*avx512) copyXor(from, with, to operand.Mem) {
	v := build.ZMM()
	build.VMOVDQU32(from, v)
	build.VPXORD(with, v, v)
	build.VMOVDQU32(v, to)
}

func (*avx512) add(a, v reg.VecVirtual) { build.VPADDD(a, v, v) }

func (*avx512) addWord(m operand.Mem, v reg.VecVirtual) { build.VPADDD_BCST(m, v, v) }

func (x *avx512) addKey(k int, v reg.VecVirtual) { build.VPADDD(x.keys[k], v, v) }

func (*avx512) addLeft5(a, v reg.VecVirtual) {
	r := build.ZMM()
	build.VPROLD(operand.U8(5), a, r)
	build.VPADDD(r, v, v)
}

func (*avx512) left30(v reg.VecVirtual) { build.VPROLD(operand.U8(30), v, v) }

func (*avx512) addF(q int, b, c, d, v reg.VecVirtual) {
	// The truth tables of choice, parity, majority, parity, with b as the highest bit of the index.
	table := [4]uint8{0xca, 0x96, 0xe8, 0x96}[q]
	f := build.ZMM()
	build.VMOVDQA32(b, f)
	build.VPTERNLOGD(operand.U8(table), d, c, f)
	build.VPADDD(f, v, v)
}

func (x *avx512) hits(a reg.VecVirtual) reg.GPVirtual {
	k, r := build.K(), build.GP64()
	build.VPADDD(x.h0, a, a)
	build.VPTESTNMD(x.mask, a, k)
	build.KMOVW(k, r.As32())
	return r
}

// avx2 has 8 lanes and 16 registers: the constants come from memory.
type avx2 struct {
	keys [4]operand.Mem
	tail reg.Register
}

func (*avx2) width() int { return 32 }

func (*avx2) vector() reg.VecVirtual { return build.YMM() }

func (x *avx2) prepare(tail reg.Register) {
	x.tail = tail
	table := build.GLOBL("keysAVX2", 8|16) // RODATA, NOPTR
	for i, k := range keys {
		for j := range 8 {
			build.DATA(32*i+4*j, operand.U32(k))
		}
		x.keys[i] = table.Offset(32 * i)
	}
}

func (*avx2) broadcast(m operand.Mem, v reg.VecVirtual) { build.VPBROADCASTD(m, v) }

func (*avx2) xor(m operand.Mem, a, v reg.VecVirtual) { build.VPXOR(m, a, v) }

func (*avx2) copyXor(from, with, to operand.Mem) {
	v := build.YMM()
	build.VMOVDQU(from, v)
	build.VPXOR(with, v, v)
	build.VMOVDQU(v, to)
}

func (*avx2) add(a, v reg.VecVirtual) { build.VPADDD(a, v, v) }

func (*avx2) addWord(m operand.Mem, v reg.VecVirtual) {
	w := build.YMM()
	build.VPBROADCASTD(m, w)
	build.VPADDD(w, v, v)
}

func (x *avx2) addKey(k int, v reg.VecVirtual) { build.VPADDD(x.keys[k], v, v) }

func (*avx2) addLeft5(a, v reg.VecVirtual) {
	r := build.YMM()
	build.VPSLLD(operand.U8(5), a, r)
	build.VPADDD(r, v, v)
	r = build.YMM()
	build.VPSRLD(operand.U8(27), a, r)
	build.VPADDD(r, v, v)
}

func (*avx2) left30(v reg.VecVirtual) {
	r := build.YMM()
	build.VPSLLD(operand.U8(30), v, r)
	build.VPSRLD(operand.U8(2), v, v)
	build.VPOR(r, v, v)
}

func (*avx2) addF(q int, b, c, d, v reg.VecVirtual) {
	f := build.YMM()
	switch q {
	case 0: // d ^ b&(c^d)
		build.VPXOR(c, d, f)
		build.VPAND(b, f, f)
		build.VPXOR(d, f, f)
	case 2: // b&c and d&(b^c) have no bit in common
		build.VPAND(b, c, f)
		build.VPADDD(f, v, v)
		f = build.YMM()
		build.VPXOR(b, c, f)
		build.VPAND(d, f, f)
	default:
		build.VPXOR(b, c, f)
		build.VPXOR(d, f, f)
	}
	build.VPADDD(f, v, v)
}

func (x *avx2) hits(a reg.VecVirtual) reg.GPVirtual {
	w, r := build.YMM(), build.GP64()
	build.VPBROADCASTD(operand.Mem{Base: x.tail, Disp: offH0}, w)
	build.VPADDD(w, a, a)
	build.VPBROADCASTD(operand.Mem{Base: x.tail, Disp: offMask}, w)
	build.VPAND(w, a, a)
	build.VPXOR(w, w, w)
	build.VPCMPEQD(w, a, a)
	build.VMOVMSKPS(a, r.As32())
	return r
}
