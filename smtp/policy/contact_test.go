package policy_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
	"github.com/mailbricks/mailbricks/smtp/policy/policystore"
)

// A domain is one side of the world: a host with its outgoing and its incoming chain of Handlers.
type domain struct {
	name      string
	gate      policy.Gate
	opener    policy.Opener
	wallet    policy.Wallet
	relations *policystore.MemoryRelations
	grants    capability.Store
	in, out   smtp.Handler
	inbox     *mailbox
	replies   []string          // of the next hop to mail from here
	decided   []policy.Decision // about mail to here
	proofs    []policy.Proof
	next      smtp.Handler
	zone      *dnstest.Zone
	key       dkim.Signer
}

// A mailbox takes every message.
type mailbox struct {
	mu       sync.Mutex
	messages []string
	fail     int // so many more get 451
	reverse  smtp.Path
}

func (m *mailbox) Mail(_ context.Context, _ *smtp.Peer, from smtp.Path, _ smtp.MailParams) (smtp.Transaction, error) {
	return &filing{m: m, from: from}, nil
}

type filing struct {
	m    *mailbox
	from smtp.Path
	n    int
}

func (f *filing) Rcpt(_ context.Context, _ smtp.Path, p smtp.RcptParams) error {
	if len(p.Other) > 0 {
		return smtp.NewError(555, smtp.EnhancedCode{5, 5, 4}, "Unknown parameter")
	}
	f.n++
	return nil
}

func (f *filing) Data(_ context.Context, body io.Reader) (smtp.Results, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.m.fail > 0 {
		f.m.fail--
		return nil, smtp.NewError(451, smtp.EnhancedCode{4, 3, 0}, "Store is full")
	}
	f.m.messages, f.m.reverse = append(f.m.messages, string(b)), f.from
	return smtp.SameResult(f.n, smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "taken")), nil
}

func (f *filing) Close() error { return nil }

// last returns the last message and how many there are.
func (m *mailbox) last() (string, int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.messages) == 0 {
		return "", 0
	}
	return m.messages[len(m.messages)-1], len(m.messages)
}

const price = 10

// upTo pays with hashcash of so many bits; negative: nothing.
func upTo(bits int) []postage.Scheme { return []postage.Scheme{&postage.Hashcash{MaxBits: bits}} }

// newDomains makes domains that know each other through one zone and one network.
func newDomains(t *testing.T, rules policy.Rules, names ...string) map[string]*domain {
	t.Helper()
	zone := dnstest.New()
	all := make(map[string]*domain)
	for _, name := range names {
		keys := newZone(t, zone, name)
		public, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		d := &domain{name: name, relations: &policystore.MemoryRelations{}, grants: capability.NewMemoryStore(nil), wallet: &policystore.MemoryWallet{}, inbox: &mailbox{}, zone: zone, key: keys}
		all[name] = d
		d.gate = policy.Gate{
			Rules: rules, AuthServID: "mx." + name, Relations: d.relations, Wallet: d.wallet,
			Capabilities: capability.Verifier{Keys: capability.OneKey(public), Store: d.grants},
			Postage:      []policy.Tariff{policy.Hashcash(&hashcash.MemoryStore{})},
			Report: func(_ context.Context, _ smtp.Path, e policy.Evidence, v policy.Decision) {
				d.decided, d.proofs = append(d.decided, v), append(d.proofs, e.Capability)
			},
		}
		d.in = policy.Verifier{ID: "mx." + name, Resolver: zone}.Handler(d.gate.Handler(d.inbox))
		d.opener = policy.Opener{Relations: d.relations, Key: private, Revoked: d.grants}
		d.next = network{d, all}
		payer := policy.Payer{Wallet: d.wallet, Postage: upTo(price + 4)}
		d.out = d.opener.Handler(policy.Signer{Keys: policy.KeyRing(keys)}.Handler(payer.Handler(d.next)))
	}
	return all
}

// A network carries mail from one domain to the others.
type network struct {
	of  *domain
	all map[string]*domain
}

func (n network) Mail(ctx context.Context, _ *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	return &carrying{n: n, from: from, p: p}, nil
}

type carrying struct {
	n    network
	from smtp.Path
	p    smtp.MailParams
	smtp.Transaction
}

func (c *carrying) Rcpt(ctx context.Context, to smtp.Path, p smtp.RcptParams) (err error) {
	if c.Transaction == nil {
		peer := &smtp.Peer{Hello: "mx." + c.n.of.name, RemoteAddr: &net.TCPAddr{IP: net.ParseIP(good)}}
		if c.Transaction, err = c.n.all[to.Domain].in.Mail(ctx, peer, c.from, c.p); err != nil {
			return err
		}
	}
	return c.note(c.Transaction.Rcpt(ctx, to, p))
}

func (c *carrying) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	res, err := c.Transaction.Data(ctx, body)
	if err == nil {
		c.n.of.replies = append(c.n.of.replies, res[0].Reply.String())
	}
	return res, c.note(err)
}

