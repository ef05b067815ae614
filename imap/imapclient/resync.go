package imapclient

import (
	"context"
	"strconv"

	"github.com/mailbricks/mailbricks/imap"
)

// Known is what a client remembers of a mailbox.
type Known struct {
	UIDValidity uint32
	// ModSeq is Selected.HighestModSeq of then; 0: not known.
	ModSeq imap.ModSeq
	// UIDs are the messages that there were. Without them only a server with QRESYNC can tell which have gone.
	UIDs imap.UIDSet
}

// Resync opens a mailbox as Select does and gives changed what has happened since: EventVanished for messages that have
// gone, which may name others that were never known, and EventFetch with UID and flags for messages that are new or have
// changed, or may have. It takes one command with QRESYNC (RFC 7162 §3.2.5), which it enables; else it asks for what has
// changed with CONDSTORE, and for everybody's flags where there is not even that, and compares the UIDs.
//
// If Selected.UIDValidity is not that of known, nothing was given to changed: all that is known of the mailbox is void.
// changed must not use the Client.
func (c *Client) Resync(ctx context.Context, mailbox string, known Known, changed func(Event)) (*Selected, error) {
	if known.UIDValidity == 0 {
		return nil, ErrArgument
	}
	if c.caps.Has("QRESYNC") && known.ModSeq > 0 {
		return c.qresync(ctx, mailbox, known, changed)
	}
	s, err := c.Select(ctx, mailbox)
	if err != nil || s.UIDValidity != known.UIDValidity {
		return s, err
	}
	var there imap.UIDSet
	since := known.ModSeq
	if s.HighestModSeq == 0 || !c.caps.Has("CONDSTORE") && !c.caps.Has("QRESYNC") {
		since = 0
	}
	for m, err := range c.FetchSince(ctx, imap.AllUIDs(), since, imap.FieldFlags|imap.FieldModSeq) {
		if err != nil {
			return nil, err
		}
		there.Add(m.UID, m.UID)
		changed(Event{Kind: EventFetch, Message: m})
	}
	if since > 0 && known.UIDs != nil {
		if there, err = c.Search(ctx, &imap.SearchCriteria{}); err != nil {
			return nil, err
		}
	}
	if gone := known.UIDs.Minus(there); len(gone) > 0 {
		changed(Event{Kind: EventVanished, UIDs: gone})
	}
	return c.Selected(), nil
}

func (c *Client) qresync(ctx context.Context, mailbox string, known Known, changed func(Event)) (*Selected, error) {
	if !c.enabled.Has("QRESYNC") {
		if _, err := c.Enable(ctx, "QRESYNC"); err != nil {
			return nil, err
		}
	}
	params := append([]byte(" (QRESYNC ("), strconv.FormatUint(uint64(known.UIDValidity), 10)...)
	// Without the known UIDs, for with them the server leaves out what is new (RFC 7162 §3.2.5.2).
	params = strconv.AppendUint(append(params, ' '), uint64(known.ModSeq), 10)
	c.sink = func(e Event) {
		switch e.Kind {
		case EventFetch, EventVanished:
			changed(e)
		default:
			if c.o.Unilateral != nil {
				c.o.Unilateral(e)
			}
		}
	}
	defer func() { c.sink = nil }()
	return c.open(ctx, "SELECT", mailbox, string(append(params, "))"...)))
}
