package policy

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
	"github.com/mailbricks/mailbricks/internal/address"
	"github.com/mailbricks/mailbricks/smtp"
)

// A Gate lets mail in by capability, acquaintance or postage, and asks everybody else for postage. It stands behind a
// Verifier, whose Authentication-Results it reads, and in front of the store:
//
//	verifier.Handler(gate.Handler(store))
//
// The zero value of Rules is Strict. What else is nil is not taken as evidence.
type Gate struct {
	// Rules make the decision.
	Rules Rules
	// AuthServID is the ID of the Verifier in front; "": nobody counts as authenticated.
	AuthServID string
	// Capabilities checks tokens. Without Keys and Store there are none.
	Capabilities capability.Verifier
	// Tags knows addresses that carry a capability, which Channels or Capabilities.Grants describe; without keys it is
	// Channels.Tags. What stands behind gets the plain mailbox. See Handler.
	Tags capability.Tags
	// Channels are the addresses for one correspondent each. It is told of uses and leaks; Capabilities.Store counts. Without
	// Store, here or there, there are none.
	Channels channel.Book
	// Postage are the ways to pay, in the order in which they are offered; see Hashcash. There must be one unless Rules.Bits is
	// negative or Rules.AllowUnknown is set.
	Postage []Tariff
	// Relations knows whom the recipients have written to, and whom they have blocked.
	Relations Relations
	// Wallet gets the capabilities that authenticated authors offer to the recipients.
	Wallet Wallet
	// Early refuses at RCPT whoever is not known by the reverse-path and shows neither capability nor stamp as parameter.
	// That saves the transfer; but a credential in the header, or an acquaintance with the author alone, does not help
	// then. Without it such mail is decided on at the end of the header.
	Early bool
	// Risk tells what a sender's reputation adds to the price, in bits. nil: nothing.
	Risk func(ctx context.Context, peer *smtp.Peer, a Auth) int
	// Exempt names recipients who take all mail; nil: Postmaster alone.
	Exempt func(to smtp.Path) bool
	// RequestSize is the longest message, in octets, that is taken as a request for contact; 0: 256 KiB, negative: as long as any.
	// A longer one is refused with 552 5.3.4, and its stamp is not spent.
	RequestSize int64
	// Report, if not nil, is told of the last decision for each recipient, before it is obeyed.
	Report func(ctx context.Context, to smtp.Path, e Evidence, d Decision)
	// Limits are those of a message; the Gate keeps only its header section.
	Limits Limits
	// Logger is told of stores that fail; nil is silent.
	Logger *slog.Logger
	// Now is the clock of grants; nil is time.Now.
	Now func() time.Time
}

// A Tariff is a way to pay, and what it costs.
type Tariff struct {
	// Scheme quotes, and checks stamps for the recipient's address as it stands in a price. It has the store of spent stamps.
	Scheme postage.Scheme
	// Price returns what a price of Rules, in bits, is in the scheme's unit; more bits are never less of it. nil: what the
	// scheme quotes is enough, whatever Rules say.
	Price func(bits int) int
}

// Hashcash returns the tariff of stamps that everybody can make, at the price of Rules.
func Hashcash(spent hashcash.SpentStore) Tariff {
	return Tariff{Scheme: &postage.Hashcash{Verifier: hashcash.Verifier{Spent: spent}}, Price: func(bits int) int { return bits }}
}

// quote returns what is asked of a recipient's stranger.
func (t Tariff) quote(ctx context.Context, to smtp.Path, bits int) (postage.Demand, error) {
	d, err := t.Scheme.Quote(ctx, postage.Binding{Recipient: resource(to)})
	if err == nil && t.Price != nil {
		d.Price = t.Price(bits)
	}
	return d, err
}

// worth returns the highest price of Rules, in bits, that an amount pays.
func (t Tariff) worth(amount int) int {
	bits := maxPrice
	for t.Price != nil && bits > 0 && t.Price(bits) > amount {
		bits--
	}
	return bits
}

// defaultRequestSize is that of Gate.RequestSize.
const defaultRequestSize = 256 << 10

