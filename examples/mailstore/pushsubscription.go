package mailstore

import (
	"context"
	"database/sql"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/push"
)

// Subscriptions is push.SubscriptionStore's.
func (s *Store) Subscriptions(ctx context.Context) ([]*push.Subscription, error) {
	var out []*push.Subscription
	err := s.db.snapshot(ctx, func(c *conn) error {
		return c.rows(func(r *sql.Rows) error {
			var value []byte
			if err := r.Scan(&value); err != nil {
				return err
			}
			x := new(push.Subscription)
			out = append(out, x)
			return jmap.Unmarshal(value, x)
		}, `SELECT value FROM push`)
	})
	return out, err
}

// PutSubscription is push.SubscriptionStore's.
func (s *Store) PutSubscription(ctx context.Context, x *push.Subscription) error {
	value, err := jmap.Marshal(x)
	if err != nil {
		return err
	}
	return s.db.write(ctx, func(t *tx) error {
		return t.exec(`INSERT INTO push (user, id, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value`, x.User, string(x.ID), []byte(value))
	})
}

// DeleteSubscription is push.SubscriptionStore's. What it erases is overwritten first, so that it is not left in a page
// of the database.
func (s *Store) DeleteSubscription(ctx context.Context, user string, id jmap.ID) error {
	return s.db.write(ctx, func(t *tx) error {
		if err := t.exec(`UPDATE push SET value = zeroblob(length(value)) WHERE user = ? AND id = ?`, user, string(id)); err != nil {
			return err
		}
		return t.exec(`DELETE FROM push WHERE user = ? AND id = ?`, user, string(id))
	})
}
