package pop3

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNoTLS says that the server does not offer STLS, which Options.TLS asks for.
var ErrNoTLS = errors.New("pop3: the server does not offer STLS")

// ErrBusy says that a loop over RetrAll is under way: leave it first.
var ErrBusy = errors.New("pop3: a range over RetrAll is under way")

// errBodyClosed is what reading a message fails with after Close.
var errBodyClosed = errors.New("pop3: read of a closed message")

// An Error is a -ERR reply. The connection is good for more.
type Error struct {
	Command string // "RETR"; "the greeting" for a server that serves nobody
	Code    string // of RFC 2449 §8, in upper case: "AUTH", "SYS/TEMP", "IN-USE"; "" without
	Text    string // the rest
}

func (e *Error) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("pop3: %s: refused: %q", e.Command, e.Text)
	}
	return fmt.Sprintf("pop3: %s: refused [%s]: %q", e.Command, e.Code, e.Text)
}

// Temporary reports whether the same may work later: IN-USE, LOGIN-DELAY, SYS/TEMP.
func (e *Error) Temporary() bool {
	return e.Code == "IN-USE" || e.Code == "LOGIN-DELAY" || e.Code == "SYS/TEMP"
}

func newError(command, text string) *Error {
	e := &Error{Command: command, Text: text}
	if rest, ok := strings.CutPrefix(text, "["); ok {
		if code, rest, ok := strings.Cut(rest, "]"); ok {
			e.Code, e.Text = strings.ToUpper(code), strings.TrimPrefix(rest, " ")
		}
	}
	return e
}

// A ProtocolError is a reply that breaks the grammar.
type ProtocolError struct {
	Place string // the command
	What  string
}

func (e *ProtocolError) Error() string { return fmt.Sprintf("pop3: %s: %s", e.Place, e.What) }

// A LimitError is a reply beyond a limit of Options.
type LimitError struct {
	Place string // the command
	What  string // "line" (octets), "lines", "message" (octets)
	Limit int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("pop3: %s: %s beyond the limit of %d", e.Place, e.What, e.Limit)
}
