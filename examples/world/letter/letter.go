// Package letter makes files ready for SMTP, and tells whether what was delivered is still the same letter.
package letter

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"slices"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/dmarc"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/message"
	"github.com/mailbricks/mailbricks/smtp/policy"
)

// MaxSize is the longest letter that the world carries, in octets.
const MaxSize = 32 << 20

// A Message is a letter as SMTP carries it, and what its header says.
type Message struct {
	// Bytes are the file's with LF made CRLF, and with a final CRLF.
	Bytes []byte
	// Delivered are Bytes without Return-Path fields, which final delivery replaces by its own (RFC 5321 §4.4).
	Delivered []byte
	// Subject is that of the header, decoded, for people.
	Subject string
	// From is the first author's address, the zero Path where the header names none that can be read.
	From smtp.Path
	// Domain is the one author domain, in A-labels; "" where there is none or more than one.
	Domain string
	// Err says why there is no Domain: dmarc.ErrNoAuthor or a *dmarc.AuthorError.
	Err error
	// MessageID is the value of the field, "" if there is none.
	MessageID string
	// EightBit says that there are octets over 127, EightBitHeader that there are some in the header.
	EightBit, EightBitHeader bool
}

// Prepare makes a file ready for SMTP, which carries lines that end in CRLF and neither NUL nor a CR by itself.
func Prepare(file []byte) (*Message, error) {
	if len(file) > MaxSize {
		return nil, fmt.Errorf("%d octets: the world carries letters of up to %d MiB", len(file), MaxSize>>20)
	}
	b := make([]byte, 0, len(file)+len(file)/32+2)
	line := 1
	for i, c := range file {
		switch c {
		case 0:
			return nil, fmt.Errorf("line %d (octet %d) holds NUL, which SMTP cannot carry (RFC 2045 §2.8)", line, i)
		case '\r':
			if i+1 == len(file) || file[i+1] != '\n' {
				return nil, fmt.Errorf("line %d (octet %d) holds CR without LF, which SMTP cannot carry (RFC 5321 §2.3.8)", line, i)
			}
		case '\n':
			line++
			if i == 0 || file[i-1] != '\r' {
				b = append(b, '\r')
			}
		}
		b = append(b, c)
	}
	if !bytes.HasSuffix(b, []byte("\r\n")) {
		b = append(b, "\r\n"...)
	}
	m := &Message{Bytes: b}
	m.read()
	return m, nil
}

// read reads the header.
func (m *Message) read() {
	root := message.Parse(m.Bytes).Root()
	var from []string
	end := 0
	for _, f := range root.Fields() {
		if strings.EqualFold(strings.TrimRight(string(f.Name(m.Bytes)), " \t"), "Return-Path") {
			m.Delivered = append(m.Delivered, m.Bytes[end:f.Start]...)
			end = f.End
		}
		value := strings.TrimSpace(string(message.AppendUnfolded(nil, f.Value(m.Bytes))))
		switch {
		case f.Is(m.Bytes, "From"):
			from = append(from, string(f.Value(m.Bytes)))
		case f.Is(m.Bytes, "Subject") && m.Subject == "":
			m.Subject = decodeWords(value)
		case f.Is(m.Bytes, "Message-ID") && m.MessageID == "":
			m.MessageID = value
		}
	}
	if m.Delivered = append(m.Delivered, m.Bytes[end:]...); end == 0 {
		m.Delivered = m.Bytes
	}
	m.Domain, m.Err = dmarc.AuthorDomain(from)
	for _, f := range from {
		for _, a := range imap.ParseAddresses(nil, []byte(f)) {
			p := smtp.Path{Local: a.Mailbox, Domain: a.Host}
			if _, err := smtp.AppendPath(nil, p); err == nil && m.From.IsNull() && p.Local != "" && p.Domain != "" && p.Domain != imap.MissingHost {
				m.From = p
			}
		}
	}
	for i, c := range m.Bytes {
		if c > 127 {
			m.EightBit = true
			m.EightBitHeader = i < root.BodyStart
			break
		}
	}
}

// Header returns the header section.
func (m *Message) Header() []byte { return message.Parse(m.Bytes).Root().Header() }

// ParseHeader returns what the header of a message says, which may be cut off.
func ParseHeader(head []byte) *Message {
	m := &Message{Bytes: head}
	m.read()
	return m
}

func decodeWords(s string) string {
	d := mime.WordDecoder{}
	if out, err := d.DecodeHeader(s); err == nil {
		s = out
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// traceFields are the fields that hosts on the way may put on top of a letter; submission adds the last two where they
// are missing (RFC 6409 §8).
func traceFields() []string {
	return []string{"Return-Path", "Received", "Received-SPF", "Authentication-Results", "DKIM-Signature", "X-Hashcash",
		policy.DecisionField, policy.CapabilityField, policy.OfferField, "Date", "Message-ID"}
}

// Compare says whether stored is the letter with nothing but trace fields on top; nil: it is. Return-Path fields of the
// letter itself may be missing, since final delivery replaces them (RFC 5321 §4.4).
func (m *Message) Compare(stored []byte) error {
	trace, ok := bytes.CutSuffix(stored, m.Bytes)
	if !ok {
		trace, ok = bytes.CutSuffix(stored, m.Delivered)
	}
	if !ok {
		return fmt.Errorf("the letter of %d octets is not what %d stored octets end with", len(m.Bytes), len(stored))
	}
	if len(trace) > 0 && !bytes.HasSuffix(trace, []byte("\r\n")) {
		return errors.New("the trace fields do not end with a line end")
	}
	trace = append(bytes.Clone(trace), "\r\n"...)
	for _, f := range message.Parse(trace).Root().Fields() {
		if !slices.ContainsFunc(traceFields(), func(name string) bool { return f.Is(trace, name) }) {
			return fmt.Errorf("%q stands on top of the letter and is no trace field", shorten(string(f.Name(trace))))
		}
	}
	return nil
}

func shorten(s string) string {
	if len(s) > 60 {
		return s[:60] + "..."
	}
	return s
}

// Vouchable reports whether the letter names one author domain that can have records of its own; a name of one label
// cannot (RFC 7208 §4.3, RFC 6376 §3.5).
func (m *Message) Vouchable() bool { return strings.Contains(m.Domain, ".") }

// Compose writes a letter of plain text.
func Compose(from, to, subject, text string) ([]byte, error) {
	for _, s := range []string{from, to, subject} {
		if strings.ContainsAny(s, "\r\n\x00") {
			return nil, errors.New("a header field is one line")
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nSubject: %s\r\n", from, to, mime.QEncoding.Encode("utf-8", subject))
	fmt.Fprintf(&b, "Date: %s\r\n", time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	q := quotedprintable.NewWriter(&b)
	if _, err := io.WriteString(q, text); err != nil {
		return nil, err
	}
	if err := q.Close(); err != nil {
		return nil, err
	}
	return []byte(b.String()), nil
}
