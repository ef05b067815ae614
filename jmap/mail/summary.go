package mail

import "github.com/mailbricks/mailbricks/jmap"

// A Summary is what a list of messages shows, and what a thread is found by: all that RFC 8621 §4.2 expects to be fast
// and that takes reading the message. A store computes it once, at delivery, and keeps it as JSON.
type Summary struct {
	MessageID     []string  `json:"messageId,omitzero"`
	InReplyTo     []string  `json:"inReplyTo,omitzero"`
	References    []string  `json:"references,omitzero"`
	Sender        []Address `json:"sender,omitzero"`
	From          []Address `json:"from,omitzero"`
	To            []Address `json:"to,omitzero"`
	Cc            []Address `json:"cc,omitzero"`
	Bcc           []Address `json:"bcc,omitzero"`
	ReplyTo       []Address `json:"replyTo,omitzero"`
	Subject       *string   `json:"subject,omitzero"`
	SentAt        jmap.Date `json:"sentAt,omitzero"`
	HasAttachment bool      `json:"hasAttachment,omitzero"`
	Preview       string    `json:"preview,omitzero"`
}

// ParseSummary parses what AppendJSON wrote.
func ParseSummary(b []byte) (*Summary, error) {
	s := new(Summary)
	return s, jmap.Unmarshal(b, s)
}

// AppendJSON appends s in the form that ParseSummary reads.
func (s *Summary) AppendJSON(dst []byte) ([]byte, error) {
	b, err := jmap.Marshal(s)
	return append(dst, b...), err
}
