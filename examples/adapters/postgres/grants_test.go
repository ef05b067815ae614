package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/capability/channel/channeltest"
	"github.com/mailbricks/mailbricks/capability/granttest"
	"github.com/mailbricks/mailbricks/examples/adapters/postgres"
)

// empty drops all tables.
func empty(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), "DROP SCHEMA public CASCADE; CREATE SCHEMA public"); err != nil {
		t.Fatal(err)
	}
}

func openGrants(t *testing.T, pool *pgxpool.Pool, now func() time.Time) *postgres.GrantStore {
	t.Helper()
	s, err := postgres.OpenGrants(t.Context(), pool, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGrants(t *testing.T) {
	at := start(t)
	pool, other := connect(t, at), connect(t, at)
	granttest.Run(t, func(t *testing.T, now func() time.Time) capability.Store {
		empty(t, pool)
		return granttest.Share(openGrants(t, pool, now), openGrants(t, other, now))
	})
	granttest.RunGrants(t, func(t *testing.T) capability.GrantStore {
		empty(t, pool)
		return openGrants(t, pool, nil)
	})
	channeltest.Run(t, func(t *testing.T) channel.Store {
		empty(t, pool)
		s, err := postgres.OpenChannels(t.Context(), pool)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
