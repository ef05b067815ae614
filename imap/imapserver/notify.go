package imapserver

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
)

// A notifying is what NOTIFY has asked for (RFC 5465). nil is what holds without NOTIFY: the selected mailbox, and during
// commands only.
type notifying struct {
	selected *imap.NotifyGroup  // nil: nothing of the selected mailbox
	others   []imap.NotifyGroup // of the mailboxes that are not selected
	watch    *imap.Watch        // nil without others
	cancel   context.CancelFunc
	boxes    map[string]*noted // by ID: every mailbox, as the client has been told of it
	pending  map[string]bool   // IDs of those that may have changed
	own      map[string]bool   // names that this command has changed
	barred   map[string]bool   // names of those that the client was told it has no access to
	ownNotes []annotated       // annotations that this command has set
	personal func(*imap.MailboxInfo) bool
}

// An annotated is annotations that were set.
type annotated struct {
	mailbox string
	list    []imap.Annotation
}

// A noted is one mailbox.
type noted struct {
	imap.MailboxInfo
	box  imap.Mailbox       // nil: not opened yet
	last imap.MailboxStatus // the counters
}

var errOverflow = &imap.Status{Type: imap.StatusNo, Code: imap.CodeNotificationOverflow, Text: "too many mailboxes to watch"}

// told reports whether an event about messages is told of the selected mailbox.
func (n *notifying) told(e imap.NotifyEvent) bool {
	return n == nil || n.selected != nil && n.selected.Has(e)
}

// always reports whether there is something to tell between commands.
func (n *notifying) always() bool {
	return n != nil && (n.watch != nil || n.told(imap.NotifyMessageNew))
}

// delayed reports whether expunges of the selected mailbox wait for a command.
func (n *notifying) delayed() bool {
	return n.selected == nil || n.selected.Filter == imap.NotifySelectedDelayed
}

func (n *notifying) ready() <-chan struct{} {
	if n == nil || n.watch == nil {
		return nil
	}
	return n.watch.Ready()
}

// wants reports whether some group tells of an event in a mailbox.
func (n *notifying) wants(m *imap.MailboxInfo, e imap.NotifyEvent) bool {
	within := e == imap.NotifyMessageNew || e == imap.NotifyFlagChange || e == imap.NotifyMailboxMetadataChange
	for i := range n.others {
		if g := &n.others[i]; g.Has(e) && !(within && m.NoSelect) && n.covers(g, m) {
			return true
		}
	}
	return false
}

// covers reports whether a mailbox is one of a group. Mail may be delivered to each, so that INBOXES is PERSONAL (RFC 5465
// §6.3).
func (n *notifying) covers(g *imap.NotifyGroup, m *imap.MailboxInfo) bool {
	switch g.Filter {
	case imap.NotifyInboxes, imap.NotifyPersonal:
		return n.personal(m)
	case imap.NotifySubscribed:
		return m.Subscribed
	}
	return slices.ContainsFunc(g.Mailboxes, func(name string) bool {
		below, ok := strings.CutPrefix(m.Name, name)
		return ok && (below == "" || g.Filter == imap.NotifySubtree && below[0] == '/')
	})
}

// notifyEvents returns the events that can be told: those of annotations where there are some, and none of annotations of
// messages.
func (c *session) notifyEvents() []string {
	known := []string{string(imap.NotifyMessageNew), string(imap.NotifyMessageExpunge), string(imap.NotifyFlagChange),
		string(imap.NotifyMailboxName), string(imap.NotifySubscriptionChange)}
	if c.account.Annotator != nil {
		known = append(known, string(imap.NotifyMailboxMetadataChange), string(imap.NotifyServerMetadataChange))
	}
	return known
}

// notifyCommand is NOTIFY (RFC 5465 §3.1).
func (c *session) notifyCommand() (*imap.Status, error) {
	c.d.SP()
	args := c.d.Notify(c.utf8)
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	n := &notifying{personal: func(m *imap.MailboxInfo) bool { return !c.account.IsOther(m.Name) }}
	for i := range args.Groups {
		g := &args.Groups[i]
		for _, e := range g.Events {
			if known := c.notifyEvents(); !slices.Contains(known, string(e)) {
				return nil, &imap.Status{Type: imap.StatusNo, Code: imap.CodeBadEvent, Text: "no such event", Args: "(" + strings.Join(known, " ") + ")"}
			}
		}
		switch g.Filter {
		case imap.NotifySelected, imap.NotifySelectedDelayed:
			for i := range g.Fetch { // nobody has read a message that is told of
				g.Fetch[i].Peek = true
			}
			n.selected = g
		default:
			if len(g.Events) > 0 {
				n.others = append(n.others, *g)
			}
		}
	}
	if len(n.others) > 0 {
		if err := c.startNotify(n, args.Status); err != nil {
			return nil, err
		}
	}
	c.endNotify()
	if err := c.sync(true); err != nil { // what has gathered, as with NOOP
		n.end()
		return nil, err
	}
	c.notify = n
	return nil, nil
}

