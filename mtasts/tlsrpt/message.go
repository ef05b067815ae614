package tlsrpt

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/internal/packed"
	"github.com/mailbricks/mailbricks/smtp/message"
)

// MaxMessage is the longest message with a report that is read, in octets.
const MaxMessage = 16 << 20

// ErrNoReport says that a message carries no report.
var ErrNoReport = errors.New("tlsrpt: no report in the message")

// ReadMessage reads the report that a message carries (RFC 8460 §5.3). The message should have a good DKIM signature of
// the submitter, which is for the caller to check. Errors are ErrNoReport and those of Read.
func ReadMessage(r io.Reader) (*Report, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxMessage+1))
	if err != nil {
		return nil, fmt.Errorf("tlsrpt: read: %w", err)
	}
	if len(raw) > MaxMessage {
		return nil, fmt.Errorf("%w: a message of more than %d octets", ErrLimit, MaxMessage)
	}
	m := message.Parse(raw)
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Kind == message.Leaf && carries(p) {
			encoding, _ := p.Get("Content-Transfer-Encoding")
			return Read(packed.Decode(bytes.NewReader(p.Body()), string(encoding)))
		}
	}
	return nil, ErrNoReport
}

// carries reports whether a part is a report, by its type, or else by its name.
func carries(p *message.Part) bool {
	t := p.ContentType()
	if t.Type == "application" && (t.Subtype == "tlsrpt" || strings.HasPrefix(t.Subtype, "tlsrpt+")) {
		return true
	}
	d, _ := p.Get("Content-Disposition")
	name, ok := message.ParseDisposition(d).Params.Lookup("filename")
	if !ok {
		name, _ = t.Params.Lookup("name")
	}
	s := strings.ToLower(name.Value)
	return strings.Contains(s, "!") && (strings.HasSuffix(s, ".json") || strings.HasSuffix(s, ".json.gz"))
}

// A Message says how a report is sent by mail.
type Message struct {
	From, To  string // addresses
	Domain    string // that the report is about
	Submitter string // that reports; that of Contact
	MessageID string // without brackets
	Date      time.Time
}

// ErrMessage says that a Message cannot be written: one of its fields is not there, or has what would begin another field.
var ErrMessage = errors.New("tlsrpt: message cannot be written")

// Filename returns the name of the file of a report (RFC 8460 §5.1).
func (r *Report) Filename(submitter, domain string) string {
	return fmt.Sprintf("%s!%s!%d!%d.json.gz", submitter, domain, r.Start.Unix(), r.End.Unix())
}

// AppendMessage appends a whole message that carries the report in gzip (RFC 8460 §5.3), with CRLF line ends. It is to be
// signed by DKIM, with its TLS-Report fields.
func (r *Report) AppendMessage(dst []byte, m Message) ([]byte, error) {
	for _, s := range []string{m.From, m.To, m.Domain, m.Submitter, m.MessageID, r.ID} {
		if s == "" || len(s) > 300 || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '<' || c == '>' || c == '"' }) {
			return dst, fmt.Errorf("%w: %.40q", ErrMessage, s)
		}
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(r.Append(nil)); err != nil {
		return dst, fmt.Errorf("tlsrpt: %w", err)
	}
	if err := z.Close(); err != nil {
		return dst, fmt.Errorf("tlsrpt: %w", err)
	}
	const boundary = "=_tlsrpt" // "=_" stands in no base64 and in no text here
	id := r.ID
	if !strings.Contains(id, "@") {
		id += "@" + m.Submitter
	}
	dst = fmt.Appendf(dst, "From: <%s>\r\nTo: <%s>\r\nDate: %s\r\nMessage-ID: <%s>\r\n", m.From, m.To, m.Date.Format("Mon, 02 Jan 2006 15:04:05 -0700"), m.MessageID)
	dst = fmt.Appendf(dst, "Subject: Report Domain: %s\r\n Submitter: %s\r\n Report-ID: <%s>\r\n", m.Domain, m.Submitter, id)
	dst = fmt.Appendf(dst, "TLS-Report-Domain: %s\r\nTLS-Report-Submitter: %s\r\nMIME-Version: 1.0\r\n", m.Domain, m.Submitter)
	dst = fmt.Appendf(dst, "Content-Type: multipart/report; report-type=\"tlsrpt\"; boundary=\"%s\"\r\n\r\n", boundary)
	dst = fmt.Appendf(dst, "--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nThis is an aggregate TLS report from %s\r\n\r\n", boundary, m.Submitter)
	dst = fmt.Appendf(dst, "--%s\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n filename=\"%s\"\r\n\r\n",
		boundary, r.Filename(m.Submitter, m.Domain))
	text := base64.StdEncoding.EncodeToString(packed.Bytes())
	for len(text) > 0 {
		n := min(len(text), 76)
		dst, text = append(append(dst, text[:n]...), "\r\n"...), text[n:]
	}
	return fmt.Appendf(dst, "\r\n--%s--\r\n", boundary), nil
}
