package imapserver

import (
	"errors"
	"slices"
	"strconv"

	"github.com/mailbricks/mailbricks/imap"
)

// A fetching is one FETCH: what is asked for, and what that needs.
type fetching struct {
	items   []imap.FetchItem
	labels  [][]byte     // what stands before the octets in the answer; nil for an item that is a field
	extra   []*FetchItem // items of Extensions, nil where there are none; else nil for the server's own
	call    *Call
	values  [][]byte // of extra
	want    imap.Fields
	body    bool        // some item reads the message
	seen    bool        // some item sets \Seen
	flags   bool        // FLAGS is among the items
	modseq  bool        // MODSEQ is
	since   imap.ModSeq // CHANGEDSINCE
	gone    bool        // VANISHED
	partial *imap.PartialRange
	changed imap.UIDSet // whose \Seen this command has set
	told    int64       // messages
	reader  reader      // of the message under way
}

// fetch is FETCH and UID FETCH (RFC 9051 §6.4.5), with CHANGEDSINCE (RFC 7162 §3.1.4.1).
func (c *session) fetch() (*imap.Status, error) {
	c.d.SP()
	var set imap.SequenceSet
	uids, setErr := c.saved, error(nil)
	if !c.d.Accept('$') {
		set = c.d.SequenceSet()
		uids, setErr = c.numbers(set)
	}
	c.d.SP()
	f := fetching{items: c.d.FetchItems(c.more.fetchNames()...)}
	if c.d.Accept(' ') {
		c.fetchModifiers(&f)
	}
	if c.d.EOL(); c.d.Err() != nil || setErr != nil {
		return nil, setErr
	}
	if f.gone {
		if err := c.tellGoneSince(set, f.since); err != nil {
			return nil, err
		}
	}
	if f.partial != nil {
		uids = c.partial(uids, *f.partial)
	}
	uids, err := c.mostFetched(&f, uids)
	if err != nil {
		return nil, err
	}
	f.plan(c)
	if f.seen && !c.box.readOnly && c.account.Flagger != nil {
		if err := c.setSeen(&f, uids); err != nil {
			return nil, err
		}
	}
	if err := c.tellMessages(&f, uids); err != nil {
		return nil, err
	}
	if err := c.sync(c.uid); err != nil {
		return nil, err
	}
	if !c.uid && f.since == 0 && f.told < c.box.count(uids) {
		c.box.stale = true
		return nil, no(imap.CodeExpungeIssued, "some of the messages have gone")
	}
	return nil, nil
}

// partial returns those of the messages of a set that a window on them means.
func (c *session) partial(uids imap.UIDSet, r imap.PartialRange) imap.UIDSet {
	var out imap.UIDSet
	seqs := c.box.seqs(uids)
	for _, r := range seqs.Slice(r.Cut(seqs.Len())) {
		out.Add(c.box.uids[r.First-1], c.box.uids[r.Last-1])
	}
	return out
}

// mostFetched returns those of uids that FETCH may work on: of CHANGEDSINCE, those that have changed.
func (c *session) mostFetched(f *fetching, uids imap.UIDSet) (imap.UIDSet, error) {
	limit := c.s.Limits.maxMessages()
	switch {
	case limit == 0 || c.box.count(uids) <= limit:
		return uids, nil
	case f.partial != nil: // RFC 9738 §3.1
		return nil, tooMany(limit, 0)
	case f.since > 0:
		var changed []imap.UID
		for ch, err := range c.box.Mailbox.Changes(c.ctx, f.since) {
			if errors.Is(err, imap.ErrModSeqTooOld) {
				return c.most(uids), nil
			}
			if err != nil {
				return nil, err
			}
			changed = append(changed, ch.UID)
		}
		uids = uids.Intersect(imap.UIDs(changed...))
	}
	return c.most(uids), nil
}

