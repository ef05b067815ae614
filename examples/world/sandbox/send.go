package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/examples/world/letter"
	"github.com/mailbricks/mailbricks/examples/world/story"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
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
func (w *World) Send(m *letter.Message, o Options, to ...string) (id string, err error) {
	f, d, e, err := w.prepare(m, o, to)
	if err != nil {
		return "", err
	}
	w.running.Go(func() {
		if _, err := w.send(w.ctx, f, d, e); err != nil {
			f.fail(err)
		}
	})
	return f.ID(), nil
}

// Submit is Send for a caller that waits for the reply of submission.
func (w *World) Submit(ctx context.Context, m *letter.Message, o Options, to ...string) (smtp.Reply, error) {
	f, d, e, err := w.prepare(m, o, to)
	if err != nil {
		return smtp.Reply{}, smtp.NewError(451, smtp.EnhancedCode{4, 3, 0}, err.Error())
	}
	r, err := w.send(ctx, f, d, e)
	if err != nil {
		f.fail(err)
	}
	return r, err
}

// prepare makes the envelope and the flight.
func (w *World) prepare(m *letter.Message, o Options, to []string) (*flight, *domain, smtp.Envelope, error) {
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
	e.Params = smtp.MailParams{Size: int64(len(m.Bytes)), UTF8: e.From.NeedsUTF8() || m.EightBitHeader && utf8.Valid(m.Header())}
	if m.EightBit {
		e.Params.Body = smtp.Body8BitMIME
	}
	f := &flight{msg: m, wrongKey: o.WrongKey, unpaid: o.Unpaid, waiting: len(e.Recipients)}
	switch {
	case o.Forged:
		d = nil
	case o.Unlisted:
		f.source = movedAddr
	}
	w.start(story.Letter{Kind: "letter", Subject: m.Subject, From: m.From.Address(), Sender: e.From.Address(), To: recipients(e),
		Size: len(m.Bytes), Broken: o.names(), Sent: now()}, f)
	e.Params.EnvelopeID = f.ID()
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
		Dial:        w.dialer(netip.AddrFrom4(laptop)), Trace: t.trace, Logger: w.log,
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
func (w *World) Wait(ctx context.Context, id string) (story.Letter, error) {
	f := w.flight(id)
	if f == nil {
		return story.Letter{}, fmt.Errorf("no letter %s", id)
	}
	select {
	case <-f.Done():
		return f.Letter(), nil
	case <-ctx.Done():
		return f.Letter(), context.Cause(ctx)
	}
}

func recipients(e smtp.Envelope) string {
	var out []string
	for _, r := range e.Recipients {
		out = append(out, r.To.Address())
	}
	return strings.Join(out, ", ")
}

// SMTP returns a server for programs outside the world, such as curl and swaks: what it takes is put on its way by the
// domain of the letter's author. It asks nobody who they are, so it must not leave loopback.
func (w *World) SMTP() (*smtpserver.Server, error) {
	config, err := w.ca.server("world.example")
	if err != nil {
		return nil, err
	}
	return &smtpserver.Server{Hostname: "world.example", TLS: config, Handler: front{w}, Limits: smtpserver.Limits{MessageSize: letter.MaxSize}, Logger: w.log}, nil
}

// front is the Handler of SMTP.
type front struct{ w *World }

func (h front) Mail(context.Context, *smtp.Peer, smtp.Path, smtp.MailParams) (smtp.Transaction, error) {
	return &fronting{w: h.w}, nil
}

type fronting struct {
	w  *World
	to []string
}

func (t *fronting) Rcpt(_ context.Context, to smtp.Path, _ smtp.RcptParams) error {
	if t.w.domain(to.Domain) == nil {
		return smtp.NewError(550, smtp.EnhancedCode{5, 7, 1}, "Not in this world, which has "+strings.Join(t.w.Users(), ", "))
	}
	t.to = append(t.to, to.Address())
	return nil
}

func (t *fronting) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	b, err := io.ReadAll(io.LimitReader(body, letter.MaxSize+1))
	if err != nil {
		return nil, err
	}
	m, err := letter.Prepare(b)
	if err != nil {
		return nil, smtp.NewError(554, smtp.EnhancedCode{5, 6, 0}, err.Error())
	}
	if _, err := t.w.Submit(ctx, m, Options{}, t.to...); err != nil {
		return nil, err
	}
	return smtp.SameResult(len(t.to), smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "The letter is on its way")), nil
}

func (t *fronting) Close() error { return nil }
