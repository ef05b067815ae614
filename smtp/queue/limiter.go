package queue

import (
	"context"
	"slices"
	"sync"
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
