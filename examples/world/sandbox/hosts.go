package sandbox

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/examples/mailrelay"
	"github.com/mailbricks/mailbricks/examples/mailstore"
	"github.com/mailbricks/mailbricks/examples/mailstore/serve"
	"github.com/mailbricks/mailbricks/examples/world/letter"
	"github.com/mailbricks/mailbricks/examples/world/story"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
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
		MaxSize: letter.MaxSize + 1<<20, Authenticator: &sasl.Limiter{Authenticator: sasl.New(sasl.Plain(w.users.Check))}, Logger: w.log,
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
		g.Capabilities, g.Postage = r.d.capabilities, []policy.Tariff{policy.Hashcash(&r.d.spent)}
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
		h.End(false, err.Error())
	case len(signers) == 0:
		h.End(false, "nobody to sign for: the letter goes out unsigned")
	default:
		s := signers[0]
		summary := fmt.Sprintf("signed for %s, the key is at %s._domainkey.%s", s.Domain, s.Selector, s.Domain)
		if f != nil && f.wrongKey {
			summary = fmt.Sprintf("signed for %s, with another key than the one at %s._domainkey.%s", s.Domain, s.Selector, s.Domain)
		}
		h.End(true, summary)
	}
	return signers, err
}

// flightOf returns the flight that a connection belongs to, nil if it comes from outside.
func (w *World) flightOf(peer *smtp.Peer) *flight {
	f, _ := w.net.Tag(peer.RemoteAddr).(*flight)
	return f
}

// arrival is the outermost Handler of port 25: it finds out which letter comes.
type arrival struct {
	r    *relay
	next smtp.Handler
}

func (h arrival) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	f := h.r.w.flightOf(peer)
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
	v := story.NewVerdict(rep)
	a := v.Auth()
	f.Change(func(l *story.Letter) { l.Verdict, l.Auth = v, a })
	summary := fmt.Sprintf("from %s, SPF %s, DKIM %s, DMARC %s", rep.Peer.IP(), a.SPF, a.DKIM, a.DMARC)
	if rep.Refusal != nil {
		summary += ", so " + rep.Refusal.Reply.String()
	}
	f.checked(rep.Refusal == nil, summary)
}

// decided puts down what the Gate decided.
func (r *relay) decided(ctx context.Context, to smtp.Path, e policy.Evidence, d policy.Decision) {
	h := flightFrom(ctx).hop("capability", r.d.mx(), "")
	summary := map[policy.Action]string{policy.Accept: "let in", policy.Request: "let in as a request for contact",
		policy.AskPostage: "asked for postage", policy.Refuse: "refused"}[d.Action] + ": " + d.Reason
	proof := map[policy.Proof]string{policy.Missing: "none", policy.Invalid: "not valid", policy.Valid: "valid"}[e.Capability]
	relation := map[policy.State]string{policy.Stranger: "stranger", policy.Known: "known", policy.Blocked: "blocked"}[e.Relation]
	h.Say("--", fmt.Sprintf("capability for %s: %s", to.Address(), proof))
	h.Say("--", fmt.Sprintf("postage: %d bits; author's domain: %s; relation: %s", e.Postage, e.Auth.Domain, relation))
	h.End(d.Action == policy.Accept || d.Action == policy.Request, summary)
}

// departure is the outermost Handler of submission. The envelope id (RFC 3461 §4.4) is the letter's, so that it is known
// again when it leaves the queue.
type departure struct {
	r    *relay
	next smtp.Handler
}

func (h departure) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	f := h.r.w.flightOf(peer)
	if f != nil {
		p.EnvelopeID = f.ID()
	}
	tx, err := h.next.Mail(withFlight(ctx, f), peer, from, p)
	if err != nil {
		return nil, err
	}
	return departing{carrying{tx, f}, h.r.d.mx()}, nil
}

// newStore starts the host that keeps the mail of a domain: one store in memory behind LMTP, IMAP, POP3 and JMAP.
func (w *World) newStore(d *domain) error {
	store, err := mailstore.OpenMemory(mailstore.Options{Logger: w.log, MaxMessage: letter.MaxSize + 2<<20})
	if err != nil {
		return err
	}
	w.onClose(store.Close)
	if err := store.EnsureAccount(w.ctx, d.user); err != nil {
		return err
	}
	config, err := w.ca.server(d.mail())
	if err != nil {
		return err
	}
	s, err := serve.New(serve.Config{Store: store, Hostname: d.mail(), Users: w.users.Check, TLS: config, Logger: w.log})
	if err != nil {
		return err
	}
	if err := w.serve(d.mailAddr, portLMTP, s.LMTP); err != nil {
		return err
	}
	if err := w.serve(d.mailAddr, portIMAPS, s.IMAPS); err != nil {
		return err
	}
	if err := w.serve(d.mailAddr, portPOP3S, s.POP3S); err != nil {
		return err
	}
	if err := w.serve(d.mailAddr, portHTTPS, s.JMAP); err != nil {
		return err
	}
	d.jmap = &jmapclient.Client{URL: "https://" + d.mail(), Auth: jmapclient.Basic(d.user, d.password), HTTP: &http.Client{
		Transport: &http.Transport{DialContext: w.dialName(w.dialer(netip.IPv4Unspecified())), TLSClientConfig: w.ca.client(), ForceAttemptHTTP2: true}}}
	w.run("mailbox of "+d.user, d.watchInbox(w))
	return nil
}
