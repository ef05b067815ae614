package imapserver

import (
	"errors"
	"io"
	"slices"
	"strconv"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/internal/spool"
)

const (
	// maxAppends is how many messages one APPEND adds.
	maxAppends = 1000
	// appendFactor is how long they are together, in lengths of the longest message.
	appendFactor = 4
)

// An incoming is the messages of one APPEND. They are kept until the command has ended: only then is it known that all of them
// are there, and that none was cancelled (RFC 3502 §6.3.11).
type incoming struct {
	spool  *spool.Buffer
	msgs   []imap.AppendMessage
	bodies []*io.SectionReader
}

func (in *incoming) close() { _ = in.spool.Close() }

// append is APPEND, of one message or of several (RFC 3502). Everything that can refuse a message does so before its octets are
// asked for; those of a non-synchronising literal, which come all the same, are passed over and never taken for commands.
func (c *session) append() (*imap.Status, error) {
	c.d.SP()
	name, nameErr := c.mailboxName()
	st, err := c.add(name, nameErr, nil)
	if err == nil {
		err = c.sync(true)
	}
	return st, err
}

// replace is REPLACE and UID REPLACE (RFC 8508).
func (c *session) replace() (*imap.Status, error) {
	c.d.SP()
	set := c.d.SequenceSet()
	if len(set) != 1 || set[0].First != set[0].Last {
		c.d.Want("one message")
	}
	var old imap.UIDSet
	var setErr error
	if c.d.Err() == nil {
		old, setErr = c.numbers(set)
	}
	c.d.SP()
	name, nameErr := c.mailboxName()
	switch {
	case c.d.Err() != nil:
		return nil, nil
	case setErr != nil:
		return nil, setErr
	}
	if err := c.writable(c.account.Replacer != nil); err != nil {
		return nil, err
	}
	if len(old) == 0 || c.box.seq(old[0].First, 0) == 0 || c.box.gone.Contains(old[0].First) {
		return nil, no(imap.CodeNonexistent, "no such message")
	}
	if err := c.current(); err != nil {
		return nil, err
	}
	st, err := c.add(name, nameErr, func(in *incoming) (imap.Appended, error) {
		done, err := c.account.Replacer.Replace(c.ctx, c.box.Name, old[0].First, name, in.msgs[0])
		if errors.Is(err, imap.ErrNoMessage) {
			err = no(imap.CodeNonexistent, "the message has gone")
		}
		return done, err
	})
	if err != nil || st == nil {
		return nil, err
	}
	st.Text = "the replacement is there"
	c.respond("*", st)
	c.gone(old)
	return nil, c.sync(true)
}

// add reads the messages behind the name of a mailbox and adds them; with one, it reads a single one and gives it to that.
func (c *session) add(name string, nameErr error, one func(*incoming) (imap.Appended, error)) (*imap.Status, error) {
	in := incoming{spool: spool.New(spool.Options{Max: -1})}
	defer in.close()
	for {
		c.d.SP()
		if err := c.receive(&in, name, nameErr); err != nil || c.d.Err() != nil {
			return nil, err
		}
		if one != nil || c.d.Peek() != ' ' {
			break
		}
	}
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	for i := range in.bodies { // the spool is complete
		in.msgs[i].Body = in.bodies[i]
	}
	var done imap.Appended
	var err error
	if one != nil {
		done, err = one(&in)
	} else {
		done, err = c.account.Appender.Append(c.ctx, name, in.msgs)
	}
	for _, b := range in.bodies {
		if at, _ := b.Seek(0, io.SeekCurrent); err == nil && at < b.Size() {
			err = errors.New("imapserver: the backend has not read the message to its end")
		}
	}
	if err != nil {
		return nil, tryCreate(err)
	}
	c.added(name, done.UIDValidity, done.UIDs)
	st := &imap.Status{Type: imap.StatusOK, Text: "APPEND completed"}
	if len(done.UIDs) > 0 {
		b := append(strconv.AppendUint(nil, uint64(done.UIDValidity), 10), ' ')
		st.Code, st.Args = imap.CodeAppendUID, string(imap.AppendUIDs(b, done.UIDs))
	}
	return st, nil
}

// receive reads one message with its flags and its date.
func (c *session) receive(in *incoming, name string, nameErr error) error {
	m := imap.AppendMessage{}
	if c.d.Peek() == '(' {
		m.Flags = storable(c.d, c.d.FlagList())
		c.d.SP()
	}
	if c.d.Peek() == '"' {
		m.InternalDate = c.d.DateTime()
		c.d.SP()
	}
	start := in.spool.Size()
	var err error
	if c.d.AcceptKeyword("CATENATE") {
		err = c.catenate(in, name, nameErr)
	} else {
		err = c.receiveText(in, name, nameErr)
	}
	if err != nil || c.d.Err() != nil {
		return err
	}
	m.Size = in.spool.Size() - start
	in.msgs = append(in.msgs, m)
	in.bodies = append(in.bodies, io.NewSectionReader(in.spool, start, m.Size))
	return nil
}

