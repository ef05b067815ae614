//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package hashcash

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// FileStore is a SpentStore in one file that any number of processes share: a line a stamp, its expiry in Unix
// seconds before it, written and synced under an advisory lock. What has expired is dropped when it is opened.
type FileStore struct {
	path string
	now  func() time.Time

	mu    sync.Mutex
	f     *os.File
	off   int64 // up to here the file is in spent
	spent map[string]int64
}

// OpenFile opens or makes the file. now is the clock; nil is time.Now.
func OpenFile(path string, now func() time.Time) (*FileStore, error) {
	if now == nil {
		now = time.Now
	}
	s := &FileStore{path: path, now: now}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.locked(s.compact); err != nil {
		if s.f != nil {
			s.f.Close()
		}
		return nil, fmt.Errorf("hashcash: %w", err)
	}
	return s, nil
}

// Close closes the file.
func (s *FileStore) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f == nil {
		return nil
	}
	err := s.f.Close()
	s.f = nil
	return err
}

// Spend implements SpentStore. When it returns true the stamp is on disk.
func (s *FileStore) Spend(ctx context.Context, stamp string, expires time.Time) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if stamp == "" || strings.ContainsAny(stamp, " \r\n") || len(stamp) > MaxLength {
		return false, ErrSyntax
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f == nil {
		return false, os.ErrClosed
	}
	first := false
	err := s.locked(func() error {
		if until, ok := s.spent[stamp]; ok && until >= s.now().Unix() {
			return nil
		}
		line := strconv.FormatInt(expires.Unix(), 10) + " " + stamp + "\n"
		if _, err := s.f.WriteAt([]byte(line), s.off); err != nil {
			return err
		}
		if err := s.f.Sync(); err != nil {
			return err
		}
		s.off += int64(len(line))
		s.spent[stamp] = expires.Unix()
		first = true
		return nil
	})
	return first, err
}

// locked runs do with the lock held and spent up to date. Another process may have replaced the file meanwhile: then
// it is opened anew.
func (s *FileStore) locked(do func() error) error {
	for {
		if s.f == nil {
			f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o600)
			if err != nil {
				return err
			}
			s.f, s.off, s.spent = f, 0, make(map[string]int64)
		}
		if err := flock(s.f, syscall.LOCK_EX); err != nil {
			return err
		}
		ours, err := s.f.Stat()
		if err != nil {
			return err
		}
		if now, err := os.Stat(s.path); err == nil && os.SameFile(ours, now) {
			break
		}
		s.f.Close()
		s.f = nil
	}
	f := s.f
	err := s.read()
	if err == nil {
		err = do()
	}
	if s.f != f { // replaced, and the lock gone with it
		return err
	}
	return errors.Join(err, flock(f, syscall.LOCK_UN))
}

// read takes in the lines after off. A last line without its end was never acknowledged and is written over.
func (s *FileStore) read() error {
	r := bufio.NewReader(io.NewSectionReader(s.f, s.off, 1<<62))
	for {
		line, err := r.ReadSlice('\n')
		if err == io.EOF {
			return s.f.Truncate(s.off)
		}
		if err != nil {
			return err
		}
		until, stamp, ok := strings.Cut(string(line[:len(line)-1]), " ")
		n, err := strconv.ParseInt(until, 10, 64)
		if !ok || err != nil {
			return fmt.Errorf("%s: octet %d: not a line of spent stamps", s.path, s.off)
		}
		s.spent[stamp] = n
		s.off += int64(len(line))
	}
}

// compact writes the file anew without what has expired, if anything has.
func (s *FileStore) compact() error {
	var keep bytes.Buffer
	kept := make(map[string]int64)
	for stamp, until := range s.spent {
		if until >= s.now().Unix() {
			kept[stamp] = until
			fmt.Fprintf(&keep, "%d %s\n", until, stamp)
		}
	}
	if len(kept) == len(s.spent) {
		return nil
	}
	tmp, err := os.CreateTemp(filepath.Dir(s.path), filepath.Base(s.path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(keep.Bytes())
	if err = errors.Join(err, tmp.Sync()); err == nil {
		err = os.Rename(tmp.Name(), s.path)
	}
	if err != nil {
		return errors.Join(err, tmp.Close())
	}
	// The lock of the old file ends with it: others that wait for it see that the path names another file now.
	old := s.f
	s.f, s.off, s.spent = tmp, int64(keep.Len()), kept
	return errors.Join(old.Close(), syncDir(filepath.Dir(s.path)))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if err != syscall.EINTR {
			return err
		}
	}
}
