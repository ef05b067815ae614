package imap

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"

	"github.com/mailbricks/mailbricks/smtp/message"
)

// ErrUnknownEncoding says that a content-transfer-encoding is not known (NO [UNKNOWN-CTE], RFC 3516 §4.3).
var ErrUnknownEncoding = errors.New("imap: unknown content-transfer-encoding")

// DecodeTransfer returns the body of a part without its content-transfer-encoding (RFC 2045 §6), as BINARY and SEARCH
// have it. Octets that are not of the encoding are left out in base64, and kept in quoted-printable. A multipart and a
// message have none. The result may share the part's memory. The error is ErrUnknownEncoding.
func DecodeTransfer(p *message.Part) ([]byte, error) {
	if p.Kind != message.Leaf {
		return p.Body(), nil
	}
	v, _ := p.Get("Content-Transfer-Encoding")
	switch strings.ToLower(message.ParseDisposition(v).Type) {
	case "", "7bit", "8bit", "binary":
		return p.Body(), nil
	case "base64":
		out, _ := io.ReadAll(base64.NewDecoder(base64.StdEncoding, &base64Text{r: bytes.NewReader(p.Body())}))
		return out, nil
	case "quoted-printable":
		return quotedPrintable(p.Body()), nil
	}
	return nil, ErrUnknownEncoding
}

// quotedPrintable decodes quoted-printable (RFC 2045 §6.7). An "=" that begins nothing stays.
func quotedPrintable(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for line := range bytes.Lines(text) {
		end := line
		line = bytes.TrimRight(line, " \t\r\n") // white space at the end was added on the way
		end = end[len(line):]
		for i := 0; i < len(line); i++ {
			if line[i] == '=' && i+2 < len(line) {
				if b, ok := hexOctet(line[i+1], line[i+2]); ok {
					out = append(out, b)
					i += 2
					continue
				}
			}
			if line[i] == '=' && i == len(line)-1 { // a soft line break
				end = nil
				break
			}
			out = append(out, line[i])
		}
		if i := bytes.IndexAny(end, "\r\n"); i >= 0 {
			out = append(out, end[i:]...)
		}
	}
	return out
}

func hexOctet(a, b byte) (byte, bool) {
	x, y := hexDigit(a), hexDigit(b)
	return byte(x<<4 | y), x >= 0 && y >= 0
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}

// base64Text leaves out what is not base64 (RFC 2045 §6.8).
type base64Text struct{ r *bytes.Reader }

func (b *base64Text) Read(p []byte) (int, error) {
	for {
		n, err := b.r.Read(p)
		kept := 0
		for _, c := range p[:n] {
			if 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '+' || c == '/' || c == '=' {
				p[kept] = c
				kept++
			}
		}
		if kept > 0 || err != nil {
			return kept, err
		}
	}
}
