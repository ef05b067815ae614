package mail

import (
	"strings"
	"unicode"

	"github.com/mailbricks/mailbricks/jmap"
)

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
	type fields Summary // has no AppendJSON, which Marshal would call
	b, err := jmap.Marshal((*fields)(s))
	return append(dst, b...), err
}

// Summarize reads a message. Any bytes have a Summary.
func Summarize(raw []byte) *Summary { return Parse(raw, "").Summary() }

// Summary returns what a list shows of the message.
func (p *Parsed) Summary() *Summary {
	s := new(Summary)
	for _, f := range p.Header() {
		switch strings.ToLower(f.Name) {
		case "message-id":
			s.MessageID = ParseMessageIDs(f.Value)
		case "in-reply-to":
			s.InReplyTo = ParseMessageIDs(f.Value)
		case "references":
			s.References = ParseMessageIDs(f.Value)
		case "sender":
			s.Sender = ParseAddresses(f.Value)
		case "from":
			s.From = ParseAddresses(f.Value)
		case "to":
			s.To = ParseAddresses(f.Value)
		case "cc":
			s.Cc = ParseAddresses(f.Value)
		case "bcc":
			s.Bcc = ParseAddresses(f.Value)
		case "reply-to":
			s.ReplyTo = ParseAddresses(f.Value)
		case "subject":
			s.Subject = new(DecodeText(f.Value))
		case "date":
			s.SentAt = ParseDate(f.Value)
		}
	}
	s.HasAttachment = p.hasAttachment()
	s.Preview = p.preview()
	return s
}

// hasAttachment is as RFC 8621 §4.1.4 suggests.
func (p *Parsed) hasAttachment() bool {
	for i := range p.Attachments {
		if p.Attachments[i].Disposition != "inline" {
			return true
		}
	}
	return false
}

// previewLength is the length of a preview in characters, as RFC 8621 §4.1.4 has it.
const previewLength = 256

// preview returns the beginning of the text: quoted lines left out, white space collapsed.
func (p *Parsed) preview() string {
	var b strings.Builder
	n := 0
	for i := range p.TextBody {
		part := &p.TextBody[i]
		if !strings.HasPrefix(part.Type, "text/") {
			continue
		}
		for line := range strings.SplitSeq(p.Text(part), "\n") {
			if part.Type == "text/plain" && strings.HasPrefix(line, ">") {
				continue
			}
			if line == "-- " {
				break // a signature
			}
			space := n > 0
			for _, c := range line {
				if unicode.IsSpace(c) || unicode.IsControl(c) {
					space = n > 0
					continue
				}
				if space {
					b.WriteByte(' ')
					n++
					space = false
				}
				if n >= previewLength {
					return strings.TrimRight(b.String(), " ")
				}
				b.WriteRune(c)
				n++
			}
		}
	}
	return b.String()
}
