package imapserver

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
)

// tellSearch sends SEARCH or SORT, each number by itself.
func (c *session) tellSearch(s *searching) {
	set := s.found
	if !c.uid {
		set = c.box.seqs(set)
	}
	number := func(n imap.UID) {
		b := append(c.bw.AvailableBuffer(), ' ')
		_, _ = c.bw.Write(strconv.AppendUint(b, uint64(n), 10))
	}
	if s.sort != nil {
		_, _ = c.bw.WriteString("* SORT")
		for _, n := range c.order(s) {
			number(n)
		}
	} else {
		_, _ = c.bw.WriteString("* SEARCH")
		for n := range set.All() {
			number(n)
		}
	}
	if s.modseq > 0 {
		_, _ = c.bw.WriteString(" (MODSEQ " + strconv.FormatUint(uint64(s.modseq), 10) + ")")
	}
	_, _ = c.bw.WriteString("\r\n")
}

// appendESearch appends the beginning of ESEARCH. A mailbox is told where the command was ESEARCH (RFC 7377 §2.1).
func (c *session) appendESearch(b []byte, tag, mailbox string, validity uint32) []byte {
	b = imap.AppendQuoted(append(b, "* ESEARCH (TAG "...), tag)
	if mailbox != "" {
		b = append(c.appendName(append(b, " MAILBOX "...), mailbox), " UIDVALIDITY "...)
		b = strconv.AppendUint(b, uint64(validity), 10)
	}
	return append(b, ')')
}

// tellESearch sends ESEARCH. Without MIN, MAX, ALL and COUNT it says nothing, and with SAVE alone it is left out; so it is where the
// command was ESEARCH and has found nothing.
func (c *session) tellESearch(s *searching) {
	if s.save && !s.min && !s.max && !s.all && !s.count && !s.relevancy && s.partial == nil || s.multi && len(s.found) == 0 {
		return
	}
	var b strings.Builder
	b.Write(c.appendESearch(nil, c.tag, s.mailbox, s.validity))
	if c.uid {
		b.WriteString(" UID")
	}
	set := s.found
	if !c.uid {
		set = c.box.seqs(set)
	}
	text := func(start, end int64) string { return set.Slice(start, end).String() }
	if s.sort != nil { // in its order (RFC 5267 §3)
		order := c.order(s)
		text = func(start, end int64) string { return string(imap.AppendUIDs(nil, order[start:end])) }
	}
	if n := set.Len(); n > 0 {
		if s.min {
			b.WriteString(" MIN " + text(0, 1))
		}
		if s.max {
			b.WriteString(" MAX " + text(n-1, n))
		}
		if s.all {
			b.WriteString(" ALL " + text(0, n))
		}
	}
	if s.partial != nil {
		b.WriteString(" PARTIAL (")
		b.Write(imap.AppendPartialRange(nil, *s.partial))
		b.WriteString(" " + cmp.Or(text(s.partial.Cut(set.Len())), "NIL") + ")")
	}
	if s.relevancy && len(set) > 0 {
		b.Write(s.appendRelevancy(nil))
	}
	if s.count {
		b.WriteString(" COUNT " + strconv.FormatInt(set.Len(), 10))
	}
	if s.modseq > 0 && len(set) > 0 {
		b.WriteString(" MODSEQ " + strconv.FormatUint(uint64(s.modseq), 10))
	}
	b.WriteString("\r\n")
	_, _ = c.bw.WriteString(b.String())
}

// order returns what SORT found as the command names it.
func (c *session) order(s *searching) []imap.UID {
	out := make([]imap.UID, len(s.sorted))
	for i, x := range s.sorted {
		if out[i] = x.uid; !c.uid {
			out[i] = imap.UID(c.box.seq(x.uid, 0))
		}
	}
	return out
}

func (c *session) tellThreads(s *searching) {
	b := append(c.bw.AvailableBuffer(), "* THREAD"...)
	if len(s.threaded) > 0 {
		b = imap.AppendThreads(append(b, ' '), imap.Threads(s.thread, s.threaded))
	}
	_, _ = c.bw.Write(append(b, "\r\n"...))
}
