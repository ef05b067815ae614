package story

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"sync"
)

// A Change names what has changed: "letter" with the letter's id, "inbox" with a user's address, or "all" where so much
// has changed that it is better read anew.
type Change struct{ Kind, ID string }

// maxDirty is how many changes are kept for one watcher.
const maxDirty = 1000

// A Book keeps the newest letters and tells watchers what has changed. Changes that a watcher has not fetched yet are told
// once, so that one that is slow or gone holds nobody up and costs no more than a set of names. Its zero value is ready
// for use.
type Book struct {
	mu       sync.Mutex
	last     int
	entries  map[string]*Entry
	order    []string
	watchers map[*watcher]bool
}

// Begin begins the story of a letter, which gets an ID. tag is for Entry.Tag.
func (b *Book) Begin(l Letter, tag any) *Entry {
	e := &Entry{Tag: tag, book: b, letter: l, done: make(chan struct{})}
	e.letter.State, e.letter.Hops = Moving, []Hop{}
	b.mu.Lock()
	b.last++
	e.letter.ID = "w" + strconv.Itoa(b.last)
	if b.entries == nil {
		b.entries = make(map[string]*Entry)
	}
	b.entries[e.letter.ID] = e
	if b.order = append(b.order, e.letter.ID); len(b.order) > MaxLetters {
		delete(b.entries, b.order[0])
		b.order = b.order[1:]
	}
	b.mu.Unlock()
	b.Tell("letter", e.letter.ID)
	return e
}

// Entry returns the entry of a letter, nil if it is not known, or no longer.
func (b *Book) Entry(id string) *Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.entries[id]
}

// Letter returns a letter as it is at this moment.
func (b *Book) Letter(id string) (Letter, bool) {
	e := b.Entry(id)
	if e == nil {
		return Letter{}, false
	}
	return e.Letter(), true
}

// Letters yields the letters, the oldest first.
func (b *Book) Letters() iter.Seq[Letter] {
	return func(yield func(Letter) bool) {
		b.mu.Lock()
		order := slices.Clone(b.order)
		b.mu.Unlock()
		for _, id := range order {
			if l, ok := b.Letter(id); ok && !yield(l) {
				return
			}
		}
	}
}

type watcher struct {
	wake  chan struct{} // capacity 1
	dirty map[Change]bool
	order []Change
}

// Tell tells watchers of a change.
func (b *Book) Tell(kind, id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := Change{kind, id}
	for w := range b.watchers {
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

// Watch yields changes until ctx ends or the loop is left. The first value is the zero Change: the watch stands.
func (b *Book) Watch(ctx context.Context) iter.Seq[Change] {
	return func(yield func(Change) bool) {
		w := &watcher{wake: make(chan struct{}, 1), dirty: make(map[Change]bool)}
		b.mu.Lock()
		if b.watchers == nil {
			b.watchers = make(map[*watcher]bool)
		}
		b.watchers[w] = true
		b.mu.Unlock()
		defer func() {
			b.mu.Lock()
			delete(b.watchers, w)
			b.mu.Unlock()
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
			b.mu.Lock()
			order := w.order
			w.order = nil
			clear(w.dirty)
			b.mu.Unlock()
			for _, c := range order {
				if !yield(c) {
					return
				}
			}
		}
	}
}
