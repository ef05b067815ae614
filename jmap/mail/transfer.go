package mail

import (
	"bytes"
	"strings"
)

// DecodeTransfer undoes a Content-Transfer-Encoding (RFC 2045 §6) as well as it can. ok is false where the encoding is
// unknown, and b returned as it is, or where something in b was not of the encoding. The result may share b.
func DecodeTransfer(b []byte, encoding string) (out []byte, ok bool) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "7bit", "8bit", "binary":
		return b, true
	case "base64":
		return decodeBase64(b)
	case "quoted-printable":
		return decodeQuotedPrintable(b)
	}
	return b, false
}

// decodeBase64 passes over what is not of the alphabet (RFC 2045 §6.8) and starts anew after padding, so that encoded
// texts may follow each other.
func decodeBase64(b []byte) (out []byte, ok bool) {
	out = make([]byte, 0, len(b)/4*3+3)
	ok = true
	var acc uint32
	n := 0
	for _, c := range b {
		var v byte
		switch {
		case c >= 'A' && c <= 'Z':
			v = c - 'A'
		case c >= 'a' && c <= 'z':
			v = c - 'a' + 26
		case c >= '0' && c <= '9':
			v = c - '0' + 52
		case c == '+':
			v = 62
		case c == '/':
			v = 63
		case c == '=':
			out = flushBase64(out, acc, n)
			ok = ok && n != 1
			acc, n = 0, 0
			continue
		case c == '\r' || c == '\n' || c == ' ' || c == '\t':
			continue
		default:
			ok = false
			continue
		}
		acc = acc<<6 | uint32(v)
		if n++; n == 4 {
			out = append(out, byte(acc>>16), byte(acc>>8), byte(acc))
			acc, n = 0, 0
		}
	}
	return flushBase64(out, acc, n), ok && n == 0
}

// flushBase64 appends the whole octets of n characters.
func flushBase64(out []byte, acc uint32, n int) []byte {
	switch n {
	case 2:
		return append(out, byte(acc>>4))
	case 3:
		return append(out, byte(acc>>10), byte(acc>>2))
	}
	return out
}

// decodeQuotedPrintable leaves what is not of the encoding as it is (RFC 2045 §6.7).
func decodeQuotedPrintable(b []byte) (out []byte, ok bool) {
	out = make([]byte, 0, len(b))
	ok = true
	for len(b) > 0 {
		line, eol := b, []byte(nil)
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line, eol = b[:i], b[i:i+1]
			if i > 0 && b[i-1] == '\r' {
				line, eol = b[:i-1], b[i-1:i+1]
			}
		}
		b = b[len(line)+len(eol):]
		line = bytes.TrimRight(line, " \t") // added on the way
		for i := 0; i < len(line); i++ {
			c := line[i]
			switch {
			case c != '=':
				out = append(out, c)
			case i == len(line)-1:
				eol = nil // a soft line break
			case i+2 < len(line) && unhex(line[i+1]) >= 0 && unhex(line[i+2]) >= 0:
				out = append(out, byte(unhex(line[i+1])<<4|unhex(line[i+2])))
				i += 2
			default:
				out = append(out, c)
				ok = false
			}
		}
		out = append(out, eol...)
	}
	return out, ok
}
