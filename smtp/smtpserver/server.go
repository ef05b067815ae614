package smtpserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/internal/serve"
	"github.com/mailbricks/mailbricks/smtp"
)

// A Mode is the protocol that a Server speaks.
type Mode uint8

const (
	// SMTP is mail between hosts (RFC 5321), port 25.
	SMTP Mode = iota
	// Submission is SMTP for users (RFC 6409), ports 587 and, with implicit TLS, 465: MAIL needs AUTH before it, and
	// a message without Date or Message-ID gets them.
	Submission
	// LMTP is delivery with one reply for each recipient (RFC 2033).
	LMTP
)

// String returns "SMTP", "Submission" or "LMTP".
func (m Mode) String() string {
	switch m {
	case SMTP:
		return "SMTP"
	case Submission:
		return "Submission"
	case LMTP:
		return "LMTP"
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// A Server serves one Handler. Its fields must not be changed once it serves; it must not be copied then.
type Server struct {
	// Handler takes the mail; it must be set.
	Handler smtp.Handler
	// Hostname is the name of this host in the greeting, the EHLO reply and Received; "": "localhost".
	Hostname string
	// Mode is the protocol; the zero value is SMTP.
	Mode Mode
	// TLS offers STARTTLS (RFC 3207); nil: not offered. A connection that is a *tls.Conn already has its own
	// configuration (implicit TLS, RFC 8314 §3).
	TLS *tls.Config
	// Authenticator offers AUTH (RFC 4954); nil: not offered. Submission needs one.
	Authenticator sasl.Authenticator
	// AllowPlaintextAuth lets mechanisms that show the password run without TLS, which RFC 4954 §4 forbids outside of
	// tests and loopback.
	AllowPlaintextAuth bool
	// Extensions are offered after those that the Server brings itself.
	Extensions []Extension
	// Without names built-in extensions that are not offered, upper case: "CHUNKING", "DSN", "SMTPUTF8".
	Without []string
	// XClient are the networks whose word is taken by XCLIENT for who a client is: proxies and filters in front. It is
	// offered to them alone. Limits go on counting the connections themselves.
	XClient []netip.Prefix
	// Normalize turns a bare CR and a bare LF in DATA into CRLF and leaves out NUL, where RFC 5321 §2.3.8 forbids them
	// and the Server else refuses the message with 550 5.6.11. It breaks signatures over such messages.
	Normalize bool
	// RefuseEarly closes with 554 5.5.0 on a peer who does not wait for replies where it must: who sends before the greeting,
	// or behind EHLO, HELO, LHLO or DATA, each of which ends a group of commands (RFC 2920 §3.1). Much that sends spam,
	// or is steered to send something that is no mail, does so. GreetDelay is how long the greeting then waits to find
	// out; 0: not at all.
	RefuseEarly bool
	GreetDelay  time.Duration
	// NoReceived leaves out the Received field, which RFC 5321 §4.4 demands.
	NoReceived bool
	// Limits bound what a peer may ask for, Timeouts how long it may take.
	Limits   Limits
	Timeouts Timeouts
	// Admit, if not nil, is asked before a connection is served. An error refuses it: an *smtp.Error with its Reply, any
	// other with 421 4.3.2. release, which may be nil, is called when the session is over.
	Admit func(ctx context.Context, c net.Conn) (release func(), err error)
	// Grace is how long sessions have to end when the context does; 0: 3 s.
	Grace time.Duration
	// Logger is told of what goes wrong; nil is silent. It is never given credentials or text of messages.
	Logger *slog.Logger

	once       sync.Once
	setupErr   error
	loop       serve.Loop
	hostname   string
	limits     Limits
	timeouts   Timeouts
	extensions []Extension
	commandLen int // of a command line but AUTH
	sessions   atomic.Uint64
	buffers    sync.Pool // of *[bigBuffer]byte
}

// Serve accepts connections from ln until ctx ends. Then it closes ln, idle sessions are told 421 4.3.2, and a
// message whose end has been read still gets its reply, within Grace. It returns nil when every session is over. The
// error is that of the listener, or says what the Server lacks. Several listeners may be served at once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if err := s.setup(); err != nil {
		_ = ln.Close()
		return err
	}
	return s.loop.Serve(ctx, ln)
}

// ServeConn serves one connection on the goroutine of the caller, and closes it. It works on any net.Conn, net.Pipe
// too. The error is why the connection was refused, or says what the Server lacks.
func (s *Server) ServeConn(ctx context.Context, c net.Conn) error {
	if err := s.setup(); err != nil {
		_ = c.Close()
		return err
	}
	return s.loop.ServeConn(ctx, c)
}

func (s *Server) setup() error {
	s.once.Do(func() { s.setupErr = s.prepare() })
	return s.setupErr
}

func (s *Server) prepare() error {
	if s.Handler == nil {
		return errors.New("smtpserver: a Server needs a Handler")
	}
	if s.Mode > LMTP {
		return fmt.Errorf("smtpserver: unknown %s", s.Mode)
	}
	if s.Mode == Submission && s.Authenticator == nil {
		return errors.New("smtpserver: Submission needs an Authenticator (RFC 6409 §4.3)")
	}
	s.hostname = s.Hostname
	if s.hostname == "" {
		s.hostname = "localhost"
	}
	if _, err := smtp.ParseHello(s.hostname); err != nil {
		return fmt.Errorf("smtpserver: Hostname %q is not a domain", s.hostname)
	}
	s.limits, s.timeouts = s.Limits.withDefaults(), s.Timeouts.withDefaults()
	if err := s.prepareExtensions(); err != nil {
		return err
	}
	s.loop = serve.Loop{
		Session:       s.session,
		Refuse:        s.refuse,
		Admit:         s.Admit,
		MaxConns:      s.limits.Conns,
		MaxPerNetwork: s.limits.PerNetwork,
		Grace:         s.Grace,
		Logger:        s.Logger,
	}
	s.buffers.New = func() any { return new([bigBuffer]byte) }
	return nil
}

// refuse says why a connection is not served.
func (s *Server) refuse(c net.Conn, err error) {
	r := smtp.NewReply(421, smtp.EnhancedCode{4, 3, 2}, s.hostname+" Not available, try again later")
	if e, ok := errors.AsType[*smtp.Error](err); ok {
		r = smtp.ReplyOf(e)
	} else if _, ok := errors.AsType[*serve.BusyError](err); ok {
		r = smtp.NewReply(421, smtp.EnhancedCode{4, 7, 0}, s.hostname+" Too many connections, try again later")
	}
	_, _ = c.Write(smtp.AppendReply(nil, r))
}
