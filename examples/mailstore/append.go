package mailstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"syscall"

	"github.com/mailbricks/mailbricks/examples/mailstore/objects"
	"github.com/mailbricks/mailbricks/imap"
)

// An incoming is a message that is durable as far as its file goes, and parsed, before the writing goroutine sees it.
type incoming struct {
	*objects.Draft
	digest
	flags    flagSet
	internal int64
}

// Append adds messages.
func (a *account) Append(ctx context.Context, mailbox string, msgs []imap.AppendMessage) (imap.Appended, error) {
	return a.append(ctx, mailbox, msgs, nil)
}

// Replace adds a message and removes another.
func (a *account) Replace(ctx context.Context, from string, uid imap.UID, to string, m imap.AppendMessage) (imap.Appended, error) {
	return a.append(ctx, to, []imap.AppendMessage{m}, func(t *tx) error {
		row, b, err := a.named(t, from)
		if err != nil {
			return err
		}
		old, err := t.messages(b.id, imap.UIDs(uid), nil)
		if err != nil {
			return err
		}
		if len(old) == 0 {
			return fmt.Errorf("mailstore: message %d: %w", uid, imap.ErrNoMessage)
		}
		return t.remove(row, b, t.next(row), old, a.s.o.MaxExpunged)
	})
}

// append adds messages, in one transaction with before, if that is not nil.
func (a *account) append(ctx context.Context, mailbox string, msgs []imap.AppendMessage, before func(*tx) error) (imap.Appended, error) {
	var out imap.Appended
	if err := a.s.db.read(ctx, func(c *conn) error { // tell before the bodies are read
		_, _, err := a.find(c, mailbox)
		return err
	}); err != nil {
		return out, err
	}
	if len(msgs) == 0 {
		return out, nil
	}
	now := a.s.o.Now()
	all := make([]*incoming, 0, len(msgs))
	defer func() {
		for _, x := range all {
			x.Close()
		}
	}()
	for _, m := range msgs {
		if m.Size > a.s.o.MaxMessage {
			return out, fmt.Errorf("mailstore: %d octets: %w", m.Size, imap.ErrTooBig)
		}
		x := &incoming{Draft: a.s.draft(), flags: parseFlags(m.Flags), internal: now.Unix()}
		all = append(all, x)
		if !m.InternalDate.IsZero() {
			x.internal = m.InternalDate.Unix()
		}
		if _, err := x.ReadFrom(m.Body); err != nil {
			return out, tooBig(err)
		}
		if err := x.finish(); err != nil {
			return out, err
		}
	}
	err := a.s.db.write(ctx, func(t *tx) error {
		row, b, err := a.named(t, mailbox)
		if err == nil && before != nil {
			err = before(t)
		}
		if err != nil {
			return err
		}
		var octets int64
		for _, x := range all {
			octets += x.Size()
		}
		if err := t.fits(a.s.o.Quota, row.id, int64(len(all)), octets); err != nil {
			return err
		}
		m := t.next(row)
		out = imap.Appended{UIDValidity: b.uidvalidity, ModSeq: m}
		for _, x := range all {
			uid, email, err := t.add(row, b, m, x, now.Unix())
			if err != nil {
				return err
			}
			out.UIDs, out.EmailIDs = append(out.UIDs, uid), append(out.EmailIDs, emailID(email))
		}
		return nil
	})
	return out, err
}

func (s *Store) draft() *objects.Draft {
	return s.draftOf(s.o.MaxMessage)
}

// draftOf returns a draft of at most so many octets.
func (s *Store) draftOf(limit int64) *objects.Draft {
	return objects.NewDraft(s.objects, s.o.Inline, limit)
}

func tooBig(err error) error {
	if errors.Is(err, objects.ErrTooBig) {
		return fmt.Errorf("mailstore: %w: %w", imap.ErrTooBig, err)
	}
	return err
}

// diskError finds out whether the disk is full.
func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// finish makes the bytes durable and parses them.
func (x *incoming) finish() error {
	if err := x.Keep(); err != nil {
		return diskError(err)
	}
	raw, release, err := x.Bytes()
	if err != nil {
		return err
	}
	defer release()
	x.digest, err = digestOf(raw)
	return err
}

