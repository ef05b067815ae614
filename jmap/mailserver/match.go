package mailserver

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// checkCondition refuses values that no email can have.
func checkCondition(k *mail.EmailCondition) error {
	for _, word := range []string{k.AllInThreadHaveKeyword, k.SomeInThreadHaveKeyword, k.NoneInThreadHaveKeyword, k.HasKeyword, k.NotKeyword} {
		if word != "" && !mail.ValidKeyword(word) {
			return jmap.Errorf(jmap.InvalidArguments, "%.80q is not a keyword", word)
		}
	}
	if k.Header != nil && (len(k.Header) < 1 || len(k.Header) > 2) {
		return jmap.Errorf(jmap.InvalidArguments, "header must have one or two elements")
	}
	return nil
}

func conditionNeedsSummary(k *mail.EmailCondition) bool {
	return k.HasAttachment != nil || k.Text+k.From+k.To+k.Cc+k.Bcc+k.Subject != ""
}

// A search is the terms of every text in a filter, parsed once.
type search map[string][]string

func newSearch(f *jmap.Filter[mail.EmailCondition]) search {
	out := make(search)
	for k := range f.All {
		texts := []string{k.Text, k.From, k.To, k.Cc, k.Bcc, k.Subject, k.Body}
		if len(k.Header) == 2 {
			texts = append(texts, k.Header[1])
		}
		for _, t := range texts {
			if _, ok := out[t]; !ok {
				out[t] = parseTerms(t)
			}
		}
	}
	return out
}

// parseTerms splits a text into words and quoted phrases (RFC 8621 §4.4.1), folded.
func parseTerms(s string) []string {
	var out []string
	var b strings.Builder
	quote := byte(0)
	end := func() {
		if t := fold(strings.Join(strings.Fields(b.String()), " ")); t != "" {
			out = append(out, t)
		}
		b.Reset()
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0 && c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case quote != 0 && c == quote:
			quote = 0
			end()
		case quote != 0:
			b.WriteByte(c)
		case (c == '"' || c == '\'') && b.Len() == 0 && strings.IndexByte(s[i+1:], c) >= 0:
			quote = c
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			end()
		default:
			b.WriteByte(c)
		}
	}
	end()
	return out
}

// A matcher evaluates filters over the records of an account.
type matcher struct {
	ctx     context.Context
	account *mail.Account
	filter  search
	threads map[jmap.ID][]*mail.Record
}

// A candidate is the email that is looked at, its message read when first needed.
type candidate struct {
	*mail.Record
	parsed *mail.Parsed
	text   *string // all text parts, folded
}

// match evaluates the filter for one record. An email whose bytes have gone meanwhile does not match.
func (m *matcher) match(f *jmap.Filter[mail.EmailCondition], rec *mail.Record, summary bool) (bool, error) {
	e := &candidate{Record: rec}
	if summary && rec.Summary == nil {
		if err := m.parse(e); err != nil {
			return false, gone(err)
		}
		rec.Summary = e.parsed.Summary()
	}
	ok, err := f.Match(func(k *mail.EmailCondition) (bool, error) { return m.condition(k, e) })
	return ok && err == nil, gone(err)
}

func gone(err error) error {
	if _, ok := errors.AsType[*jmap.SetError](err); ok {
		return nil
	}
	return err
}

func (m *matcher) parse(e *candidate) error {
	if e.parsed != nil {
		return nil
	}
	raw, err := readBlob(m.ctx, m.account, e.BlobID)
	if err != nil {
		return err
	}
	e.parsed = mail.Parse(raw, e.BlobID)
	return nil
}

