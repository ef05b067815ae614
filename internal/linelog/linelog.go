// Package linelog is an append-only file of lines that several processes share: a line is written and synced under an
// advisory lock, by a writer that has read all the lines before it. So a decision over the lines and the line that
// records it are one atomic step.
package linelog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// MaxLine is the longest line without its end, in octets.
const MaxLine = 4096

// A Log is an open file. State is what the lines add up to: Reset empties it, Apply takes one line in.
type Log struct {
	path  string
	state State

	mu  sync.Mutex
	f   *os.File
	off int64 // up to here the file is in the state
}

// State is what the lines of a Log add up to. Its methods are called under the Log's lock.
type State interface {
	// Reset forgets every line: the file was replaced and is read from its start.
	Reset()
	// Apply takes in one line, without its end. An error makes the file one that is none of ours.
	Apply(line []byte) error
	// Compact returns the lines that make the same state, or false if that is not worth it.
	Compact() ([]byte, bool)
}

// Open opens or makes the file, reads it, and writes it anew if State wants that.
func Open(path string, state State) (*Log, error) {
	l := &Log{path: path, state: state}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.locked(l.compact); err != nil {
		if l.f != nil {
			l.f.Close()
		}
		return nil, err
	}
	return l, nil
}

// Close closes the file.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	err := l.f.Close()
	l.f = nil
	return err
}

// Update calls decide with the state up to date and the lock held. The line it returns, without its end, is on disk
// and applied when Update returns nil; a nil line changes nothing. An error of decide comes back as it is.
func (l *Log) Update(decide func() ([]byte, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return os.ErrClosed
	}
	return l.locked(func() error {
		line, err := decide()
		if err != nil || line == nil {
			return err
		}
		if len(line) > MaxLine {
			return fmt.Errorf("linelog: line of %d octets", len(line))
		}
		line = append(line, '\n')
		if _, err := l.f.WriteAt(line, l.off); err != nil {
			return err
		}
		if err := l.f.Sync(); err != nil {
			return err
		}
		l.off += int64(len(line))
		return l.state.Apply(line[:len(line)-1])
	})
}

// locked runs do with the lock held and the state up to date. Another process may have replaced the file meanwhile:
// then it is opened anew.
func (l *Log) locked(do func() error) error {
	for {
		if l.f == nil {
			f, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE, 0o600)
			if err != nil {
				return err
			}
			l.f, l.off = f, 0
			l.state.Reset()
		}
		if err := lock(l.f); err != nil {
			return err
		}
		ours, err := l.f.Stat()
		if err != nil {
			return err
		}
		if now, err := os.Stat(l.path); err == nil && os.SameFile(ours, now) {
			break
		}
		l.f.Close()
		l.f = nil
	}
	f := l.f
	err := l.read()
	if err == nil {
		err = do()
	}
	if l.f != f { // replaced, and the lock gone with it
		return err
	}
	if e := unlock(f); err == nil {
		err = e
	}
	return err
}

// read takes in the lines after off. A last line without its end was never acknowledged and is cut off.
func (l *Log) read() error {
	r := bufio.NewReaderSize(io.NewSectionReader(l.f, l.off, 1<<62), MaxLine+1)
	for {
		line, err := r.ReadSlice('\n')
		if err == io.EOF {
			if len(line) == 0 {
				return nil
			}
			return l.f.Truncate(l.off)
		}
		if err == nil {
			err = l.state.Apply(line[:len(line)-1])
		}
		if err != nil {
			return fmt.Errorf("%s: octet %d: %w", l.path, l.off, err)
		}
		l.off += int64(len(line))
	}
}

func (l *Log) compact() error {
	lines, worth := l.state.Compact()
	if !worth {
		return nil
	}
	tmp, err := os.CreateTemp(filepath.Dir(l.path), filepath.Base(l.path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(lines)
	if err = errors.Join(err, tmp.Sync()); err == nil {
		err = os.Rename(tmp.Name(), l.path)
	}
	if err != nil {
		return errors.Join(err, tmp.Close())
	}
	// The lock of the old file ends with it: others that wait for it see that the path names another file now.
	old := l.f
	l.f, l.off = tmp, 0
	l.state.Reset()
	return errors.Join(old.Close(), l.read(), syncDir(filepath.Dir(l.path)))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
