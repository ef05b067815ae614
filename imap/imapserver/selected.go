package imapserver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
)

// A view is the selected mailbox as the client has been told of it. Sequence numbers live here and nowhere else.
type view struct {
	imap.Mailbox
	imap.MailboxInfo                    // its name follows a rename
	examined         bool               // EXAMINE, or nothing can be changed
	readOnly         bool               // the same, or without the rights
	uids             []imap.UID         // by sequence number, those in gone included
	gone             imap.UIDSet        // expunged, the client does not know yet
	modseq           imap.ModSeq        // changes up to here are in uids and gone, and flags have been told
	own              []ownChange        // changes of flags after modseq that the client knows of
	changed          imap.UIDSet        // flags have changed, the client does not know yet
	keywords         map[imap.Flag]bool // told in FLAGS, in every spelling met
	flags            []imap.Flag        // told in FLAGS
	uidValidity      uint32
	uidNext          imap.UID // when it was selected
	watch            *imap.Watch
	stale            bool        // there may be changes after modseq
	fresh, added     imap.UIDSet // new messages that NOTIFY fetches; those that this session has added, which it does not
	updated          []*updating // searches that are kept up to date
	touched, arrived imap.UIDSet // messages that have changed or come, and those that have come, which they do not know
	cancel           context.CancelFunc
}

// An ownChange is a change of flags by this session.
type ownChange struct {
	modseq imap.ModSeq
	uids   imap.UIDSet
}

func (c *session) selectBox() (*imap.Status, error) { return c.openBox(false) }
func (c *session) examine() (*imap.Status, error)   { return c.openBox(true) }

// openBox is SELECT and EXAMINE (RFC 9051 §6.3.2). A failure leaves no mailbox selected.
func (c *session) openBox(readOnly bool) (*imap.Status, error) {
	c.d.SP()
	name, err := c.mailboxName()
	var q *resync
	if c.d.Accept(' ') {
		c.d.List(func() { q = c.selectParam(q) })
	}
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	if c.box != nil {
		c.leave()
		c.respond("*", &imap.Status{Type: imap.StatusOK, Code: imap.CodeClosed, Text: "the mailbox before is closed"})
	}
	if err != nil {
		return nil, err
	}
	a := c.account
	v, err := c.load(name, readOnly || a.Flagger == nil && a.Expunger == nil)
	if err != nil {
		return nil, err
	}
	c.box, c.saved = v, nil
	if q != nil && q.validity == v.uidValidity {
		if err := c.tellResync(q); err != nil {
			c.leave()
			return nil, err
		}
	}
	if v.readOnly {
		return &imap.Status{Type: imap.StatusOK, Code: imap.CodeReadOnly, Text: "selected"}, nil
	}
	return &imap.Status{Type: imap.StatusOK, Code: imap.CodeReadWrite, Text: "selected"}, nil
}

// selectParam reads CONDSTORE, or QRESYNC with what the client knows (RFC 7162 §3.1.8, §3.2.5).
func (c *session) selectParam(q *resync) *resync {
	switch c.d.Keyword() {
	case "CONDSTORE":
		c.condstore = c.condstore || c.d.Err() == nil
		return q
	case "QRESYNC":
		if !c.qresync {
			c.d.Fail(&imap.Status{Type: imap.StatusBad, Text: "ENABLE QRESYNC first"})
		}
		return c.resyncParam()
	}
	c.d.Want("CONDSTORE or QRESYNC")
	return q
}

