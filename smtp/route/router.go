package route

import (
	"context"
	"log/slog"
	"net"
	"net/netip"

	"github.com/mailbricks/mailbricks/mtasts"
	"github.com/mailbricks/mailbricks/mtasts/dane"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

// Resolver is what a Router asks of the DNS. *net.Resolver is one. Names are asked for with a final dot.
type Resolver interface {
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// SecureResolver tells whether an MX set is signed. *resolver.Resolver of package auth/resolver is one.
type SecureResolver interface {
	LookupMXSecure(ctx context.Context, name string) (mx []*net.MX, secure bool, err error)
}

// Defaults of Router.
const (
	DefaultPort     = 25
	DefaultMaxHosts = 5
	DefaultMaxAddrs = 8
)

// A Router sends each message to the host of its recipients' domain. The zero Router works, and is anonymous; Client's
// Hostname should be set. Its methods may be called by several goroutines at once; the fields must not change once one
// has been called.
type Router struct {
	// Resolver answers questions about MX and addresses; nil is net.DefaultResolver.
	Resolver Resolver
	// Secure, if not nil, is asked for MX in the place of Resolver, so that REQUIRETLS may rely on DNSSEC.
	Secure SecureResolver
	// Client says how to speak to hosts. ServerName is set by the Router; Dial, if not nil, is
	// given IP addresses, special ones too. Credentials are for smarthosts and should be absent.
	Client smtpclient.Config
	// Port is that of all hosts; 0 is DefaultPort.
	Port int
	// Self are further names of this host beside Client.Hostname: where one is among the MX of a domain, hosts of its
	// preference and worse ones are not tried, since they would send the mail back (RFC 5321 §5.1).
	Self []string
	// Allow lists the special addresses that may be dialed: 10.0.0.0/8 in a company, 127.0.0.0/8 in a test.
	Allow []netip.Prefix
	// Redirect, if not nil, says where to connect instead of a "host:port"; "" is no other place. The host is then not
	// looked up, and certificates are checked for its own name as ever.
	Redirect func(hostport string) string
	// STS finds MTA-STS policies; nil: they are not asked for.
	STS *mtasts.Fetcher
	// DANE finds the TLSA records of hosts; *resolver.Resolver of package auth/resolver is one. nil: they are not asked
	// for. A host that has some gets mail over TLS with a certificate that they name, or none.
	DANE dane.Resolver
	// Report, if not nil, is told what became of each attempt under an MTA-STS policy or TLSA records, good or bad.
	Report func(context.Context, Report)
	// MaxHosts is how many hosts are tried for one message, MaxAddrs how many addresses of each; 0 are the defaults.
	MaxHosts, MaxAddrs int
	// MaxSize is the longest message to several domains at once, which is kept meanwhile, in octets; 0 is 100 MiB.
	MaxSize int64
	// Pool keeps idle connections; nil is one of the Router's own. A shared one is closed by its owner.
	Pool *smtpclient.Pool
	// Logger is told of hosts that did not take mail; nil is silent.
	Logger *slog.Logger

	own smtpclient.Pool
}

// A Report is what became of one connection, or of the attempt at one, under an MTA-STS policy or TLSA records. Where
// there are both, each has its own.
type Report struct {
	Domain string
	Host   string // "" where the policy itself could not be had
	Policy mtasts.Policy
	DANE   *dane.Policy // not nil: what is reported of are these records, and not Policy
	Err    error        // nil: host and TLS are as the policy or the records ask for
}

// Close ends the idle connections of the Router's own Pool.
func (r *Router) Close() error { return r.own.Close() }

func (r *Router) pool() *smtpclient.Pool {
	if r.Pool != nil {
		return r.Pool
	}
	return &r.own
}

func (r *Router) log() *slog.Logger {
	if r.Logger != nil {
		return r.Logger
	}
	return slog.New(slog.DiscardHandler)
}

func (r *Router) resolver() Resolver {
	if r.Resolver != nil {
		return r.Resolver
	}
	return net.DefaultResolver
}

func def(v, d int) int {
	if v <= 0 {
		return d
	}
	return v
}
