package imap

import (
	"bytes"
	"io"
	"mime"
	"net/mail"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"

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
	for i := range c.Not {
		f |= c.Not[i].Fields()
	}
	for i := range c.Or {
		f |= c.Or[i][0].Fields() | c.Or[i][1].Fields()
	}
	return f
}

// Match reports whether a message matches. m has the Fields of c; text is asked for what the fields do not tell, last.
// Text is compared as it reads: without content-transfer-encoding and encoded words, in Unicode, without regard to case.
// What cannot be decoded does not match. The error is one of text.
func (c *SearchCriteria) Match(m *Message, text SearchText) (bool, error) {
	s := searching{m: m, text: text}
	return s.match(c)
}

// A searching is one message under test.
type searching struct {
	m      *Message
	text   SearchText
	header [][]byte // decoded and folded to lower case, one a field
	body   [][]byte // the same, one a part
	loaded bool     // body
}

func (s *searching) match(c *SearchCriteria) (bool, error) {
	if !c.matchFields(s.m) {
		return false, nil
	}
	for i := range c.Not {
		if ok, err := s.match(&c.Not[i]); ok || err != nil {
			return false, err
		}
	}
	for i := range c.Or {
		ok, err := s.match(&c.Or[i][0])
		if !ok && err == nil {
			ok, err = s.match(&c.Or[i][1])
		}
		if !ok || err != nil {
			return false, err
		}
	}
	for i := range c.Header {
		if ok, err := s.matchHeader(&c.Header[i]); !ok || err != nil {
			return false, err
		}
	}
	if len(c.Body)+len(c.Text) == 0 {
		return true, nil
	}
	if err := s.load(); err != nil {
		return false, err
	}
	for _, want := range c.Body {
		if !containsFold(s.body, want) {
			return false, nil
		}
	}
	for _, want := range c.Text {
		if !containsFold(s.header, want) && !containsFold(s.body, want) {
			return false, nil
		}
	}
	return true, nil
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

func (s *searching) matchHeader(h *HeaderCriterion) (bool, error) {
	if e := s.m.Envelope; e != nil && h.inEnvelope() {
		var text []byte
		switch strings.ToLower(h.Name) {
		case "subject":
			text = []byte(decodeWords(e.Subject))
		case "from":
			text = addressText(e.From)
		case "to":
			text = addressText(e.To)
		case "cc":
			text = addressText(e.Cc)
		case "bcc":
			text = addressText(e.Bcc)
		}
		return containsFold([][]byte{bytes.ToLower(text)}, h.Value), nil
	}
	m, err := s.text.Header()
	if err != nil {
		return false, err
	}
	for v := range m.Root().Values(h.Name) {
		if h.Value == "" || containsFold([][]byte{bytes.ToLower([]byte(decodeWords(string(message.AppendUnfolded(nil, v)))))}, h.Value) {
			return true, nil
		}
	}
	return false, nil
}

// addressText writes addresses as a header field does.
func addressText(list []Address) []byte {
	var b []byte
	for i, a := range list {
		if i > 0 {
			b = append(b, ", "...)
		}
		if a.Name != "" {
			b = append(append(b, decodeWords(a.Name)...), ' ')
		}
		b = append(append(append(append(append(b, '<'), a.Mailbox...), '@'), a.Host...), '>')
	}
	return b
}

// load decodes header and body: the fields of every part and message within, and the text of every text part.
func (s *searching) load() error {
	if s.loaded {
		return nil
	}
	m, err := s.text.Message()
	if err != nil {
		return err
	}
	s.loaded = true
	for i := range m.Parts {
		p := &m.Parts[i]
		dst := &s.body
		if i == 0 {
			dst = &s.header
		}
		for _, f := range p.Fields() {
			*dst = append(*dst, bytes.ToLower([]byte(decodeWords(string(message.AppendUnfolded(nil, f.Bytes(m.Raw)))))))
		}
		if p.Kind != message.Leaf {
			continue
		}
		typ := p.ContentType()
		if typ.Type != "text" {
			continue
		}
		text, err := DecodeTransfer(p)
		if err != nil {
			continue
		}
		charset, _ := typ.Params.Lookup("charset")
		s.body = append(s.body, bytes.ToLower(toUTF8(charset.Value, text)))
	}
	return nil
}

// containsFold reports whether want, in any case, is in one of texts, which are in lower case.
func containsFold(texts [][]byte, want string) bool {
	w := []byte(strings.ToLower(want))
	for _, t := range texts {
		if bytes.Contains(t, w) {
			return true
		}
	}
	return len(w) == 0
}

// maxEncodedWord is how long an encoded word is at most. RFC 2047 §2 has 75; many writers go beyond.
const maxEncodedWord = 1000

// decodeWords decodes encoded words (RFC 2047) of known charsets and leaves everything else as it is, in linear time.
func decodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		return s
	}
	d := mime.WordDecoder{CharsetReader: func(charset string, r io.Reader) (io.Reader, error) {
		b, err := io.ReadAll(r)
		return bytes.NewReader(toUTF8(charset, b)), err
	}}
	var out strings.Builder
	after := false // an encoded word: white space between two of them goes
	for s != "" {
		i := strings.Index(s, "=?")
		if i < 0 {
			break
		}
		n := encodedWord(s[i:])
		word, err := "", error(nil)
		if n > 0 {
			word, err = d.Decode(s[i : i+n])
		}
		if n == 0 || err != nil {
			out.WriteString(s[:i+2])
			s, after = s[i+2:], false
			continue
		}
		if !after || strings.Trim(s[:i], " \t\r\n") != "" {
			out.WriteString(s[:i])
		}
		out.WriteString(word)
		s, after = s[i+n:], true
	}
	out.WriteString(s)
	return out.String()
}

// encodedWord returns the length of what looks like an encoded word at the beginning of s, 0 if nothing does.
func encodedWord(s string) int {
	s = s[:min(len(s), maxEncodedWord)]
	at := 2
	for range 2 { // behind the charset and the encoding
		i := strings.IndexAny(s[at:], "? ")
		if i <= 0 || s[at+i] == ' ' {
			return 0
		}
		at += i + 1
	}
	end := strings.Index(s[at:], "?=")
	if end < 0 {
		return 0
	}
	return at + end + 2
}

// toUTF8 returns b as UTF-8, or as it is where the charset is unknown.
func toUTF8(charset string, b []byte) []byte {
	switch strings.ToLower(charset) {
	case "", "utf-8", "us-ascii":
		return b
	}
	enc, err := htmlindex.Get(charset)
	if err != nil {
		enc, err = ianaindex.MIME.Encoding(charset)
	}
	if err != nil || enc == nil {
		return b
	}
	out, err := enc.NewDecoder().Bytes(b)
	if err != nil {
		return b
	}
	return out
}
