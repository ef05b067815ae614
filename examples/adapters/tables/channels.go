package tables

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
)

// Channels is a channel.Store.
type Channels struct{ base }

// NewChannels makes the table where it is not there.
func NewChannels(ctx context.Context, db *sql.DB, d Dialect) (*Channels, error) {
	s := &Channels{base{db, d}}
	return s, s.create(ctx,
		`CREATE TABLE IF NOT EXISTS {channels} (id TEXT PRIMARY KEY, owner TEXT NOT NULL, last BIGINT NOT NULL, address TEXT NOT NULL, body TEXT NOT NULL)`,
		`CREATE INDEX IF NOT EXISTS {channels_owner} ON {channels} (owner, last)`)
}

// Add implements channel.Store.
func (s *Channels) Add(ctx context.Context, c channel.Channel) error {
	if c.ID == (capability.ID{}) || c.Owner == "" {
		return fmt.Errorf("%w: no id or no owner", channel.ErrChannel)
	}
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("%w: %w", channel.ErrChannel, err)
	}
	return s.in(ctx, c.ID.String(), func(t tx) error {
		n, err := t.exec(`INSERT INTO {channels} VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, c.ID.String(), strings.ToLower(c.Owner), c.LastUse.UnixMicro(), c.Address, string(body))
		if err == nil && n == 0 {
			return channel.ErrExists
		}
		return err
	})
}

// Get implements channel.Store.
func (s *Channels) Get(ctx context.Context, id capability.ID) (channel.Channel, error) {
	return s.read(s.db.QueryRowContext(ctx, s.d.text(`SELECT body FROM {channels} WHERE id = ?`), id.String()).Scan)
}

func (s *Channels) read(scan func(...any) error) (c channel.Channel, err error) {
	var body string
	err = scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return c, channel.ErrUnknown
	}
	if err != nil {
		return c, s.fail(err)
	}
	return c, s.fail(json.Unmarshal([]byte(body), &c))
}

// Update implements channel.Store.
func (s *Channels) Update(ctx context.Context, id capability.ID, change func(*channel.Channel) error) (c channel.Channel, err error) {
	err = s.in(ctx, id.String(), func(t tx) error {
		c, err = s.read(t.tx.QueryRowContext(ctx, s.d.text(`SELECT body FROM {channels} WHERE id = ?`), id.String()).Scan)
		if err != nil {
			return err
		}
		owner := c.Owner
		if err := change(&c); err != nil {
			return err
		}
		if c.ID != id || c.Owner != owner {
			return fmt.Errorf("%w: id or owner changed", channel.ErrChannel)
		}
		body, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("%w: %w", channel.ErrChannel, err)
		}
		_, err = t.exec(`UPDATE {channels} SET last = ?, address = ?, body = ? WHERE id = ?`, c.LastUse.UnixMicro(), c.Address, string(body), id.String())
		return err
	})
	if err != nil {
		return channel.Channel{}, err
	}
	return c, nil
}

// List implements channel.Store. It reads all before it yields the first, so that the database is free meanwhile.
func (s *Channels) List(ctx context.Context, owner string) iter.Seq2[channel.Channel, error] {
	return func(yield func(channel.Channel, error) bool) {
		rows, err := s.db.QueryContext(ctx, s.d.text(`SELECT body FROM {channels} WHERE owner = ? ORDER BY last DESC, address`), strings.ToLower(owner))
		var all []channel.Channel
		if err == nil {
			defer rows.Close()
			for err == nil && rows.Next() {
				var c channel.Channel
				c, err = s.read(rows.Scan)
				all = append(all, c)
			}
			err = errors.Join(err, rows.Err(), rows.Close())
		}
		if err != nil {
			yield(channel.Channel{}, s.fail(err))
			return
		}
		for _, c := range all {
			if !yield(c, nil) {
				return
			}
		}
	}
}
