package jmaptest

import (
	"context"
	"io"
	"strings"

	"github.com/mailbricks/mailbricks/jmap/mail"
)

// A Sent is a message that an account has sent.
type Sent struct {
	From string
	To   []string
	Raw  []byte
}

// Sent returns what the account of a user has sent so far. Sending takes every recipient but those at
// refused.example.
func (s *Store) Sent(user string) []Sent {
	s.mu.Lock()
	a := s.users[user]
	s.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Sent(nil), a.sent...)
}

type submitter struct{ *account }

// Submit is mail.Submitter's.
func (a submitter) Submit(_ context.Context, m *mail.Submission) ([]mail.DeliveryStatus, error) {
	raw, err := io.ReadAll(m.Body)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.account.sent = append(a.account.sent, Sent{From: m.From, To: m.To, Raw: raw})
	out := make([]mail.DeliveryStatus, len(m.To))
	for i, to := range m.To {
		out[i] = mail.DeliveryStatus{SMTPReply: "250 2.1.5 ok", Delivered: mail.DeliveryUnknown, Displayed: "unknown"}
		if strings.HasSuffix(to, "@refused.example") {
			out[i] = mail.DeliveryStatus{SMTPReply: "550 5.1.1 no such user", Delivered: mail.DeliveryNo, Displayed: "unknown"}
		}
	}
	return out, nil
}
