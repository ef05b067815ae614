package push

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/internal/netguard"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/push/webpush"
)

// A WebPushConfig says how changes get to the URLs of PushSubscriptions.
type WebPushConfig struct {
	// Store keeps the subscriptions; required.
	Store SubscriptionStore
	// Watchers returns the change feeds of a user's accounts; required.
	Watchers func(ctx context.Context, user string) (map[jmap.ID]jmap.Watcher, error)
	// Transport makes the requests; nil is one that refuses private and special addresses when it dials, but for Allow. A URL
	// that names such an address itself is then refused at once.
	Transport http.RoundTripper
	Allow     []netip.Prefix
	// Signer tells push services who sends; nil tells nobody. Subscriptions that were made under another key are
	// destroyed (RFC 9749 §5).
	Signer *webpush.Signer
	// Valid reports whether a user may still log in with a credential: subscriptions of one that may not are destroyed,
	// by OpenWebPush, and later at the latest before something would be sent (RFC 8620 §7.2). Nil: all may.
	Valid func(ctx context.Context, user, credential string) (bool, error)
	// PerUser is how many subscriptions a user has at most; 0 is DefaultSubscriptions.
	PerUser int
	// Expiry is the longest life of a subscription that is not renewed; 0 is DefaultExpiry, less than 48 hours is those.
	Expiry time.Duration
	// Logger is told of failures, without the secrets; nil is silent.
	Logger *slog.Logger
}

// maxPosts is how many requests to push services are under way at a time.
const maxPosts = 64

// A WebPush keeps PushSubscriptions and sends changes to their URLs (RFC 8620 §7.2), one goroutine for each.
type WebPush struct {
	c      WebPushConfig
	guard  *netguard.Guard // of the transport; nil where that is the caller's
	sender webpush.Sender
	vapid  string
	posts  chan struct{}
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu    sync.Mutex
	users map[string]map[jmap.ID]*worker
	rate  rate
}

// OpenWebPush reads the subscriptions, destroys those whose time or credential has ended, and begins to send what changed since
// the last time, until Close.
func OpenWebPush(ctx context.Context, c WebPushConfig) (*WebPush, error) {
	if c.PerUser == 0 {
		c.PerUser = DefaultSubscriptions
	}
	if c.Expiry == 0 {
		c.Expiry = DefaultExpiry
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	var guard *netguard.Guard
	if c.Transport == nil {
		guard = &netguard.Guard{Allow: c.Allow}
		c.Transport = guarded(guard)
	}
	p := &WebPush{c: c, guard: guard, sender: webpush.Sender{Transport: c.Transport, Signer: c.Signer}, posts: make(chan struct{}, maxPosts), users: make(map[string]map[jmap.ID]*worker)}
	if c.Signer != nil {
		var err error
		if p.vapid, err = c.Signer.PublicKey(); err != nil {
			return nil, fmt.Errorf("push: VAPID key: %w", err)
		}
	}
	all, err := c.Store.Subscriptions(ctx)
	if err != nil {
		return nil, fmt.Errorf("push: subscriptions: %w", err)
	}
	var lasting []*Subscription
	for _, sub := range all {
		why, err := p.ended(ctx, sub)
		if err != nil || why == "" { // an error of Valid is met again by its worker
			lasting = append(lasting, sub)
			continue
		}
		c.Logger.LogAttrs(ctx, slog.LevelInfo, "push subscription destroyed", slog.String("user", sub.User), slog.String("subscription", string(sub.ID)), slog.String("reason", why))
		if err := c.Store.DeleteSubscription(ctx, sub.User, sub.ID); err != nil {
			return nil, fmt.Errorf("push: subscriptions: %w", err)
		}
	}
	p.ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, sub := range lasting {
		p.start(sub, false)
	}
	return p, nil
}

// refuses reports whether a host is an address that the transport does not dial.
func (p *WebPush) refuses(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && p.guard != nil && p.guard.Check(a) != nil
}

// guarded returns a transport for addresses that strangers name.
func guarded(guard *netguard.Guard) *http.Transport {
	d := &net.Dialer{Timeout: 10 * time.Second, Control: guard.Control}
	return &http.Transport{DialContext: d.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second,
		ResponseHeaderTimeout: postTimeout, MaxResponseHeaderBytes: 16 << 10, MaxIdleConnsPerHost: 2, MaxIdleConns: maxPosts, IdleConnTimeout: time.Minute}
}

// Close ends all that is under way. What was not sent is when the subscriptions are opened again.
func (p *WebPush) Close() error {
	p.mu.Lock() // nothing starts any more
	p.cancel()
	p.mu.Unlock()
	p.wg.Wait()
	return nil
}

// PublicKey is the field VAPIDKey of a jmapserver.Server; "" without a Signer.
func (p *WebPush) PublicKey() string { return p.vapid }

// Revoke destroys the subscriptions of a user that were made with a credential.
func (p *WebPush) Revoke(ctx context.Context, user, credential string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, w := range p.users[user] {
		if w.sub.Credential == credential {
			errs = append(errs, p.destroy(ctx, w))
		}
	}
	return errors.Join(errs...)
}

// start begins to serve a subscription. mu is held.
func (p *WebPush) start(s *Subscription, fresh bool) {
	ctx, cancel := context.WithCancel(p.ctx)
	w := &worker{p: p, sub: s, cancel: cancel, woken: make(chan struct{}, 1)}
	if p.users[s.User] == nil {
		p.users[s.User] = make(map[jmap.ID]*worker)
	}
	p.users[s.User][s.ID] = w
	p.wg.Go(func() {
		defer cancel()
		w.run(ctx, fresh)
	})
}

// destroy erases a subscription. mu is held.
func (p *WebPush) destroy(ctx context.Context, w *worker) error {
	if err := p.c.Store.DeleteSubscription(ctx, w.sub.User, w.sub.ID); err != nil {
		return err
	}
	w.cancel()
	delete(p.users[w.sub.User], w.sub.ID)
	if len(p.users[w.sub.User]) == 0 {
		delete(p.users, w.sub.User)
	}
	w.sub = &Subscription{User: w.sub.User, ID: w.sub.ID} // its secrets are not kept
	return nil
}

// states reads the states of a user's accounts.
func (p *WebPush) states(ctx context.Context, user string) (states, error) {
	watchers, err := p.c.Watchers(ctx, user)
	if err != nil {
		return nil, err
	}
	return (&stream{watchers: watchers}).read(ctx)
}

func (p *WebPush) log(ctx context.Context, what string, err error, attrs ...slog.Attr) {
	p.c.Logger.LogAttrs(ctx, slog.LevelError, what, append(slices.Clone(attrs), slog.Any("error", err))...)
}
