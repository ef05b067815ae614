package imap

import (
	"bufio"
	"strconv"
	"strings"
)

// Progress is how far a command has come, as the response code INPROGRESS tells it (RFC 9585 §4).
type Progress struct {
	Tag  string // of the command; "": not told
	Done int64  // items so far; -1: not told
	Goal int64  // items in all; -1: not known
}

// String returns the argument of the code.
func (p Progress) String() string {
	b := []byte{'('}
	if p.Tag == "" || strings.ContainsRune(p.Tag, ']') {
		b = append(b, "NIL"...)
	} else {
		b = AppendQuoted(b, p.Tag)
	}
	for _, n := range []int64{p.Done, p.Goal} {
		if b = append(b, ' '); n < 0 || p.Done < 0 {
			b = append(b, "NIL"...)
		} else {
			b = strconv.AppendInt(b, n, 10)
		}
	}
	return string(append(b, ')'))
}

// ParseProgress parses the argument of INPROGRESS, "" as well. What cannot be, as more done than there is, is a *SyntaxError
// (RFC 9585 §6).
func ParseProgress(args string) (Progress, error) {
	p := Progress{Done: -1, Goal: -1}
	if args == "" {
		return p, nil
	}
	d := NewDecoder(bufio.NewReader(strings.NewReader(args+"\r\n")), DecoderOptions{})
	if err := d.Next(); err != nil {
		return p, err
	}
	number := func() int64 {
		d.SP()
		if d.AcceptKeyword("NIL") {
			return -1
		}
		return int64(d.Number())
	}
	d.Expect('(')
	if !d.AcceptKeyword("NIL") {
		p.Tag = d.Quoted()
	}
	p.Done, p.Goal = number(), number()
	d.Expect(')')
	if d.EOL(); d.Err() == nil && p.Goal >= 0 && (p.Done < 0 || p.Done >= p.Goal) {
		d.Want("less done than there is")
	}
	return p, d.Err()
}
