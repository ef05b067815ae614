// Relay is an SMTP relay: package mailrelay at the command line.
//
//	go run -C examples ./relay -hostname mx.example.com -mx :2525 -local example.com -deliver lmtp://127.0.0.1:2424
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/examples/contacts"
	"github.com/mailbricks/mailbricks/examples/mailrelay"
	"github.com/mailbricks/mailbricks/smtp/policy"
	"github.com/mailbricks/mailbricks/smtp/proxyproto"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
)

const usage = `relay takes mail for its own domains from everybody, and for all domains from its users.

  relay -hostname mx.example.com -mx 0.0.0.0:25 -local example.com -deliver lmtp://127.0.0.1:24
  relay -hostname out.example.com -submission 0.0.0.0:587 -user alice:@password.txt \
    -tls-cert cert.pem -tls-key key.pem -dkim example.com:sel:key.pem -queue dir:/var/spool/relay
  relay -hostname mx.example.com -mx 0.0.0.0:25 -local example.com -deliver lmtp://127.0.0.1:24 -policy capability -contacts /var/spool/contacts
  relay -hostname test.example -mx :2525 -submission :5870 -user a:b -smarthost 127.0.0.1:1025 -admin :8080

An address without a host is one of 127.0.0.1.
`

func main() { cli.Main("relay", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	log := cli.Logger(stderr)
	c, closeAll, err := o.config(log)
	defer func() { _ = closeAll() }()
	if err != nil {
		return err
	}
	relay, err := mailrelay.New(c)
	if err != nil {
		return err
	}
	// The queue runs beside the listeners; whichever fails first ends the other.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan error, 1)
	go func() { defer cancel(); queue <- relay.Run(ctx) }()
	err = cli.Serve(ctx, stdout,
		cli.Service{Name: "mx", Addr: o.mx, Serve: o.proxied(relay.MXServer())},
		cli.Service{Name: "submission", Addr: o.submission, Serve: o.proxied(relay.SubmissionServer())},
		cli.Service{Name: "admin", Addr: o.admin, Serve: func(ctx context.Context, ln net.Listener) error {
			return serveHTTP(ctx, ln, relay.Admin(o.adminToken))
		}})
	cancel()
	return errors.Join(err, <-queue)
}

// proxied serves connections some of which come through a proxy.
func (o *options) proxied(s *smtpserver.Server) func(context.Context, net.Listener) error {
	if len(o.proxy) == 0 {
		return s.Serve
	}
	return func(ctx context.Context, ln net.Listener) error {
		return s.Serve(ctx, &proxyproto.Listener{Listener: ln, Trusted: o.proxy})
	}
}

// config opens what the options name. The function closes it again; it is there after an error too.
func (o *options) config(log *slog.Logger) (c mailrelay.Config, closeAll func() error, err error) {
	var closers []func() error
	closeAll = func() error {
		var errs []error
		for _, f := range closers {
			errs = append(errs, f())
		}
		return errors.Join(errs...)
	}
	c = mailrelay.Config{Hostname: o.hostname, Local: o.local, Retry: o.retry, Expire: time.Duration(o.expire), MaxSize: o.maxSize,
		MaxRecipients: o.maxRecipients, AllowPlaintextAuth: o.tlsCert == "", Logger: log}
	c.Limits.Conns, c.Limits.PerNetwork, c.Timeouts.MinRate, c.XClient = o.maxConns, o.maxPerNetwork, o.minRate, o.xclient
	c.Policy = map[string]mailrelay.Policy{"open": mailrelay.Open}[o.policy] // the others verify
	if c.TLS, err = cli.ServerTLS(o.tlsCert, o.tlsKey); err != nil {
		return c, closeAll, err
	}
	roots, err := cli.CAPool(o.tlsCA)
	if err != nil {
		return c, closeAll, err
	}
	if c.Authenticator, err = authenticator(&o.users); err != nil {
		return c, closeAll, err
	}
	var keys []dkim.Signer
	for _, s := range o.dkim {
		signer, err := signer(s)
		if err != nil {
			return c, closeAll, err
		}
		keys = append(keys, signer)
	}
	c.Keys = policy.KeyRing(keys...)
	dns, err := cli.OpenResolver(o.resolver)
	if err != nil {
		return c, closeAll, err
	}
	c.SecureResolver = dns
	out := mailrelay.Outgoing{Hostname: o.hostname, Resolver: dns, Secure: dns, Port: o.port, Roots: roots, Connect: o.connect, Logger: log}
	if o.onThisMachine() {
		out.Allow = mailrelay.Loopback()
		c.Limits.PerNetwork = -1 // all come from one address
	}
	if o.deliver != "" {
		store := out.Store(o.deliver)
		closers = append(closers, store.Close)
		c.Deliver = store
	}
	if o.smarthost != "" {
		next := out.Smarthost(o.smarthost)
		closers = append(closers, next.Close)
		c.Next = next
	} else {
		next := out.Router()
		closers = append(closers, next.Close)
		c.Next = next
	}
	if o.policy == "capability" {
		known, err := contacts.Open(filepath.Join(o.contacts, "grants"), log)
		if err != nil {
			return c, closeAll, err
		}
		closers = append(closers, known.Close)
		c.Gate, c.Opener, c.Aliaser, c.Payer = known.Gate(), known.Opener(), known.Aliaser(), known.Payer()
	}
	spool, closeSpool, err := mailrelay.OpenSpool(o.queue, log)
	if err != nil {
		return c, closeAll, err
	}
	closers = append(closers, closeSpool)
	c.Spool = spool
	return c, closeAll, nil
}

func authenticator(users *cli.Users) (sasl.Authenticator, error) {
	known := sasl.NewUsers()
	for _, name := range users.Names() {
		password, _ := users.Password(name)
		if err := known.Set(name, password); err != nil {
			return nil, cli.Usagef("-user %s: %w", name, err)
		}
	}
	return &sasl.Limiter{Authenticator: sasl.New(append(sasl.SCRAM{Keys: known.Keys}.Mechanisms(),
		sasl.Plain(known.Check), sasl.LoginMechanism(known.Check))...)}, nil
}

// signer reads DOMAIN:SELECTOR:KEYFILE.
func signer(s string) (dkim.Signer, error) {
	part := strings.SplitN(s, ":", 3)
	if len(part) != 3 {
		return dkim.Signer{}, cli.Usagef("-dkim %q is not DOMAIN:SELECTOR:KEYFILE", s)
	}
	text, err := os.ReadFile(part[2])
	if err != nil {
		return dkim.Signer{}, fmt.Errorf("-dkim: %w", err)
	}
	key, err := dkim.ParsePrivateKey(text)
	if err != nil {
		return dkim.Signer{}, fmt.Errorf("-dkim: %s: %w", part[2], err)
	}
	return dkim.Signer{Domain: part[0], Selector: part[1], Key: key}, nil
}

// serveHTTP serves until ctx ends.
func serveHTTP(ctx context.Context, ln net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute, MaxHeaderBytes: 64 << 10}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
