package mailstore

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"github.com/mailbricks/mailbricks/jmap"
)

// A ledger is the records of one type of an account, in JSON, in a table of their own: each with the ModSeq of its last
// change, and with the value NULL where it has gone. Row 0 remembers up to where those that have gone are forgotten. The
// state is the ModSeq of the last change of any of them.
type ledger struct {
	*account
	table string
	// columns, or what is made of them: the id of JMAP, and the ModSeq of the creation
	name, created string
	// most is how many records that have gone are remembered.
	most int
}

// query puts the table, the name and the time of the creation into a query, as %[1]s to %[3]s.
func (l ledger) query(q string) string { return fmt.Sprintf(q, l.table, l.name, l.created) }

func (l ledger) state(c *conn) (place, error) {
	var m modSeq
	err := c.row([]any{&m}, l.query(`SELECT coalesce(max(changed), 0) FROM %[1]s WHERE account = ?`), l.id)
	return at(m), err
}

// history returns the state, and up to where what has gone is forgotten.
func (l ledger) history(c *conn) (now place, horizon modSeq, err error) {
	if now, err = l.state(c); err == nil {
		err = noRows(c.row([]any{&horizon}, l.query(`SELECT changed FROM %[1]s WHERE account = ? AND id = 0`), l.id))
	}
	return now, horizon, err
}

// Changes is jmap.Changer's.
func (l ledger) Changes(ctx context.Context, r *jmap.ChangesRequest) (*jmap.ChangesResponse, error) {
	names := make(map[int64]string)
	return l.s.changes(ctx, r, l.history, func(id int64) string { return names[id] }, func(c *conn, since place) (list []changed, err error) {
		err = c.rows(func(r *sql.Rows) error {
			var x changed
			var name string
			var created modSeq
			if err := r.Scan(&x.id, &name, &created, &x.at.modseq, &x.gone); err != nil {
				return err
			}
			names[x.id] = name
			x.at.id, x.created = x.id, place{created, x.id}.compare(since) > 0
			list = append(list, x)
			return nil
		}, l.query(`SELECT id, %[2]s, %[3]s, changed, value IS NULL FROM %[1]s WHERE account = ? AND changed > ? AND id != 0`), l.id, since.from())
		return list, err
	})
}

// getRecords is the Get of a jmap.Getter: records in the order of their creation, or in that of the ids.
func getRecords[T any](ctx context.Context, l ledger, ids []jmap.ID) (*jmap.GetResponse[T], error) {
	out := &jmap.GetResponse[T]{List: []T{}}
	scan := func(r *sql.Rows) error {
		var value []byte
		if err := r.Scan(&value); err != nil {
			return err
		}
		out.List = append(out.List, *new(T))
		return jmap.Unmarshal(value, &out.List[len(out.List)-1])
	}
	err := l.s.db.snapshot(ctx, func(c *conn) error {
		now, err := l.state(c)
		if err != nil {
			return err
		}
		out.State = now.state()
		if ids == nil {
			return c.rows(scan, l.query(`SELECT value FROM %[1]s WHERE account = ? AND value IS NOT NULL ORDER BY %[3]s`), l.id)
		}
		for _, id := range ids {
			n := len(out.List)
			if err := c.rows(scan, l.query(`SELECT value FROM %[1]s WHERE account = ? AND %[2]s = ? AND value IS NOT NULL`), l.id, string(id)); err != nil {
				return err
			}
			if len(out.List) == n {
				out.NotFound = append(out.NotFound, id)
			}
		}
		return nil
	})
	return out, err
}

// A ledgerTx is a ledger within a transaction that changes it.
type ledgerTx struct {
	ledger
	t   *tx
	row *accountRow
}

// next is the ModSeq of a change, which is told.
func (l ledgerTx) next() modSeq {
	m := l.t.next(l.row)
	l.t.told[l.id] = m
	return m
}

// count returns how many records there are.
func (l ledgerTx) count() (n int, err error) {
	err = l.t.row([]any{&n}, l.query(`SELECT count(*) FROM %[1]s WHERE account = ? AND value IS NOT NULL`), l.id)
	return n, err
}

