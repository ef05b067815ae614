package pop3

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"maps"
	"net"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/internal/serve"
)

// A Server serves the INBOX of each user of a Backend. Its fields must not be changed once it serves.
type Server struct {
	// Backend has the mail. Required.
	Backend imap.Backend
	// Authenticator says who it is, for AUTH as well as for USER and PASS, which run its PLAIN mechanism. Required.
	Authenticator sasl.Authenticator
	// TLS is the configuration for STLS. nil: STLS is not offered. A connection that is a *tls.Conn already has TLS
	// from its first octet.
	TLS *tls.Config
	// AllowPlaintextAuth lets passwords be sent without TLS. RFC 2595 §2.1 and RFC 8314 §3 forbid that outside of tests
	// and loopback.
	AllowPlaintextAuth bool
	// Hostname is told in the greeting, if it is not empty.
	Hostname string
	// LoginDelay is the least time between two logins of a user, in whole seconds, as LOGIN-DELAY tells (RFC 2449 §6.5); 0:
	// none. An earlier one is refused with [LOGIN-DELAY]. Logins to other processes are not known.
	LoginDelay time.Duration
	// Expire is for how many days at least messages are kept, as EXPIRE tells (RFC 2449 §6.7); 0: for ever. The Server itself
	// removes none then. Negative: EXPIRE 0, mail cannot be left. QUIT removes what RETR has sent to its end, as if by DELE, unless
	// RSET came later.
	Expire int
	// AlwaysUTF8 sends messages whose header has UTF-8 to clients that have not asked for it by the command UTF8, which RFC 6856 §2.1
	// forbids. Without it such a message is refused with [UTF8]: a client that does not know the extension cannot get at it.
	AlwaysUTF8 bool
	// Limits and Timeouts have defaults.
	Limits   Limits
	Timeouts Timeouts
	// Admit, if not nil, is asked before a connection is greeted: an error refuses it. release is called at its end.
	Admit func(ctx context.Context, c net.Conn) (release func(), err error)
	// Grace is how long sessions have to end at shutdown; 0: 3 s.
	Grace time.Duration
	// Logger is told who logs in and fails to, and what went wrong; nil is silent. It never sees a secret.
	Logger *slog.Logger

	once    sync.Once
	loop    serve.Loop
	buffers sync.Pool // *bodyBuffer

	mu     sync.Mutex
	logins map[string]time.Time // the last of each user, with a LoginDelay
}

// mayLogin reports whether a user may log in now, and, if so, takes it for done.
func (s *Server) mayLogin(user string) bool {
	if s.LoginDelay <= 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if last, ok := s.logins[user]; ok && now.Sub(last) < s.LoginDelay {
		return false
	}
	if s.logins == nil {
		s.logins = make(map[string]time.Time)
	}
	if len(s.logins)%1000 == 999 {
		maps.DeleteFunc(s.logins, func(_ string, last time.Time) bool { return now.Sub(last) >= s.LoginDelay })
	}
	s.logins[user] = now
	return true
}

// Limits of a Server.
type Limits struct {
	// Line is the longest command in octets with its CRLF; 0: 1024. RFC 2449 §4 asks for 255.
	Line int
	// SASLLine is the longest response in an AUTH exchange; 0: 16384.
	SASLLine int
	// Messages is the largest maildrop; 0: 1,000,000. Of a larger one the oldest messages are shown.
	Messages int
	// BadCommands is how many commands may fail for their syntax, their state or their name; 0: 20. Beyond it the
	// connection is closed.
	BadCommands int
	// AuthFailures is how many authentications may fail; 0: 3. Beyond it the connection is closed.
	AuthFailures int
	// Conns and ConnsPerNetwork limit the connections, in all and from one IPv4 address or IPv6 /64; 0: 1000 and 100,
	// negative: no limit.
	Conns, ConnsPerNetwork int
}

// Timeouts of a Server. Each is for a whole phase: octets that trickle in do not prolong it.
type Timeouts struct {
	// Login is from the greeting to the end of the authentication, a TLS handshake included; 0: 2 minutes.
	Login time.Duration
	// Idle is from a reply to the end of the next command; 0: 10 minutes, the least that RFC 1939 §3 allows.
	Idle time.Duration
	// Write is for the client to take 64 KiB of replies; 0: 1 minute. What it has taken buys it time for more.
	Write time.Duration
	// Backend is for the Backend to open a maildrop, or to remove messages at QUIT; 0: 2 minutes.
	Backend time.Duration
}

func orDefault[T int | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// Serve accepts connections until ctx ends; then sessions finish the command they are at, and none enters the UPDATE
// state for it. It returns when all are over: nil then, else the error of the listener. It closes ln.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	return s.init().Serve(ctx, ln)
}

// ServeConn runs one session on the goroutine of the caller and returns when it is over. The error is why the
// connection was refused. It closes c.
func (s *Server) ServeConn(ctx context.Context, c net.Conn) error {
	return s.init().ServeConn(ctx, c)
}

func (s *Server) init() *serve.Loop {
	s.once.Do(func() {
		s.loop.Session = s.session
		s.loop.Refuse = refuse
		s.loop.Admit = s.Admit
		s.loop.MaxConns, s.loop.MaxPerNetwork = s.Limits.Conns, s.Limits.ConnsPerNetwork
		s.loop.Grace = s.Grace
		s.loop.Logger = s.Logger
		s.buffers.New = func() any { return newBodyBuffer() }
	})
	return &s.loop
}

// refuse greets a client that is not served. Where TLS is to come first nothing can be said.
func refuse(c net.Conn, err error) {
	if _, ok := c.(*tls.Conn); ok {
		return
	}
	text := "-ERR [SYS/TEMP] not now\r\n"
	if busy, ok := errors.AsType[*serve.BusyError](err); ok && busy.Network.IsValid() {
		text = "-ERR [SYS/TEMP] too many connections from your network\r\n"
	}
	_, _ = c.Write([]byte(text))
}

// session runs one session.
func (s *Server) session(soft, hard context.Context, c net.Conn) {
	x := &session{srv: s, soft: soft, hard: hard, raw: c, conn: c, bad: orDefault(s.Limits.BadCommands, 20),
		failures: orDefault(s.Limits.AuthFailures, 3)}
	x.w = bufio.NewWriterSize(deadlineWriter{x}, 4096)
	stop := context.AfterFunc(soft, x.interrupt)
	defer stop()
	x.run()
}
