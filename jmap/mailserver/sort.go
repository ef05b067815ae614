package mailserver

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// sortOptions are the properties that Email/query sorts by (RFC 8621 §4.4.2).
func sortOptions() []string {
	return []string{"receivedAt", "size", "from", "to", "subject", "sentAt", "hasKeyword", "allInThreadHaveKeyword", "someInThreadHaveKeyword"}
}

func checkEmailSort(sort []mail.Comparator) error {
	for _, k := range sort {
		if slices.Contains(sortOptions(), k.Property) && strings.HasSuffix(k.Property, "Keyword") && !mail.ValidKeyword(k.Keyword) {
			return jmap.Errorf(jmap.InvalidArguments, "sort by %q needs a keyword", k.Property)
		}
	}
	return checkSort(sort, func(property string) bool { return slices.Contains(sortOptions(), property) })
}

// checkCollation refuses collations that are not announced; all that are compare without regard to case, but i;octet.
func checkCollation(name string) error {
	if name != "" && !slices.Contains(jmap.DefaultLimits().CollationAlgorithms, name) {
		return jmap.Errorf(jmap.UnsupportedSort, "no collation %.80q", name)
	}
	return nil
}

// checkSort refuses to sort by what a type does not know.
func checkSort(sort []mail.Comparator, known func(property string) bool) error {
	for _, k := range sort {
		if !known(k.Property) {
			return jmap.Errorf(jmap.UnsupportedSort, "no sort by %.80q", k.Property)
		}
		if err := checkCollation(k.Collation); err != nil {
			return err
		}
	}
	return nil
}

func needsSummary(k mail.Comparator) bool {
	switch k.Property {
	case "from", "to", "subject", "sentAt":
		return true
	}
	return false
}

// A sortKey is what one comparator compares of an email: a string or a number.
type sortKey struct {
	text   string
	number int64
}

// sort sorts by the comparators, then newest first, then by id, so that the order is the same every time.
func (m *matcher) sort(list []*mail.Record, by []mail.Comparator) {
	keys := make(map[jmap.ID][]sortKey, len(list))
	for _, rec := range list {
		row := make([]sortKey, len(by))
		for i, k := range by {
			row[i] = m.key(rec, k)
		}
		keys[rec.ID] = row
	}
	slices.SortFunc(list, func(a, b *mail.Record) int {
		ka, kb := keys[a.ID], keys[b.ID]
		for i := range by {
			d := cmp.Or(strings.Compare(ka[i].text, kb[i].text), cmp.Compare(ka[i].number, kb[i].number))
			if by[i].Descending() {
				d = -d
			}
			if d != 0 {
				return d
			}
		}
		return cmp.Or(b.ReceivedAt.Compare(a.ReceivedAt), cmp.Compare(a.ID, b.ID))
	})
}

func (m *matcher) key(rec *mail.Record, k mail.Comparator) sortKey {
	text := func(s string) sortKey {
		if k.Collation != "i;octet" {
			s = fold(s)
		}
		return sortKey{text: s}
	}
	truth := func(b bool) sortKey {
		if b {
			return sortKey{number: 1}
		}
		return sortKey{}
	}
	switch k.Property {
	case "receivedAt":
		return sortKey{number: rec.ReceivedAt.UnixNano()}
	case "size":
		return sortKey{number: rec.Size}
	case "sentAt":
		return sortKey{number: rec.Summary.SentAt.Unix()}
	case "from":
		return text(firstName(rec.Summary.From))
	case "to":
		return text(firstName(rec.Summary.To))
	case "subject":
		if rec.Summary.Subject == nil {
			return sortKey{}
		}
		return text(baseSubject(*rec.Summary.Subject))
	case "hasKeyword":
		return truth(hasKeyword(rec, k.Keyword))
	case "allInThreadHaveKeyword":
		return truth(m.allInThread(rec, k.Keyword))
	default: // someInThreadHaveKeyword
		return truth(m.someInThread(rec, k.Keyword))
	}
}

func firstName(list []mail.Address) string {
	if len(list) == 0 {
		return ""
	}
	return cmp.Or(string(list[0].Name), list[0].Email)
}

// baseSubject returns the base subject (RFC 5256 §2.1): without Re, Fwd, "(fwd)" and [blobs] in front.
func baseSubject(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	for {
		before := s
		for n := len(s) - len("(fwd)"); n >= 0 && strings.EqualFold(s[n:], "(fwd)"); n = len(s) - len("(fwd)") {
			s = strings.TrimRight(s[:n], " ")
		}
		for {
			rest := trimLeader(s)
			if rest == s {
				break
			}
			s = rest
		}
		if len(s) > 6 && strings.EqualFold(s[:5], "[fwd:") && s[len(s)-1] == ']' {
			s = strings.TrimSpace(s[5 : len(s)-1])
		}
		if s == before {
			return s
		}
	}
}

// trimLeader removes one subj-leader, or one blob that is followed by something.
func trimLeader(s string) string {
	rest := s
	for {
		blob, after, ok := cutBlob(rest)
		if !ok {
			break
		}
		if after == "" {
			return s // the blob is all there is
		}
		if strings.HasPrefix(strings.ToLower(blob), "[fwd:") {
			break
		}
		rest = after
	}
	for _, re := range []string{"re", "fwd", "fw"} {
		if len(rest) < len(re) || !strings.EqualFold(rest[:len(re)], re) {
			continue
		}
		after := strings.TrimLeft(rest[len(re):], " ")
		if _, behind, ok := cutBlob(after); ok {
			after = behind
		}
		if colon, ok := strings.CutPrefix(after, ":"); ok {
			return strings.TrimLeft(colon, " ")
		}
	}
	return rest
}

// cutBlob takes a "[...]" off the beginning.
func cutBlob(s string) (blob, rest string, ok bool) {
	if !strings.HasPrefix(s, "[") {
		return "", s, false
	}
	i := strings.IndexAny(s[1:], "[]")
	if i < 0 || s[1+i] != ']' {
		return "", s, false
	}
	return s[:i+2], strings.TrimLeft(s[i+2:], " "), true
}
