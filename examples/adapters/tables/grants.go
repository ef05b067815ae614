package tables

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mailbricks/mailbricks/capability"
)

// Grants is a capability.Store and a capability.GrantStore.
type Grants struct {
	base
	now   func() time.Time
	purge atomic.Int64 // Unix seconds of the next one
}

// A reservation is a row of holds, and one of held for each counter. Committed, it becomes one more in used (Per 0) or a row
// of uses.
var grantTables = []string{
	`CREATE TABLE IF NOT EXISTS {grants} (id TEXT PRIMARY KEY, body BYTES NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS {revoked} (issuer TEXT NOT NULL, scope TEXT NOT NULL, epoch BIGINT NOT NULL, PRIMARY KEY (issuer, scope))`,
	`CREATE TABLE IF NOT EXISTS {holds} (number SERIAL, id TEXT NOT NULL, body BYTES NOT NULL, until BIGINT NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS {held} (counter TEXT NOT NULL, per BIGINT NOT NULL, number BIGINT NOT NULL, until BIGINT NOT NULL, PRIMARY KEY (counter, per, number))`,
	`CREATE INDEX IF NOT EXISTS {held_number} ON {held} (number)`,
	`CREATE TABLE IF NOT EXISTS {used} (counter TEXT PRIMARY KEY, n BIGINT NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS {uses} (counter TEXT NOT NULL, per BIGINT NOT NULL, at BIGINT NOT NULL, number BIGINT NOT NULL, PRIMARY KEY (counter, per, at, number))`,
	`CREATE TABLE IF NOT EXISTS {digests} (id TEXT NOT NULL, digest BYTES NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (id, digest))`,
}

// NewGrants makes the tables where they are not there. now nil is time.Now.
func NewGrants(ctx context.Context, db *sql.DB, d Dialect, now func() time.Time) (*Grants, error) {
	if now == nil {
		now = time.Now
	}
	s := &Grants{base: base{db, d}, now: now}
	return s, s.create(ctx, grantTables...)
}

// Reserve implements capability.Store.
func (s *Grants) Reserve(ctx context.Context, u capability.Use) (capability.Reservation, error) {
	r := capability.Reservation{Grant: u.Grant}
	body, err := u.Grant.MarshalBinary()
	if err != nil {
		return r, err
	}
	if err := s.forget(ctx); err != nil {
		return r, err
	}
	now, until := u.Now.Unix(), u.Until.Unix()
	err = s.in(ctx, u.Grant.ID.String(), func(t tx) error {
		if err := t.revoked(u.Grant); err != nil {
			return err
		}
		for _, c := range u.Counters {
			if err := t.allows(c, now); err != nil {
				return err
			}
		}
		if err := t.one(`INSERT INTO {holds} (id, body, until) VALUES (?, ?, ?) RETURNING number`, []any{u.Grant.ID.String(), body, until}, &r.Number); err != nil {
			return err
		}
		for _, c := range u.Counters {
			if _, err := t.exec(`INSERT INTO {held} VALUES (?, ?, ?, ?)`, c.Key.String(), seconds(c), r.Number, until); err != nil {
				return err
			}
		}
		return nil
	})
	return r, err
}

// Commit implements capability.Store.
func (s *Grants) Commit(ctx context.Context, r capability.Reservation, digest [32]byte) error {
	now, id := s.now().Unix(), r.Grant.ID.String()
	return s.in(ctx, id, func(t tx) error {
		var n int
		if err := t.one(`SELECT count(*) FROM {digests} WHERE id = ? AND digest = ?`, []any{id, digest[:]}, &n); err != nil {
			return err
		}
		if n > 0 {
			return t.drop(r)
		}
		var body []byte
		err := t.one(`SELECT body FROM {holds} WHERE number = ? AND id = ? AND until > ?`, []any{r.Number, id, now}, &body)
		if errors.Is(err, sql.ErrNoRows) {
			return capability.ErrReserved
		}
		if err != nil {
			return err
		}
		var g capability.Grant
		if err := g.UnmarshalBinary(body); err != nil {
			return err
		}
		if err := t.revoked(g); err != nil {
			return err
		}
		if _, err := t.exec(`INSERT INTO {digests} VALUES (?, ?, ?)`, id, digest[:], now); err != nil {
			return err
		}
		if _, err := t.exec(`INSERT INTO {used} SELECT counter, 1 FROM {held} WHERE number = ? AND per = 0
			ON CONFLICT (counter) DO UPDATE SET n = {used}.n + 1`, r.Number); err != nil {
			return err
		}
		if _, err := t.exec(`INSERT INTO {uses} SELECT counter, per, CAST(? AS BIGINT), number FROM {held} WHERE number = ? AND per > 0`, now, r.Number); err != nil {
			return err
		}
		return t.drop(r)
	})
}

