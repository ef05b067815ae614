package mailrelay

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/mtasts"
	"github.com/mailbricks/mailbricks/mtasts/dane"
	"github.com/mailbricks/mailbricks/smtp/route"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

// Outgoing says how a relay reaches other hosts. Its methods return a Config's Next and Deliver, which the caller closes.
type Outgoing struct {
	// Hostname is the name of this host in EHLO.
	Hostname string
	// Resolver finds MX hosts, addresses and MTA-STS policies.
	Resolver interface {
		route.Resolver
		mtasts.Resolver
	}
	// Secure, if not nil, is asked for MX hosts instead, and tells the DNSSEC state, on which REQUIRETLS may rely. If it is a
	// dane.Resolver too, the TLSA records of hosts decide about their certificates.
	Secure route.SecureResolver
	// Port is that of MX hosts; 0: 25.
	Port int
	// Roots are the authorities that are trusted; nil: those of the system.
	Roots *x509.CertPool
	// Connect sends connections meant for one "host:port" to another.
	Connect map[string]string
	// Allow lists special addresses that MX hosts may have, loopback and private ones.
	Allow []netip.Prefix
	// Trace is told every line of the dialogues with other hosts; nil is nobody.
	Trace func(smtpclient.TraceEvent)
	// Logger is told of hosts that did not take mail; nil is silent.
	Logger *slog.Logger
}

func (o Outgoing) config() smtpclient.Config {
	return smtpclient.Config{Hostname: o.Hostname, TLSConfig: &tls.Config{RootCAs: o.Roots}, Trace: o.Trace, Logger: o.Logger}
}

// redirect returns where to connect instead of a "host:port", or "".
func (o Outgoing) redirect(hostport string) string {
	return o.Connect[strings.ToLower(hostport)]
}

// Router returns a Next that sends to the MX hosts of each domain, under its MTA-STS policy if it has one.
func (o Outgoing) Router() *route.Router {
	records, _ := o.Secure.(dane.Resolver)
	return &route.Router{Resolver: o.Resolver, Secure: o.Secure, DANE: records, Client: o.config(), Port: o.Port, Allow: o.Allow, Redirect: o.redirect,
		STS: &mtasts.Fetcher{Resolver: o.Resolver, Transport: o.transport(), Cache: &mtasts.MemoryCache{}}, Logger: o.Logger}
}

// transport fetches MTA-STS policies.
func (o Outgoing) transport() http.RoundTripper {
	t := mtasts.NewTransport(o.Allow...)
	t.TLSClientConfig = &tls.Config{RootCAs: o.Roots}
	guarded := t.DialContext
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if to := o.redirect(addr); to != "" {
			return new(net.Dialer).DialContext(ctx, network, to)
		}
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		ips, err := o.Resolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return nil, err
		}
		err = &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
		for _, ip := range ips {
			var c net.Conn
			if c, err = guarded(ctx, network, net.JoinHostPort(ip.String(), port)); err == nil {
				return c, nil
			}
		}
		return nil, err
	}
	return t
}

// Smarthost returns a Next that sends everything to one host and port.
func (o Outgoing) Smarthost(addr string) *smtpclient.Client {
	return &smtpclient.Client{Addr: addr, Config: o.redirected(o.config())}
}

// Store returns a Deliver that speaks LMTP to a store. It does not wait long for a store that does not answer, because
// the sender waits too.
func (o Outgoing) Store(addr string) *smtpclient.Client {
	c := o.redirected(o.config())
	c.LMTP = true
	c.Timeouts = smtpclient.Timeouts{Connect: 5 * time.Second, Greeting: 20 * time.Second, Command: time.Minute, Final: 5 * time.Minute}
	return &smtpclient.Client{Addr: addr, Config: c}
}

func (o Outgoing) redirected(c smtpclient.Config) smtpclient.Config {
	c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if to := o.redirect(addr); to != "" {
			addr = to
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	return c
}

// Loopback is what Outgoing.Allow needs for hosts on this machine.
func Loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

var errConnect = errors.New("want HOST:PORT=ADDR:PORT")

// Connects is a repeatable flag of HOST:PORT=ADDR:PORT for Outgoing.Connect.
type Connects map[string]string

// Set adds one.
func (c *Connects) Set(s string) error {
	from, to, ok := strings.Cut(s, "=")
	for _, a := range []string{from, to} {
		if _, _, err := net.SplitHostPort(a); err != nil || !ok {
			return errConnect
		}
	}
	if *c == nil {
		*c = make(Connects)
	}
	(*c)[strings.ToLower(from)] = to
	return nil
}

// String lists them.
func (c *Connects) String() string {
	var out []string
	if c != nil {
		for from, to := range *c {
			out = append(out, from+"="+to)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}
