package policy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/mail"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/auth/authres"
	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/dmarc"
	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/internal/address"
	"github.com/mailbricks/mailbricks/internal/header"
	"github.com/mailbricks/mailbricks/smtp"
)

// Data implements smtp.Transaction.
func (t *gating) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	if len(t.guests) == 0 {
		return nil, smtp.NewError(503, smtp.EnhancedCode{5, 5, 1}, "No recipients")
	}
	br := bufio.NewReaderSize(body, 32<<10)
	section, err := header.Read(br, int(t.g.Limits.Header)) // 0: its default, which is ours
	if errors.Is(err, header.ErrTooLong) {
		return nil, refuse(552, smtp.EnhancedCode{5, 3, 4}, "Header section too long", err)
	}
	if err != nil {
		return nil, err
	}
	s := sender(section, t.g.AuthServID)
	decision, err := t.decide(ctx, section, s)
	if err != nil {
		return nil, err
	}
	limit := int64(-1)
	if decision.Action == Request {
		limit = t.g.RequestSize
	}
	if limit >= 0 && t.size > limit {
		return nil, tooLong(limit)
	}
	in := &ending{t: t, limit: limit, ctx: ctx, r: br, sum: sha256.New(), sender: s, section: section}
	kept := stable(section)
	in.sum.Write(kept)
	in.size = int64(len(kept))
	top := t.note(decision).appendField(nil)
	res, err := t.tx.Data(ctx, io.MultiReader(bytes.NewReader(top),
		bytes.NewReader(t.stripped(section)), in))
	switch {
	case in.err != nil && in.err != io.EOF:
		err = in.err
	case err == nil && in.err == nil:
		err = errors.New("policy: the message was accepted and not read")
	case err == nil && len(res) != len(t.guests):
		err = fmt.Errorf("policy: %d results for %d recipients", len(res), len(t.guests))
	}
	t.settle(ctx, in, res, err)
	if err != nil {
		return nil, err
	}
	return res, nil
}

// decide completes the evidence for every recipient. There is one answer for all, see look; the error is a refusal.
func (t *gating) decide(ctx context.Context, section []byte, s from) (Decision, error) {
	var out Decision
	for i, r := range t.guests {
		t.complete(ctx, r, section, s)
		d := t.g.Rules.Decide(r.evidence)
		t.report(ctx, r, r.evidence, d)
		if i > 0 && d.Action != out.Action {
			return d, refuse(451, smtp.EnhancedCode{4, 5, 3}, "Recipients are decided on differently, send them one by one", nil)
		}
		if i == 0 || d.Class != ClassTrusted {
			out = d
		}
	}
	if out.Action == Accept || out.Action == Request {
		return out, nil
	}
	named := "" // of several, for each its own
	if len(t.guests) == 1 {
		named = resource(t.guests[0].to)
	}
	return out, t.refusal(ctx, out, t.guests[0].to, named)
}

// complete adds what the header tells.
func (t *gating) complete(ctx context.Context, r *guest, section []byte, s from) {
	e := &r.evidence
	user := e.Auth.User
	e.Auth, e.Quarantine = s.auth, s.quarantine
	if e.Auth.User = user; e.Exempt || user != "" {
		return
	}
	who := capability.Request{Sender: s.address, Domain: s.auth.Domain, Recipient: r.address, Class: classOf(section)}
	if r.use != nil && (t.admit(ctx, r, s, section, false) != nil || r.use.Grant.Admits(who, t.g.Now()) != nil) {
		t.release(r)
		r.closed()
	}
	switch correspondent := s.address; {
	case e.Bounce: // of anybody there
		t.acquaint(ctx, r, s.author)
	case len(t.guests) == 1:
		e.Relation = Stranger
		t.acquaint(ctx, r, correspondent)
	case e.Relation == Known && correspondent != address.Canonical(t.from.Address()):
		e.Relation = Stranger // several recipients: what is true of the reverse-path alone is true of nobody
	}
	if len(t.guests) == 1 && !r.tagged {
		for token := range tokens(section, CapabilityField) {
			if e.Capability == Valid {
				break
			}
			if err := t.reserve(ctx, r, token, who); err != nil && e.Capability != Deferred {
				e.Capability = outcome(err)
			}
		}
		for stamp := range stamps(section) {
			t.weigh(ctx, r, stamp)
		}
	}
	e.Risk = t.risk(ctx, e.Auth)
	// Stamps of less value than the price are not worth spending.
	price := t.g.Rules.Price(e.Auth, e.Risk)
	r.stamps = slices.DeleteFunc(r.stamps, func(p paid) bool { return p.bits < price })
}

