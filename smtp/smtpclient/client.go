package smtpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"io"

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
			conn.c.Trace = full.Trace
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
