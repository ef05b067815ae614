package dmarc

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Value is the result keyword of RFC 9989 §9.2.
type Value string

// Results.
const (
	Pass      Value = "pass"      // an aligned identifier was authenticated
	Fail      Value = "fail"      // none was
	None      Value = "none"      // the author's domain has no record, or there is no author
	PermError Value = "permerror" // several authors, or a record that cannot be used
	TempError Value = "temperror" // DNS did not answer
)

// An Identifier is a domain that SPF (of MAIL FROM, never of HELO, RFC 9989 §4.4.2) or DKIM authenticated: with the
// result pass.
type Identifier struct {
	Domain string // A-labels
	// Organizational is its organizational domain, "" if not known. It matters for relaxed alignment only.
	Organizational string
}

// Evidence is what Evaluate decides on.
type Evidence struct {
	// Author is the walk from the author domain.
	Author Walk
	// SPF and DKIM are the authenticated identifiers.
	SPF, DKIM []Identifier
}

// A Result is a verdict with its reasons.
type Result struct {
	Value  Value
	Reason string // one line, for people
	Err    error  // of DNS or of the From field, nil for pass, fail and none
	// Domain is the author domain, "" if there is not exactly one.
	Domain string
	// PolicyDomain is where Record was found, Organizational the author's organizational domain.
	PolicyDomain, Organizational string
	Record                       Record
	// Policy is what the record asks for this author domain, testing taken into account (RFC 9989 §4.7, t): what to do
	// with a message that fails. It is "" without a usable record.
	Policy Policy
	// AlignedSPF and AlignedDKIM are the aligned domains.
	AlignedSPF, AlignedDKIM []string
	Steps                   []Step
}

// Disposition returns what the author's domain asks to be done with this very message: Policy if it failed, else none.
func (r Result) Disposition() Policy {
	if r.Value == Fail {
		return r.Policy
	}
	return PolicyNone
}

// AppendResult appends the verdict as a resinfo of Authentication-Results (RFC 8601 §2.2), without separator and
// without folding.
func (r Result) AppendResult(dst []byte) []byte {
	dst = append(append(dst, "dmarc="...), r.Value...)
	if r.Domain != "" { // letters, digits, hyphens, underscores and dots: a token
		dst = append(append(dst, " header.from="...), r.Domain...)
	}
	if r.Policy != "" {
		dst = append(append(dst, " policy.dmarc="...), r.Policy...)
	}
	return dst
}

// Evaluate decides without asking anybody (RFC 9989 §5.3).
func Evaluate(e Evidence) Result {
	w := e.Author
	r := Result{Domain: w.Domain, Organizational: w.Organizational(), Steps: w.Steps}
	found, ok := w.Policy()
	if !ok {
		r.Value, r.Reason = None, "no record for "+w.Domain+" (RFC 9989 §4.10.1)"
		return r
	}
	r.Record, r.PolicyDomain = found.Record, found.Domain
	if !found.Record.Usable() {
		r.Value, r.Reason = PermError, "the record at "+found.Domain+" has no valid policy and no report address (RFC 9989 §4.10.1)"
		return r
	}
	var rule string
	r.Policy, rule = applied(found, w)
	r.AlignedSPF = r.aligned(e.SPF, found.Record.StrictSPF)
	r.AlignedDKIM = r.aligned(e.DKIM, found.Record.StrictDKIM)
	switch {
	case len(r.AlignedDKIM) > 0:
		r.Value, r.Reason = Pass, fmt.Sprintf("DKIM of %s is aligned with %s", r.AlignedDKIM[0], r.Domain)
	case len(r.AlignedSPF) > 0:
		r.Value, r.Reason = Pass, fmt.Sprintf("SPF of %s is aligned with %s", r.AlignedSPF[0], r.Domain)
	case len(e.SPF)+len(e.DKIM) == 0:
		r.Value, r.Reason = Fail, "no domain was authenticated; "+rule
	default:
		r.Value, r.Reason = Fail, "no authenticated domain is aligned with "+r.Domain+"; "+rule
	}
	return r
}

