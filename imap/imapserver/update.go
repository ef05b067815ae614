package imapserver

import (
	"errors"
	"slices"
	"strconv"

	"github.com/mailbricks/mailbricks/imap"
)

// sync tells the client what has happened in the selected mailbox: new messages, flags, and, where sequence numbers
// may change (RFC 9051 §7.5.1), expunged messages.
func (c *session) sync(expunge bool) error {
	v := c.box
	if v == nil {
		return nil
	}
	if err := c.current(); err != nil {
		return err
	}
	if v.stale {
		if err := c.pull(); err != nil {
			return err
		}
		v.stale = false
	}
	if err := c.tellChanged(); err != nil {
		return err
	}
	if expunge {
		c.tellGone()
	}
	return nil
}

// pull takes over the changes since v.modseq and tells of new messages.
func (c *session) pull() error {
	v := c.box
	var changes []imap.Change
	for ch, err := range v.Mailbox.Changes(c.ctx, v.modseq) {
		if errors.Is(err, imap.ErrModSeqTooOld) {
			return c.reload()
		}
		if err != nil {
			return err
		}
		changes = append(changes, ch)
	}
	had := len(v.uids)
	var gone, changed []imap.UID
	for _, ch := range changes {
		v.modseq = max(v.modseq, ch.ModSeq)
		i, known := slices.BinarySearch(v.uids, ch.UID)
		switch {
		case ch.Expunged && known:
			gone = append(gone, ch.UID)
		case ch.Expunged:
		case known:
			if i < had && !v.mine(ch) {
				changed = append(changed, ch.UID)
			}
		case i >= had: // new ones come by mod-sequence, not by UID
			v.uids = slices.Insert(v.uids, i, ch.UID)
		}
	}
	v.gone, v.changed = v.gone.Union(imap.UIDs(gone...)), v.changed.Union(imap.UIDs(changed...))
	v.own = nil
	c.tellExists(had)
	return nil
}

func (c *session) tellExists(had int) {
	if n := len(c.box.uids); n > had {
		c.untagged(strconv.Itoa(n), "EXISTS")
	}
}

// mine reports a change that this session has made.
func (v *view) mine(ch imap.Change) bool {
	for _, o := range v.own {
		if o.modseq == ch.ModSeq && o.uids.Contains(ch.UID) {
			return true
		}
	}
	return false
}

// reload compares the view with the whole mailbox, where the backend has forgotten what happened since.
func (c *session) reload() error {
	v := c.box
	st, err := v.Mailbox.Status(c.ctx)
	if err != nil {
		return err
	}
	var there, changed imap.UIDSet
	had := len(v.uids)
	uids := v.uids
	for m, err := range v.Mailbox.Messages(c.ctx, imap.AllUIDs(), imap.FieldModSeq) {
		if err != nil {
			return err
		}
		there.Add(m.UID, m.UID)
		switch {
		case m.UID > v.last():
			uids = append(uids, m.UID)
		case m.ModSeq > v.modseq:
			changed.Add(m.UID, m.UID)
		}
	}
	for _, u := range v.uids {
		if !there.Contains(u) {
			v.gone.Add(u, u)
		}
	}
	v.uids, v.own, v.changed = uids, nil, v.changed.Union(changed)
	v.modseq = max(v.modseq, st.HighestModSeq)
	c.tellExists(had)
	return nil
}

// tellChanged sends FETCH with the flags of messages that have changed.
func (c *session) tellChanged() error {
	v := c.box
	if len(v.changed) == 0 {
		return nil
	}
	want := imap.FieldFlags
	if c.condstore {
		want |= imap.FieldModSeq
	}
	seq := 0
	for m, err := range v.Mailbox.Messages(c.ctx, v.changed, want) {
		if err != nil {
			return err
		}
		if n := v.seq(m.UID, seq); n > 0 {
			seq = n
			c.tellFetch(n, m, true, true)
		}
	}
	v.changed = nil
	return nil
}

