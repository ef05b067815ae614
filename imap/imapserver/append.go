package imapserver

import (
	"errors"
	"io"
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
	st, err := c.add(name, nameErr, true)
	if err == nil {
		err = c.sync(true)
	}
	return st, err
}

// replace is REPLACE and UID REPLACE (RFC 8508): the new message is there before the old one goes.
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
	if err := c.writable(c.account.Expunger != nil); err != nil {
		return nil, err
	}
	if len(old) == 0 || c.box.seq(old[0].First, 0) == 0 || c.box.gone.Contains(old[0].First) {
		return nil, no(imap.CodeNonexistent, "no such message")
	}
	st, err := c.add(name, nameErr, false)
	if err != nil || st == nil {
		return nil, err
	}
	st.Text = "the replacement is there"
	c.respond("*", st)
	if err := c.current(); err != nil {
		return nil, err
	}
	gone, err := c.account.Expunger.Expunge(c.ctx, c.box.Name, old, true)
	if err != nil {
		return nil, err
	}
	c.gone(gone)
	return nil, c.sync(true)
}

// add reads the messages behind the name of a mailbox and adds them.
func (c *session) add(name string, nameErr error, several bool) (*imap.Status, error) {
	in := incoming{spool: spool.New(spool.Options{Max: -1})}
	defer in.close()
	for {
		c.d.SP()
		if err := c.receive(&in, name, nameErr); err != nil || c.d.Err() != nil {
			return nil, err
		}
		if !several || c.d.Peek() != ' ' {
			break
		}
	}
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	for i := range in.bodies { // the spool is complete
		in.msgs[i].Body = in.bodies[i]
	}
	done, err := c.account.Appender.Append(c.ctx, name, in.msgs)
	for _, b := range in.bodies {
		if at, _ := b.Seek(0, io.SeekCurrent); err == nil && at < b.Size() {
			err = errors.New("imapserver: the backend has not read the message to its end")
		}
	}
	if err != nil {
		return nil, tryCreate(err)
	}
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
	if err := c.mayAppend(in, name, nameErr, lit.Size); err != nil {
		return err
	}
	start := in.spool.Size()
	c.work(c.workUntil(start + lit.Size))
	r, err := lit.Open()
	if err != nil {
		return err
	}
	in.spool.Grow(lit.Size)
	if _, err := in.spool.ReadFrom(r); err != nil {
		return err
	}
	if wrapped {
		c.d.Expect(')')
	}
	m.Size = lit.Size
	in.msgs = append(in.msgs, m)
	in.bodies = append(in.bodies, io.NewSectionReader(in.spool, start, lit.Size))
	return nil
}

func (c *session) mayAppend(in *incoming, name string, nameErr error, size int64) error {
	switch {
	case nameErr != nil:
		return nameErr
	case c.account.Appender == nil:
		return imap.ErrCannot
	case size > c.s.maxMessage():
		return imap.ErrTooBig
	case size == 0: // RFC 3502 §6.3.11: cancelled
		return no(imap.CodeCannot, "an empty message")
	case len(in.msgs) == 0:
		_, err := c.account.Store.OpenMailbox(c.ctx, name)
		return tryCreate(err)
	case len(in.msgs) == maxAppends, in.spool.Size()+size > appendFactor*c.s.maxMessage():
		return no(imap.CodeLimit, "too many messages at once")
	}
	return nil
}
