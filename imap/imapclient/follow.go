package imapclient

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/internal/backoff"
)

// A Follower watches one mailbox, or the counters of several, for as long as it takes: over connections of its own, one after the other. Whatever happened while
// there was none is told too, by the best that the server has: QRESYNC, CONDSTORE, or UIDs and flags compared (see Resync).
// Its fields are set before Changes or Watch is called.
type Follower struct {
	// Dial returns a connection that is logged in; required. The Follower closes it.
	Dial func(ctx context.Context) (*Client, error)
	// Mailbox is its name; "" is INBOX.
	Mailbox string
	// Known is where to go on: what Follower.State returned once. Zero: from now on, and nothing is told of what is there. A server
	// without CONDSTORE cannot tell which flags have changed since: all of them are told once.
	Known Known
	// Retry is how long to wait after failures in a row; nil: one second, doubled up to five minutes, each give or take a quarter.
	Retry func(failures int) time.Duration
	// Trouble, if not nil, is told of a connection that was lost or could not be had, and how long there is none.
	Trouble func(err error, wait time.Duration)

	state  Known                    // with events
	safe   Known                    // without those that are still to be told
	flags  map[imap.UID]string      // without CONDSTORE, of all messages
	events []Event                  // to be told
	noted  map[imap.UID]imap.ModSeq // of events: a server may answer with a message and tell of it besides
	stale  bool                     // something has happened that is not among them
}

// State returns what has been told so far, for Known another time: where changes come together, up to the last of those before, so
// that some may be told again. It is called by the goroutine that ranges over them, and afterwards.
func (f *Follower) State() Known { return f.safe }

// Changes yields what changes in the mailbox: an EventFetch with UID and flags for a message that is new or has changed, an
// EventVanished for messages that have gone, and an EventReset where the mailbox is another one than before (its UIDVALIDITY is), which
// is followed by an EventFetch for each of its messages. No change is left out or told twice; of several changes of one
// message the last is told. It ends with ctx, with the loop, or with an error that waiting does not mend, the last that is
// yielded: the login is refused, or the mailbox is not there.
func (f *Follower) Changes(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		f.state, f.safe = f.Known, f.Known
		if err := f.connections(ctx, func(c *Client) (bool, error) { return f.follow(ctx, c, yield) }); err != nil {
			yield(Event{}, err)
		}
	}
}

// Watch is Client.Watch over as many connections as it takes. What has changed while there was none is told when there is one again, and
// nothing is told twice. Mailbox and Known do not matter to it, and State is not of it.
func (f *Follower) Watch(ctx context.Context, mailboxes ...string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		w := &statuses{boxes: make(map[string]*watched), yield: yield}
		err := f.connections(ctx, func(c *Client) (bool, error) {
			w.c, w.began = c, false
			err := w.run(ctx, mailboxes)
			return w.began, err
		})
		if err != nil && !w.left {
			yield(Event{}, err)
		}
	}
}

