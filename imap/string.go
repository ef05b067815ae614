package imap

import "strconv"

// AppendString appends s as a string (RFC 9051 §4.3): quoted where that can hold it, else as a literal. It must not
// hold NUL, which only a literal8 can carry.
func AppendString(dst []byte, s string) []byte {
	if !quotable(s) {
		dst = append(dst, '{')
		dst = strconv.AppendInt(dst, int64(len(s)), 10)
		dst = append(dst, '}', '\r', '\n')
		return append(dst, s...)
	}
	return AppendQuoted(dst, s)
}

// AppendQuoted appends s as a quoted string, whatever it holds: a line end or a NUL would break it.
func AppendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}

// AppendNString appends s as a string, or NIL if it is empty.
func AppendNString(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "NIL"...)
	}
	return AppendString(dst, s)
}

// AppendAString appends s as an atom where it is one, else as AppendString does. NIL is quoted.
func AppendAString(dst []byte, s string) []byte {
	if s == "" || foldEqual([]byte(s), "nil") {
		return AppendString(dst, s)
	}
	for i := range len(s) {
		if !isAStringChar(s[i]) {
			return AppendString(dst, s)
		}
	}
	return append(dst, s...)
}

// quotable reports whether a quoted string may hold s everywhere: RFC 3501 allows ASCII only. Long ones go into
// literals, for the sake of peers that bound their lines.
func quotable(s string) bool {
	if len(s) > 1000 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c > '~' {
			return false
		}
	}
	return true
}

// isAtomChar reports ATOM-CHAR (RFC 9051 §9).
func isAtomChar(c byte) bool {
	switch c {
	case '(', ')', '{', ' ', '%', '*', '"', '\\', ']':
		return false
	}
	return c > ' ' && c < 0x7f
}

// isAStringChar reports ASTRING-CHAR (RFC 9051 §9).
func isAStringChar(c byte) bool { return c == ']' || isAtomChar(c) }

// foldEqual compares without regard to ASCII case; lower is in lower case.
func foldEqual(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
