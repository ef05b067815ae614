package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapserver"
	"github.com/mailbricks/mailbricks/imap/pop3"
	"github.com/mailbricks/mailbricks/jmap/contact"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/jmap/outbox"
	"github.com/mailbricks/mailbricks/jmap/push"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
)

// A Store is mail for all of them; *mailstore.Store is one. As a Handler it delivers.
type Store interface {
	smtp.Handler
	imap.Backend
	mail.Backend
	outbox.Queue
}

// Config says what a Server serves, and how. Store and Hostname are needed.
type Config struct {
	Store Store
	// Hostname is the name of this host in greetings.
	Hostname string
	// Users knows users by their passwords, Tokens by bearer tokens; nil: nobody can log in that way.
	Users  sasl.PasswordChecker
	Tokens sasl.TokenChecker
	// Submit is where mail goes that users send over JMAP, as their names: a smarthost or a queue; nil: they cannot.
	Submit smtp.Handler
	// SubmitExtensions tells the extensions of ESMTP that Submit knows and users may use, by their EHLO keywords with their
	// arguments (RFC 8621 §1.3.2), such as DSN. It is asked until it answers; nil: there are none.
	SubmitExtensions func(context.Context) (map[string][]string, error)
	// Contacts are who may write to users, over JMAP; nil: none. See package contacts.
	Contacts contact.Backend
	// Push keeps the push subscriptions of clients (RFC 8620 §7.2); nil: there are none. The caller closes it.
	Push *push.WebPush
	// CredentialKey is jmapserver.Auth's: with it, push subscriptions end with the password that they were made with.
	CredentialKey []byte
	// TLS offers STARTTLS and STLS, and serves IMAPS, POP3S and JMAP; nil: none, and JMAP is HTTP.
	TLS *tls.Config
	// JMAPURL is the URL under which clients reach the JMAP session resource, which IMAP tells them (RFC 9698); "": it
	// tells none. The same names, passwords and tokens work there, and mailboxes, emails and threads have the same ids.
	JMAPURL string
	// AllowPlaintextAuth takes passwords and tokens without TLS, which RFC 9051 §11.1, RFC 2595 §4 and RFC 7617 §4
	// forbid off loopback.
	AllowPlaintextAuth bool
	// MaxConnections limits the connections of all listeners together; 0: DefaultConnections. There is no limit for
	// one user or address.
	MaxConnections int
	// MaxMessage is the longest message that protocols read, in bytes; 0: DefaultMaxMessage. A Store has a limit of its
	// own, which should be the same.
	MaxMessage int64
	// Grace is how long sessions have to end once their context has ended; 0: 3 s.
	Grace time.Duration
	// Logger is told of failures; nil is silent.
	Logger *slog.Logger
}

// Defaults of a Config.
const (
	DefaultConnections = 1000
	DefaultMaxMessage  = 64 << 20
	defaultGrace       = 3 * time.Second
)

// A Server serves one Store.
type Server struct {
	c    Config
	log  *slog.Logger
	auth sasl.Authenticator
	lmtp *smtpserver.Server
	imap *imapserver.Server
	pop3 *pop3.Server
	send *submitting // nil without Config.Submit

	mu    sync.Mutex
	conns int
}

// New returns a Server. Nothing is served yet, but with Config.Submit, what users have submitted before is sent: until Close.
func New(c Config) (*Server, error) {
	switch {
	case c.Store == nil:
		return nil, errors.New("serve: no Store")
	case c.Hostname == "":
		return nil, errors.New("serve: no Hostname")
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = DefaultConnections
	}
	if c.MaxMessage == 0 {
		c.MaxMessage = DefaultMaxMessage
	}
	if c.Grace == 0 {
		c.Grace = defaultGrace
	}
	s := &Server{c: c, log: c.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var ways []sasl.Mechanism
	if c.Tokens != nil {
		ways = append(ways, sasl.Bearer(c.Tokens))
	}
	if c.Users != nil {
		ways = append(ways, sasl.Plain(c.Users), sasl.LoginMechanism(c.Users))
	}
	s.auth = &sasl.Limiter{Authenticator: sasl.New(ways...)}
	s.lmtp, s.imap, s.pop3 = s.newLMTP(), s.newIMAP(), s.newPOP3()
	if c.Submit != nil {
		s.send = newSubmitting(&s.c)
	}
	return s, nil
}

// Close ends the sending of what users have submitted; what is left is sent by the next Server. It comes before the Store's
// Close.
func (s *Server) Close() {
	if s.send != nil {
		s.send.close()
	}
}

// A BusyError says that a connection is one too many.
type BusyError struct{ Limit int }

func (e *BusyError) Error() string {
	return fmt.Sprintf("serve: %d connections, the limit of this server", e.Limit)
}

// admit counts a connection, whatever it speaks.
func (s *Server) admit(context.Context, net.Conn) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns >= s.c.MaxConnections {
		return nil, &BusyError{s.c.MaxConnections}
	}
	s.conns++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.conns--
	}), nil
}

// Connections returns the number of connections at present.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}