// plan finds out what the items need, and gives RFC822 and its like the form of BODY[...].
func (f *fetching) plan(c *session) {
	if c.uid || c.qresync { // RFC 7162 §3.2.4
		f.items = append([]imap.FetchItem{{Att: imap.FetchUID}}, f.items...)
	}
	if f.since > 0 {
		f.want |= imap.FieldModSeq
	}
	seen := map[imap.FetchAtt]bool{}
	f.items = slices.DeleteFunc(f.items, func(it imap.FetchItem) bool {
		plain := it.Att[len(it.Att)-1] != ']'
		twice := plain && seen[it.Att]
		seen[it.Att] = true
		return twice
	})
	f.labels = make([][]byte, len(f.items))
	f.plans(c)
	for i := range f.items {
		it := &f.items[i]
		switch it.Att {
		case imap.FetchFlags:
			f.want |= imap.FieldFlags
			f.flags = true
		case imap.FetchInternalDate:
			f.want |= imap.FieldInternalDate
		case imap.FetchSaveDate:
			f.want |= imap.FieldSaveDate
		case imap.FetchSize:
			f.want |= imap.FieldSize
		case imap.FetchEnvelope:
			f.want |= imap.FieldEnvelope
		case imap.FetchStructure, imap.FetchBodyStructure:
			f.want |= imap.FieldStructure
		case imap.FetchEmailID, imap.FetchThreadID:
			f.want |= imap.FieldIDs
		case imap.FetchModSeq:
			f.want |= imap.FieldModSeq
			f.modseq, c.condstore = true, true
		case imap.FetchRFC822Header:
			it.Peek, it.Section.Specifier = true, imap.SectionHeader
		case imap.FetchRFC822Text:
			it.Section.Specifier = imap.SectionText
		}
		switch it.Att {
		case imap.FetchRFC822, imap.FetchRFC822Header, imap.FetchRFC822Text:
			f.read(i, []byte(it.Att))
		case imap.FetchPreview:
			it.Peek = true
			f.read(i, []byte(it.Att))
		case imap.FetchBody, imap.FetchBinary, imap.FetchBinarySize:
			told := it.Section
			told.Length = 0
			f.read(i, imap.AppendSection([]byte(it.Att[:len(it.Att)-2]), &told))
		}
	}
}

// plans finds the items of Extensions.
func (f *fetching) plans(c *session) {
	for i := range f.items {
		x := c.more.fetchItem(f.items[i].Att)
		if x == nil {
			continue
		}
		if f.extra == nil {
			f.extra, f.values = make([]*FetchItem, len(f.items)), make([][]byte, len(f.items))
		}
		f.extra[i] = x
		f.want |= x.Fields
	}
}

// read notes that item i reads the message.
func (f *fetching) read(i int, label []byte) {
	f.body = true
	f.seen = f.seen || !f.items[i].Peek
	f.labels[i] = label
}

// setSeen sets \Seen before the messages are sent, in one step for all, so that the flags sent with them are right.
func (c *session) setSeen(f *fetching, uids imap.UIDSet) error {
	if err := c.current(); err != nil || len(uids) == 0 {
		return err
	}
	stored, err := c.account.Flagger.StoreFlags(c.ctx, c.box.Name, uids, imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagSeen}},
		imap.NoUnchangedSince)
	if errors.Is(err, imap.ErrReadOnly) || errors.Is(err, imap.ErrNoPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	f.changed = stored.Changed
	c.changedFlags(stored)
	if len(f.changed) > 0 {
		f.want |= imap.FieldFlags
		if c.condstore {
			f.want |= imap.FieldModSeq
		}
	}
	return nil
}

// changedFlags remembers a change of flags that the client is told of, or knows of, apart from sync.
func (c *session) changedFlags(s imap.Stored) {
	if len(s.Changed) > 0 {
		c.box.own = append(c.box.own, ownChange{s.ModSeq, s.Changed})
	}
	c.box.stale = c.box.stale || len(s.Changed)+len(s.Modified) > 0
}

