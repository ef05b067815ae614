// Package tables keeps grants and channels in tables of a database: what packages sqlite and postgres have in common.
// Times are Unix seconds by the stores' clock.
package tables

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
)

// A Dialect is what two databases do differently. A transaction sees what others committed before its first statement, or,
// with Lock, before Lock returned.
type Dialect struct {
	// Name is put before errors.
	Name string
	// Prefix is put before the names of tables.
	Prefix string
	// Bytes and Serial are the types of a string of octets and of a key that counts up and never back.
	Bytes, Serial string
	// Dollar says that parameters are $1, $2, not ?.
	Dollar bool
	// Lock waits, until the end of the transaction, for the only one with that name. nil: transactions exclude each other.
	Lock func(ctx context.Context, tx *sql.Tx, name string) error
}

// text puts the dialect into a statement: {x} is the table x, ? a parameter.
func (d Dialect) text(statement string) string {
	statement = strings.NewReplacer("{", d.Prefix, "}", "", "BYTES", d.Bytes, "SERIAL", d.Serial).Replace(statement)
	if !d.Dollar {
		return statement
	}
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(statement, "?") {
		if n > 0 {
			b.WriteString("$" + strconv.Itoa(n))
		}
		b.WriteString(part)
		n++
	}
	return b.String()
}

// base is a database with its dialect.
type base struct {
	db *sql.DB
	d  Dialect
}

func (b base) fail(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", b.d.Name, err)
}

// create makes tables, where another process may do the same.
func (b base) create(ctx context.Context, statements ...string) error {
	return b.in(ctx, "tables", func(t tx) error {
		for _, s := range statements {
			if _, err := t.exec(s); err != nil {
				return err
			}
		}
		return nil
	})
}

// in runs do in a transaction that no other with that lock's name runs beside. What do refuses is returned as it is, and
// undoes what it did.
func (b base) in(ctx context.Context, lock string, do func(tx) error) error {
	t, err := b.db.BeginTx(ctx, nil)
	if err != nil {
		return b.fail(err)
	}
	defer t.Rollback() //nolint:errcheck // after Commit it does nothing
	if b.d.Lock != nil {
		if err := b.d.Lock(ctx, t, b.d.Prefix+lock); err != nil {
			return b.fail(err)
		}
	}
	if err := do(tx{ctx: ctx, base: b, tx: t}); err != nil {
		return err
	}
	return b.fail(t.Commit())
}

// tx is one transaction.
type tx struct {
	base
	ctx context.Context
	tx  *sql.Tx
}

func (t tx) exec(statement string, args ...any) (int64, error) {
	r, err := t.tx.ExecContext(t.ctx, t.d.text(statement), args...)
	if err != nil {
		return 0, t.fail(err)
	}
	n, err := r.RowsAffected()
	return n, t.fail(err)
}

// one scans the only row; sql.ErrNoRows: there is none.
func (t tx) one(statement string, args []any, into ...any) error {
	return t.fail(t.tx.QueryRowContext(t.ctx, t.d.text(statement), args...).Scan(into...))
}

// rows calls each for every row.
func (t tx) rows(statement string, args []any, each func(scan func(...any) error) error) error {
	r, err := t.tx.QueryContext(t.ctx, t.d.text(statement), args...)
	if err != nil {
		return t.fail(err)
	}
	defer r.Close()
	for r.Next() {
		if err := each(r.Scan); err != nil {
			return t.fail(err)
		}
	}
	return t.fail(r.Err())
}
