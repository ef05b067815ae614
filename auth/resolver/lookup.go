package resolver

import (
	"context"
	"net"
	"net/netip"

	"github.com/mailbricks/mailbricks/internal/dnsquery"
	"github.com/miekg/dns"
)

// ask is the [dnsquery.Ask] of the resolver.
func (r *Resolver) ask(ctx context.Context, name string, qtype uint16) (rrs []dns.RR, secure bool, err error) {
	a, err := r.answer(ctx, name, qtype)
	return a.rrs, a.secure, err
}

// LookupTXT returns the TXT records of name, the strings of each joined.
func (r *Resolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	txt, _, err := dnsquery.Ask(r.ask).TXT(ctx, name)
	return txt, err
}

// LookupTXTSecure is [Resolver.LookupTXT] with the DNSSEC state.
func (r *Resolver) LookupTXTSecure(ctx context.Context, name string) (txt []string, secure bool, err error) {
	return dnsquery.Ask(r.ask).TXT(ctx, name)
}

// LookupMX returns the MX records of name by preference; host names end with a dot, the null MX is ".".
func (r *Resolver) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	mx, _, err := dnsquery.Ask(r.ask).MX(ctx, name)
	return mx, err
}

// LookupMXSecure is [Resolver.LookupMX] with the DNSSEC state.
func (r *Resolver) LookupMXSecure(ctx context.Context, name string) (mx []*net.MX, secure bool, err error) {
	return dnsquery.Ask(r.ask).MX(ctx, name)
}

// LookupNetIP returns the addresses of host; network is "ip", "ip4" or "ip6".
func (r *Resolver) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	addrs, _, err := dnsquery.Ask(r.ask).NetIP(ctx, network, host)
	return addrs, err
}

// LookupNetIPSecure is [Resolver.LookupNetIP] with the DNSSEC state.
func (r *Resolver) LookupNetIPSecure(ctx context.Context, network, host string) (addrs []netip.Addr, secure bool, err error) {
	return dnsquery.Ask(r.ask).NetIP(ctx, network, host)
}

// LookupIPAddr returns the addresses of host.
func (r *Resolver) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	return dnsquery.Ask(r.ask).IPAddr(ctx, host)
}

// LookupHost returns the addresses of host as text.
func (r *Resolver) LookupHost(ctx context.Context, host string) ([]string, error) {
	return dnsquery.Ask(r.ask).Host(ctx, host)
}

// LookupAddr returns the names that the reverse records of an address give, each with a final dot.
func (r *Resolver) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	names, _, err := dnsquery.Ask(r.ask).Addr(ctx, addr)
	return names, err
}

// LookupAddrSecure is [Resolver.LookupAddr] with the DNSSEC state.
func (r *Resolver) LookupAddrSecure(ctx context.Context, addr string) (names []string, secure bool, err error) {
	return dnsquery.Ask(r.ask).Addr(ctx, addr)
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
		if a, err = r.answer(ctx, host, qtype); err == nil {
			return a.owner, a.secure, nil
		}
		secure = a.secure
	}
	return "", secure, err
}

// LookupNS returns the name servers of name.
func (r *Resolver) LookupNS(ctx context.Context, name string) ([]*net.NS, error) {
	return dnsquery.Ask(r.ask).NS(ctx, name)
}

// LookupSRV returns the SRV records of _service._proto.name by priority and weight, without the random choice that
// net.Resolver makes, and the name asked.
func (r *Resolver) LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error) {
	return dnsquery.Ask(r.ask).SRV(ctx, service, proto, name)
}

// LookupTLSASecure returns the TLSA records of name as RDATA (RFC 6698 §2.1: usage, selector, matching type, then the
// association data), with the DNSSEC state.
func (r *Resolver) LookupTLSASecure(ctx context.Context, name string) (rdata [][]byte, secure bool, err error) {
	return dnsquery.Ask(r.ask).TLSA(ctx, name)
}
