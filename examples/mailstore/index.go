package mailstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mailbricks/mailbricks/examples/mailstore/record"
	"github.com/mailbricks/mailbricks/imap"
)

// An index is a mailbox's messages as they were at a ModSeq. It is never changed; a newer one shares what is the same.
//
//	commit ──▶ state.modseq ──▶ index older than that? ──▶ rows changed and expunged since ──▶ new index
type index struct {
	modseq modSeq
	rows   []*msgRow // by UID
}

// indexRowSize is about what a message takes in an index.
const indexRowSize = 160

// A boxState is what the process knows of a mailbox that somebody has read.
type boxState struct {
	modseq atomic.Uint64 // that of the latest commit since the state is there, or of what was read
	mu     sync.Mutex    // held while an index is made
}

func (s *Store) state(box int64) *boxState {
	if x, ok := s.states.Load(box); ok {
		return x.(*boxState)
	}
	x, _ := s.states.LoadOrStore(box, new(boxState))
	return x.(*boxState)
}

// changed is called after each commit, by the one goroutine that writes: the mailbox is at m now. An index that was up to
// date before is brought there.
func (s *Store) changed(box int64, m modSeq, b *boxRow) {
	if _, ok := s.states.Load(box); !ok {
		return
	}
	old, _ := s.cache.get(cachedIndex, box).(*index)
	if old != nil && b != nil && !b.ended && b.modseq == m && old.modseq == b.before {
		next := &index{modseq: m, rows: old.with(b.changes, b.gone)}
		s.cache.put(cachedIndex, box, next, int64(len(next.rows))*indexRowSize)
	}
	s.seen(box, m)
}

// seen says that somebody has read of a mailbox, from the database, that it is at m: no index older than that is to be shown
// after it, though changed may not have been called yet.
func (s *Store) seen(box int64, m modSeq) {
	x, ok := s.states.Load(box)
	if !ok {
		return
	}
	state := &x.(*boxState).modseq
	for old := state.Load(); old < uint64(m) && !state.CompareAndSwap(old, uint64(m)); old = state.Load() {
	}
}

// current returns the index of a mailbox if it is up to date, without reading anything.
func (s *Store) current(box int64) *index {
	state, ok := s.states.Load(box)
	if !ok {
		return nil
	}
	x, _ := s.cache.get(cachedIndex, box).(*index)
	if x == nil || uint64(x.modseq) < state.(*boxState).modseq.Load() {
		return nil
	}
	return x
}

// index returns the messages of a mailbox as they are now; imap.ErrNonexistent once it has been deleted.
func (s *Store) index(ctx context.Context, box int64) (*index, error) {
	state := s.state(box) // there before the database is read, so that no commit after that is missed
	if x := s.current(box); x != nil {
		return x, nil
	}
	state.mu.Lock()
	defer state.mu.Unlock()
	if x := s.current(box); x != nil {
		return x, nil
	}
	old, _ := s.cache.get(cachedIndex, box).(*index)
	if old == nil {
		old = new(index)
	}
	var next *index
	err := s.db.snapshot(ctx, func(c *conn) (err error) {
		next, err = old.refresh(c, box)
		return err
	})
	if err != nil {
		s.cache.drop(cachedIndex, box)
		if errors.Is(err, imap.ErrNonexistent) {
			s.states.Delete(box)
		}
		return nil, err
	}
	s.cache.put(cachedIndex, box, next, int64(len(next.rows))*indexRowSize)
	s.seen(box, next.modseq)
	return next, nil
}

// A boxNow is a mailbox with what others have of it, as it was at its ModSeq: nothing of that changes without one.
type boxNow struct {
	boxRow
	owner       string
	acl         []imap.ACLEntry
	subscribers []int64 // accounts of others
}

// boxNow returns a mailbox as it is now, from memory where it has not changed since it was read.
func (s *Store) boxNow(ctx context.Context, box int64) (*boxNow, error) {
	state := s.state(box) // as in index
	if x, ok := s.cache.get(cachedBox, box).(*boxNow); ok && uint64(x.modseq) >= state.modseq.Load() {
		return x, nil
	}
	var x *boxNow
	err := s.db.snapshot(ctx, func(c *conn) error {
		x = new(boxNow)
		if err := c.row(x.fields(), `SELECT `+boxColumns+` FROM mailbox WHERE id = ?`, box); err != nil {
			return noBox(err, mailboxID(box))
		}
		return x.readOthers(c)
	})
	if err != nil {
		s.cache.drop(cachedBox, box)
		if errors.Is(err, imap.ErrNonexistent) {
			s.states.Delete(box)
		}
		return nil, err
	}
	s.seen(box, x.modseq)
	s.cache.put(cachedBox, box, x, int64(512+64*len(x.acl)+8*len(x.subscribers)))
	return x, nil
}

