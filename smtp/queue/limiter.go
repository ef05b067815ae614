package queue

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/smtp"
)

// A limiter hands out slots: so many in all, so many to one domain. A domain that is full holds up no other.
type limiter struct {
	total, perDomain int

	mu      sync.Mutex
	active  int
	domains map[string]*domainSlots
	waiting []*waiter // the highest priority first, then in the order they came
}

type domainSlots struct{ active, waiting int }

type waiter struct {
	domain   string
	priority int
	ready    chan struct{}
}

func newLimiter(total, perDomain int) *limiter {
	return &limiter{total: total, perDomain: perDomain, domains: make(map[string]*domainSlots)}
}

func (l *limiter) running() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.active
}

// crowded reports whether so much waits for a domain that more need not be read now.
func (l *limiter) crowded(domain string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.domains[domain]
	return d != nil && d.waiting >= 2*l.perDomain
}

// acquire waits for a slot. Of those who wait the highest priority gets the next (RFC 6710 §5.1).
func (l *limiter) acquire(ctx context.Context, domain string, priority int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	d := l.domains[domain]
	if d == nil {
		d = &domainSlots{}
		l.domains[domain] = d
	}
	if l.active < l.total && d.active < l.perDomain {
		l.active++
		d.active++
		l.mu.Unlock()
		return nil
	}
	w := &waiter{domain: domain, priority: priority, ready: make(chan struct{})}
	i := len(l.waiting)
	for i > 0 && l.waiting[i-1].priority < priority {
		i--
	}
	l.waiting = slices.Insert(l.waiting, i, w)
	d.waiting++
	l.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	i = slices.Index(l.waiting, w)
	if i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
		d.waiting--
		l.forget(domain)
	}
	l.mu.Unlock()
	if i < 0 { // the slot came at the same moment
		l.release(domain)
	}
	return ctx.Err()
}

// release gives a slot back, and on to the first that fits.
func (l *limiter) release(domain string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active--
	l.domains[domain].active--
	for i, w := range l.waiting {
		if d := l.domains[w.domain]; d.active < l.perDomain {
			l.active++
			d.active++
			d.waiting--
			l.waiting = slices.Delete(l.waiting, i, i+1)
			close(w.ready)
			break
		}
	}
	l.forget(domain)
}

// forget drops a domain that nobody uses. l.mu is held.
func (l *limiter) forget(domain string) {
	if d := l.domains[domain]; d != nil && d.active == 0 && d.waiting == 0 {
		delete(l.domains, domain)
	}
}

// holds counts the messages held for later release (RFC 4865 §5.1.3), by owner. What it knows outlives no process: it is read
// from the spool when the first one comes.
type holds struct {
	each, all int // limits

	mu     sync.Mutex
	loaded bool
	owners map[string][]time.Time // when they are released
}

// owner is whose quota a message counts against: that of the user who logged in, else of the address it comes from.
func owner(p *smtp.Peer) string {
	if p.Identity != "" {
		return p.Identity
	}
	return p.IP().String()
}

// take counts one more message of an owner, or refuses it. give takes it back.
func (h *holds) take(ctx context.Context, spool Spool, owner string, release time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if !h.loaded {
		h.owners = make(map[string][]time.Time)
		for r, err := range spool.List(ctx) {
			if err != nil {
				continue // is reported when it is claimed
			}
			if s, err := decodeState(r); err == nil && s.Release.After(now) {
				h.owners[s.Owner] = append(h.owners[s.Owner], s.Release)
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		h.loaded = true
	}
	total := 0
	for o, times := range h.owners {
		times = slices.DeleteFunc(times, func(t time.Time) bool { return !t.After(now) })
		if h.owners[o] = times; len(times) == 0 {
			delete(h.owners, o)
		}
		total += len(times)
	}
	switch {
	case len(h.owners[owner]) >= h.each:
		return smtp.NewError(552, smtp.EnhancedCode{5, 7, 16}, "Future release per-user message quota exceeded")
	case total >= h.all:
		return smtp.NewError(552, smtp.EnhancedCode{5, 7, 17}, "Future release system message quota exceeded")
	}
	h.owners[owner] = append(h.owners[owner], release)
	return nil
}

// give takes back what take counted.
func (h *holds) give(owner string, release time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i := slices.IndexFunc(h.owners[owner], release.Equal); i >= 0 {
		h.owners[owner] = slices.Delete(h.owners[owner], i, i+1)
	}
}
