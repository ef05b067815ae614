package imap

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime/quotedprintable"
	"strings"

	"github.com/mailbricks/mailbricks/smtp/message"
)

// ErrUnknownEncoding says that a content-transfer-encoding is not known (NO [UNKNOWN-CTE], RFC 3516 §4.3).
var ErrUnknownEncoding = errors.New("imap: unknown content-transfer-encoding")

// DecodeTransfer returns the body of a part without its content-transfer-encoding (RFC 2045 §6), as BINARY and SEARCH
// have it. Octets that are not of the encoding are left out where that can be, else the rest is. A multipart and a
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
		out, _ := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(p.Body())))
		return out, nil
	}
	return nil, ErrUnknownEncoding
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
