package pop3

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/internal/line"
)

// TLSPolicy says how a Client gets its encryption. The server's certificate is verified in any case.
type TLSPolicy uint8

const (
	// TLSRequired uses STLS, and fails with ErrNoTLS where the server does not offer it.
	TLSRequired TLSPolicy = iota
	// TLSImplicit begins with TLS (RFC 8314 §3.3, port 995).
	TLSImplicit
	// TLSOpportunistic uses STLS where it is offered. RFC 8314 §4.1 asks for more: whoever sits between can hide the
	// offer.
	TLSOpportunistic
	// TLSNone never encrypts. RFC 8314 §3 forbids it outside of tests and loopback.
	TLSNone
)

// Options of a Client. The zero value demands STLS.
type Options struct {
	TLS TLSPolicy
	// TLSConfig is cloned; its ServerName is the host of the address if it is empty. nil: the defaults.
	TLSConfig *tls.Config
	// DialFunc replaces net.Dialer.DialContext.
	DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)
	// AllowPlaintextAuth lets a secret be sent without TLS. RFC 8314 §3 forbids that outside of tests and loopback.
	AllowPlaintextAuth bool
	// Timeout is for one command up to the end of a reply that is not a message, and for each TLS handshake; 0: 1
	// minute.
	Timeout time.Duration
	// MaxLine is the longest line of a reply, in octets with its CRLF; 0: 2048. RFC 2449 §4 allows 512. Lines of messages
	// have no limit.
	MaxLine int
	// MaxMessage is the longest message in octets, dots not doubled; 0: 256 MiB.
	MaxMessage int64
	// MaxMessages is how many lines LIST and UIDL may answer with; 0: 1,000,000.
	MaxMessages int
	// Trace, if not nil, is told every line sent and received, without CRLF; not the lines of messages. In place of
	// secrets stands "****".
	Trace func(sent bool, line string)
}

// minRate is how fast a message has to come, in octets a second, once Timeout has passed.
const minRate = 1024

// A Client is one connection to a POP3 server. It is used by one goroutine at a time. When a method fails with
// anything but an *Error, ErrBusy, or what is found before anything is sent, the connection is lost, and so is every
// mark set by Dele.
type Client struct {
	o    Options
	host string
	conn net.Conn
	tls  *tls.ConnectionState
	r    *line.Reader
	w    *bufio.Writer
	ctx  context.Context // of the command under way
	err  error           // why the connection is lost
	capa Capabilities
	body *Body // open
	busy bool  // RetrAll is under way
}

// Dial connects to addr, a host and a port, and gets as far as Options.TLS asks for.
func Dial(ctx context.Context, addr string, o Options) (*Client, error) {
	dial := o.DialFunc
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("pop3: %w", err)
	}
	conn, err := dial(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("pop3: %w", err)
	}
	return newClient(ctx, conn, host, o)
}

// NewClient is Dial on a connection that there is already. A *tls.Conn counts as TLS. For any other, TLS needs
// TLSConfig.ServerName. The connection is closed if NewClient fails.
func NewClient(ctx context.Context, conn net.Conn, o Options) (*Client, error) {
	return newClient(ctx, conn, "", o)
}

