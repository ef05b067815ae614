package policy

import (
	"context"
	"errors"

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
	return insider{tx, &gating{g: h.g, peer: &smtp.Peer{}, from: from}}, nil
}

// An insider is a transaction whose recipients lose their tags.
type insider struct {
	smtp.Transaction
	t *gating
}

// Rcpt implements smtp.Transaction.
func (i insider) Rcpt(ctx context.Context, to smtp.Path, p smtp.RcptParams) error {
	if i.t.from.IsNull() {
		mailbox, err := i.t.g.mailbox(ctx, to)
		if err != nil {
			return err
		}
		return i.Transaction.Rcpt(ctx, mailbox, written(to, p, mailbox != to))
	}
	r, err := i.t.arrive(ctx, to)
	if err != nil {
		return err
	}
	i.t.release(r)
	switch {
	case r.evidence.Address == Invalid && r.evidence.Unavailable, r.evidence.Capability == Deferred:
		return later().refusal(to)
	case r.evidence.Address == Invalid:
		return smtp.NewError(550, smtp.EnhancedCode{5, 7, 1}, unknownSender)
	}
	return i.Transaction.Rcpt(ctx, r.to, written(to, p, r.tagged))
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
