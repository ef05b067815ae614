package imapserver

import (
	"cmp"
	"errors"
	"slices"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/smtp/message"
)

// A searching is one SEARCH: what its RETURN asks for (RFC 9051 §6.4.4, RFC 4731, RFC 5182).
type searching struct {
	extended             bool // RETURN was given, or IMAP4rev2 is on
	min, max, all, count bool
	save                 bool
	update               bool               // its results are to be kept up to date (RFC 5267 §4.3)
	fetch                []imap.FetchItem   // told of new messages among them
	partial              *imap.PartialRange // RFC 9394
	relevancy            bool               // RETURN asks for it (RFC 6203)
	scores               map[imap.UID]score // of what FUZZY found
	c                    imap.SearchCriteria
	matcher              *imap.Matcher // of c
	found                imap.UIDSet
	sort                 []imap.SortKey // of SORT
	sorted               []sorted       // what SORT found
	thread               imap.ThreadAlgorithm
	threaded             []imap.ThreadMessage // what THREAD found
	modseq               imap.ModSeq          // of those found, where the criteria have MODSEQ
	progress             *progress
	tested               int64  // messages
	multi                bool   // it is ESEARCH (RFC 7377)
	mailbox              string // that it tells of then
	validity             uint32
}

// search is SEARCH and UID SEARCH.
func (c *session) search() (*imap.Status, error) {
	s := searching{extended: c.rev2}
	c.d.SP()
	c.searchReturn(&s)
	if err := c.searchCharset(&s); err != nil {
		return nil, err
	}
	return nil, c.find(&s)
}

// searchCharset reads CHARSET, if it is there, and the space behind it.
func (c *session) searchCharset(s *searching) error {
	if !c.d.AcceptKeyword("CHARSET") {
		return nil
	}
	if c.accept { // RFC 9755 §3
		return c.searchFailed(s, badCommand("no CHARSET after ENABLE UTF8=ACCEPT"))
	}
	c.d.SP()
	if err := c.charset(); err != nil {
		return c.searchFailed(s, err)
	}
	return nil
}

// sortCommand is SORT and UID SORT (RFC 5256 §3), with RETURN (RFC 5267 §3).
func (c *session) sortCommand() (*imap.Status, error) {
	var s searching
	c.d.SP()
	c.searchReturn(&s)
	s.sort = c.d.SortKeys()
	c.d.SP()
	if err := c.charset(); err != nil {
		return nil, c.searchFailed(&s, err)
	}
	return nil, c.find(&s)
}

// charset reads a charset and the space behind it. SEARCH knows UTF-8 and what is part of it.
func (c *session) charset() error {
	charset := c.d.Astring()
	c.d.SP()
	if c.d.Err() == nil && !equalFold(charset, "UTF-8") && !equalFold(charset, "US-ASCII") {
		return &imap.Status{Type: imap.StatusNo, Code: imap.CodeBadCharset, Args: "(US-ASCII UTF-8)", Text: "unknown charset"}
	}
	return nil
}

// find reads the keys, tests the messages, and tells what was found.
func (c *session) find(s *searching) error {
	if !s.min && !s.max && !s.count && !s.save && !s.relevancy && s.partial == nil {
		s.all = true
	}
	uid := c.known
	if s.update {
		uid = c.open
	}
	s.c = c.d.SearchKeys(imap.SearchNumbers{
		Sequence: func(set imap.SequenceSet) (imap.UIDSet, error) { return c.sequence(set) },
		UID:      uid,
		Saved:    func() imap.UIDSet { return c.saved },
		Fuzzy:    c.account.Fuzzy != nil,
		Other:    c.otherKey,
	})
	err := c.d.Err()
	if err == nil && s.update && c.box.updating(c.tag) != nil {
		return errTagInUse()
	}
	if err == nil {
		err = c.askFuzzy(s, c.box.Name)
	}
	if err == nil {
		err = c.runSearch(s)
	}
	if s.multi {
		s.mailbox, s.validity = c.box.Name, c.box.uidValidity
	}
	if err != nil {
		return c.searchFailed(s, err)
	}
	slices.SortFunc(s.sorted, func(a, b sorted) int { return compareSorted(s.sort, a, b) })
	if s.save {
		c.saved = s.kept()
	}
	switch {
	case s.thread != "":
		c.tellThreads(s)
	case s.extended:
		c.tellESearch(s)
	default:
		c.tellSearch(s)
	}
	if s.update {
		c.startUpdates(s)
	}
	return c.sync(c.uid)
}

