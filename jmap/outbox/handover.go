package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// maxMessage is the longest message that is read into memory, in octets.
const maxMessage = 256 << 20

// HandOver gives a message to the account's Submitter, for those recipients of the envelope whose indexes are given: without
// its Bcc fields (RFC 8621 §7.5), and without the parameters that say when.
func HandOver(ctx context.Context, a *mail.Account, s *mail.EmailSubmission, blob jmap.ID, to []int) ([]mail.DeliveryStatus, error) {
	if a.Submitter == nil {
		return nil, errors.New("outbox: the account has no Submitter")
	}
	b, err := a.Blobs.OpenBlob(ctx, blob)
	if err != nil {
		if e, ok := errors.AsType[*jmap.SetError](err); ok {
			return nil, fmt.Errorf("outbox: the message has gone: %s", e.Error())
		}
		return nil, err
	}
	defer b.Close()
	if b.Size() > maxMessage {
		return nil, &jmap.SetError{Type: jmap.SetTooLarge, MaxSize: maxMessage}
	}
	raw := make([]byte, b.Size())
	if n, err := b.ReadAt(raw, 0); n < len(raw) {
		return nil, fmt.Errorf("outbox: blob %s: %w", blob, err)
	}
	m := Message(s, to)
	raw = withoutBcc(raw)
	m.Size, m.Body = int64(len(raw)), bytes.NewReader(raw)
	status, err := a.Submitter.Submit(ctx, m)
	if err == nil && len(status) != len(to) {
		err = fmt.Errorf("outbox: %d results for %d recipients", len(status), len(to))
	}
	return status, err
}

// Message returns a submission as a Submitter gets it, without Body, for some recipients of the envelope.
func Message(s *mail.EmailSubmission, to []int) *mail.Submission {
	m := &mail.Submission{ID: s.ID, From: s.Envelope.MailFrom.Email}
	for name, v := range s.Envelope.MailFrom.Parameters {
		if Timing(name) {
			continue
		}
		if m.MailParameters == nil {
			m.MailParameters = make(map[string]*string)
		}
		m.MailParameters[name] = v
	}
	for _, i := range to {
		m.To = append(m.To, s.Envelope.RcptTo[i].Email)
		m.RcptParameters = append(m.RcptParameters, s.Envelope.RcptTo[i].Parameters)
	}
	return m
}

// Timing reports whether a parameter of MAIL says when to release a message (RFC 4865): that is done here.
func Timing(parameter string) bool {
	return strings.EqualFold(parameter, "HOLDFOR") || strings.EqualFold(parameter, "HOLDUNTIL")
}

// Refused is the error of a submission that every recipient was refused; nil where one was not.
func Refused(s *mail.EmailSubmission, status []mail.DeliveryStatus) *jmap.SetError {
	e := &jmap.SetError{Type: jmap.SetInvalidRecipients}
	for i, x := range status {
		if x.Delivered != mail.DeliveryNo {
			return nil
		}
		e.InvalidRecipients = append(e.InvalidRecipients, s.Envelope.RcptTo[i].Email)
		e.Description = x.SMTPReply
	}
	return e
}

// withoutBcc returns a message without its Bcc fields.
func withoutBcc(raw []byte) []byte {
	var out []byte
	rest, dropping := raw, false
	for len(rest) > 0 {
		n := bytes.IndexByte(rest, '\n') + 1
		if n == 0 {
			n = len(rest)
		}
		line := rest[:n]
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			break // the body
		}
		if line[0] != ' ' && line[0] != '\t' {
			name, _, _ := bytes.Cut(line, []byte(":"))
			dropping = strings.EqualFold(strings.TrimSpace(string(name)), "bcc")
		}
		if !dropping {
			out = append(out, line...)
		}
		rest = rest[n:]
	}
	return append(out, rest...)
}