// note writes down a refusal.
func (c *carrying) note(err error) error {
	if err != nil {
		c.n.of.replies = append(c.n.of.replies, smtp.ReplyOf(err).String())
	}
	return err
}

func (c *carrying) Close() error {
	if c.Transaction == nil {
		return nil
	}
	return c.Transaction.Close()
}

// write sends a letter and returns the reply that the sender's queue would get, with the replies of the next hop.
func (d *domain) write(t *testing.T, from, to, more string) (last smtp.Reply, hops []string) {
	t.Helper()
	return d.writeTo(t, d.out, from, to, more)
}

func (d *domain) writeTo(t *testing.T, h smtp.Handler, from, to, more string) (last smtp.Reply, hops []string) {
	t.Helper()
	f, err := smtp.ParseMailbox(from)
	if err != nil {
		t.Fatal(err)
	}
	r, err := smtp.ParseMailbox(to)
	if err != nil {
		t.Fatal(err)
	}
	d.replies = nil
	res, err := smtp.Deliver(t.Context(), h, smtp.Envelope{Peer: &smtp.Peer{}, From: f, Recipients: []smtp.Recipient{{To: r}}},
		strings.NewReader(more+"From: "+from+"\r\nTo: "+to+"\r\nSubject: hello\r\n\r\nHello.\r\n"))
	if err != nil {
		return smtp.ReplyOf(err), d.replies
	}
	return res[0].Reply, d.replies
}

// TestFirstContact walks the whole way: refused with the price, paid, let in as a request; the reply carries a capability
// that opens from then on; revoked, refused again.
func TestFirstContact(t *testing.T) {
	all := newDomains(t, policy.Rules{Bits: price}, "a.example", "b.example")
	a, b := all["a.example"], all["b.example"]
	const alice, bob = "alice@a.example", "bob@b.example"
	refused := fmt.Sprintf("550 5.7.1 Unknown sender, capability not established Postage: scheme=hashcash; bits=%d; resource=bob@b.example", price)

	reply, hops := a.write(t, alice, bob, "")
	if !reply.OK() || !slices.Equal(hops, []string{refused, "250 2.0.0 taken"}) {
		t.Fatalf("first letter: %s, %q", reply, hops)
	}
	if m, n := b.inbox.last(); n != 1 || !strings.Contains(m, policy.DecisionField+": class=request; postage=10\r\n") || strings.Contains(m, "X-Hashcash") {
		t.Errorf("first letter: %d letters, %q", n, m)
	}
	// Alice has written to bob, so his reply is welcome; it carries the capability.
	reply, hops = b.write(t, bob, alice, "")
	if !reply.OK() || len(hops) != 1 {
		t.Fatalf("reply: %s, %q", reply, hops)
	}
	m, _ := a.inbox.last()
	if !strings.HasPrefix(m, policy.DecisionField+": class=trusted") || strings.Contains(m, policy.OfferField) {
		t.Errorf("reply: %q", m)
	}
	token, ok, err := a.wallet.Get(t.Context(), alice, bob)
	if err != nil || !ok || token.Grant().Issuer != bob || token.Grant().Scope != alice {
		t.Fatalf("wallet: %+v, %v, %v", token.Grant(), ok, err)
	}
	// Bob forgets the acquaintance: the capability alone has to open.
	if err := b.relations.SetRelation(t.Context(), bob, alice, policy.Relation{Grant: token.Grant().ID}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		reply, hops = a.write(t, alice, bob, "")
		m, _ = b.inbox.last()
		if !reply.OK() || len(hops) != 1 || !strings.HasPrefix(m, policy.DecisionField+": class=trusted; channel="+token.Grant().ID.String()+"\r\n") || strings.Contains(m, token.Seal().String()[:40]) {
			t.Fatalf("with the capability: %s, %q, %q", reply, hops, m)
		}
		if p := b.proofs[len(b.proofs)-1]; p != policy.Valid {
			t.Errorf("let in with proof %v", p)
		}
	}
	if err := b.opener.Disconnect(t.Context(), bob, alice, false); err != nil {
		t.Fatal(err)
	}
	a.out = a.opener.Handler(policy.Payer{Wallet: a.wallet, Postage: upTo(-1)}.Handler(a.next))
	if reply, hops = a.write(t, alice, bob, ""); reply.String() != refused {
		t.Errorf("after the end: %s, %q", reply, hops)
	}
	if _, ok, _ := a.wallet.Get(t.Context(), alice, bob); ok {
		t.Error("a capability that does not open is still in the wallet")
	}
	if _, n := b.inbox.last(); n != 3 {
		t.Errorf("%d letters", n)
	}
}

// newZone publishes a domain and returns its DKIM key.
func newZone(t *testing.T, zone *dnstest.Zone, name string) dkim.Signer {
	t.Helper()
	z := world{zone, map[string]dkim.Signer{}}
	zone.AddTXT(name, "v=spf1 ip4:"+good+" -all")
	zone.AddTXT("_dmarc."+name, "v=DMARC1; p=reject")
	z.sign(t, name)
	return z.keys[name]
}
