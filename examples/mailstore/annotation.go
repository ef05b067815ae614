package mailstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/mailbricks/mailbricks/imap"
)

// maxAnnotations is how many annotations a mailbox has at most, and the account.
const maxAnnotations = 100

// Annotations returns the annotations of a mailbox, those of the account for "".
func (a *account) Annotations(ctx context.Context, mailbox string) ([]imap.Annotation, error) {
	var out []imap.Annotation
	err := a.s.db.snapshot(ctx, func(c *conn) error {
		out = nil
		box := int64(0)
		if mailbox != "" {
			err := c.row([]any{&box}, `SELECT id FROM mailbox WHERE account = ? AND name = ?`, a.id, boxName(mailbox))
			if err != nil {
				return noBox(err, mailbox)
			}
		}
		return c.rows(func(r *sql.Rows) error {
			var n imap.Annotation
			var value []byte
			err := r.Scan(&n.Entry, &value)
			n.Value = string(value)
			out = append(out, n)
			return err
		}, `SELECT entry, value FROM annotation WHERE account = ? AND mailbox = ? ORDER BY entry`, a.id, box)
	})
	return out, err
}

// SetAnnotations sets and removes annotations.
func (a *account) SetAnnotations(ctx context.Context, mailbox string, set []imap.Annotation) error {
	return a.s.db.write(ctx, func(t *tx) error {
		box := int64(0)
		if mailbox != "" {
			_, b, err := t.named(a.id, mailbox)
			if err != nil {
				return err
			}
			box = b.id
		}
		for _, n := range set {
			if mailbox == "" && n.Entry == "/shared/admin" { // RFC 5464 §3.2.1.1
				return fmt.Errorf("mailstore: annotation %s: %w", n.Entry, imap.ErrReadOnly)
			}
		}
		have, err := t.countAnnotations(a.id, box, set)
		switch {
		case err != nil:
			return err
		case have > maxAnnotations:
			return fmt.Errorf("mailstore: annotations of %q: %w", mailbox, imap.ErrTooMany)
		}
		for _, n := range set {
			var err error
			if n.None {
				err = t.exec(`DELETE FROM annotation WHERE account = ? AND mailbox = ? AND entry = ?`, a.id, box, n.Entry)
			} else {
				err = t.exec(`INSERT INTO annotation (account, mailbox, entry, value) VALUES (?, ?, ?, ?)
					ON CONFLICT DO UPDATE SET value = excluded.value`, a.id, box, n.Entry, []byte(n.Value))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// countAnnotations returns how many there would be.
func (t *tx) countAnnotations(account, box int64, set []imap.Annotation) (int, error) {
	there := map[string]bool{}
	err := t.rows(func(r *sql.Rows) error {
		var entry string
		err := r.Scan(&entry)
		there[entry] = true
		return err
	}, `SELECT entry FROM annotation WHERE account = ? AND mailbox = ?`, account, box)
	for _, n := range set {
		if there[n.Entry] = true; n.None {
			delete(there, n.Entry)
		}
	}
	return len(there), err
}
