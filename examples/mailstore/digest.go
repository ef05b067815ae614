package mailstore

import (
	"slices"

	"github.com/mailbricks/mailbricks/examples/mailstore/record"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/smtp/message"
)

// A digest is what is kept of a message, so that no list of messages parses it again.
type digest struct {
	envelope, structure, summary []byte
	refs                         []int64
}

// digestOf parses a message.
func digestOf(raw []byte) (digest, error) {
	s, root := mail.Summarize(raw), message.Parse(raw).Root()
	d := digest{envelope: record.AppendEnvelope(nil, imap.ParseEnvelope(root)), structure: record.AppendStructure(nil, imap.ParseBodyStructure(root))}
	var err error
	if d.summary, err = s.AppendJSON(nil); err != nil {
		return d, err
	}
	d.refs = refsOf(s)
	return d, nil
}

// refsOf returns what joins a message to a thread.
func refsOf(s *mail.Summary) []int64 {
	subject := ""
	if s.Subject != nil {
		subject = *s.Subject
	}
	return threadRefs(slices.Concat(s.References, s.InReplyTo, s.MessageID), subject)
}
