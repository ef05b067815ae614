package authres

import (
	"strconv"

	"github.com/mailbricks/mailbricks/internal/header"
)

// Name is the name of the field.
const Name = "Authentication-Results"

// A Field is the payload of one Authentication-Results field (RFC 8601 §2.2).
type Field struct {
	ID      string // authserv-id, as given
	Version int    // 1 if the field names none
	Results []Result
}

// A Result is one entry (resinfo): what one method found.
type Result struct {
	Method     string // "dkim", in lower case
	Version    int    // of the method; 1 if the entry names none
	Value      string // result keyword, "pass", in lower case
	Reason     string // for people
	Properties []Property
}

// A Property is one ptype.property=value.
type Property struct {
	Type  string // "smtp", "header", "body", "policy" or another; "" where the writer gave none; in lower case
	Name  string // "d", "mailfrom"; in lower case
	Value string
}

// Property returns the first value of a property, "" if there is none.
func (r Result) Property(ptype, name string) string {
	for _, p := range r.Properties {
		if p.Type == ptype && p.Name == name {
			return p.Value
		}
	}
	return ""
}

// AppendResult appends the entry without separator and without folding. Values from outside cannot end it early: they
// are quoted, and control characters become "?".
func (r Result) AppendResult(dst []byte) []byte {
	dst = appendKeyword(dst, r.Method)
	if r.Version > 1 {
		dst = strconv.AppendInt(append(dst, '/'), int64(r.Version), 10)
	}
	dst = appendKeyword(append(dst, '='), r.Value)
	if r.Reason != "" {
		dst = header.AppendValue(append(dst, " reason="...), r.Reason)
	}
	for _, p := range r.Properties {
		dst = append(dst, ' ')
		if p.Type != "" {
			dst = append(appendKeyword(dst, p.Type), '.')
		}
		dst = append(appendKeyword(dst, p.Name), '=')
		dst = header.AppendProperty(dst, p.Value)
	}
	return dst
}

// appendKeyword appends a Keyword in lower case; what cannot stand in one becomes a hyphen.
func appendKeyword(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, '-')
	}
	for i := range len(s) {
		c := s[i]
		if !keyword(c) {
			c = '-'
		}
		dst = append(dst, lower(c))
	}
	return dst
}

// keyword reports whether c stands in keywords: those of RFC 5321, and the underscore, which is met.
func keyword(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c |= 0x20
	}
	return c
}

// An Appender is a verdict that appends itself as an entry: dkim.Result, dmarc.Result, *spf.Check, Result.
type Appender interface {
	AppendResult(dst []byte) []byte
}

// Limits of a line (RFC 5322 §2.1.1): where it is folded, and the longest piece that is written at all.
const (
	foldAt   = 76
	maxPiece = 900
)

// Append appends a whole field with its final CRLF, folded. id is the authserv-id, in A-labels unless the message is
// internationalised. Without entries the field says "none". A property that would make a line longer than RFC 5322
// allows is left out; nothing of ours needs one.
func Append(dst []byte, id string, entries ...Appender) []byte {
	dst = header.AppendValue(append(dst, Name+": "...), id)
	n := len(dst)
	var buf []byte
	for _, e := range entries {
		if buf = e.AppendResult(buf[:0]); len(buf) > 0 {
			dst = appendFolded(append(dst, ";\r\n"...), buf)
		}
	}
	if len(dst) == n {
		dst = append(dst, "; none"...)
	}
	return append(dst, "\r\n"...)
}

// appendFolded appends an entry, each piece of it behind a space, folded between pieces.
func appendFolded(dst, entry []byte) []byte {
	line := 0
	for first := true; len(entry) > 0; first = false {
		n := piece(entry)
		p := entry[:n]
		entry = entry[n:]
		if len(entry) > 0 {
			entry = entry[1:] // the space
		}
		if !first && (n == 0 || n > maxPiece) {
			continue
		}
		if line > 0 && line+1+n > foldAt {
			dst = append(dst, "\r\n"...)
			line = 0
		}
		dst = append(dst, ' ')
		for _, c := range p {
			if c < ' ' || c == 0x7f { // nothing that an entry says begins a line
				c = '?'
			}
			dst = append(dst, c)
		}
		line += 1 + n
	}
	return dst
}

// piece returns the length of what stands before the first space outside quoted strings and comments.
func piece(s []byte) int {
	quoted, depth := false, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && (quoted || depth > 0):
			i++
		case c == '"' && depth == 0:
			quoted = !quoted
		case c == '(' && !quoted:
			depth++
		case c == ')' && !quoted && depth > 0:
			depth--
		case c == ' ' && !quoted && depth == 0:
			return i
		}
	}
	return len(s)
}
