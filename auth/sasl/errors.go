package sasl

import (
	"errors"
	"fmt"
)

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