// refresh returns the index of now.
func (x *index) refresh(c *conn, box int64) (*index, error) {
	var now, horizon modSeq
	if err := c.row([]any{&now, &horizon}, `SELECT modseq, horizon FROM mailbox WHERE id = ?`, box); err != nil {
		return nil, noBox(err, mailboxID(box))
	}
	if x.modseq < horizon {
		x = new(index)
	}
	var changed []*msgRow
	scan := func(r *sql.Rows) error {
		m := new(msgRow)
		changed = append(changed, m)
		return r.Scan(m.fields()...)
	}
	if x.modseq == 0 {
		err := c.rows(scan, `SELECT `+msgColumns+` FROM message WHERE mailbox = ? ORDER BY uid`, box)
		return &index{modseq: now, rows: changed}, err
	}
	err := c.rows(scan, `SELECT `+msgColumns+` FROM message WHERE mailbox = ? AND modseq > ? ORDER BY uid`, box, x.modseq)
	if err != nil {
		return nil, err
	}
	gone := make(map[imap.UID]bool)
	err = c.rows(func(r *sql.Rows) error {
		var u imap.UID
		err := r.Scan(&u)
		gone[u] = true
		return err
	}, `SELECT uid FROM expunged WHERE mailbox = ? AND modseq > ? AND uid > 0`, box, x.modseq)
	return &index{modseq: now, rows: x.with(changed, gone)}, err
}

// with returns the rows with some of them replaced and added, one after the other, and then some gone.
func (x *index) with(changed []*msgRow, gone map[imap.UID]bool) []*msgRow {
	if len(changed)+len(gone) == 0 {
		return x.rows
	}
	rows := append(make([]*msgRow, 0, len(x.rows)+len(changed)), x.rows...)
	for _, r := range changed {
		if i, ok := find(rows, r.uid); ok {
			rows[i] = r
		} else {
			rows = slices.Insert(rows, i, r) // at the end: UIDs only grow
		}
	}
	if len(gone) > 0 {
		rows = slices.DeleteFunc(rows, func(r *msgRow) bool { return gone[r.uid] })
	}
	return rows
}

func find(rows []*msgRow, u imap.UID) (int, bool) {
	return slices.BinarySearchFunc(rows, u, func(r *msgRow, u imap.UID) int { return int(int64(r.uid) - int64(u)) })
}

// get returns the message of a UID, nil if there is none.
func (x *index) get(u imap.UID) *msgRow {
	if i, ok := find(x.rows, u); ok {
		return x.rows[i]
	}
	return nil
}

// pages yields the messages of a set, pageSize at a time at most.
func (x *index) pages(uids imap.UIDSet, yield func([]*msgRow) bool) {
	for _, r := range uids {
		i, _ := find(x.rows, r.First)
		end, last := find(x.rows, r.Last)
		if last {
			end++
		}
		for i < end {
			n := min(pageSize, end-i)
			if !yield(x.rows[i : i+n]) {
				return
			}
			i += n
		}
	}
}

// messages returns copies of the messages of a set for which pick (if any) is true.
func (x *index) messages(set imap.UIDSet, pick func(*msgRow) bool) []msgRow {
	var out []msgRow
	last := -2
	for _, r := range set {
		for i, _ := find(x.rows, r.First); i < len(x.rows) && x.rows[i].uid <= r.Last; i++ {
			if pick == nil || pick(x.rows[i]) {
				out = append(out, *x.rows[i])
				out[len(out)-1].adjacent = last == i-1
				last = i
			}
		}
	}
	return out
}

// details are what the parsed message tells.
type details struct {
	envelope  *imap.Envelope
	structure *imap.BodyStructure
}

// details returns those of each message, nil for one that has gone meanwhile.
func (s *Store) details(ctx context.Context, rows []*msgRow) ([]*details, error) {
	out := make([]*details, len(rows))
	missing := 0
	for i, r := range rows {
		if out[i], _ = s.cache.get(cachedDetails, r.email).(*details); out[i] == nil {
			missing++
		}
	}
	if missing == 0 {
		return out, nil
	}
	return out, s.db.read(ctx, func(c *conn) error {
		for i, r := range rows {
			if out[i] != nil {
				continue
			}
			var envelope, structure sql.RawBytes
			var d details
			size := int64(0)
			err := c.rows(func(row *sql.Rows) (err error) {
				if err = row.Scan(&envelope, &structure); err == nil {
					d.envelope, err = record.ParseEnvelope(envelope)
				}
				if err == nil {
					d.structure, err = record.ParseStructure(structure)
				}
				size = 1000 + 3*int64(len(envelope)+len(structure))
				return err
			}, `SELECT envelope, structure FROM email WHERE id = ?`, r.email)
			if err != nil {
				return fmt.Errorf("mailstore: email %s: %w", emailID(r.email), err)
			}
			if size > 0 {
				out[i] = &d
				s.cache.put(cachedDetails, r.email, &d, size)
			}
		}
		return nil
	})
}
