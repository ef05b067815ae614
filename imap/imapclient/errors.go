package imapclient

import (
	"errors"
	"fmt"

	"github.com/mailbricks/mailbricks/imap"
)

var (
	// ErrNoTLS says that the server does not offer STARTTLS, which Options.TLS asks for, or cannot any more
	// (PREAUTH).
	ErrNoTLS = errors.New("imapclient: the server does not offer STARTTLS")
	// ErrBusy says that a Fetch, List, MultiSearch or Idle is still being ranged over: leave that loop first.
	ErrBusy = errors.New("imapclient: a range over Fetch, List, MultiSearch or Idle is under way")
	// ErrUnsupported says that the server lacks the extension that a method needs.
	ErrUnsupported = errors.New("imapclient: the server does not support this")
	// ErrArgument says that an argument cannot be written in IMAP: a flag or name with a line end in it, an empty set.
	ErrArgument = errors.New("imapclient: invalid argument")
)

// An Error is a command that the server answered with NO or BAD, or a connection that it ended with BYE. Its Status is
// found with errors.As too, and a response code with errors.Is(err, &imap.Status{Code: imap.CodeTryCreate}).
type Error struct {
	Command string // "SELECT"; "the greeting"
	Status  *imap.Status
}

func (e *Error) Error() string {
	return fmt.Sprintf("imapclient: %s: %s", e.Command, e.Status)
}

// Unwrap returns the Status.
func (e *Error) Unwrap() error { return e.Status }

// A ProtocolError is a server that breaks the protocol. The connection is lost.
type ProtocolError struct {
	Command string
	What    string
	Err     error // a *imap.SyntaxError, or nil
}

func (e *ProtocolError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("imapclient: %s: %s: %v", e.Command, e.What, e.Err)
	}
	return fmt.Sprintf("imapclient: %s: %s", e.Command, e.What)
}

// Unwrap returns the cause.
func (e *ProtocolError) Unwrap() error { return e.Err }

// An ItemError is one item of a message that could not be read: a BODYSTRUCTURE against the grammar, most often. That item
// is absent. The others are there, unless a literal had been read of the bad one: then those behind it are lost. Other
// messages and the connection are not concerned.
type ItemError struct {
	Seq  uint32
	UID  imap.UID // 0 where the server had not told it yet
	Item imap.FetchAtt
	Err  error // a *imap.SyntaxError or *imap.LimitError
}

func (e *ItemError) Error() string {
	return fmt.Sprintf("imapclient: message %d (UID %d): %s: %v", e.Seq, e.UID, e.Item, e.Err)
}

// Unwrap returns the cause.
func (e *ItemError) Unwrap() error { return e.Err }