// gateSize is how much a Gate may add to a message, for SIZE.
const gateSize = 256

// Handler returns a Handler in front of next that decides.
//
// At RCPT, parameters are checked: a stamp for its price and recipient, a token for all but its sender, with one use
// reserved. What cannot let the message in even if its author turns out to be who it says is refused, with 550 5.7.1 and
// the price; where a store does not answer, with 451. Recipients that are decided on differently do not share a
// transaction: the later one gets 452 4.5.3. Those with capabilities of one scope do, and those who know the sender;
// any other takes a transaction of its own. So whoever names a reverse-path can find out who knows it.
//
// A capability whose rate is used up gets 450 4.7.1, whatever else the message pays: later it goes straight to the inbox.
//
// A recipient of Tags is decided on by itself. An address with a forged tag is refused with 550 5.1.1, as a user who does
// not exist, and no store is asked. One whose capability has ended, or is for another sender, is refused whatever else
// the message brings: who wants to write to a stranger writes to the plain address. A channel that is paused gets 450 4.2.1;
// one takes mail of authenticated authors only, and the first of them is pinned when the message has come to its end.
//
// At DATA, when the header is there, the author is known, and header fields are looked at: Rules decide. next gets the
// message with DecisionField on top, without CapabilityField and OfferField. When next has read it to its end,
// revocations are looked at once more and the stamp is spent; only then next learns of the end, so that a lost connection
// costs nothing. After next's success the use of the capability is counted; after its failure the same message may come
// again with the same stamp.
func (g Gate) Handler(next smtp.Handler) smtp.Handler {
	if g.Now == nil {
		g.Now = time.Now
	}
	if g.Logger == nil {
		g.Logger = slog.New(slog.DiscardHandler)
	}
	if len(g.Tags.Keys) == 0 {
		g.Tags = g.Channels.Tags
	}
	if g.RequestSize == 0 {
		g.RequestSize = defaultRequestSize
	}
	if g.Exempt == nil {
		g.Exempt = func(to smtp.Path) bool { return strings.EqualFold(to.Local, "postmaster") }
	}
	return &gate{Gate: g, next: next, again: &pardons{by: make(map[string][32]byte)}}
}

type gate struct {
	Gate
	next  smtp.Handler
	again *pardons
}

// Mail implements smtp.Handler.
func (g *gate) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	if len(g.Postage) == 0 && g.Rules.Bits >= 0 && !g.Rules.AllowUnknown {
		return nil, errors.New("policy: a Gate that takes postage needs a way to pay")
	}
	tx, err := g.next.Mail(ctx, peer, from, grown(p, gateSize))
	if err != nil {
		return nil, err
	}
	return &gating{g: g, tx: tx, peer: peer, from: from, size: p.Size}, nil
}

// A gating is a transaction at the gate.
type gating struct {
	g      *gate
	tx     smtp.Transaction
	peer   *smtp.Peer
	from   smtp.Path
	size   int64  // as the sender has it, 0 if it does not say
	class  string // of all guests; "": alone
	guests []*guest
}

// A guest is a recipient that passed RCPT.
type guest struct {
	to       smtp.Path
	address  string
	evidence Evidence
	use      *capability.Reservation // reserved, not counted yet
	stamps   []paid                  // valid for this recipient, not spent yet
	tagged   bool                    // use is that of a tag in the address
	channel  bool                    // and the tag that of a channel
}

// Close implements smtp.Transaction.
func (t *gating) Close() error {
	for _, r := range t.guests {
		t.release(r)
	}
	return t.tx.Close()
}

// release gives a reserved use back.
func (t *gating) release(r *guest) {
	if r.use == nil {
		return
	}
	if err := t.g.Capabilities.Store.Release(context.Background(), *r.use); err != nil {
		t.g.Logger.Warn("use of a capability not released, it lapses", "grant", r.use.Grant.ID, "err", err)
	}
	r.use = nil
}