// note is what is told to next.
func (t *gating) note(d Decision) Note {
	n := Note{Class: d.Class, Postage: d.Bits}
	if r := t.guests[0]; r.use != nil && len(t.guests) == 1 {
		n.Channel = r.use.Grant.ID
	}
	return n
}

// stripped returns a header section without what is for the Gate alone: decisions of others, tokens, and the stamps that let
// the message in.
func (t *gating) stripped(section []byte) []byte {
	ours := oneOf(DecisionField, CapabilityField, OfferField)
	return without(section, func(f header.Field) bool {
		return ours(f) || (f.Is(hashcash.HeaderName) || f.Is(PostageField)) && slices.ContainsFunc(t.guests, func(r *guest) bool {
			return t.pays(r) && slices.ContainsFunc(r.stamps, func(p paid) bool { return p.text == header.StripSpace(string(f.Value)) })
		})
	})
}

// ending is the body of a message on its way. At its end, before the one behind learns of it, what must not happen for a
// message that was lost happens: see finish.
type ending struct {
	t      *gating
	ctx    context.Context
	r      io.Reader
	size   int64 // without what hosts on the way have put on top
	limit  int64 // of size; negative: none
	sum    hash.Hash
	sender from

	section []byte   // the header
	err     error    // io.EOF: the message is whole and may be taken
	digest  [32]byte // of the message, at io.EOF
	spent   []string
}

// Read implements io.Reader.
func (in *ending) Read(p []byte) (int, error) {
	if in.err != nil {
		return 0, in.err
	}
	n, err := in.r.Read(p)
	in.size += int64(n)
	in.sum.Write(p[:n])
	switch {
	case in.limit >= 0 && in.size > in.limit:
		in.err = tooLong(in.limit)
		return 0, in.err
	case err == io.EOF && n > 0:
		return n, nil // the end comes with the next call
	case err == io.EOF:
		in.sum.Sum(in.digest[:0])
		if in.err = in.finish(); in.err == nil {
			in.err = io.EOF
		}
		return 0, in.err
	case err != nil:
		in.err = err
	}
	return n, err
}

// tooLong refuses a request for contact.
func tooLong(limit int64) *smtp.Error {
	return refuse(552, smtp.EnhancedCode{5, 3, 4}, fmt.Sprintf("Too long for a first letter, write less than %d octets", limit+1), nil)
}

// finish looks once more whether the capabilities stand, spends the stamp of a stranger, and takes what is offered: the
// recipient may answer as soon as the message is there.
func (in *ending) finish() error {
	t := in.t
	for _, r := range t.guests {
		var d Decision
		switch {
		case r.use != nil:
			d = in.recheck(r)
		case t.pays(r):
			d = in.spend(r)
		default:
			continue
		}
		if d.Action != Accept {
			t.report(in.ctx, r, r.evidence, d)
			return t.refusal(in.ctx, d, r.to, resource(r.to))
		}
	}
	in.collect()
	return nil
}

// pays reports whether the recipient's message is let in for its postage alone.
func (t *gating) pays(r *guest) bool {
	without := r.evidence
	without.Postage = 0
	a := t.g.Rules.Decide(without).Action
	return a != Accept && a != Request
}

