package smtp

import (
	"errors"
	"fmt"
	"strings"
)

// An EnhancedCode is an enhanced status code class.subject.detail (RFC 3463). The zero value is none.
type EnhancedCode [3]int

// String returns "5.7.1", or "" for the zero value.
func (e EnhancedCode) String() string {
	if e == (EnhancedCode{}) {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d", e[0], e[1], e[2])
}

// A Reply is an SMTP reply (RFC 5321 §4.2).
type Reply struct {
	Code     int          // 200 to 599
	Enhanced EnhancedCode // zero: none
	Lines    []string     // text without code and line ending, at least one when parsed
}

// NewReply returns a Reply; text may hold several lines separated by "\n".
func NewReply(code int, enhanced EnhancedCode, text string) Reply {
	return Reply{Code: code, Enhanced: enhanced, Lines: strings.Split(text, "\n")}
}

// OK reports whether the Reply is positive: 2yz or 3yz.
func (r Reply) OK() bool { return r.Code >= 200 && r.Code < 400 }

// Temporary reports whether the Reply is 4yz: the same may succeed later.
func (r Reply) Temporary() bool { return r.Code >= 400 && r.Code < 500 }

// Permanent reports whether the Reply is 5yz.
func (r Reply) Permanent() bool { return r.Code >= 500 && r.Code < 600 }

// Text returns the lines joined by a space.
func (r Reply) Text() string { return strings.Join(r.Lines, " ") }

// String returns the Reply on one line, as "550 5.7.1 text".
func (r Reply) String() string {
	s := fmt.Sprint(r.Code)
	if r.Enhanced != (EnhancedCode{}) {
		s += " " + r.Enhanced.String()
	}
	if t := r.Text(); t != "" {
		s += " " + t
	}
	return s
}

// An Error is a negative Reply as a Go error. It is found with errors.As through any wrapping.
type Error struct {
	Reply Reply
	// RemoteMTA names the host that gave the Reply where that was another one, as in Result; else "".
	RemoteMTA string
	// Err is the cause, for logs; it is never told to the peer.
	Err error
}

// NewError returns an *Error with a one-line Reply.
func NewError(code int, enhanced EnhancedCode, text string) *Error {
	return &Error{Reply: NewReply(code, enhanced, text)}
}

// Error returns the Reply and the cause.
func (e *Error) Error() string {
	if e.Err != nil {
		return "smtp: " + e.Reply.String() + ": " + e.Err.Error()
	}
	return "smtp: " + e.Reply.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether the Reply is 4yz.
func (e *Error) Temporary() bool { return e.Reply.Temporary() }

// ReplyOf returns the Reply to tell for err: that of the *Error which errors.As finds in it, if it is negative,
// else 451 4.3.0, so that the text of an unknown error never leaks. It must not be called with nil.
func ReplyOf(err error) Reply {
	if e, ok := errors.AsType[*Error](err); ok && e.Reply.Code >= 400 && e.Reply.Code < 600 {
		return e.Reply
	}
	return NewReply(451, EnhancedCode{4, 3, 0}, "Local error in processing")
}
