package sandbox

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/examples/mailrelay"
	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
	"github.com/mailbricks/mailbricks/smtp/queue"
)

// A relay is the host of a domain that takes mail in and sends it out: package mailrelay, watched.
type relay struct {
	w     *World
	d     *domain
	spool *queue.Dir
	*mailrelay.Relay
}

func (w *World) newRelay(d *domain) error {
	r := &relay{w: w, d: d}
	dir := filepath.Join(w.dir, d.name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var err error
	if r.spool, err = queue.OpenDir(dir, w.log); err != nil {
		return err
	}
	w.onClose(r.spool.Close)
	tlsConfig, err := w.ca.server(d.mx())
	if err != nil {
		return err
	}
	r.Relay, err = mailrelay.New(mailrelay.Config{
		Hostname: d.mx(), Local: []string{d.name}, Deliver: toStore{r}, Next: outbound{r, r.payer()}, Spool: r.spool, TLS: tlsConfig,
		Resolver: w.resolver, Keys: r.keys, Gate: r.gate(), Opener: r.opener(), OnReport: r.verified,
		Retry: []time.Duration{time.Second, 5 * time.Second, 30 * time.Second}, Expire: time.Hour, Warn: time.Hour,
		MaxSize: MaxLetter + 1<<20, Authenticator: &sasl.Limiter{Authenticator: sasl.New(sasl.Plain(w.users.Check))}, Logger: w.log,
	})
	if err != nil {
		return err
	}
	mx, submission := r.MXServer(), r.SubmissionServer()
	mx.Handler, submission.Handler = arrival{r, mx.Handler}, departure{r, submission.Handler}
	if err := w.serve(d.mxAddr, portSMTP, mx.Serve); err != nil {
		return err
	}
	if err := w.serve(d.mxAddr, portSubmission, submission.Serve); err != nil {
		return err
	}
	w.run("queue of "+d.name, r.Run)
	return nil
}

// gate lets in what may come in: everything, or, for a domain that asks for postage, who is known, brings a capability,
// or pays. It also keeps the capabilities that users are offered.
func (r *relay) gate() *policy.Gate {
	g := &policy.Gate{Rules: policy.Open(), Relations: &r.d.relations, Wallet: &r.d.wallet}
	g.Rules.Bits = -1 // nothing is asked for, so no price is told either
	if r.d.postage {
		g.Rules, g.Report = policy.Rules{Bits: Postage}, r.decided
		g.Capabilities, g.Postage = r.d.capabilities, hashcash.Verifier{Spent: &r.d.spent}
	}
	return g
}

// opener gives a capability to those to whom a user writes, for a domain that asks others for one.
func (r *relay) opener() *policy.Opener {
	if !r.d.postage {
		return nil
	}
	return &policy.Opener{Relations: &r.d.relations, Key: r.d.grantKey}
}

// payer shows capabilities and pays postage on the way out.
func (r *relay) payer() smtp.Handler {
	return policy.Payer{Wallet: &r.d.wallet, Logger: r.w.log}.Handler(route{r.w, r.d.mx(), r.d.mxAddr})
}

// keys signs for the domains that the world has keys of, and puts that down.
func (r *relay) keys(ctx context.Context, name string) ([]dkim.Signer, error) {
	f := flightFrom(ctx)
	signers, err := r.w.keys.find(name, f != nil && f.wrongKey)
	h := f.hop("signature", r.d.mx(), "")
	switch {
	case err != nil:
		h.end(false, err.Error())
	case len(signers) == 0:
		h.end(false, "nobody to sign for: the letter goes out unsigned")
	default:
		s := signers[0]
		h.end(true, fmt.Sprintf("signed for %s, the key is at %s._domainkey.%s", s.Domain, s.Selector, s.Domain))
	}
	return signers, err
}

// arrival is the outermost Handler of port 25: it finds out which letter comes.
type arrival struct {
	r    *relay
	next smtp.Handler
}

func (h arrival) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	f := h.r.w.net.flightOf(peer.RemoteAddr)
	f.arrive(h.r.d.mx())
	tx, err := h.next.Mail(withFlight(ctx, f), peer, from, p)
	if err != nil {
		return nil, err
	}
	return arriving{carrying{tx, f}}, nil
}

// verified puts down what the Verifier found out.
func (r *relay) verified(ctx context.Context, rep *policy.Report) {
	f := flightFrom(ctx)
	if f == nil {
		return
	}
	v := newVerdict(rep)
	a := v.auth()
	f.change(func(l *Letter) { l.Verdict, l.Auth = v, a })
	summary := fmt.Sprintf("SPF %s, DKIM %s, DMARC %s", a.SPF, a.DKIM, a.DMARC)
	if rep.Refusal != nil {
		summary += ", so " + rep.Refusal.Reply.String()
	}
	f.checked(rep.Refusal == nil, summary)
}

// decided puts down what the Gate decided.
func (r *relay) decided(ctx context.Context, to smtp.Path, e policy.Evidence, d policy.Decision) {
	h := flightFrom(ctx).hop("capability", r.d.mx(), "")
	summary := d.Action.String()
	if d.Class != "" {
		summary += " as " + string(d.Class)
	}
	if d.Reason != "" {
		summary += ": " + d.Reason
	}
	proof := map[policy.Proof]string{policy.Missing: "none", policy.Invalid: "not valid", policy.Valid: "valid"}[e.Capability]
	relation := map[policy.State]string{policy.Stranger: "stranger", policy.Known: "known", policy.Blocked: "blocked"}[e.Relation]
	h.say("--", fmt.Sprintf("capability for %s: %s", to.Address(), proof))
	h.say("--", fmt.Sprintf("postage: %d bits; author's domain: %s; relation: %s", e.Postage, e.Auth.Domain, relation))
	h.end(d.Action == policy.Accept || d.Action == policy.Request, summary)
}

// departure is the outermost Handler of submission. The envelope id (RFC 3461 §4.4) is the letter's, so that it is known
// again when it leaves the queue.
type departure struct {
	r    *relay
	next smtp.Handler
}

func (h departure) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	f := h.r.w.net.flightOf(peer.RemoteAddr)
	if f != nil {
		p.EnvelopeID = f.id()
	}
	tx, err := h.next.Mail(withFlight(ctx, f), peer, from, p)
	if err != nil {
		return nil, err
	}
	return departing{carrying{tx, f}, h.r.d.mx()}, nil
}