// Rcpt implements smtp.Transaction.
func (t *gating) Rcpt(ctx context.Context, to smtp.Path, p smtp.RcptParams) error {
	c, rest, err := takeCredentials(p)
	if err != nil {
		return err
	}
	r, err := t.arrive(ctx, to)
	if err != nil {
		return err
	}
	class := t.look(ctx, r, c)
	err = t.refuseEarly(ctx, r, c)
	if err == nil && len(t.guests) > 0 && (class == "" || class != t.class) {
		err = smtp.NewError(452, smtp.EnhancedCode{4, 5, 3}, "Decided on by itself, send it in a transaction of its own")
	}
	if err == nil {
		err = t.tx.Rcpt(ctx, r.to, written(to, rest, r.tagged))
	}
	if err != nil {
		t.release(r)
		return err
	}
	t.class = class
	t.guests = append(t.guests, r)
	return nil
}

// look gathers what is known of a recipient at RCPT. Recipients of one class, which is returned, can only have one
// outcome; "" is a class of one.
func (t *gating) look(ctx context.Context, r *guest, c credentials) (class string) {
	e := &r.evidence
	e.Bounce = t.from.IsNull()
	e.Auth.User = t.peer.Identity
	if e.Exempt = t.g.Exempt(r.to); r.tagged {
		return ""
	}
	if e.Exempt || e.Auth.User != "" {
		return "exempt"
	}
	if c.stamp != "" {
		t.weigh(ctx, r, c.stamp)
	}
	if !e.Bounce {
		t.acquaint(ctx, r, t.from.Address())
		if e.Relation == Known {
			class = "known"
		}
	}
	if c.token == "" {
		return class
	}
	token, err := capability.ParseToken(c.token)
	if err == nil {
		err = t.reserve(ctx, r, token, capability.Request{Sender: address.Canonical(t.from.Address()), Recipient: r.address, Pending: true}) // SIZE is an estimate
	}
	if err != nil {
		e.Capability = outcome(err)
		return class
	}
	return "capability\x00" + r.use.Grant.Scope
}

// reserve checks a token and reserves a use of it.
func (t *gating) reserve(ctx context.Context, r *guest, token capability.Token, q capability.Request) error {
	if t.g.Capabilities.Keys == nil || t.g.Capabilities.Store == nil {
		return capability.ErrIssuer
	}
	use, err := t.g.Capabilities.Verify(ctx, token, q)
	if err != nil {
		t.doubt(r, err)
		return err
	}
	r.use, r.evidence.Capability = &use, Valid
	return nil
}

// outcome returns what a capability that does not let a message in counts for.
func outcome(err error) Proof {
	if errors.Is(err, capability.ErrRate) {
		return Deferred
	}
	return Invalid
}

// doubt notes that a capability could not be checked, if that is what err says.
func (t *gating) doubt(r *guest, err error) {
	if !isAny(err, capability.ErrSyntax, capability.ErrSignature, capability.ErrWidened, capability.ErrNotYet, capability.ErrExpired, capability.ErrScope,
		capability.ErrRecipient, capability.ErrTooBig, capability.ErrIssuer, capability.ErrRevoked, capability.ErrUsedUp, capability.ErrUnknown, capability.ErrRate, capability.ErrClass) {
		r.evidence.Unavailable = true
		t.g.Logger.Warn("capability not checked", "to", r.address, "err", err)
	}
}

// paid is a stamp that was looked at.
type paid struct {
	text   string // as it was shown
	tariff Tariff
	demand postage.Demand // that it meets
	stamp  string
	bits   int // what it is worth
}

