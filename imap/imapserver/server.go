package imapserver

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
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
	// Admit, if not nil, is asked for each connection; an error refuses it. release is called when its session is over.
	Admit func(ctx context.Context, c net.Conn) (release func(), err error)
	// Logger is told of logins, of failures of the backend, and of connections refused; nil is silent.
	Logger *slog.Logger
	// Grace is how long sessions have to end once the context of Serve has ended; 0: 3 s.
	Grace time.Duration

	writers   sync.Pool // of *bufio.Writer, for sessions that do not wait
	deflaters sync.Pool // of *flate.Writer, the same
	once      sync.Once
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
	// BadCommands is after how many commands in a row that were BAD the connection ends; 0: 20.
	BadCommands int
	// FailedLogins is after how many failed logins the connection ends; 0: 5.
	FailedLogins int
	// ListPatterns is how many patterns one LIST has; 0: 32. They have 4000 octets in all.
	ListPatterns int
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
	// Write is how long the peer may take to accept one write, of 64 KiB at most; 0: 1 min.
	Write time.Duration
}

// Serve accepts connections until ctx ends, and returns when every session of ln is over: nil then, else the listener's
// error. It closes ln. A Server may serve several listeners; Limits count their connections together.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error { return s.start().Serve(ctx, ln) }

// ServeConn runs one session on the goroutine of the caller and returns when it is over. The error is why the
// connection was refused.
func (s *Server) ServeConn(ctx context.Context, c net.Conn) error { return s.start().ServeConn(ctx, c) }

func (s *Server) start() *serve.Loop {
	s.once.Do(func() {
		s.loop.Session, s.loop.Refuse, s.loop.Admit = s.session, refuse, s.Admit
		s.loop.MaxConns, s.loop.MaxPerNetwork = s.Limits.Conns, s.Limits.ConnsPerNetwork
		s.loop.Grace, s.loop.Logger = s.Grace, s.Logger
	})
	return &s.loop
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
