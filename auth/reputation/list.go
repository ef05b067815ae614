package reputation

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/internal/address"
)

// Resolver is what the checks ask of DNS; *net.Resolver is one. Errors are *net.DNSError: IsNotFound where there are no
// such records.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupAddr(ctx context.Context, addr string) ([]string, error)
}

// Kind says what a list lists.
type Kind uint8

// Kinds, which may be joined by |.
const (
	IPv4 Kind = 1 << iota
	IPv6
	Domains
)

// Limits of what a list answers.
const (
	MaxCodes  = 32
	MaxReason = 500 // octets
)

// Why a list is not believed. They are found with errors.Is, beside DNS's own errors, which are temporary.
var (
	ErrAnswer    = errors.New("reputation: answer that no list gives")
	ErrRefused   = errors.New("reputation: list will not answer")
	ErrTestPoint = errors.New("reputation: list fails its test points")
	ErrKind      = errors.New("reputation: list has no entries of this kind")
)

// A List is one in DNS (RFC 5782).
type List struct {
	Zone string // "bl.example"
	Kind Kind   // 0: IPv4
	// Good says that who is listed is well thought of (a DNSWL).
	Good bool
	// Accept says which answers count; nil: all of 127.0.0.0/8 but 127.255.255.0/24, with which lists refuse to answer.
	Accept func(code netip.Addr) bool
}

// A Listing is what a list says about one address or domain.
type Listing struct {
	Zone   string
	Good   bool         // of the list
	Listed bool         // false with an error: nothing is known
	Codes  []netip.Addr // the answers that count, "127.0.0.2": what they mean is the list's own affair
	Reason string       // text of the list, for people; it may hold anything
	Err    error
}

// Code reports whether one of the answers has a bit of a mask in its last octet (RFC 5782 §2.3), for lists that join
// several.
func (l Listing) Code(mask byte) bool {
	return slices.ContainsFunc(l.Codes, func(a netip.Addr) bool { return a.As4()[3]&mask != 0 })
}

func (l List) kind() Kind {
	if l.Kind == 0 {
		return IPv4
	}
	return l.Kind
}

// IP asks about an address. The error is in the Listing: ErrKind for an address of the other kind.
func (l List) IP(ctx context.Context, r Resolver, ip netip.Addr) Listing {
	ip = ip.Unmap()
	if !ip.IsValid() || ip.Is4() && l.kind()&IPv4 == 0 || ip.Is6() && l.kind()&IPv6 == 0 {
		return Listing{Zone: l.Zone, Good: l.Good, Err: ErrKind}
	}
	return l.ask(ctx, r, reverse(ip))
}

// Domain asks about a domain.
func (l List) Domain(ctx context.Context, r Resolver, domain string) Listing {
	ascii, err := address.ToASCII(strings.TrimSuffix(domain, "."))
	switch {
	case l.kind()&Domains == 0:
		err = ErrKind
	case err == nil && len(ascii)+1+len(l.Zone) > 253:
		err = fmt.Errorf("%w: the name to ask is too long", ErrKind)
	}
	if err != nil {
		return Listing{Zone: l.Zone, Good: l.Good, Err: err}
	}
	return l.ask(ctx, r, ascii)
}

// reverse returns an address as lists have it (RFC 5782 §2.1, §2.4).
func reverse(ip netip.Addr) string {
	var b strings.Builder
	if ip.Is4() {
		a := ip.As4()
		fmt.Fprintf(&b, "%d.%d.%d.%d", a[3], a[2], a[1], a[0])
		return b.String()
	}
	a := ip.As16()
	for i := len(a) - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "%x.%x", a[i]&15, a[i]>>4)
		if i > 0 {
			b.WriteByte('.')
		}
	}
	return b.String()
}

func (l List) ask(ctx context.Context, r Resolver, entry string) Listing {
	out := Listing{Zone: l.Zone, Good: l.Good}
	name := entry + "." + strings.TrimSuffix(l.Zone, ".") + "."
	codes, err := r.LookupNetIP(ctx, "ip4", name)
	switch {
	case notFound(err):
		return out
	case err != nil:
		out.Err = fmt.Errorf("reputation: %s: %w", name, err)
		return out
	}
	loopback, refusal := netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("127.255.255.0/24")
	for _, c := range codes[:min(len(codes), MaxCodes)] {
		switch c = c.Unmap(); {
		case !loopback.Contains(c):
			out.Err = fmt.Errorf("%w: %s: %s", ErrAnswer, name, c)
		case l.Accept != nil && l.Accept(c), l.Accept == nil && !refusal.Contains(c):
			out.Codes = append(out.Codes, c)
		case l.Accept == nil:
			out.Err = fmt.Errorf("%w: %s: %s", ErrRefused, name, c)
		}
	}
	if out.Err != nil {
		out.Codes = nil
		return out
	}
	if out.Listed = len(out.Codes) > 0; !out.Listed {
		return out
	}
	if txt, err := r.LookupTXT(ctx, name); err == nil && len(txt) > 0 { // without a reason it is listed all the same
		out.Reason = printable(txt[0])
	}
	return out
}

// printable returns what a stranger wrote in one line, cut.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s[:min(len(s), MaxReason)])
	return strings.ToValidUTF8(s, "")
}

func notFound(err error) bool {
	d, ok := errors.AsType[*net.DNSError](err)
	return ok && d.IsNotFound
}

// Test asks the test points of a list (RFC 5782 §5): of each kind, one entry that must be there and one that must not. An
// error that wraps ErrTestPoint says that the list is dead or answers everything; others are those of DNS.
func (l List) Test(ctx context.Context, r Resolver) error {
	for _, p := range []struct {
		kind   Kind
		entry  string
		listed bool
	}{
		{IPv4, "1.0.0.127", false}, {IPv4, "2.0.0.127", true},
		{IPv6, reverse(netip.MustParseAddr("::ffff:127.0.0.1")), false}, {IPv6, reverse(netip.MustParseAddr("::ffff:127.0.0.2")), true},
		{Domains, "invalid", false}, {Domains, "test", true},
	} {
		if l.kind()&p.kind == 0 {
			continue
		}
		test := l
		test.Accept = nil // what counts of real entries says nothing about these
		got := test.ask(ctx, r, p.entry)
		switch {
		case errors.Is(got.Err, ErrAnswer) || errors.Is(got.Err, ErrRefused):
			return fmt.Errorf("%w: %s: %w", ErrTestPoint, l.Zone, got.Err)
		case got.Err != nil:
			return got.Err
		case got.Listed != p.listed:
			return fmt.Errorf("%w: %s.%s is listed: %v", ErrTestPoint, p.entry, l.Zone, got.Listed)
		}
	}
	return nil
}