// recheck looks for a revocation since RCPT. A Use without counters is refused for nothing else.
func (in *ending) recheck(r *guest) Decision {
	if r.evidence.Exempt || r.evidence.Auth.User != "" { // let in whatever the address says
		return Decision{Action: Accept}
	}
	g, now, store := r.use.Grant, in.t.g.Now(), in.t.g.Capabilities.Store
	err := g.Admits(capability.Request{Sender: in.sender.address, Domain: in.sender.auth.Domain, Recipient: r.address, Size: uint64(in.size), Class: classOf(in.section)}, now)
	if err == nil {
		var probe capability.Reservation
		if probe, err = store.Reserve(in.ctx, capability.Use{Grant: g, Now: now, Until: now}); err == nil {
			_ = store.Release(in.ctx, probe) // it lapses at once anyway
			if err = in.t.admit(in.ctx, r, in.sender, in.section, true); err == nil {
				return Decision{Action: Accept}
			}
		}
	}
	e := &r.evidence
	r.closed()
	e.Unavailable = e.Unavailable || !isAny(err, capability.ErrRevoked, capability.ErrTooBig, capability.ErrClass, capability.ErrExpired, channel.ErrLeaked, channel.ErrClosed, channel.ErrUnauthenticated)
	return in.instead(r)
}

// spend spends a stamp.
func (in *ending) spend(r *guest) Decision {
	for _, p := range r.stamps {
		_, err := p.tariff.Scheme.Verify(in.ctx, p.demand, p.stamp) // what it is worth was looked at before
		if errors.Is(err, hashcash.ErrSpent) && in.t.g.again.take(p.text, in.digest) {
			err = nil
		}
		if err == nil {
			in.spent = append(in.spent, p.text)
			return Decision{Action: Accept}
		}
		if errors.Is(err, hashcash.ErrStore) {
			r.evidence.Unavailable = true
			in.t.g.Logger.Warn("stamp not checked", "to", r.address, "err", err)
		}
	}
	return in.instead(r)
}

// instead decides about a message that has lost what let it in. What was told in DecisionField must stay true.
func (in *ending) instead(r *guest) Decision {
	r.evidence.Postage = 0
	d := in.t.g.Rules.Decide(r.evidence)
	if d.Action == Accept && d.Class == ClassTrusted || d.Action == Refuse || d.Action == AskPostage {
		return d
	}
	return refusal(451, smtp.EnhancedCode{4, 7, 1}, tryAgain, "a capability ended meanwhile")
}

// settle counts the uses of what was delivered, and pardons the stamps of what was not.
func (t *gating) settle(ctx context.Context, in *ending, res smtp.Results, err error) {
	delivered := false
	for i, r := range t.guests {
		if err != nil || !res[i].Reply.OK() {
			t.release(r)
			continue
		}
		delivered = true
		if r.use == nil {
			continue
		}
		if e := t.g.Capabilities.Store.Commit(context.WithoutCancel(ctx), *r.use, in.digest); e != nil {
			t.g.Logger.Error("use of a capability not counted", "grant", r.use.Grant.ID, "to", r.address, "err", e)
		}
		t.used(context.WithoutCancel(ctx), r)
		r.use = nil
	}
	for _, stamp := range in.spent {
		if !delivered {
			t.g.again.put(stamp, in.digest)
		}
	}
}

// collect puts the capabilities that an authenticated author offers into the wallet.
func (in *ending) collect() {
	t, s := in.t, in.sender
	if t.g.Wallet == nil || s.auth.Domain == "" {
		return
	}
	for token := range tokens(in.section, OfferField) {
		for _, r := range t.guests {
			// The author gives for itself, to this recipient.
			q := capability.Request{Sender: r.address, Domain: r.address[strings.LastIndexByte(r.address, '@')+1:], Recipient: s.address}
			if token.Grant().Admits(q, t.g.Now()) != nil {
				continue
			}
			if err := t.g.Wallet.Put(in.ctx, r.address, token); err != nil {
				t.g.Logger.Warn("capability not kept", "owner", r.address, "from", s.address, "err", err)
			}
		}
	}
}