// receiveText reads a message that is one literal.
func (c *session) receiveText(in *incoming, name string, nameErr error) error {
	wrapped := c.accept && c.d.AcceptKeyword("UTF8") // RFC 9755 §4
	if wrapped {
		c.d.SP()
		c.d.Expect('(')
	}
	lit := c.d.Literal()
	if lit == nil || wrapped && !lit.Binary {
		c.d.Want("a literal")
	}
	if c.d.Err() != nil {
		return nil
	}
	if lit.Size == 0 { // RFC 3502 §6.3.11: cancelled
		return no(imap.CodeCannot, "an empty message")
	}
	if err := c.mayAppend(in, name, nameErr, lit.Size); err != nil {
		return err
	}
	if err := c.take(in, lit); err != nil {
		return err
	}
	if wrapped {
		c.d.Expect(')')
	}
	return nil
}

// take reads a literal.
func (c *session) take(in *incoming, lit *imap.Literal) error {
	c.work(c.workUntil(in.spool.Size() + lit.Size))
	r, err := lit.Open()
	if err != nil {
		return err
	}
	in.spool.Grow(lit.Size)
	_, err = in.spool.ReadFrom(r)
	return err
}

// mayAppend reports why a message of this size, so far, is not added.
func (c *session) mayAppend(in *incoming, name string, nameErr error, size int64) error {
	switch {
	case nameErr != nil:
		return nameErr
	case c.account.Appender == nil:
		return imap.ErrCannot
	case size > c.s.maxMessage():
		return imap.ErrTooBig
	case len(in.msgs) == 0 && in.spool.Size() == 0:
		_, err := c.account.Appender.Append(c.ctx, name, nil)
		return tryCreate(err)
	case c.s.Limits.maxSaves() > 0 && int64(len(in.msgs)) == c.s.Limits.maxSaves():
		return tooMany(c.s.Limits.maxSaves(), 0)
	case len(in.msgs) == maxAppends && c.s.Limits.maxSaves() == 0, in.spool.Size()+size > appendFactor*c.s.maxMessage():
		return no(imap.CodeLimit, "too many messages at once")
	}
	return nil
}

// store is STORE and UID STORE (RFC 9051 §6.4.6), with UNCHANGEDSINCE (RFC 7162 §3.1.3).
func (c *session) store() (*imap.Status, error) {
	c.d.SP()
	uids, setErr := c.sequenceSet()
	c.d.SP()
	unchanged := imap.NoUnchangedSince
	if c.d.Peek() == '(' {
		c.d.List(func() {
			if c.d.Keyword() != "UNCHANGEDSINCE" {
				c.d.Want("UNCHANGEDSINCE")
			}
			c.d.SP()
			unchanged = imap.ModSeq(c.d.Number64())
		})
		c.d.SP()
	}
	change, silent := c.flagChange()
	if c.d.EOL(); c.d.Err() != nil || setErr != nil {
		return nil, setErr
	}
	c.condstore = c.condstore || unchanged != imap.NoUnchangedSince
	if err := c.writable(c.account.Flagger != nil); err != nil {
		return nil, err
	}
	uids = c.most(uids)
	stored, err := c.account.Flagger.StoreFlags(c.ctx, c.box.Name, uids, change, unchanged)
	if err != nil {
		return nil, err
	}
	c.changedFlags(stored)
	if err := c.tellStored(&stored, uids, silent, unchanged != imap.NoUnchangedSince); err != nil {
		return nil, err
	}
	if err := c.sync(c.uid); err != nil {
		return nil, err
	}
	if len(stored.Modified) > 0 {
		return &imap.Status{Type: imap.StatusOK, Code: imap.CodeModified, Args: string(c.appendSet(nil, stored.Modified)), Text: "some have changed since"}, nil
	}
	return nil, nil
}

// flagChange reads FLAGS, +FLAGS or -FLAGS with their flags, in parentheses or not.
func (c *session) flagChange() (change imap.FlagChange, silent bool) {
	switch {
	case c.d.Accept('+'):
		change.Op = imap.FlagsAdd
	case c.d.Accept('-'):
		change.Op = imap.FlagsRemove
	}
	switch c.d.Keyword() {
	case "FLAGS":
	case "FLAGS.SILENT":
		silent = true
	default:
		c.d.Want("FLAGS or FLAGS.SILENT")
	}
	c.d.SP()
	if c.d.Peek() == '(' {
		change.Flags = c.d.FlagList()
	} else {
		change.Flags = append(change.Flags, c.d.Flag())
		for c.d.Accept(' ') {
			if len(change.Flags) == imap.MaxFlags {
				c.d.Fail(&imap.LimitError{What: "flags", Limit: imap.MaxFlags})
			}
			change.Flags = append(change.Flags, c.d.Flag())
		}
	}
	if c.d.Err() == nil {
		change.Flags = storable(c.d, change.Flags)
	}
	return change, silent
}

