package sasl

import "errors"

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
)