// tellMessages sends FETCH for each message. What another session has expunged meanwhile is left out.
func (c *session) tellMessages(f *fetching, uids imap.UIDSet) error {
	seq := 0
	for m, err := range c.messages(uids, f.want) {
		if err != nil {
			return err
		}
		n := c.box.seq(m.UID, seq)
		if n == 0 || m.ModSeq <= f.since && f.since > 0 {
			continue
		}
		seq = n
		if err := c.tellMessage(f, n, m); err != nil {
			if errors.Is(err, imap.ErrNonexistent) {
				continue
			}
			return err
		}
		f.told++
	}
	return nil
}

// tellMessage sends FETCH for one message. The error of a message that cannot be read comes before its first octet is
// sent; later there is only the end of the connection.
func (c *session) tellMessage(f *fetching, seq int, m *imap.Message) error {
	var r *reader
	if f.body {
		var err error
		if r, err = c.openMessage(c.box.Mailbox, f, m.UID); err != nil {
			return err
		}
		defer r.Close()
	}
	if f.extra != nil {
		if err := c.values(f, m); err != nil {
			return err
		}
	}
	more := f.changed.Contains(m.UID)
	if f.flags || more {
		c.announce(m.Flags)
	}
	c.box.met(m.ModSeq)
	b := append(c.bw.AvailableBuffer(), "* "...)
	b = c.appendFetch(b, seq, m.UID)
	for i := range f.items {
		if i > 0 {
			b = append(b, ' ')
		}
		it := &f.items[i]
		if f.extra != nil && f.extra[i] != nil {
			b = append(append(append(b, it.Att...), ' '), f.values[i]...)
			continue
		}
		if f.labels[i] == nil {
			b = appendItem(b, it, m)
			continue
		}
		p := &r.pieces[i]
		b = p.appendHead(append(append(b, f.labels[i]...), ' '))
		if p.n == 0 || p.nothing || p.sizeOnly {
			continue
		}
		if _, err := c.bw.Write(b); err != nil {
			return err
		}
		if err := c.copyPiece(r, p); err != nil {
			c.log.Error("message broken off", "user", c.user, "mailbox", c.box.Name, "uid", m.UID, "err", err)
			c.over, c.answered = true, true // in the middle of a literal
			_ = c.nc.Close()
			return err
		}
		b = c.bw.AvailableBuffer()
	}
	if more && !f.flags {
		b = imap.AppendFlags(append(b, " FLAGS "...), m.Flags)
	}
	if more && c.condstore && !f.modseq {
		b = append(b, " MODSEQ ("...)
		b = append(strconv.AppendUint(b, uint64(m.ModSeq), 10), ')')
	}
	_, err := c.bw.Write(append(b, ")\r\n"...))
	return err
}

// appendItem appends an item that is a field of the message.
func appendItem(b []byte, it *imap.FetchItem, m *imap.Message) []byte {
	b = append(append(b, it.Att...), ' ')
	switch it.Att {
	case imap.FetchUID:
		return strconv.AppendUint(b, uint64(m.UID), 10)
	case imap.FetchFlags:
		return imap.AppendFlags(b, m.Flags)
	case imap.FetchInternalDate:
		return imap.AppendDateTime(b, m.InternalDate)
	case imap.FetchSaveDate:
		if m.SaveDate.IsZero() {
			return append(b, "NIL"...)
		}
		return imap.AppendDateTime(b, m.SaveDate)
	case imap.FetchSize:
		return strconv.AppendInt(b, m.Size, 10)
	case imap.FetchEnvelope:
		return imap.AppendEnvelope(b, m.Envelope)
	case imap.FetchStructure:
		return imap.AppendBodyStructure(b, m.Structure, true)
	case imap.FetchBodyStructure:
		return imap.AppendBodyStructure(b, m.Structure, false)
	case imap.FetchModSeq:
		return append(strconv.AppendUint(append(b, '('), uint64(m.ModSeq), 10), ')')
	case imap.FetchEmailID:
		return append(append(append(b, '('), m.EmailID...), ')')
	case imap.FetchThreadID:
		if m.ThreadID == "" {
			return append(b, "NIL"...)
		}
		return append(append(append(b, '('), m.ThreadID...), ')')
	}
	return append(b, "NIL"...)
}
