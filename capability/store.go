package capability

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/internal/linelog"
)

// ledgerStore is a Store over whatever keeps a ledger.
type ledgerStore struct {
	// update lets decide look at the ledger and applies the entry that it returns, in one step; an entry without Op
	// is none.
	update func(decide func(*ledger) (entry, error)) error
	now    func() time.Time
}

// Reserve implements Store.
func (s *ledgerStore) Reserve(ctx context.Context, u Use) (Reservation, error) {
	r := Reservation{Grant: u.Grant}
	err := s.do(ctx, func(l *ledger) (entry, error) {
		e, err := l.reserve(u)
		r.Number = e.Number
		return e, err
	})
	return r, err
}

// Commit implements Store.
func (s *ledgerStore) Commit(ctx context.Context, r Reservation, digest [32]byte) error {
	return s.do(ctx, func(l *ledger) (entry, error) { return l.commit(r, digest, s.now()) })
}

// Release implements Store.
func (s *ledgerStore) Release(ctx context.Context, r Reservation) error {
	return s.do(ctx, func(*ledger) (entry, error) { return entry{Op: "release", Number: r.Number}, nil })
}

// Revoke implements Store.
func (s *ledgerStore) Revoke(ctx context.Context, r Revocation) error {
	r.Issuer, r.Scope = strings.ToLower(r.Issuer), strings.ToLower(r.Scope)
	return s.do(ctx, func(*ledger) (entry, error) { return entry{Op: "revoke", Revoke: &r}, nil })
}

// PutGrant implements GrantStore.
func (s *ledgerStore) PutGrant(ctx context.Context, g Grant) error {
	b, err := g.MarshalBinary()
	if err != nil {
		return err
	}
	if err := g.UnmarshalBinary(b); err != nil { // as it is read again
		return err
	}
	return s.do(ctx, func(*ledger) (entry, error) { return entry{Op: "grant", Grant: packed(g)}, nil })
}

// Grant implements Grants.
func (s *ledgerStore) Grant(ctx context.Context, id ID) (g Grant, err error) {
	err = s.do(ctx, func(l *ledger) (entry, error) {
		var ok bool
		if g, ok = l.grants[id]; !ok {
			return entry{}, ErrUnknown
		}
		return entry{}, nil
	})
	return g, err
}

func (s *ledgerStore) do(ctx context.Context, decide func(*ledger) (entry, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.update(decide)
}

// MemoryStore is a Store for one process, lost with it.
type MemoryStore struct{ ledgerStore }

// NewMemoryStore returns an empty store. now is the clock of Commit; nil is time.Now.
func NewMemoryStore(now func() time.Time) *MemoryStore {
	var mu sync.Mutex
	var l ledger
	l.reset()
	return &MemoryStore{ledgerStore{now: clock(now), update: func(decide func(*ledger) (entry, error)) error {
		mu.Lock()
		defer mu.Unlock()
		e, err := decide(&l)
		if err != nil || e.Op == "" {
			return err
		}
		return l.apply(e)
	}}}
}

// FileStore is a Store in one file of JSON lines, synced when a call returns. On systems with flock any number of
// processes share it; elsewhere it belongs to one. It is written anew, shorter, when it is opened.
type FileStore struct {
	ledgerStore
	log *linelog.Log
}

// OpenFile opens or makes the file. now is the clock of Commit; nil is time.Now.
func OpenFile(path string, now func() time.Time) (*FileStore, error) {
	lines := &ledgerLines{}
	log, err := linelog.Open(path, lines)
	if err != nil {
		return nil, fmt.Errorf("capability: %w", err)
	}
	return &FileStore{log: log, ledgerStore: ledgerStore{now: clock(now), update: func(decide func(*ledger) (entry, error)) error {
		return log.Update(func() ([]byte, error) {
			e, err := decide(&lines.l)
			if err != nil || e.Op == "" {
				return nil, err
			}
			return json.Marshal(e)
		})
	}}}, nil
}

// Close closes the file.
func (f *FileStore) Close() error { return f.log.Close() }

func clock(now func() time.Time) func() time.Time {
	if now == nil {
		return time.Now
	}
	return now
}

// ledgerLines reads a ledger from lines.
type ledgerLines struct {
	l ledger
	n int // lines since Reset
}

func (s *ledgerLines) Reset() {
	s.l.reset()
	s.n = 0
}

func (s *ledgerLines) Apply(line []byte) error {
	var e entry
	if err := json.Unmarshal(line, &e); err != nil {
		return fmt.Errorf("not a line of grants: %w", err)
	}
	s.n++
	return s.l.apply(e)
}

func (s *ledgerLines) Compact() ([]byte, bool) {
	few := 0
	for _, list := range s.l.scopes {
		few += len(list)
	}
	few += len(s.l.used) + len(s.l.recent) + len(s.l.done) + len(s.l.held) + len(s.l.gone) + len(s.l.before) + len(s.l.grants)
	return s.l.lines(), s.n > 2*few+16
}
