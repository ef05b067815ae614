// Command hashcashgen writes the assembly of the kernels of hashcash and of hashcash/postage/equihash:
//
//	go generate ./hashcash/...
//
// What the kernels compute, and the layout of the two structs that they read, stands in hashcash/kernel.go.
// The rounds are unrolled; two vectors go through them side by side, so that the processor always has work.
package main

import (
	"flag"
	"fmt"
	"math/bits"
	"os"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets into hashcash.tail, in octets.
const (
	offStart = 0                 // seven words: what the first rounds begin with
	offH0    = offStart + 7*4    // added to a after the last round
	offMask  = offH0 + 4         // bits that must be 0
	offSched = offMask + 4 + 7*4 // 80 words: the schedule from word 12
	offRow   = offSched + 80*4   // 80 words: the same for the digit before the last
)

// Offsets into hashcash.spread, in octets.
const (
	offLanes = 0           // [68][64]words: what the last digit adds to the schedule
	offOuter = 68 * 64 * 4 // [64][80]words: what the digit before the last adds
	outerLen = 80 * 4      // one of them
	streams  = 2           // vectors side by side
	rounds   = 80          // of SHA-1
	first    = 12          // the word with the last digits
	counters = 64 * 64     // tried by one call
)

var keys = [4]uint32{0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6}

// spread tells which words of the schedule word 12 has a part in.
func spread() (part [rounds]bool) {
	var w [rounds]uint32
	w[first] = 1
	for t := 16; t < rounds; t++ {
		w[t] = bits.RotateLeft32(w[t-3]^w[t-8]^w[t-14]^w[t-16], 1)
	}
	for t, x := range w {
		part[t] = x != 0
	}
	return part
}

// A vectors is an instruction set.
type vectors interface {
	width() int                                // octets of a register
	vector() reg.VecVirtual                    // a new register
	prepare(tail reg.Register)                 // constants into registers
	broadcast(m operand.Mem, v reg.VecVirtual) // one word to all lanes
	xor(m operand.Mem, a, v reg.VecVirtual)    // v = m ^ a
	copyXor(from, with, to operand.Mem)        // to = from ^ with, one register of words
	add(a, v reg.VecVirtual)                   // v += a
	addWord(m operand.Mem, v reg.VecVirtual)   // v += one word from memory, to all lanes
	addKey(k int, v reg.VecVirtual)            // v += the constant of a quarter of the rounds
	addLeft5(a, v reg.VecVirtual)              // v += a <<< 5
	left30(v reg.VecVirtual)                   // v = v <<< 30
	addF(q int, b, c, d, v reg.VecVirtual)     // v += the function of a quarter of the rounds
	hits(a reg.VecVirtual) reg.GPVirtual       // a bit for each lane in which a does it
}

// A stream is one vector of states.
type stream struct{ a, b, c, d, e reg.VecVirtual }

func generate(name string, v vectors) {
	build.TEXT(name, attr.NOSPLIT, "func(t *uint32, s *uint32) int")
	tail := build.Load(build.Param("t"), build.GP64())
	lane := build.Load(build.Param("s"), build.GP64())
	outer, index := build.GP64(), build.GP64()
	build.LEAQ(operand.Mem{Base: lane, Disp: offOuter}, outer)
	build.XORQ(index, index)
	v.prepare(tail)
	at := func(off int) operand.Mem { return operand.Mem{Base: tail, Disp: off} }

	build.Label("outer")
	for off := 0; off < outerLen; off += v.width() {
		v.copyXor(at(offSched+off), operand.Mem{Base: outer, Disp: off}, at(offRow+off))
	}

	build.Label("lanes")
	all := scan(v, at, func(t, s int) operand.Mem {
		return operand.Mem{Base: lane, Disp: offLanes + (t-first)*64*4 + s*v.width()}
	})
	lanes := v.width() / 4
	hits := v.hits(all[0].a)
	for s := 1; s < streams; s++ {
		more := v.hits(all[s].a)
		build.SHLQ(operand.U8(s*lanes), more)
		build.ORQ(more, hits)
	}
	build.TESTQ(hits, hits)
	build.JNZ(operand.LabelRef("found"))
	build.ADDQ(operand.U32(streams*v.width()), lane)
	build.ADDQ(operand.U32(streams*lanes), index)
	build.TESTQ(operand.U32(63), index)
	build.JNZ(operand.LabelRef("lanes"))
	build.SUBQ(operand.U32(64*4), lane)
	build.ADDQ(operand.U32(outerLen), outer)
	build.CMPQ(index, operand.U32(counters))
	build.JNE(operand.LabelRef("outer"))
	build.VZEROUPPER()
	build.Store(index, build.ReturnIndex(0))
	build.RET()

	build.Label("found")
	build.BSFQ(hits, hits)
	build.ADDQ(hits, index)
	build.VZEROUPPER()
	build.Store(index, build.ReturnIndex(0))
	build.RET()
}

// scan emits the rounds from the twelfth on. Up to round 16 most of the state is the same in all lanes, and what is has
// been added up before.
func scan(v vectors, at func(int) operand.Mem, lane func(t, s int) operand.Mem) []stream {
	part := spread()
	all := make([]stream, streams)
	word := func(t int) operand.Mem { return at(offRow + (t-first)*4) }
	var parted []reg.VecVirtual // word t of each stream
	load := func(t int) {
		parted = nil
		if !part[t] {
			return
		}
		w := v.vector()
		v.broadcast(word(t), w)
		for s := range all {
			x := v.vector()
			v.xor(lane(t, s), w, x)
			parted = append(parted, x)
		}
	}
	start := func(i int) operand.Mem { return at(offStart + i*4) }

	load(12)
	for s := range all {
		z := &all[s]
		z.a, z.b, z.c, z.d, z.e = v.vector(), v.vector(), v.vector(), v.vector(), v.vector()
		// Rounds 12 and 13: only a differs. b is a of round 13, a that of round 14.
		v.broadcast(start(0), z.b)
		v.add(parted[s], z.b)
		v.broadcast(start(1), z.a)
		v.addLeft5(z.b, z.a)
		v.broadcast(start(5), z.c)
		v.broadcast(start(6), z.d)
		v.broadcast(start(2), z.e)
	}
	for t := 14; t < rounds; t++ {
		if t > 16 {
			load(t)
		}
		q := t / 20
		for s := range all {
			z := &all[s]
			switch {
			case t <= 16: // in e already
			case part[t]:
				v.add(parted[s], z.e)
				v.addKey(q, z.e)
			default: // the constant of the round is in the word
				v.addWord(word(t), z.e)
			}
		}
		for s := range all {
			z := &all[s]
			v.addF(q, z.b, z.c, z.d, z.e)
		}
		for s := range all {
			z := &all[s]
			v.addLeft5(z.a, z.e)
			if t < rounds-1 {
				v.left30(z.b)
			}
			z.a, z.b, z.c, z.d, z.e = z.e, z.a, z.b, z.c, z.d
			if t == 14 || t == 15 {
				// What is d now was the same in all lanes, and its place is free: e of the next round comes added up.
				z.e = v.vector()
				v.broadcast(start(t-14+3), z.e)
			}
		}
	}
	return all
}

func main() {
	kernel := flag.String("kernel", "", "avx512, avx2, blake2b or portable; the last takes the name of its file as an argument")
	flag.Parse()
	switch *kernel {
	case "avx512":
		build.ConstraintExpr("amd64,!purego")
		generate("scanAVX512", &avx512{})
		build.Generate()
	case "avx2":
		build.ConstraintExpr("amd64,!purego")
		generate("scanAVX2", &avx2{})
		build.Generate()
	case "blake2b":
		build.ConstraintExpr("amd64,!purego")
		blake2b()
		build.Generate()
	case "portable":
		if err := portable(flag.Arg(0)); err != nil {
			fmt.Fprintln(os.Stderr, "hashcashgen:", err)
			os.Exit(1)
		}
	default:
		fmt.Fprintln(os.Stderr, "hashcashgen: -kernel is avx512, avx2, blake2b or portable")
		os.Exit(2)
	}
}
