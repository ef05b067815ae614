package imap

import (
	"cmp"
	"net/mail"
	"strings"
	"unicode/utf8"
)

// A SortKey is one criterion of SORT (RFC 5256 §3).
type SortKey struct {
	Key     SortField
	Reverse bool
}

// A SortField is what a SortKey compares.
type SortField string

// Fields of a SortKey.
const (
	SortArrival SortField = "ARRIVAL" // internal date
	SortCc      SortField = "CC"      // mailbox of the first address
	SortDate    SortField = "DATE"    // of the Date field, or the internal date where there is none
	SortFrom    SortField = "FROM"
	SortSize    SortField = "SIZE"
	SortSubject SortField = "SUBJECT" // BaseSubject
	SortTo      SortField = "TO"

	// SortRelevancy is the relevancy of a fuzzy search, the highest first (RFC 6203 §6): Message.Relevancy.
	SortRelevancy SortField = "RELEVANCY"

	// Of RFC 5957: the name of the first address, or the address where it has none.
	SortDisplayFrom SortField = "DISPLAYFROM"
	SortDisplayTo   SortField = "DISPLAYTO"
)

// Valid reports whether f is one of them.
func (f SortField) Valid() bool {
	switch f {
	case SortArrival, SortCc, SortDate, SortFrom, SortSize, SortSubject, SortTo, SortRelevancy, SortDisplayFrom, SortDisplayTo:
		return true
	}
	return false
}

// maxSortKeys is how many criteria SORT has: every one twice.
const maxSortKeys = 20

// SortKeys reads the criteria of SORT in parentheses.
func (d *Decoder) SortKeys() []SortKey {
	var keys []SortKey
	reverse := false
	d.List(func() {
		if len(keys) == maxSortKeys {
			d.Fail(&LimitError{What: "sort criteria", Limit: maxSortKeys})
		}
		switch k := SortField(d.Keyword()); {
		case k == "REVERSE":
			if reverse {
				d.Want("a sort criterion")
			}
			reverse = true
		case k.Valid():
			keys = append(keys, SortKey{k, reverse})
			reverse = false
		default:
			d.Want("a sort criterion")
		}
	})
	if reverse || len(keys) == 0 {
		d.Want("a sort criterion")
	}
	return keys
}

// AppendSortKeys appends the criteria in parentheses.
func AppendSortKeys(dst []byte, keys []SortKey) []byte {
	dst = append(dst, '(')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ' ')
		}
		if k.Reverse {
			dst = append(dst, "REVERSE "...)
		}
		dst = append(dst, k.Key...)
	}
	return append(dst, ')')
}

// SortFields returns the fields of a Message that SortValues looks at.
func SortFields(keys []SortKey) Fields {
	var f Fields
	for _, k := range keys {
		switch k.Key {
		case SortArrival:
			f |= FieldInternalDate
		case SortSize:
			f |= FieldSize
		case SortRelevancy:
		case SortDate:
			f |= FieldEnvelope | FieldInternalDate
		default:
			f |= FieldEnvelope
		}
	}
	return f
}

// A SortValue is what a message has for one SortKey.
type SortValue struct {
	text string
	n    int64
}

// SortValues returns what a message, with its SortFields, has for each of keys.
func SortValues(keys []SortKey, m *Message) []SortValue {
	e := m.Envelope
	if e == nil {
		e = &Envelope{}
	}
	first := func(list []Address) SortValue {
		if len(list) == 0 {
			return SortValue{}
		}
		return sortText(list[0].Mailbox, utf8.ValidString(list[0].Mailbox))
	}
	out := make([]SortValue, len(keys))
	for i, k := range keys {
		v := &out[i]
		switch k.Key {
		case SortArrival:
			v.n = m.InternalDate.UnixNano()
		case SortSize:
			v.n = m.Size
		case SortRelevancy:
			v.n = -int64(m.Relevancy)
		case SortDate:
			sent, err := mail.ParseDate(e.Date)
			if err != nil {
				sent = m.InternalDate
			}
			v.n = sent.Unix()
		case SortSubject:
			base, _, ok := baseSubject(e.Subject)
			*v = sortText(base, ok)
		case SortFrom:
			*v = first(e.From)
		case SortTo:
			*v = first(e.To)
		case SortCc:
			*v = first(e.Cc)
		case SortDisplayFrom:
			*v = displayText(e.From)
		case SortDisplayTo:
			*v = displayText(e.To)
		}
	}
	return out
}

// sortText returns the value of a text, which is unicode or in no known charset: those come last, in the order of their octets
// (RFC 5255 §4.6 (c)).
func sortText(s string, unicode bool) SortValue {
	if !unicode {
		return SortValue{text: s, n: 1}
	}
	return SortValue{text: casemapString(s)}
}

// displayText is what DISPLAYFROM and DISPLAYTO compare (RFC 5957 §3). A group has its name as its mailbox.
func displayText(list []Address) SortValue {
	if len(list) == 0 {
		return SortValue{}
	}
	a := &list[0]
	s, ok := decodeWords(a.Name)
	if s = strings.TrimSpace(s); s != "" {
		return sortText(s, ok)
	}
	s = a.Mailbox
	if s != "" && a.Host != "" {
		s += "@" + a.Host
	}
	return sortText(s, utf8.ValidString(s))
}

// CompareSort compares what two messages have, in the order of keys; text by the collation i;unicode-casemap (RFC 5051). Equal
// ones are in the order of their numbers.
func CompareSort(keys []SortKey, a, b []SortValue) int {
	for i, k := range keys {
		c := cmp.Or(cmp.Compare(a[i].n, b[i].n), strings.Compare(a[i].text, b[i].text))
		if c != 0 && k.Reverse {
			return -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// maxBaseSubject is how much of a subject counts in comparisons.
const maxBaseSubject = 1000

// BaseSubject returns a subject without what replies and forwards add to it: "Re: [list] Fwd: x (fwd)" is "x" (RFC 5256
// §2.1). Encoded words are decoded, and converted to UTF-8 if all can be; of a very long subject the beginning counts.
func BaseSubject(subject string) string {
	base, _, _ := baseSubject(subject)
	return base
}

// trimTrailers removes "(fwd)" and spaces from the end.
func trimTrailers(s string) string {
	for {
		s = strings.TrimRight(s, " ")
		if n := len(s) - 5; n >= 0 && strings.EqualFold(s[n:], "(fwd)") {
			s = s[:n]
			continue
		}
		return s
	}
}

// trimBlob removes "[...]" and the spaces behind it from the beginning.
func trimBlob(s string) string {
	if s == "" || s[0] != '[' {
		return s
	}
	end := strings.IndexAny(s[1:], "[]")
	if end < 0 || s[1+end] == '[' {
		return s
	}
	return strings.TrimLeft(s[end+2:], " ")
}

// trimLeader removes spaces, or blobs with "Re:" or "Fwd:" behind them, from the beginning.
func trimLeader(s string) string {
	if t := strings.TrimLeft(s, " "); t != s {
		return t
	}
	rest := s
	for t := trimBlob(rest); t != rest; t = trimBlob(rest) {
		rest = t
	}
	for _, word := range []string{"re", "fwd", "fw"} {
		if len(rest) > len(word) && strings.EqualFold(rest[:len(word)], word) {
			if t, ok := strings.CutPrefix(trimBlob(strings.TrimLeft(rest[len(word):], " ")), ":"); ok {
				return t
			}
		}
	}
	return s
}
