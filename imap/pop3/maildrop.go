package pop3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/mailbricks/mailbricks/imap"
)

// inbox is the mailbox that POP3 shows.
const inbox = "INBOX"

// maildrop is the INBOX as it was at login: number n is messages[n-1] until the session ends.
type maildrop struct {
	account  *imap.Account
	mailbox  imap.Mailbox
	validity uint32
	messages []entry
	left     int   // messages without a mark
	size     int64 // their octets
}

// entry is one message of a maildrop.
type entry struct {
	size    int64
	uid     imap.UID
	deleted bool
	sent    bool // by RETR, to its end
}

func openMaildrop(ctx context.Context, a *imap.Account, limit int) (*maildrop, error) {
	mb, err := a.Store.OpenMailbox(ctx, inbox)
	if err != nil {
		return nil, fmt.Errorf("pop3: opening the maildrop: %w", err)
	}
	status, err := mb.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("pop3: opening the maildrop: %w", err)
	}
	d := &maildrop{account: a, mailbox: mb, validity: status.UIDValidity, messages: make([]entry, 0, min(status.Messages, limit))}
	for m, err := range mb.Messages(ctx, imap.AllUIDs(), imap.FieldSize) {
		if err != nil {
			return nil, fmt.Errorf("pop3: listing the maildrop: %w", err)
		}
		if len(d.messages) == limit {
			break
		}
		d.messages = append(d.messages, entry{uid: m.UID, size: m.Size})
		d.size += m.Size
	}
	d.left = len(d.messages)
	return d, nil
}

// uidl appends the unique id of a message: it is never reused, for a UID never is while UIDVALIDITY stays.
func (d *maildrop) uidl(dst []byte, e *entry) []byte {
	dst = strconv.AppendUint(dst, uint64(d.validity), 10)
	dst = append(dst, '.')
	return strconv.AppendUint(dst, uint64(e.uid), 10)
}

// number returns the message that arg names, or nil after a reply that says why not.
func (s *session) number(arg []byte) *entry {
	n, ok := parseNumber(arg)
	switch {
	case !ok:
		s.badCommand("not a message number")
	case n == 0 || n > int64(len(s.drop.messages)):
		s.fail("", "no such message, there are %d", len(s.drop.messages))
	case s.drop.messages[n-1].deleted:
		s.fail("", "message %d is deleted", n)
	default:
		return &s.drop.messages[n-1]
	}
	return nil
}

// parseNumber reads digits. A number above 2^31-1 stays one, for it is no message's.
func parseNumber(b []byte) (int64, bool) {
	n := int64(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = min(n*10+int64(c-'0'), 1<<31-1)
	}
	return n, len(b) > 0
}

func (s *session) stat([]byte) { s.ok("%d %d", s.drop.left, s.drop.size) }

func (s *session) noop([]byte) { s.ok("still here") }

// list answers LIST with numbers and sizes.
func (s *session) list(arg []byte) {
	s.listing(arg, func(dst []byte, e *entry) []byte { return strconv.AppendInt(dst, e.size, 10) })
}

// uidl answers UIDL with numbers and unique ids.
func (s *session) uidl(arg []byte) { s.listing(arg, s.drop.uidl) }

// listing writes a line for one message or a line for each.
func (s *session) listing(arg []byte, appendValue func([]byte, *entry) []byte) {
	var b []byte
	if len(arg) > 0 {
		if e := s.number(arg); e != nil {
			n, _ := parseNumber(arg)
			s.ok("%d %s", n, appendValue(nil, e))
		}
		return
	}
	s.ok("%d messages (%d octets)", s.drop.left, s.drop.size)
	for i := range s.drop.messages {
		e := &s.drop.messages[i]
		if e.deleted {
			continue
		}
		b = strconv.AppendInt(b[:0], int64(i)+1, 10)
		b = appendValue(append(b, ' '), e)
		if _, err := s.w.Write(append(b, "\r\n"...)); err != nil {
			s.over = true
			return
		}
	}
	_, _ = s.w.WriteString(".\r\n")
}

