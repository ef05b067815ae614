package imap

import "fmt"

// A SyntaxError is input that breaks the grammar.
type SyntaxError struct {
	// Offset is where, in octets from the beginning of what was parsed, or of the current line for a Decoder.
	Offset int
	// Want is what should be there.
	Want string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("imap: at octet %d: want %s", e.Offset, e.Want)
}

// A LimitError is input beyond a limit.
type LimitError struct {
	// What is limited: "line", "literal", "nesting".
	What  string
	Limit int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("imap: %s beyond the limit of %d", e.What, e.Limit)
}
