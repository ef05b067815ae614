package imap

import "strconv"

// A MessageLimit says that a command has worked on part of its messages, or on none of them (RFC 9738 §3.1). Servers work from the
// highest UID down.
type MessageLimit struct {
	Messages uint32 // that one command works on at most
	Lowest   UID    // the last of those worked on, below which the rest is; 0: not known
}

// String returns the arguments of the response code MESSAGELIMIT.
func (l MessageLimit) String() string {
	b := strconv.AppendUint(nil, uint64(l.Messages), 10)
	if l.Lowest > 0 {
		b = strconv.AppendUint(append(b, ' '), uint64(l.Lowest), 10)
	}
	return string(b)
}

// ParseMessageLimit parses the arguments of the response code MESSAGELIMIT.
func ParseMessageLimit(args string) (MessageLimit, error) {
	limit, n := parseSeq([]byte(args))
	l := MessageLimit{Messages: limit}
	switch {
	case n == 0 || limit == 0:
		return MessageLimit{}, &SyntaxError{Want: "a number of messages"}
	case n == len(args):
		return l, nil
	case args[n] != ' ':
		return MessageLimit{}, &SyntaxError{Offset: n, Want: "a space"}
	}
	lowest, m := parseSeq([]byte(args[n+1:]))
	if l.Lowest = UID(lowest); m == 0 || lowest == 0 || n+1+m != len(args) {
		return MessageLimit{}, &SyntaxError{Offset: n + 1, Want: "a UID"}
	}
	return l, nil
}
