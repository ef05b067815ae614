package smtpclient

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
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
	if err := c.authenticate(ctx); err != nil {
		return err
	}
	if c.c.Opened == nil {
		return nil
	}
	err := c.c.Opened(c)
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*smtp.Error](err); ok {
		return &Error{Op: "EHLO", Host: c.host, Err: err}
	}
	return c.local("EHLO", 451, smtp.EnhancedCode{4, 7, 0}, "Connection with "+c.host+" not wanted", err)
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
			c.name, _, _ = strings.Cut(r.Lines[0], " ")
			return nil
		}
	}
	switch {
	case r.Code >= 400:
		return c.refused(op, r)
	case r.Code != 250:
		return c.unexpected(op, r)
	}
	c.name, _, _ = strings.Cut(r.Lines[0], " ")
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

// Limits of AUTH: challenges of one dialogue, and an initial response that fits a command line of 512 octets
// (RFC 4954 §4).
const (
	maxChallenges = 8
	maxInitial    = 450
)

// upgrade is STARTTLS (RFC 3207).
func (c *Conn) upgrade(ctx context.Context) error {
	opportunistic := c.c.TLS == Opportunistic
	if !c.ext.Has("STARTTLS") {
		if opportunistic {
			return nil
		}
		return c.local("STARTTLS", 454, smtp.EnhancedCode{4, 7, 4}, c.host+" offers no TLS", ErrNoTLS)
	}
	r, err := c.say(ctx, "STARTTLS", "STARTTLS")
	switch {
	case err != nil:
		return err
	case r.Code >= 400 && r.Code != 421 && opportunistic:
		c.c.Logger.Info("plaintext after refusal of STARTTLS", "host", c.host, "reply", r.String())
		return nil
	case r.Code >= 400:
		e := c.refused("STARTTLS", r)
		e.Err = &smtp.Error{Reply: smtp.NewReply(454, smtp.EnhancedCode{4, 7, 4}, c.host+" refuses TLS"), Err: e.Err}
		return e
	case r.Code != 220:
		return c.unexpected("STARTTLS", r)
	case c.r.Buffered() > 0:
		return c.lost(ctx, "STARTTLS", ErrInjected)
	}
	if err := c.startTLS(ctx); err != nil {
		return err
	}
	return c.hello(ctx) // what was known before is forgotten (RFC 3207 §4.2)
}

// startTLS does the handshake on the connection.
func (c *Conn) startTLS(ctx context.Context) error {
	return c.adoptTLS(ctx, tls.Client(c.raw, c.c.tlsConfig()))
}

// adoptTLS finishes the handshake of t and speaks through it.
func (c *Conn) adoptTLS(ctx context.Context, t *tls.Conn) error {
	err := c.arm(ctx, c.c.Timeouts.Command)
	if err == nil {
		err = t.HandshakeContext(ctx)
	}
	if err != nil {
		return c.lost(ctx, "TLS", err)
	}
	state := t.ConnectionState()
	c.conn, c.tls, c.r = t, &state, smtp.NewReplyReader(t)
	c.verified = len(state.VerifiedChains) > 0 || c.c.Verify != nil
	if c.c.Trace != nil {
		c.trace(true, fmt.Sprintf("(%s %s)", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite)))
	}
	return nil
}

// authenticate is AUTH (RFC 4954). That it fails is nothing a message could help: the error is temporary.
func (c *Conn) authenticate(ctx context.Context) error {
	if c.c.Credentials == nil {
		return nil
	}
	client, err := c.c.Credentials.Client(c.ext.mechanisms(), c.tls)
	var mech string
	var response []byte
	if err == nil {
		mech, response, err = client.Start()
	}
	if err != nil {
		return c.authError(smtp.Reply{}, err)
	}
	line := "AUTH " + mech
	hold := response != nil && base64.StdEncoding.EncodedLen(len(response)) > maxInitial
	if response != nil && !hold {
		line += " " + initialResponse(response)
	}
	c.out = append(append(c.out[:0], line...), "\r\n"...)
	r, err := c.secret(ctx, "AUTH "+mech+map[bool]string{true: " ***"}[response != nil && !hold])
	for n := 0; err == nil && r.Code == 334; n++ {
		if n == maxChallenges {
			return c.lost(ctx, "AUTH", errors.New("smtpclient: too many challenges"))
		}
		var challenge []byte
		challenge, err = base64.StdEncoding.DecodeString(r.Text())
		if err == nil && hold && len(challenge) == 0 {
			hold = false
		} else if err == nil {
			response, err = client.Next(challenge)
		}
		if err != nil { // give up in order (RFC 4954 §4)
			c.out = append(c.out[:0], "*\r\n"...)
			r, _ := c.exec(ctx, "AUTH", c.c.Timeouts.Command)
			return c.authError(r, err)
		}
		c.out = append(base64.StdEncoding.AppendEncode(c.out[:0], response), "\r\n"...)
		r, err = c.secret(ctx, "***")
	}
	switch {
	case err != nil:
		return err
	case r.Code >= 400:
		return c.authError(r, &smtp.Error{Reply: r})
	case r.Code != 235:
		return c.unexpected("AUTH", r)
	}
	if err := sasl.Proven(client); err != nil {
		return c.lost(ctx, "AUTH", err)
	}
	c.authed = true
	return nil
}

// initialResponse writes an empty one as "=" (RFC 4954 §4).
func initialResponse(b []byte) string {
	if len(b) == 0 {
		return "="
	}
	return base64.StdEncoding.EncodeToString(b)
}

// secret sends a line that is shown otherwise, and hides the challenge that comes back.
func (c *Conn) secret(ctx context.Context, shown string) (smtp.Reply, error) {
	trace := c.c.Trace
	c.trace(true, shown)
	c.c.Trace = nil
	r, err := c.exec(ctx, "AUTH", c.c.Timeouts.Command)
	c.c.Trace = trace
	switch {
	case err != nil:
	case r.Code == 334:
		c.trace(false, "334 ***")
	default:
		c.traceReply(r)
	}
	return r, err
}

func (c *Conn) authError(r smtp.Reply, cause error) *Error {
	return &Error{Op: "AUTH", Host: c.host, Reply: r,
		Err: &smtp.Error{Reply: smtp.NewReply(454, smtp.EnhancedCode{4, 7, 0}, "Authentication with "+c.host+" failed"), Err: cause}}
}
