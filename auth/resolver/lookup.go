package resolver

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

// lookup asks for records of one type and converts them.
func lookup[R dns.RR, T any](ctx context.Context, r *Resolver, name string, qtype uint16, convert func(R) T) (out []T, secure bool, err error) {
	a, err := r.ask(ctx, name, qtype)
	for _, rr := range a.rrs {
		if rr, ok := rr.(R); ok {
			out = append(out, convert(rr))
		}
	}
	return out, a.secure, err
}

// LookupTXT returns the TXT records of name, the strings of each joined.
func (r *Resolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	txt, _, err := r.LookupTXTSecure(ctx, name)
	return txt, err
}

// LookupTXTSecure is [Resolver.LookupTXT] with the DNSSEC state.
func (r *Resolver) LookupTXTSecure(ctx context.Context, name string) (txt []string, secure bool, err error) {
	return lookup(ctx, r, name, dns.TypeTXT, func(rr *dns.TXT) string {
		var b strings.Builder
		for _, s := range rr.Txt {
			b.WriteString(unescapeText(s))
		}
		return b.String()
	})
}

// LookupMX returns the MX records of name by preference; host names end with a dot, the null MX is ".".
func (r *Resolver) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	mx, _, err := r.LookupMXSecure(ctx, name)
	return mx, err
}

// LookupMXSecure is [Resolver.LookupMX] with the DNSSEC state.
func (r *Resolver) LookupMXSecure(ctx context.Context, name string) (mx []*net.MX, secure bool, err error) {
	mx, secure, err = lookup(ctx, r, name, dns.TypeMX, func(rr *dns.MX) *net.MX {
		return &net.MX{Host: rr.Mx, Pref: rr.Preference}
	})
	slices.SortStableFunc(mx, func(a, b *net.MX) int { return cmp.Compare(a.Pref, b.Pref) })
	return mx, secure, err
}

// LookupNetIP returns the addresses of host; network is "ip", "ip4" or "ip6".
func (r *Resolver) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	addrs, _, err := r.LookupNetIPSecure(ctx, network, host)
	return addrs, err
}

// LookupNetIPSecure is [Resolver.LookupNetIP] with the DNSSEC state.
func (r *Resolver) LookupNetIPSecure(ctx context.Context, network, host string) (addrs []netip.Addr, secure bool, err error) {
	if network != "ip" && network != "ip4" && network != "ip6" {
		return nil, false, &net.DNSError{Err: "unknown network " + network, Name: host}
	}
	v4, secure4, err4 := []netip.Addr(nil), true, error(nil)
	if network != "ip6" {
		v4, secure4, err4 = lookup(ctx, r, host, dns.TypeA, func(rr *dns.A) netip.Addr {
			a, _ := netip.AddrFromSlice(rr.A.To4())
			return a
		})
	}
	if network == "ip4" {
		return v4, secure4, err4
	}
	v6, secure6, err6 := lookup(ctx, r, host, dns.TypeAAAA, func(rr *dns.AAAA) netip.Addr {
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

// LookupIPAddr returns the addresses of host.
func (r *Resolver) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	addrs, err := r.LookupNetIP(ctx, "ip", host)
	out := make([]net.IPAddr, len(addrs))
	for i, a := range addrs {
		out[i] = net.IPAddr{IP: a.AsSlice()}
	}
	return out, err
}

// LookupHost returns the addresses of host as text.
func (r *Resolver) LookupHost(ctx context.Context, host string) ([]string, error) {
	addrs, err := r.LookupNetIP(ctx, "ip", host)
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = a.String()
	}
	return out, err
}

// LookupAddr returns the names that the reverse records of an address give, each with a final dot.
func (r *Resolver) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	names, _, err := r.LookupAddrSecure(ctx, addr)
	return names, err
}

// LookupAddrSecure is [Resolver.LookupAddr] with the DNSSEC state.
func (r *Resolver) LookupAddrSecure(ctx context.Context, addr string) (names []string, secure bool, err error) {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return nil, false, &net.DNSError{Err: "not an address", Name: addr, UnwrapErr: err}
	}
	name, err := dns.ReverseAddr(ip.Unmap().WithZone("").String())
	if err != nil {
		return nil, false, &net.DNSError{Err: "not an address", Name: addr, UnwrapErr: err}
	}
	return lookup(ctx, r, name, dns.TypePTR, func(rr *dns.PTR) string { return rr.Ptr })
}

// LookupCNAME returns the name at the end of the aliases of host, with a final dot, provided that it has an address.
func (r *Resolver) LookupCNAME(ctx context.Context, host string) (string, error) {
	name, _, err := r.LookupCNAMESecure(ctx, host)
	return name, err
}

// LookupCNAMESecure is [Resolver.LookupCNAME] with the DNSSEC state of the whole chain.
func (r *Resolver) LookupCNAMESecure(ctx context.Context, host string) (name string, secure bool, err error) {
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		var a answer
		if a, err = r.ask(ctx, host, qtype); err == nil {
			return a.owner, a.secure, nil
		}
		secure = a.secure
	}
	return "", secure, err
}

// LookupNS returns the name servers of name.
func (r *Resolver) LookupNS(ctx context.Context, name string) ([]*net.NS, error) {
	ns, _, err := lookup(ctx, r, name, dns.TypeNS, func(rr *dns.NS) *net.NS { return &net.NS{Host: rr.Ns} })
	return ns, err
}

// LookupSRV returns the SRV records of _service._proto.name by priority and weight, without the random choice that
// net.Resolver makes, and the name asked.
func (r *Resolver) LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error) {
	target := name
	if service != "" || proto != "" {
		target = "_" + service + "._" + proto + "." + name
	}
	srv, _, err := lookup(ctx, r, target, dns.TypeSRV, func(rr *dns.SRV) *net.SRV {
		return &net.SRV{Target: rr.Target, Port: rr.Port, Priority: rr.Priority, Weight: rr.Weight}
	})
	slices.SortStableFunc(srv, func(a, b *net.SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(b.Weight, a.Weight))
	})
	return dns.Fqdn(target), srv, err
}

// LookupTLSASecure returns the TLSA records of name as RDATA (RFC 6698 §2.1: usage, selector, matching type, then the
// association data), with the DNSSEC state.
func (r *Resolver) LookupTLSASecure(ctx context.Context, name string) (rdata [][]byte, secure bool, err error) {
	return lookup(ctx, r, name, dns.TypeTLSA, func(rr *dns.TLSA) []byte {
		data, _ := hex.DecodeString(rr.Certificate) // made from octets by the packet parser
		return append([]byte{rr.Usage, rr.Selector, rr.MatchingType}, data...)
	})
}
