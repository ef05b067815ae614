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
	if v.stale && c.notify.told(imap.NotifyMessageNew) {
		if err := c.pull(); err != nil {
			return err
		}
		v.stale = false
	}
	if !c.notify.told(imap.NotifyFlagChange) {
		v.changed = nil
	}
	if err := c.tellChanged(); err != nil {
		return err
	}
	if err := c.tellUpdates(); err != nil {
		return err
	}
	if err := c.tellFresh(); err != nil {
		return err
	}
	if expunge {
		c.tellGone()
	}
	return nil
}

// met notes a mod-sequence that the client is told. What has changed up to there must be told by the next sync: a client takes
// it that after it no lower one is to come, and the feed may be behind what the backend shows.
func (v *view) met(m imap.ModSeq) { v.stale = v.stale || m > v.modseq }

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
	var gone, changed, own, fresh []imap.UID
	for _, ch := range changes {
		v.modseq = max(v.modseq, ch.ModSeq)
		i, known := slices.BinarySearch(v.uids, ch.UID)
		switch {
		case ch.Expunged && known:
			gone = append(gone, ch.UID)
		case ch.Expunged:
		case known && i < had && v.mine(ch):
			own = append(own, ch.UID)
		case known && i < had:
			changed = append(changed, ch.UID)
		case known:
		case i >= had: // new ones come by mod-sequence, not by UID
			v.uids = slices.Insert(v.uids, i, ch.UID)
			fresh = append(fresh, ch.UID)
		}
	}
	v.gone, v.changed = v.gone.Union(imap.UIDs(gone...)), v.changed.Union(imap.UIDs(changed...))
	v.own = nil
	v.touch(imap.UIDs(append(own, changed...)...), imap.UIDs(fresh...))
	c.tellExists(had, imap.UIDs(fresh...))
	return nil
}

func (c *session) tellExists(had int, fresh imap.UIDSet) {
	v := c.box
	if n := len(v.uids); n > had {
		c.untagged(strconv.Itoa(n), "EXISTS")
	}
	if c.notify != nil {
		v.fresh = fresh.Minus(v.added)
	}
	v.added = nil
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
	var there, changed, fresh imap.UIDSet
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
			fresh.Add(m.UID, m.UID)
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
	v.touch(changed, fresh)
	c.tellExists(had, fresh)
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
	c.box.met(m.ModSeq)
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

// since returns which messages have gone since a mod-sequence, those too that came after it, for the client may have heard of
// them (RFC 7162 §3.2.6), and which have changed. What the client counts among its sequence numbers has not gone yet. Where the
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
		case x.Expunged && v.seq(x.UID, 0) == 0:
			g = append(g, x.UID)
		case x.Expunged:
		case x.UID <= v.last():
			ch = append(ch, x.UID)
		}
	}
	return imap.UIDs(g...), imap.UIDs(ch...), nil
}

func (c *session) sinceForgotten(m imap.ModSeq) (gone, changed imap.UIDSet, err error) {
	for x, err := range c.box.Mailbox.Messages(c.ctx, imap.AllUIDs(), imap.FieldModSeq) {
		if err != nil {
			return nil, nil, err
		}
		if x.ModSeq > m && x.UID <= c.box.last() {
			changed.Add(x.UID, x.UID)
		}
	}
	if next := c.box.uidNext; next > 1 {
		gone = imap.UIDSet{{First: 1, Last: next - 1}}.Minus(imap.UIDs(c.box.uids...))
	}
	return gone, changed, nil
}

// tellNews tells what has happened in every mailbox that the client listens for.
func (c *session) tellNews(expunge bool) error {
	if err := c.sync(expunge); err != nil {
		return &newsError{err}
	}
	c.notified()
	return c.bw.Flush()
}

// attend tells what happens until the first octet of the next line is there, and with now what has happened before. The error is
// the connection's, or that of what could not be told.
func (c *session) attend(expunge, now bool) error {
	// The one goroutine beside the session's ends with that octet, or with the deadline.
	input := make(chan error, 1)
	c.idling = true
	defer func() { c.idling = false }()
	go func() {
		_, err := c.br.Peek(1)
		input <- err
	}()
	for first := now; ; first = false {
		var ready <-chan struct{}
		if c.box != nil && c.notify.told(imap.NotifyMessageNew) {
			ready = c.box.watch.Ready()
		}
		if !first {
			c.park()
			select {
			case <-ready:
			case <-c.notify.ready():
			case err := <-input:
				c.unpark()
				return err
			}
			c.unpark()
		}
		if err := c.tellNews(expunge); err != nil {
			c.wait(longAgo())
			<-input
			return err
		}
	}
}

// A newsError is why what has happened could not be told.
type newsError struct{ err error }

func (e *newsError) Error() string { return "imapserver: news: " + e.err.Error() }
func (e *newsError) Unwrap() error { return e.err }

func isNews(err error) bool {
	_, ok := errors.AsType[*newsError](err)
	return ok
}

// idle is IDLE (RFC 2177): the change feed is told as it comes, until DONE.
func (c *session) idle() (*imap.Status, error) {
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	if err := c.sync(true); err != nil {
		return nil, err
	}
	c.notified()
	_, _ = c.bw.WriteString("+ idling\r\n")
	if err := c.bw.Flush(); err != nil {
		return nil, err
	}
	c.wait(c.idleUntil())
	err := c.attend(true, false)
	if news, ok := errors.AsType[*newsError](err); ok {
		c.over = true
		return nil, news.err
	}
	if err == nil {
		err = c.nextLine()
	}
	if err != nil {
		c.answered = true
		if c.soft.Err() != nil {
			err = errShutdown
		}
		c.end(err)
		c.over = true
		return nil, nil
	}
	if line := c.d.Line(); !equalFold(line, "DONE") || !c.d.AtEOL() {
		return nil, badCommand("want DONE")
	}
	return &imap.Status{Type: imap.StatusOK, Text: "IDLE terminated"}, nil
}
