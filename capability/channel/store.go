package channel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/internal/address"
	"github.com/mailbricks/mailbricks/internal/linelog"
)

// MaxChannels is how many channels a store of this package holds.
const MaxChannels = 1_000_000

// shelf is the state of the stores of this package.
type shelf struct {
	by    map[capability.ID]Channel
	owner map[string][]capability.ID
}

func (s *shelf) apply(c Channel) {
	if s.by == nil {
		s.by, s.owner = make(map[capability.ID]Channel), make(map[string][]capability.ID)
	}
	if _, ok := s.by[c.ID]; !ok {
		owner := address.Canonical(c.Owner)
		s.owner[owner] = append(s.owner[owner], c.ID)
	}
	s.by[c.ID] = c
}

func (s *shelf) get(id capability.ID) (Channel, error) {
	c, ok := s.by[id]
	if !ok {
		return Channel{}, ErrUnknown
	}
	return c, nil
}

func (s *shelf) add(c Channel) error {
	switch _, ok := s.by[c.ID]; {
	case ok:
		return ErrExists
	case c.ID == (capability.ID{}) || c.Owner == "":
		return fmt.Errorf("%w: no id or no owner", ErrChannel)
	case len(s.by) >= MaxChannels:
		return fmt.Errorf("%w: store is full", ErrChannel)
	}
	return nil
}

func (s *shelf) change(id capability.ID, change func(*Channel) error) (Channel, error) {
	c, err := s.get(id)
	if err != nil {
		return Channel{}, err
	}
	owner := c.Owner
	if err := change(&c); err != nil {
		return Channel{}, err
	}
	if c.ID != id || c.Owner != owner {
		return Channel{}, fmt.Errorf("%w: id or owner changed", ErrChannel)
	}
	return c, nil
}

// list returns the channels of an owner, the last used first.
func (s *shelf) list(owner string) []Channel {
	var out []Channel
	for _, id := range s.owner[address.Canonical(owner)] {
		out = append(out, s.by[id])
	}
	slices.SortStableFunc(out, func(a, b Channel) int {
		if n := b.LastUse.Compare(a.LastUse); n != 0 {
			return n
		}
		return strings.Compare(a.Address, b.Address)
	})
	return out
}

// shelfStore is a Store over whatever keeps a shelf.
type shelfStore struct {
	// update lets decide look at the shelf and puts the channel that it returns there, in one step; nil changes nothing.
	update func(decide func(*shelf) (*Channel, error)) error
}

func (s *shelfStore) do(ctx context.Context, decide func(*shelf) (*Channel, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.update(decide)
}

// Add implements Store.
func (s *shelfStore) Add(ctx context.Context, c Channel) error {
	return s.do(ctx, func(sh *shelf) (*Channel, error) { return &c, sh.add(c) })
}

// Get implements Store.
func (s *shelfStore) Get(ctx context.Context, id capability.ID) (c Channel, err error) {
	err = s.do(ctx, func(sh *shelf) (*Channel, error) {
		c, err = sh.get(id)
		return nil, err
	})
	return c, err
}

// Update implements Store.
func (s *shelfStore) Update(ctx context.Context, id capability.ID, change func(c *Channel) error) (c Channel, err error) {
	err = s.do(ctx, func(sh *shelf) (*Channel, error) {
		c, err = sh.change(id, change)
		return &c, err
	})
	if err != nil {
		return Channel{}, err
	}
	return c, nil
}

// List implements Store.
func (s *shelfStore) List(ctx context.Context, owner string) iter.Seq2[Channel, error] {
	return func(yield func(Channel, error) bool) {
		var all []Channel
		err := s.do(ctx, func(sh *shelf) (*Channel, error) {
			all = sh.list(owner)
			return nil, nil
		})
		if err != nil {
			yield(Channel{}, err)
			return
		}
		for _, c := range all {
			if !yield(c, nil) {
				return
			}
		}
	}
}

// MemoryStore is a Store for one process, lost with it. It holds up to MaxChannels.
type MemoryStore struct{ shelfStore }

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore {
	var mu sync.Mutex
	var sh shelf
	return &MemoryStore{shelfStore{update: func(decide func(*shelf) (*Channel, error)) error {
		mu.Lock()
		defer mu.Unlock()
		c, err := decide(&sh)
		if err == nil && c != nil {
			sh.apply(*c)
		}
		return err
	}}}
}

// FileStore is a Store in one file: a line of JSON a change, synced when the call returns. It holds up to MaxChannels. On
// systems with flock any number of processes share it; elsewhere it belongs to one. It is written anew, shorter, when it
// is opened.
type FileStore struct {
	shelfStore
	log *linelog.Log
}

// OpenFile opens or makes the file.
func OpenFile(path string) (*FileStore, error) {
	lines := &shelfLines{}
	log, err := linelog.Open(path, lines)
	if err != nil {
		return nil, fmt.Errorf("channel: %w", err)
	}
	return &FileStore{log: log, shelfStore: shelfStore{update: func(decide func(*shelf) (*Channel, error)) error {
		return log.Update(func() ([]byte, error) {
			c, err := decide(&lines.sh)
			if err != nil || c == nil {
				return nil, err
			}
			return json.Marshal(c)
		})
	}}}, nil
}

// Close closes the file.
func (f *FileStore) Close() error { return f.log.Close() }

// shelfLines reads a shelf from lines.
type shelfLines struct {
	sh shelf
	n  int // lines since Reset
}

// Reset implements linelog.State.
func (s *shelfLines) Reset() { *s = shelfLines{} }

// Apply implements linelog.State.
func (s *shelfLines) Apply(line []byte) error {
	var c Channel
	if err := json.Unmarshal(line, &c); err != nil || c.ID == (capability.ID{}) || c.Owner == "" {
		return errors.Join(errors.New("not a line of channels"), err)
	}
	s.n++
	s.sh.apply(c)
	return nil
}

// Compact implements linelog.State.
func (s *shelfLines) Compact() ([]byte, bool) {
	var out []byte
	for _, c := range s.sh.by {
		line, err := json.Marshal(c)
		if err != nil {
			return nil, false // plain values always marshal
		}
		out = append(append(out, line...), '\n')
	}
	return out, s.n > 2*len(s.sh.by)+16
}
