package imapserver

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/internal/deflate"
	"github.com/mailbricks/mailbricks/internal/serve"
)

// A Server serves IMAP. Its fields must not be changed once it runs. Backend and Authenticator are required.
type Server struct {
	// Backend holds the mail.
	Backend imap.Backend
	// Authenticator says who it is, for LOGIN and AUTHENTICATE. A sasl.Limiter slows down and locks out who guesses.
	Authenticator sasl.Authenticator
	// TLS is offered by STARTTLS; nil: no STARTTLS. A *tls.Conn from the listener is implicit TLS and needs none.
	TLS *tls.Config
	// AllowPlaintextAuth takes passwords without TLS, which RFC 9051 §11.1 forbids outside of tests and loopback.
	AllowPlaintextAuth bool
	// JMAP is the URL of the JMAP session resource that gives access to the same mail, with the same identities and to the same
	// credentials (RFC 9698); "": there is none.
	JMAP     string
	Limits   Limits
	Timeouts Timeouts
	// Extensions are what else the server does: capabilities, commands, items and keys of others.
	Extensions []Extension
	// Admit, if not nil, is asked for each connection; an error refuses it. release is called when its session is over.
	Admit func(ctx context.Context, c net.Conn) (release func(), err error)
	// Logger is told of logins, of failures of the backend, and of connections refused; nil is silent.
	Logger *slog.Logger
	// Grace is how long sessions have to end once the context of Serve has ended; 0: 3 s.
	Grace time.Duration

	writers   sync.Pool // of *bufio.Writer, for sessions that do not wait
	deflaters sync.Pool // of *flate.Writer, the same
	once      sync.Once
	wrong     error      // with the Extensions and Limits
	loop      serve.Loop // one for all listeners, which it counts together
}

// Limits are what a client can make a Server do. Zero is the default that is told.
type Limits struct {
	// Conns and ConnsPerNetwork are how many connections there are at most, in all and of one IPv4 address or IPv6
	// /64; 0: 1000 and 100, negative: no limit.
	Conns, ConnsPerNetwork int
	// Line is how long a line of a command is, in octets; 0: 64 KiB. Beyond it the connection ends.
	Line int
	// Literal is how long a literal is that is kept in memory, in octets; 0: 64 KiB. Before the login it is 8 KiB.
	Literal int64
	// Command is how much memory one command takes, in octets; 0: 1 MiB. Before the login it is 64 KiB.
	Command int64
	// Discard is how many octets of refused non-synchronising literals are passed over; 0: Message, and 1 MiB at least,
	// so that a message refused for its mailbox costs no connection. Before the login it is 64 KiB. Beyond it the
	// connection ends.
	Discard int64
	// Message is how long a message is that APPEND takes, in octets; 0: 50 MiB. An APPEND of several takes four times as
	// much, and 1000 messages. What is above 256 KiB waits in a temporary file until the command has ended.
	Message int64
	// Messages is how many messages one FETCH, SEARCH, STORE, COPY, MOVE, UID EXPUNGE or APPEND works on, 1000 or more; 0: any
	// number. It is announced as MESSAGELIMIT (RFC 9738). Of more, the highest UIDs are worked on; COPY, APPEND, SORT, THREAD and a
	// PARTIAL whose window is beyond it are refused. Clients that do not know the extension see no more than that of a large mailbox: see Tolerated.
	Messages int
	// Saves is the same for COPY and APPEND alone, announced as SAVELIMIT. There cannot be both.
	Saves int
	// Tolerated is how many messages a command works on although Messages or Saves announces fewer, for clients that do not know of
	// them (RFC 9738 §4.2); 0: as announced.
	Tolerated int
	// BadCommands is after how many commands in a row that were BAD the connection ends; 0: 20.
	BadCommands int
	// FailedLogins is after how many failed logins the connection ends; 0: 5.
	FailedLogins int
	// ListPatterns is how many patterns one LIST has; 0: 32. They have 4000 octets in all.
	ListPatterns int
	// Annotation is how long the value of an annotation is, in octets; 0: 64 KiB. Literal limits it too.
	Annotation int64
	// NotifyMailboxes is how many mailboxes an account has at most for NOTIFY to watch them; 0: 5000. With more of them NOTIFY is
	// refused with NOTIFICATIONOVERFLOW, or ends with it.
	NotifyMailboxes int
	// SearchMailboxes is how many mailboxes one ESEARCH looks in (RFC 7377); 0: 5000. With more of them it is refused with LIMIT.
	SearchMailboxes int
	// Contexts is how many searches a connection has at most whose results are kept up to date (UPDATE of RFC 5267); 0: 16. A
	// further one is answered, and told NOUPDATE. Each remembers its keys, 16 KiB of them at most, and 8 octets for each range of
	// UIDs found.
	Contexts int
	// ContextMessages is how many messages those of SORT have found at most, all together; 0: 50,000. A SORT with more is told
	// NOUPDATE, whenever it gets there. A message takes about 100 octets, or more for long subjects.
	ContextMessages int
}

