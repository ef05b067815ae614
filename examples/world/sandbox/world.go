package sandbox

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/auth/resolver"
	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/examples/world/nat"
	"github.com/mailbricks/mailbricks/examples/world/story"
	"github.com/mailbricks/mailbricks/mtasts"
	smtproute "github.com/mailbricks/mailbricks/smtp/route"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

// Postage is what the domain that asks strangers for it asks, in bits.
const Postage = 20

// A World is three mail domains in one process, over TCP, TLS and DNS on 127.0.0.1.
type World struct {
	ctx      context.Context
	cancel   context.CancelFunc
	log      *slog.Logger
	dir      string // of the queues
	net      *nat.Network
	zone     *dnstest.Zone
	dns      *dnstest.Server
	resolver telling
	ca       *authority
	keys     *keys
	users    *sasl.Users
	domains  []*domain
	book     story.Book
	running  sync.WaitGroup
	closers  []func() error
}

// New makes a world and starts it. Close ends it. log is told what fails; nil is silent.
func New(log *slog.Logger) (_ *World, err error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	w := &World{log: log, net: nat.New(), zone: dnstest.New(), users: sasl.NewUsers(), domains: newDomains()}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("world: %w", err), w.Close())
		}
	}()
	if w.dir, err = os.MkdirTemp("", "mailbricks-world-"); err != nil {
		return w, err
	}
	if w.ca, err = newAuthority(); err != nil {
		return w, err
	}
	if w.dns, err = w.zone.Serve(""); err != nil {
		return w, err
	}
	w.onClose(w.dns.Close)
	// Nothing is kept, so that every letter shows the questions that it takes.
	w.resolver = telling{resolver.New(&resolver.Servers{Addrs: []string{w.dns.Addr()}}, resolver.Options{CacheSize: -1})}
	if err = w.makeKeys(); err != nil {
		return w, err
	}
	for _, d := range w.domains {
		if err = w.settle(d); err != nil {
			return w, fmt.Errorf("%s: %w", d.name, err)
		}
	}
	return w, nil
}

// makeKeys makes the keys of the domains, that of the stranger's domain among them, and publishes their records.
func (w *World) makeKeys() error {
	w.keys = &keys{zone: w.zone, home: w.domains[0].name, signers: make(map[string]dkim.Signer), wrong: make(map[dkim.Algorithm]crypto.Signer)}
	var wg sync.WaitGroup
	errs := make([]error, len(w.domains))
	for i, d := range w.domains {
		wg.Go(func() {
			key, err := dkim.GenerateKey(d.algorithm)
			if err == nil {
				w.keys.add(d.name, key)
				err = d.publish(w.zone, key.Public())
			}
			errs[i] = err
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	stranger, err := dkim.GenerateKey(dkim.Ed25519SHA256)
	if err != nil {
		return err
	}
	w.keys.add(strangerDomain, stranger)
	return publishSender(w.zone, strangerDomain, "v=spf1 ip4:"+strangerAddr.String()+" include:"+w.keys.home+" -all", stranger.Public())
}

// settle starts the hosts of a domain: store, policy host and relay.
func (w *World) settle(d *domain) error {
	if err := w.users.Set(d.user, d.password); err != nil {
		return err
	}
	if d.postage {
		key, err := dkim.GenerateKey(dkim.Ed25519SHA256)
		if err != nil {
			return err
		}
		d.grantKey = key
		d.capabilities = capability.Verifier{Keys: capability.OneKey(key.Public().(ed25519.PublicKey)), Store: capability.NewMemoryStore(nil)}
	}
	if err := w.newStore(d); err != nil {
		return err
	}
	config, err := w.ca.server(d.mtasts())
	if err != nil {
		return err
	}
	if err := w.serve(d.policyAddr, portHTTPS, httpServer(d.policyHost(), config, w.log)); err != nil {
		return err
	}
	return w.newRelay(d)
}

// serve opens a port of a host and serves it until Close.
func (w *World) serve(host netip.Addr, port uint16, serve func(context.Context, net.Listener) error) error {
	ln, err := w.net.Listen(host, port)
	if err != nil {
		return err
	}
	w.onClose(func() error { ln.Close(); return nil }) // most have closed it already
	w.run(netip.AddrPortFrom(host, port).String(), func(ctx context.Context) error { return serve(ctx, ln) })
	return nil
}

// run runs a part of the world until Close.
func (w *World) run(name string, part func(ctx context.Context) error) {
	w.running.Go(func() {
		if err := part(w.ctx); err != nil && w.ctx.Err() == nil {
			w.log.Error("a part of the world has ended", "part", name, "err", err)
		}
	})
}

func (w *World) onClose(f func() error) { w.closers = append(w.closers, f) }

// Close ends the world. What was in its queues and mailboxes is lost with it.
func (w *World) Close() error {
	w.cancel()
	w.running.Wait()
	var errs []error
	for i := len(w.closers) - 1; i >= 0; i-- {
		errs = append(errs, w.closers[i]())
	}
	if w.dir != "" {
		errs = append(errs, os.RemoveAll(w.dir))
	}
	return errors.Join(errs...)
}

// router returns the way out of a host for one letter.
func (w *World) router(h route, t *talk) *smtproute.Router {
	dial := w.dialer(h.addr)
	return &smtproute.Router{
		Resolver: w.resolver, Logger: w.log, Pool: &smtpclient.Pool{MaxIdle: -1},
		Client: smtpclient.Config{Hostname: h.host, TLSConfig: w.ca.client(), Dial: dial, Trace: t.trace, Logger: w.log},
		STS: &mtasts.Fetcher{Resolver: w.resolver, Transport: policyTransport{
			Transport: &http.Transport{DialContext: w.dialName(dial), TLSClientConfig: w.ca.client(), DisableKeepAlives: true}, host: h.host}},
	}
}

// dialer returns the dial function of the host with the address from. A flight in the context has its own say about the
// address, and is what the accepting side finds as the Tag of the connection.
func (w *World) dialer(from netip.Addr) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, _, addr string) (net.Conn, error) {
		o := nat.Origin{Addr: from}
		if f := flightFrom(ctx); f != nil {
			o.Tag = f
			if f.source.IsValid() {
				o.Addr = f.source
			}
		}
		return w.net.Dial(ctx, addr, o)
	}
}

// dialName is dial for names: they are looked up in the world's DNS.
func (w *World) dialName(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		addrs, err := w.resolver.Resolver.LookupNetIP(ctx, "ip4", host)
		if err != nil {
			return nil, err
		}
		return dial(ctx, network, net.JoinHostPort(addrs[0].String(), port))
	}
}

// domain returns the domain of the world that a name is, or is below, nil if it is none.
func (w *World) domain(name string) *domain {
	for _, d := range w.domains {
		if d.covers(name) {
			return d
		}
	}
	return nil
}

// Letter returns a letter as it is at this moment.
func (w *World) Letter(id string) (story.Letter, bool) { return w.book.Letter(id) }

// Letters yields the letters that are still known, the oldest first.
func (w *World) Letters() iter.Seq[story.Letter] { return w.book.Letters() }

// Watch yields what changes, until ctx ends or the loop is left. The first value is the zero Change: the watch stands.
func (w *World) Watch(ctx context.Context) iter.Seq[story.Change] { return w.book.Watch(ctx) }