// A sorted is one message that SORT found.
type sorted struct {
	uid    imap.UID
	values []imap.SortValue
}

// compareSorted is the order of SORT: that of the mailbox where the keys see no difference.
func compareSorted(keys []imap.SortKey, a, b sorted) int {
	return cmp.Or(imap.CompareSort(keys, a.values, b.values), cmp.Compare(a.uid, b.uid))
}

// sequence is numbers for the keys of SEARCH, where numbers are sequence numbers with UID SEARCH too. Those beyond the
// last message match nothing.
func (c *session) sequence(set imap.SequenceSet) (imap.UIDSet, error) {
	if c.uidOnly { // RFC 9586 §3.5
		return nil, errUIDRequired()
	}
	return sequenceOf(c.box.uids, set), nil
}

// sequenceOf returns what sequence numbers mean in a mailbox with these messages. Those beyond the last one are none.
func sequenceOf(uids []imap.UID, set imap.SequenceSet) (out imap.UIDSet) {
	n := imap.UID(len(uids))
	if n == 0 {
		return nil
	}
	for _, r := range set.Resolve(uint32(n)).Intersect(imap.UIDSet{{First: 1, Last: n}}) {
		out.Add(uids[r.First-1], uids[r.Last-1])
	}
	return out
}

// searchFailed empties "$" after a SEARCH that was to save (RFC 5182 §2.1).
func (c *session) searchFailed(s *searching, err error) error {
	if s.save {
		c.saved = nil
	}
	return err
}

// searchReturn reads RETURN and its options, if they are there, and the space behind them.
func (c *session) searchReturn(s *searching) {
	if !c.d.AcceptKeyword("RETURN") {
		return
	}
	s.extended = true
	c.d.SP()
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
		case "RELEVANCY":
			s.relevancy = true
		case "CONTEXT": // a hint (RFC 5267 §4.2)
		case "UPDATE":
			s.update, s.fetch = true, c.d.UpdateItems()
			for i := range s.fetch { // nobody has read a message that is told of
				s.fetch[i].Peek = true
			}
		case "PARTIAL":
			c.d.SP()
			r := c.d.PartialRange()
			if s.partial != nil {
				c.d.Want("one PARTIAL")
			}
			s.partial = &r
		default:
			c.d.Want("MIN, MAX, ALL, COUNT, PARTIAL, SAVE, RELEVANCY, CONTEXT or UPDATE")
		}
	})
	if s.partial != nil && s.all { // RFC 9394 §3.1
		c.d.Want("PARTIAL or ALL")
	}
	c.d.SP()
}

// kept returns what SAVE keeps: with MIN, MAX or PARTIAL and nothing more, those alone (RFC 5182 §2.4, RFC 9394 §3.2).
func (s *searching) kept() imap.UIDSet {
	if len(s.found) == 0 || s.all || s.count || !s.min && !s.max && s.partial == nil {
		return s.found
	}
	var out imap.UIDSet
	if s.partial != nil {
		out = s.slice(s.partial.Cut(s.found.Len()))
	}
	if s.min {
		out = out.Union(s.slice(0, 1))
	}
	if s.max {
		out = out.Union(s.slice(s.found.Len()-1, s.found.Len()))
	}
	return out
}

// slice returns what was found from the place start up to end, in the order of the command.
func (s *searching) slice(start, end int64) imap.UIDSet {
	if s.sort == nil {
		return s.found.Slice(start, end)
	}
	var out []imap.UID
	for _, x := range s.sorted[start:end] {
		out = append(out, x.uid)
	}
	return imap.UIDs(out...)
}

// runSearch tests the messages that the client knows, those that an index leaves over.
func (c *session) runSearch(s *searching) error {
	v := c.box
	uids := c.known(imap.SequenceSet{{First: 1, Last: 0}})
	if c.account.Searcher != nil && len(uids) > 0 {
		if err := c.current(); err != nil {
			return err
		}
	}
	return c.searchIn(s, v.Mailbox, v.Name, uids, v)
}

