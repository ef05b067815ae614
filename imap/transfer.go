package imap

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/smtp/message"
)

// ErrUnknownEncoding says that a content-transfer-encoding is not known (NO [UNKNOWN-CTE], RFC 3516 §4.3).
var ErrUnknownEncoding = errors.New("imap: unknown content-transfer-encoding")

// DecodeTransfer returns the body of a part without its content-transfer-encoding (RFC 2045 §6), as BINARY and SEARCH
// have it. Octets that are not of the encoding are left out in base64, and kept in quoted-printable. A multipart and a
// message have none. The result may share the part's memory. The error is ErrUnknownEncoding.
func DecodeTransfer(p *message.Part) ([]byte, error) {
	var buf []byte
	return appendDecoded(&buf, p)
}

// appendDecoded is DecodeTransfer in the memory behind buf, which grows by the result unless that is the part's.
func appendDecoded(buf *[]byte, p *message.Part) ([]byte, error) {
	if p.Kind != message.Leaf {
		return p.Body(), nil
	}
	v, _ := p.Get("Content-Transfer-Encoding")
	start := len(*buf)
	switch strings.ToLower(message.ParseDisposition(v).Type) {
	case "", "7bit", "8bit", "binary":
		return p.Body(), nil
	case "base64":
		*buf = appendBase64(*buf, p.Body())
	case "quoted-printable":
		*buf = appendQuotedPrintable(*buf, p.Body())
	default:
		return nil, ErrUnknownEncoding
	}
	return (*buf)[start:len(*buf):len(*buf)], nil
}

// appendQuotedPrintable decodes quoted-printable (RFC 2045 §6.7). An "=" that begins nothing stays; white space at the
// end of a line was added on the way and goes.
func appendQuotedPrintable(dst, text []byte) []byte {
	dst = slices.Grow(dst, len(text))
	out, n := dst[:cap(dst)], len(dst)
	line, i := 0, 0 // where the line begins, behind its last "="; where we are
	for {
		for ; i+8 <= len(text); i, n = i+8, n+8 { // up to the next "=" or LF
			x := binary.LittleEndian.Uint64(text[i:])
			binary.LittleEndian.PutUint64(out[n:], x)
			if hit := zeroOctets(x^octets*'=') | zeroOctets(x^octets*'\n'); hit != 0 {
				k := bits.TrailingZeros64(hit) / 8
				i, n = i+k, n+k
				break
			}
		}
		if i+8 > len(text) {
			for ; i < len(text) && text[i] != '=' && text[i] != '\n'; i, n = i+1, n+1 {
				out[n] = text[i]
			}
		}
		switch {
		case i == len(text):
			return out[:trimLine(out, n, text[line:])]
		case text[i] == '\n':
			n = trimLine(out, n, text[line:i])
			out[n] = '\n'
			i, n = i+1, n+1
		default:
			before := i
			for i+2 < len(text) && text[i] == '=' { // mostly, and several of them
				b, ok := hexOctet(text[i+1], text[i+2])
				if !ok {
					break
				}
				out[n] = b
				i, n = i+3, n+1
			}
			if i > before {
				break
			}
			skip := softBreak(text[i:])
			if skip == 0 { // it begins nothing
				out[n] = '='
				skip, n = 1, n+1
			}
			i += skip
		}
		line = i
	}
}

// softBreak returns the length of the soft line break that text begins with, 0 if "=" begins none.
func softBreak(text []byte) int {
	n := 1
	for n < len(text) && (text[n] == ' ' || text[n] == '\t' || text[n] == '\r') {
		n++
	}
	switch {
	case n == len(text):
		return n
	case text[n] == '\n':
		return n + 1
	}
	return 0
}

// trimLine takes the white space at the end of line, whose copy ends at out[n], away up to a CR, and returns the new end.
func trimLine(out []byte, n int, line []byte) int {
	end := len(line)
	for end > 0 && (line[end-1] == ' ' || line[end-1] == '\t' || line[end-1] == '\r') {
		end--
	}
	space := line[end:]
	if len(space) == 0 || space[0] == '\r' {
		return n
	}
	n -= len(space)
	if cr := bytes.IndexByte(space, '\r'); cr >= 0 {
		n += copy(out[n:], space[cr:])
	}
	return n
}

func hexOctet(a, b byte) (byte, bool) {
	x, y := hexDigit(a), hexDigit(b)
	return byte(x<<4 | y), x >= 0 && y >= 0
}

func hexDigit(c byte) int {
	if d := c - '0'; d <= 9 {
		return int(d)
	}
	if d := (c | 0x20) - 'a'; d <= 5 {
		return int(d) + 10
	}
	return -1
}

// appendBase64 decodes base64 up to where it ends or breaks off, without what is not base64 (RFC 2045 §6.8).
func appendBase64(dst, text []byte) []byte {
	start := len(dst)
	dst = slices.Grow(dst, len(text))
	for _, c := range text {
		if 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '+' || c == '/' || c == '=' {
			dst = append(dst, c)
		}
	}
	n, _ := base64.StdEncoding.Decode(dst[start:], dst[start:])
	return dst[:start+n]
}