// load reads a mailbox and tells the client of it. The feed is watched from before, and the status is older than the
// list, so that nothing is missed: what is told twice does no harm.
func (c *session) load(name string, readOnly bool) (*view, error) {
	m, err := c.account.Store.OpenMailbox(c.ctx, name)
	if err != nil {
		return nil, err
	}
	v := &view{Mailbox: m, examined: readOnly, keywords: map[imap.Flag]bool{}}
	ctx, cancel := context.WithCancel(c.ctx)
	v.cancel = cancel
	v.watch = c.account.Watcher.Watch(ctx)
	unseen, err := c.scan(v)
	if err != nil {
		cancel()
		return nil, err
	}
	c.tellFlags(v.flags)
	c.untagged(strconv.Itoa(len(v.uids)), "EXISTS")
	if !c.rev2 {
		c.untagged("0 RECENT")
		if unseen > 0 && !c.uidOnly {
			c.ok(imap.CodeUnseen, strconv.Itoa(unseen), "first unseen")
		}
	}
	c.tellPermanent(v)
	c.ok(imap.CodeUIDValidity, strconv.FormatUint(uint64(v.uidValidity), 10), "UIDs are valid")
	c.ok(imap.CodeUIDNext, strconv.FormatUint(uint64(max(v.uidNext, v.last()+1)), 10), "next UID")
	c.ok(imap.CodeHighestModSeq, strconv.FormatUint(uint64(v.modseq), 10), "highest mod-sequence")
	if v.ID != "" {
		c.ok(imap.CodeMailboxID, "("+v.ID+")", "mailbox")
	}
	if c.rev2 {
		b := append(c.bw.AvailableBuffer(), `* LIST () "/" `...)
		_, _ = c.bw.Write(append(c.appendName(b, v.Name), "\r\n"...))
	}
	return v, nil
}

// scan fills the view, and returns the first message without \Seen.
func (c *session) scan(v *view) (unseen int, err error) {
	st, err := v.Mailbox.Status(c.ctx)
	if err != nil {
		return 0, err
	}
	v.MailboxInfo, v.uidValidity, v.uidNext = st.MailboxInfo, st.UIDValidity, st.UIDNext
	if v.NoSelect {
		return 0, fmt.Errorf("%w: it only holds others", imap.ErrNonexistent)
	}
	v.readOnly = c.unwritable(v)
	v.modseq = st.HighestModSeq
	v.uids = make([]imap.UID, 0, max(0, st.Messages))
	for _, f := range imap.SystemFlags() {
		v.learn(f)
	}
	for m, err := range v.Mailbox.Messages(c.ctx, imap.AllUIDs(), imap.FieldFlags) {
		if err != nil {
			return 0, err
		}
		v.uids = append(v.uids, m.UID)
		seen := false
		for _, f := range m.Flags {
			seen = seen || f == imap.FlagSeen
			v.learn(f)
		}
		if !seen && unseen == 0 {
			unseen = len(v.uids)
		}
	}
	return unseen, nil
}

// maxKeywords is how many flags FLAGS names at most: a client need not take more than imap.MaxFlags.
const maxKeywords = imap.MaxFlags - 1

// learn adds a flag to those that the client knows, and reports whether it was not among them.
func (v *view) learn(f imap.Flag) bool {
	if v.keywords[f] || len(v.keywords) >= 2*maxKeywords || len(v.flags) >= maxKeywords {
		return false
	}
	v.keywords[f] = true
	if lower := imap.Flag(strings.ToLower(string(f))); lower != f {
		if v.keywords[lower] {
			return false
		}
		v.keywords[lower] = true
	}
	v.flags = append(v.flags, f)
	return true
}

// announce tells FLAGS anew if there is one among flags that the client does not know (RFC 9051 §7.3.5).
func (c *session) announce(flags []imap.Flag) {
	fresh := false
	for _, f := range flags {
		fresh = c.box.learn(f) || fresh
	}
	if fresh {
		c.tellFlags(c.box.flags)
	}
}

func (c *session) tellFlags(flags []imap.Flag) {
	b := imap.AppendFlags(append(c.bw.AvailableBuffer(), "* FLAGS "...), flags)
	_, _ = c.bw.Write(append(b, "\r\n"...))
}

// unwritable reports whether the user's rights let nothing be changed in a mailbox (RFC 4314 §5.2).
func (c *session) unwritable(v *view) bool {
	rights := c.account.RightsTo(&v.MailboxInfo)
	return v.examined || rights&(imap.RightInsert|imap.RightExpunge|imap.FlagRights) == 0
}

