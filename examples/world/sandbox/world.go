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
	"strconv"
	"sync"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/auth/resolver"
	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/mtasts"
	"github.com/mailbricks/mailbricks/smtp"
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
	net      *network
	zone     *dnstest.Zone
	dns      *dnstest.Server
	resolver telling
	ca       *authority
	keys     *keys
	users    *sasl.Users
	domains  []*domain
	hub      hub
	running  sync.WaitGroup
	closers  []func() error

	mu      sync.Mutex
	flights map[string]*flight
	order   []string
	last    int
}

// New makes a world and starts it. Close ends it. log is told what fails; nil is silent.
func New(log *slog.Logger) (_ *World, err error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	w := &World{log: log, net: newNetwork(), zone: dnstest.New(), users: sasl.NewUsers(), domains: newDomains(), flights: make(map[string]*flight)}
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
	return publishSender(w.zone, strangerDomain, "v=spf1 ip4:"+strangerAddr.String()+" -all", stranger.Public())
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
	ln, err := w.net.listen(host, port)
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
	dial := w.net.dialer(h.addr)
	return &smtproute.Router{
		Resolver: w.resolver, Logger: w.log, Pool: &smtpclient.Pool{MaxIdle: -1},
		Client: smtpclient.Config{Hostname: h.host, TLSConfig: w.ca.client(), Dial: dial, Trace: t.trace, Logger: w.log},
		STS: &mtasts.Fetcher{Resolver: w.resolver, Transport: policyTransport{
			Transport: &http.Transport{DialContext: w.dialName(dial), TLSClientConfig: w.ca.client(), DisableKeepAlives: true}, host: h.host}},
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

// start puts a letter on its way.
func (w *World) start(l Letter) *flight {
	f := &flight{w: w, letter: l, done: make(chan struct{})}
	f.letter.State, f.letter.Hops = Moving, []Hop{}
	w.mu.Lock()
	w.last++
	f.letter.ID = "w" + strconv.Itoa(w.last)
	w.flights[f.letter.ID] = f
	w.order = append(w.order, f.letter.ID)
	if len(w.order) > maxLetters {
		delete(w.flights, w.order[0])
		w.order = w.order[1:]
	}
	w.mu.Unlock()
	w.hub.tell("letter", f.letter.ID)
	return f
}

// flight returns the flight with an id, nil if there is none.
func (w *World) flight(id string) *flight {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flights[id]
}

// notice is the flight of a delivery report that a relay sends, and of whatever else no one put on its way.
func (w *World) notice(d *domain, e smtp.Envelope, head []byte) *flight {
	m := &Message{Bytes: head}
	m.read()
	f := w.start(Letter{Kind: "notice", Subject: m.Subject, From: m.From.Address(), Sender: e.From.Address(), To: recipients(e), Size: len(head), Sent: now()})
	f.hop("notice", d.mx(), "").end(true, "the relay tells the sender what became of a letter")
	return f
}

// Letter returns a letter as it is at this moment.
func (w *World) Letter(id string) (Letter, bool) {
	f := w.flight(id)
	if f == nil {
		return Letter{}, false
	}
	return f.snapshot(), true
}

// Letters yields the letters that are still known, the oldest first.
func (w *World) Letters() iter.Seq[Letter] {
	return func(yield func(Letter) bool) {
		w.mu.Lock()
		order := append([]string(nil), w.order...)
		w.mu.Unlock()
		for _, id := range order {
			if l, ok := w.Letter(id); ok && !yield(l) {
				return
			}
		}
	}
}

// Watch yields what changes, until ctx ends or the loop is left. The first value is the zero Change: the watch stands.
func (w *World) Watch(ctx context.Context) iter.Seq[Change] { return w.hub.watch(ctx) }
