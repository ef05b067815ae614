package imapserver

import (
	"slices"
	"strconv"

	"github.com/mailbricks/mailbricks/imap"
)

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
	for m, err := range c.box.Mailbox.Messages(c.ctx, uids, want) {
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
		done, err = a.Mover.Move(c.ctx, c.box.Name, uids, to)
	case a.Copier == nil:
		return nil, imap.ErrCannot
	default:
		if err := c.current(); err != nil {
			return nil, err
		}
		done, err = a.Copier.Copy(c.ctx, c.box.Name, uids, to)
	}
	if err != nil {
		return nil, tryCreate(err)
	}
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
