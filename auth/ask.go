package auth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Resolver is what a Checker asks of DNS; *net.Resolver is one. Errors are *net.DNSError: IsNotFound where there are no
// such records.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupAddr(ctx context.Context, addr string) ([]string, error)
}

// SecureResolver tells the DNSSEC state too.
type SecureResolver interface {
	LookupTXTSecure(ctx context.Context, name string) (txt []string, secure bool, err error)
	LookupMXSecure(ctx context.Context, name string) (mx []*net.MX, secure bool, err error)
	LookupNetIPSecure(ctx context.Context, network, host string) (addrs []netip.Addr, secure bool, err error)
	LookupAddrSecure(ctx context.Context, addr string) (names []string, secure bool, err error)
}

// A BudgetError says that a question was not asked because the checks of the message had used up their Budget.
type BudgetError struct {
	Check    string // which one wanted to know: "spf", "dkim", "arc", "dmarc" or "iprev"
	Question string // "TXT example.com"
	Queries  int    // what the check was allowed
}

// Error names the limit.
func (e *BudgetError) Error() string {
	return fmt.Sprintf("auth: over the budget of %d questions to DNS for one message", e.Queries)
}

// DNSSEC is what is known about where an answer comes from.
type DNSSEC uint8

// States of an answer.
const (
	Unknown  DNSSEC = iota // the resolver does not tell
	Insecure               // not signed, or nobody who is trusted has validated it
	Secure                 // validated
)

// String returns "", "insecure" or "secure".
func (d DNSSEC) String() string { return [...]string{"", "insecure", "secure"}[d] }

// MarshalText returns what String does, for JSON.
func (d DNSSEC) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// A Question is one that was put to DNS, with its answer.
type Question struct {
	// Type is "TXT", "MX", "A", "AAAA" or "PTR", Name the name asked, in lower case and without final dot (an address
	// for PTR).
	Type, Name string
	// Answer holds one text a record: the strings of a TXT record joined, "10 mx.example.com." for MX.
	Answer []string
	// Err is why there is none.
	Err    error
	DNSSEC DNSSEC
	Took   time.Duration
	// Checks are those that wanted to know: "spf", "dkim", "arc", "dmarc", "iprev".
	Checks []string
}

// String returns the question as the steps of the checks have it: "TXT example.com".
func (q Question) String() string { return q.Type + " " + q.Name }

// An asker asks each question of a message once, within a budget, and remembers.
type asker struct {
	c     Checker
	mu    sync.Mutex
	index map[string]*asked
	log   []*asked
	spf   int // how many of them SPF asked
	arc   int // and ARC
	iprev int // and the look-up of names
}

// An asked is a question on its way, then answered.
type asked struct {
	q     Question
	done  chan struct{} // closed when value is there
	value any
}

func newAsker(c Checker) *asker { return &asker{c: c, index: map[string]*asked{}} }

// questions returns what was asked, in order. Nothing may be under way.
func (a *asker) questions() []Question {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]Question, len(a.log))
	for i, e := range a.log {
		out[i] = e.q
	}
	return out
}

// enter returns the entry of a question, and whether the caller has to ask it.
func (a *asker) enter(check, qtype, name string) (e *asked, mine bool, err error) {
	q := Question{Type: qtype, Name: strings.ToLower(strings.TrimSuffix(name, "."))}
	key := q.String()
	a.mu.Lock()
	defer a.mu.Unlock()
	e = a.index[key]
	if e == nil {
		limit := a.c.Budget.Queries
		over := len(a.log) >= limit
		share := func(used *int, part int) {
			limit = part
			if over = over || *used >= part; !over {
				*used++
			}
		}
		switch check {
		case "spf":
			share(&a.spf, limit*3/4)
		case "arc":
			share(&a.arc, limit/10)
		case "iprev":
			share(&a.iprev, limit/10)
		}
		if over {
			cause := &BudgetError{Check: check, Question: key, Queries: limit}
			return nil, false, &net.DNSError{Err: cause.Error(), Name: name, IsTemporary: true, UnwrapErr: cause}
		}
		e = &asked{q: q, done: make(chan struct{})}
		a.index[key], a.log, mine = e, append(a.log, e), true
	}
	if !slices.Contains(e.q.Checks, check) {
		e.q.Checks = append(e.q.Checks, check)
	}
	return e, mine, nil
}

