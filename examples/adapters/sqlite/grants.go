package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/mailbricks/mailbricks/examples/adapters/tables"
)

var dialect = tables.Dialect{Name: "sqlite", Bytes: "BLOB", Serial: "INTEGER PRIMARY KEY AUTOINCREMENT"}

// GrantStore is a capability.Store and a capability.GrantStore in a file. What a call did is on disk when it returns.
type GrantStore struct {
	*tables.Grants
	db *sql.DB
}

// OpenGrants opens or makes the file. now is the clock of Commit; nil is time.Now.
func OpenGrants(ctx context.Context, path string, now func() time.Time) (*GrantStore, error) {
	db, err := open(path)
	if err != nil {
		return nil, err
	}
	s, err := tables.NewGrants(ctx, db, dialect, now)
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &GrantStore{Grants: s, db: db}, nil
}

// Close closes the file.
func (s *GrantStore) Close() error { return s.db.Close() }

// ChannelStore is a channel.Store in a file. What a call did is on disk when it returns.
type ChannelStore struct {
	*tables.Channels
	db *sql.DB
}

// OpenChannels opens or makes the file.
func OpenChannels(ctx context.Context, path string) (*ChannelStore, error) {
	db, err := open(path)
	if err != nil {
		return nil, err
	}
	s, err := tables.NewChannels(ctx, db, dialect)
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &ChannelStore{Channels: s, db: db}, nil
}

// Close closes the file.
func (s *ChannelStore) Close() error { return s.db.Close() }
