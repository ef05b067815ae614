package imapclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/mailbricks/mailbricks/imap"
)

// maxCopied is how many UIDs of APPENDUID and COPYUID are kept.
const maxCopied = 1_000_000

// Store changes the flags of messages in one command. Messages whose modseq is above unchangedSince are left alone and
// returned in Stored.Modified, which needs CONDSTORE; imap.NoUnchangedSince tests nothing. Stored.ModSeq is the highest that
// the server told; Stored.Changed is left empty. An error may come with what was stored before, where MessageLimit makes several commands of it.
func (c *Client) Store(ctx context.Context, uids imap.UIDSet, change imap.FlagChange, unchangedSince imap.ModSeq) (*imap.Stored, error) {
	var args []byte
	if unchangedSince != imap.NoUnchangedSince {
		if !c.caps.Has("CONDSTORE") && !c.caps.Has("QRESYNC") {
			return nil, ErrUnsupported
		}
		args = append(args, " (UNCHANGEDSINCE "...)
		args = append(strconv.AppendUint(args, uint64(unchangedSince), 10), ')')
	}
	switch change.Op {
	case imap.FlagsSet:
		args = append(args, " FLAGS.SILENT "...)
	case imap.FlagsAdd:
		args = append(args, " +FLAGS.SILENT "...)
	case imap.FlagsRemove:
		args = append(args, " -FLAGS.SILENT "...)
	default:
		return nil, ErrArgument
	}
	if len(uids) == 0 || !validFlags(change.Flags) {
		return nil, ErrArgument
	}
	args = imap.AppendFlags(args, change.Flags)
	stored := &imap.Stored{}
	return stored, c.all(uids, func(uids imap.UIDSet) (*command, error) {
		return c.storeOnce(ctx, append(imap.AppendUIDSet([]byte{' '}, uids), args...), stored)
	})
}

// storeOnce runs one STORE, and adds to stored.
func (c *Client) storeOnce(ctx context.Context, args []byte, stored *imap.Stored) (*command, error) {
	cmd, err := c.begin(ctx, "UID STORE")
	if err != nil {
		return nil, err
	}
	defer cmd.end()
	status, err := cmd.run(args, func(r response) bool {
		if !r.isFetch() {
			return false
		}
		m := cmd.message(r)
		if m.parse(false); m.err == nil {
			stored.ModSeq = max(stored.ModSeq, m.ModSeq)
			c.event(Event{Kind: EventFetch, Message: m})
		}
		return true
	})
	if e, ok := errors.AsType[*Error](err); ok && e.Status.Code == imap.CodeModified {
		status, err = e.Status, nil // RFC 7162 §3.1.3: NO where some have gone too
	}
	if err != nil {
		return nil, err
	}
	if status.Code == imap.CodeModified {
		modified, err := imap.ParseUIDSet([]byte(status.Args))
		if err != nil {
			return nil, fmt.Errorf("imapclient: UID STORE: %w", err)
		}
		stored.Modified = stored.Modified.Union(modified)
	}
	return cmd, nil
}

func validFlags(flags []imap.Flag) bool {
	for _, f := range flags {
		if !f.Valid() {
			return false
		}
	}
	return true
}

// Expunge removes the messages of uids that have \Deleted, which needs UIDPLUS; with imap.AllUIDs all that have it. What
// has gone is told to Options.Unilateral.
func (c *Client) Expunge(ctx context.Context, uids imap.UIDSet) error {
	switch {
	case len(uids) == 0:
		return ErrArgument
	case len(uids) == 1 && uids[0] == imap.AllUIDs()[0]:
		_, err := c.simple(ctx, "EXPUNGE", nil)
		return err
	case !c.uidPlus():
		return ErrUnsupported
	}
	return c.all(uids, func(uids imap.UIDSet) (*command, error) {
		cmd, err := c.begin(ctx, "UID EXPUNGE")
		if err == nil {
			defer cmd.end()
			_, err = cmd.run(imap.AppendUIDSet([]byte{' '}, uids), nil)
		}
		return cmd, err
	})
}

func (c *Client) uidPlus() bool { return c.caps.Has("UIDPLUS") || c.rev2() }

// Copy copies messages to another mailbox. Where the server has no UIDPLUS, or does not tell it rightly, the result is empty.
func (c *Client) Copy(ctx context.Context, uids imap.UIDSet, to string) (*imap.Copied, error) {
	_, copied, err := c.copyTo(ctx, "UID COPY", uids, to)
	return copied, err
}

