package hashcash

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/internal/linelog"
)

// FileStore is a SpentStore in one file: a line a stamp, its expiry in Unix seconds before it, synced when Spend
// returns. On systems with flock any number of processes share it; elsewhere it belongs to one. What has expired is
// dropped when it is opened.
type FileStore struct {
	log   *linelog.Log
	spent *spentLines
}

// OpenFile opens or makes the file. now is the clock; nil is time.Now.
func OpenFile(path string, now func() time.Time) (*FileStore, error) {
	if now == nil {
		now = time.Now
	}
	spent := &spentLines{now: now}
	log, err := linelog.Open(path, spent)
	if err != nil {
		return nil, fmt.Errorf("hashcash: %w", err)
	}
	return &FileStore{log: log, spent: spent}, nil
}

// Close closes the file.
func (s *FileStore) Close() error { return s.log.Close() }

// Spend implements SpentStore.
func (s *FileStore) Spend(ctx context.Context, stamp string, expires time.Time) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if stamp == "" || strings.ContainsAny(stamp, " \r\n") || len(stamp) > MaxLength {
		return false, ErrSyntax
	}
	first := false
	err := s.log.Update(func() ([]byte, error) {
		if until, ok := s.spent.until[stamp]; ok && until >= s.spent.now().Unix() {
			return nil, nil
		}
		first = true
		return fmt.Appendf(nil, "%d %s", expires.Unix(), stamp), nil
	})
	return first && err == nil, err
}

// spentLines is the state of a FileStore's lines.
type spentLines struct {
	now   func() time.Time
	until map[string]int64
}

func (s *spentLines) Reset() { s.until = make(map[string]int64) }

func (s *spentLines) Apply(line []byte) error {
	until, stamp, ok := strings.Cut(string(line), " ")
	n, err := strconv.ParseInt(until, 10, 64)
	if !ok || err != nil {
		return errors.New("not a line of spent stamps")
	}
	s.until[stamp] = n
	return nil
}

func (s *spentLines) Compact() ([]byte, bool) {
	var keep []byte
	worth := false
	for stamp, until := range s.until {
		if until < s.now().Unix() {
			worth = true
			continue
		}
		keep = fmt.Appendf(keep, "%d %s\n", until, stamp)
	}
	return keep, worth
}
