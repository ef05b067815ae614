package imap

import (
	"encoding/base64"
	"unicode/utf16"
	"unicode/utf8"
)

// utf7 is the base64 of modified UTF-7: "," for "/", no padding, the bits left over are zero.
var utf7 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding).Strict()

// ParseUTF7 decodes modified UTF-7, in which IMAP4rev1 writes the names of mailboxes (RFC 3501 §5.1.3). It takes what
// AppendUTF7 writes and nothing else, so that a name has one spelling.
func ParseUTF7(s string) (string, error) {
	out := make([]byte, 0, len(s))
	shifted := -1 // where the last base64 section ended
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < ' ' || c > '~' {
			return "", &SyntaxError{Offset: i, Want: "modified UTF-7"}
		}
		if c != '&' {
			out = append(out, c)
			continue
		}
		end := i + 1
		for end < len(s) && s[end] != '-' {
			end++
		}
		if end == len(s) {
			return "", &SyntaxError{Offset: i, Want: "modified UTF-7"}
		}
		if end == i+1 {
			out = append(out, '&')
			i = end
			continue
		}
		var ok bool
		if out, ok = appendUTF16(out, s[i+1:end]); !ok || shifted == i {
			return "", &SyntaxError{Offset: i, Want: "modified UTF-7"}
		}
		i = end
		shifted = i + 1
	}
	return string(out), nil
}

// appendUTF16 appends one base64 section as UTF-8.
func appendUTF16(dst []byte, b64 string) ([]byte, bool) {
	raw, err := utf7.DecodeString(b64)
	if err != nil || len(raw)%2 != 0 {
		return nil, false
	}
	for i := 0; i < len(raw); i += 2 {
		r := rune(raw[i])<<8 | rune(raw[i+1])
		if utf16.IsSurrogate(r) {
			if i+3 >= len(raw) {
				return nil, false
			}
			if r = utf16.DecodeRune(r, rune(raw[i+2])<<8|rune(raw[i+3])); r == utf8.RuneError {
				return nil, false
			}
			i += 2
		}
		if ' ' <= r && r <= '~' || r == 0 { // what stands for itself is not encoded
			return nil, false
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, true
}

// AppendUTF7 appends name in modified UTF-7. What is not UTF-8 in name becomes U+FFFD.
func AppendUTF7(dst []byte, name string) []byte {
	var units []byte
	flush := func() {
		if len(units) > 0 {
			dst = append(dst, '&')
			dst = utf7.AppendEncode(dst, units)
			dst = append(dst, '-')
			units = units[:0]
		}
	}
	for _, r := range name {
		if ' ' <= r && r <= '~' {
			flush()
			if dst = append(dst, byte(r)); r == '&' {
				dst = append(dst, '-')
			}
			continue
		}
		for _, u := range utf16.AppendRune(nil, r) {
			units = append(units, byte(u>>8), byte(u))
		}
	}
	flush()
	return dst
}
