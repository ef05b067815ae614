package resolver

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/mailbricks/mailbricks/internal/dnsquery"
	"github.com/miekg/dns"
)

// Defaults of [Options].
const (
	DefaultTimeout        = 15 * time.Second
	DefaultCacheSize      = 10_000
	DefaultMaxTTL         = 24 * time.Hour
	DefaultMaxNegativeTTL = 15 * time.Minute
)

// maxChain bounds the aliases that one question follows, however many packets they take.
const maxChain = 10

// A Transport takes one DNS query packet to a server and brings its answer back, both without the length that TCP puts
// in front. It is safe for concurrent use. The answer is checked by the caller.
type Transport interface {
	Exchange(ctx context.Context, query []byte) (answer []byte, err error)
}

// Options of a [Resolver]; the zero value is the safe one.
type Options struct {
	// TrustAD says that the server is trusted to validate and that nobody can change its answers on the way (it runs on
	// this machine, say): only then may an answer be secure (RFC 6840 §5.8).
	TrustAD bool
	// Timeout bounds one question, with all its tries and aliases; 0 is DefaultTimeout.
	Timeout time.Duration
	// CacheSize is how many answers are kept; 0 is DefaultCacheSize, less than 0 keeps none.
	CacheSize int
	// MaxTTL bounds how long an answer is kept; 0 is DefaultMaxTTL.
	MaxTTL time.Duration
	// MaxNegativeTTL bounds how long an absence is kept (RFC 2308 §5); 0 is DefaultMaxNegativeTTL.
	MaxNegativeTTL time.Duration
}

// A Resolver answers questions about names. It is safe for concurrent use and keeps answers in memory.
type Resolver struct {
	transport Transport
	options   Options
	cache     *cache
}

// New returns a resolver that asks through t.
func New(t Transport, o Options) *Resolver {
	o.Timeout = or(o.Timeout, DefaultTimeout)
	o.CacheSize = or(o.CacheSize, DefaultCacheSize)
	o.MaxTTL = or(o.MaxTTL, DefaultMaxTTL)
	o.MaxNegativeTTL = or(o.MaxNegativeTTL, DefaultMaxNegativeTTL)
	return &Resolver{transport: t, options: o, cache: newCache(o.CacheSize)}
}

