package imapclient

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/imap"
)

// Watch yields what happens to the counters of mailboxes: an EventStatus for each that is there, and again when they have changed,
// with all that is known of them (Told); an EventListing where one is not there or has gone (\NonExistent), has come or has another name.
// It goes on until ctx ends or the loop is left; both leave the connection ready for more. Other methods must wait until then. An
// error is the last that is yielded; Follower.Watch goes on over another connection instead. What has happened in a mailbox, a Follower
// tells, or Resync.
//
// Over NOTIFY (RFC 5465) the server tells as it happens, over this one connection. Where it has none, refuses or has too much to
// tell, each mailbox is asked for with STATUS, all of them every Timeouts.Poll; a new name is then a mailbox that is not there.
//
// ErrArgument: a mailbox is selected, of which a server does not tell like this, or there is no mailbox to watch.
func (c *Client) Watch(ctx context.Context, mailboxes ...string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		w := &statuses{c: c, boxes: make(map[string]*watched), yield: yield}
		err := w.run(ctx, mailboxes)
		if err != nil && !w.left {
			yield(Event{}, err)
		}
	}
}

// statuses is one Watch.
type statuses struct {
	c     *Client
	boxes map[string]*watched // by name
	yield func(Event, error) bool
	left  bool
	began bool // everything has been told once, over this connection
}

// watched is what is known of a mailbox.
type watched struct {
	status imap.MailboxStatus
	told   []imap.StatusItem // which counters are
	seen   bool              // over this connection
	gone   bool              // and the caller knows
	news   bool              // the caller does not know yet
}

func (w *statuses) run(ctx context.Context, mailboxes []string) error {
	if w.c.selected != nil || len(mailboxes) == 0 {
		return ErrArgument
	}
	for _, name := range mailboxes {
		if _, err := w.c.name(name); err != nil {
			return err
		}
		if strings.EqualFold(name, "INBOX") {
			name = "INBOX"
		}
		if w.boxes[name] == nil {
			w.boxes[name] = &watched{}
		}
		w.boxes[name].seen = false
	}
	if w.c.caps.Has("NOTIFY") {
		if err := w.notified(ctx); err != nil {
			return err
		}
	}
	for !w.left && ctx.Err() == nil {
		if err := w.poll(ctx); err != nil {
			return err
		}
	}
	return nil
}

// notified is Watch over NOTIFY, for as long as the server tells.
func (w *statuses) notified(ctx context.Context) error {
	c := w.c
	messages := []imap.NotifyEvent{imap.NotifyMessageNew, imap.NotifyMessageExpunge, imap.NotifyFlagChange}
	c.sink = func(e Event) { w.note(e) }
	defer func() { c.sink = nil }()
	err := c.Notify(context.WithoutCancel(ctx), imap.Notify{Groups: []imap.NotifyGroup{{Filter: imap.NotifyMailboxes,
		Mailboxes: slices.Sorted(maps.Keys(w.boxes)), Events: append(messages, imap.NotifyMailboxName)}}})
	if e, ok := errors.AsType[*Error](err); ok && c.err == nil && e.Status.Type == imap.StatusNo {
		return nil
	}
	if err == nil {
		err = w.ask(ctx) // NOTIFY would not tell how many are unseen (RFC 5465 §3.1)
	}
	if err != nil {
		return err
	}
	c.sink = nil
	if ctx.Err() == nil && w.tell(true) {
		for e, err := range c.Idle(ctx) {
			if err != nil {
				return err
			}
			if e.Kind == EventOverflow || !w.take(e) {
				break
			}
		}
	}
	// From here on it is as without NOTIFY: what happens in a mailbox that is selected is told, and nothing else.
	return c.Notify(context.WithoutCancel(ctx), imap.Notify{Groups: []imap.NotifyGroup{{Filter: imap.NotifySelectedDelayed, Events: messages}}})
}

