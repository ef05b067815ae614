package smtpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/smtp"
)

// A Client is one next hop, a store or a smarthost, as an smtp.BatchHandler. It opens a connection for each transaction
// that finds none idle, and keeps connections afterwards for the next. Its methods may be called by several
// goroutines at once; the fields must not change once one has been called.
//
// Where an idle connection turns out to be dead before the server has asked for a message, the transaction is begun
// anew on a fresh one.
type Client struct {
	// Addr is what Dial connects to.
	Addr string
	// Config says how.
	Config
	// Pool keeps idle connections; nil is one of the Client's own. A shared one is closed by its owner.
	Pool *Pool

	own Pool
}

// Close ends the idle connections of the Client's own Pool. Transactions that go on are not broken off; their
// connections are closed after them.
func (c *Client) Close() error {
	return c.own.Close()
}

func (c *Client) pool() *Pool {
	if c.Pool != nil {
		return c.Pool
	}
	return &c.own
}

// key is what a connection must have in common with a Client to serve it.
type key struct {
	addr, name, hello string
	tls               TLSPolicy
	config            *tls.Config
	verify            string
	user, identity    string
	token, password   string
	lmtp, plain       bool
}

// secured returns the Config for a message, which may itself ask for TLS (RFC 8689).
func (c *Client) secured(p smtp.MailParams, from smtp.Path) (Config, key) {
	full := c.Config
	if p.RequireTLS && full.TLS == Opportunistic && !from.IsNull() {
		full.TLS = Required
	}
	k := key{addr: c.Addr, name: full.ServerName, hello: full.Hostname, tls: full.TLS, config: full.TLSConfig,
		verify: full.VerifyID, lmtp: full.LMTP}
	if full.Verify != nil && full.VerifyID == "" {
		k.verify = "\x00" // something, known to this Client alone
	}
	if a := full.Credentials; a != nil {
		k.user, k.identity, k.token, k.password, k.plain = a.Username, a.Identity, a.Token, a.Password, a.AllowPlaintext
	}
	return full, k
}

// get returns an idle connection, or a new one.
func (c *Client) get(ctx context.Context, full Config, k key, fresh bool) (conn *Conn, reused bool, err error) {
	if !fresh {
		if conn := c.pool().get(k); conn != nil {
			conn.adopt(full)
			return conn, true, nil
		}
	}
	conn, err = Dial(ctx, c.Addr, full)
	if err != nil && full.TLS != c.TLS { // it was the message that asked for TLS (RFC 8689 §4.2.1)
		if e, ok := errors.AsType[*Error](err); ok && (e.Op == "TLS" || e.Op == "STARTTLS") && ctx.Err() == nil {
			err = &Error{Op: e.Op, Host: e.Host, Reply: e.Reply, Err: &smtp.Error{Reply: smtp.NewReply(550, smtp.EnhancedCode{5, 7, 10}, "Encryption needed"), Err: e.Err}}
		}
	}
	return conn, false, err
}

// adopt takes over from another Config what is not of the connection.
func (c *Conn) adopt(full Config) {
	full, _ = full.withDefaults() // it was good for an equal key
	c.c.Timeouts, c.c.Trace, c.c.Logger, c.c.Chunking, c.c.Normalize = full.Timeouts, full.Trace, full.Logger, full.Chunking, full.Normalize
}

// Deliver implements smtp.BatchHandler; see Conn.Deliver.
func (c *Client) Deliver(ctx context.Context, e smtp.Envelope, body io.Reader) (smtp.Results, error) {
	full, k := c.secured(e.Params, e.From)
	b := &untouched{r: body}
	for fresh := false; ; fresh = true {
		conn, reused, err := c.get(ctx, full, k, fresh)
		if err != nil {
			return nil, err
		}
		res, err := conn.Deliver(ctx, e, b)
		c.pool().put(k, conn)
		if reused && !b.touched && isLost(err) && ctx.Err() == nil {
			continue
		}
		return res, err
	}
}

// Mail implements smtp.Handler.
func (c *Client) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	full, k := c.secured(p, from)
	for fresh := false; ; fresh = true {
		conn, reused, err := c.get(ctx, full, k, fresh)
		if err != nil {
			return nil, err
		}
		tx, err := conn.Mail(ctx, peer, from, p)
		if err == nil {
			return &pooledTx{Transaction: tx, c: c, k: k, conn: conn}, nil
		}
		c.pool().put(k, conn)
		if !reused || !isLost(err) || ctx.Err() != nil {
			return nil, err
		}
	}
}

// isLost reports whether err is about the connection and not about the message.
func isLost(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	if e.Reply.Code != 0 {
		return e.Reply.Code == 421
	}
	se, ok := errors.AsType[*smtp.Error](e.Err)
	return ok && se.Reply.Enhanced == smtp.EnhancedCode{4, 4, 2}
}

