package imapserver

import (
	"errors"
	"strconv"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/smtp/message"
)

// A searching is one SEARCH: what its RETURN asks for (RFC 9051 §6.4.4, RFC 4731, RFC 5182).
type searching struct {
	extended             bool // RETURN was given, or IMAP4rev2 is on
	min, max, all, count bool
	save                 bool
	c                    imap.SearchCriteria
	found                imap.UIDSet
	modseq               imap.ModSeq // of those found, where the criteria have MODSEQ
}

// search is SEARCH and UID SEARCH.
func (c *session) search() (*imap.Status, error) {
	s := searching{extended: c.rev2}
	c.d.SP()
	if c.d.AcceptKeyword("RETURN") {
		c.d.SP()
		c.searchReturn(&s)
		c.d.SP()
	}
	if c.d.AcceptKeyword("CHARSET") {
		if c.accept { // RFC 9755 §3
			return nil, c.searchFailed(&s, badCommand("no CHARSET after ENABLE UTF8=ACCEPT"))
		}
		c.d.SP()
		charset := c.d.Astring()
		c.d.SP()
		if !equalFold(charset, "UTF-8") && !equalFold(charset, "US-ASCII") && c.d.Err() == nil {
			return nil, c.searchFailed(&s, &imap.Status{Type: imap.StatusNo, Code: imap.CodeBadCharset, Args: "(US-ASCII UTF-8)", Text: "unknown charset"})
		}
	}
	if !s.min && !s.max && !s.count && !s.save {
		s.all = true
	}
	s.c = c.d.SearchKeys(imap.SearchNumbers{
		Sequence: func(set imap.SequenceSet) (imap.UIDSet, error) { return c.sequence(set) },
		UID:      c.known,
		Saved:    func() imap.UIDSet { return c.saved },
	})
	err := c.d.Err()
	if err == nil {
		err = c.runSearch(&s)
	}
	if err != nil {
		return nil, c.searchFailed(&s, err)
	}
	if s.save {
		c.saved = s.kept()
	}
	if s.extended {
		c.tellESearch(&s)
	} else {
		c.tellSearch(&s)
	}
	return nil, c.sync(c.uid)
}

// sequence is numbers for the keys of SEARCH, where numbers are sequence numbers with UID SEARCH too. Those beyond the
// last message match nothing.
func (c *session) sequence(set imap.SequenceSet) (imap.UIDSet, error) {
	v := c.box
	n := imap.UID(len(v.uids))
	if n == 0 {
		return nil, nil
	}
	var out imap.UIDSet
	for _, r := range set.Resolve(uint32(n)).Intersect(imap.UIDSet{{First: 1, Last: n}}) {
		out.Add(v.uids[r.First-1], v.uids[r.Last-1])
	}
	return out, nil
}

// searchFailed empties "$" after a SEARCH that was to save (RFC 5182 §2.1).
func (c *session) searchFailed(s *searching, err error) error {
	if s.save {
		c.saved = nil
	}
	return err
}

func (c *session) searchReturn(s *searching) {
	s.extended = true
	c.d.List(func() {
		switch c.d.Keyword() {
		case "MIN":
			s.min = true
		case "MAX":
			s.max = true
		case "ALL":
			s.all = true
		case "COUNT":
			s.count = true
		case "SAVE":
			s.save = true
		default:
			c.d.Want("MIN, MAX, ALL, COUNT or SAVE")
		}
	})
}

// kept returns what SAVE keeps: with MIN or MAX and nothing more, those alone (RFC 5182 §2.4).
func (s *searching) kept() imap.UIDSet {
	if len(s.found) == 0 || s.all || s.count || !s.min && !s.max {
		return s.found
	}
	var out imap.UIDSet
	if s.min {
		out.Add(s.found[0].First, s.found[0].First)
	}
	if s.max {
		last := s.found[len(s.found)-1].Last
		out = out.Union(imap.UIDs(last))
	}
	return out
}

