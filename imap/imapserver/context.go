package imapserver

import (
	"errors"
	"slices"

	"github.com/mailbricks/mailbricks/imap"
)

// An updating is a search in the selected mailbox whose results are told as they change (RFC 5267 §4.3).
type updating struct {
	tag     string
	uid     bool   // it is told in UIDs
	mailbox string // of ESEARCH, which tells it; ""
	c       imap.SearchCriteria
	fetch   []imap.FetchItem // of new messages that it finds (RFC 5465 §7)
	found   imap.UIDSet      // as the client has been told
	sort    []imap.SortKey   // of SORT
	sorted  []sorted         // found in its order
}

const (
	// maxUpdatedKeys is how many octets the keys of a search have at most, with sequence sets as UIDs.
	maxUpdatedKeys = 16 << 10
	// maxUpdateMembers is how many members one set of ADDTO or REMOVEFROM has.
	maxUpdateMembers = 10_000
)

// updating returns the search of a tag that is kept up to date, nil if there is none.
func (v *view) updating(tag string) *updating {
	for _, u := range v.updated {
		if u.tag == tag {
			return u
		}
	}
	return nil
}

// startUpdates keeps the results of s up to date from now on, or says that it does not.
func (c *session) startUpdates(s *searching) {
	if why := c.noUpdates(s); why != "" {
		c.tellNoUpdate(c.tag, why)
		return
	}
	c.box.updated = append(c.box.updated, &updating{tag: c.tag, uid: c.uid, mailbox: s.mailbox, c: s.c, fetch: s.fetch, found: s.found, sort: s.sort, sorted: s.sorted})
}

func errTagInUse() error { return badCommand("the tag is that of a search which is kept up to date") }

func (c *session) tellNoUpdate(tag, why string) {
	c.respond("*", &imap.Status{Type: imap.StatusNo, Code: imap.CodeNoUpdate, Args: string(imap.AppendQuoted(nil, tag)), Text: why})
}

// noUpdates returns why the results of s are not kept up to date, "" if they are.
func (c *session) noUpdates(s *searching) string {
	keys, err := imap.AppendSearchKeys(nil, &s.c)
	switch {
	case len(c.box.updated) >= def(c.s.Limits.Contexts, 16):
		return "too many contexts"
	case c.lowest > 0:
		return "part of the messages has been searched alone"
	case some(&s.c, func(c *imap.SearchCriteria) bool { return c.Older > 0 || c.Younger > 0 }):
		return "the results change as time goes by"
	case some(&s.c, func(c *imap.SearchCriteria) bool { return len(c.Other) > 0 }):
		return "nobody knows when the results change"
	case s.scores != nil:
		return "what is FUZZY is found once"
	case err != nil || len(keys) > maxUpdatedKeys:
		return "too many keys"
	case s.sort != nil && sortedMessages(c.box.updated)+len(s.sorted) > c.maxSorted():
		return "too many messages"
	}
	return ""
}

func (c *session) maxSorted() int { return def(c.s.Limits.ContextMessages, 50_000) }

// sortedMessages is how many messages those of SORT have found together.
func sortedMessages(all []*updating) (n int) {
	for _, u := range all {
		n += len(u.sorted)
	}
	return n
}

// some reports whether f is true of c or of criteria within.
func some(c *imap.SearchCriteria, f func(*imap.SearchCriteria) bool) bool {
	return f(c) || slices.ContainsFunc(c.Not, func(x imap.SearchCriteria) bool { return some(&x, f) }) ||
		slices.ContainsFunc(c.Or, func(x [2]imap.SearchCriteria) bool { return some(&x[0], f) || some(&x[1], f) })
}

// open is known for a search that is kept up to date: what goes from one of the messages that there are to "*" goes on to those that
// are yet to come.
func (c *session) open(set imap.SequenceSet) imap.UIDSet {
	last := uint32(c.box.last())
	set = slices.Clone(set)
	for i := range set {
		if r := &set[i]; (r.First == 0) != (r.Last == 0) && (last == 0 || max(r.First, r.Last) <= last) {
			*r = imap.SequenceRange{First: max(r.First, r.Last), Last: uint32(imap.MaxUID)}
		}
	}
	return set.Resolve(last)
}

// cancelUpdate is CANCELUPDATE (RFC 5267 §4.3.5). A tag for which nothing is told any more, or nothing was, does no harm.
func (c *session) cancelUpdate() (*imap.Status, error) {
	var tags []string
	c.d.SP()
	for {
		tags = append(tags, c.d.Quoted())
		if !c.d.Accept(' ') {
			break
		}
	}
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	c.box.updated = slices.DeleteFunc(c.box.updated, func(u *updating) bool { return slices.Contains(tags, u.tag) })
	return nil, c.sync(true)
}

// touch notes messages that have changed or come, for the searches that are kept up to date.
func (v *view) touch(changed, fresh imap.UIDSet) {
	if len(v.updated) > 0 {
		v.touched, v.arrived = v.touched.Union(changed).Union(fresh), v.arrived.Union(fresh)
	}
}

// A difference is what has come into the results of a search, and gone from them.
type difference struct {
	matcher *imap.Matcher
	in      []sorted
	out     imap.UIDSet
}

