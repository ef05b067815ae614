package mailstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
)

// maxAnnotations is how many annotations a mailbox has at most, and the account.
const maxAnnotations = 100

// Annotations returns the annotations of a mailbox, those of the account for "".
func (a *account) Annotations(ctx context.Context, mailbox string) ([]imap.Annotation, error) {
	var out []imap.Annotation
	err := a.s.db.snapshot(ctx, func(c *conn) error {
		out = nil
		box, owner := int64(0), a.id
		if mailbox != "" {
			var err error
			if box, owner, err = a.find(c, mailbox); err != nil {
				return err
			}
		}
		return c.rows(func(r *sql.Rows) error {
			var n imap.Annotation
			var value []byte
			err := r.Scan(&n.Entry, &value)
			n.Value = string(value)
			out = append(out, n)
			return err
		}, `SELECT entry, value FROM annotation WHERE mailbox = ? AND (account = ? OR account = ? AND entry NOT LIKE '/private/%') ORDER BY entry`,
			box, a.id, owner)
	})
	return out, err
}

// SetAnnotations sets and removes annotations.
func (a *account) SetAnnotations(ctx context.Context, mailbox string, set []imap.Annotation) error {
	return a.s.db.write(ctx, func(t *tx) error {
		box, owner := int64(0), a.id
		var b *boxRow
		if mailbox != "" {
			var err error
			if _, b, err = a.named(t, mailbox); err != nil {
				return err
			}
			box, owner = b.id, b.account
		}
		whose := func(n imap.Annotation) int64 {
			if strings.HasPrefix(n.Entry, "/private/") {
				return a.id
			}
			return owner
		}
		for _, n := range set {
			if mailbox == "" && n.Entry == "/shared/admin" { // RFC 5464 §3.2.1.1
				return fmt.Errorf("mailstore: annotation %s: %w", n.Entry, imap.ErrReadOnly)
			}
		}
		for _, id := range []int64{a.id, owner} {
			have, err := t.countAnnotations(id, box, slices.DeleteFunc(slices.Clone(set), func(n imap.Annotation) bool { return whose(n) != id }))
			switch {
			case err != nil:
				return err
			case have > maxAnnotations:
				return fmt.Errorf("mailstore: annotations of %q: %w", mailbox, imap.ErrTooMany)
			}
		}
		for _, n := range set {
			var err error
			if n.None {
				err = t.exec(`DELETE FROM annotation WHERE account = ? AND mailbox = ? AND entry = ?`, whose(n), box, n.Entry)
			} else {
				err = t.exec(`INSERT INTO annotation (account, mailbox, entry, value) VALUES (?, ?, ?, ?)
					ON CONFLICT DO UPDATE SET value = excluded.value`, whose(n), box, n.Entry, []byte(n.Value))
			}
			if err != nil {
				return err
			}
		}
		t.annotated(a.id, b, set)
		return nil
	})
}

// annotated notes annotations that an account has set of a mailbox, or, with nil, of itself.
func (t *tx) annotated(account int64, b *boxRow, set []imap.Annotation) {
	for _, n := range set {
		switch {
		case b == nil:
			t.private[notice{account, 0}] = append(t.private[notice{account, 0}], n.Entry)
		case strings.HasPrefix(n.Entry, "/private/"):
			t.private[notice{account, b.id}] = append(t.private[notice{account, b.id}], n.Entry)
		default:
			t.shared[b.id] = append(t.shared[b.id], n.Entry)
			t.notices[notice{b.account, b.id}] = b.modseq
		}
	}
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