// readRecord reads a record that is there.
func readRecord[T any](l ledgerTx, id jmap.ID) (row int64, x T, err error) {
	var value []byte
	err = noRows(l.t.row([]any{&row, &value}, l.query(`SELECT id, value FROM %[1]s WHERE account = ? AND %[2]s = ? AND value IS NOT NULL`), l.id, string(id)))
	if err == nil && value == nil {
		err = &jmap.SetError{Type: jmap.SetNotFound}
	}
	if err == nil {
		err = jmap.Unmarshal(value, &x)
	}
	return row, x, err
}

// remove lets a record go. Where there are too many that have gone, the first of them becomes row 0.
func (l ledgerTx) remove(row int64) error {
	if err := l.t.exec(l.query(`UPDATE %[1]s SET value = NULL, changed = ? WHERE account = ? AND id = ?`), l.next(), l.id, row); err != nil {
		return err
	}
	var n int
	if err := l.t.row([]any{&n}, l.query(`SELECT count(*) FROM %[1]s WHERE account = ? AND value IS NULL AND id != 0`), l.id); err != nil || n <= l.most {
		return err
	}
	if err := l.t.exec(l.query(`DELETE FROM %[1]s WHERE account = ? AND id = 0`), l.id); err != nil {
		return err
	}
	return l.t.exec(l.query(`UPDATE %[1]s SET id = 0 WHERE account = ?1 AND id = (
		SELECT id FROM %[1]s WHERE account = ?1 AND value IS NULL ORDER BY changed LIMIT 1)`), l.id)
}

// setRecords is the Set of a jmap.Setter: one transaction, in which with says how one record is changed.
func setRecords[C, U, T any](ctx context.Context, l ledger, r *jmap.SetRequest[C, U, jmap.NoArgs], with func(ledgerTx) setter[C, U, T]) (*jmap.SetResponse[T], error) {
	var out *jmap.SetResponse[T]
	err := l.s.db.write(ctx, func(t *tx) error {
		old, err := l.state(t.conn)
		if err != nil {
			return err
		}
		if r.IfInState != nil && *r.IfInState != old.state() {
			return jmap.Errorf(jmap.StateMismatch, "the state is %s", old.state())
		}
		row, err := t.account(l.id)
		if err != nil {
			return err
		}
		out = newSet[T](old.state())
		if err := set(out, r, with(ledgerTx{l, t, row})); err != nil {
			return err
		}
		now, err := l.state(t.conn)
		out.NewState = now.state()
		return err
	})
	return out, err
}

// A setter is how a /set changes one record. A *jmap.SetError refuses that one; any other error ends the call.
type setter[C, U, T any] struct {
	create  func(creation jmap.ID, x C) (T, error)
	update  func(jmap.ID, U) error
	destroy func(jmap.ID) error
}

// set makes the changes of a /set one by one.
func set[C, U, A, T any](out *jmap.SetResponse[T], r *jmap.SetRequest[C, U, A], by setter[C, U, T]) error {
	for _, creation := range slices.Sorted(maps.Keys(r.Create)) {
		made, err := by.create(creation, r.Create[creation])
		if refused, err := refusal(err); err != nil {
			return err
		} else if refused != nil {
			out.NotCreated[creation] = refused
			continue
		}
		out.Created[creation] = made
	}
	for _, id := range slices.Sorted(maps.Keys(r.Update)) {
		if refused, err := refusal(by.update(id, r.Update[id])); err != nil {
			return err
		} else if refused != nil {
			out.NotUpdated[id] = refused
			continue
		}
		out.Updated[id] = nil
	}
	for _, id := range r.Destroy {
		if refused, err := refusal(by.destroy(id)); err != nil {
			return err
		} else if refused != nil {
			out.NotDestroyed[id] = refused
			continue
		}
		out.Destroyed = append(out.Destroyed, id)
	}
	return nil
}

// newSet returns an empty response.
func newSet[T any](old jmap.State) *jmap.SetResponse[T] {
	return &jmap.SetResponse[T]{OldState: old, Created: map[jmap.ID]T{}, Updated: map[jmap.ID]*T{}, Destroyed: []jmap.ID{},
		NotCreated: map[jmap.ID]*jmap.SetError{}, NotUpdated: map[jmap.ID]*jmap.SetError{}, NotDestroyed: map[jmap.ID]*jmap.SetError{}}
}