// tellPermanent tells PERMANENTFLAGS: those that the user's rights let be changed (RFC 4314 §5.1.1).
func (c *session) tellPermanent(v *view) {
	var flags []imap.Flag
	if !v.readOnly && c.account.Flagger != nil {
		rights := c.account.RightsTo(&v.MailboxInfo)
		flags = slices.DeleteFunc(append(slices.Clip(v.flags), imap.FlagAny), func(f imap.Flag) bool { return !rights.Has(f.Right()) })
	}
	c.ok(imap.CodePermanentFlags, string(imap.AppendFlags(nil, flags)), "flags that are kept")
}

func (c *session) ok(code imap.Code, args, text string) {
	c.respond("*", &imap.Status{Type: imap.StatusOK, Code: code, Args: args, Text: text})
}

// leave deselects the mailbox.
func (c *session) leave() {
	if c.box != nil {
		if c.notify != nil && c.notify.watch != nil {
			c.notify.pending[c.box.ID] = true
		}
		c.box.cancel()
		c.box, c.saved = nil, nil
	}
}

// closeBox is CLOSE: messages with \Deleted go, and nothing is told of it.
func (c *session) closeBox() (*imap.Status, error) {
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	v := c.box
	if e := c.account.Expunger; e != nil && !v.readOnly {
		if err := c.current(); err != nil {
			return nil, err
		}
		_, err := e.Expunge(c.ctx, v.Name, imap.AllUIDs(), false)
		if err != nil && !errors.Is(err, imap.ErrNoPermission) { // RFC 4314 §4: that changes nothing for CLOSE
			return nil, err
		}
	}
	c.leave()
	return nil, nil
}

func (c *session) unselect() (*imap.Status, error) {
	if c.d.EOL(); c.d.Err() == nil {
		c.leave()
	}
	return nil, nil
}

// last returns the largest UID of the view.
func (v *view) last() imap.UID {
	if len(v.uids) == 0 {
		return 0
	}
	return v.uids[len(v.uids)-1]
}

// seq returns the sequence number of u, 0 if the client does not know it. from is a sequence number to begin at.
func (v *view) seq(u imap.UID, from int) int {
	if from > 0 && from < len(v.uids) && v.uids[from] == u { // the next one, mostly
		return from + 1
	}
	i, ok := slices.BinarySearch(v.uids, u)
	if !ok {
		return 0
	}
	return i + 1
}

// numbers returns the UIDs that a sequence set of the command means. A range of sequence numbers is the range of their
// UIDs: between them the client knows no others.
func (c *session) numbers(set imap.SequenceSet) (imap.UIDSet, error) {
	v := c.box
	if c.uid {
		return c.known(set), nil
	}
	n := uint32(len(v.uids))
	if n == 0 || set.Max() > n { // RFC 9051 §6.4.5, seq-number
		return nil, badCommand("no message has this number")
	}
	var out imap.UIDSet
	for _, r := range set.Resolve(n) {
		out.Add(v.uids[r.First-1], v.uids[r.Last-1])
	}
	return out, nil
}

// known returns the UIDs of a set up to the last one that the client knows.
func (c *session) known(set imap.SequenceSet) imap.UIDSet {
	last := c.box.last()
	if last == 0 {
		return nil
	}
	return set.Resolve(uint32(last)).Intersect(imap.UIDSet{{First: 1, Last: last}})
}

// sequenceSet reads a sequence set or "$", and returns what it means.
func (c *session) sequenceSet() (imap.UIDSet, error) {
	if c.d.Accept('$') {
		return c.saved, nil
	}
	set := c.d.SequenceSet()
	if c.d.Err() != nil {
		return nil, nil
	}
	return c.numbers(set)
}

// appendSet appends messages as the command names them, by UID or sequence number.
func (c *session) appendSet(dst []byte, uids imap.UIDSet) []byte {
	if c.uid {
		return imap.AppendUIDSet(dst, uids)
	}
	return imap.AppendUIDSet(dst, c.box.seqs(uids))
}

