package authres

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Limits of what Parse reads.
const (
	MaxField      = 64 << 10 // octets
	MaxResults    = 100
	MaxProperties = 100 // of one entry
	MaxDepth      = 50  // of comments in comments
)

// Why Parse refuses a field. They are wrapped with the place.
var (
	ErrSyntax  = errors.New("authres: malformed field")
	ErrLimit   = errors.New("authres: field is over a limit")
	ErrVersion = errors.New("authres: unknown version") // RFC 8601 §2.2 knows version 1
)

// Parse parses the value of a field: what stands behind the colon, folded or not. Errors wrap ErrSyntax, ErrLimit or
// ErrVersion.
func Parse(value string) (Field, error) {
	f := Field{Version: 1}
	if len(value) > MaxField {
		return f, fmt.Errorf("%w: %d octets, at most %d", ErrLimit, len(value), MaxField)
	}
	s := &scanner{s: value}
	var err error
	if f.ID, err = s.id(); err != nil {
		return f, err
	}
	if err := s.space(); err != nil {
		return f, err
	}
	if n, ok := s.digits(); ok {
		if f.Version = n; n != 1 {
			return f, fmt.Errorf("%w: %d", ErrVersion, n)
		}
	}
	for none := false; ; {
		if err := s.space(); err != nil {
			return f, err
		}
		if s.end() {
			return f, nil
		}
		if !s.take(';') || none {
			return f, s.syntax("wanted ; or the end")
		}
		if err := s.space(); err != nil {
			return f, err
		}
		if s.end() || s.peek() == ';' {
			continue
		}
		r, err := s.result()
		if err != nil {
			return f, err
		}
		if r.Value == "" { // "none" alone
			if none = true; len(f.Results) > 0 {
				return f, s.syntax("none beside results")
			}
			continue
		}
		if len(f.Results) == MaxResults {
			return f, fmt.Errorf("%w: more than %d results", ErrLimit, MaxResults)
		}
		f.Results = append(f.Results, r)
	}
}

// A scanner reads the elements of RFC 8601 §2.2 one after the other.
type scanner struct {
	s string
	i int
}

func (s *scanner) end() bool { return s.i == len(s.s) }

func (s *scanner) peek() byte {
	if s.end() {
		return 0
	}
	return s.s[s.i]
}

func (s *scanner) take(c byte) bool {
	if s.end() || s.s[s.i] != c {
		return false
	}
	s.i++
	return true
}

func (s *scanner) syntax(what string) error {
	return fmt.Errorf("%w: at octet %d: %s", ErrSyntax, s.i, what)
}

// space reads [CFWS]: white space and comments (RFC 5322 §3.2.2).
func (s *scanner) space() error {
	for depth := 0; !s.end(); s.i++ {
		switch c := s.s[s.i]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		case c == '(':
			if depth++; depth > MaxDepth {
				return fmt.Errorf("%w: comments deeper than %d", ErrLimit, MaxDepth)
			}
		case depth == 0:
			return nil
		case c == ')':
			depth--
		case c == '\\':
			s.i++
		}
		if s.i+1 >= len(s.s) && depth > 0 {
			return s.syntax("comment without end")
		}
	}
	return nil
}

// id reads [CFWS] authserv-id.
func (s *scanner) id() (string, error) {
	if err := s.space(); err != nil {
		return "", err
	}
	id, err := s.value()
	if err == nil && (id == "" || s.peek() == '=' || strings.Contains(id, "=")) {
		err = s.syntax("wanted an authserv-id")
	}
	return id, err
}

// result reads a resinfo, or "none", which is a Result without Value.
func (s *scanner) result() (Result, error) {
	r := Result{Version: 1}
	var err error
	if r.Method, err = s.keyword("a method"); err != nil {
		return r, err
	}
	if s.take('/') {
		if err := s.space(); err != nil {
			return r, err
		}
		n, ok := s.digits()
		if !ok {
			return r, s.syntax("wanted a version")
		}
		r.Version = n
		if err := s.space(); err != nil {
			return r, err
		}
	}
	if r.Method == "none" && (s.end() || s.peek() == ';') {
		return r, nil
	}
	if !s.take('=') {
		return r, s.syntax("wanted =")
	}
	if err := s.space(); err != nil {
		return r, err
	}
	if r.Value, err = s.keyword("a result"); err != nil {
		return r, err
	}
	for reason := false; !s.end() && s.peek() != ';'; {
		p, err := s.property()
		switch {
		case err != nil:
			return r, err
		case p.Type == "" && p.Name == "reason" && reason:
			return r, s.syntax("a second reason")
		case p.Type == "" && p.Name == "reason":
			r.Reason, reason = p.Value, true
		case len(r.Properties) == MaxProperties:
			return r, fmt.Errorf("%w: more than %d properties", ErrLimit, MaxProperties)
		default:
			r.Properties = append(r.Properties, p)
		}
	}
	return r, nil
}

// property reads a propspec or a reasonspec, which is a Property without Type.
func (s *scanner) property() (Property, error) {
	var p Property
	var err error
	if p.Name, err = s.keyword("a property"); err != nil {
		return p, err
	}
	if s.take('.') {
		if err := s.space(); err != nil {
			return p, err
		}
		p.Type = p.Name
		if p.Name, err = s.keyword("a property"); err != nil {
			return p, err
		}
	}
	if !s.take('=') {
		return p, s.syntax("wanted =")
	}
	if err := s.space(); err != nil {
		return p, err
	}
	if p.Value, err = s.value(); err != nil {
		return p, err
	}
	return p, s.space()
}

// keyword reads Keyword [CFWS] and returns it in lower case.
func (s *scanner) keyword(what string) (string, error) {
	start := s.i
	for !s.end() && keyword(s.s[s.i]) {
		s.i++
	}
	if s.i == start {
		return "", s.syntax("wanted " + what)
	}
	return strings.ToLower(s.s[start:s.i]), s.space()
}

// digits reads 1*DIGIT.
func (s *scanner) digits() (int, bool) {
	start := s.i
	for !s.end() && s.s[s.i] >= '0' && s.s[s.i] <= '9' {
		s.i++
	}
	n, err := strconv.Atoi(s.s[start:s.i])
	return n, err == nil
}

// value reads a value or a pvalue: a quoted string, or characters that need no quotes, or a quoted local part with the
// domain behind it.
func (s *scanner) value() (string, error) {
	start := s.i
	var b strings.Builder
	for !s.end() {
		switch c := s.s[s.i]; {
		case c == '"':
			if err := s.quoted(&b); err != nil {
				return "", err
			}
		case c <= ' ' || c == 0x7f || c == ';' || c == '(' || c == ')' || c == '\\':
			if s.i == start {
				return "", s.syntax("wanted a value")
			}
			return b.String(), nil
		default:
			b.WriteByte(c)
			s.i++
		}
	}
	if s.i == start {
		return "", s.syntax("wanted a value")
	}
	return b.String(), nil
}

// quoted reads a quoted string and writes what it stands for: without quotes, quoted pairs and line ends.
func (s *scanner) quoted(b *strings.Builder) error {
	for s.i++; !s.end(); s.i++ {
		c := s.s[s.i]
		if c == '"' {
			s.i++
			return nil
		}
		if c == '\r' || c == '\n' {
			continue
		}
		if c == '\\' && s.i+1 < len(s.s) {
			s.i++
			c = s.s[s.i]
		}
		if c < ' ' && c != '\t' || c == 0x7f {
			return s.syntax("control character in a quoted string")
		}
		b.WriteByte(c)
	}
	return s.syntax("quoted string without end")
}
