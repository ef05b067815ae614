package mailstore

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
)

var _ smtp.Handler = (*Store)(nil)

// RequestsMailbox is where mail goes that asks for contact. It is made with the first such message.
const RequestsMailbox = "Requests"

// Mail opens a transaction of final delivery (RFC 5321 §4.4): the message goes into INBOX of each recipient, with
// Return-Path on top; or, where policy.DecisionField says so, into the mailbox for \Junk (ClassQuarantine) or into
// RequestsMailbox (ClassRequest). Who delivers here is believed: a border takes away what others wrote. A recipient is the account named by the whole address, or else by its local part; case is
// ignored. An account named twice gets one copy. All recipients share one commit.
//
// Replies: 250 2.1.5 durable; 550 5.1.1 no such user; 552 5.3.4 too big; 452 4.3.1 disk full; 452 4.2.2 over quota, to RCPT
// where the account is full or SIZE says that it will be, else for that recipient alone.
func (s *Store) Mail(ctx context.Context, _ *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	if p.Size > s.o.MaxMessage {
		return nil, errTooBig(fmt.Errorf("SIZE=%d", p.Size))
	}
	return &delivery{s: s, from: from, size: p.Size}, nil
}

func errTooBig(cause error) error {
	return &smtp.Error{Reply: smtp.NewReply(552, smtp.EnhancedCode{5, 3, 4}, "Message too big"), Err: cause}
}

type delivery struct {
	s     *Store
	from  smtp.Path
	size  int64       // as announced
	to    []*account  // one for each accepted recipient
	paths []smtp.Path // theirs
}

// Rcpt finds the recipient's account.
func (d *delivery) Rcpt(ctx context.Context, to smtp.Path, _ smtp.RcptParams) error {
	names := []string{to.Local}
	if to.Domain != "" {
		names = []string{to.Local + "@" + to.Domain, to.Local}
	}
	a, err := d.s.open(ctx, names...)
	if errors.Is(err, imap.ErrNonexistent) {
		return &smtp.Error{Reply: smtp.NewReply(550, smtp.EnhancedCode{5, 1, 1}, "No such user here"), Err: err}
	} else if err != nil {
		return err
	}
	if err := a.fits(ctx, 1, max(d.size, 1)); err != nil {
		return deliveryError(err)
	}
	d.to, d.paths = append(d.to, a), append(d.paths, to)
	return nil
}

