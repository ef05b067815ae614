package jmapclient

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/mailbricks/mailbricks/jmap"
)

// A Memory is a Copy in memory, used by several goroutines at once.
type Memory[T any] struct {
	// ID returns a record's id; required.
	ID func(*T) jmap.ID
	// Changed, if not nil, is called after each Delta that was applied, by one goroutine at a time.
	Changed func(*Delta[T])

	apply   sync.Mutex // held over Changed too
	mu      sync.RWMutex
	state   jmap.State
	records map[jmap.ID]T
}

// State returns the state of the copy.
func (m *Memory[T]) State(context.Context) (jmap.State, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.state, nil
}

// IDs returns the ids of all records.
func (m *Memory[T]) IDs(context.Context) ([]jmap.ID, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Collect(maps.Keys(m.records)), nil
}

// Apply applies a Delta.
func (m *Memory[T]) Apply(_ context.Context, d *Delta[T]) error {
	m.apply.Lock()
	defer m.apply.Unlock()
	m.mu.Lock()
	if m.records == nil {
		m.records = make(map[jmap.ID]T)
	}
	for i := range d.Records {
		m.records[m.ID(&d.Records[i])] = d.Records[i]
	}
	for _, id := range d.Destroyed {
		delete(m.records, id)
	}
	m.state = d.State
	m.mu.Unlock()
	if m.Changed != nil {
		m.Changed(d)
	}
	return nil
}

// Get returns one record.
func (m *Memory[T]) Get(id jmap.ID) (T, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	r, ok := m.records[id]
	return r, ok
}

// All returns all records, in no order, as they are now.
func (m *Memory[T]) All() iter.Seq2[jmap.ID, T] {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return maps.All(maps.Clone(m.records))
}
