package policy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
	"github.com/mailbricks/mailbricks/smtp"
)

// A Wallet keeps the capabilities that others gave to its owners, one of each issuer. Addresses are compared as
// by Relations. Its methods are called by several goroutines at once. Package policytest has the suite that an
// implementation passes.
type Wallet interface {
	// Get returns an owner's token for a recipient: one that the recipient issued, else one of the recipient's whole
	// domain. ok is false where there is none, or only one that has expired.
	Get(ctx context.Context, owner, recipient string) (t capability.Token, ok bool, err error)
	// Put keeps a token, in place of the one of the same issuer.
	Put(ctx context.Context, owner string, t capability.Token) error
	// Drop forgets a token that no longer opens.
	Drop(ctx context.Context, owner string, id capability.ID) error
}

// A Payer pays for outgoing mail: it shows the capabilities of its Wallet, and where the next hop refuses an unknown sender
// and names a price, it mints the stamp and sends the message once more. It stands between a queue and a route:
//
//	queue.New(queue.Config{Next: payer.Handler(router), ...})
//
// Mail from the null reverse-path is handed on as it is: notifications do not pay.
type Payer struct {
	// Wallet has the capabilities of the senders; nil: none.
	Wallet Wallet
	// Postage are the ways to pay, the one that is liked best first, each with its limit; nil: hashcash of up to 26 bits, a few
	// seconds of one core. Empty: nothing is paid. Where none of them is asked for, or all are too dear, the refusal stands, and
	// the sender reads the price in the notification. One stamp is made at a time.
	Postage []postage.Scheme
	// Timeout bounds the making of one stamp, the wait for the one before included; 0: 5 minutes. After it the reply
	// becomes 451 4.7.1, so that the queue tries again.
	Timeout time.Duration
	// HeaderOnly keeps credentials out of the parameters of RCPT TO. Without it they travel in both: a client of package
	// smtpclient leaves out parameters that its server does not offer, and every hop carries header fields.
	HeaderOnly bool
	// Limits are those of a message, which is read to its end first, since it may be sent twice.
	Limits Limits
	// Logger is told of what was paid, and of a wallet that fails; nil is silent.
	Logger *slog.Logger
}

const (
	defaultMintTimeout = 5 * time.Minute
	// maxMinted is how many stamps are kept for messages whose delivery failed for another reason.
	maxMinted = 1000
)

// Handler returns a Handler in front of next that pays. It is an smtp.BatchHandler. Recipients who need nothing go together;
// each one with credentials goes in a transaction of its own, with header fields of its own, so that nobody sees what is
// another's. So results may be mixed: it stands behind a queue, or is spoken to by smtp.Deliver.
func (p Payer) Handler(next smtp.Handler) smtp.Handler {
	if p.Postage == nil {
		p.Postage = []postage.Scheme{&postage.Hashcash{}}
	}
	if p.Timeout == 0 {
		p.Timeout = defaultMintTimeout
	}
	if p.Logger == nil {
		p.Logger = slog.New(slog.DiscardHandler)
	}
	return &payer{Payer: p, next: next, turn: make(chan struct{}, 1), minted: make(map[[2]string]string)}
}

type payer struct {
	Payer
	next smtp.Handler
	turn chan struct{} // one stamp at a time

	mu     sync.Mutex
	minted map[[2]string]string // sender, recipient → a stamp that was not taken yet, in the form of POSTAGE
}

// Mail implements smtp.Handler: the envelope is gathered and delivered whole.
func (p *payer) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, params smtp.MailParams) (smtp.Transaction, error) {
	return &gathering{p: p, e: smtp.Envelope{Peer: peer, From: from, Params: params}}, nil
}

// A gathering is a transaction whose envelope is delivered at its end.
type gathering struct {
	p *payer
	e smtp.Envelope
}

// Rcpt implements smtp.Transaction.
func (t *gathering) Rcpt(_ context.Context, to smtp.Path, params smtp.RcptParams) error {
	t.e.Recipients = append(t.e.Recipients, smtp.Recipient{To: to, Params: params})
	return nil
}

