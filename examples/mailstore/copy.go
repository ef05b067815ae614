package mailstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// Copy copies messages into another mailbox.
func (a *account) Copy(ctx context.Context, from string, uids imap.UIDSet, to string, drop imap.Rights) (imap.Copied, error) {
	return a.transfer(ctx, from, uids, to, copyOptions{drop: drop})
}

// Move moves messages into another mailbox.
func (a *account) Move(ctx context.Context, from string, uids imap.UIDSet, to string, drop imap.Rights) (imap.Copied, error) {
	return a.transfer(ctx, from, uids, to, copyOptions{drop: drop, move: true})
}

func (a *account) transfer(ctx context.Context, from string, uids imap.UIDSet, to string, o copyOptions) (imap.Copied, error) {
	o.now, o.maxExpunged, o.quota = a.s.o.Now(), a.s.o.MaxExpunged, a.s.o.Quota
	var out imap.Copied
	err := a.s.db.write(ctx, func(t *tx) error {
		row, src, err := a.named(t, from)
		if err != nil {
			return err
		}
		_, dst, err := a.named(t, to)
		if err != nil {
			return err
		}
		out, err = t.copy(row, src, uids, dst, o)
		return err
	})
	return out, err
}

type copyOptions struct {
	now         time.Time
	move        bool
	drop        imap.Rights // the flags that these are for stay behind
	maxExpunged int
	quota       Quota
}

// copy copies or moves the messages of a set that exist, from a mailbox of the account a. They keep flags, internal date and, within
// the account, identity.
func (t *tx) copy(a *accountRow, from *boxRow, uids imap.UIDSet, to *boxRow, o copyOptions) (imap.Copied, error) {
	out := imap.Copied{UIDValidity: to.uidvalidity}
	msgs, err := t.messages(from.id, uids, nil)
	if err != nil || len(msgs) == 0 {
		return out, err
	}
	heir := a
	if to.account != from.account {
		if heir, err = t.account(to.account); err != nil {
			return out, err
		}
	}
	if !o.move || heir != a {
		var octets int64
		for i := range msgs {
			octets += msgs[i].size
		}
		if err := t.fits(o.quota, heir.id, int64(len(msgs)), octets); err != nil {
			return out, err
		}
	}
	m := t.next(heir)
	for _, x := range msgs {
		n := x
		if heir != a {
			if n.email, n.thread, err = t.adopt(heir, m, x.email); err != nil {
				return out, err
			}
		}
		n.modseq, n.created, n.saved = m, m, o.now.Unix()
		n.flagSet = n.kept(imap.AllRights &^ o.drop)
		if err := t.put(to, &n); err != nil {
			return out, err
		}
		out.From, out.To = append(out.From, x.uid), append(out.To, n.uid)
	}
	if o.move {
		if heir != a {
			m = t.next(a)
		}
		err = t.remove(a, from, m, msgs, o.maxExpunged)
	}
	return out, err
}

// adopt returns the email of an account with the bytes of another account's.
func (t *tx) adopt(a *accountRow, m modSeq, email int64) (id, thread int64, err error) {
	var blob int64
	var x incoming
	var summary []byte
	if err := t.row([]any{&blob, &x.envelope, &x.structure, &summary}, `SELECT blob, envelope, structure, summary FROM email WHERE id = ?`, email); err != nil {
		return 0, 0, err
	}
	err = t.row([]any{&id, &thread}, `SELECT id, thread FROM email WHERE account = ? AND blob = ?`, a.id, blob)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, thread, err
	}
	s, err := mail.ParseSummary(summary)
	if err != nil {
		return 0, 0, err
	}
	x.summary, x.refs = summary, refsOf(s)
	return t.addEmail(a, m, blob, &x)
}

// put adds a message to a mailbox under its next UID.
func (t *tx) put(b *boxRow, m *msgRow) error {
	if b.uidnext == 0 {
		return fmt.Errorf("mailstore: mailbox %q has used up its UIDs: %w", b.name, imap.ErrCannot)
	}
	m.uid = b.uidnext
	b.uidnext++ // 0 after the last one
	b.count(1, m.flagSet, m.size)
	t.touch(b, m.modseq)
	added := *m
	b.change(&added)
	return t.exec(`INSERT INTO message (mailbox, `+msgColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		b.id, m.uid, m.modseq, m.created, m.bits, m.keywords, m.internal, m.saved, m.size, m.email, m.thread)
}