// A view is the asker as one of the checks sees it: a resolver.
type view struct {
	*asker
	check string
}

// ask asks a question, or waits for the answer that somebody else has asked for.
func ask[T any](ctx context.Context, v view, qtype, name string, plain func(Resolver) ([]T, error), secure func(SecureResolver) ([]T, bool, error), text func(T) string) ([]T, bool, error) {
	e, mine, err := v.enter(v.check, qtype, name)
	if err != nil {
		return nil, false, err
	}
	if !mine {
		select {
		case <-e.done:
			return slices.Clone(e.value.([]T)), e.q.DNSSEC == Secure, e.q.Err
		case <-ctx.Done():
			return nil, false, &net.DNSError{Err: ctx.Err().Error(), Name: name, IsTemporary: true, IsTimeout: true, UnwrapErr: ctx.Err()}
		}
	}
	start := time.Now()
	var out []T
	state := Unknown
	switch {
	case v.c.SecureResolver != nil:
		var sec bool
		out, sec, err = secure(v.c.SecureResolver)
		if state = Insecure; sec {
			state = Secure
		}
	case v.c.Resolver != nil:
		out, err = plain(v.c.Resolver)
	default:
		err = &net.DNSError{Err: "auth: no resolver", Name: name}
	}
	if d, ok := errors.AsType[*net.DNSError](err); err != nil && (!ok || !d.IsNotFound) {
		state = Unknown // there is no answer
	}
	answer := make([]string, len(out))
	for i, r := range out {
		answer[i] = text(r)
	}
	v.mu.Lock() // Checks is written by others meanwhile
	e.q.Answer, e.q.Err, e.q.DNSSEC, e.q.Took = answer, err, state, time.Since(start)
	v.mu.Unlock()
	e.value = slices.Clone(out)
	close(e.done)
	return out, state == Secure, err
}

func same(s string) string { return s }

func (v view) LookupTXT(ctx context.Context, name string) ([]string, error) {
	txt, _, err := v.LookupTXTSecure(ctx, name)
	return txt, err
}

func (v view) LookupTXTSecure(ctx context.Context, name string) ([]string, bool, error) {
	return ask(ctx, v, "TXT", name,
		func(r Resolver) ([]string, error) { return r.LookupTXT(ctx, name) },
		func(r SecureResolver) ([]string, bool, error) { return r.LookupTXTSecure(ctx, name) }, same)
}

func (v view) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	mx, _, err := ask(ctx, v, "MX", name,
		func(r Resolver) ([]*net.MX, error) { return r.LookupMX(ctx, name) },
		func(r SecureResolver) ([]*net.MX, bool, error) { return r.LookupMXSecure(ctx, name) },
		func(m *net.MX) string { return fmt.Sprintf("%d %s", m.Pref, m.Host) })
	return mx, err
}

func (v view) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	qtype := map[string]string{"ip4": "A", "ip6": "AAAA"}[network]
	addrs, _, err := ask(ctx, v, qtype, host,
		func(r Resolver) ([]netip.Addr, error) { return r.LookupNetIP(ctx, network, host) },
		func(r SecureResolver) ([]netip.Addr, bool, error) { return r.LookupNetIPSecure(ctx, network, host) },
		netip.Addr.String)
	return addrs, err
}

func (v view) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	names, _, err := ask(ctx, v, "PTR", addr,
		func(r Resolver) ([]string, error) { return r.LookupAddr(ctx, addr) },
		func(r SecureResolver) ([]string, bool, error) { return r.LookupAddrSecure(ctx, addr) }, same)
	return names, err
}
