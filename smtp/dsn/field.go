package dsn

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxLine is where a folded line ends if there is a space to fold at; a word longer than hardLine is broken by force
// (RFC 5322 §2.1.1).
const (
	maxLine  = 78
	hardLine = 990
)

// appendField appends one field of one line or folded, whatever value holds: control characters become spaces, and
// without utf8Form what is not ASCII becomes "?".
func appendField(dst []byte, name, value string, utf8Form bool) []byte {
	if !utf8Form {
		value = ascii(value)
	}
	value = strings.ToValidUTF8(value, "?")
	dst = append(dst, name...)
	dst = append(dst, ':')
	col := len(name) + 1
	for word := range strings.FieldsFuncSeq(value, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		if col+1+len(word) > maxLine && col > len(name)+1 {
			dst = append(dst, "\r\n"...)
			col = 0
		}
		dst = append(dst, ' ')
		col++
		for len(word) > hardLine-col {
			cut := hardLine - col
			for cut > 0 && !utf8.RuneStart(word[cut]) {
				cut--
			}
			dst = append(dst, word[:cut]...)
			dst = append(dst, "\r\n "...)
			word, col = word[cut:], 1
		}
		dst = append(dst, word...)
		col += len(word)
	}
	return append(dst, "\r\n"...)
}

// appendText appends text with CRLF line endings, control characters but tab replaced and long lines broken.
func appendText(dst []byte, text string) []byte {
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		n := 0
		for _, r := range strings.TrimSuffix(line, "\r") {
			if r != '\t' && r < ' ' || r == 0x7f {
				r = ' '
			}
			if n+utf8.RuneLen(r) > hardLine {
				dst, n = append(dst, "\r\n"...), 0
			}
			dst = utf8.AppendRune(dst, r)
			n += utf8.RuneLen(r)
		}
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// ascii replaces what is not ASCII by "?".
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf {
			return '?'
		}
		return r
	}, s)
}

// encode returns "type; address". Without utf8Form an address of type utf-8, and one of type rfc822 that is not
// ASCII, is written as utf-8-addr-xtext (RFC 6533 §3).
func (a Address) encode(utf8Form bool) string {
	if a.Address == "" {
		return ""
	}
	kind := a.Type
	if kind == "" {
		kind = "rfc822"
	}
	if strings.EqualFold(kind, "rfc822") && ascii(a.Address) != a.Address {
		kind = "utf-8"
	}
	if !strings.EqualFold(kind, "utf-8") || utf8Form {
		return kind + "; " + a.Address
	}
	var b strings.Builder
	for _, r := range a.Address {
		if r <= ' ' || r >= 0x7f || r == '\\' || r == '+' || r == '=' {
			fmt.Fprintf(&b, `\x{%02X}`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return kind + "; " + b.String()
}

// parseAddress parses "type; address" and decodes the type utf-8.
func parseAddress(s string) (Address, bool) {
	kind, addr, ok := strings.Cut(s, ";")
	a := Address{Type: strings.ToLower(strings.TrimSpace(kind)), Address: strings.TrimSpace(addr)}
	if !ok || a.Type == "" || a.Address == "" {
		return Address{}, false
	}
	if a.Type == "utf-8" {
		a.Address = decodeUnitext(a.Address)
	}
	return a, true
}

// decodeUnitext replaces \x{HEX} by its character; anything else stays as it is.
func decodeUnitext(s string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, `\x{`)
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		hex, after, ok := strings.Cut(rest, "}")
		n, err := strconv.ParseUint(hex, 16, 32)
		if !ok || err != nil || len(hex) < 2 || len(hex) > 6 || !utf8.ValidRune(rune(n)) {
			b.WriteString(`\x{`)
			s = rest
			continue
		}
		b.WriteRune(rune(n))
		s = after
	}
}
