package mailrelay

import (
	"bytes"
	"context"
	"io"

	"github.com/mailbricks/mailbricks/auth/authres"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
)

// incoming is the Handler behind the Verifier of MX.
type incoming struct{ r *Relay }

func (h incoming) Mail(_ context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	return &letter{r: h.r, e: smtp.Envelope{Peer: peer, From: from, Params: p}}, nil
}

// A letter is a transaction for local domains. It is opened at Deliver with the first recipient, so that the store is
// asked for each; whether it ends there or in the queue is decided at DATA.
type letter struct {
	r *Relay
	e smtp.Envelope
	// open is the transaction of Deliver; nil before the first recipient, and once away is set.
	open smtp.Transaction
	// away says that Deliver failed for now with a recipient that was accepted all the same.
	away bool
}

func (l *letter) Rcpt(ctx context.Context, to smtp.Path, p smtp.RcptParams) error {
	if !l.r.isLocal(to) {
		return smtp.NewError(550, smtp.EnhancedCode{5, 7, 1}, "Relaying denied")
	}
	if err := l.ask(ctx, to, p); err != nil {
		if ctx.Err() != nil || smtp.ReplyOf(err).Permanent() {
			return err
		}
		l.r.log.Warn("store does not answer for a recipient", "to", to.String(), "err", err)
		l.drop()
	}
	l.e.Recipients = append(l.e.Recipients, smtp.Recipient{To: to, Params: p})
	return nil
}

// ask asks Deliver for a recipient.
func (l *letter) ask(ctx context.Context, to smtp.Path, p smtp.RcptParams) (err error) {
	if l.away {
		return nil
	}
	if l.open == nil {
		if l.open, err = l.r.c.Deliver.Mail(ctx, l.e.Peer, l.e.From, l.e.Params); err != nil {
			l.open = nil
			return err
		}
	}
	return l.open.Rcpt(ctx, to, p)
}

// drop ends the transaction at Deliver: the queue will take the letter.
func (l *letter) drop() {
	l.away = true
	if l.open != nil {
		_ = l.open.Close() // abandoned: nothing was promised
		l.open = nil
	}
}

// Data hands the message to Deliver, where it is for one recipient, and else to the queue.
func (l *letter) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	if !l.away && len(l.e.Recipients) == 1 && !l.confirm() {
		return l.open.Data(ctx, body)
	}
	l.drop()
	return deliverAll(ctx, l.r.queue, l.e, body)
}

// confirm reports whether the sender wants to be told of success, which the queue does for a store that does not
// (RFC 3461 §5.2.2).
func (l *letter) confirm() bool {
	return l.e.Recipients[0].Params.Notify&smtp.NotifySuccess != 0
}

func (l *letter) Close() error {
	if l.open == nil {
		return nil
	}
	return l.open.Close()
}

// deliverAll is smtp.Deliver where each recipient has to be accepted.
func deliverAll(ctx context.Context, h smtp.Handler, e smtp.Envelope, body io.Reader) (smtp.Results, error) {
	tx, err := h.Mail(ctx, e.Peer, e.From, e.Params)
	if err != nil {
		return nil, err
	}
	defer tx.Close()
	for _, rc := range e.Recipients {
		if err := tx.Rcpt(ctx, rc.To, rc.Params); err != nil {
			return nil, err
		}
	}
	return tx.Data(ctx, body)
}

// users is the Handler of Submission: it lets authenticated users through, without the fields that this host alone may
// write.
type users struct {
	id   string // authserv-id
	next smtp.Handler
}

func (h users) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	if peer.Identity == "" {
		return nil, smtp.NewError(530, smtp.EnhancedCode{5, 7, 0}, "Authentication required")
	}
	tx, err := h.next.Mail(ctx, peer, from, p)
	if err != nil {
		return nil, err
	}
	return cleaned{tx, h.id}, nil
}

// A cleaned is a transaction whose message cannot pretend that it was verified here (RFC 8601 §5).
type cleaned struct {
	smtp.Transaction
	id string
}

func (t cleaned) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	section, rest, err := readHeader(body)
	if err != nil {
		return nil, err
	}
	section = authres.Strip(nil, without(section, policy.DecisionField), t.id)
	return t.Transaction.Data(ctx, io.MultiReader(bytes.NewReader(section), rest))
}
