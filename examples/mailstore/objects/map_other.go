//go:build !unix

package objects

import (
	"fmt"
	"os"
)

func mapFile(f *os.File, size int64) ([]byte, func(), error) {
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil {
		return nil, nil, fmt.Errorf("objects: %w", err)
	}
	return b, func() {}, nil
}
