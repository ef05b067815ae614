package proxyproto

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Defaults of a Listener.
const (
	DefaultTimeout = 5 * time.Second
	DefaultPending = 256
)

// A Listener is a net.Listener that has read the header of what it accepts. Its fields must not be changed once it is in
// use.
type Listener struct {
	// Listener accepts the connections.
	net.Listener
	// Trusted are the networks whose word is taken; none: nobody's.
	Trusted []netip.Prefix
	// Timeout is how long a whole header may take; 0: DefaultTimeout.
	Timeout time.Duration
	// Pending is how many headers are read at a time; 0: DefaultPending. No more connections are accepted meanwhile.
	Pending int
	// Refused, if not nil, is told why a connection was closed: a *HeaderError, or that of the connection. It is called by
	// several goroutines at once.
	Refused func(proxy net.Addr, err error)

	start    sync.Once
	stop     context.Context
	cancel   context.CancelFunc
	ready    chan accepted
	accepter sync.WaitGroup
}

type accepted struct {
	c   net.Conn
	err error
}

func (l *Listener) begin() {
	l.start.Do(func() {
		l.stop, l.cancel = context.WithCancel(context.Background())
		l.ready = make(chan accepted)
		l.accepter.Go(l.run)
	})
}

// Accept returns the next connection whose header has been read, or that needs none.
func (l *Listener) Accept() (net.Conn, error) {
	l.begin()
	select {
	case a := <-l.ready:
		return a.c, a.err
	case <-l.stop.Done():
		return nil, net.ErrClosed
	}
}

// Close closes the listener, and the connections whose header is being read, and waits until that is done.
func (l *Listener) Close() error {
	l.begin()
	l.cancel()
	err := l.Listener.Close()
	l.accepter.Wait()
	return err
}

// run accepts until the Listener is closed.
func (l *Listener) run() {
	pending := l.Pending
	if pending <= 0 {
		pending = DefaultPending
	}
	slots := make(chan struct{}, pending)
	var headers sync.WaitGroup
	defer headers.Wait()
	for {
		select {
		case slots <- struct{}{}:
		case <-l.stop.Done():
			return
		}
		c, err := l.Listener.Accept()
		if err != nil {
			<-slots
			if !l.give(accepted{err: err}) {
				return
			}
			continue // whoever calls Accept decides whether to go on
		}
		headers.Go(func() {
			defer func() { <-slots }()
			stop := context.AfterFunc(l.stop, func() { _ = c.Close() })
			x, err := l.Conn(c)
			ours := stop()
			if err != nil {
				_ = c.Close()
				if l.Refused != nil && ours {
					l.Refused(c.RemoteAddr(), err)
				}
				return
			}
			if !ours || !l.give(accepted{c: x}) {
				_ = c.Close()
			}
		})
	}
}

// give hands a to Accept and reports whether it was taken.
func (l *Listener) give(a accepted) bool {
	select {
	case l.ready <- a:
		return true
	case <-l.stop.Done():
		return false
	}
}

// Conn reads the header from c and returns the connection with the addresses that it tells, for who has no net.Listener. From
// an address that is not trusted it returns c itself. It does not close c.
func (l *Listener) Conn(c net.Conn) (net.Conn, error) {
	remote := addrPort(c.RemoteAddr()).Addr().Unmap().WithZone("")
	if !slices.ContainsFunc(l.Trusted, func(p netip.Prefix) bool { return p.Contains(remote) }) {
		return c, nil
	}
	timeout := l.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	if err := c.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return nil, err
	}
	h, err := ReadHeader(c)
	if err != nil {
		return nil, err
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	if !h.Source.IsValid() {
		return c, nil
	}
	return &conn{Conn: c, remote: net.TCPAddrFromAddrPort(h.Source), local: net.TCPAddrFromAddrPort(h.Destination)}, nil
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort()
	}
	if a == nil {
		return netip.AddrPort{}
	}
	p, _ := netip.ParseAddrPort(a.String())
	return p
}

// conn is a connection with the ends that a header told.
type conn struct {
	net.Conn
	remote, local net.Addr
}

func (c *conn) RemoteAddr() net.Addr { return c.remote }
func (c *conn) LocalAddr() net.Addr  { return c.local }

// CloseWrite closes the sending side where the connection can do that.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return net.ErrClosed
}
