package dnstest

import (
	"context"
	"net"
	"net/netip"

	"github.com/mailbricks/mailbricks/internal/dnsquery"
	"github.com/miekg/dns"
)

// ask is the [dnsquery.Ask] of the zone. Its errors are *net.DNSError, IsNotFound for NXDOMAIN, IsTemporary for what is
// no absence. secure also holds for a proven absence.
func (z *Zone) ask(ctx context.Context, name string, qtype uint16) (rrs []dns.RR, secure bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, &net.DNSError{Err: "the caller gave up", Name: name, IsTimeout: true, IsTemporary: true, UnwrapErr: err}
	}
	qname := dnsquery.Canonical(name)
	if _, ok := dns.IsDomainName(qname); !ok {
		return nil, false, &net.DNSError{Err: "not a domain name", Name: name, IsNotFound: true}
	}
	r := z.resolve(qname, qtype)
	switch {
	case r.failure == Timeout:
		return nil, false, &net.DNSError{Err: "no answer", Name: name, IsTimeout: true, IsTemporary: true}
	case r.rcode == dns.RcodeNameError:
		return nil, r.secure, dnsquery.NotFound(name, dnsquery.NXDomain)
	case r.rcode != dns.RcodeSuccess:
		return nil, false, &net.DNSError{Err: "server says " + dns.RcodeToString[r.rcode], Name: name, IsTemporary: true}
	}
	return r.answer, r.secure, nil
}

// LookupTXT returns the TXT records of name, the strings of each joined.
func (z *Zone) LookupTXT(ctx context.Context, name string) ([]string, error) {
	txt, _, err := dnsquery.Ask(z.ask).TXT(ctx, name)
	return txt, err
}

// LookupTXTSecure is [Zone.LookupTXT] with the DNSSEC state.
func (z *Zone) LookupTXTSecure(ctx context.Context, name string) (txt []string, secure bool, err error) {
	return dnsquery.Ask(z.ask).TXT(ctx, name)
}

// LookupMX returns the MX records of name by preference; host names end with a dot, the null MX is ".".
func (z *Zone) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	mx, _, err := dnsquery.Ask(z.ask).MX(ctx, name)
	return mx, err
}

// LookupMXSecure is [Zone.LookupMX] with the DNSSEC state.
func (z *Zone) LookupMXSecure(ctx context.Context, name string) (mx []*net.MX, secure bool, err error) {
	return dnsquery.Ask(z.ask).MX(ctx, name)
}

// LookupNetIP returns the addresses of host; network is "ip", "ip4" or "ip6".
func (z *Zone) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	addrs, _, err := dnsquery.Ask(z.ask).NetIP(ctx, network, host)
	return addrs, err
}

// LookupNetIPSecure is [Zone.LookupNetIP] with the DNSSEC state.
func (z *Zone) LookupNetIPSecure(ctx context.Context, network, host string) (addrs []netip.Addr, secure bool, err error) {
	return dnsquery.Ask(z.ask).NetIP(ctx, network, host)
}

// LookupIPAddr returns the addresses of host.
func (z *Zone) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	return dnsquery.Ask(z.ask).IPAddr(ctx, host)
}

// LookupHost returns the addresses of host as text.
func (z *Zone) LookupHost(ctx context.Context, host string) ([]string, error) {
	return dnsquery.Ask(z.ask).Host(ctx, host)
}

// LookupAddr returns the names that the reverse records of an address give, each with a final dot.
func (z *Zone) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	names, _, err := dnsquery.Ask(z.ask).Addr(ctx, addr)
	return names, err
}

// LookupAddrSecure is [Zone.LookupAddr] with the DNSSEC state.
func (z *Zone) LookupAddrSecure(ctx context.Context, addr string) (names []string, secure bool, err error) {
	return dnsquery.Ask(z.ask).Addr(ctx, addr)
}

// LookupCNAME returns the name at the end of the aliases of host, with a final dot, provided that it has an address.
func (z *Zone) LookupCNAME(ctx context.Context, host string) (string, error) {
	name, _, err := z.LookupCNAMESecure(ctx, host)
	return name, err
}

// LookupCNAMESecure is [Zone.LookupCNAME] with the DNSSEC state of the whole chain.
func (z *Zone) LookupCNAMESecure(ctx context.Context, host string) (name string, secure bool, err error) {
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		var chain []dns.RR
		chain, secure, err = z.ask(ctx, host, qtype)
		if err != nil {
			continue
		}
		if len(chain) > 0 {
			if last := chain[len(chain)-1].Header(); last.Rrtype == qtype {
				return last.Name, secure, nil
			}
		}
		err = dnsquery.NotFound(host, dnsquery.NoData)
	}
	return "", secure, err
}

// LookupNS returns the name servers of name.
func (z *Zone) LookupNS(ctx context.Context, name string) ([]*net.NS, error) {
	return dnsquery.Ask(z.ask).NS(ctx, name)
}

// LookupSRV returns the SRV records of _service._proto.name by priority and weight, without the random choice that
// net.Resolver makes, and the name asked.
func (z *Zone) LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error) {
	return dnsquery.Ask(z.ask).SRV(ctx, service, proto, name)
}

// LookupTLSASecure returns the TLSA records of name as RDATA (RFC 6698 §2.1: usage, selector, matching type, then the
// association data), with the DNSSEC state.
func (z *Zone) LookupTLSASecure(ctx context.Context, name string) (rdata [][]byte, secure bool, err error) {
	return dnsquery.Ask(z.ask).TLSA(ctx, name)
}
