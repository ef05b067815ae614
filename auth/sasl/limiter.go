package sasl

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"
)

// A Limiter is an Authenticator that slows down and locks out whoever guesses. It counts failures per address (IPv6:
// per /64) and per identity; a failure is ErrCredentials or ErrMalformed, nothing else. The zero values of its fields
// are the defaults. Its memory is bounded by MaxEntries.
//
// A locked address is refused at Start with ErrLocked. A locked identity is refused with ErrLocked whether the password
// is right or wrong, once it is known who tries; as that lets anybody lock out a user, its limit is the higher one.
type Limiter struct {
	Authenticator Authenticator
	// PerAddress and PerIdentity are how many failures lock out; 0: 20 and 100.
	PerAddress, PerIdentity int
	// Window is how long after its last failure an address or identity is forgotten; 0: 15 minutes.
	Window time.Duration
	// Delay is how long the answer to a failure waits. It doubles with each failure, 16 times at most; 0: 250 ms.
	Delay time.Duration
	// MaxEntries limits how many addresses and identities are remembered; 0: 65536.
	MaxEntries int

	mu sync.Mutex
	m  map[limitKey]limitEntry
}

type limitKey struct {
	addr netip.Prefix
	name string
}

type limitEntry struct {
	failures int
	last     time.Time
}

// Mechanisms implements Authenticator.
func (l *Limiter) Mechanisms(c Conn) []string { return l.Authenticator.Mechanisms(c) }

// Start implements Authenticator.
func (l *Limiter) Start(ctx context.Context, c Conn, mechanism string) (Exchange, error) {
	if c.Remote.IsValid() && l.failures(addressKey(c.Remote)) >= orDefault(l.PerAddress, 20) {
		return nil, ErrLocked
	}
	e, err := l.Authenticator.Start(ctx, c, mechanism)
	if err != nil {
		return nil, err
	}
	return &limitedExchange{Exchange: e, l: l, ctx: ctx, remote: c.Remote}, nil
}

type limitedExchange struct {
	Exchange
	l      *Limiter
	ctx    context.Context
	remote netip.Addr
}

func (e *limitedExchange) Next(response []byte) ([]byte, bool, error) {
	challenge, done, err := e.Exchange.Next(response)
	failed := errors.Is(err, ErrCredentials) || errors.Is(err, ErrMalformed)
	if !failed && !(done && err == nil) {
		return challenge, done, err
	}
	id := e.Identity()
	name := id.Name
	if id.Authenticated != "" {
		name = id.Authenticated
	}
	who := limitKey{name: fold(name[:min(len(name), maxField)])}
	locked := name != "" && e.l.failures(who) >= orDefault(e.l.PerIdentity, 100)
	if !failed {
		if locked {
			return nil, false, ErrLocked
		}
		return challenge, done, nil
	}
	n := 0
	if e.remote.IsValid() {
		n = e.l.fail(addressKey(e.remote))
	}
	if name != "" && !locked {
		n = max(n, e.l.fail(who))
	}
	e.l.wait(e.ctx, n)
	if locked {
		err = ErrLocked
	}
	return nil, false, err
}

func addressKey(a netip.Addr) limitKey {
	a = a.Unmap()
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.WithZone("").Prefix(bits)
	return limitKey{addr: p}
}

// failures returns how many failures of k still count.
func (l *Limiter) failures(k limitKey) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.m[k]
	if time.Since(e.last) > l.window() {
		return 0
	}
	return e.failures
}

// fail counts a failure of k and returns how many there are now.
func (l *Limiter) fail(k limitKey) int {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	e, known := l.m[k]
	if now.Sub(e.last) > l.window() {
		e.failures = 0
	}
	if l.m == nil {
		l.m = map[limitKey]limitEntry{}
	}
	if !known && len(l.m) >= orDefault(l.MaxEntries, 1<<16) {
		l.evict(now)
	}
	e.failures++
	e.last = now
	l.m[k] = e
	return e.failures
}

// evict makes room: of a few entries that the map happens to yield first it drops those that are over, else the one
// with the fewest failures.
func (l *Limiter) evict(now time.Time) {
	var least limitKey
	seen, dropped, fewest := 0, false, 0
	for k, e := range l.m {
		if now.Sub(e.last) > l.window() {
			delete(l.m, k)
			dropped = true
		} else if fewest == 0 || e.failures < fewest {
			least, fewest = k, e.failures
		}
		if seen++; seen == 16 {
			break
		}
	}
	if !dropped {
		delete(l.m, least)
	}
}

func (l *Limiter) window() time.Duration { return orDefault(l.Window, 15*time.Minute) }

// wait delays the answer to the n-th failure.
func (l *Limiter) wait(ctx context.Context, n int) {
	t := time.NewTimer(orDefault(l.Delay, 250*time.Millisecond) << min(max(n-1, 0), 4))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func orDefault[T int | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}
