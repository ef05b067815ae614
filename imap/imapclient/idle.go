package imapclient

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/imap"
)

// Idle yields what happens in the selected mailbox, and what else Notify has asked for, until ctx ends or the loop is left; both
// leave the connection ready for more. It renews IDLE (RFC 2177) before servers give up on it, and asks every now and then with NOOP where there is
// no IDLE. Other methods must wait until the loop is left. An error is the last that is yielded.
func (c *Client) Idle(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if c.err != nil || c.cmd != nil {
			_, err := c.begin(ctx, "IDLE")
			yield(Event{}, err)
			return
		}
		w := &watch{c: c, ctx: ctx, yield: yield}
		defer func() { c.sink = nil }()
		c.sink = w.event
		var err error
		for err == nil && !w.left && ctx.Err() == nil {
			if c.caps.Has("IDLE") || c.rev2() {
				err = w.idle()
			} else {
				err = w.poll()
			}
		}
		if err != nil && !w.left {
			yield(Event{}, err)
		}
	}
}

// Notify says what the server tells from now on, of the selected mailbox and of others (RFC 5465): Idle yields it, and
// Options.Unilateral is told of it during other methods, this one too if n.Status is set. Without groups nothing is told any
// more, of the selected mailbox neither. ErrUnsupported: the server has no NOTIFY. An *Error with imap.CodeBadEvent names the
// events that it does have; with imap.CodeNotificationOverflow this is too much.
//
// With NotifySelected messages may go at any time, so that sequence numbers mean nothing; this Client uses UIDs.
func (c *Client) Notify(ctx context.Context, n imap.Notify) error {
	if !c.caps.Has("NOTIFY") {
		return ErrUnsupported
	}
	for i := range n.Groups {
		if !validGroup(&n.Groups[i]) {
			return ErrArgument
		}
	}
	_, err := c.simple(ctx, "NOTIFY", imap.AppendNotify([]byte{' '}, &n, c.inUTF8()))
	return err
}

// validGroup reports whether a group can be written.
func validGroup(g *imap.NotifyGroup) bool {
	named := g.Filter == imap.NotifySubtree || g.Filter == imap.NotifyMailboxes
	for _, name := range g.Mailboxes {
		if name == "" || strings.IndexByte(name, 0) >= 0 {
			return false
		}
	}
	for _, e := range g.Events {
		if !imap.Flag(e).Valid() {
			return false
		}
	}
	return imap.Flag(g.Filter).Valid() && named == (len(g.Mailboxes) > 0)
}

// watch is one Idle.
type watch struct {
	c     *Client
	ctx   context.Context
	yield func(Event, error) bool
	cmd   *command
	left  bool
	tired bool // the server has ended IDLE on its own
}

// event gives an event to the loop, or to the usual place once that is left.
func (w *watch) event(e Event) {
	if w.left {
		if w.c.o.Unilateral != nil {
			w.c.o.Unilateral(e)
		}
		return
	}
	ok := true
	give := func() bool { ok = w.yield(e, nil); return ok }
	if w.cmd != nil {
		w.cmd.pause(give)
	} else {
		give()
	}
	w.left = !ok
}

// idle is one IDLE. The end of ctx ends it in good order, so the command has a context of its own.
func (w *watch) idle() error {
	c := w.c
	if w.tired && !w.sleep(time.Second) { // so that a server which never waits does not keep both busy
		return nil
	}
	cmd, err := c.begin(context.WithoutCancel(w.ctx), "IDLE")
	if err != nil {
		return err
	}
	defer cmd.end()
	w.cmd = cmd
	if err := cmd.send(nil, ""); err != nil {
		return err
	}
	if err := cmd.goAhead(); err != nil {
		return err
	}
	for renew := time.Now().Add(c.o.Timeouts.Idle); cmd.done == nil && !w.left; {
		some, err := w.await(renew)
		if err != nil {
			return cmd.lose(cmd.fault(err))
		}
		cmd.until = time.Now().Add(c.o.Timeouts.Command)
		if !some {
			break
		}
		r, err := cmd.read()
		if err == nil && r.plus {
			continue // there are servers that say it twice
		}
		if err == nil {
			err = cmd.handle(r, nil)
		}
		if err != nil {
			return err
		}
	}
	if w.tired = cmd.done != nil; !w.tired {
		if err := cmd.put([]byte("DONE\r\n"), true, true); err != nil {
			return err
		}
	}
	_, err = cmd.wait(nil)
	return err
}

// await waits for the next response. It is false once there is none by then, or ctx has ended.
func (w *watch) await(until time.Time) (bool, error) {
	c := w.c
	if c.r.Buffered() > 0 {
		return true, nil
	}
	_ = c.conn.SetReadDeadline(until)
	fired := make(chan struct{})
	stop := context.AfterFunc(w.ctx, func() {
		defer close(fired)
		_ = c.conn.SetReadDeadline(time.Unix(1, 0))
	})
	_, err := c.r.Peek(1) // which takes nothing from a line that begins as the time is over
	if !stop() {
		<-fired
	}
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return false, nil
	}
	return false, err
}

// sleep is false if ctx has ended before.
func (w *watch) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-w.ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// poll waits a while and asks.
func (w *watch) poll() error {
	if !w.sleep(w.c.o.Timeouts.Poll) {
		return nil
	}
	cmd, err := w.c.begin(context.WithoutCancel(w.ctx), "NOOP")
	if err != nil {
		return fmt.Errorf("imapclient: IDLE: %w", err)
	}
	defer cmd.end()
	w.cmd = cmd
	_, err = cmd.run(nil, nil)
	return err
}

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
