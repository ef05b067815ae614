package milter

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/internal/header"
	"github.com/mailbricks/mailbricks/internal/spool"
	"github.com/mailbricks/mailbricks/smtp"
)

// Defaults of a Filter and a Server.
const (
	DefaultTimeout    = 30 * time.Second
	DefaultEndTimeout = 5 * time.Minute
)

// A Filter asks a milter about every message.
type Filter struct {
	// Network and Address are where it listens: "tcp" and "127.0.0.1:8891", "unix" and "/run/filter/socket".
	Network, Address string
	// Hostname is the name of this host, which milters want to know; "": "localhost".
	Hostname string
	// Open lets mail pass when the milter cannot be asked. Without it such mail is put off with 451 4.7.1.
	Open bool
	// Quarantine takes the mail that the milter wants put aside; nil: that is put off with 451 4.7.1.
	Quarantine smtp.Handler
	// Timeout is for the connection and for each step with its answer, EndTimeout for the last one, in which most of
	// the work is done. 0: DefaultTimeout and DefaultEndTimeout.
	Timeout, EndTimeout time.Duration
	// MaxMessage is the most octets of a message, 0: 100 MiB; 552 5.3.4 beyond it. Memory is how many of them stay in
	// memory, 0: 256 KiB; the rest goes to a file in Dir, "" is the system's folder for such files.
	MaxMessage int64
	Memory     int
	Dir        string
	// Logger is told of a milter that cannot be asked, and of what it throws away or puts aside; nil is silent.
	Logger *slog.Logger
}

// Handler returns a Handler in front of next. The milter is asked first at each step, and refuses with its own reply or
// with 550 5.7.1 and 451 4.7.1; next learns of the message when the milter has seen all of it. Mail that the milter
// discards is taken, and next never has it. Where it changes sender or recipients, next gets a transaction of its own for
// the new envelope; those who are gone are told what the others are, and what becomes of those who were added is logged.
func (f Filter) Handler(next smtp.Handler) smtp.Handler {
	f.Timeout, f.EndTimeout = cmp.Or(f.Timeout, DefaultTimeout), cmp.Or(f.EndTimeout, DefaultEndTimeout)
	f.Hostname = cmp.Or(f.Hostname, "localhost")
	if f.Logger == nil {
		f.Logger = slog.New(slog.DiscardHandler)
	}
	return &filter{f, next}
}

type filter struct {
	Filter
	next smtp.Handler
}

// errUnasked is what the peer is told where the milter cannot be asked.
func errUnasked(err error) error {
	e := smtp.NewError(451, smtp.EnhancedCode{4, 7, 1}, "A filter is out of order, try again later")
	e.Err = err
	return e
}

// Mail implements smtp.Handler.
func (f *filter) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	t := &filtering{f: f, e: smtp.Envelope{Peer: peer, From: from, Params: p}, id: rand.Text()[:12]}
	c, err := f.dial(ctx, t.id)
	if err == nil {
		t.c = c
		err = t.obey(c.begin(ctx, peer, from, p))
	} else {
		err = t.unasked(err)
	}
	if err == nil && !t.discard {
		t.Transaction, err = f.next.Mail(ctx, peer, from, p)
	}
	if err != nil {
		t.quit()
		return nil, err
	}
	return t, nil
}

// A filtering is a transaction with a milter in front.
type filtering struct {
	smtp.Transaction // of next; nil when discarded
	f                *filter
	c                *conn // nil: the milter is not asked any more
	e                smtp.Envelope
	id               string
	discard          bool
}

// obey does what an answer says: the error is a refusal.
func (t *filtering) obey(v verdict, err error) error {
	if err != nil {
		return t.unasked(err)
	}
	switch v.code {
	case ansAccept:
		t.quit()
	case ansDiscard:
		t.f.Logger.Info("milter: message discarded", "id", t.id, "from", t.e.From)
		t.discard = true
		t.quit()
	case ansReply:
		return &smtp.Error{Reply: v.reply}
	}
	return nil
}

// unasked ends asking. The error is for the peer, nil if mail passes all the same.
func (t *filtering) unasked(err error) error {
	t.f.Logger.Error("milter: not asked", "id", t.id, "address", t.f.Address, "open", t.f.Open, "err", err)
	t.quit()
	if t.f.Open {
		return nil
	}
	return errUnasked(err)
}

func (t *filtering) quit() {
	if t.c != nil {
		t.c.quit()
		t.c = nil
	}
}

// Rcpt implements smtp.Transaction.
func (t *filtering) Rcpt(ctx context.Context, to smtp.Path, p smtp.RcptParams) error {
	if t.c != nil {
		if err := t.obey(t.c.rcpt(ctx, to, p)); err != nil {
			return err
		}
	}
	if t.Transaction != nil {
		if err := t.Transaction.Rcpt(ctx, to, p); err != nil {
			return err
		}
	}
	t.e.Recipients = append(t.e.Recipients, smtp.Recipient{To: to, Params: p})
	return nil
}

