package sandbox

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

// carrying is a transaction whose context names the flight.
type carrying struct {
	smtp.Transaction
	f *flight
}

func (t carrying) Rcpt(ctx context.Context, to smtp.Path, p smtp.RcptParams) error {
	return t.Transaction.Rcpt(withFlight(ctx, t.f), to, p)
}

func (t carrying) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	return t.Transaction.Data(withFlight(ctx, t.f), body)
}

// arriving is a transaction that is to be verified.
type arriving struct{ carrying }

func (t arriving) Close() error {
	t.f.checked(false, "no letter came to be verified")
	return t.carrying.Close()
}

// departing puts down that a letter is in the queue.
type departing struct {
	carrying
	host string
}

func (t departing) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	res, err := t.carrying.Data(ctx, body)
	if err == nil && len(res) > 0 {
		t.f.hop("queue", t.host, "").End(res[0].Reply.OK(), "on durable storage: "+res[0].Reply.Text())
	}
	return res, err
}

// maxHeader is how much of a header is looked at.
const maxHeader = 256 << 10

// peekHeader returns the header of a message, as far as it looks, and a reader of the whole message.
func peekHeader(body io.Reader) ([]byte, io.Reader, error) {
	var head []byte
	buf := make([]byte, 8<<10)
	for len(head) < maxHeader && !bytes.Contains(head, []byte("\r\n\r\n")) {
		n, err := body.Read(buf)
		head = append(head, buf[:n]...)
		if errors.Is(err, io.EOF) {
			return head, bytes.NewReader(head), nil
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return head, io.MultiReader(bytes.NewReader(head), body), nil
}

// outbound is the way out of the queue to other domains.
type outbound struct {
	r     *relay
	payer smtp.Handler // a route behind a Payer
}

// Mail implements smtp.Handler.
func (h outbound) Mail(_ context.Context, _ *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	return &gathering{h: h, e: smtp.Envelope{From: from, Params: p}}, nil
}

// Deliver implements smtp.BatchHandler.
func (h outbound) Deliver(ctx context.Context, e smtp.Envelope, body io.Reader) (smtp.Results, error) {
	f := h.r.w.flight(e.Params.EnvelopeID)
	if f == nil || e.From.IsNull() {
		head, rest, err := peekHeader(body)
		if err != nil {
			return nil, err
		}
		body = rest
		f = h.r.w.notice(h.r.d, e, head)
	}
	next := h.payer
	if f.unpaid {
		next = route{h.r.w, h.r.d.mx(), h.r.d.mxAddr}
	}
	res, err := smtp.Deliver(withFlight(ctx, f), next, e, body)
	f.settle(e, res, err)
	return res, err
}

// toStore speaks LMTP to the store of a domain, over a connection for each transaction.
type toStore struct{ r *relay }

func (h toStore) client(ctx context.Context) (*smtpclient.Client, *talk) {
	d := h.r.d
	t := &talk{f: flightFrom(ctx), stage: "delivery", from: d.mx()}
	return &smtpclient.Client{Addr: netip.AddrPortFrom(d.mailAddr, portLMTP).String(), Pool: &smtpclient.Pool{MaxIdle: -1}, Config: smtpclient.Config{
		LMTP: true, Hostname: d.mx(), TLS: smtpclient.Required, TLSConfig: h.r.w.ca.client(), ServerName: d.mail(),
		Dial: h.r.w.dialer(d.mxAddr), Trace: t.trace, Logger: h.r.w.log,
	}}, t
}

// Mail implements smtp.Handler.
func (h toStore) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	c, t := h.client(ctx)
	tx, err := c.Mail(ctx, peer, from, p)
	if err != nil {
		t.end(nil, err)
		return nil, err
	}
	return storing{tx, t}, nil
}

// Deliver implements smtp.BatchHandler: what comes out of the queue.
func (h toStore) Deliver(ctx context.Context, e smtp.Envelope, body io.Reader) (smtp.Results, error) {
	if f := h.r.w.flight(e.Params.EnvelopeID); f != nil && !e.From.IsNull() {
		ctx = withFlight(ctx, f)
	}
	c, t := h.client(ctx)
	res, err := c.Deliver(ctx, e, body)
	t.end(res, err)
	if t.f != nil && flightFrom(ctx) == t.f && e.Peer == nil {
		t.f.settle(e, res, err)
	}
	return res, err
}

type storing struct {
	smtp.Transaction
	t *talk
}

func (s storing) Rcpt(ctx context.Context, to smtp.Path, p smtp.RcptParams) error {
	err := s.Transaction.Rcpt(ctx, to, p)
	if err != nil {
		s.t.end(nil, err)
	}
	return err
}

func (s storing) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	res, err := s.Transaction.Data(ctx, body)
	s.t.end(res, err)
	return res, err
}

func (s storing) Close() error {
	err := s.Transaction.Close()
	s.t.abandon()
	return err
}

// route is the way from a host to the MX of the recipient's domain, over connections of its own for each letter.
type route struct {
	w    *World
	host string
	addr netip.Addr
}

// Mail implements smtp.Handler.
func (h route) Mail(_ context.Context, _ *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	return &gathering{h: h, e: smtp.Envelope{From: from, Params: p}}, nil
}

// Deliver implements smtp.BatchHandler.
func (h route) Deliver(ctx context.Context, e smtp.Envelope, body io.Reader) (smtp.Results, error) {
	f := flightFrom(ctx)
	f.paid()
	t := &talk{f: f, stage: "relay", from: h.host, before: f.lookUp(h.host)}
	router := h.w.router(h, t)
	defer router.Close()
	res, err := router.Deliver(ctx, e, body)
	t.end(res, err)
	for _, one := range res {
		if prices := policy.ParsePrices(one.Reply); len(prices) > 0 {
			f.pay(h.host, prices[0])
		}
	}
	return res, err
}

// A gathering is a transaction that becomes an envelope, for a Handler that takes whole ones.
type gathering struct {
	h smtp.BatchHandler
	e smtp.Envelope
}

func (t *gathering) Rcpt(_ context.Context, to smtp.Path, p smtp.RcptParams) error {
	t.e.Recipients = append(t.e.Recipients, smtp.Recipient{To: to, Params: p})
	return nil
}

func (t *gathering) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	return t.h.Deliver(ctx, t.e, body)
}

func (t *gathering) Close() error { return nil }
