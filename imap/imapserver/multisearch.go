package imapserver

import (
	"slices"

	"github.com/mailbricks/mailbricks/imap"
)

// multiSearch is ESEARCH (RFC 7377): it tells UIDs, mailbox by mailbox, and nothing of one without results.
func (c *session) multiSearch() (*imap.Status, error) {
	s := searching{extended: true, multi: true}
	sources := []imap.SearchSource{{Filter: imap.NotifySelected}}
	c.d.SP()
	if c.d.AcceptKeyword("IN") {
		c.d.SP()
		sources = c.d.SearchSources(c.utf8)
		c.d.SP()
	}
	c.searchReturn(&s)
	if err := c.searchCharset(&s); err != nil {
		return nil, err
	}
	if c.d.Err() != nil {
		return nil, nil
	}
	isSelected := func(x imap.SearchSource) bool { return x.Filter == imap.NotifySelected }
	alone := !slices.ContainsFunc(sources, func(x imap.SearchSource) bool { return !isSelected(x) })
	switch {
	case c.box == nil && slices.ContainsFunc(sources, isSelected):
		return nil, badCommand("select a mailbox first")
	case s.save && !alone:
		return nil, badCommand("SAVE is for the selected mailbox alone")
	case s.update && c.box == nil:
		return nil, badCommand("UPDATE is for the selected mailbox")
	case alone:
		c.uid = true
		err := c.find(&s)
		return nil, c.refused(err)
	}
	return nil, c.findMany(&s, sources)
}

// A numbering is what the numbers in the keys of an ESEARCH mean, which is something else in each mailbox.
type numbering struct {
	set  imap.SequenceSet
	uid  bool
	uids imap.UIDSet // in the mailbox that is searched
}

// in resolves the numbers for a mailbox with these messages. Those beyond the last one match nothing (RFC 7377 §2).
func (n *numbering) in(uids []imap.UID) {
	if !n.uid {
		n.uids = sequenceOf(uids, n.set)
	} else if n.uids = nil; len(uids) > 0 {
		n.uids = n.set.Resolve(uint32(uids[len(uids)-1]))
	}
}

// findMany searches several mailboxes, one after the other.
func (c *session) findMany(s *searching, sources []imap.SearchSource) error {
	if !s.min && !s.max && !s.count && !s.relevancy && s.partial == nil {
		s.all = true
	}
	var numbers []*numbering
	s.c = c.d.SearchKeys(imap.SearchNumbers{
		Saved: func() imap.UIDSet {
			c.d.Want("no $ but for the selected mailbox alone")
			return nil
		},
		Later: func(set imap.SequenceSet, uid bool) imap.OtherKey {
			if c.uidOnly && !uid {
				c.d.Fail(errUIDRequired())
			}
			n := &numbering{set: set, uid: uid}
			numbers = append(numbers, n)
			return imap.OtherKey{Name: "numbers", Match: func(m *imap.Message, _ imap.SearchText) (bool, error) { return n.uids.Contains(m.UID), nil }}
		},
		Fuzzy: c.account.Fuzzy != nil,
		Other: func(_ *imap.Decoder, name string) (imap.OtherKey, bool) {
			if c.knowsKey(name) {
				c.d.Fail(no(imap.CodeCannot, "this key is for the selected mailbox alone"))
			}
			return imap.OtherKey{}, false
		},
	})
	if c.d.Err() != nil {
		return nil
	}
	if c.box != nil { // it may have another name by now
		if err := c.current(); err != nil {
			return err
		}
	}
	names, err := c.sources(sources)
	switch {
	case err != nil:
		return err
	case s.update && !slices.ContainsFunc(names, func(name string) bool { return name == c.box.Name }):
		return badCommand("UPDATE is for the selected mailbox, which is not searched")
	case s.update && c.box.updating(c.tag) != nil:
		return errTagInUse()
	case len(names) > def(c.s.Limits.SearchMailboxes, 5000):
		return no(imap.CodeLimit, "too many mailboxes to search")
	}
	c.uid, s.progress = true, c.progress(-1)
	searched := make(map[string]bool, len(names))
	for _, name := range names {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		one := *s
		if err := c.findOne(&one, name, numbers, searched); err != nil {
			return err
		}
		s.tested = one.tested
	}
	return c.sync(true)
}

// findOne searches one mailbox, unless that has been searched. One that cannot be read, or has gone, is left out.
func (c *session) findOne(s *searching, name string, numbers []*numbering, searched map[string]bool) error {
	m, err := c.account.Store.OpenMailbox(c.ctx, name)
	var st imap.MailboxStatus
	if err == nil {
		st, err = m.Status(c.ctx)
	}
	if unreadable(err) || err == nil && (st.NoSelect || searched[st.ID]) {
		return nil
	}
	if err != nil {
		return err
	}
	searched[st.ID] = true
	chosen := c.isSelected(st.ID) && c.box.uidValidity == st.UIDValidity
	var uids []imap.UID
	switch {
	case chosen:
		uids = c.box.uids
	case len(numbers) > 0:
		for x, err := range m.Messages(c.ctx, imap.AllUIDs(), 0) {
			if err != nil {
				return passed(err)
			}
			uids = append(uids, x.UID)
		}
	}
	for _, n := range numbers {
		n.in(uids)
	}
	s.mailbox, s.validity = st.Name, st.UIDValidity
	err = c.askFuzzy(s, st.Name)
	switch {
	case err != nil:
	case chosen:
		err = c.runSearch(s)
	default:
		err = c.searchIn(s, m, st.Name, imap.AllUIDs(), nil)
	}
	if err != nil {
		return passed(err)
	}
	c.tellESearch(s)
	if chosen && s.update {
		c.startUpdates(s)
	}
	return nil
}

// passed returns the errors that end a search of several mailboxes: that one has gone does not.
func passed(err error) error {
	if unreadable(err) {
		return nil
	}
	return err
}

// sources returns the mailboxes to search, by name, each once. Those that are named need not be listed: the right to read them is
// enough (RFC 7377 §2.2).
func (c *session) sources(sources []imap.SearchSource) ([]string, error) {
	boxes, err := c.mailboxes()
	if err != nil {
		return nil, err
	}
	var names []string
	listed := make(map[string]bool, len(boxes))
	for i := range boxes {
		m := &boxes[i].MailboxInfo
		listed[m.Name] = true
		if !m.NoSelect && slices.ContainsFunc(sources, func(s imap.SearchSource) bool { return c.covers(&s, m) }) {
			names = append(names, m.Name)
		}
	}
	for i := range sources {
		for _, name := range sources[i].Mailboxes {
			if !listed[name] {
				listed[name] = true
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// covers reports whether a mailbox is one of a source. Mail may be delivered to each, so that INBOXES is PERSONAL (RFC 5465 §6.3).
func (c *session) covers(s *imap.SearchSource, m *imap.MailboxInfo) bool {
	switch s.Filter {
	case imap.NotifySelected:
		return c.isSelected(m.ID)
	case imap.NotifyInboxes, imap.NotifyPersonal:
		return !c.account.IsOther(m.Name)
	case imap.NotifySubscribed:
		return m.Subscribed
	}
	return s.Covers(m.Name)
}