// pooledTx gives the connection back.
type pooledTx struct {
	smtp.Transaction
	c      *Client
	k      key
	conn   *Conn
	closed bool
}

func (t *pooledTx) Close() error {
	err := t.Transaction.Close()
	if !t.closed {
		t.closed = true
		t.c.pool().put(t.k, t.conn)
	}
	return err
}

// untouched is a body that tells whether anybody has read of it.
type untouched struct {
	r       io.Reader
	touched bool
}

func (u *untouched) Read(p []byte) (int, error) {
	u.touched = true
	return u.r.Read(p)
}

// Defaults of Pool.
const (
	DefaultMaxIdle     = 100
	DefaultIdleTime    = 30 * time.Second
	DefaultMaxMessages = 100
)

// maxIdlePerKey is how many connections to one server lie idle.
const maxIdlePerKey = 10

// A Pool keeps idle connections, each for a Client that would open the same: address, server name, Hostname, TLS
// policy and what is verified, and login are equal. The zero Pool is ready for use by several goroutines.
type Pool struct {
	// MaxIdle is how many connections lie idle, ten of them to one server at most; 0 is DefaultMaxIdle, negative keeps
	// none.
	MaxIdle int
	// IdleTime is how long each lies idle before it is closed; 0 is DefaultIdleTime.
	IdleTime time.Duration
	// MaxMessages is how many messages one connection carries; 0 is DefaultMaxMessages.
	MaxMessages int

	mu     sync.Mutex
	idle   map[key][]*idleConn
	count  int
	closed bool
	ending sync.WaitGroup // connections that say QUIT
}

type idleConn struct {
	conn  *Conn
	timer *time.Timer
}

// get takes out the connection that was used last, if it is still good.
func (p *Pool) get(k key) *Conn {
	for {
		p.mu.Lock()
		list := p.idle[k]
		if len(list) == 0 {
			p.mu.Unlock()
			return nil
		}
		ic := list[len(list)-1]
		p.remove(k, len(list)-1)
		p.mu.Unlock()
		ic.timer.Stop()
		if !pending(ic.conn.raw) {
			return ic.conn
		}
		ic.conn.kill()
	}
}

// remove takes the connection at index i of a list out. p.mu is held.
func (p *Pool) remove(k key, i int) {
	list := p.idle[k]
	copy(list[i:], list[i+1:])
	list[len(list)-1] = nil
	if list = list[:len(list)-1]; len(list) == 0 {
		delete(p.idle, k)
	} else {
		p.idle[k] = list
	}
	p.count--
}

// put takes a connection back after a transaction.
func (p *Pool) put(k key, conn *Conn) {
	if !conn.usable() || conn.mails >= def(p.MaxMessages, DefaultMaxMessages) {
		p.end(conn)
		return
	}
	maxIdle := p.MaxIdle
	if maxIdle == 0 {
		maxIdle = DefaultMaxIdle
	}
	if conn.raw.SetDeadline(time.Time{}) != nil {
		conn.kill()
		return
	}
	p.mu.Lock()
	if p.closed || p.count >= maxIdle || len(p.idle[k]) >= maxIdlePerKey {
		p.mu.Unlock()
		p.end(conn)
		return
	}
	if p.idle == nil {
		p.idle = make(map[key][]*idleConn)
	}
	ic := &idleConn{conn: conn}
	ic.timer = time.AfterFunc(def(p.IdleTime, DefaultIdleTime), func() { p.expire(k, ic) })
	p.idle[k] = append(p.idle[k], ic)
	p.count++
	p.mu.Unlock()
}

// expire ends a connection that has lain idle for long enough, if it still does.
func (p *Pool) expire(k key, ic *idleConn) {
	p.mu.Lock()
	for i, o := range p.idle[k] {
		if o == ic {
			p.remove(k, i)
			p.mu.Unlock()
			p.end(ic.conn)
			return
		}
	}
	p.mu.Unlock()
}

// end says QUIT on a connection without waiting for it.
func (p *Pool) end(conn *Conn) {
	if conn.dead.Load() {
		return
	}
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.ending.Go(func() { _ = conn.Close() })
	}
	p.mu.Unlock()
	if closed {
		_ = conn.Close()
	}
}

// Close ends all idle connections and returns when that is done. Those in use are closed when they come back.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closed = true
	all := p.idle
	p.idle, p.count = nil, 0
	p.mu.Unlock()
	for _, list := range all {
		for _, ic := range list {
			ic.timer.Stop()
			p.ending.Go(func() { _ = ic.conn.Close() })
		}
	}
	p.ending.Wait()
	return nil
}
