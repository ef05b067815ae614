package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
)

// A Handler takes mail in motion. It is to mail what http.Handler is to requests: a store, a queue, a next hop and
// every filter is one, a policy is a func(Handler) Handler, and a relay is one plugged into another.
//
// Mail opens a transaction for the reverse-path from (RFC 5321 §3.3). It is called by several goroutines at once.
// peer says who is on the other side; it is shared, must not be changed, and is never nil.
//
// An error refuses the transaction. If errors.As finds an *Error in it, its Reply is what the peer is told;
// any other error is told as 451 4.3.0 and its text never leaves the process (see ReplyOf).
type Handler interface {
	Mail(ctx context.Context, peer *Peer, from Path, p MailParams) (Transaction, error)
}

// A Transaction is one envelope and its message. Its methods are called by one goroutine at a time, in the order
// Rcpt (any number), Data (at most once), Close (exactly once).
//
// Rules:
//   - Rcpt accepts one recipient or refuses it with an error, as for Handler. RCPT refuses only what DATA cannot
//     rescue. The same address may come twice and then counts twice.
//   - Data is called when at least one recipient was accepted. Its error is one answer for every recipient; else
//     Results has exactly one entry for each accepted recipient, in the order of the Rcpt calls.
//   - body yields the message with CRLF line endings, without dot-stuffing and without the final dot. Over SMTP the
//     first Read sends 354, so that an error returned before it answers DATA itself.
//   - An error from body other than io.EOF means that the message must not be accepted: the connection dropped, the
//     client reset within BDAT, a filter failed. Data must then return an error.
//   - A Data that succeeds without reading body to io.EOF has accepted what it did not see: the server drains the
//     body and answers 451 4.3.0.
//   - After body has yielded io.EOF, losing the peer does not cancel ctx: success means that the message is taken,
//     and "taken" means durable for whoever promises that.
//   - No SMTP transaction may end in mixed results, because SMTP has one reply for the end of data. A policy answers
//     452 4.5.3 at RCPT to a recipient of another class; a next hop with mixed results stands behind a queue, or
//     is spoken to as LMTP. Should mixed results reach an SMTP server all the same, it answers 451 4.3.0 and logs
//     the Handler's fault.
//   - Close ends the transaction. Without Data it abandons it. It is called even after Data failed.
type Transaction interface {
	Rcpt(ctx context.Context, to Path, p RcptParams) error
	Data(ctx context.Context, body io.Reader) (Results, error)
	Close() error
}

// Results holds one Result for each accepted recipient, in the order of acceptance.
type Results []Result

// A Result is the end of one recipient's delivery as far as the Handler took it.
type Result struct {
	// Reply is what is told to the peer: 2yz taken, 4yz try again, 5yz refused for good.
	Reply Reply
	// RemoteMTA names the host that gave the Reply where that was another one (RFC 3464 §2.3.5), else "".
	RemoteMTA string
	// DSNPassed says that the next hop took over the duty to notify (RFC 3461 §5.2.2: it offered DSN).
	DSNPassed bool
	// DeliverByPassed says that the next hop took over MailParams.DeliverBy (RFC 2852 §4.1.4: it offered DELIVERBY), or is
	// where mail ends.
	DeliverByPassed bool `json:",omitempty"`
}

// SameResult returns n Results that all carry r.
func SameResult(n int, r Reply) Results {
	out := make(Results, n)
	for i := range out {
		out[i].Reply = r
	}
	return out
}

// ResultOf returns what a recipient gets for err: the Reply that ReplyOf returns, and who gave it. It must not be called
// with nil.
func ResultOf(err error) Result {
	r := Result{Reply: ReplyOf(err)}
	if e, ok := errors.AsType[*Error](err); ok && e.Reply.Code == r.Reply.Code {
		r.RemoteMTA = e.RemoteMTA
	}
	return r
}

// A Peer is the other side of a transaction as the server knows it. The zero Peer is a local origin.
type Peer struct {
	// RemoteAddr and LocalAddr are the two ends of the connection; nil for a local origin.
	RemoteAddr, LocalAddr net.Addr
	// Hello is the argument of EHLO, HELO or LHLO as given, not verified.
	Hello string
	// Protocol is the Received field's "with" value (RFC 3848): SMTP, ESMTP, ESMTPS, ESMTPSA, LMTP, UTF8SMTPSA, ...
	Protocol string
	// TLS is the state of the connection's TLS, nil without TLS.
	TLS *tls.ConnectionState
	// Identity is the authenticated user (RFC 4954), "" without AUTH.
	Identity string
}

// IP returns the remote address, or the zero Addr for a local origin or a peer without IP. IPv4-mapped addresses
// are unmapped.
func (p *Peer) IP() netip.Addr {
	if p == nil || p.RemoteAddr == nil {
		return netip.Addr{}
	}
	if ta, ok := p.RemoteAddr.(*net.TCPAddr); ok {
		return ta.AddrPort().Addr().Unmap()
	}
	ap, err := netip.ParseAddrPort(p.RemoteAddr.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// An Envelope is a whole SMTP envelope.
type Envelope struct {
	// Peer is who handed the message over; nil: this process itself.
	Peer       *Peer
	From       Path
	Params     MailParams
	Recipients []Recipient
}

// A Recipient is one forward-path of an Envelope.
type Recipient struct {
	To     Path
	Params RcptParams
}

// A BatchHandler takes a whole envelope in one call, where that is faster than one call a recipient: a client that
// pipelines, a store that writes once. Deliver uses it where the Handler has it; a wrapper that hides it loses
// speed only.
type BatchHandler interface {
	Handler
	// Deliver has the rules of the function Deliver.
	Deliver(ctx context.Context, e Envelope, body io.Reader) (Results, error)
}

// Deliver sends a whole envelope through h. Its Results cover every recipient of the Envelope by index, those that
// were refused at RCPT too. An error stands for all of them: MAIL was refused, every recipient was lost with the
// connection, or ctx ended. If every recipient is refused the body is not read and the error is nil.
func Deliver(ctx context.Context, h Handler, e Envelope, body io.Reader) (Results, error) {
	if b, ok := h.(BatchHandler); ok {
		return b.Deliver(ctx, e, body)
	}
	peer := e.Peer
	if peer == nil {
		peer = &Peer{}
	}
	tx, err := h.Mail(ctx, peer, e.From, e.Params)
	if err != nil {
		return nil, err
	}
	defer tx.Close()
	out := make(Results, len(e.Recipients))
	var accepted []int
	for i, r := range e.Recipients {
		if err := tx.Rcpt(ctx, r.To, r.Params); err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			out[i] = ResultOf(err)
			continue
		}
		accepted = append(accepted, i)
	}
	if len(accepted) == 0 {
		return out, nil
	}
	res, err := tx.Data(ctx, body)
	if err == nil && len(res) != len(accepted) {
		err = fmt.Errorf("smtp: Handler gave %d results for %d accepted recipients", len(res), len(accepted))
	}
	for k, i := range accepted {
		if err != nil {
			out[i] = ResultOf(err)
		} else {
			out[i] = res[k]
		}
	}
	return out, nil
}
