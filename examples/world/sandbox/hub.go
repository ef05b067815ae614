package sandbox

import (
	"context"
	"iter"
	"sync"
)

// A Change names what has changed: "letter" with the letter's id, "inbox" with a user's address, or "all" where so much
// has changed that it is better read anew.
type Change struct{ Kind, ID string }

// maxDirty is how many changes are kept for one watcher.
const maxDirty = 1000

// A hub tells watchers what has changed. Changes that a watcher has not fetched yet are told once, so that one that is
// slow or gone holds nobody up and costs no more than a set of names.
type hub struct {
	mu       sync.Mutex
	watchers map[*watcher]bool
}

type watcher struct {
	wake  chan struct{} // capacity 1
	dirty map[Change]bool
	order []Change
}

func (h *hub) tell(kind, id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := Change{kind, id}
	for w := range h.watchers {
		if len(w.order) == maxDirty {
			clear(w.dirty)
			w.order = w.order[:0]
			c = Change{Kind: "all"}
		}
		if !w.dirty[c] {
			w.dirty[c] = true
			w.order = append(w.order, c)
		}
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// watch yields changes until ctx ends or the loop is left. The first value is the zero Change: the watch stands.
func (h *hub) watch(ctx context.Context) iter.Seq[Change] {
	return func(yield func(Change) bool) {
		w := &watcher{wake: make(chan struct{}, 1), dirty: make(map[Change]bool)}
		h.mu.Lock()
		if h.watchers == nil {
			h.watchers = make(map[*watcher]bool)
		}
		h.watchers[w] = true
		h.mu.Unlock()
		defer func() {
			h.mu.Lock()
			delete(h.watchers, w)
			h.mu.Unlock()
		}()
		if !yield(Change{}) {
			return
		}
		for {
			select {
			case <-ctx.Done():
				return
			case <-w.wake:
			}
			h.mu.Lock()
			order := w.order
			w.order = nil
			clear(w.dirty)
			h.mu.Unlock()
			for _, c := range order {
				if !yield(c) {
					return
				}
			}
		}
	}
}
