package policystore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/internal/address"
	"github.com/mailbricks/mailbricks/internal/linelog"
	"github.com/mailbricks/mailbricks/smtp/policy"
)

// errFull says that a store of this package has reached its limit.
var errFull = errors.New("policystore: full")

// maxRelations is how many relations a store of this package holds.
const maxRelations = 1_000_000

// relations is the state of the stores of this package.
type relations struct {
	by     map[string]map[string]policy.Relation // owner → correspondent
	n      int                                   // of all owners
	domain map[[2]string]int                     // owner, domain: how many are Known there
}

// A Correspondent is one with whom an owner has a Relation.
type Correspondent struct {
	Address string
	policy.Relation
}

// list returns all of an owner, by address.
func (m *relations) list(owner string) []Correspondent {
	var out []Correspondent
	for address, r := range m.by[address.Canonical(owner)] {
		out = append(out, Correspondent{address, r})
	}
	slices.SortFunc(out, func(a, b Correspondent) int { return strings.Compare(a.Address, b.Address) })
	return out
}

func relationKey(owner, correspondent string) [2]string {
	return [2]string{address.Canonical(owner), address.Canonical(correspondent)}
}

func (m *relations) get(owner, correspondent string) policy.Relation {
	key := relationKey(owner, correspondent)
	if !strings.Contains(correspondent, "@") && m.domain[key] > 0 {
		return policy.Relation{State: policy.Known}
	}
	return m.by[key[0]][key[1]]
}

// room refuses what there is no room for.
func (m *relations) room(key [2]string, r policy.Relation) error {
	if _, ok := m.by[key[0]][key[1]]; !ok && m.n >= maxRelations && r != (policy.Relation{}) {
		return errFull
	}
	return nil
}

func (m *relations) set(key [2]string, r policy.Relation) {
	if m.by == nil {
		m.by, m.domain = make(map[string]map[string]policy.Relation), make(map[[2]string]int)
	}
	have := m.by[key[0]]
	at := [2]string{key[0], key[1][strings.LastIndexByte(key[1], '@')+1:]}
	old, known := have[key[1]]
	if old.State == policy.Known {
		if m.domain[at]--; m.domain[at] == 0 {
			delete(m.domain, at)
		}
	}
	if r == (policy.Relation{}) {
		if known {
			m.n--
		}
		if delete(have, key[1]); len(have) == 0 {
			delete(m.by, key[0])
		}
		return
	}
	if have == nil {
		have = make(map[string]policy.Relation)
		m.by[key[0]] = have
	}
	if !known {
		m.n++
	}
	if r.State == policy.Known {
		m.domain[at]++
	}
	have[key[1]] = r
}

// MemoryRelations is a policy.Relations for one process, lost with it. It holds up to 1,000,000; the zero value is ready for use.
type MemoryRelations struct {
	mu sync.Mutex
	m  relations
}

// Relation implements policy.Relations.
func (m *MemoryRelations) Relation(ctx context.Context, owner, correspondent string) (policy.Relation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.m.get(owner, correspondent), ctx.Err()
}

// Correspondents returns all with whom an owner has a relation, by address.
func (m *MemoryRelations) Correspondents(ctx context.Context, owner string) ([]Correspondent, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.m.list(owner), ctx.Err()
}

// SetRelation implements policy.Relations.
func (m *MemoryRelations) SetRelation(ctx context.Context, owner, correspondent string, r policy.Relation) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key := relationKey(owner, correspondent)
	if err := m.m.room(key, r); err != nil {
		return err
	}
	m.m.set(key, r)
	return nil
}

// FileRelations is a policy.Relations in one file: a line of JSON a change, synced when the call returns. It holds up to 1,000,000. On
// systems with flock any number of processes share it; elsewhere it belongs to one. It is written anew, shorter, when it
// is opened.
type FileRelations struct {
	log   *linelog.Log
	lines *relationLines
}

// OpenRelations opens or makes the file.
func OpenRelations(path string) (*FileRelations, error) {
	lines := &relationLines{}
	log, err := linelog.Open(path, lines)
	if err != nil {
		return nil, fmt.Errorf("policystore: %w", err)
	}
	return &FileRelations{log: log, lines: lines}, nil
}

// Close closes the file.
func (f *FileRelations) Close() error { return f.log.Close() }

// Relation implements policy.Relations.
func (f *FileRelations) Relation(ctx context.Context, owner, correspondent string) (r policy.Relation, err error) {
	if err := ctx.Err(); err != nil {
		return policy.Relation{}, err
	}
	err = f.log.Update(func() ([]byte, error) {
		r = f.lines.m.get(owner, correspondent)
		return nil, nil
	})
	return r, err
}

// Correspondents returns all with whom an owner has a relation, by address.
func (f *FileRelations) Correspondents(ctx context.Context, owner string) (out []Correspondent, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = f.log.Update(func() ([]byte, error) {
		out = f.lines.m.list(owner)
		return nil, nil
	})
	return out, err
}

// SetRelation implements policy.Relations.
func (f *FileRelations) SetRelation(ctx context.Context, owner, correspondent string, r policy.Relation) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.log.Update(func() ([]byte, error) {
		key := relationKey(owner, correspondent)
		if err := f.lines.m.room(key, r); err != nil {
			return nil, err
		}
		return json.Marshal(relationLine{Owner: key[0], Correspondent: key[1], State: r.State, Grant: r.Grant})
	})
}

// A relationLine is one line of the file.
type relationLine struct {
	Owner         string        `json:"owner"`
	Correspondent string        `json:"correspondent"`
	State         policy.State  `json:"state,omitempty"`
	Grant         capability.ID `json:"grant,omitzero"`
}

// relationLines reads relations from lines.
type relationLines struct {
	m relations
	n int // lines since Reset
}

// Reset implements linelog.State.
func (s *relationLines) Reset() { *s = relationLines{} }

// Apply implements linelog.State.
func (s *relationLines) Apply(line []byte) error {
	var l relationLine
	if err := json.Unmarshal(line, &l); err != nil || l.Correspondent == "" {
		return errors.Join(errors.New("not a line of relations"), err)
	}
	s.n++
	s.m.set([2]string{l.Owner, l.Correspondent}, policy.Relation{State: l.State, Grant: l.Grant})
	return nil
}

// Compact implements linelog.State.
func (s *relationLines) Compact() ([]byte, bool) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	for owner, have := range s.m.by {
		for correspondent, r := range have {
			_ = enc.Encode(relationLine{Owner: owner, Correspondent: correspondent, State: r.State, Grant: r.Grant}) // a buffer takes everything
		}
	}
	return out.Bytes(), s.n > 2*s.m.n+16
}
