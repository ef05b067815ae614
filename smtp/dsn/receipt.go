package dsn

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A Receipt is an MDN to be sent, with MAIL FROM:<> and RCPT TO every address of To (RFC 8098 §3).
type Receipt struct {
	MDN MDN
	// To are the addresses of the Disposition-Notification-To field of the message, at least one.
	To []*mail.Address
	// From is for whom the notification is.
	From mail.Address
	// MessageID is the Message-ID without its brackets; it is not that of the message.
	MessageID string
	Date      time.Time
	// Subject is the Subject field; "" has one by the Disposition.
	Subject string
	// References are Message-IDs without brackets, the message's own last.
	References []string
}

// appendDisposition appends the body of message/disposition-notification (RFC 8098 §3.1), all of it ASCII.
func (m *MDN) appendDisposition(dst []byte) ([]byte, error) {
	if m.FinalRecipient.Address == "" {
		return dst, errors.New("dsn: FinalRecipient is empty")
	}
	if err := m.Disposition.check(); err != nil {
		return dst, fmt.Errorf("dsn: %w", err)
	}
	field := func(name, value string) {
		if value != "" {
			dst = appendField(dst, name, value, false)
		}
	}
	field("Reporting-UA", m.ReportingUA)
	field("MDN-Gateway", mta(m.Gateway))
	field("Original-Recipient", m.OriginalRecipient.encode(false))
	field("Final-Recipient", m.FinalRecipient.encode(false))
	if m.OriginalMessageID != "" {
		field("Original-Message-ID", "<"+m.OriginalMessageID+">")
	}
	field("Disposition", m.Disposition.String())
	for _, e := range m.Errors {
		dst = appendField(dst, "Error", e, false)
	}
	for _, x := range m.Extensions {
		if err := x.check(); err != nil {
			return dst, err
		}
		dst = appendField(dst, x.Name, x.Value, false)
	}
	return dst, nil
}

// check refuses a name that is none, or that of a field of RFC 8098.
func (x Extension) check() error {
	known := []string{"reporting-ua", "mdn-gateway", "original-recipient", "final-recipient", "original-message-id", "disposition", "error"}
	if x.Name == "" || len(x.Name) > maxLine || strings.ContainsFunc(x.Name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }) ||
		slices.Contains(known, strings.ToLower(x.Name)) {
		return fmt.Errorf("dsn: %.40q cannot be the name of an extension field", x.Name)
	}
	return nil
}

// Append appends the notification as a message with CRLF line endings. The error says what is missing or malformed: an
// address, MessageID, Disposition, the name of an Extension. Bytes over 127 come from Original alone; such a message
// needs 8BITMIME.
func (r *Receipt) Append(dst []byte) ([]byte, error) {
	m := &r.MDN
	switch {
	case len(r.To) == 0 || r.From.Address == "":
		return dst, errors.New("dsn: To or From is empty")
	case r.MessageID == "" || r.MessageID == m.OriginalMessageID:
		return dst, errors.New("dsn: MessageID is empty, or that of the message")
	}
	status, err := m.appendDisposition(nil)
	if err != nil {
		return dst, err
	}
	text := m.Text
	if text == "" {
		text = "Your message to " + oneLine(m.FinalRecipient.Address) + " has been " + m.Disposition.Type +
			".\n\nThis is no guarantee that it has been read or understood.\n"
	}
	returned := m.Original
	if !m.Full {
		returned = headerOf(returned)
	}
	h := sha256.New() // which cannot stand in what it is a hash of
	for _, part := range [][]byte{[]byte(r.MessageID), []byte(text), status, returned} {
		h.Write(part)
	}
	boundary := "=_" + hex.EncodeToString(h.Sum(nil)[:20])
	dst = r.appendHeader(dst, boundary)
	dst = append(dst, "\r\n--"+boundary+"\r\n"...)
	dst = appendExplanation(dst, text)
	dst = append(dst, "\r\n--"+boundary+"\r\nContent-Type: message/disposition-notification\r\n\r\n"...)
	dst = append(dst, status...)
	if len(returned) > 0 {
		kind := "text/rfc822-headers"
		if m.Full {
			kind = "message/rfc822"
		}
		dst = append(dst, "\r\n--"+boundary+"\r\nContent-Type: "+kind+"\r\n"+transfer(returned)+"\r\n"...)
		dst = append(dst, returned...)
	}
	return append(dst, "\r\n--"+boundary+"--\r\n"...), nil
}

func (r *Receipt) appendHeader(dst []byte, boundary string) []byte {
	subject := r.Subject
	if subject == "" {
		subject = "Your message has been " + r.MDN.Disposition.Type
	}
	to := make([]string, len(r.To))
	for i, a := range r.To {
		to[i] = a.String()
	}
	field := func(name, value string) { dst = appendField(dst, name, value, false) }
	field("Date", r.Date.Format(dateLayout))
	field("From", r.From.String())
	field("To", strings.Join(to, ", "))
	field("Subject", mime.QEncoding.Encode("utf-8", oneLine(subject)))
	field("Message-ID", "<"+r.MessageID+">")
	if n := len(r.References); n > 0 {
		field("In-Reply-To", "<"+r.References[n-1]+">")
		field("References", "<"+strings.Join(r.References, "> <")+">")
	}
	dst = append(dst, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"...)
	return append(dst, "Content-Type: multipart/report; report-type=disposition-notification;\r\n boundary=\""+boundary+"\"\r\n"...)
}

// appendExplanation appends the part for people with its header.
func appendExplanation(dst []byte, text string) []byte {
	if !strings.ContainsFunc(text, func(c rune) bool { return c >= utf8.RuneSelf }) {
		return appendText(append(dst, "Content-Type: text/plain; charset=us-ascii\r\n\r\n"...), text)
	}
	dst = append(dst, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"...)
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	w.Write(appendText(nil, text))
	w.Close() // a bytes.Buffer does not fail
	return append(dst, b.Bytes()...)
}
