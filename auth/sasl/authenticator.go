package sasl

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	gosasl "github.com/emersion/go-sasl"
)

// An Authenticator answers "who is it?" for SMTP, IMAP, POP3 and JMAP alike: mechanism name → exchange → Identity.
// It is called by several goroutines at once.
type Authenticator interface {
	// Mechanisms lists what may be offered on c, best first. What must not be used without TLS is left out where
	// c.TLS is nil.
	Mechanisms(c Conn) []string
	// Start begins one exchange, which must not outlive ctx. mechanism is upper case. The error is ErrMechanism for
	// an unknown mechanism, ErrEncryption for one that needs TLS first, or ErrLocked where too many failures came
	// before.
	Start(ctx context.Context, c Conn, mechanism string) (Exchange, error)
}

// An Exchange is one authentication in progress. The server calls Next with each response until done or an error;
// a nil response asks for the initial challenge. It never logs what passes through it.
type Exchange interface {
	gosasl.Server
	// Identity is who authenticated once Next has returned done without an error. After an error it may name who
	// tried, for logs and limits.
	Identity() Identity
}

// A Conn is what an Authenticator may know of the connection.
type Conn struct {
	// Service is the GSSAPI service name of the protocol: "smtp", "imap", "pop", "jmap".
	Service string
	// Remote is the peer's address, the zero Addr where there is none.
	Remote netip.Addr
	// TLS is the state of the connection's TLS, nil without TLS; channel bindings come from it.
	TLS *tls.ConnectionState
	// AllowPlaintext lets mechanisms that show the password run without TLS. RFC 4954 §4 and RFC 9051 §11.1 forbid
	// that outside of tests and loopback.
	AllowPlaintext bool

	plus bool // a mechanism is begun beside which its -PLUS variant is offered
}

// An Identity is who authenticated.
type Identity struct {
	// Name is the authorization identity: the user whose mail it is.
	Name string
	// Authenticated is the authentication identity where it differs from Name, else "".
	Authenticated string
	// Mechanism is the SASL mechanism used.
	Mechanism string
}

// A Mechanism is the server side of one SASL mechanism as a value.
type Mechanism struct {
	// Name is the registered name, upper case.
	Name string
	// Plaintext says that it shows a secret to whoever reads along, so that it needs TLS.
	Plaintext bool
	// Offer reports whether it can work on c at all, for one that needs more than TLS; nil: always.
	Offer func(c Conn) bool
	// Start begins one exchange.
	Start func(ctx context.Context, c Conn) (Exchange, error)
}

// New returns an Authenticator that offers mechanisms in the order given.
func New(mechanisms ...Mechanism) Authenticator { return set(mechanisms) }

type set []Mechanism

func (s set) Mechanisms(c Conn) []string {
	var out []string
	for _, m := range s {
		if m.allowed(c) {
			out = append(out, m.Name)
		}
	}
	return out
}

func (s set) Start(ctx context.Context, c Conn, mechanism string) (Exchange, error) {
	for _, m := range s {
		if m.Name != mechanism {
			continue
		}
		if m.Offer != nil && !m.Offer(c) {
			return nil, ErrMechanism
		}
		if !m.allowed(c) {
			return nil, ErrEncryption
		}
		c.plus = slices.ContainsFunc(s, func(p Mechanism) bool { return p.Name == m.Name+"-PLUS" && p.allowed(c) })
		return m.Start(ctx, c)
	}
	return nil, ErrMechanism
}

func (m Mechanism) allowed(c Conn) bool {
	return (!m.Plaintext || c.TLS != nil || c.AllowPlaintext) && (m.Offer == nil || m.Offer(c))
}

// What a protocol decides on. Everything else from an Authenticator is a temporary failure of its own.
var (
	// ErrCredentials says that the credentials are wrong; nothing more is told.
	ErrCredentials = errors.New("sasl: invalid credentials")
	// ErrMechanism says that the mechanism is unknown or not allowed on this connection.
	ErrMechanism = errors.New("sasl: mechanism not available")
	// ErrEncryption says that the mechanism needs TLS first (RFC 4954 §6, 538 5.7.11).
	ErrEncryption = errors.New("sasl: encryption required")
	// ErrLocked says that too many failures came from this address or for this identity.
	ErrLocked = errors.New("sasl: too many failures, try again later")
	// ErrMalformed says that a response breaks the mechanism's grammar.
	ErrMalformed = errors.New("sasl: malformed response")
	// ErrChannelBinding says that the two sides of SCRAM do not see the same TLS channel, or that somebody between them
	// took the mechanisms away which would tell (RFC 5802 §6). It is an ErrCredentials.
	ErrChannelBinding = fmt.Errorf("%w: channel binding", ErrCredentials)
	// ErrServer says, to a client, that the server did not prove that it knows the password (RFC 5802 §5).
	ErrServer = errors.New("sasl: the server has not proven itself")
)

// An IterationsError says that the iteration count of SCRAM is below MinIterations or above MaxIterations.
type IterationsError struct{ Iterations int }

func (e *IterationsError) Error() string {
	return fmt.Sprintf("sasl: %d iterations, not %d to %d", e.Iterations, MinIterations, MaxIterations)
}
