package imapclient

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
)

// Body is the item that fetches a piece of a message without setting \Seen: "" is all of it, "HEADER" its header,
// "TEXT" its body, "1.2" a part, "1.2.MIME" the header of a part. Other items are made from imap.FetchItem.
func Body(section string) imap.FetchItem {
	it := imap.FetchItem{Att: imap.FetchBody, Peek: true}
	for section != "" {
		number, rest, _ := strings.Cut(section, ".")
		n, err := strconv.ParseUint(number, 10, 32)
		if err != nil {
			it.Section.Specifier = imap.Specifier(strings.ToUpper(section))
			break
		}
		it.Section.Part = append(it.Section.Part, uint32(n))
		section = rest
	}
	return it
}

// Preview is the item for the beginning of the text in one line, Message.Preview (RFC 8970). With lazy the server may leave it
// out where it takes time. It is for servers with PREVIEW.
func Preview(lazy bool) imap.FetchItem { return imap.FetchItem{Att: imap.FetchPreview, Lazy: lazy} }

// HeaderFields is the item that fetches fields of a message's header without setting \Seen.
func HeaderFields(names ...string) imap.FetchItem {
	return imap.FetchItem{Att: imap.FetchBody, Peek: true, Section: imap.Section{Specifier: imap.SectionFields, Fields: names}}
}

// Fetch yields what the server tells of the messages of uids that exist, in the order in which it does. fields are
// filled in, those left out that the server does not know (FieldModSeq without CONDSTORE, FieldIDs without OBJECTID,
// FieldSaveDate without SAVEDATE); items are in Message.Bodies.
//
// A *Message is valid until the next one; its fields may be kept, its bodies not. With an *ItemError comes the message
// as far as it was read, and the loop may go on; any other error comes with a nil Message and is the last. The loop may
// be left at any time: the rest is passed over, up to Limits.Discard.
func (c *Client) Fetch(ctx context.Context, uids imap.UIDSet, fields imap.Fields, items ...imap.FetchItem) iter.Seq2[*Message, error] {
	return c.FetchSince(ctx, uids, 0, fields, items...)
}

// FetchSince is Fetch for the messages that have changed after since (RFC 7162 §3.1.4.1). It needs CONDSTORE unless
// since is 0.
func (c *Client) FetchSince(ctx context.Context, uids imap.UIDSet, since imap.ModSeq, fields imap.Fields, items ...imap.FetchItem) iter.Seq2[*Message, error] {
	args, err := c.appendItems(nil, fields, items)
	switch {
	case len(uids) == 0:
		err = ErrArgument
	case since > 0 && !c.caps.Has("CONDSTORE") && !c.caps.Has("QRESYNC"):
		err = ErrUnsupported
	case since > 0:
		args = append(args, " (CHANGEDSINCE "...)
		args = append(strconv.AppendUint(args, uint64(since), 10), ')')
	}
	return c.fetch(ctx, byUID(uids, args), err)
}

// FetchPartial is Fetch for a window on the messages of a set that exist, the last 50 for example (RFC 9394). ErrUnsupported:
// the server has no PARTIAL.
func (c *Client) FetchPartial(ctx context.Context, uids imap.UIDSet, window imap.PartialRange, fields imap.Fields, items ...imap.FetchItem) iter.Seq2[*Message, error] {
	args, err := c.appendItems(nil, fields, items)
	switch {
	case len(uids) == 0 || window.First == 0 || window.Last == 0:
		err = ErrArgument
	case !c.caps.Has("PARTIAL"):
		err = ErrUnsupported
	}
	args = append(imap.AppendPartialRange(append(args, " (PARTIAL "...), window), ')')
	f := byUID(uids, args)
	f.whole = true
	return c.fetch(ctx, f, err)
}

// byUID is UID FETCH of a set, with what stands behind it.
func byUID(uids imap.UIDSet, tail []byte) fetching {
	return fetching{"UID FETCH", imap.AppendUIDSet(nil, uids), uids, tail, func(m *Message) bool { return m.UID != 0 && uids.Contains(m.UID) }, false}
}

// FetchSeq is Fetch by sequence numbers, 0 being "*", the last message: for the newest of a large mailbox. The numbers are
// those of Selected.Messages, and move with every EventExpunge. ErrUnsupported: UIDONLY is enabled (RFC 9586); FetchPartial does the
// same then.
func (c *Client) FetchSeq(ctx context.Context, seqs imap.SequenceSet, fields imap.Fields, items ...imap.FetchItem) iter.Seq2[*Message, error] {
	args, err := c.appendItems(nil, fields, items)
	last := uint32(0)
	if c.selected != nil {
		last = c.selected.Messages
	}
	switch {
	case len(seqs) == 0:
		err = ErrArgument
	case c.enabled.Has("UIDONLY"):
		err = ErrUnsupported
	}
	wanted := seqs.Resolve(last)
	return c.fetch(ctx, fetching{"FETCH", imap.AppendSequenceSet(nil, seqs), wanted, args,
		func(m *Message) bool { return wanted.Contains(imap.UID(m.Seq)) && m.UID != 0 }, false}, err)
}

