package route

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/mailbricks/mailbricks/internal/netguard"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

// headStart is how long an address is tried alone before the next one (RFC 8305 §5).
const headStart = 250 * time.Millisecond

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

func (r *Router) guard() netguard.Guard { return netguard.Guard{Allow: r.Allow} }

// dialer returns what opens connections to addresses.
func (r *Router) dialer() dialFunc {
	if r.Client.Dial != nil {
		return r.Client.Dial
	}
	return (&net.Dialer{}).DialContext
}

func (r *Router) port() string { return strconv.Itoa(def(r.Port, DefaultPort)) }

// A hostDialer opens connections to one host. It remembers which addresses have been of no use.
type hostDialer struct {
	r      *Router
	domain string
	h      host
	name   string     // to say in SNI
	last   netip.Addr // of the last connection
	left   int        // other addresses that it has
	bad    []netip.Addr
}

func (d *hostDialer) dial(ctx context.Context, network, hostport string) (net.Conn, error) {
	r := d.r
	if r.Redirect != nil {
		if to := r.Redirect(hostport); to != "" {
			return r.dialer()(ctx, network, to)
		}
	}
	addrs, err := r.addresses(ctx, d.domain, d.h)
	if err != nil {
		return nil, err
	}
	addrs = slices.DeleteFunc(addrs, func(a netip.Addr) bool { return slices.Contains(d.bad, a) })
	if len(addrs) == 0 { // they have changed meanwhile
		return nil, fail(d.domain, d.h.name, 451, smtp.EnhancedCode{4, 4, 1}, "No answer from "+d.h.name, nil)
	}
	conn, i, err := race(ctx, r.dialer(), network, addrs, r.port())
	if err != nil {
		return nil, err
	}
	d.last, d.left = addrs[i], len(addrs)-1
	return conn, nil
}

// again reports whether the host has other addresses, after a connection that was made and of no use.
func (d *hostDialer) again() bool {
	if !d.last.IsValid() || d.left == 0 {
		return false
	}
	d.bad = append(d.bad, d.last)
	d.last = netip.Addr{}
	return true
}

// race dials the addresses in order, each headStart after the one before it, or when that has failed, and returns the
// first connection and whose it is. The error is that of the first address that failed. All dials have ended when it returns.
func race(ctx context.Context, dial dialFunc, network string, addrs []netip.Addr, port string) (net.Conn, int, error) {
	ctx, cancel := context.WithCancel(ctx)
	type outcome struct {
		conn net.Conn
		of   int
		err  error
	}
	ended := make(chan outcome, len(addrs))
	var won outcome
	var failure error
	running, next := 0, 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	done := ctx.Done()
	for won.conn == nil && (running > 0 || next < len(addrs)) {
		start := timer.C
		if next == len(addrs) {
			start = nil
		}
		select {
		case <-start:
			of, addr := next, net.JoinHostPort(addrs[next].String(), port)
			next++
			running++
			go func() {
				c, err := dial(ctx, network, addr)
				ended <- outcome{c, of, err}
			}()
			timer.Reset(headStart)
		case o := <-ended:
			running--
			won = o
			if failure == nil {
				failure = o.err
			}
			timer.Reset(0)
		case <-done: // those that run end by themselves
			done, next = nil, len(addrs)
			if failure == nil {
				failure = context.Cause(ctx)
			}
		}
	}
	cancel()
	for ; running > 0; running-- {
		if o := <-ended; o.conn != nil {
			_ = o.conn.Close()
		}
	}
	if won.conn != nil {
		return won.conn, won.of, nil
	}
	return nil, 0, failure
}

// client returns the client for one host.
func (r *Router) client(d *hostDialer, c smtpclient.Config) *smtpclient.Client {
	c.ServerName = d.name
	c.Dial = d.dial
	return &smtpclient.Client{Addr: net.JoinHostPort(d.h.name, r.port()), Config: c, Pool: r.pool()}
}
