package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

// Options say what is different about a letter. The zero value is a letter in order, whose sender pays postage where it
// is asked for.
type Options struct {
	// WrongKey signs with a key that is not the one in DNS.
	WrongKey bool
	// Unlisted lets the sender's relay connect from an address that SPF does not list.
	Unlisted bool
	// Forged has the letter sent by a stranger, from a host and with an envelope in order, but in the author's name.
	Forged bool
	// Unpaid pays no postage.
	Unpaid bool
}

func (o Options) names() (out []string) {
	for name, set := range map[string]bool{"wrong key": o.WrongKey, "unlisted address": o.Unlisted, "forged author": o.Forged, "no postage": o.Unpaid} {
		if set {
			out = append(out, name)
		}
	}
	return out
}

func now() time.Time { return time.Now().UTC() }

// Send puts a letter on its way to users of the world and returns its id at once. What becomes of it is seen by Letter,
// Watch and Wait. The domain that the letter names as its author's sends it; one that the world does not have gets
// records in DNS and is sent for by the first domain, as are letters that name no author, or more than one.
func (w *World) Send(m *Message, o Options, to ...string) (id string, err error) {
	f, d, e, err := w.prepare(m, o, to)
	if err != nil {
		return "", err
	}
	w.running.Go(func() {
		if _, err := w.send(w.ctx, f, d, e); err != nil {
			f.end(Refused, replyOr(err))
		}
	})
	return f.id(), nil
}

// Submit is Send for a caller that waits for the reply of submission.
func (w *World) Submit(ctx context.Context, m *Message, o Options, to ...string) (smtp.Reply, error) {
	f, d, e, err := w.prepare(m, o, to)
	if err != nil {
		return smtp.Reply{}, smtp.NewError(451, smtp.EnhancedCode{4, 3, 0}, err.Error())
	}
	r, err := w.send(ctx, f, d, e)
	if err != nil {
		f.end(Refused, replyOr(err))
	}
	return r, err
}

// prepare makes the envelope and the flight.
func (w *World) prepare(m *Message, o Options, to []string) (*flight, *domain, smtp.Envelope, error) {
	var e smtp.Envelope
	for _, a := range to {
		p, err := smtp.ParseMailbox(a)
		if err != nil || w.domain(p.Domain) == nil {
			return nil, nil, e, fmt.Errorf("%q is no address in this world", a)
		}
		e.Recipients = append(e.Recipients, smtp.Recipient{To: p})
	}
	if len(e.Recipients) == 0 {
		return nil, nil, e, errors.New("a letter needs a recipient")
	}
	home := w.domains[0]
	d := home
	switch {
	case !m.Vouchable():
		e.From, _ = smtp.ParseMailbox(home.user)
	default:
		if in := w.domain(m.Domain); in != nil {
			d = in
		}
		if err := w.keys.invite(m.Domain); err != nil {
			return nil, nil, e, err
		}
		e.From = smtp.Path{Local: "postmaster", Domain: m.Domain}
		if m.From.Equal(smtp.Path{Local: m.From.Local, Domain: m.Domain}) {
			e.From = m.From
		}
	}
	if o.Forged {
		e.From = smtp.Path{Local: "eve", Domain: strangerDomain}
	}
	e.Params = smtp.MailParams{Size: int64(len(m.Bytes)), UTF8: e.From.NeedsUTF8() || m.EightBitHeader && utf8.Valid(m.header())}
	if m.EightBit {
		e.Params.Body = smtp.Body8BitMIME
	}
	f := w.start(Letter{Kind: "letter", Subject: m.Subject, From: m.From.Address(), Sender: e.From.Address(), To: recipients(e),
		Size: len(m.Bytes), Broken: o.names(), Sent: now()})
	f.msg, f.wrongKey, f.unpaid, f.waiting = m, o.WrongKey, o.Unpaid, len(e.Recipients)
	if o.Unlisted {
		f.source = movedAddr
	}
	if o.Forged {
		f.source = netip.Addr{}
		d = nil
	}
	e.Params.EnvelopeID = f.id()
	return f, d, e, nil
}

// send submits the letter, or, for one who forges (no domain), brings it to the recipient's relay.
func (w *World) send(ctx context.Context, f *flight, d *domain, e smtp.Envelope) (smtp.Reply, error) {
	ctx, cancel := context.WithTimeout(withFlight(ctx, f), 2*time.Minute)
	defer cancel()
	if d == nil {
		res, err := route{w, "mail." + strangerDomain, strangerAddr}.Deliver(ctx, e, bytes.NewReader(f.msg.Bytes))
		f.settle(e, res, err)
		if err != nil {
			return smtp.Reply{}, err
		}
		return res[0].Reply, nil
	}
	laptop := d.mxAddr.As4()
	laptop[3] = 7
	t := &talk{f: f, stage: "submission", from: d.user}
	c, err := smtpclient.Dial(ctx, netip.AddrPortFrom(d.mxAddr, portSubmission).String(), smtpclient.Config{
		Hostname: "laptop." + d.name, TLS: smtpclient.Required, TLSConfig: w.ca.client(), ServerName: d.mx(),
		Credentials: &sasl.Credentials{Username: d.user, Password: d.password},
		Dial:        w.net.dialer(netip.AddrFrom4(laptop)), Trace: t.trace, Logger: w.log,
	})
	if err != nil {
		t.end(nil, err)
		return smtp.Reply{}, err
	}
	defer c.Close()
	res, err := c.Deliver(ctx, e, bytes.NewReader(f.msg.Bytes))
	t.end(res, err)
	if err != nil {
		return smtp.Reply{}, err
	}
	for _, r := range res {
		if !r.Reply.OK() {
			return smtp.Reply{}, &smtp.Error{Reply: r.Reply}
		}
	}
	return res[0].Reply, nil
}

// Wait waits until a letter has come to its end, or ctx has.
func (w *World) Wait(ctx context.Context, id string) (Letter, error) {
	f := w.flight(id)
	if f == nil {
		return Letter{}, fmt.Errorf("no letter %s", id)
	}
	select {
	case <-f.done:
		return f.snapshot(), nil
	case <-ctx.Done():
		return f.snapshot(), context.Cause(ctx)
	}
}

// settle puts down what became of recipients of a letter at the end of its way, and reads back what was delivered.
func (f *flight) settle(e smtp.Envelope, res smtp.Results, err error) {
	if f == nil {
		return
	}
	if err != nil {
		res = smtp.SameResult(len(e.Recipients), smtp.ReplyOf(err))
	}
	f.mu.Lock()
	for i, r := range res {
		switch {
		case r.Reply.OK():
			f.waiting--
			f.reached = append(f.reached, e.Recipients[i].To)
		case r.Reply.Permanent():
			f.waiting--
			f.refusal = r.Reply.String()
		default: // the queue tries again
		}
		f.letter.Reply = r.Reply.String()
	}
	over, refusal, reached, reply := f.waiting <= 0, f.refusal, f.reached, f.letter.Reply
	f.mu.Unlock()
	f.w.hub.tell("letter", f.id())
	switch {
	case over && refusal != "":
		f.end(Refused, refusal)
	case over && f.msg == nil:
		f.end(Delivered, reply)
	case over:
		f.w.running.Go(func() { f.readBack(f.w.ctx, reached, reply) })
	}
}

func recipients(e smtp.Envelope) string {
	var out []string
	for _, r := range e.Recipients {
		out = append(out, r.To.Address())
	}
	return strings.Join(out, ", ")
}
