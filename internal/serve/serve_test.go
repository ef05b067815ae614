package serve

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A pipes is a listener of in-memory connections.
type pipes struct {
	c    chan net.Conn
	errs chan error
	done chan struct{}
}

func newPipes() *pipes {
	return &pipes{c: make(chan net.Conn), errs: make(chan error), done: make(chan struct{})}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.c:
		return c, nil
	case err := <-p.errs:
		return nil, err
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.done:
	default:
		close(p.done)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// from is a connection with another remote address.
type from struct {
	net.Conn
	ip string
}

func (f from) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(f.ip), Port: 1} }

func (p *pipes) dial(ip string) net.Conn {
	a, b := net.Pipe()
	p.c <- from{b, ip}
	return a
}

func said(t *testing.T, c net.Conn) string {
	t.Helper()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := make(chan error, 1)
		l := &Loop{
			MaxConns: 3, MaxPerNetwork: 2,
			Session: func(_, _ context.Context, c net.Conn) { _, _ = io.Copy(io.Discard, c) },
			Refuse: func(c net.Conn, err error) {
				_, _ = io.WriteString(c, "busy")
				refused <- err
			},
		}
		ln := newPipes()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- l.Serve(ctx, ln) }()
		first := ln.dial("2001:db8::1")
		ln.dial("2001:db8::2:1")
		if got := said(t, ln.dial("2001:db8::3")); got != "busy" {
			t.Errorf("third of a /64: %q", got)
		}
		if err, ok := errors.AsType[*BusyError](<-refused); !ok || err.Network != netip.MustParsePrefix("2001:db8::/64") || err.Limit != 2 {
			t.Error(err)
		}
		ln.dial("::ffff:192.0.2.1")
		if got := said(t, ln.dial("192.0.2.2")); got != "busy" {
			t.Errorf("fourth in all: %q", got)
		}
		if err, ok := errors.AsType[*BusyError](<-refused); !ok || err.Network.IsValid() || err.Limit != 3 {
			t.Error(err)
		}
		first.Close()
		synctest.Wait()
		if l.Conns() != 2 {
			t.Errorf("%d connections", l.Conns())
		}
		ln.dial("192.0.2.2")
		synctest.Wait()
		if l.Conns() != 3 {
			t.Errorf("%d connections", l.Conns())
		}
		cancel()
		if err := <-ended; err != nil || l.Conns() != 0 || len(l.networks) != 0 {
			t.Error(err, l.Conns(), l.networks)
		}
	})
}

func TestAdmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		no := errors.New("no")
		var in, out int
		l := &Loop{
			Session: func(_, _ context.Context, c net.Conn) {},
			Admit: func(context.Context, net.Conn) (func(), error) {
				if in++; in == 2 {
					return nil, no
				}
				return func() { out++ }, nil
			},
		}
		for _, want := range []error{nil, no, nil} {
			_, c := net.Pipe()
			if err := l.ServeConn(t.Context(), c); err != want {
				t.Errorf("%v, want %v", err, want)
			}
			if _, err := c.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("the connection is open: %v", err)
			}
		}
		if in != 3 || out != 2 || l.Conns() != 0 {
			t.Error(in, out, l.Conns())
		}
	})
}

// TestEnd: soft ends with the context, hard and the connection Grace later.
func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var polite, killed time.Duration
		start := time.Now()
		l := &Loop{Grace: 10 * time.Second, Session: func(soft, hard context.Context, c net.Conn) {
			<-soft.Done()
			polite = time.Since(start)
			_, err := c.Read(make([]byte, 1))
			if !errors.Is(err, io.ErrClosedPipe) || hard.Err() == nil {
				t.Error(err, hard.Err())
			}
			killed = time.Since(start)
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ln := newPipes()
		go func() { ln.dial("192.0.2.1") }()
		if err := l.Serve(ctx, ln); err != nil {
			t.Error(err)
		}
		if polite != time.Minute || killed != 70*time.Second {
			t.Error(polite, killed)
		}
	})
}

// TestAcceptErrors: errors that pass do not end the loop, those that last do, and its sessions with it.
func TestAcceptErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended atomic.Bool
		l := &Loop{Session: func(soft, _ context.Context, _ net.Conn) { <-soft.Done(); ended.Store(true) }}
		ln := newPipes()
		full := errors.New("too many open files")
		go func() {
			ln.errs <- full
			ln.dial("192.0.2.1")
			for {
				select {
				case ln.errs <- full:
				case <-ln.done:
					return
				}
			}
		}()
		if err := l.Serve(t.Context(), ln); err != full || !ended.Load() {
			t.Error(err, ended.Load())
		}
	})
}
