package serve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/jmap/outbox"
	"github.com/mailbricks/mailbricks/smtp"
)

// A submitting backend gives accounts a way to send: a next hop, and an outbox for what waits.
type submitting struct {
	mail.Backend
	next   smtp.Handler
	host   string
	outbox *outbox.Box

	extensions atomic.Pointer[map[string][]string] // nil: not known yet
	end        context.CancelFunc
	done       chan struct{}
}

// newSubmitting starts the outbox, and asks for the extensions.
func newSubmitting(c *Config) *submitting {
	b := &submitting{Backend: c.Store, next: c.Submit, host: c.Hostname, done: make(chan struct{})}
	b.outbox = outbox.New(c.Store, senders{b}, c.Logger)
	var ctx context.Context
	ctx, b.end = context.WithCancel(context.Background())
	go func() {
		defer close(b.done)
		if c.SubmitExtensions != nil {
			b.learn(ctx, c.SubmitExtensions)
		}
	}()
	return b
}

// learn asks for the extensions until there is an answer, later and later, up to every minute.
func (b *submitting) learn(ctx context.Context, ask func(context.Context) (map[string][]string, error)) {
	for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, time.Minute) {
		if known, err := ask(ctx); err == nil {
			b.extensions.Store(&known)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// close ends the goroutines.
func (b *submitting) close() {
	b.end()
	b.outbox.Close()
	<-b.done
}

// Submitter returns what sends to a next hop: mailstore.Options.Answers, for one.
func Submitter(next smtp.Handler) mail.Submitter { return &submitting{next: next} }

// Accounts returns the accounts of a user, who may send as the name of his own.
func (b *submitting) Accounts(ctx context.Context, user string) ([]*mail.Account, error) {
	list, err := senders{b}.Accounts(ctx, user)
	for _, a := range list {
		if !a.Shared {
			a.Submissions.Outbox = b.outbox
		}
	}
	return list, err
}

// senders are the accounts as the outbox has them, which begins to work before it is there for others.
type senders struct{ *submitting }

// Accounts is mail.Backend's.
func (b senders) Accounts(ctx context.Context, user string) ([]*mail.Account, error) {
	list, err := b.Backend.Accounts(ctx, user)
	if err != nil {
		return nil, err
	}
	out := make([]*mail.Account, len(list))
	for i, a := range list {
		if a.Shared {
			out[i] = a
			continue
		}
		own := *a
		address := a.Name
		if !strings.Contains(address, "@") {
			address += "@" + b.host
		}
		own.Submitter, own.Addresses = b.submitting, []string{address}
		if known := b.extensions.Load(); known != nil {
			own.SubmissionExtensions = *known
		}
		out[i] = &own
	}
	return out, nil
}

// Check is mail.Submitter's.
func (b *submitting) Check(_ context.Context, m *mail.Submission) error {
	_, err := envelope(m)
	return err
}

// Submit is mail.Submitter's.
func (b *submitting) Submit(ctx context.Context, m *mail.Submission) ([]mail.DeliveryStatus, error) {
	e, err := envelope(m)
	if err != nil {
		return nil, err
	}
	results, err := smtp.Deliver(ctx, b.next, e, m.Body)
	if err != nil {
		refused, ok := errors.AsType[*smtp.Error](err)
		if !ok || !refused.Reply.Permanent() {
			return nil, fmt.Errorf("serve: submit: %w", err)
		}
		results = smtp.SameResult(len(m.To), refused.Reply)
	}
	out := make([]mail.DeliveryStatus, len(results))
	for i, r := range results {
		out[i] = mail.DeliveryStatus{SMTPReply: r.Reply.String(), Delivered: mail.DeliveryUnknown, Displayed: "unknown"}
		switch {
		case r.Reply.Permanent():
			out[i].Delivered = mail.DeliveryNo
		case !r.Reply.OK():
			out[i].Delivered = mail.DeliveryQueued
		}
	}
	return out, nil
}

// envelope makes the envelope of SMTP, ENVID being the submission's id. Its error is a *jmap.SetError.
func envelope(m *mail.Submission) (e smtp.Envelope, err error) {
	var from smtp.Path
	if m.From != "" {
		from, err = smtp.ParseMailbox(m.From)
	}
	if err != nil {
		return e, &jmap.SetError{Type: jmap.SetForbiddenMailFrom, Description: "not an address"}
	}
	given, err := parameters(m.MailParameters)
	if err != nil {
		return e, err
	}
	e = smtp.Envelope{From: from}
	if e.Params, err = smtp.ParseMailParams(given); err != nil {
		return e, badParameter(err)
	}
	e.Params.Size, e.Params.UTF8, e.Params.EnvelopeID = m.Size, from.NeedsUTF8(), string(m.ID)
	var bad []string
	for i, a := range m.To {
		to, err := smtp.ParseMailbox(a)
		if err != nil {
			bad = append(bad, a)
			continue
		}
		var p smtp.RcptParams
		if i < len(m.RcptParameters) {
			given, err := parameters(m.RcptParameters[i])
			if err != nil {
				return e, err
			}
			if p, err = smtp.ParseRcptParams(given); err != nil {
				return e, badParameter(err)
			}
		}
		e.Params.UTF8 = e.Params.UTF8 || to.NeedsUTF8()
		e.Recipients = append(e.Recipients, smtp.Recipient{To: to, Params: p})
	}
	if bad != nil {
		return e, &jmap.SetError{Type: jmap.SetInvalidRecipients, InvalidRecipients: bad}
	}
	return e, nil
}

func badParameter(err error) error {
	return &jmap.SetError{Type: jmap.SetInvalidProperties, Properties: []string{"envelope"}, Description: err.Error()}
}

// parameters writes parameters as they are on the wire: JMAP has them without xtext (RFC 8621 §7). What the content and the
// submission decide is left out.
func parameters(list map[string]*string) (string, error) {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(list)) {
		v := list[name]
		switch strings.ToUpper(name) {
		case "SIZE", "BODY", "SMTPUTF8", "ENVID":
			continue
		}
		if strings.ContainsFunc(name, wrong) {
			return "", badParameter(fmt.Errorf("bad name of a parameter: %.40q", name))
		}
		if v == nil {
			out = append(out, name)
			continue
		}
		value := *v
		if kind, address, ok := strings.Cut(value, ";"); ok && strings.EqualFold(name, "ORCPT") {
			value = kind + ";" + string(smtp.AppendXtext(nil, address))
		}
		if value == "" || strings.ContainsFunc(value, wrong) {
			return "", badParameter(fmt.Errorf("bad value of %.40q", name))
		}
		out = append(out, name+"="+value)
	}
	return strings.Join(out, " "), nil
}

// wrong reports whether a character can be no part of a parameter; the rest of its grammar is left to package smtp.
func wrong(c rune) bool { return c <= ' ' || c == '=' || c == 0x7f }