// Move moves messages to another mailbox, in one step with MOVE (RFC 6851), else with COPY, STORE and UID EXPUNGE, which
// needs UIDPLUS.
func (c *Client) Move(ctx context.Context, uids imap.UIDSet, to string) (*imap.Copied, error) {
	switch {
	case c.caps.Has("MOVE") || c.rev2():
		moved := &imap.Copied{}
		return moved, c.all(uids, func(uids imap.UIDSet) (*command, error) {
			cmd, copied, err := c.copyTo(ctx, "UID MOVE", uids, to)
			if err == nil && len(copied.To) > 0 {
				moved.UIDValidity = copied.UIDValidity
				moved.From, moved.To = append(moved.From, copied.From...), append(moved.To, copied.To...)
			}
			return cmd, err
		})
	case !c.uidPlus():
		return nil, ErrUnsupported
	}
	copied, err := c.Copy(ctx, uids, to)
	if err != nil {
		return nil, err
	}
	if _, err := c.Store(ctx, uids, imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, imap.NoUnchangedSince); err != nil {
		return copied, err
	}
	return copied, c.Expunge(ctx, uids)
}

func (c *Client) copyTo(ctx context.Context, name string, uids imap.UIDSet, to string) (*command, *imap.Copied, error) {
	if _, err := c.name(to); err != nil || len(uids) == 0 {
		return nil, nil, ErrArgument
	}
	cmd, err := c.begin(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	defer cmd.end()
	code := ""
	status, err := cmd.run(c.appendName(imap.AppendUIDSet([]byte{' '}, uids), to), func(r response) bool {
		if r.kind != "OK" { // RFC 6851 §4.3: MOVE tells COPYUID before the messages go
			return false
		}
		s := c.d.Status()
		if s.Code == imap.CodeCopyUID {
			code = s.Args
		}
		c.codes(&s)
		return true
	})
	if err != nil {
		return nil, nil, err
	}
	if status.Code == imap.CodeCopyUID {
		code = status.Args
	}
	copied, err := imap.ParseCopyUID(code, maxCopied)
	if err != nil { // it is done all the same: an error would make the caller do it again
		copied = &imap.Copied{}
	}
	return cmd, copied, nil
}

// multiAppend is how many messages one APPEND adds at most.
const multiAppend = 100

// Append adds messages to a mailbox, in one step with MULTIAPPEND if there are no more than 100, else one after the other.
// Their Size must be right: a Body of another length loses the connection, and nothing is added. Bodies are read once,
// when the server has asked for them. With an error come those that were added before. Where the server has no UIDPLUS, or
// does not tell it rightly, the result is empty.
func (c *Client) Append(ctx context.Context, mailbox string, msgs ...imap.AppendMessage) (*imap.Appended, error) {
	if _, err := c.name(mailbox); err != nil || len(msgs) == 0 {
		return nil, ErrArgument
	}
	for i := range msgs {
		if msgs[i].Size < 0 || msgs[i].Body == nil || !validFlags(msgs[i].Flags) {
			return nil, ErrArgument
		}
	}
	step := 1
	if c.caps.Has("MULTIAPPEND") {
		step = multiAppend
	}
	all := &imap.Appended{}
	for len(msgs) > 0 {
		n := min(step, len(msgs))
		a, err := c.appendTo(ctx, "APPEND", "", mailbox, msgs[:n])
		if err != nil {
			return all, err
		}
		all.UIDValidity, all.UIDs = a.UIDValidity, append(all.UIDs, a.UIDs...)
		msgs = msgs[n:]
	}
	return all, nil
}

// appendTo is a command that adds messages, args being what it has before the name of the mailbox.
func (c *Client) appendTo(ctx context.Context, command, args, mailbox string, msgs []imap.AppendMessage) (*imap.Appended, error) {
	cmd, err := c.begin(ctx, command)
	if err != nil {
		return nil, err
	}
	defer cmd.end()
	if err := cmd.write(c.appendName([]byte(cmd.tag+" "+command+args), mailbox), true, false); err != nil {
		return nil, err
	}
	for i := range msgs {
		if cmd.done == nil {
			if err := cmd.appendMessage(&msgs[i]); err != nil {
				return nil, err
			}
		}
	}
	return cmd.appended()
}

// appended ends a command that adds messages.
func (cmd *command) appended() (*imap.Appended, error) {
	c := cmd.c
	if cmd.done == nil {
		if err := cmd.put([]byte("\r\n"), true, true); err != nil {
			return nil, err
		}
	}
	var early *imap.Status // REPLACE tells it before the end (RFC 8508 §3.2)
	status, err := cmd.wait(func(r response) bool {
		if r.kind != "OK" {
			return false
		}
		s := c.d.Status()
		if s.Code == imap.CodeAppendUID {
			early = &s
		}
		c.codes(&s)
		return true
	})
	if err == nil && early != nil {
		status = early
	}
	switch {
	case err != nil:
		return nil, err
	case status.Code != imap.CodeAppendUID:
		return &imap.Appended{}, nil
	}
	a, err := imap.ParseAppendUID(status.Args, maxCopied)
	if err != nil { // it is done all the same: an error would make the caller do it again
		a = &imap.Appended{}
	}
	return a, nil
}

// maxUnasked is how long a message is that is sent without asking whether the server takes it.
const maxUnasked = 1 << 20

func (cmd *command) appendMessage(m *imap.AppendMessage) error {
	return cmd.appendBody(appendAttributes(nil, m.Flags, m.InternalDate), m.Size, m.Body)
}

// appendAttributes appends what stands before a message, with a space at both ends.
func appendAttributes(b []byte, flags []imap.Flag, date time.Time) []byte {
	b = append(b, ' ')
	if len(flags) > 0 {
		b = append(imap.AppendFlags(b, flags), ' ')
	}
	if !date.IsZero() {
		b = append(imap.AppendDateTime(b, date), ' ')
	}
	return b
}

// appendBody sends b and, behind it, a literal.
func (cmd *command) appendBody(b []byte, size int64, body io.Reader) error {
	unasked := cmd.c.nonSync(size, maxUnasked)
	if err := cmd.put(imap.AppendLiteralHeader(b, size, false, unasked), true, !unasked); err != nil {
		return err
	}
	if !unasked {
		if err := cmd.goAhead(); err != nil || cmd.done != nil {
			return err
		}
	}
	buf := make([]byte, min(size+1, 32<<10))
	for left := size; ; {
		n, err := body.Read(buf)
		if left -= int64(n); left < 0 || err == io.EOF && left > 0 {
			return cmd.lose(fmt.Errorf("imapclient: APPEND: a body is not of the %d octets that it was said to have", size))
		}
		if n > 0 {
			if err := cmd.put(buf[:n], true, false); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return cmd.lose(fmt.Errorf("imapclient: APPEND: reading a body: %w", err))
		}
	}
}

// Replace adds a message to a mailbox and removes the message uid of the one that is selected, in one step (RFC 8508).
// Size and Body are as for Append, and so is the result. ErrUnsupported: the server has no REPLACE; Append, Store and Expunge
// do the same in three.
func (c *Client) Replace(ctx context.Context, uid imap.UID, mailbox string, m imap.AppendMessage) (*imap.Appended, error) {
	if !c.caps.Has("REPLACE") {
		return nil, ErrUnsupported
	}
	if _, err := c.name(mailbox); err != nil || uid == 0 || m.Size < 0 || m.Body == nil || !validFlags(m.Flags) {
		return nil, ErrArgument
	}
	args := string(imap.AppendUIDs([]byte{' '}, []imap.UID{uid}))
	return c.appendTo(ctx, "UID REPLACE", args, mailbox, []imap.AppendMessage{m})
}

// A Part is a piece of a message that Catenate puts together: Size octets of Body or, where Body is nil, what URL names.
type Part struct {
	URL  imap.MessageURL
	Size int64
	Body io.Reader
}

// Catenate adds a message that the server puts together of texts and of pieces of messages that it has (RFC 4469): an attachment
// that is sent on does not cross the connection. Flags, date and the result are as for Append. ErrUnsupported: the server has no
// CATENATE; a *imap.Status with CodeBadURL names a URL that is none of a message or part.
func (c *Client) Catenate(ctx context.Context, mailbox string, flags []imap.Flag, date time.Time, parts ...Part) (*imap.Appended, error) {
	if !c.caps.Has("CATENATE") {
		return nil, ErrUnsupported
	}
	if _, err := c.name(mailbox); err != nil || len(parts) == 0 || !validFlags(flags) {
		return nil, ErrArgument
	}
	for _, p := range parts {
		if p.Body == nil && p.URL.UID == 0 || p.Size < 0 {
			return nil, ErrArgument
		}
	}
	cmd, err := c.begin(ctx, "APPEND")
	if err != nil {
		return nil, err
	}
	defer cmd.end()
	b := append(appendAttributes(c.appendName([]byte(cmd.tag+" APPEND"), mailbox), flags, date), "CATENATE ("...)
	for i, p := range parts {
		if i > 0 {
			b = append(b, ' ')
		}
		if p.Body == nil {
			b = imap.AppendString(append(b, "URL "...), string(imap.AppendMessageURL(nil, &p.URL)))
			continue
		}
		if err := cmd.appendBody(append(b, "TEXT "...), p.Size, p.Body); err != nil {
			return nil, err
		}
		if cmd.done != nil {
			return cmd.appended()
		}
		b = nil
	}
	if err := cmd.write(append(b, ')'), true, false); err != nil {
		return nil, err
	}
	return cmd.appended()
}
