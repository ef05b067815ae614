package imapclient

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/mailbricks/mailbricks/imap"
)

// TLSPolicy says how a Client gets its encryption. The server's certificate is verified in any case.
type TLSPolicy uint8

const (
	// TLSRequired uses STARTTLS, and fails with ErrNoTLS where the server does not offer it.
	TLSRequired TLSPolicy = iota
	// TLSImplicit begins with TLS (RFC 8314 §3.2, port 993).
	TLSImplicit
	// TLSOpportunistic uses STARTTLS where it is offered. RFC 8314 §4.1 asks for more: whoever sits between can hide
	// the offer.
	TLSOpportunistic
	// TLSNone never encrypts. RFC 8314 §3 forbids it outside of tests and loopback.
	TLSNone
)

// Options of a Client. The zero value demands STARTTLS.
type Options struct {
	TLS TLSPolicy
	// TLSConfig is cloned; its ServerName is the host of the address if it is empty. nil: the defaults.
	TLSConfig *tls.Config
	// AllowPlaintextAuth lets a secret be sent without TLS. RFC 8314 §3 forbids that outside of tests and loopback.
	AllowPlaintextAuth bool
	// DialFunc replaces net.Dialer.DialContext.
	DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)
	// Limits and Timeouts have defaults.
	Limits   Limits
	Timeouts Timeouts
	// Unilateral, if not nil, is told what the server says unasked, during any method but Idle, which yields it. It
	// runs on the goroutine of the method and must not use the Client.
	Unilateral func(Event)
	// Trace, if not nil, is given what is sent and received, literals too. In place of secrets stands "****". It must
	// not keep the slice.
	Trace func(sent bool, data []byte)
}

// Limits are what a server may send.
type Limits struct {
	// Line is the longest line in octets, literals left out; 0: 8 MiB, for servers without ESEARCH answer a search
	// with one line.
	Line int
	// Response is how much memory one response may take, in octets; 0: 16 MiB.
	Response int64
	// Buffer is how long a body is at most, in octets, that is kept in memory, so that the items behind it can be read
	// at once; 0: 64 KiB. Longer ones are read from the connection.
	Buffer int64
	// Discard is how many octets of a response are passed over that nobody reads, and of those left when a loop over
	// Fetch or List is left; 0: 64 MiB. Beyond it the connection is closed.
	Discard int64
	// Responses is how many responses one command may get; 0: 10,000,000.
	Responses int
	// Garbage is how many responses of a connection may break the grammar, those of FETCH left out; 0: 100.
	Garbage int
	// Results is how many messages a SortContext or SortPartial has; 0: 1,000,000.
	Results int
}

// Timeouts of a Client. Each is for a whole phase: octets that trickle in do not prolong it.
type Timeouts struct {
	// Command is for a command and all its responses; 0: 2 minutes. It grows by a second for each KiB that is sent or
	// received, and stands still while the caller of an iterator has the word.
	Command time.Duration
	// Idle is how long one IDLE lasts before it is renewed; 0: 28 minutes (RFC 2177 asks for less than 29).
	Idle time.Duration
	// Poll is how often Idle asks with NOOP where the server has no IDLE; 0: 1 minute.
	Poll time.Duration
}

// minRate is how fast a server has to be, in octets a second, once Timeouts.Command has passed.
const minRate = 1024

func orDefault[T int | int64 | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

// A Client is one connection to an IMAP server. It is used by one goroutine at a time.
//
// An *Error, except one of a BYE, leaves the connection usable, and so do the sentinels of this package and what is
// found before anything is sent. After any other error the connection is lost, and every method returns that error.
type Client struct {
	o    Options
	host string
	conn net.Conn
	src  io.Reader // conn, or what decompresses it
	tls  *tls.ConnectionState
	in   *meter
	r    *bufio.Reader
	d    *imap.Decoder
	w    *bufio.Writer

	tags       uint64
	caps       Capabilities
	told       bool         // caps since the login began
	enabled    Capabilities // by Enable
	selected   *Selected
	contexts   map[string]*SearchContext // by tag, those that are kept up to date
	compressed bool
	sink       func(Event) // of Idle; nil: Options.Unilateral
	garbage    int
	bye        *imap.Status
	cmd        *command // under way
	err        error    // why the connection is lost
}

// Dial connects to addr, a host and a port, and gets as far as Options.TLS asks for.
func Dial(ctx context.Context, addr string, o Options) (*Client, error) {
	dial := o.DialFunc
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("imapclient: %w", err)
	}
	conn, err := dial(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("imapclient: %w", err)
	}
	return newClient(ctx, conn, host, o)
}

// New is Dial on a connection that there is already. A *tls.Conn counts as TLS. For any other, TLS needs
// TLSConfig.ServerName. The connection is closed if New fails.
func New(ctx context.Context, conn net.Conn, o Options) (*Client, error) {
	return newClient(ctx, conn, "", o)
}

