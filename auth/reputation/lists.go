package reputation

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// DefaultRetest is how long a list is believed after its test points, unless told otherwise.
const DefaultRetest = time.Hour

// Lists are several lists that are asked side by side. The zero value has none. It is used by several goroutines at once;
// the fields must not change once it is.
type Lists struct {
	Resolver Resolver
	Lists    []List
	// Retest is after how long test points are asked again; 0: DefaultRetest. A list that has failed them is tried again
	// after a tenth of that.
	Retest time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	mu     sync.Mutex
	tested map[int]*tested
}

// A tested is what the test points of a list have said, or a test that is under way.
type tested struct {
	done  chan struct{}
	err   error
	until time.Time
}

// IP asks all lists of addresses about one, within ctx. Lists that have no such addresses are left out, those that cannot
// be believed have an error.
func (l *Lists) IP(ctx context.Context, ip netip.Addr) []Listing {
	kind := IPv4
	if ip.Unmap().Is6() {
		kind = IPv6
	}
	return l.all(ctx, kind, func(li List) Listing { return li.IP(ctx, l.Resolver, ip) })
}

// Domain asks all lists of domains about one, as IP does.
func (l *Lists) Domain(ctx context.Context, domain string) []Listing {
	return l.all(ctx, Domains, func(li List) Listing { return li.Domain(ctx, l.Resolver, domain) })
}

func (l *Lists) all(ctx context.Context, kind Kind, ask func(List) Listing) []Listing {
	var wg sync.WaitGroup
	got := make([]*Listing, len(l.Lists))
	for i, li := range l.Lists {
		if li.kind()&kind == 0 {
			continue
		}
		got[i] = &Listing{Zone: li.Zone, Good: li.Good}
		wg.Go(func() {
			if got[i].Err = l.test(ctx, i); got[i].Err == nil {
				*got[i] = ask(li)
			}
		})
	}
	wg.Wait()
	var out []Listing
	for _, g := range got {
		if g != nil {
			out = append(out, *g)
		}
	}
	return out
}

// test asks the test points of a list, unless that was done not long ago. One caller asks, the others wait.
func (l *Lists) test(ctx context.Context, i int) error {
	now := time.Now
	if l.Now != nil {
		now = l.Now
	}
	retest := l.Retest
	if retest == 0 {
		retest = DefaultRetest
	}
	l.mu.Lock()
	t := l.tested[i]
	if t != nil && (t.until.IsZero() || now().Before(t.until)) {
		l.mu.Unlock()
		select {
		case <-t.done:
			return t.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	t = &tested{done: make(chan struct{})}
	if l.tested == nil {
		l.tested = map[int]*tested{}
	}
	l.tested[i] = t
	l.mu.Unlock()
	t.err = l.Lists[i].Test(ctx, l.Resolver)
	l.mu.Lock()
	if t.until = now().Add(retest); t.err != nil {
		t.until = now().Add(retest / 10)
	}
	if ctx.Err() != nil { // it was the caller who ended, not the list
		delete(l.tested, i)
	}
	l.mu.Unlock()
	close(t.done)
	return t.err
}
