package objects

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
)

// ErrTooBig says that a Draft would grow beyond its maximum.
var ErrTooBig = errors.New("objects: too big")

// A Draft is content on its way in: an io.Writer that hashes, holds up to a limit in memory and goes on in a file.
// After Finish it can be read. It must be closed. One goroutine writes it; many may read it.
type Draft struct {
	dir    *Dir // nil: everything stays in memory
	inline int
	max    int64

	mem  []byte
	file *os.File
	sum  hash.Hash
	hash Hash
	size int64
	kept bool
}

// NewDraft returns a Draft. Up to inline octets it holds in memory, all of them if d is nil; beyond max octets Write
// fails with ErrTooBig.
func NewDraft(d *Dir, inline int, max int64) *Draft {
	return &Draft{dir: d, inline: inline, max: max, sum: sha256.New()}
}

// Write adds p.
func (w *Draft) Write(p []byte) (int, error) {
	if int64(len(p)) > w.max-w.size {
		return 0, ErrTooBig
	}
	if w.file == nil && w.dir != nil && w.size+int64(len(p)) > int64(w.inline) {
		f, err := os.CreateTemp(w.dir.tmp(), "")
		if err != nil {
			return 0, fmt.Errorf("objects: %w", err)
		}
		w.file = f
		if _, err := f.Write(w.mem); err != nil {
			return 0, fmt.Errorf("objects: %w", err)
		}
		w.mem = nil
	}
	if w.file != nil {
		if _, err := w.file.Write(p); err != nil {
			return 0, fmt.Errorf("objects: %w", err)
		}
	} else {
		w.mem = append(w.mem, p...)
	}
	w.sum.Write(p)
	w.size += int64(len(p))
	return len(p), nil
}

// ReadFrom adds what r yields up to io.EOF. An error of r is returned as it is.
func (w *Draft) ReadFrom(r io.Reader) (int64, error) {
	var n int64
	buf := make([]byte, 32<<10)
	for {
		m, err := r.Read(buf)
		if m > 0 {
			if _, err := w.Write(buf[:m]); err != nil {
				return n, err
			}
			n += int64(m)
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// Keep ends the writing and makes a content beyond the inline limit durable under its Hash, which it keeps at least
// until Close.
func (w *Draft) Keep() error {
	w.sum.Sum(w.hash[:0])
	if w.file == nil {
		return nil
	}
	if err := w.dir.sync(w.file); err != nil {
		return fmt.Errorf("objects: sync: %w", err)
	}
	w.dir.pin(w.hash, 1)
	w.kept = true
	return w.dir.keep(w.file.Name(), w.hash, w.size)
}

// Hash returns the Hash after Keep.
func (w *Draft) Hash() Hash { return w.hash }

// Size returns the octets written.
func (w *Draft) Size() int64 { return w.size }

// Inline returns the content if it is held in memory, else nil and false.
func (w *Draft) Inline() ([]byte, bool) { return w.mem, w.file == nil }

// Bytes returns the whole content, which must not be changed, until release is called. That of a file takes no memory
// where the system can map it.
func (w *Draft) Bytes() (b []byte, release func(), err error) {
	if w.file == nil {
		return w.mem, func() {}, nil
	}
	return mapFile(w.file, w.size)
}

// ReadAt reads what has been written.
func (w *Draft) ReadAt(p []byte, off int64) (int, error) {
	if w.file != nil {
		return w.file.ReadAt(p, off)
	}
	return bytes.NewReader(w.mem).ReadAt(p, off)
}

// Close gives up what the Draft holds. What Keep made durable stays in the Dir.
func (w *Draft) Close() error {
	if w.kept {
		w.dir.pin(w.hash, -1)
		w.kept = false
	}
	if w.file == nil {
		return nil
	}
	os.Remove(w.file.Name()) // gone already if Keep has renamed it
	err := w.file.Close()
	w.file, w.mem = nil, nil
	return err
}
