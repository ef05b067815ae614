//go:build !amd64 || purego

package hashcash

func fastKernels() []kernel { return nil }