// connections runs once over one connection after the other, until ctx ends or it is over, nil then, or with an error that waiting does
// not mend. began says that it was in step.
func (f *Follower) connections(ctx context.Context, once func(c *Client) (began bool, err error)) error {
	retry := f.Retry
	if retry == nil {
		s := backoff.Exponential(time.Second, 5*time.Minute)
		retry = func(failures int) time.Duration { return s.Delay(failures, rand.Float64) }
	}
	for failures := 1; ; failures++ {
		began, err := f.connection(ctx, once)
		switch {
		case err == nil || ctx.Err() != nil:
			return nil
		case final(err):
			return err
		case began:
			failures = 1
		}
		wait := retry(failures)
		if f.Trouble != nil {
			f.Trouble(err, wait)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// connection runs once over one connection.
func (f *Follower) connection(ctx context.Context, once func(c *Client) (began bool, err error)) (began bool, err error) {
	c, err := f.Dial(ctx)
	if c != nil {
		defer c.Close()
	}
	if err != nil {
		return false, err
	}
	return once(c)
}

// final reports whether an error is there to stay: the login or the mailbox was refused, and no code says that this may pass.
func final(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok && (e.Command == "LOGIN" || e.Command == "AUTHENTICATE" || e.Command == "SELECT") {
		switch e.Status.Code {
		case imap.CodeUnavailable, imap.CodeInUse, imap.CodeLimit, imap.CodeServerBug:
			return false
		}
		return e.Status.Type == imap.StatusNo || e.Status.Type == imap.StatusBad
	}
	return errors.Is(err, ErrNoTLS) || errors.Is(err, ErrArgument)
}

// follow follows the mailbox over one connection. began says that it was in step once. nil: the loop was left.
func (f *Follower) follow(ctx context.Context, c *Client, yield func(Event, error) bool) (began bool, err error) {
	name := f.Mailbox
	if name == "" {
		name = "INBOX"
	}
	if err := f.begin(ctx, c, name); err != nil {
		return false, err
	}
	for {
		for f.stale {
			if err := f.catchUp(ctx, c); err != nil {
				return true, err
			}
		}
		if !f.tell(yield) {
			return true, nil
		}
		if err := f.wait(ctx, c); err != nil {
			return true, err
		}
	}
}

// listen notes what the server tells during commands that are about something else.
func (f *Follower) listen(c *Client) {
	f.stale = false
	c.sink = func(e Event) { f.stale = f.stale || e.changes() }
}

// changes reports whether an event is about messages of the mailbox.
func (e *Event) changes() bool {
	return e.Kind == EventExists || e.Kind == EventExpunge || e.Kind == EventVanished || e.Kind == EventFetch
}

// begin opens the mailbox and gathers what has happened since State.
func (f *Follower) begin(ctx context.Context, c *Client, name string) error {
	f.listen(c)
	if f.state.UIDValidity == 0 {
		s, err := c.Select(ctx, name)
		if err != nil {
			return err
		}
		err = f.restart(ctx, c, s)
		f.drop(0) // it is how things are, not what changes
		return err
	}
	var all []Event
	s, err := c.Resync(ctx, name, f.state, func(e Event) { all = append(all, e) })
	if err != nil {
		return err
	}
	if s.UIDValidity != f.state.UIDValidity {
		if err := f.restart(ctx, c, s); err != nil {
			return err
		}
		f.events = slices.Insert(f.events, 0, Event{Kind: EventReset})
		return nil
	}
	next := f.copyState()
	for _, e := range all {
		f.note(&next, e)
	}
	next.ModSeq = max(next.ModSeq, s.HighestModSeq)
	f.state = next
	f.stale = f.stale || int64(s.Messages) != next.UIDs.Len() // QRESYNC was asked without them
	return nil
}

// restart forgets what was known, and gathers all messages.
func (f *Follower) restart(ctx context.Context, c *Client, s *Selected) error {
	f.listen(c) // Resync has listened for itself
	next := Known{UIDValidity: s.UIDValidity, ModSeq: s.HighestModSeq}
	f.flags = nil
	f.drop(0)
	for m, err := range c.Fetch(ctx, imap.AllUIDs(), wanted(&next)) {
		if err != nil {
			return err
		}
		f.note(&next, Event{Kind: EventFetch, Message: m})
	}
	f.state = next
	return nil
}

// wanted returns what is asked of messages: with their mod-sequences, where there are some, nobody needs to remember their flags.
func wanted(next *Known) imap.Fields {
	if next.ModSeq > 0 {
		return imap.FieldFlags | imap.FieldModSeq
	}
	return imap.FieldFlags
}

// wait returns when something happens.
func (f *Follower) wait(ctx context.Context, c *Client) error {
	for e, err := range c.Idle(ctx) {
		if err != nil {
			return err
		}
		if e.changes() {
			f.stale = true
			return nil
		}
	}
	return context.Cause(ctx)
}

// catchUp gathers what has changed in the mailbox that is selected.
func (f *Follower) catchUp(ctx context.Context, c *Client) error {
	f.listen(c)
	next, told := f.copyState(), len(f.events)
	err := f.gather(ctx, c, &next)
	if err != nil && next.ModSeq > 0 { // the rest of it may have changed before
		f.drop(told)
		return err
	}
	f.state = next
	return err
}

// gather takes in what has changed since next, as far as it gets.
func (f *Follower) gather(ctx context.Context, c *Client, next *Known) error {
	for m, err := range c.FetchSince(ctx, imap.AllUIDs(), next.ModSeq, wanted(next)) {
		if err != nil {
			return err
		}
		f.note(next, Event{Kind: EventFetch, Message: m})
	}
	if s := c.Selected(); s != nil && int64(s.Messages) == next.UIDs.Len() {
		return nil
	}
	there, err := c.Search(ctx, &imap.SearchCriteria{})
	if err == nil {
		f.note(next, Event{Kind: EventVanished, UIDs: next.UIDs.Minus(there)})
	}
	return err
}

// drop forgets all but the first n events.
func (f *Follower) drop(n int) { f.events, f.noted = f.events[:n], nil }

// copyState returns State, to be changed.
func (f *Follower) copyState() Known {
	next := f.state
	next.UIDs = slices.Clone(next.UIDs)
	return next
}

// note takes in an event, and keeps it for tell if it says something new.
func (f *Follower) note(next *Known, e Event) {
	switch e.Kind {
	case EventVanished:
		if e.UIDs = e.UIDs.Intersect(next.UIDs); len(e.UIDs) == 0 {
			return
		}
		next.UIDs = next.UIDs.Minus(e.UIDs)
		for uid := range f.flags {
			if e.UIDs.Contains(uid) {
				delete(f.flags, uid)
			}
		}
	case EventFetch:
		m := e.Message
		if m.UID == 0 {
			return
		}
		known := next.UIDs.Contains(m.UID)
		next.UIDs.Add(m.UID, m.UID)
		next.ModSeq = max(next.ModSeq, m.ModSeq)
		if m.ModSeq > 0 {
			if m.ModSeq <= f.noted[m.UID] {
				return
			}
			if f.noted == nil {
				f.noted = make(map[imap.UID]imap.ModSeq)
			}
			f.noted[m.UID] = m.ModSeq
		} else {
			text := flagText(m.Flags)
			if f.flags == nil {
				f.flags = make(map[imap.UID]string)
			}
			if old, ok := f.flags[m.UID]; known && ok && old == text {
				return
			}
			f.flags[m.UID] = text
		}
	}
	f.events = append(f.events, e)
}

// flagText is the same for the same flags.
func flagText(flags []imap.Flag) string {
	names := slices.Clone(flags)
	slices.Sort(names)
	var b []byte
	for _, n := range names {
		if n != imap.FlagRecent {
			b = append(append(b, n...), ' ')
		}
	}
	return string(b)
}

// tell yields what has been gathered. It is false once the loop is left.
func (f *Follower) tell(yield func(Event, error) bool) bool {
	events := f.events
	f.events, f.noted = nil, nil
	for i, e := range events {
		if i == len(events)-1 {
			f.safe = f.state
		}
		if !yield(e, nil) {
			return false
		}
	}
	f.safe = f.state
	return true
}
