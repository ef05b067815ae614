// Package objects keeps bytes by their SHA-256: short ones in memory for the caller to store, long ones in files of
// one directory. It belongs to mailstore, which decides what lives and what goes.
//
//	bytes ──▶ Draft ──▶ tmp/123 ──fsync──▶ ab/cdef… ──fsync of the directory──▶ Keep has returned
//	            └─ up to the inline limit: Draft.Inline, no file at all
//
// Nothing is ever written twice into a file: a name tells the content, so a crash leaves either the whole file or
// a stray one below tmp, which Open removes.
package objects

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// A Hash is the SHA-256 of the content.
type Hash [sha256.Size]byte

// A Dir is a directory of files named by their Hash. It is used by several goroutines at once.
type Dir struct {
	path string
	mu   sync.Mutex
	// pins counts, for each Hash, the Drafts between Keep and Close: Remove spares what they rely on.
	pins map[Hash]int
	sync func(*os.File) error // tests replace it
}

// Open makes the directory where it is absent and removes what an earlier process left below tmp.
func Open(path string) (*Dir, error) {
	d := &Dir{path: path, pins: make(map[Hash]int), sync: (*os.File).Sync}
	if err := os.RemoveAll(d.tmp()); err != nil {
		return nil, fmt.Errorf("objects: %w", err)
	}
	if err := os.MkdirAll(d.tmp(), 0o700); err != nil {
		return nil, fmt.Errorf("objects: %w", err)
	}
	for i := range 256 {
		if err := os.Mkdir(filepath.Join(path, fmt.Sprintf("%02x", i)), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("objects: %w", err)
		}
	}
	for _, p := range []string{d.path, filepath.Dir(d.path)} {
		if err := d.syncDir(p); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *Dir) tmp() string { return filepath.Join(d.path, "tmp") }

func (d *Dir) name(h Hash) string {
	x := hex.EncodeToString(h[:])
	return filepath.Join(d.path, x[:2], x[2:])
}

func (d *Dir) syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("objects: %w", err)
	}
	defer f.Close()
	if err := d.sync(f); err != nil {
		return fmt.Errorf("objects: sync %s: %w", path, err)
	}
	return nil
}

// Open opens the file of h. The error wraps fs.ErrNotExist where there is none.
func (d *Dir) Open(h Hash) (*os.File, error) { return os.Open(d.name(h)) }

// Remove removes the file of h, unless a Draft has kept the same bytes and is not closed yet: then it stays and
// Remove reports false.
func (d *Dir) Remove(h Hash) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pins[h] > 0 {
		return false, nil
	}
	if err := os.Remove(d.name(h)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("objects: %w", err)
	}
	return true, nil
}

// Each calls f for every file until f returns an error.
func (d *Dir) Each(f func(h Hash, size int64) error) error {
	return filepath.WalkDir(d.path, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			if err == nil && p == d.tmp() {
				return fs.SkipDir
			}
			return err
		}
		raw, err := hex.DecodeString(filepath.Base(filepath.Dir(p)) + e.Name())
		if err != nil || len(raw) != sha256.Size {
			return nil // not ours
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		return f(Hash(raw), info.Size())
	})
}

func (d *Dir) pin(h Hash, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pins[h] += n; d.pins[h] == 0 {
		delete(d.pins, h)
	}
}

// keep moves the synced file tmp to its name. A file that is there already has the same bytes and was synced, but
// perhaps not yet its name.
func (d *Dir) keep(tmp string, h Hash, size int64) error {
	name := d.name(h)
	if info, err := os.Stat(name); err != nil || info.Size() != size {
		if err := os.Rename(tmp, name); err != nil {
			return fmt.Errorf("objects: %w", err)
		}
	}
	return d.syncDir(filepath.Dir(name))
}
