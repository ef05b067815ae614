package postgres

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// SpentStore is a hashcash.SpentStore in a table mailbricks_spent, which it makes. When Spend returns true, the stamp is as
// durable as the server's synchronous_commit says. Expired stamps are dropped now and then.
type SpentStore struct {
	pool  *pgxpool.Pool
	now   func() time.Time
	purge atomic.Int64 // Unix seconds of the next one
}

// OpenSpent uses a pool, which stays the caller's. now is the clock; nil is time.Now.
func OpenSpent(ctx context.Context, pool *pgxpool.Pool, now func() time.Time) (*SpentStore, error) {
	if now == nil {
		now = time.Now
	}
	// Of processes that make the table at once, all but one would fail without the lock.
	_, err := pool.Exec(ctx, `DO $$ BEGIN
		PERFORM pg_advisory_xact_lock(hashtext('mailbricks_spent'));
		CREATE TABLE IF NOT EXISTS mailbricks_spent (stamp text PRIMARY KEY, expires bigint NOT NULL);
		END $$`)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return &SpentStore{pool: pool, now: now}, nil
}

// Spend implements hashcash.SpentStore.
func (s *SpentStore) Spend(ctx context.Context, stamp string, expires time.Time) (bool, error) {
	now := s.now().Unix()
	if next := s.purge.Load(); now > next && s.purge.CompareAndSwap(next, now+3600) {
		if _, err := s.pool.Exec(ctx, "DELETE FROM mailbricks_spent WHERE expires < $1", now); err != nil {
			return false, fmt.Errorf("postgres: %w", err)
		}
	}
	// Who comes second waits for the first one's row, and then finds it not expired.
	r, err := s.pool.Exec(ctx, `INSERT INTO mailbricks_spent VALUES ($1, $2)
		ON CONFLICT (stamp) DO UPDATE SET expires = excluded.expires WHERE mailbricks_spent.expires < $3`, stamp, expires.Unix()+1, now)
	if err != nil {
		return false, fmt.Errorf("postgres: %w", err)
	}
	return r.RowsAffected() == 1, nil
}