// appendItems appends what FETCH is to ask for: the UID always.
func (c *Client) appendItems(dst []byte, fields imap.Fields, items []imap.FetchItem) ([]byte, error) {
	dst = append(dst, " (UID"...)
	condstore := c.caps.Has("CONDSTORE") || c.caps.Has("QRESYNC")
	for _, f := range [...]struct {
		field imap.Fields
		att   string
		known bool
	}{
		{imap.FieldFlags, "FLAGS", true},
		{imap.FieldInternalDate, "INTERNALDATE", true},
		{imap.FieldSize, "RFC822.SIZE", true},
		{imap.FieldModSeq, "MODSEQ", condstore},
		{imap.FieldSaveDate, "SAVEDATE", c.caps.Has("SAVEDATE")},
		{imap.FieldIDs, "EMAILID THREADID", c.caps.Has("OBJECTID")},
		{imap.FieldEnvelope, "ENVELOPE", true},
		{imap.FieldStructure, "BODYSTRUCTURE", true},
	} {
		if fields&f.field != 0 && f.known {
			dst = append(append(dst, ' '), f.att...)
		}
	}
	for i := range items {
		if !validItem(&items[i]) {
			return nil, ErrArgument
		}
		dst = imap.AppendFetchItem(append(dst, ' '), &items[i])
	}
	return append(dst, ')'), nil
}

// validItem reports whether an item is one that can be asked for: text of the caller's must not become another command.
func validItem(it *imap.FetchItem) bool {
	if i := strings.IndexByte(string(it.Att), '['); i >= 0 && it.Att != imap.FetchBody && it.Att != imap.FetchBinary && it.Att != imap.FetchBinarySize ||
		i < 0 && !imap.Flag(it.Att).Valid() {
		return false
	}
	s := &it.Section
	switch s.Specifier {
	case imap.SectionAll, imap.SectionHeader, imap.SectionText, imap.SectionMIME:
	case imap.SectionFields, imap.SectionFieldsNot:
		if len(s.Fields) == 0 || slices.ContainsFunc(s.Fields, func(f string) bool { return !imap.Flag(f).Valid() }) {
			return false
		}
	default:
		return false
	}
	return !slices.Contains(s.Part, 0) && (!s.Partial || s.Offset >= 0 && s.Length > 0)
}

// A fetching is one FETCH, or several of them where the server limits how many messages one works on.
type fetching struct {
	name   string
	set    []byte      // as the first command has it
	left   imap.UIDSet // the same, as numbers of the kind that name means
	tail   []byte      // behind the set
	wanted func(*Message) bool
	whole  bool // a part of it is an error
}

func (c *Client) fetch(ctx context.Context, f fetching, bad error) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		if bad != nil {
			yield(nil, bad)
			return
		}
		r := remainder{uids: f.left}
		for set := f.set; ; set = imap.AppendUIDSet(nil, r.uids) {
			cmd, left, err := c.fetchOnce(ctx, &f, set, yield)
			more := false
			switch {
			case left:
				return
			case err == nil && f.whole:
				err = cmd.whole()
			case err == nil:
				more, err = r.next(cmd)
			}
			if err != nil {
				yield(nil, err)
			}
			if err != nil || !more {
				return
			}
		}
	}
}

// fetchOnce runs one command. left: the caller has left the loop.
func (c *Client) fetchOnce(ctx context.Context, f *fetching, set []byte, yield func(*Message, error) bool) (cmd *command, left bool, err error) {
	if cmd, err = c.begin(ctx, f.name); err != nil {
		return nil, false, err
	}
	defer cmd.end()
	if err := cmd.send(append(append([]byte{' '}, set...), f.tail...), ""); err != nil {
		return nil, false, err
	}
	var uid, seq imap.UID // of the message with the lowest UID
	_, err = cmd.wait(func(r response) bool {
		if !r.isFetch() {
			return false
		}
		m := cmd.message(r)
		m.parse(!left)
		if c.err != nil || left {
			return true
		}
		itemErr, partial := errors.AsType[*ItemError](m.err)
		if !f.wanted(m) && !m.open && !partial {
			c.event(Event{Kind: EventFetch, Message: m})
			return true
		}
		var yielded error
		if partial {
			itemErr.UID = m.UID
			yielded = itemErr
		}
		if left = !cmd.pause(func() bool { return yield(m, yielded) }); left {
			cmd.abandon()
		}
		m.finish()
		if m.UID > 0 && (uid == 0 || m.UID < uid) {
			uid, seq = m.UID, imap.UID(m.Seq)
		}
		return true
	})
	if f.name == "FETCH" && cmd.limit.Lowest > 0 {
		cmd.limit.Lowest = seq
	}
	return cmd, left, err
}

// abandon bounds what is still read of a command that nobody listens to any more.
func (cmd *command) abandon() {
	cmd.discard = cmd.c.in.n + cmd.c.o.Limits.Discard
}
