package policy

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/smtp"
)

// Inside returns a Handler in front of next for what comes to the mailboxes behind a Gate from this side of it: letters of the
// host's own users, and notifications that the host writes. Nothing is asked of their senders, but an address with a tag
// leads to its mailbox here too: one that has ended is refused with 550 5.7.1, one that is paused with 450 4.2.1. From the null
// reverse-path it leads there whatever has become of it, because what it tells is about the owner's own letter.
//
//	incoming: verifier.Handler(gate.Handler(store))      between users: gate.Inside(store)
func (g Gate) Inside(next smtp.Handler) smtp.Handler {
	return inside{g.Handler(next).(*gate)}
}

type inside struct{ g *gate }

// Mail implements smtp.Handler.
func (h inside) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	tx, err := h.g.next.Mail(ctx, peer, from, p)
	if err != nil {
		return nil, err
	}
	return insider{tx, h, from}, nil
}

// Deliver implements smtp.BatchHandler.
func (h inside) Deliver(ctx context.Context, e smtp.Envelope, body io.Reader) (smtp.Results, error) {
	out := make(smtp.Results, len(e.Recipients))
	var led []smtp.Recipient
	var at []int // where they are in out
	for i, r := range e.Recipients {
		r, err := h.lead(ctx, e.From, r)
		if err != nil {
			out[i] = smtp.ResultOf(err)
			continue
		}
		led, at = append(led, r), append(at, i)
	}
	if len(led) == 0 {
		return out, nil
	}
	e.Recipients = led
	res, err := smtp.Deliver(ctx, h.g.next, e, body)
	if err == nil && len(res) != len(led) {
		err = fmt.Errorf("policy: %d results for %d recipients", len(res), len(led))
	}
	if err != nil {
		return nil, err
	}
	for k, i := range at {
		out[i] = res[k]
	}
	return out, nil
}

// An insider is a transaction whose recipients lose their tags.
type insider struct {
	smtp.Transaction
	h    inside
	from smtp.Path
}

// Rcpt implements smtp.Transaction.
func (i insider) Rcpt(ctx context.Context, to smtp.Path, p smtp.RcptParams) error {
	r, err := i.h.lead(ctx, i.from, smtp.Recipient{To: to, Params: p})
	if err != nil {
		return err
	}
	return i.Transaction.Rcpt(ctx, r.To, r.Params)
}

// lead returns a recipient with its mailbox for address. The error is a refusal.
func (h inside) lead(ctx context.Context, from smtp.Path, r smtp.Recipient) (smtp.Recipient, error) {
	to := r.To
	if from.IsNull() {
		mailbox, err := h.g.mailbox(ctx, to)
		r.To, r.Params = mailbox, written(to, r.Params, mailbox != to)
		return r, err
	}
	t := &gating{g: h.g, peer: &smtp.Peer{}, from: from}
	guest, err := t.arrive(ctx, to)
	if err != nil {
		return r, err
	}
	t.release(guest)
	switch e := guest.evidence; {
	case e.Address == Invalid && e.Unavailable:
		return r, smtp.NewError(451, smtp.EnhancedCode{4, 7, 1}, tryAgain)
	case e.Address == Invalid && e.Capability == Deferred:
		return r, later().refusal(to)
	case e.Address == Invalid:
		return r, smtp.NewError(550, smtp.EnhancedCode{5, 7, 1}, unknownSender)
	}
	r.To, r.Params = guest.to, written(to, r.Params, guest.tagged)
	return r, nil
}

// mailbox returns the mailbox of an address, open or not.
func (g *gate) mailbox(ctx context.Context, to smtp.Path) (smtp.Path, error) {
	x, err := g.Tags.Parse(to.Local, to.Domain)
	if errors.Is(err, capability.ErrNoTag) {
		return to, nil
	}
	if err != nil {
		return to, refuse(550, smtp.EnhancedCode{5, 1, 1}, "No such user here", err)
	}
	if x.Local != "" {
		to.Local = x.Local
		return to, nil
	}
	var grant capability.Grant
	grants, _, err := g.behind(ctx, x.ID)
	if grants != nil && (err == nil || isAny(err, channel.ErrPaused, channel.ErrClosed)) {
		grant, err = grants.Grant(ctx, x.ID)
	}
	if err == nil {
		to, err = smtp.ParseMailbox(grant.Issuer)
	}
	if errors.Is(err, capability.ErrUnknown) {
		return to, refuse(550, smtp.EnhancedCode{5, 1, 1}, "No such user here", err)
	}
	return to, err
}
