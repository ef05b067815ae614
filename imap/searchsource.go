package imap

import "strings"

// A SearchSource says which mailboxes ESEARCH looks in (RFC 7377 §2.2).
type SearchSource struct {
	// Filter is NotifySelected, NotifyInboxes, NotifyPersonal, NotifySubscribed, NotifySubtree, NotifyMailboxes or SearchSubtreeOne.
	Filter    NotifyFilter
	Mailboxes []string // of NotifySubtree, NotifyMailboxes and SearchSubtreeOne, in UTF-8
}

// SearchSubtreeOne is the filter of a SearchSource for Mailboxes and those one level below them.
const SearchSubtreeOne NotifyFilter = "SUBTREE-ONE"

// Named reports whether the source has Mailboxes.
func (s *SearchSource) Named() bool { return s.Filter.named() || s.Filter == SearchSubtreeOne }

// Covers reports whether a mailbox is one of those that the source names, or below them as it says.
func (s *SearchSource) Covers(mailbox string) bool {
	for _, name := range s.Mailboxes {
		below, ok := strings.CutPrefix(mailbox, name)
		switch {
		case !ok || !s.Named():
		case below == "":
			return true
		case s.Filter == NotifyMailboxes || below[0] != '/':
		case s.Filter == NotifySubtree || strings.IndexByte(below[1:], '/') < 0:
			return true
		}
	}
	return false
}

// SearchSources reads what follows IN of ESEARCH. There are no scope options: one is a *SyntaxError, and more than MaxNotifyGroups
// sources, or MaxNotifyMailboxes in one, a *LimitError. utf8 says that names are in UTF-8.
func (d *Decoder) SearchSources(utf8 bool) []SearchSource {
	var out []SearchSource
	d.Expect('(')
	for d.err == nil {
		if len(out) == MaxNotifyGroups {
			d.Fail(&LimitError{What: "sources of a search", Limit: MaxNotifyGroups})
		}
		s := SearchSource{Filter: NotifyFilter(d.Keyword())}
		switch s.Filter {
		case NotifySelected, NotifyInboxes, NotifyPersonal, NotifySubscribed:
		case NotifySubtree, NotifyMailboxes, SearchSubtreeOne:
			d.SP()
			var g NotifyGroup
			d.notifyMailboxes(&g, utf8)
			s.Mailboxes = g.Mailboxes
		default:
			d.Want("mailboxes to search")
		}
		out = append(out, s)
		if !d.Accept(' ') {
			break
		}
		if d.Peek() == '(' {
			d.Want("no scope options")
		}
	}
	d.Expect(')')
	return out
}

// AppendSearchSources appends the sources in parentheses. utf8 says that names are in UTF-8, as in IMAP4rev2.
func AppendSearchSources(dst []byte, sources []SearchSource, utf8 bool) []byte {
	dst = append(dst, '(')
	for i := range sources {
		s := &sources[i]
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, s.Filter...)
		if !s.Named() {
			continue
		}
		dst = append(dst, ' ')
		for i, name := range s.Mailboxes {
			dst = AppendMailbox(appendListed(dst, i), name, utf8)
		}
		dst = append(dst, ')')
	}
	return append(dst, ')')
}

// correlators reads what an ESEARCH response belongs to, behind the parenthesis (RFC 7377 §4): each at most once.
func (d *Decoder) correlators(s *SearchData, utf8 bool) {
	told := map[string]bool{}
	for d.err == nil {
		name := d.Keyword()
		d.SP()
		switch {
		case told[name]:
			d.Want("each correlator once")
		case name == "TAG":
			s.Tag = d.IString()
		case name == "MAILBOX":
			s.Mailbox = d.Mailbox(utf8)
		case name == "UIDVALIDITY":
			s.UIDValidity = d.NzNumber()
		default:
			d.Want("TAG, MAILBOX or UIDVALIDITY")
		}
		told[name] = true
		if !d.Accept(' ') {
			break
		}
	}
	d.Expect(')')
}
