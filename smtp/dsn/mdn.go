package dsn

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// An MDN is a message disposition notification (RFC 8098): what one recipient did with one message.
type MDN struct {
	// ReportingUA is the program that reports, "HOST; PRODUCT" or a name alone; "" if not told.
	ReportingUA string
	// Gateway is who made the notification of one of another kind, as for Report.ReportingMTA; "" for none.
	Gateway string
	// OriginalRecipient is the address as the sender gave it, the zero Address if not known.
	OriginalRecipient Address
	// FinalRecipient is for whom the notification is.
	FinalRecipient Address
	// OriginalMessageID is the Message-ID of the message, without its brackets; "" if it has none.
	OriginalMessageID string
	Disposition       Disposition
	// Errors tell more where the Disposition has the modifier "error".
	Errors []string
	// Extensions are the fields that RFC 8098 does not know.
	Extensions []Extension
	// Text is the explanation for people. When building, "" lets Receipt.Append write one.
	Text string
	// Original and Full are as those of a Report.
	Original []byte
	Full     bool
}

// An Extension is a field of an MDN that others define (RFC 8098 §3.3).
type Extension struct{ Name, Value string }

// A Disposition is what was done with a message, and by whom (RFC 8098 §3.2.6). All is in lower case.
type Disposition struct {
	Action    string   // Manual or Automatic
	Sending   string   // SentManually or SentAutomatically
	Type      string   // Displayed, Dispatched, Processed or Deleted
	Modifiers []string // "error", and extensions
}

// Values of a Disposition.
const (
	ManualAction      = "manual-action"
	AutomaticAction   = "automatic-action"
	SentManually      = "mdn-sent-manually"
	SentAutomatically = "mdn-sent-automatically"
	Displayed         = "displayed"
	Dispatched        = "dispatched"
	Processed         = "processed"
	Deleted           = "deleted"
)

// maxRepeated is how many Error fields an MDN has, how many extension fields, and how many modifiers.
const maxRepeated = 100

// ParseDisposition parses the value of a Disposition field: MODE/SENDING; TYPE[/MODIFIER,…], with comments.
func ParseDisposition(value string) (Disposition, error) {
	mode, rest, _ := strings.Cut(withoutComments(value), ";")
	action, sending, _ := strings.Cut(mode, "/")
	kind, modifiers, modified := strings.Cut(rest, "/")
	word := func(s string) string { return strings.ToLower(strings.TrimSpace(s)) }
	d := Disposition{Action: word(action), Sending: word(sending), Type: word(kind)}
	if modified {
		for m := range strings.SplitSeq(modifiers, ",") {
			d.Modifiers = append(d.Modifiers, word(m))
		}
	}
	return d, d.check()
}

func (d *Disposition) check() error {
	switch {
	case d.Action != ManualAction && d.Action != AutomaticAction:
		return fmt.Errorf("unknown action mode %.40q", d.Action)
	case d.Sending != SentManually && d.Sending != SentAutomatically:
		return fmt.Errorf("unknown sending mode %.40q", d.Sending)
	case !slices.Contains([]string{Displayed, Dispatched, Processed, Deleted}, d.Type):
		return fmt.Errorf("unknown disposition type %.40q", d.Type)
	case len(d.Modifiers) > maxRepeated:
		return fmt.Errorf("more than %d modifiers", maxRepeated)
	}
	for _, m := range d.Modifiers {
		if m == "" || strings.ContainsFunc(m, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>[]:;@\,."/`, r) }) {
			return fmt.Errorf("malformed modifier %.40q", m)
		}
	}
	return nil
}

// String returns the value of the field.
func (d Disposition) String() string {
	s := d.Action + "/" + d.Sending + "; " + d.Type
	if len(d.Modifiers) > 0 {
		s += "/" + strings.Join(d.Modifiers, ",")
	}
	return s
}

// withoutComments drops what stands in parentheses, which may be nested (RFC 5322 §3.2.2).
func withoutComments(s string) string {
	var b strings.Builder
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == '\\' && depth > 0:
			i++
		case depth == 0:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// ParseMDN reads a message and returns the disposition notification in it. The error is ErrNotReport, a *ParseError, or
// that of r. The limits are those of Parse.
func ParseMDN(r io.Reader) (*MDN, error) {
	m := &MDN{}
	around, err := parseReport(r, "disposition-notification", m.parse)
	if err != nil {
		return nil, err
	}
	m.Text, m.Original, m.Full = around.text, around.original, around.full
	return m, nil
}

// parse parses the body of message/disposition-notification.
func (m *MDN) parse(r io.Reader) error {
	p := newStatusParser(r)
	err := p.block(m.set)
	if err == nil && p.fields == 0 && !p.eof {
		err = p.block(m.set) // an empty line too many
	}
	if err == nil && (m.FinalRecipient.Address == "" || m.Disposition.Type == "") {
		err = p.fail("", errors.New("no Final-Recipient or no Disposition"))
	}
	return err
}

func (m *MDN) set(name, value string) (err error) {
	once := func(have bool) {
		if have {
			err = errors.New("the field is there twice")
		}
	}
	ok := true
	switch strings.ToLower(name) {
	case "reporting-ua":
		once(m.ReportingUA != "")
		m.ReportingUA = value
	case "mdn-gateway":
		once(m.Gateway != "")
		m.Gateway = parseMTA(value)
	case "original-recipient":
		once(m.OriginalRecipient != Address{})
		m.OriginalRecipient, _ = parseAddress(value)
	case "final-recipient":
		once(m.FinalRecipient != Address{})
		m.FinalRecipient, ok = parseAddress(value)
	case "original-message-id":
		once(m.OriginalMessageID != "")
		m.OriginalMessageID = value
		if i, j := strings.IndexByte(value, '<'), strings.LastIndexByte(value, '>'); i >= 0 && j > i {
			m.OriginalMessageID = value[i+1 : j]
		}
	case "disposition":
		once(m.Disposition.Type != "")
		if err == nil {
			m.Disposition, err = ParseDisposition(value)
		}
	case "error":
		m.Errors = append(m.Errors, value)
	default:
		m.Extensions = append(m.Extensions, Extension{name, value})
	}
	if err == nil && !ok {
		err = fmt.Errorf("malformed value %.100q", value)
	}
	if err == nil && max(len(m.Errors), len(m.Extensions)) > maxRepeated {
		err = fmt.Errorf("more than %d fields of a kind", maxRepeated)
	}
	return err
}
