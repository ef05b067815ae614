package mailstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/jmap/outbox"
)

// Limits of the submissions that an account keeps (RFC 8621 §7 lets them go once they are sent). Those that have nothing
// left to do go, the oldest first, where there are too many or they are too old, with the next one that is made.
const (
	maxSubmissions = 1000 // of all; if so many are still to be sent, overQuota
	submissionLife = 30 * 24 * time.Hour
)

var _ outbox.Queue = (*Store)(nil)

// Due returns the submissions that are to be handed over, those with the earliest time first.
func (s *Store) Due(ctx context.Context, most int) ([]outbox.Due, error) {
	var out []outbox.Due
	err := s.db.read(ctx, func(c *conn) error {
		return c.rows(func(r *sql.Rows) error {
			var d outbox.Due
			var at int64
			err := r.Scan(&d.User, &d.ID, &at)
			d.At = time.Unix(at, 0)
			out = append(out, d)
			return err
		}, `SELECT a.name, s.name, s.due FROM submission s JOIN account a ON a.id = s.account WHERE s.due IS NOT NULL ORDER BY s.due LIMIT ?`, most)
	})
	return out, err
}

// jmapSubmissions are mail.SubmissionRoles, but for the Outbox. Their state is the ModSeq of the last change of any of them.
type jmapSubmissions struct{ *account }

func (a jmapSubmissions) state(c *conn) (place, error) {
	var m modSeq
	err := c.row([]any{&m}, `SELECT coalesce(max(changed), 0) FROM submission WHERE account = ?`, a.id)
	return at(m), err
}

// Get returns submissions in the order of their creation.
func (a jmapSubmissions) Get(ctx context.Context, r *jmap.GetRequest[jmap.NoArgs]) (*jmap.GetResponse[mail.KeptSubmission], error) {
	out := &jmap.GetResponse[mail.KeptSubmission]{List: []mail.KeptSubmission{}}
	scan := func(r *sql.Rows) error {
		var value []byte
		if err := r.Scan(&value); err != nil {
			return err
		}
		out.List = append(out.List, mail.KeptSubmission{})
		return jmap.Unmarshal(value, &out.List[len(out.List)-1])
	}
	err := a.s.db.snapshot(ctx, func(c *conn) error {
		now, err := a.state(c)
		if err != nil {
			return err
		}
		out.State = now.state()
		if r.IDs == nil {
			return c.rows(scan, `SELECT value FROM submission WHERE account = ? AND value IS NOT NULL ORDER BY id`, a.id)
		}
		for _, id := range r.IDs {
			n := len(out.List)
			if err := c.rows(scan, `SELECT value FROM submission WHERE account = ? AND name = ? AND value IS NOT NULL`, a.id, string(id)); err != nil {
				return err
			}
			if len(out.List) == n {
				out.NotFound = append(out.NotFound, id)
			}
		}
		return nil
	})
	return out, err
}

// Changes is jmap.Changer's. Row 0 remembers up to where those that have gone are forgotten.
func (a jmapSubmissions) Changes(ctx context.Context, r *jmap.ChangesRequest) (*jmap.ChangesResponse, error) {
	since, err := parseState(r.SinceState)
	if err != nil {
		return nil, err
	}
	var out *jmap.ChangesResponse
	err = a.s.db.snapshot(ctx, func(c *conn) error {
		now, err := a.state(c)
		if err != nil {
			return err
		}
		var horizon modSeq
		if err := noRows(c.row([]any{&horizon}, `SELECT changed FROM submission WHERE account = ? AND id = 0`, a.id)); err != nil {
			return err
		}
		if since.modseq < horizon || since.modseq > now.modseq {
			return jmap.Errorf(jmap.CannotCalculateChanges, "state %s is unknown or too old", r.SinceState)
		}
		var list []changed
		names := make(map[int64]string)
		err = c.rows(func(r *sql.Rows) error {
			var x changed
			var created modSeq
			var name string
			if err := r.Scan(&x.id, &name, &x.at.modseq, &x.gone); err != nil {
				return err
			}
			created, names[x.id] = modSeq(x.id), name
			x.at.id, x.created = x.id, place{created, x.id}.compare(since) > 0
			list = append(list, x)
			return nil
		}, `SELECT id, name, changed, value IS NULL FROM submission WHERE account = ? AND changed >= ? AND id != 0`, a.id, since.modseq)
		out = page(list, since, now, r.MaxChanges, func(id int64) string { return names[id] })
		return err
	})
	return out, err
}
