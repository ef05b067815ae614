package policy

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/internal/address"
	"github.com/mailbricks/mailbricks/smtp"
)

// arrive makes a guest of a forward-path: with a tag, of the mailbox that it leads to, and with a use reserved. The error
// is an *smtp.Error.
func (t *gating) arrive(ctx context.Context, to smtp.Path) (*guest, error) {
	r := &guest{to: to, address: address.Canonical(to.Address())}
	c := t.g.Capabilities
	if c.Store == nil || c.Grants == nil && t.g.Channels.Store == nil {
		return r, nil
	}
	x, err := t.g.Tags.Parse(to.Local, to.Domain)
	if errors.Is(err, capability.ErrNoTag) {
		return r, nil
	}
	if err != nil {
		return nil, refuse(550, smtp.EnhancedCode{5, 1, 1}, "No such user here", err)
	}
	r.tagged = true
	if c.Grants, r.channel, err = t.g.behind(ctx, x.ID); errors.Is(err, channel.ErrPaused) {
		return nil, refuse(450, smtp.EnhancedCode{4, 2, 1}, "Takes no mail now, try again later", err)
	}
	q := capability.Request{Sender: address.Canonical(t.from.Address()), Pending: true}
	if r.to.Local = x.Local; x.Local != "" {
		r.address = address.Canonical(r.to.Address())
		q.Recipient = r.address
	}
	var use capability.Reservation
	if err == nil {
		use, err = c.VerifyTag(ctx, x, q)
	}
	if err == nil && x.Local == "" {
		if r.to, err = smtp.ParseMailbox(use.Grant.Issuer); err == nil {
			r.address = address.Canonical(r.to.Address())
		} else {
			r.use = &use
			t.release(r)
			err = capability.ErrRecipient
		}
	}
	if err != nil {
		r.to, r.address = to, address.Canonical(to.Address())
		if !errors.Is(err, channel.ErrClosed) {
			t.doubt(r, err)
		}
		r.evidence.Address, r.evidence.Capability = Invalid, outcome(err)
		return r, nil
	}
	r.use, r.evidence.Capability, r.evidence.Address = &use, Valid, Valid
	return r, nil
}

// behind finds what knows the grant of a tag, a channel or Capabilities.Grants; nil: nothing. The error is that of a channel
// that takes nothing, whose grant is there all the same, or of the store of channels.
func (g *gate) behind(ctx context.Context, id capability.ID) (grants capability.Grants, ofChannel bool, err error) {
	grants = g.Capabilities.Grants
	if g.Channels.Store == nil {
		return grants, false, nil
	}
	c, err := g.Channels.Store.Get(ctx, id)
	switch {
	case errors.Is(err, channel.ErrUnknown) && grants != nil:
		return grants, false, nil
	case err != nil:
		return nil, false, err
	}
	return known(c.Grant()), true, c.Usable(g.Now())
}

// known is one grant as Grants.
type known capability.Grant

// Grant implements capability.Grants.
func (g known) Grant(context.Context, capability.ID) (capability.Grant, error) {
	return capability.Grant(g), nil
}

// closed takes a capability away from a guest, and with it the address that it was part of.
func (r *guest) closed() {
	r.evidence.Capability = Invalid
	if r.tagged {
		r.evidence.Address = Invalid
	}
}

// admit asks a channel for the author of a message. With pin, when the message is about to be taken, it is pinned; the
// author of a notification is not.
func (t *gating) admit(ctx context.Context, r *guest, s from, section []byte, pin bool) error {
	if !r.channel || r.use == nil {
		return nil
	}
	id := r.use.Grant.ID
	_, err := t.g.Channels.Admit(ctx, id, channel.Sender{Address: s.address, Domain: s.auth.Domain}, pin && !r.evidence.Bounce)
	switch {
	case err == nil:
		return nil
	case r.evidence.Bounce && isAny(err, channel.ErrLeaked, channel.ErrUnauthenticated): // of a host on the way
	case errors.Is(err, channel.ErrLeaked), errors.Is(err, channel.ErrUnauthenticated) && !s.auth.temporary() && r.use.Grant.Scope != "":
		if e := t.g.Channels.Leak(ctx, id, t.leak(s, section)); e != nil {
			t.g.Logger.Warn("leak of a channel not counted", "channel", id, "err", e)
		}
	case isAny(err, channel.ErrClosed, channel.ErrUnauthenticated, channel.ErrUnknown):
	default: // paused meanwhile, or the store does not answer
		r.evidence.Unavailable = true
		t.g.Logger.Warn("channel not asked", "channel", id, "err", err)
	}
	return err
}

// leak describes a message of somebody else.
func (t *gating) leak(s from, section []byte) channel.Leaked {
	l := channel.Leaked{Seen: s.auth.Domain, Author: s.address, MailFrom: t.from.Address(), Results: s.results, Header: section}
	if t.peer != nil {
		l.Source = t.peer.IP()
	}
	return l
}

// used tells a channel of a message that was delivered.
func (t *gating) used(ctx context.Context, r *guest) {
	if !r.channel {
		return
	}
	if err := t.g.Channels.Used(ctx, r.use.Grant.ID); err != nil {
		t.g.Logger.Error("use of a channel not counted", "channel", r.use.Grant.ID, "err", err)
	}
}

// written returns the parameters of RCPT for a mailbox whose address was written with a tag: notifications name the
// address that the sender knows (RFC 3461 §5.2.1).
func written(to smtp.Path, p smtp.RcptParams, tagged bool) smtp.RcptParams {
	if tagged && p.Original == "" && !to.NeedsUTF8() {
		p.OriginalType, p.Original = "rfc822", to.Address()
	}
	return p
}

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
		return r, &smtp.Error{Reply: later().Reply}
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
