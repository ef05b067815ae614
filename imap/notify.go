package imap

import (
	"slices"
	"strings"
)

// A NotifyEvent is what NOTIFY tells of (RFC 5465 §5), in the spelling of the RFC.
type NotifyEvent string

// Events of NOTIFY. The first four are about messages.
const (
	NotifyMessageNew            NotifyEvent = "MessageNew"
	NotifyMessageExpunge        NotifyEvent = "MessageExpunge"
	NotifyFlagChange            NotifyEvent = "FlagChange"
	NotifyAnnotationChange      NotifyEvent = "AnnotationChange"
	NotifyMailboxName           NotifyEvent = "MailboxName"
	NotifySubscriptionChange    NotifyEvent = "SubscriptionChange"
	NotifyMailboxMetadataChange NotifyEvent = "MailboxMetadataChange"
	NotifyServerMetadataChange  NotifyEvent = "ServerMetadataChange"
)

func notifyEvents() []NotifyEvent {
	return []NotifyEvent{NotifyMessageNew, NotifyMessageExpunge, NotifyFlagChange, NotifyAnnotationChange, NotifyMailboxName,
		NotifySubscriptionChange, NotifyMailboxMetadataChange, NotifyServerMetadataChange}
}

// ofMessages reports an event about messages.
func (e NotifyEvent) ofMessages() bool {
	return e == NotifyMessageNew || e == NotifyMessageExpunge || e == NotifyFlagChange || e == NotifyAnnotationChange
}

// A NotifyFilter says which mailboxes a group of events is about (RFC 5465 §6).
type NotifyFilter string

// Filters of NOTIFY.
const (
	NotifySelected        NotifyFilter = "SELECTED"         // the one that is selected, as it happens
	NotifySelectedDelayed NotifyFilter = "SELECTED-DELAYED" // the same, but expunges only where numbers may change
	NotifyInboxes         NotifyFilter = "INBOXES"          // where mail may be delivered
	NotifyPersonal        NotifyFilter = "PERSONAL"         // all of the user's own
	NotifySubscribed      NotifyFilter = "SUBSCRIBED"
	NotifySubtree         NotifyFilter = "SUBTREE"   // Mailboxes, and those below them
	NotifyMailboxes       NotifyFilter = "MAILBOXES" // Mailboxes, without wildcards
)

func (f NotifyFilter) named() bool    { return f == NotifySubtree || f == NotifyMailboxes }
func (f NotifyFilter) selected() bool { return f == NotifySelected || f == NotifySelectedDelayed }

// A NotifyGroup is the events that are told of some mailboxes. The selected mailbox is meant by NotifySelected and
// NotifySelectedDelayed alone, of which there is one group at most, with events about messages only.
type NotifyGroup struct {
	Filter    NotifyFilter
	Mailboxes []string // of NotifySubtree and NotifyMailboxes, in UTF-8
	// Events are what is told; none: NONE. MessageNew and MessageExpunge come together, and FlagChange only with both.
	// Those of other names are kept as they are.
	Events []NotifyEvent
	Fetch  []FetchItem // of new messages in the selected mailbox, told with them
}

// Has reports whether the group tells of e.
func (g *NotifyGroup) Has(e NotifyEvent) bool {
	return slices.Contains(g.Events, e)
}

// Notify is the arguments of NOTIFY (RFC 5465 §8). Without groups it is NOTIFY NONE, and nothing is told any more.
type Notify struct {
	Status bool // tell STATUS of the mailboxes with events about messages at once
	Groups []NotifyGroup
}

// Limits of NOTIFY.
const (
	MaxNotifyGroups    = 100
	MaxNotifyMailboxes = 1000 // named in one group
	maxNotifyEvents    = 100
)

// Notify reads the arguments of NOTIFY. utf8 says that names are in UTF-8.
func (d *Decoder) Notify(utf8 bool) Notify {
	var n Notify
	switch d.Keyword() {
	case "NONE":
		return n
	case "SET":
	default:
		d.Want("SET or NONE")
	}
	d.SP()
	if d.Peek() != '(' {
		if d.Keyword() != "STATUS" {
			d.Want("STATUS or a group of events")
		}
		n.Status = true
		d.SP()
	}
	selected := 0
	for d.err == nil {
		if len(n.Groups) == MaxNotifyGroups {
			d.Fail(&LimitError{What: "groups of events", Limit: MaxNotifyGroups})
		}
		g := d.notifyGroup(utf8)
		if g.Filter.selected() {
			selected++
		}
		n.Groups = append(n.Groups, g)
		if !d.Accept(' ') {
			break
		}
	}
	if selected > 1 {
		d.Want("one of SELECTED and SELECTED-DELAYED")
	}
	return n
}

