package imap

import (
	"context"
	"slices"
	"sync"
)

// A Notice says that a mailbox has changes up to ModSeq. The mailbox may have been created, renamed or deleted too.
type Notice struct {
	MailboxID string // "" for what is in no mailbox
	ModSeq    ModSeq // of the account that has the mailbox
	// Other says that it is another user's mailbox, and neither the rights to it have changed nor has it gone: Enforce keeps this
	// from whom the mailbox is hidden.
	Other bool
	// Entries are the names of the annotations that have been set or removed (see Annotator), of the mailbox or of the account,
	// each once. They need no new ModSeq.
	Entries []string
	// MoreEntries says that there were others, whose names have been dropped: see MaxNoticeEntries.
	MoreEntries bool
}

// MaxNoticeEntries is how many names of annotations a Watch holds for all mailboxes together until they are taken.
const MaxNoticeEntries = 256

// A Watch is one subscription to an account's changes. Notices coalesce: between two calls of Take there is at most
// one a mailbox, so a slow reader costs nothing but its own delay.
type Watch struct {
	ready chan struct{}
	mu    sync.Mutex
	new   []Notice
	at    map[string]int // where the notice of a mailbox is in new
	names int            // Entries in new

	from *Watch                  // where the notices come from, nil for a Feed
	pass func([]Notice) []Notice // which of them are taken
}

// Ready receives when Take has something new, so that it serves also who never calls Take and only wants to know that
// something happened; it may receive for nothing. It is never closed.
func (w *Watch) Ready() <-chan struct{} { return w.ready }

// Take returns the notices since the last call, one a mailbox with its newest ModSeq.
func (w *Watch) Take() []Notice {
	if w.from == nil {
		return w.take()
	}
	for _, n := range w.from.Take() {
		w.hold(n)
	}
	return w.pass(w.take())
}

func (w *Watch) take() []Notice {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.new
	w.new, w.names = nil, 0
	if len(w.at) > 64 { // once many mailboxes have changed, the memory need not stay
		w.at = nil
	}
	clear(w.at)
	return n
}

func (w *Watch) put(n Notice) {
	w.hold(n)
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// hold is put without waking anybody.
func (w *Watch) hold(n Notice) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i, ok := w.at[n.MailboxID]
	if !ok {
		if w.at == nil {
			w.at = make(map[string]int)
		}
		i = len(w.new)
		w.at[n.MailboxID] = i
		w.new = append(w.new, Notice{MailboxID: n.MailboxID, Other: true})
	}
	have := &w.new[i]
	have.ModSeq, have.Other, have.MoreEntries = max(have.ModSeq, n.ModSeq), have.Other && n.Other, have.MoreEntries || n.MoreEntries
	for _, e := range n.Entries {
		switch {
		case slices.Contains(have.Entries, e):
		case w.names == MaxNoticeEntries:
			have.MoreEntries = true
		default:
			have.Entries = append(have.Entries, e)
			w.names++
		}
	}
}

// A Feed is the change feed of one account in memory: a backend publishes after each commit, everyone who reads
// watches. Its zero value is ready for use.
type Feed struct {
	mu      sync.Mutex
	watches map[*Watch]struct{}
}

// Publish tells every Watch. It never blocks on a reader.
func (f *Feed) Publish(n Notice) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.watches {
		w.put(n)
	}
}

// Watch subscribes from now on, until ctx ends.
func (f *Feed) Watch(ctx context.Context) *Watch {
	w := &Watch{ready: make(chan struct{}, 1)}
	f.mu.Lock()
	if f.watches == nil {
		f.watches = make(map[*Watch]struct{})
	}
	f.watches[w] = struct{}{}
	f.mu.Unlock()
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		delete(f.watches, w)
		f.mu.Unlock()
	})
	return w
}
