package mailstore

import (
	"slices"
	"sync"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// A freshness says up to where the cached records of an account's emails hold.
type freshness struct {
	mu    sync.Mutex
	at    modSeq // of the account; 0: none is cached
	epoch uint64 // records of others do not count
}

// A cachedEmail is a record without its summary.
type cachedEmail struct {
	epoch uint64
	mail.Record
}

// records returns emails as the snapshot c has them, whose state is now: from memory those that have not changed since
// they were read, the others from the database.
func (a *account) records(c *conn, now modSeq, ids []int64, summary bool) (map[int64]mail.Record, error) {
	out := make(map[int64]mail.Record, len(ids))
	epoch, err := a.known(c, now, ids, out, summary)
	if err != nil {
		return nil, err
	}
	rest := ids
	if len(out) > 0 {
		rest = slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { _, ok := out[id]; return ok })
	}
	rows, err := a.emails(c, rest, summary)
	if err != nil {
		return nil, err
	}
	a.fresh.mu.Lock()
	defer a.fresh.mu.Unlock()
	for id, e := range rows {
		rec := e.record()
		out[id] = rec
		if len(ids) <= maxEmails && a.fresh.at == now && a.fresh.epoch == epoch {
			own := cachedEmail{epoch, shared(rec)}
			own.Summary = nil
			a.s.cache.put(cachedRecord, id, &own, int64(256+32*(len(rec.Keywords)+len(rec.MailboxIDs))))
		}
	}
	return out, nil
}

// known adds the cached records to out. An older snapshot gets none. Those that changed up to now are dropped first.
func (a *account) known(c *conn, now modSeq, ids []int64, out map[int64]mail.Record, summary bool) (epoch uint64, err error) {
	f := &a.fresh
	f.mu.Lock()
	defer f.mu.Unlock()
	if now < f.at {
		return f.epoch, nil
	}
	if now > f.at {
		var horizon modSeq
		if err := c.row([]any{&horizon}, `SELECT horizon FROM account WHERE id = ?`, a.id); err != nil {
			return 0, err
		}
		if f.at == 0 || f.at < horizon {
			f.epoch++
		} else {
			list, err := a.changed(c, at(f.at))
			if err != nil {
				return 0, err
			}
			for _, x := range list {
				a.s.cache.drop(cachedRecord, x.id)
			}
		}
		f.at = now
	}
	for _, id := range ids {
		e, ok := a.s.cache.get(cachedRecord, id).(*cachedEmail)
		if !ok || e.epoch != f.epoch {
			continue
		}
		rec := shared(e.Record)
		if summary {
			if rec.Summary, ok = a.s.cache.get(cachedSummary, id).(*mail.Summary); !ok {
				continue
			}
		}
		out[id] = rec
	}
	return f.epoch, nil
}

// shared returns a copy of a record whose slices may be changed.
func shared(r mail.Record) mail.Record {
	r.MailboxIDs, r.Keywords = slices.Clone(r.MailboxIDs), slices.Clone(r.Keywords)
	return r
}

// A cachedWindow is the window of a mailbox that was asked for last.
type cachedWindow struct {
	modseq    modSeq // of the mailbox
	listing   listing
	ascending bool
	ids       []jmap.ID
	position  uint
}

// window is listing.run, from memory where the mailbox has not changed since the same was asked for.
func (a *account) window(c *conn, q *listing, b *boxRow, ascending bool) ([]jmap.ID, uint, error) {
	if w, ok := a.s.cache.get(cachedList, b.id).(*cachedWindow); ok && b.id != 0 && w.modseq == b.modseq && w.listing == *q && w.ascending == ascending {
		return slices.Clone(w.ids), w.position, nil
	}
	ids, position, err := q.run(c, b, ascending)
	if err == nil && b.id != 0 && len(ids) <= maxEmails {
		a.s.cache.put(cachedList, b.id, &cachedWindow{b.modseq, *q, ascending, slices.Clone(ids), position}, int64(128+32*len(ids)))
	}
	return ids, position, err
}
