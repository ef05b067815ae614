package push

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/internal/backoff"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/push/webpush"
)

// How a worker waits: postTimeout bounds a request, keepFor is how long a push service keeps a change for a device that
// is away, and reviewEvery how often accounts and credential are looked at again.
const (
	postTimeout = 30 * time.Second
	keepFor     = 24 * time.Hour
	reviewEvery = time.Hour
	firstRetry  = 30 * time.Second
	lastRetry   = 2 * time.Hour
	// minPace is the least time between two messages after a 429, which doubles with each up to maxPace.
	minPace = time.Minute
	maxPace = time.Hour
	// emailDelivery is the type of new mail (RFC 8621 §1.5), which is worth waking a device for.
	emailDelivery = "EmailDelivery"
)

// errDone ends a worker whose subscription is no more.
var errDone = errors.New("push: the subscription is gone")

// A worker serves one Subscription.
type worker struct {
	p      *WebPush
	sub    *Subscription // replaced, never changed; under WebPush.mu
	cancel context.CancelFunc
	woken  chan struct{}

	failures int
	pace     time.Duration
	after    time.Time // nothing is sent before
}

func (w *worker) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// current returns the subscription, false if it is no more.
func (w *worker) current() (*Subscription, bool) {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	return w.sub, w.sub.URL != ""
}

// end destroys the subscription.
func (w *worker) end(ctx context.Context, why string) error {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	if w.sub.URL == "" {
		return errDone
	}
	w.p.c.Logger.LogAttrs(ctx, slog.LevelInfo, "push subscription destroyed", slog.String("user", w.sub.User), slog.String("subscription", string(w.sub.ID)), slog.String("reason", why))
	if err := w.p.destroy(ctx, w); err != nil {
		return err
	}
	return errDone
}

// run serves the subscription until ctx ends or it is no more.
func (w *worker) run(ctx context.Context, fresh bool) {
	if fresh {
		w.verification(ctx)
	}
	for {
		if err := guard(func() error { return w.session(ctx) }); errors.Is(err, errDone) || ctx.Err() != nil {
			return
		} else if err != nil {
			w.p.log(ctx, "web push failed", err)
			w.failures++
			if w.after = time.Now().Add(w.delay(0)); !w.wait(ctx) {
				return
			}
		}
	}
}

// verification sends the code, once: whoever does not get it makes another subscription.
func (w *worker) verification(ctx context.Context) {
	s, ok := w.current()
	if !ok {
		return
	}
	body, err := jmap.Marshal(jmap.PushVerification{Type: "PushVerification", PushSubscriptionID: s.ID, VerificationCode: s.Code})
	if err == nil {
		err = w.post(ctx, s, body, &webpush.Message{TTL: time.Hour, Urgency: webpush.High})
	}
	if err != nil {
		w.failed(ctx, s, "push verification not sent", err)
	}
}

// failed logs a message that did not go, by the origin of its URL alone.
func (w *worker) failed(ctx context.Context, s *Subscription, what string, err error) {
	host := ""
	if u, err := url.Parse(s.URL); err == nil {
		host = u.Host
	}
	w.p.c.Logger.LogAttrs(ctx, slog.LevelWarn, what, slog.String("user", s.User), slog.String("subscription", string(s.ID)), slog.String("host", host), slog.Any("error", err))
}

