package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// SpentStore is a hashcash.SpentStore in a file. When Spend returns true, the stamp is on disk. Expired stamps are dropped
// now and then.
type SpentStore struct {
	db    *sql.DB
	now   func() time.Time
	purge atomic.Int64 // Unix seconds of the next one
}

// OpenSpent opens or makes the file. now is the clock; nil is time.Now.
func OpenSpent(ctx context.Context, path string, now func() time.Time) (*SpentStore, error) {
	if now == nil {
		now = time.Now
	}
	db, err := open(path)
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS spent (stamp TEXT PRIMARY KEY, expires INTEGER NOT NULL) WITHOUT ROWID"); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	return &SpentStore{db: db, now: now}, nil
}

// open opens a file for a store. A transaction takes the file from its start.
func open(path string) (*sql.DB, error) {
	options := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)"}, "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()+"?"+options.Encode())
	if err != nil {
		return nil, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	db.SetMaxOpenConns(1) // a writer at a time is what SQLite has
	return db, nil
}

// Close closes the file.
func (s *SpentStore) Close() error { return s.db.Close() }

// Spend implements hashcash.SpentStore.
func (s *SpentStore) Spend(ctx context.Context, stamp string, expires time.Time) (bool, error) {
	now := s.now().Unix()
	if next := s.purge.Load(); now > next && s.purge.CompareAndSwap(next, now+3600) {
		if _, err := s.db.ExecContext(ctx, "DELETE FROM spent WHERE expires < ?", now); err != nil {
			return false, fmt.Errorf("sqlite: %w", err)
		}
	}
	// One statement is one transaction. A stamp that has expired may be spent again.
	r, err := s.db.ExecContext(ctx, `INSERT INTO spent VALUES (?, ?)
		ON CONFLICT (stamp) DO UPDATE SET expires = excluded.expires WHERE spent.expires < ?`, stamp, expires.Unix()+1, now)
	if err != nil {
		return false, fmt.Errorf("sqlite: %w", err)
	}
	n, err := r.RowsAffected()
	return n == 1 && err == nil, err
}
