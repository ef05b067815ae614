package cli

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/auth/resolver"
)

// A Resolver is what the checks of mail and its routing ask of DNS, with and without the DNSSEC state.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupAddr(ctx context.Context, addr string) ([]string, error)
	LookupTXTSecure(ctx context.Context, name string) ([]string, bool, error)
	LookupMXSecure(ctx context.Context, name string) ([]*net.MX, bool, error)
	LookupNetIPSecure(ctx context.Context, network, host string) ([]netip.Addr, bool, error)
	LookupAddrSecure(ctx context.Context, addr string) ([]string, bool, error)
	LookupTLSASecure(ctx context.Context, name string) ([][]byte, bool, error)
}

// OpenResolver opens what -resolver says: HOST:PORT is a DNS server, zone:FILE an RFC 1035 master file whose names are
// all there are, "" the servers of this system. A server on this machine is believed what it says it has validated
// (RFC 6840 §5.8).
func OpenResolver(spec string) (Resolver, error) {
	if file, ok := strings.CutPrefix(spec, "zone:"); ok {
		z, err := dnstest.ParseFile(file)
		if err != nil {
			return nil, Usagef("-resolver %s: %w", spec, err)
		}
		return z, nil
	}
	if spec != "" {
		host, port, err := net.SplitHostPort(spec)
		if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
			return nil, Usagef("-resolver %q is neither HOST:PORT nor zone:FILE", spec)
		}
		ip, err := netip.ParseAddr(host)
		return resolver.New(&resolver.Servers{Addrs: []string{spec}}, resolver.Options{TrustAD: err == nil && ip.IsLoopback()}), nil
	}
	servers, err := resolver.System()
	if err != nil {
		return nil, Usagef("no DNS resolver is known (%w): give -resolver HOST:PORT or zone:FILE", err)
	}
	return resolver.New(servers, resolver.Options{}), nil
}
