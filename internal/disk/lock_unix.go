//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// LockDir takes a directory for this process, by a file in it of the name "lock". It does not wait: the error says so if
// another process has it. The lock goes with the process however it ends.
func LockDir(dir string) (unlock func() error, err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if err == syscall.EWOULDBLOCK {
			return nil, fmt.Errorf("%s is in use by another process", dir)
		}
		return nil, err
	}
	return f.Close, nil
}
