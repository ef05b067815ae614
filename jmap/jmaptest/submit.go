package jmaptest

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// A Sent is a message that an account has sent.
type Sent struct {
	ID             jmap.ID // of the submission
	From           string
	To             []string
	Raw            []byte
	MailParameters map[string]*string
	RcptParameters []map[string]*string // in the order of To
}

// Sent returns what the account of a user has sent so far. Sending takes every recipient but those at refused.example,
// which it refuses for good, and those at later.example, which it takes at the third attempt; where one is at down.example,
// nothing can be sent. It passes on the parameters of DSN.
func (s *Store) Sent(user string) []Sent {
	s.mu.Lock()
	a := s.users[user]
	s.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Sent(nil), a.sent...)
}

type submitter struct{ *account }

// Check is mail.Submitter's.
func (submitter) Check(_ context.Context, m *mail.Submission) error {
	for _, p := range m.RcptParameters {
		if v, ok := p["NOTIFY"]; ok && v == nil {
			return &jmap.SetError{Type: jmap.SetInvalidProperties, Properties: []string{"envelope"}}
		}
	}
	return nil
}

// Submit is mail.Submitter's.
func (a submitter) Submit(_ context.Context, m *mail.Submission) ([]mail.DeliveryStatus, error) {
	raw, err := io.ReadAll(m.Body)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	sent := Sent{ID: m.ID, From: m.From, To: m.To, Raw: raw, MailParameters: m.MailParameters, RcptParameters: m.RcptParameters}
	out := make([]mail.DeliveryStatus, len(m.To))
	for i, to := range m.To {
		out[i] = mail.DeliveryStatus{SMTPReply: "250 2.1.5 ok", Delivered: mail.DeliveryUnknown, Displayed: "unknown"}
		_, domain, _ := strings.Cut(to, "@")
		switch domain {
		case "refused.example":
			out[i] = mail.DeliveryStatus{SMTPReply: "550 5.1.1 no such user", Delivered: mail.DeliveryNo, Displayed: "unknown"}
		case "later.example":
			if a.tries++; a.tries < 3 {
				out[i] = mail.DeliveryStatus{SMTPReply: "450 4.2.0 later", Delivered: mail.DeliveryQueued, Displayed: "unknown"}
			}
		case "down.example":
			return nil, errors.New("jmaptest: down")
		}
	}
	a.account.sent = append(a.account.sent, sent)
	return out, nil
}
