package imap

import (
	"bytes"

	"github.com/mailbricks/mailbricks/smtp/message"
)

// What stands in an Address for what the header lacks. An empty Host would begin a group.
const (
	MissingMailbox = "MISSING_MAILBOX"
	MissingHost    = "MISSING_DOMAIN"
)

// ParseEnvelope reads the ENVELOPE from the header of a part, usually the Root of a message. Every header has one.
// Sender and ReplyTo are From where they are absent (RFC 9051 §7.5.2). Of several fields of one name the first
// counts, but addresses of all are joined. NUL octets, which IMAP cannot send, are left out.
func ParseEnvelope(p *message.Part) *Envelope {
	e := &Envelope{}
	raw := p.Message().Raw
	for _, f := range p.Fields() {
		text, list := e.field(f.Name(raw))
		switch {
		case list != nil:
			*list = ParseAddresses(*list, f.Value(raw))
		case text != nil && *text == "":
			*text = fieldText(f.Value(raw))
		}
	}
	if len(e.Sender) == 0 {
		e.Sender = e.From
	}
	if len(e.ReplyTo) == 0 {
		e.ReplyTo = e.From
	}
	return e
}

// field returns where the field of that name goes, nil and nil for one that does not belong to the envelope.
func (e *Envelope) field(name []byte) (text *string, list *[]Address) {
	is := func(s string) bool { return foldEqual(name, s) }
	switch len(name) {
	case 2:
		switch {
		case is("to"):
			return nil, &e.To
		case is("cc"):
			return nil, &e.Cc
		}
	case 3:
		if is("bcc") {
			return nil, &e.Bcc
		}
	case 4:
		switch {
		case is("date"):
			return &e.Date, nil
		case is("from"):
			return nil, &e.From
		}
	case 6:
		if is("sender") {
			return nil, &e.Sender
		}
	case 7:
		if is("subject") {
			return &e.Subject, nil
		}
	case 8:
		if is("reply-to") {
			return nil, &e.ReplyTo
		}
	case 10:
		if is("message-id") {
			return &e.MessageID, nil
		}
	case 11:
		if is("in-reply-to") {
			return &e.InReplyTo, nil
		}
	}
	return nil, nil
}

// fieldText unfolds a field's value: a line break with the white space around it is one space, as clients know it from
// other servers.
func fieldText(value []byte) string {
	if bytes.IndexByte(value, '\n') < 0 && bytes.IndexByte(value, 0) < 0 {
		return string(bytes.Trim(value, " \t\r"))
	}
	out := make([]byte, 0, len(value))
	for line := range bytes.Lines(value) {
		if line = bytes.Trim(line, " \t\r\n"); len(line) > 0 {
			out = append(append(out, line...), ' ')
		}
	}
	out = bytes.ReplaceAll(out, []byte{0}, nil)
	return string(bytes.Trim(out, " \t\r"))
}

// AppendEnvelope appends e as FETCH gives it; nil is an empty one.
func AppendEnvelope(dst []byte, e *Envelope) []byte {
	if e == nil {
		e = &Envelope{}
	}
	dst = append(dst, '(')
	dst = AppendNString(dst, e.Date)
	dst = append(dst, ' ')
	dst = AppendNString(dst, e.Subject)
	for _, list := range [...][]Address{e.From, e.Sender, e.ReplyTo, e.To, e.Cc, e.Bcc} {
		dst = append(dst, ' ')
		dst = appendAddresses(dst, list)
	}
	dst = append(dst, ' ')
	dst = AppendNString(dst, e.InReplyTo)
	dst = append(dst, ' ')
	dst = AppendNString(dst, e.MessageID)
	return append(dst, ')')
}

func appendAddresses(dst []byte, list []Address) []byte {
	if len(list) == 0 {
		return append(dst, "NIL"...)
	}
	dst = append(dst, '(')
	for _, a := range list {
		dst = append(dst, '(')
		dst = AppendNString(dst, a.Name)
		dst = append(dst, " NIL "...) // the source route, obsolete
		dst = AppendNString(dst, a.Mailbox)
		dst = append(dst, ' ')
		dst = AppendNString(dst, a.Host)
		dst = append(dst, ')')
	}
	return append(dst, ')')
}
