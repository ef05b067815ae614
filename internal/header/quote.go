package header

import "strings"

// AppendValue appends s as a value of RFC 2045, as it stands in Authentication-Results (RFC 8601 §2.2): a token where
// its octets allow, else a quoted string. What neither can hold, control characters and line endings, becomes "?", so
// nothing that came from outside ends the value early. Octets of UTF-8 stand as they are (RFC 8601 §5).
func AppendValue(dst []byte, s string) []byte {
	if Token(s) {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c == 0x7f:
			dst = append(dst, '?')
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// AppendProperty appends s as a pvalue of Authentication-Results: as AppendValue, but a domain or an address whose
// local part is a token stands unquoted too (RFC 8601 §2.2).
func AppendProperty(dst []byte, s string) []byte {
	local, domain, address := strings.Cut(s, "@")
	if address && (local == "" || Token(local)) && Token(domain) {
		return append(dst, s...)
	}
	return AppendValue(dst, s)
}

// Token reports whether s is a token of RFC 2045 §5.1.
func Token(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?=`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// AppendComment appends s as a comment with its parentheses; what cannot stand in one becomes "?".
func AppendComment(dst []byte, s string) []byte {
	dst = append(dst, '(')
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c == 0x7f:
			dst = append(dst, '?')
		case c == '(' || c == ')' || c == '\\':
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, ')')
}