// weigh checks a stamp without spending it.
func (t *gating) weigh(ctx context.Context, r *guest, text string) {
	scheme, stamp := cutStamp(text)
	i := slices.IndexFunc(t.g.Postage, func(x Tariff) bool { return x.Scheme.Name() == scheme })
	if i < 0 || slices.ContainsFunc(r.stamps, func(p paid) bool { return p.text == text }) {
		return
	}
	p := paid{text: text, tariff: t.g.Postage[i], stamp: stamp}
	var err error
	if p.demand, err = p.tariff.quote(ctx, r.to, 1); err != nil { // 1: whatever it is worth
		r.evidence.Unavailable = true
		t.g.Logger.Warn("stamp not checked", "to", r.address, "scheme", scheme, "err", err)
		return
	}
	look := p.demand
	look.Probe = true
	v, err := p.tariff.Scheme.Verify(ctx, look, stamp)
	if errors.Is(err, hashcash.ErrStore) {
		r.evidence.Unavailable = true
		t.g.Logger.Warn("stamp not checked", "to", r.address, "scheme", scheme, "err", err)
	}
	if err == nil {
		p.bits = p.tariff.worth(v.Amount)
		r.evidence.Postage = max(r.evidence.Postage, p.bits)
		r.stamps = append(r.stamps, p)
	}
}

// acquaint looks up what the recipient is to a correspondent.
func (t *gating) acquaint(ctx context.Context, r *guest, correspondent string) {
	if t.g.Relations == nil || correspondent == "" {
		return
	}
	rel, err := t.g.Relations.Relation(ctx, r.address, correspondent)
	if err != nil {
		r.evidence.Unavailable = true
		t.g.Logger.Warn("acquaintance not looked up", "to", r.address, "err", err)
		return
	}
	r.evidence.Relation = rel.State
}

// refuseEarly decides as if the author were the sender and authenticated. What is refused even so is refused at once, if
// there is nothing that DATA could still bring.
func (t *gating) refuseEarly(ctx context.Context, r *guest, c credentials) error {
	e := r.evidence
	if c == (credentials{}) && e.Address != Invalid && e.Relation != Blocked && (!t.g.Early || e.Bounce) {
		return nil
	}
	if !e.Exempt && e.Auth.User == "" {
		e.Auth.Domain = strings.ToLower(t.from.Domain)
		if e.Bounce {
			e.Auth.Domain = "null"
		}
		e.Risk = t.risk(ctx, e.Auth)
	}
	d := t.g.Rules.Decide(e)
	if d.Action == Accept || d.Action == Request {
		return nil
	}
	t.report(ctx, r, e, d)
	return t.refusal(ctx, d, r.to, resource(r.to))
}

func (t *gating) risk(ctx context.Context, a Auth) int {
	if t.g.Risk == nil {
		return 0
	}
	return t.g.Risk(ctx, t.peer, a)
}

func (t *gating) report(ctx context.Context, r *guest, e Evidence, d Decision) {
	if t.g.Report != nil {
		t.g.Report(ctx, r.to, e, d)
	}
}

// refusal returns what a recipient's sender is told, with the prices; named is the resource that they name.
func (t *gating) refusal(ctx context.Context, d Decision, to smtp.Path, named string) *smtp.Error {
	reply := d.Reply
	if d.Action == AskPostage {
		reply.Lines = reply.Lines[:len(reply.Lines):len(reply.Lines)]
		for _, tariff := range t.g.Postage {
			demand, err := tariff.quote(ctx, to, d.Bits)
			if err != nil {
				t.g.Logger.Warn("price not quoted", "scheme", tariff.Scheme.Name(), "err", err)
				continue
			}
			reply.Lines = append(reply.Lines, Price{Scheme: demand.Scheme, Amount: demand.Price, Resource: named, Params: demand.Params}.lines()...)
		}
	}
	return &smtp.Error{Reply: reply, Err: errors.New("policy: " + d.Reason)}
}

func isAny(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// pardons remembers the stamps of messages that were refused after the stamp was spent: the same message may come again.
// It is bounded, and lost with the process; the sender then pays once more.
type pardons struct {
	mu sync.Mutex
	by map[string][32]byte // stamp → message
}

const maxPardons = 10_000

// take reports whether the stamp was spent on this very message, which is forgotten.
func (p *pardons) take(stamp string, message [32]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if got, ok := p.by[stamp]; !ok || got != message {
		return false
	}
	delete(p.by, stamp)
	return true
}

func (p *pardons) put(stamp string, message [32]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for old := range p.by { // any one: a map yields in no order
		if len(p.by) < maxPardons {
			break
		}
		delete(p.by, old)
	}
	p.by[stamp] = message
}