func newClient(ctx context.Context, conn net.Conn, host string, o Options) (*Client, error) {
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.MaxLine == 0 {
		o.MaxLine = 2048
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = 256 << 20
	}
	if o.MaxMessages == 0 {
		o.MaxMessages = 1_000_000
	}
	c := &Client{o: o, host: host, conn: conn}
	if err := c.start(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

// start greets and encrypts.
func (c *Client) start(ctx context.Context) error {
	end := c.begin(ctx)
	defer end()
	t, implicit := c.conn.(*tls.Conn)
	if !implicit && c.o.TLS == TLSImplicit {
		t, implicit = tls.Client(c.conn, c.tlsConfig()), true
	}
	if implicit {
		if err := c.handshake(ctx, t); err != nil {
			return err
		}
	}
	c.reset()
	if _, err := c.reply("the greeting"); err != nil {
		return err
	}
	if err := c.readCapa(); err != nil || c.tls != nil || c.o.TLS == TLSNone {
		return err
	}
	if !c.capa.Has("STLS") {
		if c.o.TLS == TLSOpportunistic {
			return nil
		}
		return ErrNoTLS
	}
	return c.stls(ctx)
}

func (c *Client) stls(ctx context.Context) error {
	if _, err := c.roundTrip("STLS"); err != nil {
		return err
	}
	if c.r.Buffered() > 0 {
		return c.lose(&ProtocolError{Place: "STLS", What: "octets in the clear behind the reply"})
	}
	if err := c.handshake(ctx, tls.Client(c.conn, c.tlsConfig())); err != nil {
		return err
	}
	c.reset()
	return c.readCapa() // what was told in the clear counts no more
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

func (c *Client) handshake(ctx context.Context, t *tls.Conn) error {
	if err := t.HandshakeContext(ctx); err != nil {
		return c.lose(c.fault("TLS", err))
	}
	state := t.ConnectionState()
	c.conn, c.tls = t, &state
	return nil
}

func (c *Client) reset() {
	c.r = line.NewReader(c.conn, 4096)
	c.w = bufio.NewWriterSize(c.conn, 1024)
}

// TLS returns the state of the connection's TLS, nil without.
func (c *Client) TLS() *tls.ConnectionState { return c.tls }

// Capabilities returns what the server announced last: after the greeting or STLS, or at Capa.
func (c *Client) Capabilities() Capabilities { return c.capa }

// Capa asks the server anew what it can do (RFC 2449 §5). A server that does not know the question can do nothing.
func (c *Client) Capa(ctx context.Context) (Capabilities, error) {
	end, err := c.command(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	err = c.readCapa()
	return c.capa, err
}

func (c *Client) readCapa() error {
	c.capa = nil
	_, err := c.roundTrip("CAPA")
	if _, ok := errors.AsType[*Error](err); ok {
		return nil
	} else if err != nil {
		return err
	}
	capa := Capabilities{}
	err = c.lines("CAPA", 1000, func(l string) error {
		name, args, _ := strings.Cut(l, " ")
		capa[strings.ToUpper(name)] = strings.Fields(args)
		return nil
	})
	c.capa = capa
	return err
}

// Capabilities maps the names of capabilities, in upper case, to their arguments.
type Capabilities map[string][]string

// Has reports whether the server has announced name, which is in upper case.
func (c Capabilities) Has(name string) bool {
	_, ok := c[name]
	return ok
}

// command makes ready for a command: it passes over the rest of an open message and binds the connection to ctx until
// end is called.
func (c *Client) command(ctx context.Context) (end func(), err error) {
	if c.busy {
		return nil, ErrBusy
	}
	if c.body != nil {
		_ = c.body.Close()
	}
	if c.err != nil {
		return nil, c.err
	}
	if ctx.Err() != nil { // nothing is sent, nothing is lost
		return nil, fmt.Errorf("pop3: %w", context.Cause(ctx))
	}
	return c.begin(ctx), nil
}

// begin sets the deadline of a command.
func (c *Client) begin(ctx context.Context) (end func()) {
	until := time.Now().Add(c.o.Timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(until) {
		until = d
	}
	conn, fired := c.conn, make(chan struct{})
	c.ctx = ctx
	_ = conn.SetDeadline(until)
	stop := context.AfterFunc(ctx, func() {
		defer close(fired)
		_ = conn.SetDeadline(aLongTimeAgo())
	})
	return func() {
		if !stop() {
			<-fired // so that its deadline does not come over the next command
		}
	}
}

// lose remembers why the connection is lost, closes it, and returns why.
func (c *Client) lose(err error) error {
	if c.err == nil {
		c.err = err
		_ = c.conn.Close()
	}
	return c.err
}

// send writes a command line. shown is what Trace is told.
func (c *Client) send(l, shown string) {
	if c.o.Trace != nil {
		c.o.Trace(true, shown)
	}
	_, _ = c.w.WriteString(l)
	_, _ = c.w.WriteString("\r\n")
}

// roundTrip sends a command without a secret and reads the first line of the reply.
func (c *Client) roundTrip(l string) (string, error) {
	c.send(l, l)
	verb, _, _ := strings.Cut(l, " ")
	return c.reply(verb)
}

// reply reads the first line of the reply to a command, and returns its text.
func (c *Client) reply(command string) (string, error) {
	l, err := c.readLine(command)
	if err != nil {
		return "", err
	}
	status, text, _ := strings.Cut(l, " ")
	switch strings.ToUpper(status) {
	case "+OK":
		return text, nil
	case "-ERR":
		return "", newError(command, text)
	}
	return "", c.lose(&ProtocolError{Place: command, What: fmt.Sprintf("neither +OK nor -ERR but %.40q", l)})
}

// readLine reads a line after it has sent what is waiting.
func (c *Client) readLine(command string) (string, error) {
	if err := c.w.Flush(); err != nil {
		return "", c.lose(c.fault(command, err))
	}
	l, err := c.r.ReadLine(c.o.MaxLine)
	if err != nil {
		return "", c.lose(c.fault(command, err))
	}
	if c.o.Trace != nil {
		c.o.Trace(false, string(l))
	}
	return string(l), nil
}

// fault gives an error of the connection its place and its cause.
func (c *Client) fault(place string, err error) error {
	if e, ok := errors.AsType[*line.TooLongError](err); ok {
		return &LimitError{Place: place, What: "line", Limit: int64(e.Limit)}
	}
	if e, ok := errors.AsType[*line.OffenceError](err); ok {
		return &ProtocolError{Place: place, What: fmt.Sprintf("a line with %q", e.Char)}
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if d, ok := c.ctx.Deadline(); c.ctx.Err() != nil {
			err = context.Cause(c.ctx)
		} else if ok && !time.Now().Before(d) {
			err = context.DeadlineExceeded
		}
	}
	return fmt.Errorf("pop3: %s: %w", place, err)
}

// lines reads the lines of a multi-line reply up to the dot.
func (c *Client) lines(command string, limit int, each func(l string) error) error {
	for n := 0; ; n++ {
		l, err := c.readLine(command)
		switch {
		case err != nil:
			return err
		case l == ".":
			return nil
		case n == limit:
			return c.lose(&LimitError{Place: command, What: "lines", Limit: int64(limit)})
		}
		if err := each(strings.TrimPrefix(l, ".")); err != nil {
			return c.lose(err)
		}
	}
}

// Close closes the connection without QUIT: nothing is removed.
func (c *Client) Close() error {
	if c.err != nil {
		return nil
	}
	c.err = net.ErrClosed
	return c.conn.Close()
}
