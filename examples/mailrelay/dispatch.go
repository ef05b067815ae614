package mailrelay

import (
	"context"
	"errors"
	"io"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
)

// A dispatcher is what stands behind the queue: it sends an envelope, whose recipients the queue has sorted by domain,
// to the store or out.
type dispatcher struct {
	r      *Relay
	next   smtp.Handler
	signer policy.Signer
}

// errMixed is a fault of the program: the queue hands over one domain at a time.
var errMixed = errors.New("mailrelay: recipients of several domains in one transaction")

// Deliver implements smtp.BatchHandler.
func (d dispatcher) Deliver(ctx context.Context, e smtp.Envelope, body io.Reader) (smtp.Results, error) {
	if len(e.Recipients) == 0 {
		return nil, nil
	}
	local := d.r.isLocal(e.Recipients[0].To)
	for _, rc := range e.Recipients[1:] {
		if d.r.isLocal(rc.To) != local {
			return nil, errMixed
		}
	}
	return smtp.Deliver(ctx, d.way(e.From, local), e, body)
}

// way returns the Handler for mail that is local or not. Notifications, which the queue writes itself and which have no
// sender, are signed on their way out: without a sender SPF says nothing about their author (RFC 9989 §4.4.2).
func (d dispatcher) way(from smtp.Path, local bool) smtp.Handler {
	switch {
	case local && d.r.c.Gate != nil: // what has passed it has no tag any more
		return d.r.c.Gate.Inside(d.r.c.Deliver)
	case local:
		return d.r.c.Deliver
	case from.IsNull() && d.r.c.Keys != nil:
		return d.signer.Handler(d.next)
	}
	return d.next
}

// Mail implements smtp.Handler; the way is chosen at the first recipient.
func (d dispatcher) Mail(_ context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	return &dispatch{d: d, peer: peer, from: from, p: p}, nil
}

type dispatch struct {
	d     dispatcher
	peer  *smtp.Peer
	from  smtp.Path
	p     smtp.MailParams
	local bool
	tx    smtp.Transaction
}

func (t *dispatch) Rcpt(ctx context.Context, to smtp.Path, p smtp.RcptParams) (err error) {
	local := t.d.r.isLocal(to)
	switch {
	case t.tx == nil:
		t.local = local
		if t.tx, err = t.d.way(t.from, local).Mail(ctx, t.peer, t.from, t.p); err != nil {
			t.tx = nil
			return err
		}
	case local != t.local:
		return errMixed
	}
	return t.tx.Rcpt(ctx, to, p)
}

func (t *dispatch) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	return t.tx.Data(ctx, body)
}

func (t *dispatch) Close() error {
	if t.tx == nil {
		return nil
	}
	return t.tx.Close()
}