// endNotify goes back to what holds without NOTIFY.
func (c *session) endNotify() {
	if c.notify != nil {
		c.notify.end()
		c.notify = nil
	}
}

func (n *notifying) end() {
	if n.cancel != nil {
		n.cancel()
		n.cancel, n.watch = nil, nil
	}
}

// startNotify watches the account, and tells of its mailboxes if that was asked for.
func (c *session) startNotify(n *notifying, status bool) error {
	ctx, cancel := context.WithCancel(c.ctx)
	n.watch, n.cancel = c.account.Watcher.Watch(ctx), cancel
	boxes, err := c.mailboxes()
	if err == nil && len(boxes) > def(c.s.Limits.NotifyMailboxes, 5000) {
		err = errOverflow
	}
	n.boxes, n.pending, n.own, n.barred = make(map[string]*noted, len(boxes)), map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i := range boxes {
		if err != nil {
			break
		}
		b := &noted{MailboxInfo: boxes[i].MailboxInfo}
		n.boxes[b.ID] = b
		if b.NoSelect && n.names(b.Name) {
			n.barred[b.Name] = true
			c.untagged(`LIST (\NoAccess) "/"`, string(c.appendName(nil, b.Name))) // RFC 5465 §3.1
		}
		if !n.wants(&b.MailboxInfo, imap.NotifyMessageNew) {
			continue
		}
		if b.last, err = c.look(b); unreadable(err) { // it has gone: there is a notice of it
			err = nil
			continue
		}
		if err != nil || !status || c.isSelected(b.ID) {
			continue
		}
		items := []imap.StatusItem{imap.StatusMessages, imap.StatusUIDNext, imap.StatusUIDValidity}
		if n.wants(&b.MailboxInfo, imap.NotifyFlagChange) {
			items = append(items, imap.StatusHighestModSeq)
		}
		enabled := c.condstore
		c.tellStatus(b.Name, &b.last, items, nil)
		c.condstore = enabled // nobody has asked for HIGHESTMODSEQ by its name
	}
	if err != nil {
		n.end()
	}
	return err
}

// names reports whether some group names a mailbox.
func (n *notifying) names(mailbox string) bool {
	return slices.ContainsFunc(n.others, func(g imap.NotifyGroup) bool { return slices.Contains(g.Mailboxes, mailbox) })
}

// unreadable reports that there is no such mailbox, or none that the user may read.
func unreadable(err error) bool {
	return errors.Is(err, imap.ErrNonexistent) || errors.Is(err, imap.ErrNoPermission)
}

func (c *session) isSelected(id string) bool { return c.box != nil && c.box.ID == id }

// look returns what a mailbox is like now.
func (c *session) look(b *noted) (st imap.MailboxStatus, err error) {
	if b.box == nil {
		if b.box, err = c.account.Store.OpenMailbox(c.ctx, b.Name); err != nil {
			b.box = nil
			return st, err
		}
	}
	return b.box.Status(c.ctx)
}

// changedName notes mailboxes that this session itself creates, perhaps with those above, deletes, renames or subscribes to: the
// client knows.
func (c *session) changedName(names ...string) {
	if c.notify == nil || c.notify.watch == nil {
		return
	}
	for _, name := range names {
		c.notify.own[name] = true
		for i := range len(name) {
			if name[i] == '/' {
				c.notify.own[name[:i]] = true
			}
		}
	}
}

// notified tells what has happened in the mailboxes that are not selected. If that fails, the client is told that nothing
// will be told any more (RFC 5465 §5.8).
func (c *session) notified() {
	n := c.notify
	if n == nil || n.watch == nil {
		return
	}
	notices := n.watch.Take()
	for _, x := range notices {
		if x.MailboxID != "" {
			n.pending[x.MailboxID] = true
		}
	}
	if len(n.pending) > 0 || len(notices) > 0 {
		err := c.tellNoted()
		if err == nil {
			err = c.tellMetadata(notices)
		}
		if err != nil {
			if !errors.Is(err, errOverflow) {
				c.log.Error("notifications end", "user", c.user, "err", err)
			}
			n.end()
			c.notify = &notifying{}
			c.ok(imap.CodeNotificationOverflow, "", "nothing is told any more")
		}
	}
	clear(n.own)
	n.ownNotes = nil
}

// tellNoted tells of the mailboxes that may have changed.
func (c *session) tellNoted() error {
	n := c.notify
	now := make(map[*noted]imap.MailboxStatus, len(n.pending))
	listed := true // is what is known of names and subscriptions
	for id := range n.pending {
		b := n.boxes[id]
		if b == nil {
			listed = false
			continue
		}
		st, err := c.look(b)
		switch {
		case unreadable(err):
			listed = false
		case err != nil:
			return err
		default:
			listed = listed && st.MailboxInfo == b.MailboxInfo
			now[b] = st
		}
	}
	clear(n.pending)
	if !listed {
		if err := c.tellTree(now); err != nil {
			return err
		}
	}
	for _, b := range sortedNoted(now) {
		if st := now[b]; !c.isSelected(b.ID) {
			c.tellCounters(b, &st)
		}
	}
	return nil
}

