// Package serve accepts connections for the servers of SMTP, IMAP and POP3: it counts them, refuses what is too many,
// and ends them in order.
//
//	Serve(ctx, listener) ─ accept ─ Admit? ─ Session(soft, hard, conn) ─ close
//	                          │        └ no: Refuse(conn, err)
//	ctx ends ─ listener closed ─ soft ends: finish, say good-bye ─ Grace ─ hard ends, connections closed
package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"
)

// Defaults of a Loop.
const (
	DefaultConns      = 1000
	DefaultPerNetwork = 100
	DefaultGrace      = 3 * time.Second
)

// refusal is how long Refuse may take.
const refusal = 5 * time.Second

// maxRefusals is how many refusals are said at once; beyond it connections are closed without a word.
const maxRefusals = 16

// A BusyError says that a connection is one too many.
type BusyError struct {
	// Network is who has too many; the zero Prefix: all together.
	Network netip.Prefix
	Limit   int
}

func (e *BusyError) Error() string {
	if e.Network.IsValid() {
		return fmt.Sprintf("serve: %s has %d connections, the limit", e.Network, e.Limit)
	}
	return fmt.Sprintf("serve: %d connections, the limit", e.Limit)
}

// A Loop accepts connections and runs one session for each. It counts the connections of all its listeners together.
// Its fields must not be changed once it runs.
type Loop struct {
	// Session runs one session and returns when it is over; the Loop closes c. When soft ends the session finishes what
	// it has acknowledged and says good-bye; hard ends Grace later, and c is closed under it. The values of both
	// are those of the context of Serve.
	Session func(soft, hard context.Context, c net.Conn)
	// Refuse says in the protocol why c is not served. c has a deadline and is closed afterwards. nil: nothing is said.
	Refuse func(c net.Conn, err error)
	// Admit, if not nil, is asked before Session: an error refuses. release is called when the session is over. It
	// may be shared by several Loops, to count them together.
	Admit func(ctx context.Context, c net.Conn) (release func(), err error)
	// MaxConns and MaxPerNetwork limit the connections, in all and of one IPv4 address or IPv6 /64; 0: DefaultConns
	// and DefaultPerNetwork, negative: no limit. A connection without an IP address counts in all only.
	MaxConns, MaxPerNetwork int
	// Grace is how long sessions have to end; 0: DefaultGrace.
	Grace time.Duration
	// Logger is told of refusals, failing accepts and panics; nil is silent.
	Logger *slog.Logger

	mu       sync.Mutex
	conns    int
	networks map[netip.Prefix]int
	refusals int
}

// Serve accepts connections until ctx ends, and returns when every session of ln is over: nil then, else the error of
// the listener, whose sessions have been ended in the same way. It closes ln.
func (l *Loop) Serve(ctx context.Context, ln net.Listener) error {
	soft, cancel := context.WithCancel(ctx)
	defer cancel()
	hard, kill := l.hard(soft)
	defer kill()
	stop := context.AfterFunc(soft, func() { _ = ln.Close() })
	defer stop()
	defer ln.Close()
	var sessions sync.WaitGroup // and refusals
	defer sessions.Wait()
	defer cancel()
	wait := time.Duration(0)
	for {
		c, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) || wait > time.Second {
				return err
			}
			// Out of file descriptors, most often: sessions that end free some.
			wait = max(5*time.Millisecond, 2*wait)
			l.log(ctx, slog.LevelError, "accept failed", "err", err, "wait", wait)
			t := time.NewTimer(wait)
			select {
			case <-t.C:
			case <-ctx.Done():
				t.Stop()
			}
			continue
		}
		wait = 0
		release, err := l.admit(ctx, c)
		if err != nil {
			l.refuse(ctx, &sessions, c, err)
			continue
		}
		sessions.Go(func() {
			defer release()
			l.run(soft, hard, c)
		})
	}
}

