//go:build unix

package objects

import (
	"fmt"
	"os"
	"syscall"
)

func mapFile(f *os.File, size int64) ([]byte, func(), error) {
	b, err := syscall.Mmap(int(f.Fd()), 0, int(size), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, nil, fmt.Errorf("objects: map: %w", err)
	}
	return b, func() { syscall.Munmap(b) }, nil
}
