package address

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// Limits of RFC 5321 §4.5.3.1 in octets.
const (
	MaxLocal  = 64  // a local part, quotes not counted
	MaxDomain = 255 // a domain
	maxLabel  = 63  // a label (RFC 1035 §2.3.4)
)

// Why a local part is refused.
var (
	errLocalSyntax = errors.New("address: bad local part")
	errLocalLong   = errors.New("address: local part longer than 64 octets")
	errUTF8        = errors.New("address: invalid UTF-8")
)

// ParseLocal parses the local part that s begins with, a dot-string or a quoted string, and returns it by value,
// without quotes and backslashes, and what follows it. Non-ASCII must be UTF-8.
func ParseLocal(s string) (local, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		local, rest, err = parseQuoted(s)
	} else {
		n := 0
		for n < len(s) && (isAtext(s[n]) || s[n] == '.') {
			n++
		}
		local, rest = s[:n], s[n:]
		if !isDotString(local) {
			err = errLocalSyntax
		}
	}
	switch {
	case err != nil:
		return "", s, err
	case len(local) > MaxLocal:
		return "", s, errLocalLong
	case !utf8.ValidString(local):
		return "", s, errUTF8
	}
	return local, rest, nil
}

func parseQuoted(s string) (local, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		c := s[i]
		if c == '"' {
			return b.String(), s[i+1:], nil
		}
		if c == '\\' {
			if i++; i == len(s) {
				break
			}
			c = s[i]
			if c >= 0x80 { // quoted-pairSMTP is ASCII
				break
			}
		}
		if c < ' ' || c == 0x7f {
			break
		}
		b.WriteByte(c)
	}
	return "", s, errLocalSyntax
}

// AppendLocal appends the local part as it is written: as it is if it is a dot-string, else as a quoted string.
// A local part with control characters or invalid UTF-8 cannot be written and is an error.
func AppendLocal(dst []byte, local string) ([]byte, error) {
	if isDotString(local) && utf8.ValidString(local) {
		return append(dst, local...), nil
	}
	if !utf8.ValidString(local) {
		return dst, errUTF8
	}
	for i := range len(local) {
		if local[i] < ' ' || local[i] == 0x7f {
			return dst, errLocalSyntax
		}
	}
	dst = append(dst, '"')
	for i := range len(local) {
		if local[i] == '"' || local[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, local[i])
	}
	return append(dst, '"'), nil
}

// isDotString reports whether s is Atom *("." Atom).
func isDotString(s string) bool {
	last := byte('.')
	for i := range len(s) {
		c := s[i]
		if c == '.' && last == '.' || c != '.' && !isAtext(c) {
			return false
		}
		last = c
	}
	return last != '.'
}

// isAtext reports whether c may stand in an atom (RFC 5322 §3.2.3, RFC 6531 §3.3).
func isAtext(c byte) bool {
	switch {
	case c >= 0x80, c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return c > ' ' && c < 0x7f && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}