// Data implements smtp.Transaction.
func (t *gathering) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	return t.p.Deliver(ctx, t.e, body)
}

// Close implements smtp.Transaction.
func (t *gathering) Close() error { return nil }

// Deliver implements smtp.BatchHandler.
func (p *payer) Deliver(ctx context.Context, e smtp.Envelope, body io.Reader) (smtp.Results, error) {
	if e.From.IsNull() {
		return smtp.Deliver(ctx, p.next, e, body)
	}
	m, err := readMessage(body, p.Limits, func([]byte) (io.Writer, error) { return io.Discard, nil })
	if err != nil {
		return nil, err
	}
	defer m.Close()
	s := &sending{p: p, e: e, m: m, owner: e.From.Address()}
	have := make([]credentials, len(e.Recipients))
	var together []int
	for i, r := range e.Recipients {
		if have[i] = s.have(ctx, r.To); have[i] == (credentials{}) {
			together = append(together, i)
		}
	}
	out := make(smtp.Results, len(e.Recipients))
	if err := s.together(ctx, together, out); err != nil && (len(together) == len(out) || ctx.Err() != nil) {
		return nil, err
	}
	for i := range out {
		if have[i] != (credentials{}) {
			if out[i], err = s.alone(ctx, i, have[i]); err != nil && len(out) == 1 {
				return nil, err
			}
		}
		out[i] = s.pay(ctx, i, have[i], out[i])
	}
	return out, nil
}

// A sending is one message of a Payer.
type sending struct {
	p     *payer
	e     smtp.Envelope
	m     *message
	owner string
}

// have returns the credentials that are there for a recipient.
func (s *sending) have(ctx context.Context, to smtp.Path) (c credentials) {
	if s.p.Wallet != nil {
		t, ok, err := s.p.Wallet.Get(ctx, s.owner, to.Address())
		if err != nil {
			s.p.Logger.Warn("wallet not read", "owner", s.owner, "to", to.Address(), "err", err)
		} else if ok {
			c.token = t.Seal().String() // the next hop shall not narrow it, and hand it on
		}
	}
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	c.stamp = s.p.minted[[2]string{s.owner, resource(to)}]
	return c
}

// together sends the message to those who need nothing. Whom the next hop puts off to another transaction (452 4.5.3, RFC 5321
// §4.5.3.1.10), as a Gate does, gets one, while there is progress. err is that of the first transaction.
func (s *sending) together(ctx context.Context, to []int, out smtp.Results) (first error) {
	for round := 0; len(to) > 0; round++ {
		res, err := s.send(ctx, to, credentials{})
		if round == 0 {
			first = err
		}
		var later []int
		for k, i := range to {
			if err != nil {
				out[i] = smtp.Result{Reply: smtp.ReplyOf(err)}
				continue
			}
			out[i] = res[k]
			if r := res[k].Reply; r.Code == 452 && r.Enhanced == (smtp.EnhancedCode{4, 5, 3}) {
				later = append(later, i)
			}
		}
		if len(later) == len(to) {
			break
		}
		to = later
	}
	return first
}

// send sends the message to some of its recipients.
func (s *sending) send(ctx context.Context, to []int, c credentials) (smtp.Results, error) {
	e := s.e
	e.Recipients = make([]smtp.Recipient, 0, len(to))
	for _, i := range to {
		e.Recipients = append(e.Recipients, s.e.Recipients[i])
	}
	fields := c.fields()
	if len(fields) > 0 {
		e.Params = grown(e.Params, int64(len(fields)))
		if r := &e.Recipients[0]; !s.p.HeaderOnly {
			r.Params.Other = append(r.Params.Other[:len(r.Params.Other):len(r.Params.Other)], c.params()...)
		}
	}
	res, err := smtp.Deliver(ctx, s.p.next, e, s.m.reader(fields, s.m.header))
	if err == nil && len(res) != len(to) {
		err = fmt.Errorf("policy: %d results for %d recipients", len(res), len(to))
	}
	return res, err
}