func newClient(ctx context.Context, conn net.Conn, host string, o Options) (*Client, error) {
	orDefault(&o.Limits.Line, 8<<20)
	orDefault(&o.Limits.Response, 16<<20)
	orDefault(&o.Limits.Buffer, 64<<10)
	orDefault(&o.Limits.Discard, 64<<20)
	orDefault(&o.Limits.Responses, 10_000_000)
	orDefault(&o.Limits.Garbage, 100)
	orDefault(&o.Limits.Results, 1_000_000)
	orDefault(&o.Timeouts.Command, 2*time.Minute)
	orDefault(&o.Timeouts.Idle, 28*time.Minute)
	orDefault(&o.Timeouts.Poll, time.Minute)
	c := &Client{o: o, host: host, conn: conn}
	if err := c.start(ctx); err != nil {
		_ = c.conn.Close()
		return nil, err
	}
	return c, nil
}

// start greets and encrypts.
func (c *Client) start(ctx context.Context) error {
	cmd, err := c.begin(ctx, "the greeting")
	if err != nil {
		return err
	}
	defer cmd.end()
	t, implicit := c.conn.(*tls.Conn)
	if !implicit && c.o.TLS == TLSImplicit {
		t, implicit = tls.Client(c.conn, c.tlsConfig()), true
	}
	if implicit {
		if err := cmd.handshake(ctx, t); err != nil {
			return err
		}
	}
	c.reset()
	preauth, err := cmd.greeting()
	if err != nil {
		return err
	}
	cmd.end()
	if c.tls == nil && c.o.TLS != TLSNone {
		return c.startTLS(ctx, preauth)
	}
	return c.needCapabilities(ctx)
}

// greeting reads the first response. PREAUTH says that nobody needs to log in, which also rules STARTTLS out.
func (cmd *command) greeting() (preauth bool, err error) {
	r, err := cmd.read()
	if err != nil {
		return false, err
	}
	s := cmd.c.d.Status()
	if r.tag != "" || r.kind != "OK" && r.kind != "PREAUTH" && r.kind != "BYE" || cmd.c.d.Err() != nil {
		return false, cmd.broken("no greeting of IMAP", cmd.c.d.Err())
	}
	if s.Type == imap.StatusBye {
		return false, cmd.lose(&Error{cmd.name, &s})
	}
	cmd.c.codes(&s)
	return s.Type == imap.StatusPreauth, nil
}

// startTLS is STARTTLS (RFC 9051 §6.2.1). What was told in the clear counts no more, and what is still there when the
// handshake begins was not sent by whom it proves to be.
func (c *Client) startTLS(ctx context.Context, preauth bool) error {
	if err := c.needCapabilities(ctx); err != nil {
		return err
	}
	if preauth || !c.caps.Has("STARTTLS") {
		if c.o.TLS == TLSOpportunistic {
			return nil
		}
		return ErrNoTLS
	}
	cmd, err := c.begin(ctx, "STARTTLS")
	if err != nil {
		return err
	}
	defer cmd.end()
	if _, err := cmd.run(nil, nil); err != nil {
		return err
	}
	if c.r.Buffered() > 0 {
		return cmd.broken("octets in the clear behind the reply", nil)
	}
	if err := cmd.handshake(ctx, tls.Client(c.conn, c.tlsConfig())); err != nil {
		return err
	}
	c.reset()
	c.caps = nil
	cmd.end()
	return c.needCapabilities(ctx)
}

func (c *Client) tlsConfig() *tls.Config {
	config := c.o.TLSConfig.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	if config.ServerName == "" {
		config.ServerName = c.host
	}
	return config
}

func (cmd *command) handshake(ctx context.Context, t *tls.Conn) error {
	if err := cmd.arm(); err != nil {
		return err
	}
	if err := t.HandshakeContext(ctx); err != nil {
		return cmd.lose(cmd.fault(err))
	}
	state := t.ConnectionState()
	cmd.c.conn, cmd.c.tls = t, &state
	return nil
}

// reset begins to speak IMAP on c.conn.
func (c *Client) reset() {
	c.in, c.src = &meter{c: c}, c.conn
	c.r = bufio.NewReaderSize(c.in, 8<<10)
	c.w = bufio.NewWriterSize(c.conn, 4<<10)
	c.d = imap.NewDecoder(c.r, imap.DecoderOptions{MaxLine: c.o.Limits.Line, MaxLiteral: c.o.Limits.Response, MaxCommand: c.o.Limits.Response,
		MaxDiscard: c.o.Limits.Discard, Lenient: true})
}

// meter reads from the connection, traces and counts.
type meter struct {
	c *Client
	n int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.c.src.Read(p)
	m.n += int64(n)
	if n > 0 && m.c.o.Trace != nil {
		m.c.o.Trace(false, p[:n])
	}
	return n, err
}

// TLS returns the state of the connection's TLS, nil without.
func (c *Client) TLS() *tls.ConnectionState { return c.tls }

// Close closes the connection without LOGOUT.
func (c *Client) Close() error {
	if c.err != nil {
		return nil
	}
	c.err = net.ErrClosed
	return c.conn.Close()
}

// Logout ends the session and closes the connection, in any case.
func (c *Client) Logout(ctx context.Context) error {
	cmd, err := c.begin(ctx, "LOGOUT")
	if err != nil {
		return err
	}
	defer cmd.end()
	_, err = cmd.run(nil, nil)
	_ = c.Close()
	return err
}

var _ io.Reader = (*meter)(nil)