// take is note, and tells at once. It is false once the loop is left.
func (w *statuses) take(e Event) bool {
	if e.Kind != EventListing {
		w.note(e)
		return w.tell(false)
	}
	b := w.boxes[e.Listing.Name]
	if b == nil {
		if b = w.boxes[e.Listing.OldName]; b == nil {
			return true
		}
	}
	*b = watched{seen: true, gone: e.Listing.Has(`\NonExistent`)}
	w.left = !w.yield(e, nil)
	return !w.left
}

// note takes in the counters of a mailbox that is watched; anything else is for everybody.
func (w *statuses) note(e Event) {
	if e.Kind != EventStatus {
		if w.c.o.Unilateral != nil {
			w.c.o.Unilateral(e)
		}
		return
	}
	b := w.boxes[e.Status.Name]
	if b == nil {
		return
	}
	before, known := b.status, len(b.told)
	b.merge(e.Status, e.Told)
	b.seen, b.gone, b.news = true, false, b.news || before != b.status || known == 0
}

// merge takes over counters. With another UIDVALIDITY nothing that was known holds.
func (b *watched) merge(s *imap.MailboxStatus, told []imap.StatusItem) {
	if slices.Contains(told, imap.StatusUIDValidity) && s.UIDValidity != b.status.UIDValidity {
		*b = watched{}
	}
	b.status.Name = s.Name
	for _, item := range told {
		switch item {
		case imap.StatusMessages:
			b.status.Messages = s.Messages
		case imap.StatusUIDNext:
			b.status.UIDNext = s.UIDNext
		case imap.StatusUIDValidity:
			b.status.UIDValidity = s.UIDValidity
		case imap.StatusUnseen:
			b.status.Unseen = s.Unseen
		case imap.StatusHighestModSeq:
			b.status.HighestModSeq = s.HighestModSeq
		default:
			continue
		}
		if !slices.Contains(b.told, item) {
			b.told = append(b.told, item)
		}
	}
}

// tell yields what is new. With all, mailboxes that were not seen are not there. It is false once the loop is left.
func (w *statuses) tell(all bool) bool {
	for _, name := range slices.Sorted(maps.Keys(w.boxes)) {
		b := w.boxes[name]
		e := Event{Kind: EventListing, Listing: &imap.Listing{Name: name, Attrs: []string{`\NonExistent`}}}
		switch {
		case b.news:
			status := b.status
			e = Event{Kind: EventStatus, Status: &status, Told: slices.Clone(b.told)}
		case !all || b.gone || b.seen:
			continue
		}
		if b.news = false; e.Kind == EventListing {
			*b = watched{gone: true}
		}
		if !w.yield(e, nil) {
			w.left = true
			return false
		}
	}
	w.began = w.began || all
	return true
}

// ask asks for every mailbox. The end of ctx does not come over a command.
func (w *statuses) ask(ctx context.Context) error {
	items := []imap.StatusItem{imap.StatusMessages, imap.StatusUIDNext, imap.StatusUIDValidity, imap.StatusUnseen}
	if w.c.caps.Has("CONDSTORE") {
		items = append(items, imap.StatusHighestModSeq)
	}
	for _, name := range slices.Sorted(maps.Keys(w.boxes)) {
		if ctx.Err() != nil {
			return nil
		}
		s, err := w.c.Status(context.WithoutCancel(ctx), name, items...)
		if e, ok := errors.AsType[*Error](err); ok && w.c.err == nil && e.Status.Type == imap.StatusNo {
			*w.boxes[name] = watched{gone: w.boxes[name].gone}
			continue
		}
		if err != nil {
			return err
		}
		s.Name = name
		w.note(Event{Kind: EventStatus, Status: s, Told: items})
	}
	return nil
}

// poll asks for every mailbox, tells, and waits.
func (w *statuses) poll(ctx context.Context) error {
	if err := w.ask(ctx); err != nil || ctx.Err() != nil || !w.tell(true) {
		return err
	}
	t := time.NewTimer(w.c.o.Timeouts.Poll)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
	return nil
}