// runSearch tests the messages that the client knows, those that an index leaves over.
func (c *session) runSearch(s *searching) error {
	v := c.box
	uids, exact := c.known(imap.SequenceSet{{First: 1, Last: 0}}), false
	if s.c.UIDs != nil {
		uids = uids.Intersect(s.c.UIDs)
	}
	if x := c.account.Searcher; x != nil && len(uids) > 0 {
		if err := c.current(); err != nil {
			return err
		}
		narrowed, ok, err := x.Search(c.ctx, v.Name, &s.c)
		if err != nil {
			return err
		}
		uids, exact = uids.Intersect(narrowed), ok
	}
	if len(uids) == 0 {
		return nil
	}
	want, modseq := s.c.Fields(), usesModSeq(&s.c)
	if exact {
		want = 0
	}
	if modseq {
		c.condstore = true
		want |= imap.FieldModSeq
	}
	seq := 0
	for m, err := range v.Mailbox.Messages(c.ctx, uids, want) {
		if err != nil {
			return err
		}
		n := v.seq(m.UID, seq)
		if n == 0 {
			continue
		}
		seq = n
		t := searchText{c: c, uid: m.UID}
		ok := exact
		if !exact {
			ok, err = s.c.Match(m, &t)
			t.close()
		}
		if err != nil && !errors.Is(err, imap.ErrNonexistent) { // expunged meanwhile: does not match
			return err
		}
		if ok && err == nil {
			s.found.Add(m.UID, m.UID)
			s.modseq = max(s.modseq, m.ModSeq)
		}
	}
	if !modseq {
		s.modseq = 0
	}
	return nil
}

func usesModSeq(c *imap.SearchCriteria) bool {
	if c.ModSeq > 0 {
		return true
	}
	for i := range c.Not {
		if usesModSeq(&c.Not[i]) {
			return true
		}
	}
	for i := range c.Or {
		if usesModSeq(&c.Or[i][0]) || usesModSeq(&c.Or[i][1]) {
			return true
		}
	}
	return false
}

// A searchText reads the text of one message where SEARCH needs it.
type searchText struct {
	c    *session
	uid  imap.UID
	r    *reader
	fail error
}

func (t *searchText) open() error {
	if t.r == nil && t.fail == nil {
		t.r, t.fail = t.c.openMessage(&fetching{}, t.uid)
	}
	return t.fail
}

func (t *searchText) close() {
	if t.r != nil {
		t.r.Close()
	}
}

// Header implements imap.SearchText.
func (t *searchText) Header() (*message.Message, error) {
	if err := t.open(); err != nil {
		return nil, err
	}
	if t.r.whole != nil {
		return t.r.whole, nil
	}
	if err := t.r.readHeader(); err != nil {
		return nil, err
	}
	return t.r.head, nil
}

// Message implements imap.SearchText.
func (t *searchText) Message() (*message.Message, error) {
	if err := t.open(); err != nil {
		return nil, err
	}
	if err := t.r.parse(); err != nil {
		return nil, err
	}
	return t.r.whole, nil
}

// tellSearch sends SEARCH, each number by itself.
func (c *session) tellSearch(s *searching) {
	set := s.found
	if !c.uid {
		set = c.box.seqs(set)
	}
	_, _ = c.bw.WriteString("* SEARCH")
	for n := range set.All() {
		b := append(c.bw.AvailableBuffer(), ' ')
		_, _ = c.bw.Write(strconv.AppendUint(b, uint64(n), 10))
	}
	if s.modseq > 0 {
		_, _ = c.bw.WriteString(" (MODSEQ " + strconv.FormatUint(uint64(s.modseq), 10) + ")")
	}
	_, _ = c.bw.WriteString("\r\n")
}

// tellESearch sends ESEARCH. Without MIN, MAX, ALL and COUNT it says nothing, and with SAVE alone it is left out.
func (c *session) tellESearch(s *searching) {
	if s.save && !s.min && !s.max && !s.all && !s.count {
		return
	}
	var b strings.Builder
	b.WriteString("* ESEARCH (TAG ")
	b.Write(imap.AppendQuoted(nil, c.tag))
	b.WriteByte(')')
	if c.uid {
		b.WriteString(" UID")
	}
	set := s.found
	if !c.uid {
		set = c.box.seqs(set)
	}
	if len(set) > 0 {
		if s.min {
			b.WriteString(" MIN " + strconv.FormatUint(uint64(set[0].First), 10))
		}
		if s.max {
			b.WriteString(" MAX " + strconv.FormatUint(uint64(set[len(set)-1].Last), 10))
		}
		if s.all {
			b.WriteString(" ALL " + set.String())
		}
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