// Close implements smtp.Transaction.
func (t *filtering) Close() error {
	t.quit()
	if t.Transaction == nil {
		return nil
	}
	return t.Transaction.Close()
}

// Data implements smtp.Transaction.
func (t *filtering) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	if t.c != nil {
		if err := t.obey(t.c.data(ctx)); err != nil {
			return nil, err
		}
	}
	if t.c == nil && !t.discard {
		return t.Transaction.Data(ctx, body)
	}
	limit := cmp.Or(t.f.MaxMessage, spool.DefaultMax)
	br := bufio.NewReaderSize(body, 32<<10)
	section, err := header.Read(br, 0)
	if errors.Is(err, header.ErrTooLong) {
		return nil, smtp.NewError(552, smtp.EnhancedCode{5, 3, 4}, "Header section too long")
	} else if err != nil {
		return nil, err
	}
	rest, err := spool.ReadAll(br, spool.Options{Memory: t.f.Memory, Max: max(1, limit-int64(len(section))), Dir: t.f.Dir})
	if _, ok := errors.AsType[*spool.TooLargeError](err); ok {
		return nil, smtp.NewError(552, smtp.EnhancedCode{5, 3, 4}, "Message too large")
	} else if err != nil {
		return nil, err
	}
	defer rest.Close()
	var changes Changes
	if t.c != nil {
		var v verdict
		if changes, v, err = t.c.message(ctx, section, rest.Reader()); err != nil || v.code != ansContinue {
			changes = Changes{}
		}
		if err := t.obey(v, err); err != nil {
			return nil, err
		}
	}
	if t.discard {
		return smtp.SameResult(len(t.e.Recipients), smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "Taken")), nil
	}
	section = changes.apply(section)
	if changes.Body != nil && bytes.HasSuffix(section, []byte("\n")) && !endsEmpty(section) {
		section = append(section, "\r\n"...)
	}
	m := io.MultiReader(bytes.NewReader(section), rest.Reader())
	if changes.Body != nil {
		m = io.MultiReader(bytes.NewReader(section), bytes.NewReader(changes.Body))
	}
	return t.deliver(ctx, changes, m)
}

func endsEmpty(section []byte) bool {
	return bytes.HasSuffix(section, []byte("\n\r\n")) || bytes.HasSuffix(section, []byte("\n\n")) || string(section) == "\r\n"
}

// deliver hands the message on to whom the milter wants.
func (t *filtering) deliver(ctx context.Context, c Changes, m io.Reader) (smtp.Results, error) {
	if c.Quarantine != "" {
		t.f.Logger.Warn("milter: message put aside", "id", t.id, "from", t.e.From, "reason", c.Quarantine)
		if t.f.Quarantine == nil {
			return nil, smtp.NewError(451, smtp.EnhancedCode{4, 7, 1}, "Put aside by a filter, and there is no place for it")
		}
		return smtp.Deliver(ctx, t.f.Quarantine, t.e, m)
	}
	if c.From == nil && len(c.Add) == 0 && len(c.Remove) == 0 {
		return t.Transaction.Data(ctx, m)
	}
	e, kept := c.envelope(t.e)
	if len(e.Recipients) == 0 {
		t.f.Logger.Info("milter: no recipients are left", "id", t.id, "from", t.e.From)
		return smtp.SameResult(len(t.e.Recipients), smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "Taken")), nil
	}
	res, err := smtp.Deliver(ctx, t.f.next, e, m)
	if err != nil {
		return nil, err
	}
	if len(res) != len(e.Recipients) {
		return nil, errors.New("milter: next gave other results than there are recipients")
	}
	out := make(smtp.Results, len(t.e.Recipients))
	told := res[0]
	for i, at := range kept {
		if at >= 0 {
			out[i], told = res[at], res[at]
		}
	}
	for i, at := range kept {
		if at < 0 {
			out[i] = told
		}
	}
	for i := len(e.Recipients) - len(c.Add); i < len(res); i++ {
		t.f.Logger.Info("milter: recipient added", "id", t.id, "to", e.Recipients[i].To, "reply", res[i].Reply.String())
	}
	return out, nil
}

// envelope returns the envelope changed, and for each recipient of e where it is now, -1 if it has gone.
func (c *Changes) envelope(e smtp.Envelope) (out smtp.Envelope, kept []int) {
	out = e
	out.Recipients = nil
	if c.From != nil {
		out.From = *c.From
	}
	for _, r := range e.Recipients {
		at := len(out.Recipients)
		for _, gone := range c.Remove {
			if sameAddress(gone, r.To) {
				at = -1
			}
		}
		if at >= 0 {
			out.Recipients = append(out.Recipients, r)
		}
		kept = append(kept, at)
	}
	out.Recipients = append(out.Recipients, c.Add...)
	return out, kept
}

// sameAddress compares as milters mean it: they write an address as they were given it, or nearly.
func sameAddress(a, b smtp.Path) bool {
	return a.Local == b.Local && strings.EqualFold(a.Domain, b.Domain)
}