func or[T ~int | ~int64](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// answer is what is known about one question.
type answer struct {
	owner  string // the name at the end of the aliases, escaped, with a final dot
	rrs    []dns.RR
	absent dnsquery.Absence // "" when there are records
	secure bool
	ttl    time.Duration
}

// answer answers a question from the cache or the server. A secure answer may come with an error that IsNotFound.
func (r *Resolver) answer(ctx context.Context, name string, qtype uint16) (answer, error) {
	if err := ctx.Err(); err != nil {
		return answer{}, temporary(name, err)
	}
	qname := dnsquery.Canonical(name)
	if _, ok := dns.IsDomainName(qname); !ok {
		return answer{}, &net.DNSError{Err: "not a domain name", Name: name, IsNotFound: true}
	}
	key := cacheKey{qname, qtype}
	a, ok := r.cache.get(key)
	if !ok {
		ctx, cancel := context.WithTimeout(ctx, r.options.Timeout)
		defer cancel()
		var err error
		if a, err = r.fetch(ctx, qname, qtype); err != nil {
			return answer{}, temporary(name, err)
		}
		r.cache.put(key, a)
	}
	if a.absent != "" {
		return a, dnsquery.NotFound(name, a.absent)
	}
	return a, nil
}

// temporary wraps what kept a question from being answered.
func temporary(name string, err error) error {
	timeout := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	if netErr, ok := errors.AsType[net.Error](err); ok && netErr.Timeout() {
		timeout = true
	}
	return &net.DNSError{Err: err.Error(), Name: name, IsTemporary: true, IsTimeout: timeout, UnwrapErr: err}
}

// fetch asks the server, again for the target where an answer ends in an alias that the server did not follow.
func (r *Resolver) fetch(ctx context.Context, name string, qtype uint16) (answer, error) {
	a := answer{owner: name, secure: true, ttl: r.options.MaxTTL}
	seen := []string{name}
	for {
		m, err := r.exchange(ctx, a.owner, qtype)
		if err != nil {
			return answer{}, err
		}
		a.secure = a.secure && r.options.TrustAD && m.AuthenticatedData
		before := len(seen)
		for {
			target, ttl, ok := alias(m.Answer, a.owner, qtype)
			if !ok {
				break
			}
			if slices.Contains(seen, target) || len(seen) > maxChain {
				return answer{}, fmt.Errorf("aliases of %s run in a circle or are more than %d", name, maxChain)
			}
			seen = append(seen, target)
			a.owner, a.ttl = target, min(a.ttl, ttl)
		}
		for _, rr := range m.Answer {
			h := rr.Header()
			if h.Rrtype == qtype && h.Class == dns.ClassINET && dns.CanonicalName(h.Name) == a.owner {
				a.rrs = append(a.rrs, rr)
				a.ttl = min(a.ttl, time.Duration(h.Ttl)*time.Second)
			}
		}
		switch {
		case len(a.rrs) > 0:
			return a, nil
		case m.Rcode == dns.RcodeNameError:
			a.absent = dnsquery.NXDomain
		case len(seen) > before && !m.RecursionAvailable:
			continue // the server knows the alias only
		default:
			a.absent = dnsquery.NoData
		}
		a.ttl = min(a.ttl, r.negativeTTL(m))
		return a, nil
	}
}

// alias returns the target of a CNAME record of name.
func alias(rrs []dns.RR, name string, qtype uint16) (target string, ttl time.Duration, ok bool) {
	if qtype == dns.TypeCNAME {
		return "", 0, false
	}
	for _, rr := range rrs {
		if c, ok := rr.(*dns.CNAME); ok && dns.CanonicalName(c.Hdr.Name) == name {
			return dns.CanonicalName(c.Target), time.Duration(c.Hdr.Ttl) * time.Second, true
		}
	}
	return "", 0, false
}

// negativeTTL returns how long an absence may be kept: RFC 2308 §5, not at all without a SOA record.
func (r *Resolver) negativeTTL(m *dns.Msg) time.Duration {
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return min(time.Duration(min(soa.Minttl, soa.Hdr.Ttl))*time.Second, r.options.MaxNegativeTTL)
		}
	}
	return 0
}

// exchange asks one question once and returns a message that answers it.
func (r *Resolver) exchange(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
	q := new(dns.Msg)
	q.SetQuestion(name, qtype)
	q.Id = randomID()
	q.AuthenticatedData = r.options.TrustAD
	q.SetEdns0(udpSize, false)
	packet, err := q.Pack()
	if err != nil {
		return nil, fmt.Errorf("question: %w", err)
	}
	reply, err := r.transport.Exchange(ctx, packet)
	if err != nil {
		return nil, err
	}
	m := new(dns.Msg)
	if err := m.Unpack(reply); err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	if !answers(m, q) {
		return nil, errors.New("answer to another question")
	}
	switch m.Rcode {
	case dns.RcodeSuccess, dns.RcodeNameError:
		if m.Truncated {
			return nil, errors.New("answer is truncated")
		}
		return m, nil
	}
	return nil, fmt.Errorf("server says %s", dns.RcodeToString[m.Rcode])
}

// answers reports whether m is a response to q: RFC 5452 §9.1.
func answers(m, q *dns.Msg) bool {
	return m.Response && m.Id == q.Id && len(m.Question) == 1 &&
		m.Question[0].Qtype == q.Question[0].Qtype && m.Question[0].Qclass == q.Question[0].Qclass &&
		dns.CanonicalName(m.Question[0].Name) == dns.CanonicalName(q.Question[0].Name)
}

func randomID() uint16 {
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand
	return binary.BigEndian.Uint16(b[:])
}
