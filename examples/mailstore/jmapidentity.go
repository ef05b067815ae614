package mailstore

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// maxIdentities is the most identities of an account that are, and the most that have gone and are remembered.
const maxIdentities = 100

// jmapIdentities are mail.IdentityRoles. Their state is the ModSeq of the last change of any of them.
type jmapIdentities struct{ *account }

// identityID returns the id of a row: "I1" for -1, "N7" for 7.
func identityID(id int64) string {
	if id < 0 {
		return "I" + strconv.FormatInt(-id, 10)
	}
	return "N" + strconv.FormatInt(id, 10)
}

// identityRow returns the row of an id, 0 if it is none.
func identityRow(id jmap.ID) int64 {
	if n := parseID('I', string(id)); n != 0 {
		return -n
	}
	return parseID('N', string(id))
}

func (a jmapIdentities) state(c *conn) (place, error) {
	var m modSeq
	err := c.row([]any{&m}, `SELECT coalesce(max(changed), 0) FROM identity WHERE account = ?`, a.id)
	return at(m), err
}

// Get returns identities in the order of their creation.
func (a jmapIdentities) Get(ctx context.Context, r *jmap.GetRequest[jmap.NoArgs]) (*jmap.GetResponse[mail.Identity], error) {
	out := &jmap.GetResponse[mail.Identity]{List: []mail.Identity{}}
	all := make(map[jmap.ID]mail.Identity)
	var order []jmap.ID
	err := a.s.db.snapshot(ctx, func(c *conn) error {
		now, err := a.state(c)
		if err != nil {
			return err
		}
		out.State = now.state()
		return c.rows(func(r *sql.Rows) error {
			var id int64
			var value []byte
			if err := r.Scan(&id, &value); err != nil {
				return err
			}
			x := mail.Identity{ID: jmap.ID(identityID(id))}
			order = append(order, x.ID)
			err := jmap.Unmarshal(value, &x)
			all[x.ID] = x
			return err
		}, `SELECT id, value FROM identity WHERE account = ? AND value IS NOT NULL ORDER BY created`, a.id)
	})
	if err != nil {
		return nil, err
	}
	if r.IDs != nil {
		order = r.IDs
	}
	for _, id := range order {
		if x, ok := all[id]; ok {
			out.List = append(out.List, x)
		} else {
			out.NotFound = append(out.NotFound, id)
		}
	}
	return out, nil
}

// Changes is jmap.Changer's. Row 0 remembers up to where those that have gone are forgotten.
func (a jmapIdentities) Changes(ctx context.Context, r *jmap.ChangesRequest) (*jmap.ChangesResponse, error) {
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
		if err := noRows(c.row([]any{&horizon}, `SELECT changed FROM identity WHERE account = ? AND id = 0`, a.id)); err != nil {
			return err
		}
		if since.modseq < horizon || since.modseq > now.modseq {
			return jmap.Errorf(jmap.CannotCalculateChanges, "state %s is unknown or too old", r.SinceState)
		}
		var list []changed
		err = c.rows(func(r *sql.Rows) error {
			var x changed
			var created modSeq
			if err := r.Scan(&x.id, &created, &x.at.modseq, &x.gone); err != nil {
				return err
			}
			x.at.id, x.created = x.id, place{created, x.id}.compare(since) > 0
			list = append(list, x)
			return nil
		}, `SELECT id, created, changed, value IS NULL FROM identity WHERE account = ? AND changed >= ? AND id != 0`, a.id, since.modseq)
		out = page(list, since, now, r.MaxChanges, identityID)
		return err
	})
	return out, err
}

