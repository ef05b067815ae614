package report

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/internal/packed"
	"github.com/mailbricks/mailbricks/smtp/message"
)

// ReadMail reads the aggregate report that a message carries (RFC 9990 §3.5.2). Errors are ErrNoReport and those of Read.
func ReadMail(r io.Reader) (*Aggregate, error) {
	m, err := readMail(r)
	if err != nil {
		return nil, err
	}
	for i := range m.Parts {
		if p := &m.Parts[i]; p.Kind == message.Leaf && aggregate(p) {
			return Read(body(p))
		}
	}
	return nil, ErrNoReport
}

func readMail(r io.Reader) (*message.Message, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxMessage+1))
	if err != nil {
		return nil, fmt.Errorf("report: read: %w", err)
	}
	if len(raw) > MaxMessage {
		return nil, fmt.Errorf("%w: a message of more than %d octets", ErrLimit, MaxMessage)
	}
	return message.Parse(raw), nil
}

// body returns a part's content, decoded.
func body(p *message.Part) io.Reader {
	encoding, _ := p.Get("Content-Transfer-Encoding")
	return packed.Decode(bytes.NewReader(p.Body()), string(encoding))
}

// aggregate reports whether a part may be an aggregate report, by its type or by its name.
func aggregate(p *message.Part) bool {
	t := p.ContentType()
	switch t.Type + "/" + t.Subtype {
	case "application/gzip", "application/x-gzip", "application/zip", "application/x-zip-compressed", "application/xml", "text/xml":
		return true
	}
	d, _ := p.Get("Content-Disposition")
	name, ok := message.ParseDisposition(d).Params.Lookup("filename")
	if !ok {
		name, _ = t.Params.Lookup("name")
	}
	s := strings.ToLower(name.Value)
	return strings.HasSuffix(s, ".xml") || strings.HasSuffix(s, ".xml.gz") || strings.HasSuffix(s, ".zip")
}

// A Mail says how a report is sent.
type Mail struct {
	From, To  string // addresses
	Submitter string // domain of the receiver that reports
	MessageID string // without brackets
	Date      time.Time
}

// ErrMail says that a Mail cannot be written: one of its fields is not there, or has what would begin another field.
var ErrMail = errors.New("report: mail cannot be written")

func (m Mail) check(more ...string) error {
	for _, s := range append(more, m.From, m.To, m.Submitter, m.MessageID) {
		if s == "" || len(s) > 300 || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune("<>\"()", c) }) {
			return fmt.Errorf("%w: %.40q", ErrMail, s)
		}
	}
	return nil
}

func (m Mail) append(dst []byte) []byte {
	return fmt.Appendf(dst, "From: <%s>\r\nTo: <%s>\r\nDate: %s\r\nMessage-ID: <%s>\r\nMIME-Version: 1.0\r\n", m.From, m.To,
		m.Date.Format("Mon, 02 Jan 2006 15:04:05 -0700"), m.MessageID)
}

// Filename returns the name of an aggregate report's file (RFC 9990 §3.5.2).
func (a *Aggregate) Filename(submitter string) string {
	return fmt.Sprintf("%s!%s!%d!%d.xml.gz", submitter, a.Policy.Domain, a.Begin.Unix(), a.End.Unix())
}

// AppendMail appends a message that carries an aggregate report (RFC 9990 §3.5.2), with CRLF line ends. gz is what a
// Writer has written through a gzip.Writer. The message is to pass DMARC: sign it.
func (a *Aggregate) AppendMail(dst []byte, m Mail, gz []byte) ([]byte, error) {
	id := strings.Trim(a.ID, "<>")
	if err := m.check(a.Policy.Domain, id); err != nil {
		return dst, err
	}
	dst = m.append(dst)
	dst = fmt.Appendf(dst, "Subject: Report Domain: %s\r\n Submitter: %s\r\n Report-ID: <%s>\r\n", a.Policy.Domain, m.Submitter, id)
	dst = fmt.Appendf(dst, "Content-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n filename=\"%s\"\r\n\r\n", a.Filename(m.Submitter))
	for text := base64.StdEncoding.EncodeToString(gz); len(text) > 0; {
		n := min(len(text), 76)
		dst, text = append(append(dst, text[:n]...), "\r\n"...), text[n:]
	}
	return dst, nil
}