// seqs returns the sequence numbers of the UIDs that the client knows.
func (v *view) seqs(uids imap.UIDSet) imap.UIDSet {
	var out imap.UIDSet
	for _, r := range uids {
		first, _ := slices.BinarySearch(v.uids, r.First)
		last, ok := slices.BinarySearch(v.uids, r.Last)
		if ok {
			last++
		}
		if first < last {
			out.Add(imap.UID(first+1), imap.UID(last))
		}
	}
	return out
}

// count returns how many messages of the set the client knows.
func (v *view) count(uids imap.UIDSet) int64 { return v.seqs(uids).Len() }

// current notices a rename before the mailbox is written to by its name.
func (c *session) current() error {
	v := c.box
	for _, n := range v.watch.Take() {
		v.stale = v.stale || n.MailboxID == v.ID
	}
	if !v.stale {
		return nil
	}
	st, err := v.Mailbox.Status(c.ctx)
	if err == nil && st.UIDValidity != v.uidValidity {
		err = imap.ErrNonexistent
	}
	switch {
	case unreadable(err): // RFC 4314 §5.1.1
		c.over = true
		c.respond("*", &imap.Status{Type: imap.StatusBye, Text: "the selected mailbox was deleted"})
		return no(imap.CodeNonexistent, "the selected mailbox was deleted")
	case err != nil:
		return err
	}
	before := v.Rights
	if v.MailboxInfo = st.MailboxInfo; v.Rights == before {
		return nil
	}
	was := v.readOnly
	v.readOnly = c.unwritable(v)
	c.tellFlags(v.flags)
	c.tellPermanent(v)
	switch {
	case v.readOnly == was:
	case was:
		c.ok(imap.CodeReadWrite, "", "it can be changed now")
	default:
		c.ok(imap.CodeReadOnly, "", "it can no longer be changed")
	}
	return nil
}

// refused looks, after a command that was refused, whether it is for the selected mailbox, which is left then.
func (c *session) refused(err error) error {
	if c.box != nil && unreadable(err) {
		c.box.stale = true
		if gone := c.current(); gone != nil {
			return gone
		}
	}
	return err
}

// writable is asked before the mailbox is changed.
func (c *session) writable(role bool) error {
	switch {
	case c.box.readOnly:
		return imap.ErrReadOnly
	case !role:
		return imap.ErrCannot
	}
	return c.current()
}

// maxBatches is how many batches one UIDBATCHES tells of.
const maxBatches = 10_000

// uidBatches is UIDBATCHES (RFC 10022). It looks at the numbers that the session holds anyway: one look a batch, so that a client
// that asks again and again does no harm.
func (c *session) uidBatches() (*imap.Status, error) {
	c.d.SP()
	size := int64(c.d.NzNumber())
	first, last := int64(1), int64(1<<32)
	ranged := c.d.Accept(' ')
	if ranged {
		first = int64(c.d.NzNumber())
		c.d.Expect(':')
		last = int64(c.d.NzNumber())
	}
	switch c.d.EOL(); {
	case c.d.Err() != nil:
		return nil, nil
	case first > last: // RFC 10022 §3.1.5
		return nil, &imap.Status{Type: imap.StatusBad, Code: imap.CodeClientBug, Text: "invalid batch range"}
	case size < imap.MinUIDBatch:
		return nil, no(imap.CodeTooFew, "the minimum batch size is 500")
	}
	uids := c.box.uids
	n := (int64(len(uids)) + size - 1) / size // all batches
	last = min(last, n)
	if last-first >= maxBatches {
		return nil, no(imap.CodeTooMany, "too many batches at once")
	}
	var batches []imap.UIDRange
	for i := first; i <= last; i++ {
		high := int64(len(uids)) - (i-1)*size
		batches = append(batches, imap.UIDRange{First: uids[max(0, high-size)], Last: uids[high-1]})
	}
	b := append(c.bw.AvailableBuffer(), "* "...)
	_, _ = c.bw.Write(append(imap.AppendUIDBatches(b, c.tag, batches), "\r\n"...))
	return nil, c.sync(true)
}
