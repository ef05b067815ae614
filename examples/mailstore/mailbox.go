package mailstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"slices"
	"time"

	"github.com/mailbricks/mailbricks/examples/mailstore/objects"
	"github.com/mailbricks/mailbricks/imap"
)

// pageSize is how many messages are read at a time. Nothing is held while they are yielded.
const pageSize = 256

// A mailbox reads one mailbox by its number, so that a rename does not disturb it.
type mailbox struct {
	a  *account
	id int64
}

// Status returns the counters.
func (m *mailbox) Status(ctx context.Context) (imap.MailboxStatus, error) {
	b, err := m.a.s.boxNow(ctx, m.id)
	if err != nil {
		return imap.MailboxStatus{}, err
	}
	return imap.MailboxStatus{MailboxInfo: m.a.sees(b), UIDValidity: b.uidvalidity, UIDNext: b.uidnext, HighestModSeq: b.modseq,
		Messages: int(b.messages), Unseen: int(b.unseen), Deleted: int(b.deleted), Size: b.size}, nil
}

// Messages yields the messages of a set.
func (m *mailbox) Messages(ctx context.Context, uids imap.UIDSet, want imap.Fields) iter.Seq2[*imap.Message, error] {
	return func(yield func(*imap.Message, error) bool) {
		x, err := m.a.s.index(ctx, m.id)
		if err != nil {
			yield(nil, err)
			return
		}
		x.pages(uids, func(page []*msgRow) bool {
			var all []*details
			if want&(imap.FieldEnvelope|imap.FieldStructure) != 0 {
				if all, err = m.a.s.details(ctx, page); err != nil {
					yield(nil, err)
					return false
				}
			}
			for i, r := range page {
				out := r.message(want)
				if all != nil {
					if all[i] == nil {
						continue
					}
					if want&imap.FieldEnvelope != 0 {
						out.Envelope = all[i].envelope
					}
					if want&imap.FieldStructure != 0 {
						out.Structure = all[i].structure
					}
				}
				if !yield(out, nil) {
					return false
				}
			}
			return true
		})
	}
}

func (m *msgRow) message(want imap.Fields) *imap.Message {
	x := &imap.Message{UID: m.uid}
	if want&imap.FieldFlags != 0 {
		x.Flags = m.flags()
	}
	if want&imap.FieldInternalDate != 0 {
		x.InternalDate = time.Unix(m.internal, 0).UTC()
	}
	if want&imap.FieldSaveDate != 0 {
		x.SaveDate = time.Unix(m.saved, 0).UTC()
	}
	if want&imap.FieldSize != 0 {
		x.Size = m.size
	}
	if want&imap.FieldModSeq != 0 {
		x.ModSeq = m.modseq
	}
	if want&imap.FieldIDs != 0 {
		x.EmailID, x.ThreadID = emailID(m.email), threadID(m.thread)
	}
	return x
}

// Changes yields what changed in the mailbox.
func (m *mailbox) Changes(ctx context.Context, since modSeq) iter.Seq2[imap.Change, error] {
	return func(yield func(imap.Change, error) bool) {
		changes, err := m.changes(ctx, since)
		if err != nil {
			yield(imap.Change{}, err)
			return
		}
		for _, c := range changes {
			if !yield(c.public(since), nil) {
				return
			}
		}
	}
}

func (m *mailbox) changes(ctx context.Context, since modSeq) ([]change, error) {
	var out []change
	scan := func(gone bool) func(*sql.Rows) error {
		return func(r *sql.Rows) error {
			c := change{gone: gone}
			if err := r.Scan(&c.uid, &c.modseq, &c.created); err != nil {
				return err
			}
			out = append(out, c)
			return nil
		}
	}
	err := m.a.s.db.snapshot(ctx, func(c *conn) error {
		out = nil
		var horizon modSeq
		if err := c.row([]any{&horizon}, `SELECT horizon FROM mailbox WHERE id = ?`, m.id); err != nil {
			return noBox(err, mailboxID(m.id))
		}
		if since < horizon {
			return fmt.Errorf("mailstore: changes since %d: %w", since, imap.ErrModSeqTooOld)
		}
		err := c.rows(scan(false), `SELECT uid, modseq, created FROM message WHERE mailbox = ? AND modseq > ?`, m.id, since)
		if err != nil {
			return err
		}
		return c.rows(scan(true), `SELECT uid, modseq, created FROM expunged WHERE mailbox = ? AND modseq > ? AND uid > 0`, m.id, since)
	})
	slices.SortFunc(out, compareChanges)
	if len(out) > 0 {
		m.a.s.seen(m.id, out[len(out)-1].modseq)
	}
	return out, err
}

// Body opens the bytes of a message.
func (m *mailbox) Body(ctx context.Context, uid imap.UID) (imap.Body, error) {
	x, err := m.a.s.index(ctx, m.id)
	if err != nil {
		return nil, err
	}
	r := x.get(uid)
	if r == nil {
		return nil, fmt.Errorf("mailstore: message %d: %w", uid, imap.ErrNonexistent)
	}
	if data, ok := m.a.s.cache.get(cachedBytes, r.email).([]byte); ok {
		return inlineBody{bytes.NewReader(data), data}, nil
	}
	body, err := m.a.s.body(ctx, func(c *conn, dest []any) error {
		err := c.row(dest, `SELECT b.hash, b.size, b.data IS NULL, b.data FROM email e JOIN blob b ON b.id = e.blob WHERE e.id = ?`, r.email)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("mailstore: message %d: %w", uid, imap.ErrNonexistent)
		}
		return err
	})
	if inline, ok := body.(inlineBody); ok && err == nil {
		m.a.s.cache.put(cachedBytes, r.email, inline.data, int64(cap(inline.data))+100)
	}
	return body, err
}

// body opens the bytes that find selects as hash, size, whether they are a file, and data.
func (s *Store) body(ctx context.Context, find func(*conn, []any) error) (imap.Body, error) {
	var body imap.Body
	err := s.db.read(ctx, func(c *conn) error {
		var hash, data []byte
		var size int64
		var file bool
		if err := find(c, []any{&hash, &size, &file, &data}); err != nil {
			return err
		}
		if !file {
			body = inlineBody{bytes.NewReader(data), data}
			return nil
		}
		// The connection is still held, but the row may be deleted by now, and its file removed: then it has gone.
		f, err := s.objects.Open(objects.Hash(hash))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("mailstore: the file of a message has gone: %w", imap.ErrNonexistent)
		} else if err != nil {
			return fmt.Errorf("mailstore: %w", err)
		}
		body = fileBody{f, size}
		return nil
	})
	return body, err
}

type inlineBody struct {
	*bytes.Reader
	data []byte
}

func (inlineBody) Close() error { return nil }

type fileBody struct {
	*os.File
	size int64
}

func (f fileBody) Size() int64 { return f.size }
