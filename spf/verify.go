package spf

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Resolver is what Verify asks of DNS; *net.Resolver is one. Errors are *net.DNSError: IsNotFound where there are no
// such records.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupAddr(ctx context.Context, addr string) ([]string, error)
}

// Limits of RFC 7208 §4.6.4.
const (
	maxLookups = 10
	maxVoids   = 2
	maxHosts   = 10
	maxTime    = 20 * time.Second
)

// A Request is what is known of a connection.
type Request struct {
	IP   netip.Addr
	HELO string
	// MailFrom is the address of MAIL FROM without brackets. "" is the null sender: the check is of HELO then
	// (RFC 7208 §2.4).
	MailFrom string
}

// Options are settings of a check; the zero value is RFC 7208's.
type Options struct {
	// Receiver is the name of the checking host, for the macro r of explanations; "" is "unknown".
	Receiver string
	// Now is the clock, for the macro t; nil is time.Now.
	Now func() time.Time
}

// Verify checks the MAIL FROM identity, or HELO for the null sender (RFC 7208 §4). It takes at most 20 seconds.
func Verify(ctx context.Context, r Resolver, req Request, o Options) *Check {
	c := &Check{Identity: "mailfrom", IP: req.IP.Unmap(), HELO: req.HELO, Sender: req.MailFrom}
	if req.MailFrom == "" {
		c.Identity, c.Sender = "helo", "postmaster@"+req.HELO
	}
	c.Steps = make([]Step, 0, 24)
	e := &evaluation{r: r, o: o, c: c}
	at := strings.LastIndexByte(c.Sender, '@')
	e.local, e.domain = c.Sender[:max(at, 0)], c.Sender[at+1:]
	if e.local == "" { // RFC 7208 §4.3
		e.local = "postmaster"
	}
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	e.ctx = ctx
	domain, ok := queryName(e.domain)
	c.Domain = domain
	if !ok || !strings.Contains(domain, ".") || !c.IP.IsValid() { // RFC 7208 §4.3
		c.Result, c.Mechanism = None, "default"
		return c
	}
	var err *Error
	c.Result, err = e.check(domain, true)
	if err != nil {
		c.Err, c.Mechanism = err, err.Term
	}
	c.Queries = e.lookups
	return c
}

// An evaluation is one check under way.
type evaluation struct {
	ctx           context.Context
	r             Resolver
	o             Options
	c             *Check
	local, domain string // of the sender
	lookups       int
	voids         int
	validated     *string // of %{p}
	nameless      bool    // the address has no name
	within        netip.Prefix
}

func (e *evaluation) step(question, answer, rule string) {
	if len(e.c.Steps) < MaxSteps {
		e.c.Steps = append(e.c.Steps, Step{question, answer, rule})
	}
}

// check evaluates the record of a domain. outer is false within include, whose explanations are not used.
func (e *evaluation) check(domain string, outer bool) (Result, *Error) {
	rec, res, err := e.record(domain)
	if rec == nil {
		return res, err
	}
	for i := range rec.Terms {
		t := &rec.Terms[i]
		if t.Modifier {
			continue
		}
		match, err := e.match(t, domain)
		if err != nil {
			if err.Domain == "" {
				err.Domain, err.Term = domain, t.Text
			}
			return errorResult(err), err
		}
		if !match {
			continue
		}
		if t.Name != "include" { // which has the network of what matched there
			e.within = e.network(t)
		}
		e.step("", t.Text, "matches: "+string(t.Qualifier))
		if outer {
			e.c.Mechanism, e.c.Network = t.Text, e.within
			if t.Qualifier == Fail {
				e.explain(rec, domain)
			}
		}
		return t.Qualifier, nil
	}
	redirect, ok := rec.modifier("redirect")
	if !ok || rec.hasAll() {
		if outer {
			e.c.Mechanism = "default"
		}
		return Neutral, nil // RFC 7208 §4.7
	}
	fail := func(err *Error) (Result, *Error) {
		if err.Domain == "" {
			err.Domain, err.Term = domain, redirect.Text
		}
		return errorResult(err), err
	}
	if err := e.count(); err != nil {
		return fail(err)
	}
	target, err := e.expand(redirect.Domain, domain)
	if err != nil {
		return fail(err)
	}
	name, ok := queryName(target)
	if ok {
		res, err = e.check(name, outer)
	}
	if !ok || err == nil && res == None { // RFC 7208 §6.1
		return fail(&Error{Code: CodeInclude, Text: target + " has no record"})
	}
	return res, err
}

