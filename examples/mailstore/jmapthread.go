package mailstore

import (
	"context"
	"database/sql"
	"maps"
	"slices"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// jmapThreads are the threads of an account.
type jmapThreads struct{ *account }

// Get returns threads, each with its emails by date.
func (a jmapThreads) Get(ctx context.Context, r *jmap.GetRequest[jmap.NoArgs]) (*jmap.GetResponse[mail.Thread], error) {
	out := &jmap.GetResponse[mail.Thread]{AccountID: r.AccountID}
	err := a.s.db.snapshot(ctx, func(c *conn) error {
		now, err := a.state(c)
		if err != nil {
			return err
		}
		out.State = now.state()
		ids := r.IDs
		if ids == nil {
			if ids, err = c.ids(threadID, `SELECT DISTINCT m.thread FROM mailbox b CROSS JOIN message m ON m.mailbox = b.id WHERE b.account = ? AND NOT m.flags & 8 ORDER BY 1`, a.id); err != nil {
				return err
			}
		}
		for _, id := range ids {
			t := mail.Thread{ID: id}
			err := c.rows(func(r *sql.Rows) error {
				var email, date int64
				err := r.Scan(&email, &date)
				t.EmailIDs = append(t.EmailIDs, jmap.ID(emailID(email)))
				return err
			}, `SELECT e.id, min(m.internal) FROM email e JOIN message m ON m.email = e.id AND NOT m.flags & 8
				WHERE e.thread = ? AND e.account = ? GROUP BY e.id ORDER BY 2, 1`, parseID('T', string(id)), a.id)
			if err != nil {
				return err
			}
			if len(t.EmailIDs) == 0 {
				out.NotFound = append(out.NotFound, id)
			} else {
				out.List = append(out.List, t)
			}
		}
		return nil
	})
	return out, err
}

// Changes returns the threads that an email came to or went from.
func (a jmapThreads) Changes(ctx context.Context, r *jmap.ChangesRequest) (*jmap.ChangesResponse, error) {
	return a.changesSince(ctx, r, threadID, func(c *conn, since place) ([]changed, error) {
		byID := make(map[int64]*changed)
		note := func(r *sql.Rows) error {
			var id int64
			var m, created modSeq
			if err := r.Scan(&id, &m, &created); err != nil {
				return err
			}
			x := byID[id]
			if x == nil {
				x = &changed{id: id, created: true}
				byID[id] = x
			}
			x.at = place{max(m, x.at.modseq), id}
			x.created = x.created && place{created, id}.compare(since) > 0
			return nil
		}
		from := since.from()
		err := c.rows(note, `SELECT m.thread, m.modseq, e.created FROM mailbox b CROSS JOIN message m ON m.mailbox = b.id AND m.modseq > ?
			JOIN email e ON e.id = m.email WHERE b.account = ? AND b.modseq > ?`, from, a.id, from)
		if err == nil {
			err = c.rows(note, `SELECT thread, modseq, created FROM expunged WHERE account = ? AND modseq > ? AND uid > 0`, a.id, from)
		}
		if err != nil {
			return nil, err
		}
		for _, x := range byID {
			x.gone = true
		}
		err = c.rows(func(r *sql.Rows) error {
			var id int64
			var first modSeq
			err := r.Scan(&id, &first)
			if x := byID[id]; err == nil {
				x.gone, x.created = false, x.created && place{first, id}.compare(since) > 0
			}
			return err
		}, `SELECT e.thread, min(e.created) FROM json_each(?) j CROSS JOIN email e ON e.thread = j.value WHERE EXISTS (
			SELECT 1 FROM message m WHERE m.email = e.id AND NOT m.flags & 8) GROUP BY 1`,
			string(appendNumbers(nil, slices.Collect(maps.Keys(byID)))))
		return values(byID), err
	})
}
