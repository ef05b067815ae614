package route

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/mailbricks/mailbricks/internal/netguard"
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

// dialTo returns a dial function for the connections to one host.
func (r *Router) dialTo(domain string, h host) dialFunc {
	return func(ctx context.Context, network, hostport string) (net.Conn, error) {
		if r.Redirect != nil {
			if to := r.Redirect(hostport); to != "" {
				return r.dialer()(ctx, network, to)
			}
		}
		addrs, err := r.addresses(ctx, domain, h)
		if err != nil {
			return nil, err
		}
		return race(ctx, r.dialer(), network, addrs, r.port())
	}
}

// race dials the addresses in order, each headStart after the one before it, or when that has failed, and returns the
// first connection. The error is that of the first address that failed. All dials have ended when it returns.
func race(ctx context.Context, dial dialFunc, network string, addrs []netip.Addr, port string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	type outcome struct {
		conn net.Conn
		err  error
	}
	ended := make(chan outcome, len(addrs))
	var won net.Conn
	var failure error
	running, next := 0, 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	done := ctx.Done()
	for won == nil && (running > 0 || next < len(addrs)) {
		start := timer.C
		if next == len(addrs) {
			start = nil
		}
		select {
		case <-start:
			addr := net.JoinHostPort(addrs[next].String(), port)
			next++
			running++
			go func() {
				c, err := dial(ctx, network, addr)
				ended <- outcome{c, err}
			}()
			timer.Reset(headStart)
		case o := <-ended:
			running--
			won = o.conn
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
	if won != nil {
		return won, nil
	}
	return nil, failure
}

// client returns the client for one host.
func (r *Router) client(p place, h host, c smtpclient.Config) *smtpclient.Client {
	c.ServerName = h.name
	c.Dial = r.dialTo(p.domain, h)
	return &smtpclient.Client{Addr: net.JoinHostPort(h.name, r.port()), Config: c, Pool: r.pool()}
}