// tellFetch sends FETCH with flags and what goes with them.
func (c *session) tellFetch(seq int, m *imap.Message, uid, flags bool) {
	if flags {
		c.announce(m.Flags)
	}
	b := append(c.bw.AvailableBuffer(), "* "...)
	b = c.appendFetch(b, seq, m.UID)
	start := len(b)
	if uid {
		b = append(b, "UID "...)
		b = strconv.AppendUint(b, uint64(m.UID), 10)
	}
	if flags {
		if len(b) > start {
			b = append(b, ' ')
		}
		b = imap.AppendFlags(append(b, "FLAGS "...), m.Flags)
	}
	if c.condstore {
		if len(b) > start {
			b = append(b, ' ')
		}
		b = append(b, "MODSEQ ("...)
		b = append(strconv.AppendUint(b, uint64(m.ModSeq), 10), ')')
	}
	_, _ = c.bw.Write(append(b, ")\r\n"...))
}

// appendFetch appends the beginning of a FETCH response, or of UIDFETCH (RFC 9586 §3.3).
func (c *session) appendFetch(b []byte, seq int, uid imap.UID) []byte {
	if c.uidOnly {
		return append(strconv.AppendUint(b, uint64(uid), 10), " UIDFETCH ("...)
	}
	return append(strconv.AppendInt(b, int64(seq), 10), " FETCH ("...)
}

// tellGone sends EXPUNGE for the messages that have gone, from the last to the first, so that each number is the one
// that the client knows.
func (c *session) tellGone() {
	v := c.box
	if len(v.gone) == 0 {
		return
	}
	var seqs []int
	kept := v.uids[:0]
	for i, u := range v.uids {
		if v.gone.Contains(u) {
			seqs = append(seqs, i+1)
		} else {
			kept = append(kept, u)
		}
	}
	if c.qresync || c.uidOnly {
		c.tellVanished("", v.gone)
		seqs = nil
	}
	for _, n := range slices.Backward(seqs) {
		b := append(c.bw.AvailableBuffer(), "* "...)
		b = strconv.AppendInt(b, int64(n), 10)
		_, _ = c.bw.Write(append(b, " EXPUNGE\r\n"...))
	}
	v.uids, v.gone = kept, nil
}

// tellVanished sends VANISHED (RFC 7162 §3.2.10).
func (c *session) tellVanished(earlier string, uids imap.UIDSet) {
	if len(uids) == 0 {
		return
	}
	b := append(append(c.bw.AvailableBuffer(), "* VANISHED "...), earlier...)
	_, _ = c.bw.Write(append(imap.AppendUIDSet(b, uids), "\r\n"...))
}

// A resync is what a client that comes back says it knows of a mailbox.
type resync struct {
	validity uint32
	since    imap.ModSeq
	known    imap.UIDSet // nil: every UID
}

// resyncParam reads the parameters of QRESYNC. The match of sequence numbers only saves octets, and is not used.
func (c *session) resyncParam() *resync {
	var q resync
	c.d.SP()
	c.d.Expect('(')
	q.validity = c.d.NzNumber()
	c.d.SP()
	q.since = imap.ModSeq(c.d.Number64())
	more := c.d.Accept(' ')
	if more && c.d.Peek() != '(' {
		q.known = c.d.SequenceSet().Resolve(uint32(imap.MaxUID))
		more = c.d.Accept(' ')
	}
	if more && c.uidOnly { // RFC 9586 §3.7
		c.d.Fail(errUIDRequired())
	}
	if more {
		c.d.Expect('(')
		c.d.SequenceSet()
		c.d.SP()
		c.d.SequenceSet()
		c.d.Expect(')')
	}
	c.d.Expect(')')
	return &q
}

// tellResync tells what has happened to the messages that the client knows.
func (c *session) tellResync(q *resync) error {
	gone, changed, err := c.since(q.since)
	if err != nil {
		return err
	}
	if q.known != nil {
		gone, changed = gone.Intersect(q.known), changed.Intersect(q.known)
	}
	c.tellVanished("(EARLIER) ", gone)
	c.box.changed = changed
	return c.tellChanged()
}

