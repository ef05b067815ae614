package postgres

import (
	"context"
	"database/sql"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mailbricks/mailbricks/examples/adapters/tables"
)

var dialect = tables.Dialect{Name: "postgres", Prefix: "mailbricks_", Bytes: "BYTEA", Serial: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", Dollar: true,
	Lock: func(ctx context.Context, tx *sql.Tx, name string) error {
		_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", name)
		return err
	}}

// GrantStore is a capability.Store and a capability.GrantStore in tables mailbricks_..., which it makes.
type GrantStore struct{ *tables.Grants }

// OpenGrants uses a pool, which stays the caller's. now is the clock of Commit; nil is time.Now.
func OpenGrants(ctx context.Context, pool *pgxpool.Pool, now func() time.Time) (*GrantStore, error) {
	s, err := tables.NewGrants(ctx, stdlib.OpenDBFromPool(pool), dialect, now)
	if err != nil {
		return nil, err
	}
	return &GrantStore{s}, nil
}

// ChannelStore is a channel.Store in a table mailbricks_channels, which it makes.
type ChannelStore struct{ *tables.Channels }

// OpenChannels uses a pool, which stays the caller's.
func OpenChannels(ctx context.Context, pool *pgxpool.Pool) (*ChannelStore, error) {
	s, err := tables.NewChannels(ctx, stdlib.OpenDBFromPool(pool), dialect)
	if err != nil {
		return nil, err
	}
	return &ChannelStore{s}, nil
}
