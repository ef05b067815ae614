// Package disk is the few file-system operations that a durable store needs, behind an interface, so that a test can
// take the power away between any two of them (disktest).
//
// What survives a power loss: bytes written before a File.Sync that returned nil; names created, renamed or removed
// before a Sync of their directory that returned nil. Anything else may or may not. After a failed Sync nothing is
// known, and it must not be tried again: the system may have dropped the bytes and say yes the second time.
package disk

import (
	"io"
	"io/fs"
	"os"
)

// An FS opens and renames files. Its methods are called by several goroutines at once.
type FS interface {
	// Open opens a file or directory as os.OpenFile does; a new file may be read and written by its owner alone.
	Open(name string, flag int) (File, error)
	Rename(from, to string) error
	Remove(name string) error
}

// A File is the part of *os.File that is used.
type File interface {
	io.ReaderAt
	io.Writer
	io.WriterAt
	io.Closer
	// Sync makes what was written durable; on a directory, the names in it.
	Sync() error
	Stat() (fs.FileInfo, error)
	Readdirnames(n int) ([]string, error)
}

// OS returns the operating system's file system.
func OS() FS { return osFS{} }

type osFS struct{}

func (osFS) Open(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag, 0o600)
	if err != nil {
		return nil, err // not a nil *os.File in a non-nil File
	}
	return f, nil
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }
func (osFS) Remove(name string) error     { return os.Remove(name) }

// SyncDir makes the names in a directory durable.
func SyncDir(fsys FS, dir string) error {
	d, err := fsys.Open(dir, os.O_RDONLY)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

// ReadDir returns the names in a directory, in no order.
func ReadDir(fsys FS, dir string) ([]string, error) {
	d, err := fsys.Open(dir, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}
