//go:build !purego

package hashcash

import "golang.org/x/sys/cpu"

//go:noescape
func scanAVX512(t *tail, s *spread) int

//go:noescape
func scanAVX2(t *tail, s *spread) int

func fastKernels() []kernel {
	var out []kernel
	if cpu.X86.HasAVX512F {
		out = append(out, kernel{"avx512", scanAVX512})
	}
	if cpu.X86.HasAVX2 {
		out = append(out, kernel{"avx2", scanAVX2})
	}
	return out
}