// Timeouts are absolute for what they limit: a slow peer cannot stretch them octet by octet.
type Timeouts struct {
	// Login is how long a client has from the connection to its login; 0: 1 min.
	Login time.Duration
	// Idle is how long the server waits for the next command, and how long IDLE lasts; 0: 30 min, the least that
	// RFC 9051 §5.4 allows.
	Idle time.Duration
	// Command is how long what follows the first line of a command may take; 0: 5 min. A message to append gets one
	// second more for every 16 KiB.
	Command time.Duration
	// Progress is how often SEARCH, SORT and THREAD tell how far they have come (RFC 9585); 0: 10 s, negative: never.
	Progress time.Duration
	// Write is how long the peer may take to accept one write, of 64 KiB at most; 0: 1 min.
	Write time.Duration
}

// Serve accepts connections until ctx ends, and returns when every session of ln is over: nil then, else the listener's
// error, or at once that of Extensions and Limits that contradict the server or each other. It closes ln. A Server may serve several
// listeners; Limits count their connections together.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	loop, err := s.start()
	if err != nil {
		return refusing(ln, err)
	}
	return loop.Serve(ctx, ln)
}

// ServeConn runs one session on the goroutine of the caller and returns when it is over. The error is why the
// connection was refused.
func (s *Server) ServeConn(ctx context.Context, c net.Conn) error {
	loop, err := s.start()
	if err != nil {
		return refusing(c, err)
	}
	return loop.ServeConn(ctx, c)
}

func (s *Server) start() (*serve.Loop, error) {
	s.once.Do(func() {
		s.wrong = errors.Join(s.checkExtensions(), s.Limits.checkMessageLimits())
		s.loop.Session, s.loop.Refuse, s.loop.Admit = s.session, refuse, s.Admit
		s.loop.MaxConns, s.loop.MaxPerNetwork = s.Limits.Conns, s.Limits.ConnsPerNetwork
		s.loop.Grace, s.loop.Logger = s.Grace, s.Logger
	})
	return &s.loop, s.wrong
}

func refuse(c net.Conn, _ error) {
	_, _ = c.Write([]byte("* BYE [UNAVAILABLE] too many connections, try again later\r\n"))
}

// options are the limits of the decoder before and after the login.
func (s *Server) options(login bool, ask func() error) imap.DecoderOptions {
	l := s.Limits
	o := imap.DecoderOptions{MaxLine: def(l.Line, 64<<10), MaxLiteral: def(l.Literal, 64<<10), MaxCommand: def(l.Command, 1<<20),
		MaxDiscard: def(l.Discard, max(s.maxMessage(), 1<<20)), Continue: ask}
	if !login {
		o.MaxLiteral, o.MaxCommand, o.MaxDiscard = min(o.MaxLiteral, 8<<10), min(o.MaxCommand, 64<<10), min(o.MaxDiscard, 64<<10)
	}
	return o
}

func (s *Server) maxMessage() int64 { return def(s.Limits.Message, 50<<20) }

// def returns v, or d if v is zero.
func def[T int | int64 | time.Duration](v, d T) T {
	if v == 0 {
		return d
	}
	return v
}

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