// Data stores the message for all recipients or for none.
func (d *delivery) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	now := d.s.o.Now()
	x := &incoming{Draft: d.s.draft(), internal: now.Unix()}
	defer x.Close()
	class, err := deliverable(x, body, d.from)
	if err == nil {
		err = x.finish()
	}
	if err != nil {
		return nil, deliveryError(tooBig(err))
	}
	back, err := reportOf(x)
	if err != nil {
		return nil, deliveryError(err)
	}
	accounts := slices.Clone(d.to)
	slices.SortFunc(accounts, func(a, b *account) int { return int(a.id - b.id) })
	accounts = slices.Compact(accounts)
	var full map[*account]bool
	var answers []answer
	err = d.s.db.write(context.WithoutCancel(ctx), func(t *tx) error {
		full, answers = make(map[*account]bool), nil
		for _, a := range accounts {
			if err := t.fits(d.s.o.Quota, a.id, 1, x.Size()); errors.Is(err, imap.ErrOverQuota) {
				full[a] = true
				continue
			} else if err != nil {
				return err
			}
			row, b, err := t.place(a.id, class, now)
			if err != nil {
				return err
			}
			_, email, err := t.add(row, b, t.next(row), x, now.Unix())
			if err == nil && back != nil {
				err = t.report(a, row, email, back)
			}
			if err != nil {
				return err
			}
			if class != policy.ClassQuarantine && class != policy.ClassRequest {
				if answers, err = d.answer(t, x, a, now, answers); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, deliveryError(err)
	}
	if d.s.answers != nil {
		d.s.answers.add(answers)
	}
	out := smtp.SameResult(len(d.to), smtp.NewReply(250, smtp.EnhancedCode{2, 1, 5}, "Delivered"))
	for i, a := range d.to {
		if full[a] {
			out[i].Reply = overQuota()
		}
	}
	return out, nil
}

// place returns the mailbox for a message of that class.
func (t *tx) place(account int64, class policy.Class, now time.Time) (*accountRow, *boxRow, error) {
	switch class {
	case policy.ClassQuarantine:
		var name string
		err := t.row([]any{&name}, `SELECT name FROM mailbox WHERE account = ? AND special = '\Junk' COLLATE NOCASE`, account)
		if err == nil {
			return t.named(account, name)
		} else if !errors.Is(err, sql.ErrNoRows) {
			return nil, nil, err
		}
	case policy.ClassRequest:
		row, b, err := t.named(account, RequestsMailbox)
		if !errors.Is(err, imap.ErrNonexistent) {
			return row, b, err
		}
		if row, err = t.account(account); err != nil {
			return nil, nil, err
		}
		b, err = t.create(row, t.next(row), RequestsMailbox, "", now)
		return row, b, err
	}
	return t.named(account, "INBOX")
}

// Close ends the transaction.
func (d *delivery) Close() error { return nil }

func overQuota() smtp.Reply {
	return smtp.NewReply(452, smtp.EnhancedCode{4, 2, 2}, "Mailbox full")
}

func deliveryError(err error) error {
	switch {
	case errors.Is(err, imap.ErrTooBig):
		return errTooBig(err)
	case errors.Is(err, imap.ErrOverQuota):
		return &smtp.Error{Reply: overQuota(), Err: err}
	case errors.Is(err, ErrFull):
		return &smtp.Error{Reply: smtp.NewReply(452, smtp.EnhancedCode{4, 3, 1}, "Insufficient system storage"), Err: err}
	}
	return err
}

// deliverable copies a message as it is delivered: Return-Path on top, and none further down in the header, so that
// there is exactly one (RFC 5321 §4.4). The class is that of the topmost policy.DecisionField, "" if there is none.
func deliverable(w io.Writer, body io.Reader, from smtp.Path) (class policy.Class, err error) {
	trace, err := smtp.AppendPath([]byte("Return-Path: "), from)
	if err != nil {
		return "", err
	}
	if _, err := w.Write(append(trace, "\r\n"...)); err != nil {
		return "", err
	}
	r := bufio.NewReaderSize(body, 4096)
	var skip, within bool // this field is left out; this line goes on
	for {
		line, err := r.ReadSlice('\n')
		if !within {
			switch {
			case len(bytes.TrimRight(line, "\r\n")) == 0: // the end of the header
				if _, err := w.Write(line); err != nil {
					return "", err
				}
				if err != nil {
					return class, ignoreEOF(err)
				}
				_, err = io.Copy(w, r)
				return class, err
			case line[0] != ' ' && line[0] != '\t':
				_, skip = field(line, "Return-Path")
				if value, ok := field(line, policy.DecisionField); ok && class == "" {
					note, _ := policy.ParseNote(value) // what cannot be read says nothing
					class = note.Class
				}
			}
		}
		if !skip {
			if _, err := w.Write(line); err != nil {
				return "", err
			}
		}
		within = err == bufio.ErrBufferFull
		if err != nil && !within {
			return class, ignoreEOF(err)
		}
	}
}

func ignoreEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// field returns the value of a field of that name, as far as it stands on the line.
func field(line []byte, name string) (string, bool) {
	is, value, ok := bytes.Cut(line, []byte(":"))
	if !ok || !strings.EqualFold(string(bytes.TrimRight(is, " \t")), name) {
		return "", false
	}
	return string(bytes.TrimRight(value, "\r\n")), true
}
