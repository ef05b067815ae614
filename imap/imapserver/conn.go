package imapserver

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/internal/deflate"
)

// A conn is the connection with its deadlines. Reading and writing is done by the session's goroutine alone; only the
// end of soft touches the deadline from outside.
type conn struct {
	timeouts Timeouts
	soft     context.Context
	br       *bufio.Reader
	bw       *bufio.Writer // nil while the client is awaited
	writers  *sync.Pool
	idling   bool // another goroutine reads

	inflate *deflate.Reader // after COMPRESS, and nil before
	deflate *deflate.Writer

	mu      sync.Mutex
	nc      net.Conn
	waiting bool
}

const (
	readSize  = 2 << 10 // what an idle connection holds
	writeSize = 32 << 10
)

var errShutdown = errors.New("imapserver: shutting down")

func newConn(soft context.Context, nc net.Conn, t Timeouts, writers *sync.Pool) *conn {
	c := &conn{timeouts: t, soft: soft, nc: nc, writers: writers}
	c.br = bufio.NewReaderSize(c, readSize)
	c.unpark()
	return c
}

// park gives the writer away while there is nothing to write.
func (c *conn) park() {
	if c.bw == nil || c.bw.Buffered() > 0 {
		return
	}
	c.bw.Reset(nil)
	c.writers.Put(c.bw)
	c.bw = nil
	if c.deflate != nil {
		c.deflate.Park()
	}
}

// unpark gets one again.
func (c *conn) unpark() {
	if c.bw != nil {
		return
	}
	if w, ok := c.writers.Get().(*bufio.Writer); ok {
		w.Reset(c)
		c.bw = w
		return
	}
	c.bw = bufio.NewWriterSize(c, writeSize)
}

// Read implements io.Reader for br. Before it may block, what was written is sent: the client may wait for it.
func (c *conn) Read(p []byte) (int, error) {
	if !c.idling && c.bw != nil && c.bw.Buffered() > 0 {
		if err := c.bw.Flush(); err != nil {
			return 0, err
		}
	}
	if c.inflate != nil {
		return c.inflate.Read(p)
	}
	return c.nc.Read(p)
}

// Write implements io.Writer for bw.
func (c *conn) Write(p []byte) (int, error) {
	if c.deflate != nil {
		return c.deflate.Write(p)
	}
	return wire{c}.Write(p)
}

// A wire is what is below compression.
type wire struct{ c *conn }

func (w wire) Read(p []byte) (int, error) { return w.c.nc.Read(p) }

// Write has a deadline for each of its parts, which are of a bounded size.
func (w wire) Write(p []byte) (int, error) {
	c, written := w.c, 0
	for len(p) > 0 {
		chunk := p[:min(len(p), 64<<10)]
		if err := c.nc.SetWriteDeadline(time.Now().Add(def(c.timeouts.Write, time.Minute))); err != nil {
			return written, err
		}
		n, err := c.nc.Write(chunk)
		if written += n; err != nil {
			return written, err
		}
		p = p[n:]
	}
	return written, nil
}

// wait sets the deadline for the next command. Until work is called, the end of soft ends reading.
func (c *conn) wait(until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = true
	if c.soft.Err() != nil {
		until = longAgo()
	}
	_ = c.nc.SetReadDeadline(until)
}

// work sets the deadline for the rest of a command.
func (c *conn) work(until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = false
	_ = c.nc.SetReadDeadline(until)
}

// interrupt ends reading where the next command is awaited.
func (c *conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting {
		_ = c.nc.SetReadDeadline(longAgo())
	}
}

// startTLS runs the handshake and replaces the connection below. What was read of the plaintext before is dropped.
func (c *conn) startTLS(ctx context.Context, t *tls.Conn) error {
	if err := t.HandshakeContext(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	c.nc = t
	c.mu.Unlock()
	c.br.Reset(c)
	return nil
}

// startDeflate compresses from here on, both ways.
func (c *conn) startDeflate(pool *sync.Pool) {
	c.inflate, c.deflate = deflate.NewReader(wire{c}), deflate.NewPooledWriter(wire{c}, pool)
	c.br.Reset(c)
}

func (c *conn) compressed() bool { return c.deflate != nil }

// tlsState returns the state of TLS, nil without it.
func (c *conn) tlsState() *tls.ConnectionState {
	if t, ok := c.nc.(interface{ ConnectionState() tls.ConnectionState }); ok {
		s := t.ConnectionState()
		return &s
	}
	return nil
}

func (c *conn) remote() netip.Addr {
	if a, ok := c.nc.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// linger lets the peer read the last reply although it is still sending: a close with input unread would reset the
// connection.
func (c *conn) linger() {
	w, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || w.CloseWrite() != nil {
		return
	}
	c.work(time.Now().Add(time.Second))
	_, _ = io.CopyN(io.Discard, c.nc, 1<<20)
}

// isTimeout reports a deadline that has passed.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// isLimit reports a limit of the decoder.
func isLimit(err error) bool {
	_, ok := errors.AsType[*imap.LimitError](err)
	return ok
}

// equalFold compares ASCII without regard to case.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		x, y := a[i], b[i]
		if 'a' <= x && x <= 'z' {
			x -= 'a' - 'A'
		}
		if x != y {
			return false
		}
	}
	return true
}

// longAgo is a deadline that has passed.
func longAgo() time.Time { return time.Unix(1, 0) }
