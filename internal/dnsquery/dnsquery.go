// Package dnsquery turns the answers to DNS questions into what the methods of net.Resolver return: one set of
// conversions for every resolver of the project. A resolver gives it one function, its Ask.
package dnsquery

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Ask returns the records that answer one question; name is as the caller wrote it. Its errors are *net.DNSError, made
// by NotFound for an absence, for which secure holds when it is proven. Records of other types are passed over.
type Ask func(ctx context.Context, name string, qtype uint16) (rrs []dns.RR, secure bool, err error)

// Absence says why nothing was found. Who needs to know finds interface{ NXDomain() bool } with errors.As.
type Absence string

// The two ways of not being there.
const (
	NXDomain Absence = "no such name (NXDOMAIN)"
	NoData   Absence = "no record of this type (NODATA)"
)

func (a Absence) Error() string { return string(a) }

// NXDomain tells a name that does not exist from one without a record of the type.
func (a Absence) NXDomain() bool { return a == NXDomain }

// NotFound is the error of an absence.
func NotFound(name string, why Absence) *net.DNSError {
	return &net.DNSError{Err: why.Error(), Name: name, IsNotFound: true, UnwrapErr: why}
}

// records asks for records of one type and converts them. None at all is an absence.
func records[R dns.RR, T any](ctx context.Context, ask Ask, name string, qtype uint16, convert func(R) T) (out []T, secure bool, err error) {
	rrs, secure, err := ask(ctx, name, qtype)
	if err != nil {
		return nil, secure, err
	}
	for _, rr := range rrs {
		if rr, ok := rr.(R); ok {
			out = append(out, convert(rr))
		}
	}
	if len(out) == 0 {
		return nil, secure, NotFound(name, NoData)
	}
	return out, secure, nil
}

// TXT returns the TXT records of name, the strings of each joined.
func (ask Ask) TXT(ctx context.Context, name string) (txt []string, secure bool, err error) {
	return records(ctx, ask, name, dns.TypeTXT, func(rr *dns.TXT) string {
		var b strings.Builder
		for _, s := range rr.Txt {
			b.WriteString(unescape(s))
		}
		return b.String()
	})
}

// MX returns the MX records of name by preference; host names end with a dot, the null MX is ".".
func (ask Ask) MX(ctx context.Context, name string) (mx []*net.MX, secure bool, err error) {
	mx, secure, err = records(ctx, ask, name, dns.TypeMX, func(rr *dns.MX) *net.MX {
		return &net.MX{Host: rr.Mx, Pref: rr.Preference}
	})
	slices.SortStableFunc(mx, func(a, b *net.MX) int { return cmp.Compare(a.Pref, b.Pref) })
	return mx, secure, err
}

// NetIP returns the addresses of host; network is "ip", "ip4" or "ip6".
func (ask Ask) NetIP(ctx context.Context, network, host string) (addrs []netip.Addr, secure bool, err error) {
	if network != "ip" && network != "ip4" && network != "ip6" {
		return nil, false, &net.DNSError{Err: "unknown network " + network, Name: host}
	}
	v4, secure4, err4 := []netip.Addr(nil), true, error(nil)
	if network != "ip6" {
		v4, secure4, err4 = records(ctx, ask, host, dns.TypeA, func(rr *dns.A) netip.Addr {
			a, _ := netip.AddrFromSlice(rr.A.To4())
			return a
		})
	}
	if network == "ip4" {
		return v4, secure4, err4
	}
	v6, secure6, err6 := records(ctx, ask, host, dns.TypeAAAA, func(rr *dns.AAAA) netip.Addr {
		a, _ := netip.AddrFromSlice(rr.AAAA.To16())
		return a
	})
	if addrs = append(v4, v6...); len(addrs) > 0 {
		return addrs, secure4 && secure6, nil
	}
	if dnsErr, ok := errors.AsType[*net.DNSError](err4); ok && !dnsErr.IsNotFound {
		return nil, false, err4 // not known to be absent
	}
	return nil, secure4 && secure6, err6
}

// IPAddr returns the addresses of host.
func (ask Ask) IPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	addrs, _, err := ask.NetIP(ctx, "ip", host)
	out := make([]net.IPAddr, len(addrs))
	for i, a := range addrs {
		out[i] = net.IPAddr{IP: a.AsSlice()}
	}
	return out, err
}

// Host returns the addresses of host as text.
func (ask Ask) Host(ctx context.Context, host string) ([]string, error) {
	addrs, _, err := ask.NetIP(ctx, "ip", host)
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = a.String()
	}
	return out, err
}

// Addr returns the names that the reverse records of an address give, each with a final dot.
func (ask Ask) Addr(ctx context.Context, addr string) (names []string, secure bool, err error) {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return nil, false, &net.DNSError{Err: "not an address", Name: addr, UnwrapErr: err}
	}
	name, err := dns.ReverseAddr(ip.Unmap().WithZone("").String())
	if err != nil {
		return nil, false, &net.DNSError{Err: "not an address", Name: addr, UnwrapErr: err}
	}
	return records(ctx, ask, name, dns.TypePTR, func(rr *dns.PTR) string { return rr.Ptr })
}

// NS returns the name servers of name.
func (ask Ask) NS(ctx context.Context, name string) ([]*net.NS, error) {
	ns, _, err := records(ctx, ask, name, dns.TypeNS, func(rr *dns.NS) *net.NS { return &net.NS{Host: rr.Ns} })
	return ns, err
}

// SRV returns the SRV records of _service._proto.name by priority and weight, without the random choice that
// net.Resolver makes, and the name asked.
func (ask Ask) SRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error) {
	target := name
	if service != "" || proto != "" {
		target = "_" + service + "._" + proto + "." + name
	}
	srv, _, err := records(ctx, ask, target, dns.TypeSRV, func(rr *dns.SRV) *net.SRV {
		return &net.SRV{Target: rr.Target, Port: rr.Port, Priority: rr.Priority, Weight: rr.Weight}
	})
	slices.SortStableFunc(srv, func(a, b *net.SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(b.Weight, a.Weight))
	})
	return dns.Fqdn(target), srv, err
}

// TLSA returns the TLSA records of name as RDATA: RFC 6698 §2.1.
func (ask Ask) TLSA(ctx context.Context, name string) (rdata [][]byte, secure bool, err error) {
	return records(ctx, ask, name, dns.TypeTLSA, func(rr *dns.TLSA) []byte {
		data, _ := hex.DecodeString(rr.Certificate) // made by a parser, which lets only hexadecimal through
		return append([]byte{rr.Usage, rr.Selector, rr.MatchingType}, data...)
	})
}