// searchIn tests those messages of a mailbox, and with a view those that the client knows, that an index leaves over.
func (c *session) searchIn(s *searching, box imap.Mailbox, name string, uids imap.UIDSet, v *view) error {
	exact := false
	if s.c.UIDs != nil {
		uids = uids.Intersect(s.c.UIDs)
	}
	several := s.mailbox != ""                 // one after the other
	ordered := s.sort != nil || s.thread != "" // RFC 9738 §3.3: what is in part would be wrong; they count what an index leaves
	if !several && !ordered {
		uids = c.most(uids)
	}
	if x := c.account.Searcher; x != nil && len(uids) > 0 {
		ask, whole := s.c.Indexable()
		narrowed, ok, err := x.Search(c.ctx, name, ask)
		if err != nil {
			return err
		}
		uids, exact = uids.Intersect(narrowed), ok && whole
	}
	limit := c.s.Limits.maxMessages()
	if limit > 0 && ordered && v.count(uids) > limit || c.lowest > 0 && s.partial != nil && !s.partial.FromEnd {
		return tooMany(limit, 0)
	}
	if len(uids) == 0 {
		return nil
	}
	want, modseq := s.c.Fields(), some(&s.c, func(c *imap.SearchCriteria) bool { return c.ModSeq > 0 })
	if exact {
		want = 0
	}
	want |= imap.SortFields(s.sort)
	if s.thread != "" {
		want |= imap.FieldEnvelope | imap.FieldInternalDate
	}
	if modseq {
		c.condstore = true
		want |= imap.FieldModSeq
	}
	s.matcher = s.c.Matcher()
	if s.progress == nil {
		s.progress = c.progress(v.count(uids))
	}
	seq := 0
	for m, err := range box.Messages(c.ctx, uids, want) {
		if err == nil {
			err = s.progress.step()
		}
		if err != nil {
			return err
		}
		if v != nil {
			n := v.seq(m.UID, seq)
			if n == 0 {
				continue
			}
			seq = n
		}
		if s.tested++; several && limit > 0 && s.tested > limit {
			return tooMany(limit, 0)
		}
		if err := c.test(s, m, box, seq, exact); err != nil && !errors.Is(err, imap.ErrNonexistent) { // expunged meanwhile: does not match
			return err
		}
	}
	if !modseq {
		s.modseq = 0
	}
	return nil
}

// test tests a message of a mailbox, whose sequence number is seq, and keeps what the answer tells of it.
func (c *session) test(s *searching, m *imap.Message, box imap.Mailbox, seq int, exact bool) error {
	t := searchText{c: c, box: box, uid: m.UID}
	defer t.close()
	if !exact {
		if ok, err := s.matcher.Match(m, &t); !ok || err != nil {
			return err
		}
	}
	if s.thread != "" {
		number := m.UID
		if !c.uid {
			number = imap.UID(seq)
		}
		references, err := t.references(s.thread)
		if err != nil {
			return err
		}
		s.threaded = append(s.threaded, imap.NewThreadMessage(number, m, references))
	}
	if s.sort != nil {
		m.Relevancy = s.scoreOf(m.UID)
		s.sorted = append(s.sorted, sorted{m.UID, imap.SortValues(s.sort, m)})
	}
	s.found.Add(m.UID, m.UID)
	s.modseq = max(s.modseq, m.ModSeq)
	return nil
}

// threadCommand is THREAD and UID THREAD (RFC 5256 §3).
func (c *session) threadCommand() (*imap.Status, error) {
	var s searching
	c.d.SP()
	s.thread = c.d.ThreadAlgorithm()
	c.d.SP()
	if err := c.charset(); err != nil {
		return nil, err
	}
	return nil, c.find(&s)
}

// references returns the References field of a message, where the algorithm looks at it.
func (t *searchText) references(a imap.ThreadAlgorithm) (string, error) {
	if a != imap.ThreadReferences {
		return "", nil
	}
	m, err := t.Header()
	if err != nil {
		return "", err
	}
	var b []byte
	for v := range m.Root().Values("References") {
		b = append(message.AppendUnfolded(b, v), ' ')
	}
	return string(b), nil
}