// stable returns what of a header section is the same when the same message comes again: not what hosts on the way
// put on top.
func stable(section []byte) []byte {
	return without(section, oneOf("Received", "Return-Path", "Delivered-To", "Received-SPF", authres.Name, "DKIM-Signature", "ARC-Seal",
		"ARC-Message-Signature", "ARC-Authentication-Results", DecisionField, CapabilityField, OfferField, hashcash.HeaderName, PostageField))
}

// classOf returns the class that a message says it is of: Bulk with a field of a list (RFC 2369, 2919), with a Precedence of
// such, or where VBR-Info vouches for list mail (RFC 5518); Transactional if no person wrote it (RFC 3834 §5), or where that is
// vouched for; else Personal.
func classOf(section []byte) capability.Class {
	class := capability.Personal
	for f := range header.Fields(section) {
		value := strings.ToLower(header.TrimSpace(string(f.Value)))
		word, _, _ := strings.Cut(value, ";")
		word = header.TrimSpace(word)
		switch {
		case f.Is("List-Id"), f.Is("List-Unsubscribe"), f.Is("List-Post"), f.Is("List-Help"), f.Is("List-Owner"), f.Is("List-Archive"), f.Is("List-Subscribe"):
			return capability.Bulk
		case f.Is("Precedence") && (word == "bulk" || word == "list" || word == "junk"):
			return capability.Bulk
		case f.Is("Auto-Submitted") && word != "no":
			class = capability.Transactional
		case f.Is("VBR-Info"):
			tags, err := header.ParseTags(value)
			if err != nil {
				continue
			}
			switch mc, _ := tags.Get("mc"); mc {
			case "list":
				return capability.Bulk
			case "transaction":
				class = capability.Transactional
			}
		}
	}
	return class
}

// from is who a message is from, by its header.
type from struct {
	address    string // of the first author, "" if it cannot be told
	author     string // the one author domain, "" if there is none
	auth       Auth
	quarantine bool // DecisionField of the Verifier
	results    []string
}

// sender reads who a message is from. The topmost Authentication-Results of id counts.
func sender(section []byte, id string) from {
	var f from
	values := fieldValues(section, "From")
	if d, err := dmarc.AuthorDomain(values); err == nil {
		f.author = d
		if list, err := mail.ParseAddressList(header.TrimSpace(values[0])); err == nil {
			f.address = address.Canonical(list[0].Address)
		}
	}
	for _, v := range fieldValues(section, DecisionField) {
		n, err := ParseNote(v)
		f.quarantine = f.quarantine || err == nil && n.Class == ClassQuarantine
	}
	for _, v := range fieldValues(section, authres.Name) {
		if field, err := authres.Parse(v); err == nil && id != "" && strings.EqualFold(field.ID, id) {
			f.read(field.Results)
			f.results = []string{v}
			break
		}
	}
	return f
}

// read takes the results of authentication. Without a DMARC policy, an identifier that passes counts if it is the
// author's domain or one above it (RFC 9989 §4.4).
func (f *from) read(results []authres.Result) {
	aligned, policy := false, ""
	for _, r := range results {
		domain := ""
		switch {
		case r.Method == "spf":
			f.auth.SPF = r.Value
			who := r.Property("smtp", "mailfrom")
			domain = who[strings.LastIndexByte(who, '@')+1:]
		case r.Method == "dkim" && (f.auth.DKIM == "" || r.Value == "pass" || r.Value == "temperror" && f.auth.DKIM != "pass"):
			f.auth.DKIM = r.Value
			domain = r.Property("header", "d")
		case r.Method == "dmarc":
			f.auth.DMARC, policy = r.Value, r.Property("header", "from")
		}
		domain = strings.ToLower(domain)
		aligned = aligned || r.Value == "pass" && domain != "" && (domain == f.author || strings.HasSuffix(f.author, "."+domain))
	}
	passed := f.auth.DMARC == "pass" && strings.EqualFold(policy, f.author)
	if f.author != "" && (passed || f.auth.DMARC == "none" && aligned) {
		f.auth.Domain = f.author
	}
}
