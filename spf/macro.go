package spf

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// macro is one macro-expand with a letter: RFC 7208 §7.1.
type macro struct {
	letter  byte // lower case
	escape  bool // the letter was in upper case
	parts   int  // how many right-hand parts; 0 is all
	reverse bool
	delims  string // "" is "."
}

// Macro letters by where they are allowed: RFC 7208 §7.2.
const (
	termLetters    = "slodiphv"
	explainLetters = termLetters + "crt"
)

// scanMacros goes through a macro-string (or, with spaces and the three further letters, an explain-string), calling
// literal for each run of plain text and expand for each macro. It returns the error of expand or a syntax error.
func scanMacros(s, letters string, literal func(string), expand func(macro) error) error {
	for s != "" {
		i := strings.IndexByte(s, '%')
		if i != 0 {
			if i < 0 {
				i = len(s)
			}
			literal(s[:i])
			s = s[i:]
			continue
		}
		if len(s) < 2 {
			return syntax("", "% at the end")
		}
		switch s[1] {
		case '%':
			literal("%")
		case '_':
			literal(" ")
		case '-':
			literal("%20")
		case '{':
			end := strings.IndexByte(s, '}')
			if end < 0 {
				return syntax("", "%{ without }")
			}
			m, err := parseMacro(s[2:end], letters)
			if err == nil {
				err = expand(m)
			}
			if err != nil {
				return err
			}
			s = s[end+1:]
			continue
		default:
			return syntax("", "% before "+strconv.Quote(s[1:2]))
		}
		s = s[2:]
	}
	return nil
}

// parseMacro reads what stands between %{ and }.
func parseMacro(s, letters string) (macro, error) {
	if s == "" {
		return macro{}, syntax("", "%{} without a letter")
	}
	m := macro{letter: s[0] | 0x20, escape: 'A' <= s[0] && s[0] <= 'Z'}
	if strings.IndexByte(letters, m.letter) < 0 || !isAlpha(s[0]) {
		return macro{}, syntax("", "no macro letter here: "+strconv.Quote(s[:1]))
	}
	s = s[1:]
	digits := 0
	for digits < len(s) && isDigit(s[digits]) {
		digits++
	}
	if digits > 0 {
		n, err := strconv.Atoi(s[:digits])
		if err != nil {
			n = 1 << 20 // more parts than any name has
		}
		if n == 0 {
			return macro{}, syntax("", "%{"+string(m.letter)+"0}: no parts")
		}
		m.parts, s = n, s[digits:]
	}
	if s != "" && s[0]|0x20 == 'r' {
		m.reverse, s = true, s[1:]
	}
	for i := range len(s) {
		if strings.IndexByte(".-+,/_=", s[i]) < 0 {
			return macro{}, syntax("", "no delimiter of a macro: "+strconv.Quote(s[i:i+1]))
		}
	}
	m.delims = s
	return m, nil
}

func inTerm(err error, term string) error {
	if e, ok := err.(*Error); ok && e.Term == "" {
		e.Term = term
	}
	return err
}

func checkMacroString(s, term string) error {
	return inTerm(scanMacros(s, termLetters, func(string) {}, func(macro) error { return nil }), term)
}

// checkDomainSpec checks that s is a domain-spec: a macro-string that ends in a macro or in "." and a top label.
func checkDomainSpec(s, term string) error {
	if s == "" {
		return syntax(term, "empty domain")
	}
	if err := checkMacroString(s, term); err != nil {
		return err
	}
	tail := s // what follows the last macro; the syntax has been checked
	for i := 0; i < len(s); {
		switch {
		case s[i] != '%':
			i++
			continue
		case s[i+1] == '{':
			i += strings.IndexByte(s[i:], '}') + 1
		default: // "%%", "%_" and "%-"
			i += 2
		}
		tail = s[i:]
	}
	if tail == "" && tail != s {
		return nil
	}
	tail = strings.TrimSuffix(tail, ".")
	dot := strings.LastIndexByte(tail, '.')
	if dot < 0 || !isTopLabel(tail[dot+1:]) {
		return syntax(term, "domain does not end in a top-level name or a macro")
	}
	return nil
}

func isTopLabel(s string) bool {
	if s == "" || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	numeric := true
	for i := range len(s) {
		if !isAlpha(s[i]) && !isDigit(s[i]) && s[i] != '-' {
			return false
		}
		numeric = numeric && isDigit(s[i])
	}
	return !numeric
}

// transform applies the transformers, delimiters and escaping of a macro to its value: RFC 7208 §7.3.
func (m macro) transform(value string) string {
	if m.parts > 0 || m.reverse || m.delims != "" {
		delims := m.delims
		if delims == "" {
			delims = "."
		}
		parts := splitAny(value, delims)
		if m.reverse {
			slices.Reverse(parts)
		}
		if m.parts > 0 && m.parts < len(parts) {
			parts = parts[len(parts)-m.parts:]
		}
		value = strings.Join(parts, ".")
	}
	if m.escape {
		value = urlEscape(value)
	}
	return value
}

func splitAny(s, delims string) (parts []string) {
	for {
		i := strings.IndexAny(s, delims)
		if i < 0 {
			return append(parts, s)
		}
		parts, s = append(parts, s[:i]), s[i+1:]
	}
}

// urlEscape escapes what is not unreserved: RFC 3986 §2.3.
func urlEscape(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; isAlpha(c) || isDigit(c) || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

// dotted writes an address as %{i} does: dotted quad, or the nibbles of an IPv6 address between dots.
func dotted(ip netip.Addr) string {
	if ip.Is4() {
		return ip.String()
	}
	const hex = "0123456789abcdef"
	var b strings.Builder
	for i, c := range ip.As16() {
		if i > 0 {
			b.WriteByte('.')
		}
		b.Write([]byte{hex[c>>4], '.', hex[c&15]})
	}
	return b.String()
}