// tellStored sends the new flags, or the new mod-sequence alone where they are not wanted.
func (c *session) tellStored(s *imap.Stored, uids imap.UIDSet, silent, conditional bool) error {
	want := imap.FieldFlags
	if silent {
		uids = s.Changed
		if !c.condstore || len(uids) == 0 {
			return nil
		}
		want = 0
	}
	if c.condstore {
		want |= imap.FieldModSeq
	}
	uids = uids.Minus(s.Modified)
	if len(uids) == 0 {
		return nil
	}
	seq := 0
	for m, err := range c.messages(uids, want) {
		if err != nil {
			return err
		}
		if n := c.box.seq(m.UID, seq); n > 0 {
			seq = n
			c.tellFetch(n, m, c.uid || conditional || c.qresync, !silent)
		}
	}
	return nil
}

// expunge is EXPUNGE, and UID EXPUNGE (RFC 4315 §2.1).
func (c *session) expunge() (*imap.Status, error) {
	uids := imap.AllUIDs()
	if c.uid {
		c.d.SP()
		uids, _ = c.sequenceSet()
	}
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	if err := c.writable(c.account.Expunger != nil); err != nil {
		return nil, err
	}
	uids, err := c.mostDeleted(uids)
	if err != nil {
		return nil, err
	}
	gone, err := c.account.Expunger.Expunge(c.ctx, c.box.Name, uids, false)
	if err != nil {
		return nil, err
	}
	c.gone(gone)
	if err := c.sync(true); err != nil || !c.qresync {
		return nil, err
	}
	return &imap.Status{Type: imap.StatusOK, Code: imap.CodeHighestModSeq, Args: strconv.FormatUint(uint64(c.box.modseq), 10), Text: "EXPUNGE completed"}, nil
}

// mostDeleted returns those of uids that UID EXPUNGE may work on, which counts what it removes. EXPUNGE has no limit (RFC 9738 §3.1).
func (c *session) mostDeleted(uids imap.UIDSet) (imap.UIDSet, error) {
	limit := c.s.Limits.maxMessages()
	if !c.uid || limit == 0 || c.box.count(uids) <= limit {
		return uids, nil
	}
	var deleted imap.UIDSet
	for m, err := range c.box.Mailbox.Messages(c.ctx, uids, imap.FieldFlags) {
		if err != nil {
			return nil, err
		}
		if slices.Contains(m.Flags, imap.FlagDeleted) {
			deleted.Add(m.UID, m.UID)
		}
	}
	return c.most(deleted), nil
}

// gone takes messages that this session has expunged or moved out of the view; sync tells.
func (c *session) gone(uids imap.UIDSet) {
	v := c.box
	for _, r := range v.seqs(uids) {
		for n := r.First; n <= r.Last; n++ {
			v.gone.Add(v.uids[n-1], v.uids[n-1])
		}
	}
}

func (c *session) copy() (*imap.Status, error) { return c.transfer(false) }
func (c *session) move() (*imap.Status, error) { return c.transfer(true) }

// transfer is COPY and MOVE (RFC 9051 §6.4.7, §6.4.8), with COPYUID.
func (c *session) transfer(move bool) (*imap.Status, error) {
	c.d.SP()
	uids, err := c.sequenceSet()
	c.d.SP()
	to, nameErr := c.mailboxName()
	if c.d.EOL(); c.d.Err() != nil || err != nil {
		return nil, err
	}
	if nameErr != nil {
		return nil, nameErr
	}
	var done imap.Copied
	a := c.account
	switch {
	case move:
		if err := c.writable(a.Mover != nil); err != nil {
			return nil, err
		}
		done, err = a.Mover.Move(c.ctx, c.box.Name, c.most(uids), to, 0)
	case a.Copier == nil:
		return nil, imap.ErrCannot
	default:
		if err := c.current(); err != nil {
			return nil, err
		}
		if limit := c.s.Limits.maxSaves(); limit > 0 {
			if _, lowest := c.box.highest(uids, limit); lowest > 0 {
				return nil, tooMany(limit, lowest)
			}
		}
		done, err = a.Copier.Copy(c.ctx, c.box.Name, uids, to, 0)
	}
	if err != nil {
		return nil, tryCreate(err)
	}
	c.added(to, done.UIDValidity, done.To)
	st := &imap.Status{Type: imap.StatusOK, Text: "completed"}
	if len(done.To) > 0 {
		b := append(strconv.AppendUint(nil, uint64(done.UIDValidity), 10), ' ')
		b = append(imap.AppendUIDs(b, done.From), ' ')
		st.Code, st.Args = imap.CodeCopyUID, string(imap.AppendUIDs(b, done.To))
	}
	if !move {
		return st, c.sync(true)
	}
	if st.Code != "" { // before the EXPUNGE responses (RFC 6851 §4.3)
		c.respond("*", st)
		c.gone(imap.UIDs(done.From...))
	}
	return nil, c.sync(true)
}

// storable leaves out \Recent, and fails for flags that only a server may use.
func storable(d *imap.Decoder, flags []imap.Flag) []imap.Flag {
	if d.Err() != nil {
		return nil
	}
	system := imap.SystemFlags()
	return slices.DeleteFunc(flags, func(f imap.Flag) bool {
		switch {
		case f.Equal(imap.FlagRecent):
			return true
		case f[0] == '\\' && !slices.Contains(system, f):
			d.Want("a flag that can be stored")
		}
		return false
	})
}
