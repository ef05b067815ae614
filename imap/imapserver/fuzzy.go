package imapserver

import (
	"slices"
	"strconv"

	"github.com/mailbricks/mailbricks/imap"
)

// A score is the sum of what some keys FUZZY say of a message.
type score struct{ sum, keys int }

// scoreOf returns the relevancy of a message that was found: the mean of what the keys FUZZY say that found it, 100 if it is there by
// others alone.
func (s *searching) scoreOf(u imap.UID) int {
	if x := s.scores[u]; x.keys > 0 {
		return x.sum / x.keys
	}
	return 100
}

// askFuzzy puts in the place of each key FUZZY the messages that the backend has for it in a mailbox (RFC 6203 §3).
func (c *session) askFuzzy(s *searching, mailbox string) error {
	if !s.c.UsesFuzzy() {
		sorts := slices.ContainsFunc(s.sort, func(k imap.SortKey) bool { return k.Key == imap.SortRelevancy })
		if s.relevancy || sorts { // RFC 6203 §4, §6
			return badCommand("RELEVANCY is of a search with FUZZY")
		}
		return nil
	}
	if c.box != nil {
		if err := c.current(); err != nil {
			return err
		}
	}
	s.scores = map[imap.UID]score{}
	s.c = cloned(s.c) // there may be other mailboxes to ask about
	return c.askFuzzyIn(s, mailbox, &s.c, true)
}

// cloned returns criteria of which the levels can be changed.
func cloned(c imap.SearchCriteria) imap.SearchCriteria {
	c.Not, c.Or = slices.Clone(c.Not), slices.Clone(c.Or)
	for i := range c.Not {
		c.Not[i] = cloned(c.Not[i])
	}
	for i := range c.Or {
		c.Or[i] = [2]imap.SearchCriteria{cloned(c.Or[i][0]), cloned(c.Or[i][1])}
	}
	return c
}

// askFuzzyIn is askFuzzy for some of the criteria. What is below NOT has no score.
func (c *session) askFuzzyIn(s *searching, mailbox string, k *imap.SearchCriteria, scored bool) error {
	fuzzy := k.Fuzzy
	k.Fuzzy = nil
	for i := range k.Not {
		if err := c.askFuzzyIn(s, mailbox, &k.Not[i], false); err != nil {
			return err
		}
	}
	for i := range k.Or {
		for j := range k.Or[i] {
			if err := c.askFuzzyIn(s, mailbox, &k.Or[i][j], scored); err != nil {
				return err
			}
		}
	}
	for i := range fuzzy {
		ask, whole := fuzzy[i].Indexable()
		if !whole { // only the server knows some of it: all of it is tested as it is
			k.Not = append(k.Not, imap.SearchCriteria{Not: []imap.SearchCriteria{fuzzy[i]}})
			continue
		}
		list, err := c.account.Fuzzy.SearchFuzzy(c.ctx, mailbox, ask)
		if err != nil {
			return err
		}
		found := imap.UIDSet{} // not nil, which is any
		for _, m := range list {
			found.Add(m.UID, m.UID)
			if scored {
				x := s.scores[m.UID]
				s.scores[m.UID] = score{x.sum + min(max(m.Relevancy, 1), 100), x.keys + 1}
			}
		}
		if k.UIDs != nil {
			found = append(imap.UIDSet{}, found.Intersect(k.UIDs)...)
		}
		k.UIDs, k.ModSeq = found, max(k.ModSeq, fuzzy[i].ModSeq)
	}
	return nil
}

// appendRelevancy appends the scores of what the response tells of, in its order (RFC 6203 §7): of all, or of PARTIAL.
func (s *searching) appendRelevancy(dst []byte) []byte {
	uids := slices.Collect(s.found.All())
	if s.sort != nil {
		uids = uids[:0]
		for i := range s.sorted {
			uids = append(uids, s.sorted[i].uid)
		}
	}
	if s.partial != nil {
		start, end := s.partial.Cut(int64(len(uids)))
		uids = uids[min(start, end):end]
	}
	dst = append(dst, " RELEVANCY ("...)
	for i, u := range uids {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = strconv.AppendInt(dst, int64(s.scoreOf(u)), 10)
	}
	return append(dst, ')')
}