// Set is one transaction.
func (a jmapIdentities) Set(ctx context.Context, r *jmap.SetRequest[mail.Identity, mail.IdentityUpdate, jmap.NoArgs]) (*jmap.SetResponse[mail.Identity], error) {
	var out *jmap.SetResponse[mail.Identity]
	err := a.s.db.write(ctx, func(t *tx) error {
		old, err := a.state(t.conn)
		if err != nil {
			return err
		}
		if r.IfInState != nil && *r.IfInState != old.state() {
			return jmap.Errorf(jmap.StateMismatch, "the state is %s", old.state())
		}
		row, err := t.account(a.id)
		if err != nil {
			return err
		}
		out = newSet[mail.Identity](old)
		s := identitySet{a, t, row}
		for _, creation := range slices.Sorted(maps.Keys(r.Create)) {
			x := r.Create[creation]
			m := t.next(row)
			x.ID = jmap.ID(identityID(int64(m)))
			if refused, err := refusal(s.put(int64(m), m, x)); err != nil {
				return err
			} else if refused != nil {
				out.NotCreated[creation] = refused
				continue
			}
			out.Created[creation] = x
		}
		for _, id := range slices.Sorted(maps.Keys(r.Update)) {
			if refused, err := refusal(s.update(id, r.Update[id])); err != nil {
				return err
			} else if refused != nil {
				out.NotUpdated[id] = refused
				continue
			}
			out.Updated[id] = nil
		}
		for _, id := range r.Destroy {
			if refused, err := refusal(s.destroy(id)); err != nil {
				return err
			} else if refused != nil {
				out.NotDestroyed[id] = refused
				continue
			}
			out.Destroyed = append(out.Destroyed, id)
		}
		now, err := a.state(t.conn)
		if err == nil && now != old {
			t.told[a.id] = now.modseq
		}
		out.NewState = now.state()
		return err
	})
	return out, err
}

// An identitySet is one Identity/set.
type identitySet struct {
	a   jmapIdentities
	t   *tx
	row *accountRow
}

// put adds an identity.
func (s identitySet) put(id int64, m modSeq, x mail.Identity) error {
	var n int
	if err := s.t.row([]any{&n}, `SELECT count(*) FROM identity WHERE account = ? AND value IS NOT NULL`, s.a.id); err != nil {
		return err
	}
	if n >= maxIdentities {
		return &jmap.SetError{Type: jmap.SetOverQuota, Description: fmt.Sprintf("an account has at most %d identities", maxIdentities)}
	}
	value, err := jmap.Marshal(x)
	if err != nil {
		return err
	}
	return s.t.exec(`INSERT INTO identity (account, id, created, changed, value) VALUES (?, ?, ?, ?, ?)`, s.a.id, id, m, m, value)
}

// get reads an identity that is there.
func (s identitySet) get(id jmap.ID) (mail.Identity, error) {
	var value []byte
	err := noRows(s.t.row([]any{&value}, `SELECT value FROM identity WHERE account = ? AND id = ? AND id != 0`, s.a.id, identityRow(id)))
	if err == nil && value == nil {
		err = &jmap.SetError{Type: jmap.SetNotFound}
	}
	var x mail.Identity
	if err == nil {
		err = jmap.Unmarshal(value, &x)
	}
	return x, err
}

func (s identitySet) update(id jmap.ID, u mail.IdentityUpdate) error {
	x, err := s.get(id)
	refused, err := refusal(err)
	if err != nil {
		return err
	}
	n := identityRow(id)
	if refused != nil {
		if !u.Make || n >= 0 {
			return refused
		}
		x = mail.Identity{ID: id}
		u.Apply(&x)
		return s.put(n, s.t.next(s.row), x)
	}
	u.Apply(&x)
	value, err := jmap.Marshal(x)
	if err != nil {
		return err
	}
	return s.t.exec(`UPDATE identity SET value = ?, changed = ? WHERE account = ? AND id = ?`, value, s.t.next(s.row), s.a.id, n)
}

// destroy removes an identity, and forgets the one that has gone first where there are too many.
func (s identitySet) destroy(id jmap.ID) error {
	if _, err := s.get(id); err != nil {
		return err
	}
	if err := s.t.exec(`UPDATE identity SET value = NULL, changed = ? WHERE account = ? AND id = ?`, s.t.next(s.row), s.a.id, identityRow(id)); err != nil {
		return err
	}
	var n int
	var first int64
	var m modSeq
	if err := s.t.row([]any{&n}, `SELECT count(*) FROM identity WHERE account = ? AND value IS NULL AND id != 0`, s.a.id); err != nil || n <= maxIdentities {
		return err
	}
	if err := s.t.row([]any{&first, &m}, `SELECT id, changed FROM identity WHERE account = ? AND value IS NULL AND id != 0 ORDER BY changed LIMIT 1`, s.a.id); err != nil {
		return err
	}
	if err := s.t.exec(`DELETE FROM identity WHERE account = ? AND id = ?`, s.a.id, first); err != nil {
		return err
	}
	return s.t.exec(`INSERT INTO identity (account, id, created, changed) VALUES (?, 0, 0, ?) ON CONFLICT DO UPDATE SET changed = excluded.changed`, s.a.id, m)
}