// fetchModifiers reads CHANGEDSINCE and VANISHED (RFC 7162 §3.1.4.1, §3.2.6).
func (c *session) fetchModifiers(f *fetching) {
	c.d.List(func() {
		switch c.d.Keyword() {
		case "CHANGEDSINCE":
			c.d.SP()
			f.since = imap.ModSeq(c.d.Number64())
			c.condstore = true
			f.items = append(f.items, imap.FetchItem{Att: imap.FetchModSeq})
		case "VANISHED":
			f.gone = true
		case "PARTIAL":
			c.d.SP()
			r := c.d.PartialRange()
			if f.partial != nil || !c.uid { // RFC 9394 §3.3
				c.d.Want("one PARTIAL, in UID FETCH")
			}
			f.partial = &r
		default:
			c.d.Want("CHANGEDSINCE, VANISHED or PARTIAL")
		}
	})
	if f.gone && (!c.uid || !c.qresync || f.since == 0) {
		c.d.Fail(&imap.Status{Type: imap.StatusBad, Text: "VANISHED needs UID FETCH, CHANGEDSINCE and ENABLE QRESYNC"})
	}
}

// tellGoneSince sends VANISHED (EARLIER) for the messages of a set of UIDs that have gone since a mod-sequence.
func (c *session) tellGoneSince(set imap.SequenceSet, since imap.ModSeq) error {
	gone, _, err := c.since(since)
	if err == nil {
		c.tellVanished("(EARLIER) ", gone.Intersect(set.Resolve(uint32(imap.MaxUID))))
	}
	return err
}

// since returns which of the messages that there were at a mod-sequence have gone, and which have changed. Where the
// backend has forgotten, every UID in use so far that is no longer there has gone (RFC 7162 §3.2.5.1).
func (c *session) since(m imap.ModSeq) (gone, changed imap.UIDSet, err error) {
	v := c.box
	var g, ch []imap.UID
	for x, err := range v.Mailbox.Changes(c.ctx, m) {
		if errors.Is(err, imap.ErrModSeqTooOld) {
			return c.sinceForgotten(m)
		}
		switch {
		case err != nil:
			return nil, nil, err
		case x.Expunged && !x.Added:
			g = append(g, x.UID)
		case !x.Expunged && x.UID <= v.last():
			ch = append(ch, x.UID)
		}
	}
	return imap.UIDs(g...), imap.UIDs(ch...), nil
}

func (c *session) sinceForgotten(m imap.ModSeq) (gone, changed imap.UIDSet, err error) {
	var there imap.UIDSet
	for x, err := range c.box.Mailbox.Messages(c.ctx, imap.AllUIDs(), imap.FieldModSeq) {
		if err != nil {
			return nil, nil, err
		}
		there.Add(x.UID, x.UID)
		if x.ModSeq > m && x.UID <= c.box.last() {
			changed.Add(x.UID, x.UID)
		}
	}
	if next := c.box.uidNext; next > 1 {
		gone = imap.UIDSet{{First: 1, Last: next - 1}}.Minus(there)
	}
	return gone, changed, nil
}

// idle is IDLE (RFC 2177): the change feed is told as it comes, until DONE.
func (c *session) idle() (*imap.Status, error) {
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	if err := c.sync(true); err != nil {
		return nil, err
	}
	_, _ = c.bw.WriteString("+ idling\r\n")
	if err := c.bw.Flush(); err != nil {
		return nil, err
	}
	// The one goroutine beside the session's waits for a first octet; it ends with it, or with the deadline.
	input := make(chan error, 1)
	c.wait(c.idleUntil())
	c.idling = true
	defer func() { c.idling = false }()
	go func() {
		_, err := c.br.Peek(1)
		input <- err
	}()
	var ready <-chan struct{}
	if c.box != nil {
		ready = c.box.watch.Ready()
	}
	var failed error
	for {
		c.park()
		select {
		case <-ready:
			c.unpark()
			err := c.sync(true)
			if err == nil {
				err = c.bw.Flush()
			}
			if err == nil {
				continue
			}
			failed = err
			c.wait(longAgo())
			<-input
		case err := <-input:
			c.unpark()
			c.idling = false
			if err == nil {
				err = c.next()
			}
			if err != nil {
				c.over = true
				c.answered = true
				if c.soft.Err() != nil {
					err = errShutdown
				}
				c.end(err)
				return nil, nil
			}
			if line := c.d.Line(); !equalFold(line, "DONE") || !c.d.AtEOL() {
				return nil, badCommand("want DONE")
			}
			return &imap.Status{Type: imap.StatusOK, Text: "IDLE terminated"}, nil
		}
		c.over = true
		return nil, failed
	}
}
