package imapserver

import (
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
)

// A tree is the mailboxes before and after, for tellTree.
type tree struct {
	n        *notifying
	after    map[string]*listed // by name
	renamed  map[string]string  // from old names
	affected map[string]string  // names to tell of, with their old names or ""
}

// tellTree compares the mailboxes with those known, and sends LIST for each name that a change is about (RFC 5465 §5.4, §5.5).
// now gets those that are new.
func (c *session) tellTree(now map[*noted]imap.MailboxStatus) error {
	boxes, err := c.mailboxes()
	if err != nil {
		return err
	}
	n := c.notify
	if len(boxes) > def(c.s.Limits.NotifyMailboxes, 5000) {
		return errOverflow
	}
	t := tree{n: n, after: map[string]*listed{}, renamed: map[string]string{}, affected: map[string]string{}}
	there := make(map[string]bool, len(boxes))
	for i := range boxes {
		b := &boxes[i]
		t.after[b.Name], there[b.ID] = b, true
		if old := n.boxes[b.ID]; old != nil && old.Name != b.Name {
			t.renamed[old.Name] = b.Name
		}
	}
	gone := map[string]bool{} // names
	for id, old := range n.boxes {
		if !there[id] {
			gone[old.Name] = true
			t.came(&old.MailboxInfo)
			if c.account.IsOther(old.Name) {
				t.bar(&old.MailboxInfo)
			}
			delete(n.boxes, id)
			delete(now, old)
		}
	}
	for i := range boxes {
		b := &boxes[i].MailboxInfo
		if old := n.boxes[b.ID]; old != nil {
			t.compare(&old.MailboxInfo, b)
			old.MailboxInfo = *b
			continue
		}
		fresh := &noted{MailboxInfo: *b}
		n.boxes[b.ID] = fresh
		t.came(b)
		t.unbar(b)
		st, err := c.look(fresh)
		if unreadable(err) {
			continue
		}
		if err != nil {
			return err
		}
		fresh.last.UIDNext, now[fresh] = 1, st
		if !gone[b.Name] {
			fresh.last.UIDValidity = st.UIDValidity
		}
		if st.Messages == 0 { // it has come as LIST says; nothing has come into it
			fresh.last.UIDNext, fresh.last.HighestModSeq = st.UIDNext, st.HighestModSeq
		}
	}
	c.tellAffected(&t)
	return nil
}

// came notes a mailbox that has come or gone, which its parent is affected by too.
func (t *tree) came(m *imap.MailboxInfo) {
	if t.n.own[m.Name] {
		return
	}
	t.affect(m, imap.NotifyMailboxName, "")
	if cut := strings.LastIndexByte(m.Name, '/'); cut > 0 {
		parent := imap.MailboxInfo{Name: m.Name[:cut]}
		if p := t.after[parent.Name]; p != nil {
			parent = p.MailboxInfo
		}
		t.affect(&parent, imap.NotifyMailboxName, "")
	}
}

// within reports whether some group tells of what is in a mailbox.
func (n *notifying) within(m *imap.MailboxInfo) bool {
	return n.wants(m, imap.NotifyMessageNew) || n.wants(m, imap.NotifyMailboxMetadataChange)
}

// bar notes a mailbox that the client heard of and will not any more (RFC 5465 §5.9).
func (t *tree) bar(m *imap.MailboxInfo) {
	if _, told := t.affected[m.Name]; told && t.after[m.Name] == nil || t.n.own[m.Name] || !t.n.within(m) {
		return
	}
	if len(t.n.barred) > len(t.n.boxes)+1000 { // of mailboxes long gone
		clear(t.n.barred)
	}
	t.n.barred[m.Name], t.affected[m.Name] = true, ""
}

// unbar notes that the client hears of it again.
func (t *tree) unbar(m *imap.MailboxInfo) {
	if t.n.barred[m.Name] && t.n.within(m) {
		delete(t.n.barred, m.Name)
		t.affected[m.Name] = ""
	}
}

func (t *tree) affect(m *imap.MailboxInfo, e imap.NotifyEvent, old string) {
	if t.n.wants(m, e) && t.affected[m.Name] == "" {
		t.affected[m.Name] = old
	}
}

// compare notes a rename, unless it follows from that of a mailbox above, and a change of the subscription.
func (t *tree) compare(old, m *imap.MailboxInfo) {
	if t.n.own[m.Name] {
		return
	}
	if old.Name != m.Name && !t.follows(old.Name, m.Name) {
		t.affect(m, imap.NotifyMailboxName, old.Name)
		if t.n.wants(old, imap.NotifyMailboxName) {
			t.affected[m.Name] = old.Name
		}
	}
	if m.NoSelect && !old.NoSelect {
		was := *m
		was.NoSelect = false
		t.bar(&was)
	}
	t.unbar(m)
	if old.Subscribed != m.Subscribed {
		t.affect(m, imap.NotifySubscriptionChange, "")
		if t.n.wants(old, imap.NotifySubscriptionChange) {
			t.affect(&imap.MailboxInfo{Name: m.Name, Subscribed: true}, imap.NotifySubscriptionChange, "")
		}
	}
}

func (t *tree) follows(old, name string) bool {
	for i := range len(old) {
		if old[i] != '/' {
			continue
		}
		if to, ok := t.renamed[old[:i]]; ok && name == to+old[i:] {
			return true
		}
		if t.n.own[old[:i]] {
			return true
		}
	}
	return false
}

// tellAffected sends LIST, by name.
func (c *session) tellAffected(t *tree) {
	names := make([]string, 0, len(t.affected))
	for name := range t.affected {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		b := append(c.bw.AvailableBuffer(), "* LIST ("...)
		switch m := t.after[name]; {
		case t.n.barred[name]:
			b = append(b, `\NoAccess`...)
		case m != nil:
			b = appendAttributes(b, m, &listing{tellSubscribed: true})
		default:
			b = append(b, `\NonExistent`...)
		}
		b = c.appendName(append(b, `) "/" `...), name)
		if old := t.affected[name]; old != "" {
			b = append(c.appendName(append(b, ` ("OLDNAME" (`...), old), "))"...)
		}
		_, _ = c.bw.Write(append(b, "\r\n"...))
	}
}