// applied returns the policy for the author domain, and where it comes from (RFC 9989 §4.10.1, §4.7).
func applied(f Found, w Walk) (Policy, string) {
	rec := f.Record
	p, tag := rec.P, "p"
	switch {
	case rec.P == "" || rec.invalidPolicy:
		p, tag = PolicyNone, "an invalid policy with a report address"
	case f.Domain == w.Domain:
	case w.Absent && rec.NP != "":
		p, tag = rec.NP, "np"
	case rec.SP != "":
		p, tag = rec.SP, "sp"
	}
	rule := fmt.Sprintf("%s at %s asks for %s", tag, f.Domain, p)
	if rec.Testing && p != PolicyNone {
		if p == PolicyReject {
			p = PolicyQuarantine
		} else {
			p = PolicyNone
		}
		rule += fmt.Sprintf(", t=y makes it %s", p)
	}
	return p, rule
}

// aligned returns the identifiers aligned with the author domain (RFC 9989 §4.4, §4.10.2).
func (r Result) aligned(ids []Identifier, strict bool) []string {
	var out []string
	for _, id := range ids {
		d := strings.ToLower(strings.TrimSuffix(id.Domain, "."))
		if d != "" && (d == r.Domain || !strict && id.Organizational != "" && strings.EqualFold(id.Organizational, r.Organizational)) {
			out = append(out, d)
		}
	}
	return out
}

// A Message is what Verify is told of a message.
type Message struct {
	// From holds the values of all From fields, in any folding.
	From []string
	// SPF is the MAIL FROM domain if SPF passed for it, else "".
	SPF string
	// DKIM holds the d= of the signatures that passed.
	DKIM []string
	// Discovery finds records and organizational domains; nil is Discover, the tree walk of RFC 9989. DiscoverSuffix is the
	// way of RFC 7489 §3.2.
	Discovery func(ctx context.Context, r Resolver, domain string) (Walk, error)
}

// Verify finds the author domain, asks what there is to ask, and evaluates. Identifiers that cannot be aligned are
// not walked for: an organizational domain is the domain itself or one above it.
func Verify(ctx context.Context, r Resolver, m Message) Result {
	author, err := AuthorDomain(m.From)
	switch {
	case errors.Is(err, ErrNoAuthor):
		return Result{Value: None, Reason: "there is no author domain"}
	case err != nil:
		return Result{Value: PermError, Reason: strings.TrimPrefix(err.Error(), "dmarc: "), Err: err}
	}
	discover := m.Discovery
	if discover == nil {
		discover = Discover
	}
	w, err := discover(ctx, r, author)
	if err != nil {
		return Result{Value: TempError, Reason: "DNS did not answer", Err: err, Domain: author, Steps: w.Steps}
	}
	e := Evidence{Author: w}
	org := w.Organizational()
	var failed error
	identify := func(domain string) Identifier {
		domain = strings.ToLower(strings.TrimSuffix(domain, "."))
		id := Identifier{Domain: domain}
		_, applies := w.Policy()
		if domain == author || !applies || domain != org && !strings.HasSuffix(domain, "."+org) {
			return id
		}
		iw, err := discover(ctx, r, domain)
		e.Author.Steps = append(e.Author.Steps, iw.Steps...)
		if err != nil {
			failed = err
			return id
		}
		id.Organizational = iw.Organizational()
		return id
	}
	if m.SPF != "" {
		e.SPF = []Identifier{identify(m.SPF)}
	}
	for _, d := range m.DKIM {
		e.DKIM = append(e.DKIM, identify(d))
	}
	res := Evaluate(e)
	if res.Value == Fail && failed != nil {
		res.Value, res.Reason, res.Err = TempError, "DNS did not answer about an authenticated domain", failed
	}
	return res
}
