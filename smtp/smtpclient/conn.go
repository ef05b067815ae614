package smtpclient

import (
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"

	"github.com/mailbricks/mailbricks/smtp"
)

// A Conn is one connection to a server. It is an smtp.BatchHandler: one transaction goes on at a time, others wait for
// its Close. Its Deliver is faster than Mail, Rcpt and Data, since it knows the whole envelope and can pipeline.
type Conn struct {
	c    Config
	host string
	raw  net.Conn // below TLS
	conn net.Conn
	tls  *tls.ConnectionState
	// verified says that the certificate was checked, authed that AUTH succeeded.
	verified, authed bool
	name             string // in the reply to EHLO
	ext              Extensions
	r                *smtp.ReplyReader
	out              []byte        // commands that wait to be written
	busy             chan struct{} // holds a token while a transaction goes on
	dead             atomic.Bool
	dirty            bool      // the server may still be in a transaction: RSET before the next
	mails            int       // transactions so far
	until            time.Time // bounds all phases of a pipelined envelope; zero: nothing
	pending          []int     // commands that wait for their replies, see exchange
}

// Extensions returns what the server offers. The map must not be changed.
func (c *Conn) Extensions() Extensions { return c.ext }

// TLS returns the state of TLS, nil without.
func (c *Conn) TLS() *tls.ConnectionState { return c.tls }

// Host returns the server's name.
func (c *Conn) Host() string { return c.host }

// Name returns the name that the server calls itself in its reply to EHLO, not verified.
func (c *Conn) Name() string { return c.name }

// Close says QUIT if the Conn is idle and in order, and closes the connection.
func (c *Conn) Close() error {
	if !c.dead.Load() {
		select {
		case c.busy <- struct{}{}:
			c.out = append(c.out[:0], "QUIT\r\n"...)
			_, _ = c.exec(context.Background(), "QUIT", c.c.Timeouts.Quit)
			<-c.busy
		default:
		}
	}
	c.kill()
	return nil
}

// Noop asks whether the server is still there.
func (c *Conn) Noop(ctx context.Context) error {
	if err := c.acquire(ctx); err != nil {
		return err
	}
	defer c.release()
	defer c.watch(ctx)()
	c.out = append(c.out[:0], "NOOP\r\n"...)
	r, err := c.exec(ctx, "NOOP", c.c.Timeouts.Command)
	if err != nil {
		return err
	}
	if r.Code/100 != 2 {
		return c.refused("NOOP", r)
	}
	return nil
}

// acquire waits for the Conn to be free.
func (c *Conn) acquire(ctx context.Context) error {
	select {
	case c.busy <- struct{}{}:
	default:
		select {
		case c.busy <- struct{}{}:
		case <-ctx.Done():
			return lostError("MAIL", c.host, context.Cause(ctx))
		}
	}
	if c.dead.Load() {
		<-c.busy
		return lostError("MAIL", c.host, ErrClosed)
	}
	return nil
}

func (c *Conn) release() { <-c.busy }

// kill closes the connection without a word.
func (c *Conn) kill() {
	if !c.dead.Swap(true) {
		_ = c.raw.Close()
	}
}

// usable reports whether another transaction may begin.
func (c *Conn) usable() bool {
	limit := c.ext.Limit("MAILMAX")
	return !c.dead.Load() && (limit == 0 || c.mails < limit)
}

// watch breaks off what goes on when ctx ends. The function that it returns ends that; if ctx has ended meanwhile, the
// Conn cannot be used again.
func (c *Conn) watch(ctx context.Context) func() {
	if ctx.Done() == nil {
		return func() {}
	}
	stop := context.AfterFunc(ctx, func() { _ = c.raw.SetDeadline(time.Unix(1, 0)) })
	return func() {
		if !stop() {
			c.kill()
		}
	}
}

// arm sets the deadline of the phase that begins. What watch does after it lasts; what it did before is seen here.
func (c *Conn) arm(ctx context.Context, d time.Duration) error {
	at := time.Now().Add(d)
	if !c.until.IsZero() && c.until.Before(at) {
		at = c.until
	}
	if err := c.conn.SetDeadline(at); err != nil {
		return err
	}
	return ctx.Err()
}

// exec writes the commands that wait and reads one reply.
func (c *Conn) exec(ctx context.Context, op string, d time.Duration) (smtp.Reply, error) {
	if err := c.flush(ctx, op, d); err != nil {
		return smtp.Reply{}, err
	}
	return c.reply(ctx, op, d)
}

// flush writes the commands that wait. Replies that nobody asked for are found here: 421 may come at any time (RFC
// 5321 §3.8), any other would be taken for the answer to these commands.
func (c *Conn) flush(ctx context.Context, op string, d time.Duration) error {
	if c.r.Buffered() > 0 {
		r, err := c.reply(ctx, op, d)
		if err != nil {
			return err
		}
		if r.Code == 421 {
			return c.refused(op, r)
		}
		return c.unexpected(op, r)
	}
	if err := c.arm(ctx, d); err != nil {
		return c.lost(ctx, op, err)
	}
	c.traceOut()
	_, err := c.conn.Write(c.out)
	c.out = c.out[:0]
	if err == nil {
		return nil
	}
	// The server may have said good-bye before it closed.
	if r, ok := c.lastWords(); ok {
		return c.refused(op, r)
	}
	return c.lost(ctx, op, err)
}

// lastWords returns a negative reply that the server left behind before it closed the connection.
func (c *Conn) lastWords() (smtp.Reply, bool) {
	defer c.kill()
	if c.conn.SetReadDeadline(time.Now().Add(c.c.Timeouts.Quit)) != nil {
		return smtp.Reply{}, false
	}
	r, err := c.r.Read()
	if err != nil || r.Code < 400 {
		return smtp.Reply{}, false
	}
	c.traceReply(r)
	return r, true
}

// reply reads one reply. After 421 the Conn is of no more use.
func (c *Conn) reply(ctx context.Context, op string, d time.Duration) (smtp.Reply, error) {
	err := c.arm(ctx, d)
	var r smtp.Reply
	if err == nil {
		r, err = c.r.Read()
	}
	if err != nil {
		return smtp.Reply{}, c.lost(ctx, op, err)
	}
	c.traceReply(r)
	if r.Code == 421 {
		c.kill()
	}
	return r, nil
}

func (c *Conn) traceReply(r smtp.Reply) {
	if c.c.Trace != nil {
		c.trace(false, string(smtp.AppendReply(nil, r)))
	}
}

func (c *Conn) traceOut() {
	if c.c.Trace != nil {
		c.trace(true, string(c.out))
	}
}