// Release implements capability.Store.
func (s *Grants) Release(ctx context.Context, r capability.Reservation) error {
	return s.in(ctx, r.Grant.ID.String(), func(t tx) error { return t.drop(r) })
}

// Revoke implements capability.Store.
func (s *Grants) Revoke(ctx context.Context, r capability.Revocation) error {
	r.Issuer, r.Scope = strings.ToLower(r.Issuer), strings.ToLower(r.Scope)
	return s.in(ctx, "revoke", func(t tx) error {
		put := func(issuer, scope string, epoch uint32) error {
			_, err := t.exec(`INSERT INTO {revoked} VALUES (?, ?, ?) ON CONFLICT (issuer, scope) DO UPDATE SET epoch = excluded.epoch
				WHERE {revoked}.epoch < excluded.epoch`, issuer, scope, int64(epoch))
			return err
		}
		if r.ID != (capability.ID{}) {
			return put("", r.ID.String(), 0)
		}
		if r.Before > 0 {
			if err := put(r.Issuer, "", r.Before); err != nil {
				return err
			}
		}
		if r.Scope != "" {
			return put(r.Issuer, r.Scope, 0)
		}
		return nil
	})
}

// PutGrant implements capability.GrantStore.
func (s *Grants) PutGrant(ctx context.Context, g capability.Grant) error {
	body, err := g.MarshalBinary()
	if err != nil {
		return err
	}
	return s.in(ctx, g.ID.String(), func(t tx) error {
		_, err := t.exec(`INSERT INTO {grants} VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body`, g.ID.String(), body)
		return err
	})
}

// Grant implements capability.Grants.
func (s *Grants) Grant(ctx context.Context, id capability.ID) (capability.Grant, error) {
	var g capability.Grant
	var body []byte
	err := s.db.QueryRowContext(ctx, s.d.text(`SELECT body FROM {grants} WHERE id = ?`), id.String()).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return g, capability.ErrUnknown
	}
	if err != nil {
		return g, s.fail(err)
	}
	return g, g.UnmarshalBinary(body)
}

// forget drops, once an hour, what counts no more.
func (s *Grants) forget(ctx context.Context) error {
	now := s.now().Unix()
	next := s.purge.Load()
	if now <= next || !s.purge.CompareAndSwap(next, now+3600) {
		return nil
	}
	return s.in(ctx, "forget", func(t tx) error {
		for _, statement := range []string{
			`DELETE FROM {digests} WHERE at < ?`,
			`DELETE FROM {holds} WHERE until < ?`,
			`DELETE FROM {held} WHERE until < ?`,
			`DELETE FROM {uses} WHERE at + per < ?`,
		} {
			if _, err := t.exec(statement, now-int64(capability.KeepDigests/time.Second)); err != nil {
				return err
			}
		}
		return nil
	})
}

func seconds(c capability.Counter) int64 { return int64(c.Per / time.Second) }

// revoked returns ErrRevoked or nil. A revocation by ID is a row without issuer.
func (t tx) revoked(g capability.Grant) error {
	return t.rows(`SELECT issuer, scope, epoch FROM {revoked} WHERE issuer = '' AND scope = ? OR issuer = ?`, []any{g.ID.String(), g.Issuer}, func(scan func(...any) error) error {
		var r capability.Revocation
		if err := scan(&r.Issuer, &r.Scope, &r.Before); err != nil {
			return err
		}
		if r.Issuer == "" || r.Revokes(g) {
			return capability.ErrRevoked
		}
		return nil
	})
}

func (t tx) allows(c capability.Counter, now int64) error {
	var committed, reserved uint32
	counter := c.Key.String()
	var err error
	if c.Per == 0 {
		err = t.one(`SELECT coalesce(sum(n), 0) FROM {used} WHERE counter = ?`, []any{counter}, &committed)
	} else {
		err = t.one(`SELECT count(*) FROM {uses} WHERE counter = ? AND per = ? AND at > ?`, []any{counter, seconds(c), now - seconds(c)}, &committed)
	}
	if err != nil {
		return err
	}
	if err := t.one(`SELECT count(DISTINCT number) FROM {held} WHERE counter = ? AND until > ?`, []any{counter, now}, &reserved); err != nil {
		return err
	}
	return c.Allows(committed, reserved)
}

// drop ends a reservation.
func (t tx) drop(r capability.Reservation) error {
	n, err := t.exec(`DELETE FROM {holds} WHERE number = ? AND id = ?`, r.Number, r.Grant.ID.String())
	if err != nil || n == 0 {
		return err
	}
	_, err = t.exec(`DELETE FROM {held} WHERE number = ?`, r.Number)
	return err
}
