package queue

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/dsn"
)

// maxHeader is how much of a message is looked at for its header.
const maxHeader = 64 << 10

// notify stores the notification that is due, if one is, and marks in s what it tells. It has an ID of its own that
// follows from that of the message, so that after a crash the same notification is not stored twice.
func (q *Queue) notify(ctx context.Context, c Claim, s *state, now time.Time) error {
	id := c.Record().ID
	over := !s.waiting()
	warn := !over && !s.Warned && q.c.Warn > 0 && !now.Before(s.begin().Add(q.c.Warn))
	late := !over && s.late(now)
	if !over && !warn && !late {
		return nil
	}
	report := dsn.Report{ReportingMTA: q.c.Hostname, EnvelopeID: s.Params.EnvelopeID, ReceivedFrom: s.Hello, Arrival: s.Arrival,
		DeliverBy: s.deliverBy(), FutureRelease: s.Params.Hold.String()}
	var told []*recipient
	for i := range s.Rcpts {
		rc := &s.Rcpts[i]
		action, ok := s.action(rc)
		if rc.Reported || !ok {
			continue
		}
		if rc.State != Waiting {
			told = append(told, rc)
		}
		if action.Wanted(rc.Params.Notify) || action == dsn.Relayed && s.relayed(rc) && rc.Params.Notify != smtp.NotifyNever {
			entry := q.entry(s, rc, action)
			switch { // RFC 2852 §4.1.3
			case late && action == dsn.Delayed:
				entry.Status = smtp.EnhancedCode{4, 4, 7}
			case rc.State == Expired && s.over(now):
				entry.Status = smtp.EnhancedCode{5, 4, 7}
			}
			report.Recipients = append(report.Recipients, entry)
		}
	}
	if len(report.Recipients) > 0 {
		if s.From.IsNull() {
			q.log.Warn("undeliverable notification dropped", "id", id, "recipients", len(report.Recipients))
		} else if err := q.storeReport(ctx, c, s, report, now); err != nil {
			return err
		}
	}
	for _, rc := range told {
		rc.Reported = true
	}
	s.Warned, s.Late = s.Warned || warn || late, s.Late || late
	return nil
}

// action says what is to be told of rc; !ok for nothing.
func (s *state) action(rc *recipient) (a dsn.Action, ok bool) {
	switch rc.State {
	case Failed, Expired:
		return dsn.Failed, true
	case Waiting:
		return dsn.Delayed, true
	}
	// RFC 3461 §5.2.2: a next hop without DSN will not tell, so this one does.
	return dsn.Relayed, !rc.Last.DSNPassed || s.relayed(rc)
}

// relayed reports whether it is to be told of rc, whatever NOTIFY but NEVER says, that it was handed on to another host: a
// trace was asked for, or that host does not heed the deliver-by-time (RFC 2852 §4.1.4).
func (s *state) relayed(rc *recipient) bool {
	by := s.Params.DeliverBy
	return by.Mode != "" && rc.Last.RemoteMTA != "" && (by.Trace || !rc.Last.DeliverByPassed && rc.At.Before(s.deliverBy()))
}

func (q *Queue) entry(s *state, rc *recipient, action dsn.Action) dsn.Recipient {
	kind := "rfc822"
	if rc.To.NeedsUTF8() {
		kind = "utf-8"
	}
	out := dsn.Recipient{
		Original:    dsn.Address{Type: rc.Params.OriginalType, Address: rc.Params.Original},
		Final:       dsn.Address{Type: kind, Address: rc.To.Address()},
		Action:      action,
		RemoteMTA:   rc.Last.RemoteMTA,
		Diagnostic:  rc.Last.Reply,
		LastAttempt: rc.At,
	}
	if action == dsn.Delayed {
		out.RetryUntil = s.begin().Add(q.c.Expire)
	}
	if rc.State == Expired && out.Diagnostic.Enhanced == (smtp.EnhancedCode{}) {
		out.Status = smtp.EnhancedCode{4, 4, 7} // RFC 3463 §3.5: delivery time expired
	}
	return out
}

// storeReport puts the notification into the queue.
func (q *Queue) storeReport(ctx context.Context, c Claim, s *state, report dsn.Report, now time.Time) error {
	body, err := c.Open(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	header, all, err := returned(body, s.Params.Return == smtp.ReturnFull, q.c.MaxReturn)
	if err != nil {
		return err
	}
	report.Original, report.Full = all, all != nil
	if all == nil {
		report.Original = header
	}
	id := fmt.Sprintf("%s-r%d", c.Record().ID, s.Reports+1)
	m := dsn.Message{
		Report:    report,
		To:        s.From,
		MessageID: id + "@" + q.c.Hostname,
		InReplyTo: messageID(header),
		Date:      now,
		UTF8:      s.Params.UTF8 || s.From.NeedsUTF8(),
	}
	msg, err := m.Append(nil)
	if err != nil {
		return err
	}
	n := state{
		Version: stateVersion,
		Params:  smtp.MailParams{UTF8: m.UTF8, RequireTLS: s.Params.RequireTLS, Priority: s.Params.Priority, Prioritized: s.Params.Prioritized},
		Rcpts:   []recipient{{To: s.From, State: Waiting}},
	}
	if bytes.ContainsFunc(msg, func(r rune) bool { return r > 127 }) {
		n.Params.Body = smtp.Body8BitMIME
	}
	_, err = q.store(context.WithoutCancel(ctx), id, &n, now, bytes.NewReader(msg))
	if err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	q.counted.notified.Add(1)
	s.Reports++
	return nil
}

// returned reads the header of a message and, if the whole is wanted and not longer than limit, all of it.
func returned(r io.Reader, whole bool, limit int64) (header, all []byte, err error) {
	if !whole {
		limit = 0
	}
	limit = max(limit, maxHeader)
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, nil, err
	}
	header = b[:min(len(b), maxHeader)]
	if i := bytes.Index(header, []byte("\r\n\r\n")); i >= 0 {
		header = header[:i+4]
	} else if i := bytes.LastIndex(header, []byte("\r\n")); i >= 0 {
		header = header[:i+2]
	}
	if whole && int64(len(b)) <= limit {
		all = b
	}
	return header, all, nil
}

// messageID returns the Message-ID of a header without its brackets, or "".
func messageID(header []byte) string {
	m, err := mail.ReadMessage(bufio.NewReader(bytes.NewReader(append(bytes.Clone(header), "\r\n\r\n"...))))
	if err != nil {
		return ""
	}
	id, ok := strings.CutPrefix(strings.TrimSpace(m.Header.Get("Message-Id")), "<")
	id, closed := strings.CutSuffix(id, ">")
	if !ok || !closed || len(id) > 900 || strings.ContainsAny(id, "<> \t\r\n") {
		return ""
	}
	return id
}
