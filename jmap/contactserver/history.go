package contactserver

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"sync"

	"github.com/mailbricks/mailbricks/jmap"
)

// Bounds of the history.
const (
	maxStates = 16    // of one type of one account
	maxTypes  = 1_000 // types of accounts
)

// A history remembers what the records of a type were, by their state.
type history struct {
	mu sync.Mutex
	of map[string][]snapshot // by account and type, the oldest first
}

// A snapshot is the records of a type, each by a digest.
type snapshot struct {
	state   jmap.State
	records map[jmap.ID][sha256.Size]byte
}

// newSnapshot digests records, given as JSON.
func newSnapshot(ids []jmap.ID, objects []jmap.Raw) snapshot {
	s := snapshot{records: make(map[jmap.ID][sha256.Size]byte, len(ids))}
	all := sha256.New()
	for i, id := range ids {
		sum := sha256.Sum256(objects[i])
		s.records[id] = sum
		all.Write(sum[:])
	}
	s.state = jmap.State(base64.RawURLEncoding.EncodeToString(all.Sum(nil)[:15]))
	return s
}

// remember puts a snapshot down, unless it is the last one.
func (h *history) remember(key string, s snapshot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.of[key]
	if n := len(list); n > 0 && list[n-1].state == s.state {
		return
	}
	if h.of == nil {
		h.of = make(map[string][]snapshot)
	}
	if list == nil && len(h.of) >= maxTypes {
		for old := range h.of { // any one: a map yields in no order
			delete(h.of, old)
			break
		}
	}
	h.of[key] = append(list[max(0, len(list)-maxStates+1):len(list):len(list)], s)
}

// since returns the snapshot of a state.
func (h *history) since(key string, state jmap.State) (snapshot, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.of[key]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].state == state {
			return list[i], true
		}
	}
	return snapshot{}, false
}

// diff tells what changed from one snapshot to another.
func (s snapshot) diff(to snapshot) *jmap.ChangesResponse {
	out := &jmap.ChangesResponse{OldState: s.state, NewState: to.state}
	for id, sum := range to.records {
		switch old, ok := s.records[id]; {
		case !ok:
			out.Created = append(out.Created, id)
		case old != sum:
			out.Updated = append(out.Updated, id)
		}
	}
	for id := range s.records {
		if _, ok := to.records[id]; !ok {
			out.Destroyed = append(out.Destroyed, id)
		}
	}
	for _, ids := range [][]jmap.ID{out.Created, out.Updated, out.Destroyed} {
		slices.SortFunc(ids, func(a, b jmap.ID) int { return cmp.Compare(a, b) })
	}
	return out
}
