// Package spool keeps one message while it is in motion: in memory up to a threshold, then in a temporary file.
//
//	b, err := spool.ReadAll(body, spool.Options{Max: 50 << 20})
//	defer b.Close()
//	io.Copy(dst, b.Reader()) // as often as needed
//
// It is not durable: what must survive the process is written elsewhere.
package spool

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
)

// Defaults of Options.
const (
	DefaultMemory = 256 << 10
	DefaultMax    = 100 << 20
)

// Options say how much a Buffer holds and where. The zero value has the defaults.
type Options struct {
	// Memory is how many bytes stay in memory before a file is made; 0 is DefaultMemory, negative puts everything
	// into a file.
	Memory int
	// Max bounds the size in bytes; 0 is DefaultMax, negative is no limit.
	Max int64
	// Dir is where the temporary file is made, "" is os.TempDir.
	Dir string
}

// A TooLargeError says that more than Max bytes were written to a Buffer.
type TooLargeError struct{ Max int64 }

// Error returns the limit.
func (e *TooLargeError) Error() string { return fmt.Sprintf("spool: more than %d bytes", e.Max) }

// minRead is the room that ReadFrom reads into at least, while the memory lasts.
const minRead = 512

var errClosed = errors.New("spool: closed")

// A Buffer holds bytes that are written once and then read at any offset. Writing is for one goroutine and ends
// before reading starts; reading may then be done by several at once. Close frees it.
type Buffer struct {
	memory int
	max    int64
	dir    string
	mem    []byte   // all of it, while file is nil
	file   *os.File // all of it, once there
	size   int64
	err    error // sticky: a write failed or Close was called
}

// New returns an empty Buffer.
func New(o Options) *Buffer {
	b := &Buffer{memory: o.Memory, max: o.Max, dir: o.Dir}
	if b.memory == 0 {
		b.memory = DefaultMemory
	}
	if b.max == 0 {
		b.max = DefaultMax
	} else if b.max < 0 {
		b.max = math.MaxInt64
	}
	return b
}

// ReadAll reads r to io.EOF into a new Buffer. On error it keeps nothing: a *TooLargeError after Max bytes, or the
// error of r or of the file.
func ReadAll(r io.Reader, o Options) (*Buffer, error) {
	b := New(o)
	if _, err := io.Copy(b, r); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// Write appends p. After an error, which is a *TooLargeError or one of the file, the Buffer takes nothing more.
func (b *Buffer) Write(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if int64(len(p)) > b.max-b.size {
		b.err = &TooLargeError{Max: b.max}
		return 0, b.err
	}
	if b.file == nil && b.size+int64(len(p)) <= int64(b.memory) {
		b.mem = append(b.mem, p...)
		b.size += int64(len(p))
		return len(p), nil
	}
	if b.file == nil {
		if b.err = b.toFile(); b.err != nil {
			return 0, b.err
		}
	}
	n, err := b.file.Write(p)
	b.size += int64(n)
	b.err = err
	return n, err
}

// Grow makes room for n more bytes in memory, unless they are not to be there.
func (b *Buffer) Grow(n int64) {
	if b.file == nil && n > 0 && b.size+n <= int64(b.memory) {
		b.mem = slices.Grow(b.mem, int(n)+1) // one more, so that the end is seen without growing
	}
}

// ReadFrom implements io.ReaderFrom: it appends what r has, with the errors of Write and those of r.
func (b *Buffer) ReadFrom(r io.Reader) (n int64, err error) {
	for b.err == nil && b.file == nil && len(b.mem) < b.memory {
		if len(b.mem) == cap(b.mem) {
			b.mem = slices.Grow(b.mem, minRead)
		}
		free := b.mem[len(b.mem):min(cap(b.mem), b.memory)]
		m, err := r.Read(free)
		n += int64(m)
		if _, err := b.Write(free[:m]); err != nil { // in place
			return n, err
		}
		if err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
	}
	if b.err != nil {
		return n, b.err
	}
	m, err := io.Copy(struct{ io.Writer }{b}, r)
	return n + m, err
}

// toFile moves what is in memory into a new temporary file.
func (b *Buffer) toFile() error {
	f, err := os.CreateTemp(b.dir, "mailbricks-spool-*")
	if err != nil {
		return err
	}
	b.file = f
	// Where the system allows it the name goes at once, so that a crash leaves nothing; else Close removes it.
	os.Remove(f.Name())
	if _, err := f.Write(b.mem); err != nil {
		return err
	}
	b.mem = nil
	return nil
}

// Size returns the number of bytes written.
func (b *Buffer) Size() int64 { return b.size }

// ReadAt implements io.ReaderAt.
func (b *Buffer) ReadAt(p []byte, off int64) (int, error) {
	switch {
	case b.err == errClosed:
		return 0, b.err
	case off < 0:
		return 0, errors.New("spool: negative offset")
	case b.file != nil:
		return b.file.ReadAt(p, off)
	case off >= int64(len(b.mem)):
		return 0, io.EOF
	}
	n := copy(p, b.mem[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Reader returns a new reader over the whole content.
func (b *Buffer) Reader() *io.SectionReader { return io.NewSectionReader(b, 0, b.size) }

// Close frees the memory and the file. It may be called again.
func (b *Buffer) Close() error {
	if b.err == errClosed {
		return nil
	}
	b.err, b.mem = errClosed, nil
	if b.file == nil {
		return nil
	}
	err := b.file.Close()
	if rerr := os.Remove(b.file.Name()); rerr != nil && !errors.Is(rerr, os.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return err
}