func (d *Decoder) notifyGroup(utf8 bool) NotifyGroup {
	var g NotifyGroup
	d.Expect('(')
	g.Filter = NotifyFilter(d.Keyword())
	switch g.Filter {
	case NotifySelected, NotifySelectedDelayed, NotifyInboxes, NotifyPersonal, NotifySubscribed:
	case NotifySubtree, NotifyMailboxes:
		d.SP()
		d.notifyMailboxes(&g, utf8)
	default:
		d.Want("a filter of mailboxes")
	}
	d.SP()
	if d.Peek() == '(' {
		d.List(func() { d.notifyEvent(&g) })
		if len(g.Events) == 0 {
			d.Want("an event")
		}
	} else if d.Keyword() != "NONE" {
		d.Want("events or NONE")
	}
	d.Expect(')')
	fresh, gone := g.Has(NotifyMessageNew), g.Has(NotifyMessageExpunge)
	if fresh != gone || !fresh && (g.Has(NotifyFlagChange) || g.Has(NotifyAnnotationChange)) { // RFC 5465 §5
		d.Want("both MessageNew and MessageExpunge")
	}
	return g
}

func (d *Decoder) notifyMailboxes(g *NotifyGroup, utf8 bool) {
	if d.Peek() != '(' {
		g.Mailboxes = []string{d.Mailbox(utf8)}
		return
	}
	d.List(func() {
		if len(g.Mailboxes) == MaxNotifyMailboxes {
			d.Fail(&LimitError{What: "mailboxes", Limit: MaxNotifyMailboxes})
		}
		g.Mailboxes = append(g.Mailboxes, d.Mailbox(utf8))
	})
	if len(g.Mailboxes) == 0 {
		d.Want("a mailbox")
	}
}

// notifyEvent reads an event, and what is to be fetched behind MessageNew.
func (d *Decoder) notifyEvent(g *NotifyGroup) {
	if len(g.Events) == maxNotifyEvents {
		d.Fail(&LimitError{What: "events", Limit: maxNotifyEvents})
	}
	e := NotifyEvent(d.Atom())
	for _, known := range notifyEvents() {
		if strings.EqualFold(string(known), string(e)) {
			e = known
		}
	}
	if g.Filter.selected() && !e.ofMessages() && slices.Contains(notifyEvents(), e) { // RFC 5465 §6.1
		d.Want("an event about messages")
	}
	if !g.Has(e) {
		g.Events = append(g.Events, e)
	}
	if b := d.rest(); e != NotifyMessageNew || len(b) < 2 || b[0] != ' ' || b[1] != '(' {
		return
	}
	if !g.Filter.selected() {
		d.Want("items of FETCH in the group of SELECTED alone")
	}
	d.SP()
	g.Fetch = d.FetchItems()
}

// AppendNotify appends the arguments of NOTIFY. utf8 says that names are in UTF-8, as in IMAP4rev2.
func AppendNotify(dst []byte, n *Notify, utf8 bool) []byte {
	if len(n.Groups) == 0 {
		return append(dst, "NONE"...)
	}
	dst = append(dst, "SET"...)
	if n.Status {
		dst = append(dst, " STATUS"...)
	}
	for i := range n.Groups {
		g := &n.Groups[i]
		dst = append(append(dst, " ("...), g.Filter...)
		if g.Filter.named() {
			dst = append(dst, ' ')
			for i, name := range g.Mailboxes {
				dst = appendListed(dst, i)
				dst = AppendMailbox(dst, name, utf8)
			}
			dst = append(dst, ')')
		}
		dst = append(dst, ' ')
		if len(g.Events) == 0 {
			dst = append(dst, "NONE)"...)
			continue
		}
		for i, e := range g.Events {
			dst = append(appendListed(dst, i), e...)
			if e == NotifyMessageNew && len(g.Fetch) > 0 {
				dst = AppendFetchItems(append(dst, ' '), g.Fetch)
			}
		}
		dst = append(dst, "))"...)
	}
	return dst
}

// appendListed appends what comes before member i of a list.
func appendListed(dst []byte, i int) []byte {
	if i == 0 {
		return append(dst, '(')
	}
	return append(dst, ' ')
}

// AppendMailbox appends the name of a mailbox, in modified UTF-7 unless the session is in UTF-8.
func AppendMailbox(dst []byte, name string, utf8 bool) []byte {
	if !utf8 {
		return AppendAString(dst, string(AppendUTF7(nil, name)))
	}
	for i := range len(name) {
		if name[i] < ' ' || name[i] >= 0x7f {
			return AppendQuoted(dst, strings.ToValidUTF8(name, "\uFFFD"))
		}
	}
	return AppendAString(dst, name)
}
