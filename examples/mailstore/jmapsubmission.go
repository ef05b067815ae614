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

// jmapSubmissions are mail.SubmissionRoles, but for the Outbox.
type jmapSubmissions struct{ ledger }

func (a *account) submissions() jmapSubmissions {
	return jmapSubmissions{ledger{a, "submission", "name", "id", maxSubmissions}}
}

// Get returns submissions in the order of their creation.
func (a jmapSubmissions) Get(ctx context.Context, r *jmap.GetRequest[jmap.NoArgs]) (*jmap.GetResponse[mail.KeptSubmission], error) {
	return getRecords[mail.KeptSubmission](ctx, a.ledger, r.IDs)
}
