package sandbox

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// A network gives each host of the world an address of its own over the one address 127.0.0.1, as a NAT does: hosts
// have addresses from the ranges for documentation (RFC 5737), which DNS names and SPF lists; a connection to one of
// them is a TCP connection to a free port of 127.0.0.1, and the listener sees the address that the dialer has here.
type network struct {
	mu      sync.Mutex
	dialed  sync.Cond
	hosts   map[netip.AddrPort]*listener
	origins map[netip.AddrPort]origin // by the dialer's real address, until the listener has accepted
	flights map[netip.AddrPort]*flight
}

// An origin is who dialed.
type origin struct {
	addr   netip.Addr
	flight *flight
}

func newNetwork() *network {
	n := &network{
		hosts:   make(map[netip.AddrPort]*listener),
		origins: make(map[netip.AddrPort]origin),
		flights: make(map[netip.AddrPort]*flight),
	}
	n.dialed.L = &n.mu
	return n
}

// listen opens a port of a host.
func (n *network) listen(host netip.Addr, port uint16) (net.Listener, error) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &listener{Listener: ln, n: n, world: netip.AddrPortFrom(host, port)}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[l.world] = l
	return l, nil
}

// dialer returns the dial function of the host with the address from. A flight in the context has its own say about
// the address, and is what the accepting side finds by flightOf.
func (n *network) dialer(from netip.Addr) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, _, addr string) (net.Conn, error) {
		o := origin{addr: from, flight: flightFrom(ctx)}
		if o.flight != nil && o.flight.source.IsValid() {
			o.addr = o.flight.source
		}
		return n.dial(ctx, addr, o)
	}
}

func (n *network) dial(ctx context.Context, addr string, o origin) (net.Conn, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	l := n.hosts[to]
	if l == nil {
		n.mu.Unlock()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: syscall.ECONNREFUSED}
	}
	l.dialing++
	n.mu.Unlock()
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp4", l.Addr().String())
	n.mu.Lock()
	defer n.mu.Unlock()
	l.dialing--
	n.dialed.Broadcast()
	if err != nil {
		return nil, err
	}
	real := realAddr(c.LocalAddr())
	n.origins[real] = o
	return &conn{Conn: c, n: n, dialed: real, local: netip.AddrPortFrom(o.addr, real.Port()), remote: to}, nil
}

// flightOf returns the flight of the connection whose dialer has this address in the world, nil if there is none.
func (n *network) flightOf(remote net.Addr) *flight {
	if remote == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.flights[realAddr(remote)]
}

func realAddr(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		p := t.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	p, _ := netip.ParseAddrPort(a.String())
	return p
}

// A listener accepts connections for one port of one host.
type listener struct {
	net.Listener
	n       *network
	world   netip.AddrPort
	dialing int // dials that have not told their origin yet
}

// Accept implements net.Listener. A connection from outside the world keeps its address.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	real := realAddr(c.RemoteAddr())
	l.n.mu.Lock()
	defer l.n.mu.Unlock()
	o, ok := l.n.origins[real]
	for !ok && l.dialing > 0 {
		l.n.dialed.Wait()
		o, ok = l.n.origins[real]
	}
	if !ok {
		return c, nil
	}
	delete(l.n.origins, real)
	a := &conn{Conn: c, n: l.n, local: l.world, remote: netip.AddrPortFrom(o.addr, real.Port())}
	if o.flight != nil {
		l.n.flights[a.remote] = o.flight
		a.accepted = true
	}
	return a, nil
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.n.mu.Lock()
	if l.n.hosts[l.world] == l {
		delete(l.n.hosts, l.world)
	}
	l.n.mu.Unlock()
	return l.Listener.Close()
}

// A conn is one end of a connection within the world.
type conn struct {
	net.Conn
	n             *network
	local, remote netip.AddrPort
	dialed        netip.AddrPort // the real address, of the dialer's end
	accepted      bool
}

func (c *conn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c *conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

// Close implements net.Conn.
func (c *conn) Close() error {
	c.n.mu.Lock()
	delete(c.n.origins, c.dialed)
	if c.accepted {
		delete(c.n.flights, c.remote)
	}
	c.n.mu.Unlock()
	return c.Conn.Close()
}

// loopback returns the address on this machine that a port of a host has, for programs from outside; "" if nothing
// listens there.
func (n *network) loopback(host netip.Addr, port uint16) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.hosts[netip.AddrPortFrom(host, port)]
	if l == nil {
		return ""
	}
	return l.Addr().String()
}
