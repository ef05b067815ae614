package line

import "fmt"

// An OffenceError says that a line or a body holds a bare CR, a bare LF or a NUL.
type OffenceError struct {
	Char   byte  // '\r', '\n' or 0
	Offset int64 // octets before it, counted in what the reader or writer was given or has yielded
}

func (e *OffenceError) Error() string {
	name := "NUL"
	switch e.Char {
	case '\r':
		name = "bare CR"
	case '\n':
		name = "bare LF"
	}
	return fmt.Sprintf("line: %s at offset %d", name, e.Offset)
}

// A TooLongError says that a line is longer than its limit.
type TooLongError struct {
	Limit int // octets, CRLF included
	// Ended says that the end of the line was found, so that the next line can be read. It is false where the peer
	// sent far more than the limit without an end of line: give up.
	Ended bool
}

func (e *TooLongError) Error() string {
	return fmt.Sprintf("line: longer than %d octets", e.Limit)
}