// session watches the accounts for a while, and sends what changes.
func (w *worker) session(ctx context.Context) error {
	s, err := w.review(ctx)
	if err != nil {
		return err
	}
	changed := make(chan struct{}, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithTimeout(ctx, min(reviewEvery, time.Until(s.Expires)))
	defer cancel()
	watchers := map[jmap.ID]jmap.Watcher{}
	if s.Verified {
		if watchers, err = w.p.c.Watchers(ctx, s.User); err != nil {
			return err
		}
		for _, feed := range watchers {
			ready := feed.Watch(ctx)
			wg.Go(func() { forward(ctx, ready, changed) })
		}
	}
	for {
		if s.Verified {
			if err := w.deliver(ctx, watchers); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.woken:
			return nil // it was verified, or lasts longer now
		case <-changed:
		}
	}
}

// review destroys a subscription whose time or credential has ended.
func (w *worker) review(ctx context.Context) (*Subscription, error) {
	s, ok := w.current()
	if !ok {
		return nil, errDone
	}
	why, err := w.p.ended(ctx, s)
	if err != nil {
		return nil, err
	}
	if why != "" {
		return nil, w.end(ctx, why)
	}
	return s, nil
}

// ended says why a subscription must be destroyed, "" where it must not.
func (p *WebPush) ended(ctx context.Context, s *Subscription) (why string, err error) {
	switch {
	case !time.Now().Before(s.Expires):
		return "expired", nil
	case s.VAPID != p.vapid:
		return "made under another key", nil
	case p.c.Valid == nil:
		return "", nil
	}
	valid, err := p.c.Valid(ctx, s.User, s.Credential)
	if err == nil && !valid {
		why = "credential revoked"
	}
	return why, err
}

// deliver sends what has changed since the last time until the push service has taken it. While it waits, more changes
// become one.
func (w *worker) deliver(ctx context.Context, watchers map[jmap.ID]jmap.Watcher) error {
	for {
		if !w.wait(ctx) {
			return nil
		}
		s, ok := w.current()
		if !ok {
			return errDone
		}
		st := &stream{watchers: watchers, last: s.Told}
		if s.Types != nil {
			st.types = make(map[string]bool)
			for _, t := range s.Types {
				st.types[t] = true
			}
		}
		now, err := st.read(ctx)
		if err != nil {
			return err
		}
		change := st.change(now)
		if len(change.Changed) == 0 {
			return nil
		}
		if s, err = w.review(ctx); err != nil {
			return err
		}
		err = w.send(ctx, s, change)
		var wait time.Duration
		switch refusal, refused := errors.AsType[*webpush.Refusal](err); {
		case err == nil:
			if err := w.told(ctx, now); err != nil {
				return err
			}
			w.failures, wait = 0, w.pace
			if w.pace /= 2; w.pace < minPace {
				w.pace = 0
			}
		case ctx.Err() != nil:
			return nil
		case refused && refusal.Gone():
			return w.end(ctx, "gone")
		default:
			w.failed(ctx, s, "web push not taken", err)
			w.failures++
			if refused && refusal.Status == 429 {
				w.pace = min(max(2*w.pace, minPace), maxPace)
			}
			if refused {
				wait = refusal.RetryAfter
			}
			wait = w.delay(wait)
		}
		w.after = time.Now().Add(wait)
	}
}

// told keeps what the push service has taken.
func (w *worker) told(ctx context.Context, now states) error {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	if w.sub.URL == "" {
		return errDone
	}
	next := *w.sub
	next.Told = now
	if err := w.p.c.Store.PutSubscription(context.WithoutCancel(ctx), &next); err != nil {
		return err
	}
	w.sub = &next
	return nil
}

// delay returns the wait after a failure, at least what the service asks for.
func (w *worker) delay(asked time.Duration) time.Duration {
	return max(asked, w.pace, backoff.Exponential(firstRetry, lastRetry).Delay(w.failures, rand.Float64))
}

// wait waits until something may be sent; false: ctx ended.
func (w *worker) wait(ctx context.Context) bool {
	t := time.NewTimer(time.Until(w.after))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// send sends a change, in several messages where it is too long for one.
func (w *worker) send(ctx context.Context, s *Subscription, change jmap.StateChange) error {
	body, err := jmap.Marshal(change)
	if err != nil {
		return err
	}
	if ids := slices.Sorted(maps.Keys(change.Changed)); len(body) > webpush.MaxPlaintext && len(ids) > 1 {
		for _, half := range [][]jmap.ID{ids[:len(ids)/2], ids[len(ids)/2:]} {
			part := jmap.StateChange{Type: change.Type, Changed: make(map[jmap.ID]map[string]jmap.State)}
			for _, id := range half {
				part.Changed[id] = change.Changed[id]
			}
			if err := w.send(ctx, s, part); err != nil {
				return err
			}
		}
		return nil
	}
	m := &webpush.Message{TTL: min(keepFor, time.Until(s.Expires)), Urgency: webpush.Low, Topic: topic(change)}
	for _, types := range change.Changed {
		if _, ok := types[emailDelivery]; ok {
			m.Urgency = webpush.Normal
		}
	}
	return w.post(ctx, s, body, m)
}

// topic returns the Topic of a change: a message may replace only one that tells of the same types of the same accounts.
func topic(change jmap.StateChange) string {
	var b []byte
	for _, id := range slices.Sorted(maps.Keys(change.Changed)) {
		b = append(append(b, id...), '\n')
		for _, t := range slices.Sorted(maps.Keys(change.Changed[id])) {
			b = append(append(b, t...), '\t')
		}
	}
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:18])
}

// post makes one request.
func (w *worker) post(ctx context.Context, s *Subscription, body []byte, m *webpush.Message) error {
	m.ContentType, m.Body = "application/json", body
	if s.Keys != nil {
		k, err := webpush.ParseKeys(s.Keys.P256DH, s.Keys.Auth)
		if err == nil {
			m.Encrypted = true
			m.Body, err = k.Encrypt(nil, body)
		}
		if err != nil {
			return err
		}
	}
	select {
	case w.p.posts <- struct{}{}:
		defer func() { <-w.p.posts }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	return w.p.sender.Send(ctx, s.URL, m)
}
