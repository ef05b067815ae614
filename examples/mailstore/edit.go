package mailstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// Limits of mailbox names.
const (
	maxNameLen   = 1000 // octets
	maxNameDepth = 50   // levels
)

// Create makes a mailbox and those above it.
func (a *account) Create(ctx context.Context, name string, o imap.CreateOptions) (imap.MailboxInfo, error) {
	var info imap.MailboxInfo
	err := a.s.db.write(ctx, func(t *tx) error {
		row, name, err := a.free(t, name)
		if err != nil {
			return err
		}
		if o.SpecialUse != "" { // RFC 8621 §2: at most one mailbox has a role
			var one int
			err := t.row([]any{&one}, `SELECT 1 FROM mailbox WHERE account = ? AND special = ? COLLATE NOCASE`, row.id, o.SpecialUse)
			if !errors.Is(err, sql.ErrNoRows) {
				return cmpErr(err, fmt.Errorf("mailstore: another mailbox is for %s: %w", o.SpecialUse, imap.ErrCannot))
			}
		}
		m := t.next(row)
		if err := t.parents(row, m, name, a.s.o.Now()); err != nil {
			return err
		}
		b, err := t.create(row, m, name, o.SpecialUse, a.s.o.Now())
		if err != nil {
			return err
		}
		info, err = a.info(t.conn, b)
		return err
	})
	return info, err
}

// free returns the account in which a mailbox gets a name, and its name there, which can be one and is none yet.
func (a *account) free(t *tx, name string) (*accountRow, string, error) {
	id, local, err := a.place(t.conn, name)
	if err != nil {
		return nil, "", err
	}
	if err := a.s.checkName(local); err != nil {
		return nil, "", err
	}
	if err := t.absent(id, local); err != nil {
		return nil, "", err
	}
	row, err := t.account(id)
	return row, local, err
}

// Delete removes a mailbox and its messages.
func (a *account) Delete(ctx context.Context, name string) error {
	return a.s.db.write(ctx, func(t *tx) error {
		row, b, err := a.named(t, name)
		if err != nil {
			return err
		}
		kids, err := t.below(b)
		if err != nil {
			return err
		}
		if b.name == "INBOX" || len(kids) > 0 {
			return fmt.Errorf("mailstore: delete mailbox %q: %w", b.name, imap.ErrCannot)
		}
		return t.destroy(row, b, a.s.o.MaxExpunged)
	})
}

// Rename renames a mailbox and those below it; INBOX stays and gives its messages away.
func (a *account) Rename(ctx context.Context, from, to string) error {
	return a.s.db.write(ctx, func(t *tx) error {
		row, b, err := a.named(t, from)
		if err != nil {
			return err
		}
		heir, to, err := a.free(t, to)
		if err != nil {
			return err
		}
		if heir != row || strings.HasPrefix(to, b.name+"/") && b.name != "INBOX" {
			return fmt.Errorf("mailstore: rename %q to %q: %w", b.name, to, imap.ErrCannot)
		}
		m := t.next(row)
		if err := t.parents(row, m, to, a.s.o.Now()); err != nil {
			return err
		}
		if b.name == "INBOX" {
			dest, err := t.create(row, m, to, "", a.s.o.Now())
			if err != nil {
				return err
			}
			if err := t.exec(`INSERT INTO annotation SELECT account, ?, entry, value FROM annotation WHERE mailbox = ?`,
				dest.id, b.id); err != nil {
				return err
			}
			_, err = t.copy(row, b, imap.AllUIDs(), dest, copyOptions{now: a.s.o.Now(), move: true, maxExpunged: a.s.o.MaxExpunged})
			return err
		}
		return t.rename(b, to, m)
	})
}

// Subscribe sets or clears the subscription.
func (a *account) Subscribe(ctx context.Context, name string, on bool) error {
	return a.s.db.write(ctx, func(t *tx) error {
		row, b, err := a.named(t, name)
		if err == nil && b.account != a.id {
			return a.subscribeOther(t, row, b, on)
		}
		if err != nil || b.subscribed == on {
			return err
		}
		b.subscribed, b.changed = on, t.next(row)
		t.touch(b, b.changed)
		return t.exec(`UPDATE mailbox SET subscribed = ? WHERE id = ?`, on, b.id)
	})
}

func (s *Store) checkName(name string) error {
	levels := strings.Split(name, "/")
	switch {
	case len(name) > maxNameLen, len(levels) > maxNameDepth, slices.Contains(levels, ""), !utf8.ValidString(name),
		strings.ContainsFunc(name, unicode.IsControl), levels[0] == s.o.OtherUsers:
		return fmt.Errorf("mailstore: mailbox name %q: %w", name, imap.ErrInvalidName)
	}
	return nil
}

func cmpErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// named returns the rows of an account and of one of its mailboxes.
func (t *tx) named(account int64, name string) (*accountRow, *boxRow, error) {
	row, err := t.account(account)
	if err != nil {
		return nil, nil, err
	}
	var id int64
	if err := t.row([]any{&id}, `SELECT id FROM mailbox WHERE account = ? AND name = ?`, account, boxName(name)); err != nil {
		return nil, nil, noBox(err, name)
	}
	b, err := t.box(id)
	return row, b, err
}

// absent returns imap.ErrExists where there is a mailbox of that name.
func (t *tx) absent(account int64, name string) error {
	var one int
	err := t.row([]any{&one}, `SELECT 1 FROM mailbox WHERE account = ? AND name = ?`, account, name)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return cmpErr(err, fmt.Errorf("mailstore: mailbox %q: %w", name, imap.ErrExists))
}

// parents makes those mailboxes above name that are absent.
func (t *tx) parents(a *accountRow, m modSeq, name string, now time.Time) error {
	for i := range len(name) {
		if name[i] != '/' {
			continue
		}
		if err := t.absent(a.id, name[:i]); errors.Is(err, imap.ErrExists) {
			continue
		} else if err != nil {
			return err
		}
		if _, err := t.create(a, m, name[:i], "", now); err != nil {
			return err
		}
	}
	return nil
}

// create makes a mailbox. The name is free and valid.
func (t *tx) create(a *accountRow, m modSeq, name, special string, now time.Time) (*boxRow, error) {
	// A name that was used before gets a higher UIDVALIDITY (RFC 9051 §2.3.1.1).
	a.uidvalidity = max(a.uidvalidity+1, uint32(max(now.Unix(), 0)))
	a.dirty = true
	b := &boxRow{account: a.id, name: name, special: special, subscribed: special != "" || name == "INBOX", sortorder: mail.DefaultSortOrder,
		uidvalidity: a.uidvalidity, uidnext: 1, created: m, changed: m}
	var err error
	b.id, err = t.insert(`INSERT INTO mailbox (account, name, special, subscribed, sortorder, uidvalidity, uidnext, created,
		changed, modseq, horizon, messages, unseen, deleted, size) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0)`,
		a.id, name, special, b.subscribed, b.sortorder, b.uidvalidity, b.uidnext, m, m, m)
	if err != nil {
		return nil, err
	}
	t.boxes[b.id] = b
	t.touch(b, m)
	return b, t.inherit(b)
}

// below returns the ids of the mailboxes below b.
func (t *tx) below(b *boxRow) ([]int64, error) {
	return t.numbers(`SELECT id FROM mailbox WHERE account = ? AND name > ? AND name < ?`, b.account, b.name+"/", b.name+"0") // 0 follows /
}

// rename gives b and those below it new names.
func (t *tx) rename(b *boxRow, to string, m modSeq) error {
	kids, err := t.below(b)
	if err != nil {
		return err
	}
	from := b.name
	for _, id := range append(kids, b.id) {
		k, err := t.box(id)
		if err != nil {
			return err
		}
		k.name = to + strings.TrimPrefix(k.name, from)
		k.changed = m
		t.touch(k, m)
		if err := t.exec(`UPDATE mailbox SET name = ? WHERE id = ?`, k.name, k.id); err != nil {
			return err
		}
	}
	return nil
}

// destroy removes a mailbox and its messages.
func (t *tx) destroy(a *accountRow, b *boxRow, maxExpunged int) error {
	m := t.next(a)
	msgs, err := t.messages(b.id, imap.AllUIDs(), nil)
	if err != nil {
		return err
	}
	if err := t.remove(a, b, m, msgs, maxExpunged); err != nil {
		return err
	}
	t.touch(b, m)
	b.ended = true
	if err := t.exec(`INSERT INTO expunged (account, modseq, mailbox, uid, created, email, thread) VALUES (?, ?, ?, 0, ?, 0, 0)`,
		a.id, m, b.id, b.created); err != nil {
		return err
	}
	a.gone++
	if err := t.unshare(b); err != nil {
		return err
	}
	if err := t.exec(`DELETE FROM annotation WHERE mailbox = ?`, b.id); err != nil {
		return err
	}
	return t.exec(`DELETE FROM mailbox WHERE id = ?`, b.id)
}
