package smtp

import (
	"strings"
	"unicode/utf8"
)

func errXtext() error { return NewError(501, EnhancedCode{5, 5, 4}, "Malformed xtext") }

// ParseXtext decodes xtext (RFC 3461 §4). What it returns may hold any octet. The error is an *Error with 501 5.5.4.
func ParseXtext(s string) (string, error) {
	var b []byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			if i+2 >= len(s) {
				return "", errXtext()
			}
			hi, ok1 := hexDigit(s[i+1])
			lo, ok2 := hexDigit(s[i+2])
			if !ok1 || !ok2 {
				return "", errXtext()
			}
			c = hi<<4 | lo
			i += 2
		case c <= ' ' || c >= 0x7f || c == '=':
			return "", errXtext()
		}
		b = append(b, c)
	}
	return string(b), nil
}

// AppendXtext appends s as xtext (RFC 3461 §4).
func AppendXtext(dst []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '=' || c == '+' {
			dst = append(dst, '+', digits[c>>4], digits[c&15])
			continue
		}
		dst = append(dst, s[i])
	}
	return dst
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

// parseUnitext decodes \x{HEXPOINT} in an address of type utf-8 (RFC 6533 §3). What does not conform stays as it is.
func parseUnitext(s string) string {
	var b strings.Builder
	for rest := s; rest != ""; {
		before, after, found := strings.Cut(rest, `\x{`)
		b.WriteString(before)
		if !found {
			break
		}
		hex, tail, closed := strings.Cut(after, "}")
		if !closed || len(hex) < 2 || len(hex) > 6 {
			return s
		}
		var r rune
		for i := range len(hex) {
			d, ok := hexDigit(hex[i])
			if !ok {
				return s
			}
			r = r<<4 | rune(d)
		}
		if !utf8.ValidRune(r) {
			return s
		}
		b.WriteRune(r)
		rest = tail
	}
	return b.String()
}

// appendUnitext appends s as utf-8-addr-xtext, which is ASCII (RFC 6533 §3).
func appendUnitext(dst []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for _, r := range s {
		if r > ' ' && r < 0x7f && r != '\\' && r != '+' && r != '=' {
			dst = append(dst, byte(r))
			continue
		}
		dst = append(dst, `\x{`...)
		shift := 4
		for r>>(shift+4) != 0 {
			shift += 4
		}
		for ; shift >= 0; shift -= 4 {
			dst = append(dst, digits[r>>shift&15])
		}
		dst = append(dst, '}')
	}
	return dst
}

// printable reports whether s holds graphic ASCII and white space only (RFC 3461 §4.2, §4.4).
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
