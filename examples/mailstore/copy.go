package mailstore

import (
	"context"
	"fmt"
	"time"

	"github.com/mailbricks/mailbricks/imap"
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
	o.now, o.maxExpunged = a.s.o.Now(), a.s.o.MaxExpunged
	var out imap.Copied
	err := a.s.db.write(ctx, func(t *tx) error {
		row, src, err := t.named(a.id, from)
		if err != nil {
			return err
		}
		_, dst, err := t.named(a.id, to)
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
}

// copy copies or moves the messages of a set that exist. They keep flags, internal date and identity.
func (t *tx) copy(a *accountRow, from *boxRow, uids imap.UIDSet, to *boxRow, o copyOptions) (imap.Copied, error) {
	out := imap.Copied{UIDValidity: to.uidvalidity}
	msgs, err := t.messages(from.id, uids, nil)
	if err != nil || len(msgs) == 0 {
		return out, err
	}
	m := t.next(a)
	for _, x := range msgs {
		n := x
		n.modseq, n.created, n.saved = m, m, o.now.Unix()
		n.flagSet = n.kept(imap.AllRights &^ o.drop)
		if err := t.put(to, &n); err != nil {
			return out, err
		}
		out.From, out.To = append(out.From, x.uid), append(out.To, n.uid)
	}
	if o.move {
		err = t.remove(a, from, m, msgs, o.maxExpunged)
	}
	return out, err
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
