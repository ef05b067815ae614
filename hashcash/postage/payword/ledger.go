package payword

import (
	"context"
	"errors"
	"sync"
)

// ErrFull says that a ledger has reached its limit.
var ErrFull = errors.New("payword: ledger is full")

// A Chain is one that a recipient has accepted.
type Chain struct {
	Commitment Commitment
	Key        [32]byte // of the tags; secret
	Number     int      // of the highest word seen; 0 is none
	Word       Word     // that word; the root for 0
}

// A Ledger keeps the chains of a recipient. It is safe for concurrent use. Its errors are temporary.
type Ledger interface {
	// Open remembers a chain. One that is there stays as it is.
	Open(ctx context.Context, c Chain) error
	// Chain returns a chain as it stands.
	Chain(ctx context.Context, id ID) (c Chain, ok bool, err error)
	// Advance notes a word, unless a higher one is noted.
	Advance(ctx context.Context, id ID, number int, word Word) error
}

// MemoryLedger is a Ledger for one process, lost with it. Its zero value is ready for use.
type MemoryLedger struct {
	// Max is how many chains it holds; 0 is 100,000.
	Max int

	mu     sync.Mutex
	chains map[ID]Chain
}

// Open implements Ledger.
func (m *MemoryLedger) Open(_ context.Context, c Chain) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	limit := m.Max
	if limit == 0 {
		limit = 100_000
	}
	id := c.Commitment.ID()
	if _, ok := m.chains[id]; ok {
		return nil
	}
	if len(m.chains) >= limit {
		return ErrFull
	}
	if m.chains == nil {
		m.chains = make(map[ID]Chain)
	}
	m.chains[id] = c
	return nil
}

// Chain implements Ledger.
func (m *MemoryLedger) Chain(_ context.Context, id ID) (Chain, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.chains[id]
	return c, ok, nil
}

// Advance implements Ledger.
func (m *MemoryLedger) Advance(_ context.Context, id ID, number int, word Word) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c, ok := m.chains[id]; ok && c.Number < number {
		c.Number, c.Word = number, word
		m.chains[id] = c
	}
	return nil
}

// Settle takes all chains out whose epoch is over at the given Unix time, and returns the claims of those that have been
// paid with.
func (m *MemoryLedger) Settle(unix int64) []Claim {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Claim
	for id, c := range m.chains {
		if c.Commitment.End.Unix() >= unix {
			continue
		}
		delete(m.chains, id)
		if c.Number > 0 {
			out = append(out, Claim{c.Commitment, c.Number, c.Word})
		}
	}
	return out
}