// condition evaluates one condition, what is cheap first.
func (m *matcher) condition(k *mail.EmailCondition, e *candidate) (bool, error) {
	switch {
	case k.InMailbox != "" && !slices.Contains(e.MailboxIDs, k.InMailbox),
		k.InMailboxOtherThan != nil && !slices.ContainsFunc(e.MailboxIDs, func(id jmap.ID) bool { return !slices.Contains(k.InMailboxOtherThan, id) }),
		!k.Before.IsZero() && !e.ReceivedAt.Before(k.Before.Time),
		!k.After.IsZero() && e.ReceivedAt.Before(k.After.Time),
		uint64(e.Size) < uint64(k.MinSize),
		k.MaxSize != nil && uint64(e.Size) >= uint64(*k.MaxSize),
		k.HasKeyword != "" && !hasKeyword(e.Record, k.HasKeyword),
		k.NotKeyword != "" && hasKeyword(e.Record, k.NotKeyword),
		k.AllInThreadHaveKeyword != "" && !m.allInThread(e.Record, k.AllInThreadHaveKeyword),
		k.SomeInThreadHaveKeyword != "" && !m.someInThread(e.Record, k.SomeInThreadHaveKeyword),
		k.NoneInThreadHaveKeyword != "" && m.someInThread(e.Record, k.NoneInThreadHaveKeyword),
		k.HasAttachment != nil && *k.HasAttachment != e.Summary.HasAttachment:
		return false, nil
	}
	for _, f := range []struct {
		want string
		have func() string
	}{
		{k.From, func() string { return addressText(e.Summary.From) }},
		{k.To, func() string { return addressText(e.Summary.To) }},
		{k.Cc, func() string { return addressText(e.Summary.Cc) }},
		{k.Bcc, func() string { return addressText(e.Summary.Bcc) }},
		{k.Subject, func() string { return subjectText(e.Summary) }},
	} {
		if f.want != "" && !contains(fold(f.have()), m.filter[f.want]) {
			return false, nil
		}
	}
	if k.Header != nil {
		if ok, err := m.header(k.Header, e); !ok || err != nil {
			return false, err
		}
	}
	if k.Text != "" {
		if ok, err := m.anywhere(m.filter[k.Text], e); !ok || err != nil {
			return false, err
		}
	}
	if k.Body != "" {
		text, err := m.body(e)
		if err != nil || !contains(text, m.filter[k.Body]) {
			return false, err
		}
	}
	return true, nil
}

func contains(text string, terms []string) bool {
	for _, t := range terms {
		if !strings.Contains(text, t) {
			return false
		}
	}
	return true
}

// header looks for a header field, and text in it.
func (m *matcher) header(want []string, e *candidate) (bool, error) {
	if err := m.parse(e); err != nil {
		return false, err
	}
	for _, f := range e.parsed.Header() {
		if strings.EqualFold(f.Name, want[0]) && (len(want) == 1 || contains(fold(mail.DecodeText(f.Value)), m.filter[want[1]])) {
			return true, nil
		}
	}
	return false, nil
}

// anywhere looks for every term in the addresses, the subject, or the body.
func (m *matcher) anywhere(terms []string, e *candidate) (bool, error) {
	s := e.Summary
	head := fold(strings.Join([]string{addressText(s.From), addressText(s.To), addressText(s.Cc), addressText(s.Bcc), subjectText(s)}, "\n"))
	var rest []string
	for _, t := range terms {
		if !strings.Contains(head, t) {
			rest = append(rest, t)
		}
	}
	if len(rest) == 0 {
		return true, nil
	}
	text, err := m.body(e)
	return err == nil && contains(text, rest), err
}

// body returns the text of all text parts as a reader sees it, folded, white space collapsed.
func (m *matcher) body(e *candidate) (string, error) {
	if e.text != nil {
		return *e.text, nil
	}
	if err := m.parse(e); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, part := range leaves(nil, &e.parsed.Structure) {
		if strings.HasPrefix(part.Type, "text/") {
			b.WriteString(strings.Join(strings.Fields(e.parsed.Text(&part)), " "))
			b.WriteByte('\n')
		}
	}
	e.text = new(fold(b.String()))
	return *e.text, nil
}

func addressText(list []mail.Address) string {
	var b strings.Builder
	for _, a := range list {
		b.WriteString(string(a.Name) + " <" + a.Email + ">\n")
	}
	return b.String()
}

func subjectText(s *mail.Summary) string {
	if s.Subject == nil {
		return ""
	}
	return *s.Subject
}

func hasKeyword(rec *mail.Record, k string) bool {
	return slices.Contains(rec.Keywords, strings.ToLower(k))
}

func (m *matcher) allInThread(rec *mail.Record, k string) bool {
	return !slices.ContainsFunc(m.threads[rec.ThreadID], func(r *mail.Record) bool { return !hasKeyword(r, k) })
}

func (m *matcher) someInThread(rec *mail.Record, k string) bool {
	return slices.ContainsFunc(m.threads[rec.ThreadID], func(r *mail.Record) bool { return hasKeyword(r, k) })
}