func errorResult(err *Error) Result {
	if err.Code == CodeDNS {
		return TempError
	}
	return PermError
}

// record looks up the record of a domain (RFC 7208 §4.4, §4.5). Without one it returns the result that follows.
func (e *evaluation) record(domain string) (*Record, Result, *Error) {
	question := "TXT " + domain
	txts, err := e.r.LookupTXT(e.ctx, domain)
	if err != nil {
		if notFound(err) {
			e.step(question, "none", "no record (RFC 7208 §4.5)")
			return nil, None, nil
		}
		e.step(question, err.Error(), "temporary (RFC 7208 §4.4)")
		return nil, TempError, &Error{Code: CodeDNS, Domain: domain, Text: "record cannot be looked up", Err: err}
	}
	found, n := "", 0
	for _, txt := range txts {
		if IsRecord(txt) {
			found = txt
			n++
		}
	}
	switch n {
	case 0:
		e.step(question, "no text that begins with v=spf1", "no record (RFC 7208 §4.5)")
		return nil, None, nil
	case 1:
	default:
		e.step(question, strconv.Itoa(n)+" records", "more than one (RFC 7208 §4.5)")
		return nil, PermError, &Error{Code: CodeMany, Domain: domain, Text: "more than one record"}
	}
	e.step(question, found, "")
	rec, err := ParseRecord(found)
	if err != nil {
		var se *Error
		if !errors.As(err, &se) {
			se = &Error{Code: CodeSyntax, Text: err.Error()}
		}
		se.Domain = domain
		return nil, PermError, se
	}
	return rec, "", nil
}

// count counts a term that asks the DNS (RFC 7208 §4.6.4).
func (e *evaluation) count() *Error {
	if e.lookups == maxLookups {
		return &Error{Code: CodeLookups, Text: "more than 10 terms that ask the DNS"}
	}
	e.lookups++
	return nil
}

// void counts an answer without records.
func (e *evaluation) void() *Error {
	if e.voids++; e.voids > maxVoids {
		return &Error{Code: CodeVoids, Text: "more than 2 void answers"}
	}
	return nil
}

// network returns the network that a mechanism which has matched is for.
func (e *evaluation) network(t *Term) netip.Prefix {
	bits := 0 // all
	switch t.Name {
	case "ip4", "ip6":
		return t.Net.Masked()
	case "a", "mx":
		if bits = t.Bits6; e.c.IP.Is4() {
			bits = t.Bits4
		}
	case "exists", "ptr":
		return netip.Prefix{}
	}
	p, _ := e.c.IP.Prefix(bits) // bits are of the family
	return p
}

// match evaluates one mechanism (RFC 7208 §5).
func (e *evaluation) match(t *Term, domain string) (bool, *Error) {
	switch t.Name {
	case "all":
		return true, nil
	case "ip4", "ip6":
		return t.Net.Contains(e.c.IP), nil
	}
	if err := e.count(); err != nil {
		return false, err
	}
	target := domain
	if t.Domain != "" {
		var err *Error
		if target, err = e.expand(t.Domain, domain); err != nil {
			return false, err
		}
	}
	name, ok := queryName(target)
	switch {
	case t.Name == "include":
		return e.include(target, name, ok)
	case !ok:
		e.step("", t.Text, target+" is no name that can be asked for: no match (RFC 7208 §4.8)")
		return false, nil
	}
	switch t.Name {
	case "a":
		addrs, err := e.addresses(name, e.c.IP.Is4(), true)
		return e.inNet(addrs, t), err
	case "exists":
		addrs, err := e.addresses(name, true, true)
		return len(addrs) > 0, err
	case "mx":
		return e.mx(name, t)
	default: // ptr
		match := e.ptr(name)
		if e.nameless {
			return false, e.void()
		}
		return match, nil
	}
}

