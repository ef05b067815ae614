package hashcash

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrFull says that a store of spent stamps has reached its limit.
var ErrFull = errors.New("hashcash: store of spent stamps is full")

// MemoryStore is a SpentStore for one process, lost with it. Its zero value is ready for use.
type MemoryStore struct {
	// Max is how many stamps it holds; 0 is 1,000,000 (about 150 MB).
	Max int
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	mu    sync.Mutex
	spent map[string]time.Time
	purge time.Time // when to look for expired stamps again
}

// Spend implements SpentStore.
func (m *MemoryStore) Spend(ctx context.Context, stamp string, expires time.Time) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	limit := m.Max
	if limit == 0 {
		limit = 1_000_000
	}
	now := time.Now()
	if m.Now != nil {
		now = m.Now()
	}
	if m.spent == nil {
		m.spent = make(map[string]time.Time)
	}
	if until, ok := m.spent[stamp]; ok && !now.After(until) {
		return false, nil
	}
	if now.After(m.purge) {
		for s, until := range m.spent {
			if now.After(until) {
				delete(m.spent, s)
			}
		}
		m.purge = now.Add(time.Hour)
	}
	if len(m.spent) >= limit {
		return false, ErrFull
	}
	m.spent[stamp] = expires
	return true, nil
}
