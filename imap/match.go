package imap

import (
	"iter"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/smtp/message"
)

// A SearchText is the text of one message for SearchCriteria.Match, which asks for it only where it has to.
type SearchText interface {
	// Header returns a message of which the header alone need be there.
	Header() (*message.Message, error)
	// Message returns the whole message.
	Message() (*message.Message, error)
}

// Fields returns the fields of a Message that Match looks at.
func (c *SearchCriteria) Fields() Fields {
	var f Fields
	set := func(ok bool, g Fields) {
		if ok {
			f |= g
		}
	}
	set(len(c.Flags)+len(c.NotFlags) > 0, FieldFlags)
	set(!c.Since.IsZero() || !c.Before.IsZero() || c.Older > 0 || c.Younger > 0, FieldInternalDate)
	set(!c.SentSince.IsZero() || !c.SentBefore.IsZero(), FieldEnvelope)
	set(!c.SavedSince.IsZero() || !c.SavedBefore.IsZero(), FieldSaveDate)
	set(c.Larger > 0 || c.Smaller > 0, FieldSize)
	set(c.ModSeq > 0, FieldModSeq)
	set(c.EmailID != "" || c.ThreadID != "", FieldIDs)
	for i := range c.Header {
		set(c.Header[i].inEnvelope(), FieldEnvelope)
	}
	for i := range c.Other {
		f |= c.Other[i].Fields
	}
	for i := range c.Not {
		f |= c.Not[i].Fields()
	}
	for i := range c.Fuzzy {
		f |= c.Fuzzy[i].Fields()
	}
	for i := range c.Or {
		f |= c.Or[i][0].Fields() | c.Or[i][1].Fields()
	}
	return f
}

// Match is Matcher.Match for one message.
func (c *SearchCriteria) Match(m *Message, text SearchText) (bool, error) {
	return c.Matcher().Match(m, text)
}

// Matcher returns a Matcher of c, which must not be changed any more.
func (c *SearchCriteria) Matcher() *Matcher {
	return &Matcher{c: compile(c)}
}

// A Matcher tests one message after another. It keeps its memory from one to the next: about as much as the largest
// message tested, so that one belongs to one search. It is not safe for concurrent use.
type Matcher struct {
	c       criteria
	m       *Message
	text    SearchText
	read    messageText
	raw     messageText // not in UTF-8, for keys that are not
	collate collator
}

// criteria are SearchCriteria ready to be tested.
type criteria struct {
	*SearchCriteria
	header, body, text []needle
	not, fuzzy         []criteria
	or                 [][2]criteria
}

func compile(c *SearchCriteria) criteria {
	out := criteria{SearchCriteria: c}
	for i := range c.Header {
		out.header = append(out.header, newNeedle(c.Header[i].Value))
	}
	for _, t := range c.Body {
		out.body = append(out.body, newNeedle(t))
	}
	for _, t := range c.Text {
		out.text = append(out.text, newNeedle(t))
	}
	for i := range c.Not {
		out.not = append(out.not, compile(&c.Not[i]))
	}
	for i := range c.Fuzzy {
		out.fuzzy = append(out.fuzzy, compile(&c.Fuzzy[i]))
	}
	for i := range c.Or {
		out.or = append(out.or, [2]criteria{compile(&c.Or[i][0]), compile(&c.Or[i][1])})
	}
	return out
}

// Match reports whether a message matches. m has the Fields of the criteria; text is asked for what the fields do not
// tell, last. Text is compared as it reads: without content-transfer-encoding and encoded words, in Unicode, by the collation
// i;unicode-casemap (RFC 5051): without regard to case, and an "é" has an "e" in it. Text and keys that are not of their
// charset, or of an unknown one, are compared octet by octet (RFC 5255 §4.6). What cannot be decoded does not match. The error
// is one of text.
func (t *Matcher) Match(m *Message, text SearchText) (bool, error) {
	t.m, t.text = m, text
	ok, err := t.match(&t.c)
	t.reset()
	return ok, err
}

// reset forgets the message and keeps the memory.
func (t *Matcher) reset() {
	t.m, t.text = nil, nil
	t.read.reset()
	t.raw.reset()
	t.collate.reset()
}

func (t *Matcher) match(c *criteria) (bool, error) {
	if !c.matchFields(t.m) {
		return false, nil
	}
	for i := range c.not {
		if ok, err := t.match(&c.not[i]); ok || err != nil {
			return false, err
		}
	}
	for i := range c.fuzzy { // who knows better has been asked before
		if ok, err := t.match(&c.fuzzy[i]); !ok || err != nil {
			return false, err
		}
	}
	for i := range c.or {
		ok, err := t.match(&c.or[i][0])
		if !ok && err == nil {
			ok, err = t.match(&c.or[i][1])
		}
		if !ok || err != nil {
			return false, err
		}
	}
	for i := range c.Other {
		if ok, err := c.Other[i].match(t.m, t.text); !ok || err != nil {
			return false, err
		}
	}
	for i := range c.header {
		if ok, err := t.matchHeader(&c.Header[i], &c.header[i]); !ok || err != nil {
			return false, err
		}
	}
	for i := range c.body {
		read, err := t.whole(&c.body[i])
		if err != nil || !read.body.contains(&c.body[i], &t.collate) {
			return false, err
		}
	}
	for i := range c.text {
		read, err := t.whole(&c.text[i])
		if err != nil || !read.header.contains(&c.text[i], &t.collate) && !read.body.contains(&c.text[i], &t.collate) {
			return false, err
		}
	}
	return true, nil
}