func (e *evaluation) include(target, name string, ok bool) (bool, *Error) {
	if ok {
		res, err := e.check(name, false)
		switch {
		case err != nil:
			return false, err
		case res != None:
			return res == Pass, nil
		}
	}
	return false, &Error{Code: CodeInclude, Text: target + " has no record"} // RFC 7208 §5.2
}

// explain fetches the explanation of a record (RFC 7208 §6.2). Whatever goes wrong, there is none.
func (e *evaluation) explain(rec *Record, domain string) {
	exp, ok := rec.modifier("exp")
	if !ok {
		return
	}
	target, err := e.expand(exp.Domain, domain)
	name, ok := queryName(target)
	if err != nil || !ok {
		return
	}
	txts, lookup := e.r.LookupTXT(e.ctx, name)
	if lookup != nil || len(txts) != 1 {
		return
	}
	text, err := e.expandWith(txts[0], domain, explainLetters)
	if err != nil || len(text) > MaxExplanation || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return
	}
	e.step("TXT "+name, txts[0], "the explanation (RFC 7208 §6.2)")
	e.c.Explanation = text
}

// expand expands a domain-spec and cuts it to what a name can hold (RFC 7208 §7.3).
func (e *evaluation) expand(spec, domain string) (string, *Error) {
	if !strings.Contains(spec, "%") && len(spec) <= 253 {
		return spec, nil
	}
	s, err := e.expandWith(spec, domain, termLetters)
	for len(strings.TrimSuffix(s, ".")) > 253 {
		_, rest, ok := strings.Cut(s, ".")
		if !ok {
			break
		}
		s = rest
	}
	return s, err
}

func (e *evaluation) expandWith(spec, domain, letters string) (string, *Error) {
	var b strings.Builder
	var failed *Error
	err := scanMacros(spec, letters, func(s string) { b.WriteString(s) }, func(m macro) error {
		v, err := e.macro(m.letter, domain)
		if err != nil {
			failed = err
			return err
		}
		b.WriteString(m.transform(v))
		return nil
	})
	if err != nil && failed == nil {
		failed = syntax("", err.Error())
	}
	return b.String(), failed
}

// macro returns the value of a macro letter (RFC 7208 §7.2).
func (e *evaluation) macro(letter byte, domain string) (string, *Error) {
	switch letter {
	case 's':
		return e.local + "@" + e.domain, nil
	case 'l':
		return e.local, nil
	case 'o':
		return e.domain, nil
	case 'd':
		return domain, nil
	case 'i':
		return dotted(e.c.IP), nil
	case 'v':
		if e.c.IP.Is4() {
			return "in-addr", nil
		}
		return "ip6", nil
	case 'h':
		return e.c.HELO, nil
	case 'c':
		return e.c.IP.String(), nil
	case 'r':
		if e.o.Receiver != "" {
			return e.o.Receiver, nil
		}
		return "unknown", nil
	case 't':
		now := time.Now
		if e.o.Now != nil {
			now = e.o.Now
		}
		return strconv.FormatInt(now().Unix(), 10), nil
	}
	return e.validatedName(domain)
}

// validatedName is the macro p: the domain itself, else its first subdomain, else the first validated name.
func (e *evaluation) validatedName(domain string) (string, *Error) {
	if e.validated == nil {
		if err := e.count(); err != nil {
			return "", err
		}
		best := "unknown"
		rank := 0
		for _, n := range e.ptrNames() {
			r := 1
			if n == domain {
				r = 3
			} else if strings.HasSuffix(n, "."+domain) {
				r = 2
			}
			if r > rank {
				best, rank = n, r
			}
		}
		e.validated = &best
	}
	return *e.validated, nil
}