// add adds a message to a mailbox.
func (t *tx) add(a *accountRow, b *boxRow, m modSeq, x *incoming, saved int64) (imap.UID, int64, error) {
	row := msgRow{modseq: m, created: m, flagSet: x.flags, internal: x.internal, saved: saved, size: x.Size()}
	blob, fresh, err := t.blob(x)
	if err != nil {
		return 0, 0, err
	}
	if !fresh {
		err = t.row([]any{&row.email, &row.thread}, `SELECT id, thread FROM email WHERE account = ? AND blob = ?`, a.id, blob)
	}
	if fresh || errors.Is(err, sql.ErrNoRows) {
		row.email, row.thread, err = t.addEmail(a, m, blob, x)
	}
	if err != nil {
		return 0, 0, err
	}
	err = t.put(b, &row)
	return row.uid, row.email, err
}

// blob returns the row of the bytes, and whether it is new.
func (t *tx) blob(x *incoming) (id int64, fresh bool, err error) {
	hash := x.Hash()
	if err := t.row([]any{&id}, `SELECT id FROM blob WHERE hash = ?`, hash[:]); !errors.Is(err, sql.ErrNoRows) {
		return id, false, err
	}
	var data any
	if mem, ok := x.Inline(); ok {
		data = append(make([]byte, 0, len(mem)), mem...) // never NULL, which is a file
	}
	id, err = t.insert(`INSERT INTO blob (hash, size, data) VALUES (?, ?, ?)`, hash[:], x.Size(), data)
	return id, true, err
}

// addEmail makes the email of bytes that the account does not have yet.
func (t *tx) addEmail(a *accountRow, m modSeq, blob int64, x *incoming) (id, thread int64, err error) {
	if err := t.row([]any{&id}, `SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'email'`); err != nil {
		return 0, 0, err
	}
	thread, err = t.thread(a.id, id, x.refs)
	if err != nil {
		return 0, 0, err
	}
	if _, err := t.insert(`INSERT INTO email (id, account, blob, thread, created, envelope, structure, summary)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, id, a.id, blob, thread, m, x.envelope, x.structure, x.summary); err != nil {
		return 0, 0, err
	}
	if t.arrived == nil {
		t.arrived = make(map[int64]int64)
	}
	t.arrived[a.id] = id
	return id, thread, nil
}

// thread returns the oldest thread that shares a reference (RFC 8621 §3), or a new one named by the email, and enters the
// references.
func (t *tx) thread(account, email int64, refs []int64) (int64, error) {
	thread := email
	known := make([]bool, len(refs))
	for i, ref := range refs {
		var found int64
		err := t.row([]any{&found}, `SELECT thread FROM threadref WHERE account = ? AND ref = ?`, account, ref)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return 0, err
		}
		if known[i] = err == nil; known[i] {
			thread = min(thread, found)
		}
	}
	for i, ref := range refs {
		if known[i] {
			continue
		}
		if err := t.exec(`INSERT INTO threadref (account, ref, thread) VALUES (?, ?, ?)`, account, ref, thread); err != nil {
			return 0, err
		}
	}
	return thread, nil
}

// dropEmail removes an email that is in no mailbox any more, and the bytes if nobody else has them.
func (t *tx) dropEmail(id int64) error {
	var one int
	if err := t.row([]any{&one}, `SELECT 1 FROM message WHERE email = ? LIMIT 1`, id); !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	var blob, thread int64
	if err := t.row([]any{&blob, &thread}, `SELECT blob, thread FROM email WHERE id = ?`, id); err != nil {
		return err
	}
	if err := t.exec(`DELETE FROM email WHERE id = ?`, id); err != nil {
		return err
	}
	err := t.row([]any{&one}, `SELECT 1 FROM email WHERE thread = ? LIMIT 1`, thread)
	if errors.Is(err, sql.ErrNoRows) {
		err = t.exec(`DELETE FROM threadref WHERE thread = ?`, thread)
	}
	if err != nil {
		return err
	}
	return t.dropBlob(blob)
}

// dropBlob removes bytes that no email, no upload and no submission has any more.
func (t *tx) dropBlob(id int64) error {
	var one int
	err := t.row([]any{&one}, `SELECT 1 FROM email WHERE blob = ? UNION ALL SELECT 1 FROM upload WHERE blob = ?
		UNION ALL SELECT 1 FROM submissionblob WHERE blob = ? LIMIT 1`, id, id, id)
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	var hash []byte
	var file bool
	if err := t.row([]any{&hash, &file}, `SELECT hash, data IS NULL FROM blob WHERE id = ?`, id); err != nil {
		return err
	}
	if file {
		t.dropped = append(t.dropped, objects.Hash(hash))
	}
	return t.exec(`DELETE FROM blob WHERE id = ?`, id)
}