// alone sends the message to one recipient with credentials. err is that of the transaction, which the result has too.
func (s *sending) alone(ctx context.Context, i int, c credentials) (smtp.Result, error) {
	res, err := s.send(ctx, []int{i}, c)
	if err != nil {
		return smtp.Result{Reply: smtp.ReplyOf(err)}, err
	}
	if res[0].Reply.OK() || res[0].Reply.Permanent() { // the stamp is taken, or of no use
		s.keep(s.e.Recipients[i].To, "")
	}
	return res[0], nil
}

// keep remembers a stamp for the next attempt; "" forgets.
func (s *sending) keep(to smtp.Path, stamp string) {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	key := [2]string{s.owner, resource(to)}
	if stamp == "" {
		delete(s.p.minted, key)
		return
	}
	for old := range s.p.minted { // any one: a map yields in no order
		if len(s.p.minted) < maxMinted {
			break
		}
		delete(s.p.minted, old)
	}
	s.p.minted[key] = stamp
}

// pay pays the price that a result asks, once, and sends again. Without a price, or with one that is too high, the result
// stands.
func (s *sending) pay(ctx context.Context, i int, c credentials, r smtp.Result) smtp.Result {
	to := s.e.Recipients[i].To
	prices := ParsePrices(r.Reply)
	if len(prices) == 0 {
		return r
	}
	s.drop(ctx, to, c)
	start := time.Now()
	stamp, err := s.p.stamp(ctx, prices, to)
	if errors.Is(err, postage.ErrDear) {
		s.p.Logger.Info("price not paid", "from", s.owner, "to", to.Address(), "reply", r.Reply.String())
		return r
	}
	if err != nil {
		s.p.Logger.Warn("no stamp", "from", s.owner, "to", to.Address(), "err", err)
		return smtp.Result{Reply: smtp.NewReply(451, smtp.EnhancedCode{4, 7, 1}, "Postage is asked, and was not ready in time"), RemoteMTA: r.RemoteMTA}
	}
	scheme, _ := cutStamp(stamp)
	s.p.Logger.Info("postage paid", "from", s.owner, "to", to.Address(), "scheme", scheme, "took", time.Since(start))
	s.keep(to, stamp)
	r, _ = s.alone(ctx, i, credentials{stamp: stamp})
	return r
}

// drop takes a token that did not open out of the wallet.
func (s *sending) drop(ctx context.Context, to smtp.Path, c credentials) {
	if c.token == "" {
		return
	}
	t, ok, err := s.p.Wallet.Get(ctx, s.owner, to.Address())
	if err == nil && ok && t.Seal().String() == c.token {
		err = s.p.Wallet.Drop(ctx, s.owner, t.Grant().ID)
	}
	if err != nil {
		s.p.Logger.Warn("wallet not written", "owner", s.owner, "to", to.Address(), "err", err)
	}
}

// stamp makes a stamp when its turn comes, in the form of POSTAGE: of the first scheme of which a price can be paid, at the
// least price. A stamp for anybody but the recipient is not made: others shall not have their postage made here. The error
// wraps postage.ErrDear if nothing can be paid; another is temporary.
func (p *payer) stamp(ctx context.Context, prices []Price, to smtp.Path) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	prices = slices.DeleteFunc(slices.Clone(prices), func(q Price) bool { return q.Resource != "" && !strings.EqualFold(q.Resource, resource(to)) })
	slices.SortStableFunc(prices, func(a, b Price) int { return a.Amount - b.Amount })
	var temporary error
	for _, scheme := range p.Postage {
		for _, q := range prices {
			if q.Scheme != scheme.Name() {
				continue
			}
			d := postage.Demand{Binding: postage.Binding{Recipient: resource(to)}, Scheme: q.Scheme, Price: q.Amount, Params: q.Params}
			stamp, err := scheme.Pay(ctx, d)
			switch {
			case err == nil:
				return stampText(q.Scheme, stamp), nil
			case ctx.Err() != nil:
				return "", err
			case !isAny(err, postage.ErrDear, postage.ErrDemand, hashcash.ErrResource):
				temporary = err // another scheme may do
			}
		}
	}
	if temporary != nil {
		return "", temporary
	}
	return "", fmt.Errorf("policy: %w", postage.ErrDear)
}