func (s *session) dele(arg []byte) {
	e := s.number(arg)
	switch {
	case e == nil:
	case s.drop.account.Expunger == nil:
		s.fail("", "this maildrop is read-only")
	default:
		e.deleted = true
		s.drop.left--
		s.drop.size -= e.size
		s.ok("marked")
	}
}

func (s *session) rset([]byte) {
	d := s.drop
	d.left, d.size = len(d.messages), 0
	for i := range d.messages {
		d.messages[i].deleted, d.messages[i].sent = false, false
		d.size += d.messages[i].size
	}
	s.ok("%d messages (%d octets)", d.left, d.size)
}

// update is the UPDATE state (RFC 1939 §6): what is marked is removed before the reply says so. Messages that somebody
// else has removed since are no failure.
func (s *session) update() {
	var marked imap.UIDSet
	gone := s.srv.Expire < 0 && s.drop.account.Expunger != nil // what was sent (RFC 2449 §6.7)
	for _, e := range s.drop.messages {
		if e.deleted || e.sent && gone {
			marked.Add(e.uid, e.uid)
		}
	}
	if len(marked) > 0 {
		ctx, cancel := context.WithTimeout(s.hard, orDefault(s.srv.Timeouts.Backend, 2*time.Minute))
		defer cancel()
		if _, err := s.drop.account.Expunger.Expunge(ctx, inbox, marked, true); err != nil {
			s.log(slog.LevelError, "removing messages failed", "err", err)
			s.fail("SYS/TEMP", "some deleted messages not removed")
			return
		}
	}
	s.ok("good-bye (%d messages left)", int64(len(s.drop.messages))-marked.Len())
}

func (s *session) retr(arg []byte) {
	if e := s.number(arg); e != nil {
		e.sent = s.send(e, -1) || e.sent
	}
}

// top sends the header and some lines of the body.
func (s *session) top(arg []byte) {
	number, count, _ := bytes.Cut(arg, []byte{' '})
	lines, ok := parseNumber(count)
	if !ok {
		s.badCommand("TOP takes a message number and a number of lines")
		return
	}
	if e := s.number(number); e != nil {
		s.send(e, lines)
	}
}

// send writes a message, or its header and lines lines of its body unless lines is negative, and reports whether it has.
func (s *session) send(e *entry, lines int64) bool {
	body, err := s.drop.mailbox.Body(s.hard, e.uid)
	switch {
	case errors.Is(err, imap.ErrNonexistent):
		s.fail("", "that message has been removed meanwhile")
		return false
	case err != nil:
		s.log(slog.LevelError, "opening a message failed", "uid", e.uid, "err", err)
		s.fail("SYS/TEMP", "not possible now")
		return false
	}
	defer body.Close()
	buf := s.srv.buffers.Get().(*bodyBuffer)
	defer s.srv.buffers.Put(buf)
	buf.read = 0
	if !s.utf8 && !s.srv.AlwaysUTF8 {
		switch international, err := buf.international(body); {
		case err != nil:
			s.log(slog.LevelError, "reading a message failed", "uid", e.uid, "err", err)
			s.fail("SYS/TEMP", "not possible now")
			return false
		case international: // RFC 6856 §2.1, §5
			s.fail("UTF8", "its header has UTF-8: say UTF8 before the login")
			return false
		}
	}
	if lines < 0 {
		s.ok("%d octets", body.Size())
	} else {
		s.ok("top follows")
	}
	if err := buf.send(s.w, body, lines); err != nil {
		// Without a final dot the client knows that the message is not whole.
		s.log(slog.LevelWarn, "sending a message failed", "uid", e.uid, "err", err)
		s.w.Reset(deadlineWriter{s})
		s.over = true
		return false
	}
	return true
}
