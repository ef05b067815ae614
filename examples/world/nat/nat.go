// Package nat gives hosts of a world in one process addresses of their own over the one address 127.0.0.1.
//
//	mx.harbour.example, 192.0.2.25                       mx.meadow.example, 198.51.100.25
//	   Dialer ── 198.51.100.25:25 ? 127.0.0.1:40127 ────────▶ Listen
//	             one TCP connection on loopback               RemoteAddr: 192.0.2.25
//
// Addresses can be of the ranges for documentation (RFC 5737), which DNS names and SPF lists.
package nat

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// A Network maps addresses as a NAT does: a connection to an address of a host is a TCP connection to a free port of
// 127.0.0.1, and the listener sees the address that the dialer has here.
type Network struct {
	mu      sync.Mutex
	dialed  sync.Cond
	hosts   map[netip.AddrPort]*listener
	origins map[netip.AddrPort]Origin // by the dialer's real address, until the listener has accepted
	tags    map[netip.AddrPort]any
}

// An Origin is who dials: the address that the other side sees, and whatever Tag is to return there.
type Origin struct {
	Addr netip.Addr
	Tag  any
}

// New returns a Network without hosts.
func New() *Network {
	n := &Network{
		hosts:   make(map[netip.AddrPort]*listener),
		origins: make(map[netip.AddrPort]Origin),
		tags:    make(map[netip.AddrPort]any),
	}
	n.dialed.L = &n.mu
	return n
}

// Listen opens a port of a host.
func (n *Network) Listen(host netip.Addr, port uint16) (net.Listener, error) {
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

// Dial connects to an address of a host. Nothing outside of the Network can be reached.
func (n *Network) Dial(ctx context.Context, addr string, o Origin) (net.Conn, error) {
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
	return &conn{Conn: c, n: n, dialed: real, local: netip.AddrPortFrom(o.Addr, real.Port()), remote: to}, nil
}

// Tag returns what the Origin of a connection carried, whose other end has this address here; nil if there is none, or
// the connection is closed.
func (n *Network) Tag(remote net.Addr) any {
	if remote == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.tags[realAddr(remote)]
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
	n       *Network
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
	a := &conn{Conn: c, n: l.n, local: l.world, remote: netip.AddrPortFrom(o.Addr, real.Port())}
	if o.Tag != nil {
		l.n.tags[a.remote] = o.Tag
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
	n             *Network
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
		delete(c.n.tags, c.remote)
	}
	c.n.mu.Unlock()
	return c.Conn.Close()
}

// Loopback returns the address on this machine that a port of a host has, for programs from outside; "" if nothing
// listens there.
func (n *Network) Loopback(host netip.Addr, port uint16) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.hosts[netip.AddrPortFrom(host, port)]
	if l == nil {
		return ""
	}
	return l.Addr().String()
}