func sortedNoted(m map[*noted]imap.MailboxStatus) []*noted {
	out := make([]*noted, 0, len(m))
	for b := range m {
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b *noted) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// tellCounters sends STATUS of what has changed (RFC 5465 §5.1 to §5.3).
func (c *session) tellCounters(b *noted, st *imap.MailboxStatus) {
	last := b.last
	b.last = *st
	if !c.notify.wants(&st.MailboxInfo, imap.NotifyMessageNew) {
		return
	}
	var items []imap.StatusItem
	if st.UIDNext != last.UIDNext || st.Messages != last.Messages || st.UIDValidity != last.UIDValidity {
		items = append(items, imap.StatusUIDNext, imap.StatusMessages)
	}
	if c.notify.wants(&st.MailboxInfo, imap.NotifyFlagChange) {
		if st.Unseen != last.Unseen {
			items = append(items, imap.StatusUnseen)
		}
		if c.condstore && st.HighestModSeq != last.HighestModSeq {
			items = append(items, imap.StatusUIDValidity, imap.StatusHighestModSeq)
		}
	} else if c.condstore && len(items) > 0 {
		items = append(items, imap.StatusHighestModSeq)
	}
	if st.UIDValidity != last.UIDValidity && !slices.Contains(items, imap.StatusUIDValidity) {
		items = append(items, imap.StatusUIDValidity)
	}
	if len(items) > 0 {
		c.tellStatus(b.Name, st, items, nil)
	}
}

// changedMetadata notes annotations that the client itself has set: it knows.
func (c *session) changedMetadata(mailbox string, list []imap.Annotation) {
	if c.notify != nil && c.notify.watch != nil {
		c.notify.ownNotes = append(c.notify.ownNotes, annotated{mailbox, list})
	}
}

// maxMetadata is about how many octets of names one METADATA response has.
const maxMetadata = 2000

// tellMetadata sends METADATA with the names of annotations that have changed (RFC 5465 §5.6, §5.7).
func (c *session) tellMetadata(notices []imap.Notice) error {
	n := c.notify
	for _, x := range notices {
		name, wanted := "", slices.ContainsFunc(n.others, func(g imap.NotifyGroup) bool { return g.Has(imap.NotifyServerMetadataChange) })
		if x.MailboxID != "" {
			b := n.boxes[x.MailboxID]
			if b == nil || !n.wants(&b.MailboxInfo, imap.NotifyMailboxMetadataChange) {
				continue
			}
			name, wanted = b.Name, true
		}
		switch {
		case !wanted:
			continue
		case x.MoreEntries: // what was removed must be told, and is not known
			return errOverflow
		}
		entries, err := c.unknownEntries(name, x.Entries)
		if err != nil {
			return err
		}
		slices.Sort(entries)
		for len(entries) > 0 {
			b := c.appendName([]byte("METADATA "), name)
			for ; len(entries) > 0 && len(b) < maxMetadata; entries = entries[1:] {
				b = imap.AppendAString(append(b, ' '), entries[0])
			}
			c.untagged(string(b))
		}
	}
	return nil
}

// unknownEntries returns those of the entries that are not as the client has just set them.
func (c *session) unknownEntries(mailbox string, entries []string) ([]string, error) {
	own := map[string]imap.Annotation{}
	for _, o := range c.notify.ownNotes {
		for _, a := range o.list {
			if o.mailbox == mailbox {
				own[a.Entry] = a
			}
		}
	}
	if len(own) == 0 || len(entries) == 0 {
		return entries, nil
	}
	list, err := c.account.Annotator.Annotations(c.ctx, mailbox)
	if unreadable(err) {
		return nil, nil
	}
	now := map[string]imap.Annotation{}
	for _, a := range list {
		now[a.Entry] = a
	}
	return slices.DeleteFunc(entries, func(e string) bool {
		set, ok := own[e]
		is, there := now[e]
		return ok && set.None == !there && set.Value == is.Value
	}), err
}

// tellFresh sends what NOTIFY fetches of new messages (RFC 5465 §5.2).
func (c *session) tellFresh() error {
	v := c.box
	uids := v.fresh
	v.fresh = nil
	n := c.notify
	if len(uids) == 0 || n == nil || n.selected == nil || len(n.selected.Fetch) == 0 {
		return nil
	}
	f := fetching{items: slices.Clone(n.selected.Fetch)}
	f.plan(c)
	return c.tellMessages(&f, uids)
}

// added notes messages that this session has put into a mailbox, so that the selected one does not fetch them.
func (c *session) added(name string, validity uint32, uids []imap.UID) {
	if v := c.box; v != nil && c.notify != nil && v.Name == name && v.uidValidity == validity {
		v.added = v.added.Union(imap.UIDs(uids...))
	}
}