// tellUpdates sends ADDTO and REMOVEFROM. It tests those messages alone that have changed. Numbers are told before EXPUNGE changes
// them, and after EXISTS.
func (c *session) tellUpdates() error {
	v := c.box
	if len(v.updated) == 0 || len(v.touched)+len(v.gone) == 0 {
		v.touched, v.arrived = nil, nil
		return nil
	}
	all := make([]difference, len(v.updated))
	var want imap.Fields
	for i, u := range v.updated {
		all[i].matcher = u.c.Matcher()
		all[i].out = u.found.Intersect(v.gone)
		want |= u.c.Fields() | imap.SortFields(u.sort)
	}
	if look := v.touched.Minus(v.gone); len(look) > 0 {
		for m, err := range v.Mailbox.Messages(c.ctx, look, want) {
			if err == nil {
				err = c.compare(m, all)
			}
			if err != nil && !errors.Is(err, imap.ErrNonexistent) { // expunged meanwhile: to be told next
				return err
			}
		}
	}
	var kept []*updating
	for i, u := range v.updated {
		if err := c.tellUpdate(u, &all[i], v.arrived); err != nil {
			return err
		}
		if u.sort != nil && sortedMessages(kept)+len(u.sorted) > c.maxSorted() {
			c.tellNoUpdate(u.tag, "too many messages by now")
			continue
		}
		kept = append(kept, u)
	}
	v.updated, v.touched, v.arrived = kept, nil, nil
	return nil
}

// compare tests a message for every search that is kept up to date.
func (c *session) compare(m *imap.Message, all []difference) error {
	t := searchText{c: c, box: c.box.Mailbox, uid: m.UID}
	defer t.close()
	for i, u := range c.box.updated {
		ok, err := all[i].matcher.Match(m, &t)
		if err != nil {
			return err
		}
		switch had := u.found.Contains(m.UID); {
		case ok && !had:
			all[i].in = append(all[i].in, sorted{m.UID, imap.SortValues(u.sort, m)})
		case had && !ok:
			all[i].out.Add(m.UID, m.UID)
		}
	}
	return nil
}

// tellUpdate sends what has happened to the results of one search.
func (c *session) tellUpdate(u *updating, x *difference, arrived imap.UIDSet) error {
	if len(x.in)+len(x.out) == 0 {
		return nil
	}
	var in imap.UIDSet
	for i := range x.in {
		in.Add(x.in[i].uid, x.in[i].uid)
	}
	if fresh := in.Intersect(arrived); len(u.fetch) > 0 && len(fresh) > 0 {
		f := fetching{items: slices.Clone(u.fetch)}
		f.plan(c)
		if err := c.tellMessages(&f, fresh); err != nil {
			return err
		}
	}
	var updates []imap.SearchUpdate
	v := c.box
	if u.sort != nil {
		updates = u.reorder(x, v)
	} else {
		updates = append(u.update(x.out, true, v), u.update(in, false, v)...)
	}
	u.found = u.found.Minus(x.out).Union(in)
	b := c.appendESearch(c.bw.AvailableBuffer(), u.tag, u.mailbox, v.uidValidity)
	if u.uid {
		b = append(b, " UID"...)
	}
	_, _ = c.bw.Write(append(imap.AppendSearchUpdates(b, updates), "\r\n"...))
	return nil
}

// update returns the updates of a list in the order of the mailbox.
func (u *updating) update(set imap.UIDSet, remove bool, v *view) (out []imap.SearchUpdate) {
	if !u.uid {
		set = v.seqs(set)
	}
	for part := range slices.Chunk(set.Set(), maxUpdateMembers) {
		out = append(out, imap.SearchUpdate{Remove: remove, Numbers: part})
	}
	return out
}

// reorder changes the list of SORT, and returns how: one update for each run of neighbours, from the end for those that go, so that
// positions hold, and from the beginning for those that come.
func (u *updating) reorder(x *difference, v *view) (out []imap.SearchUpdate) {
	var run []imap.UID
	tell := func(remove bool, position int) {
		if len(run) > 0 {
			out = append(out, imap.SearchUpdate{Remove: remove, Position: uint32(position), Numbers: imap.Ordered(run)})
		}
		run = run[:0]
	}
	for end := len(u.sorted); len(x.out) > 0 && end > 0; end-- {
		start := end
		for start > 0 && x.out.Contains(u.sorted[start-1].uid) {
			start--
		}
		for _, s := range u.sorted[start:end] {
			run = append(run, u.number(s.uid, v))
		}
		tell(true, start+1)
		end = start
	}
	u.sorted = slices.DeleteFunc(u.sorted, func(s sorted) bool { return x.out.Contains(s.uid) })
	slices.SortFunc(x.in, u.order)
	merged := make([]sorted, 0, len(u.sorted)+len(x.in))
	old := u.sorted
	for len(x.in) > 0 {
		n, _ := slices.BinarySearchFunc(old, x.in[0], u.order)
		merged, old = append(merged, old[:n]...), old[n:]
		first := len(merged) + 1
		for len(x.in) > 0 && (len(old) == 0 || u.order(x.in[0], old[0]) < 0) {
			run = append(run, u.number(x.in[0].uid, v))
			merged, x.in = append(merged, x.in[0]), x.in[1:]
		}
		tell(false, first)
	}
	u.sorted = append(merged, old...)
	return out
}

// order is that of SORT.
func (u *updating) order(a, b sorted) int { return compareSorted(u.sort, a, b) }

// number returns how the client calls a message.
func (u *updating) number(uid imap.UID, v *view) imap.UID {
	if u.uid {
		return uid
	}
	return imap.UID(v.seq(uid, 0))
}