// whole returns the texts of the message in which n is looked for.
func (t *Matcher) whole(n *needle) (*messageText, error) {
	read, raw := &t.read, n.prepared == nil
	if raw {
		read = &t.raw
	}
	if !read.done {
		m, err := t.text.Message()
		if err != nil {
			return nil, err
		}
		read.decode(m, raw)
	}
	return read, nil
}

// matchFields tests what needs no text.
func (c *SearchCriteria) matchFields(m *Message) bool {
	if c.UIDs != nil && !c.UIDs.Contains(m.UID) || c.ModSeq > m.ModSeq || c.Larger > 0 && m.Size <= c.Larger ||
		c.Smaller > 0 && m.Size >= c.Smaller || c.EmailID != "" && c.EmailID != m.EmailID || c.ThreadID != "" && c.ThreadID != m.ThreadID {
		return false
	}
	for _, f := range c.Flags {
		if !m.has(f) {
			return false
		}
	}
	if slices.ContainsFunc(c.NotFlags, m.has) {
		return false
	}
	if !within(m.InternalDate, c.Since, c.Before) || !within(m.SaveDate.UTC(), c.SavedSince, c.SavedBefore) {
		return false
	}
	if c.Older > 0 || c.Younger > 0 { // RFC 5032 §2: the bound belongs to both
		age := time.Since(m.InternalDate)
		if c.Older > 0 && age < time.Duration(c.Older)*time.Second || c.Younger > 0 && age > time.Duration(c.Younger)*time.Second {
			return false
		}
	}
	if c.SentSince.IsZero() && c.SentBefore.IsZero() {
		return true
	}
	if m.Envelope == nil {
		return false
	}
	sent, err := mail.ParseDate(m.Envelope.Date)
	return err == nil && within(sent, c.SentSince, c.SentBefore)
}

func (m *Message) has(f Flag) bool {
	for _, g := range m.Flags {
		if g == f || g.Equal(f) {
			return true
		}
	}
	return false
}

// within compares days: neither time nor zone matters (RFC 9051 §6.4.4).
func within(t, since, before time.Time) bool {
	if since.IsZero() && before.IsZero() {
		return true
	}
	y, m, d := t.Date()
	day := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	return !day.Before(since) && (before.IsZero() || day.Before(before))
}

// inEnvelope reports a criterion that the Envelope answers. Whether a field is there at all it does not tell.
func (h *HeaderCriterion) inEnvelope() bool {
	if h.Value == "" {
		return false
	}
	switch strings.ToLower(h.Name) {
	case "subject", "from", "to", "cc", "bcc":
		return true
	}
	return false
}

func (t *Matcher) matchHeader(h *HeaderCriterion, want *needle) (bool, error) {
	for s, err := range t.fields(h, want.prepared == nil) {
		if err != nil || t.collate.contains(&s, want) {
			return err == nil, err
		}
	}
	return false, nil
}

// fields yields the fields of a criterion, from the Envelope where that has them.
func (t *Matcher) fields(h *HeaderCriterion, raw bool) iter.Seq2[searched, error] {
	return func(yield func(searched, error) bool) {
		if e := t.m.Envelope; e != nil && h.inEnvelope() {
			var text []byte
			switch strings.ToLower(h.Name) {
			case "subject":
				text = []byte(e.Subject)
			case "from":
				text = addressText(e.From)
			case "to":
				text = addressText(e.To)
			case "cc":
				text = addressText(e.Cc)
			case "bcc":
				text = addressText(e.Bcc)
			}
			yield(decodedField(text, raw), nil)
			return
		}
		m, err := t.text.Header()
		if err != nil {
			yield(searched{}, err)
			return
		}
		for v := range m.Root().Values(h.Name) {
			if !yield(decodedField(message.AppendUnfolded(nil, v), raw), nil) {
				return
			}
		}
	}
}

// addressText writes addresses as a header field does, encoded words and all.
func addressText(list []Address) []byte {
	var b []byte
	for i, a := range list {
		if i > 0 {
			b = append(b, ", "...)
		}
		if a.Name != "" {
			b = append(append(b, a.Name...), ' ')
		}
		b = append(append(append(append(append(b, '<'), a.Mailbox...), '@'), a.Host...), '>')
	}
	return b
}