// ServeConn runs one session on the goroutine of the caller, with the same rules, and returns when it is over. The error
// is why the connection was refused.
func (l *Loop) ServeConn(ctx context.Context, c net.Conn) error {
	release, err := l.admit(ctx, c)
	if err != nil {
		l.say(c, err)
		return err
	}
	defer release()
	hard, kill := l.hard(ctx)
	defer kill()
	l.run(ctx, hard, c)
	return nil
}

// hard returns a context that ends Grace after soft.
func (l *Loop) hard(soft context.Context) (context.Context, context.CancelFunc) {
	hard, kill := context.WithCancel(context.WithoutCancel(soft))
	grace := l.Grace
	if grace == 0 {
		grace = DefaultGrace
	}
	stop := context.AfterFunc(soft, func() {
		t := time.NewTimer(grace)
		defer t.Stop()
		select {
		case <-t.C:
			kill()
		case <-hard.Done():
		}
	})
	return hard, func() { stop(); kill() }
}

// run runs one session. A panic in it ends that session alone.
func (l *Loop) run(soft, hard context.Context, c net.Conn) {
	hard, done := context.WithCancel(hard)
	defer done()
	stop := context.AfterFunc(hard, func() { _ = c.Close() })
	defer c.Close()
	defer stop()
	defer func() {
		if p := recover(); p != nil {
			l.log(hard, slog.LevelError, "panic in a session", "remote", c.RemoteAddr(), "panic", p, "stack", string(debug.Stack()))
		}
	}()
	l.Session(soft, hard, c)
}

// admit counts c in. release counts it out.
func (l *Loop) admit(ctx context.Context, c net.Conn) (release func(), err error) {
	network := networkOf(c.RemoteAddr())
	if err := l.count(network); err != nil {
		return nil, err
	}
	if l.Admit == nil {
		return func() { l.discount(network) }, nil
	}
	leave, err := l.Admit(ctx, c)
	if err != nil {
		l.discount(network)
		return nil, err
	}
	return func() {
		l.discount(network)
		if leave != nil {
			leave()
		}
	}, nil
}

func (l *Loop) count(network netip.Prefix) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limit := orDefault(l.MaxConns, DefaultConns); limit > 0 && l.conns >= limit {
		return &BusyError{Limit: limit}
	}
	if limit := orDefault(l.MaxPerNetwork, DefaultPerNetwork); network.IsValid() && limit > 0 && l.networks[network] >= limit {
		return &BusyError{Network: network, Limit: limit}
	}
	l.conns++
	if network.IsValid() {
		if l.networks == nil {
			l.networks = make(map[netip.Prefix]int)
		}
		l.networks[network]++
	}
	return nil
}

func (l *Loop) discount(network netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns--
	if !network.IsValid() {
		return
	}
	if l.networks[network]--; l.networks[network] == 0 {
		delete(l.networks, network)
	}
}

// Conns returns the number of sessions under way.
func (l *Loop) Conns() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conns
}

// refuse says why c is refused, without holding up the one who accepts.
func (l *Loop) refuse(ctx context.Context, running *sync.WaitGroup, c net.Conn, err error) {
	l.log(ctx, slog.LevelWarn, "connection refused", "remote", c.RemoteAddr(), "err", err)
	l.mu.Lock()
	many := l.refusals >= maxRefusals
	if !many {
		l.refusals++
	}
	l.mu.Unlock()
	if many {
		_ = c.Close()
		return
	}
	running.Go(func() {
		l.say(c, err)
		l.mu.Lock()
		l.refusals--
		l.mu.Unlock()
	})
}

func (l *Loop) say(c net.Conn, err error) {
	defer c.Close()
	if l.Refuse != nil {
		_ = c.SetDeadline(time.Now().Add(refusal))
		l.Refuse(c, err)
	}
}

func (l *Loop) log(ctx context.Context, level slog.Level, msg string, args ...any) {
	if l.Logger != nil {
		l.Logger.Log(ctx, level, msg, args...)
	}
}

// networkOf returns who counts as one: an IPv4 address or an IPv6 /64.
func networkOf(a net.Addr) netip.Prefix {
	ta, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := ta.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

func orDefault(v, def int) int {
	if v == 0 {
		return def
	}
	return v
}
