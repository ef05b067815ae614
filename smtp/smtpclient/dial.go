package smtpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/internal/address"
	"github.com/mailbricks/mailbricks/smtp"
)

// Dial connects to addr, host:port or the path of a Unix socket that begins with "/", and goes through greeting, EHLO,
// STARTTLS and AUTH. Where TLS is opportunistic and its handshake fails, it connects once more and goes on in plaintext.
func Dial(ctx context.Context, addr string, c Config) (*Conn, error) {
	conn, err := dialOnce(ctx, addr, c)
	if e, ok := errors.AsType[*Error](err); ok && e.Op == "TLS" && ctx.Err() == nil {
		full, cerr := c.withDefaults()
		if cerr == nil && full.TLS == Opportunistic {
			full.Logger.Info("plaintext after failure of TLS", "host", e.Host, "err", err)
			full.TLS = None
			return dialOnce(ctx, addr, full)
		}
	}
	return conn, err
}

func dialOnce(ctx context.Context, addr string, c Config) (*Conn, error) {
	network, host := "tcp", addr
	if strings.HasPrefix(addr, "/") {
		network, host = "unix", "localhost"
	} else if h, _, err := net.SplitHostPort(addr); err != nil {
		return nil, lostError("connect", addr, err)
	} else {
		host = h
	}
	if c.ServerName == "" {
		c.ServerName = host
	}
	full, err := c.withDefaults()
	if err != nil {
		return nil, &Error{Op: "connect", Host: c.ServerName, Err: err}
	}
	within, cancel := context.WithTimeout(ctx, full.Timeouts.Connect)
	defer cancel()
	nc, err := full.Dial(within, network, addr)
	if err != nil {
		if _, ok := errors.AsType[*smtp.Error](err); ok { // the dialer knows better
			return nil, &Error{Op: "connect", Host: c.ServerName, Err: err}
		}
		return nil, lostError("connect", c.ServerName, err)
	}
	return NewConn(ctx, nc, full)
}

// NewConn takes a connection that is open and goes through greeting, EHLO, STARTTLS and AUTH. The connection belongs to
// the Conn; after an error it is closed. A *tls.Conn is encrypted already.
func NewConn(ctx context.Context, nc net.Conn, c Config) (*Conn, error) {
	c, err := c.withDefaults()
	if c.ServerName == "" {
		c.ServerName = "server"
		if a := nc.RemoteAddr(); a != nil {
			c.ServerName = a.String()
			if h, _, err := net.SplitHostPort(c.ServerName); err == nil {
				c.ServerName = h
			}
		}
	}
	conn := &Conn{c: c, host: c.ServerName, raw: nc, conn: nc, busy: make(chan struct{}, 1)}
	if err == nil {
		defer conn.watch(ctx)()
		err = conn.open(ctx)
	} else {
		err = &Error{Op: "connect", Host: conn.host, Err: err}
	}
	if err != nil {
		conn.kill()
		return nil, err
	}
	if c.Opened != nil {
		c.Opened(conn)
	}
	return conn, nil
}

// open goes through everything before the first transaction.
func (c *Conn) open(ctx context.Context) error {
	if t, ok := c.conn.(*tls.Conn); ok {
		if err := c.adoptTLS(ctx, t); err != nil {
			return err
		}
	} else if c.c.TLS == Implicit {
		if err := c.startTLS(ctx); err != nil {
			return err
		}
	}
	if c.r == nil {
		c.r = smtp.NewReplyReader(c.conn)
	}
	if err := c.greeting(ctx); err != nil {
		return err
	}
	if err := c.hello(ctx); err != nil {
		return err
	}
	if c.tls == nil && c.c.TLS != None {
		if err := c.upgrade(ctx); err != nil {
			return err
		}
	}
	return c.authenticate(ctx)
}

// greeting reads the 220 (RFC 5321 §3.1). What follows it in the same segment is no reply to anything.
func (c *Conn) greeting(ctx context.Context) error {
	r, err := c.reply(ctx, "greeting", c.c.Timeouts.Greeting)
	switch {
	case err != nil:
		return err
	case r.Code >= 400:
		return c.refused("greeting", r)
	case r.Code != 220:
		return c.unexpected("greeting", r)
	}
	return nil
}

// hello says EHLO, and HELO to servers that do not know it (RFC 5321 §3.2), or LHLO.
func (c *Conn) hello(ctx context.Context) error {
	op := "EHLO"
	if c.c.LMTP {
		op = "LHLO"
	}
	r, err := c.say(ctx, op, op+" "+c.hostname())
	if err != nil {
		return err
	}
	if r.Permanent() && !c.c.LMTP && (c.c.TLS == Opportunistic || c.c.TLS == None) {
		c.ext = nil
		if r, err = c.say(ctx, op, "HELO "+c.hostname()); err != nil {
			return err
		}
		if r.Code == 250 {
			return nil
		}
	}
	switch {
	case r.Code >= 400:
		return c.refused(op, r)
	case r.Code != 250:
		return c.unexpected(op, r)
	}
	c.ext = parseExtensions(r)
	return nil
}

// say sends one command line and reads its reply.
func (c *Conn) say(ctx context.Context, op, line string) (smtp.Reply, error) {
	c.out = append(append(c.out[:0], line...), "\r\n"...)
	return c.exec(ctx, op, c.c.Timeouts.Command)
}

func (c *Conn) hostname() string {
	if c.c.Hostname != "" {
		return c.c.Hostname
	}
	if a := c.raw.LocalAddr(); a != nil {
		if ap, err := netip.ParseAddrPort(a.String()); err == nil {
			return string(address.AppendLiteral(nil, ap.Addr()))
		}
	}
	return "localhost"
}

// trace tells lines, each ended by CRLF.
func (c *Conn) trace(sent bool, lines string) {
	if c.c.Trace == nil {
		return
	}
	now := time.Now()
	for l := range strings.Lines(lines) {
		l = strings.TrimRight(l, "\r\n")
		c.c.Trace(TraceEvent{Time: now, Host: c.host, Remote: c.raw.RemoteAddr(), Sent: sent, Line: l})
	}
}
