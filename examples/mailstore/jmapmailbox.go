package mailstore

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// jmapMailboxes are the mailboxes of an account as JMAP has them: a tree of names of one level each.
type jmapMailboxes struct{ *account }

// counts are the counters of a mailbox at one of its ModSeqs.
type counts struct {
	modseq                         modSeq
	emails, unread, threads, fresh uint // fresh: threads with an unread email
}

// count returns the counters of a mailbox, which it remembers until the mailbox changes.
func (a *account) count(c *conn, b *boxRow) (counts, error) {
	if v, ok := a.counted.Load(b.id); ok && v.(counts).modseq == b.modseq {
		return v.(counts), nil
	}
	n := counts{modseq: b.modseq}
	err := c.row([]any{&n.emails, &n.unread, &n.threads, &n.fresh}, `SELECT count(DISTINCT email), count(DISTINCT iif(flags & 17, NULL, email)),
		count(DISTINCT thread), count(DISTINCT iif(flags & 17, NULL, thread)) FROM message WHERE mailbox = ? AND NOT flags & 8`, b.id) // 17: seen or draft, 8: deleted
	if err == nil {
		a.counted.Store(b.id, n)
	}
	return n, err
}

// boxes reads all mailboxes of the account by name.
func (a *account) boxes(c *conn) ([]*boxRow, error) {
	var all []*boxRow
	err := c.rows(func(r *sql.Rows) error {
		b := new(boxRow)
		all = append(all, b)
		return r.Scan(b.fields()...)
	}, `SELECT `+boxColumns+` FROM mailbox WHERE account = ? ORDER BY name`, a.id)
	return all, err
}

// Get returns mailboxes.
func (a jmapMailboxes) Get(ctx context.Context, r *jmap.GetRequest[jmap.NoArgs]) (*jmap.GetResponse[mail.Mailbox], error) {
	out := &jmap.GetResponse[mail.Mailbox]{AccountID: r.AccountID}
	err := a.s.db.snapshot(ctx, func(c *conn) error {
		now, err := a.state(c)
		if err != nil {
			return err
		}
		out.State = now.state()
		all, err := a.boxes(c)
		if err != nil {
			return err
		}
		byName, byID := map[string]*boxRow{}, map[jmap.ID]*boxRow{}
		ids := r.IDs
		for _, b := range all {
			byName[b.name], byID[jmap.ID(mailboxID(b.id))] = b, b
			if r.IDs == nil {
				ids = append(ids, jmap.ID(mailboxID(b.id)))
			}
		}
		for _, id := range ids {
			b := byID[id]
			if b == nil {
				out.NotFound = append(out.NotFound, id)
				continue
			}
			n, err := a.count(c, b)
			if err != nil {
				return err
			}
			m := b.jmap(byName)
			m.TotalEmails, m.UnreadEmails, m.TotalThreads, m.UnreadThreads = n.emails, n.unread, n.threads, n.fresh
			out.List = append(out.List, m)
		}
		return nil
	})
	return out, err
}

// jmap returns the mailbox without its counts.
func (b *boxRow) jmap(byName map[string]*boxRow) mail.Mailbox {
	parent, name := splitName(b.name)
	m := mail.Mailbox{ID: jmap.ID(mailboxID(b.id)), Name: name, Role: roleOf(b.special), SortOrder: uint(b.sortorder),
		MyRights: mail.AllRights(), IsSubscribed: b.subscribed}
	if p := byName[parent]; parent != "" && p != nil {
		id := jmap.ID(mailboxID(p.id))
		m.ParentID = &id
	}
	if b.name == "INBOX" {
		m.Name, m.Role = "Inbox", "inbox"
		m.MyRights.MayRename, m.MyRights.MayDelete = false, false
	}
	return m
}

func splitName(name string) (parent, last string) {
	i := strings.LastIndexByte(name, '/')
	return name[:max(i, 0)], name[i+1:]
}

// roles are the attributes of RFC 6154 and RFC 8457; a role is one in lower case without backslash.
func roles() []string {
	return []string{`\All`, `\Archive`, `\Drafts`, `\Flagged`, `\Important`, `\Junk`, `\Sent`, `\Trash`}
}

func roleOf(special string) mail.Role {
	return mail.Role(strings.ToLower(strings.TrimPrefix(special, `\`)))
}

func attributeOf(r mail.Role) (string, bool) {
	for _, s := range roles() {
		if roleOf(s) == r {
			return s, true
		}
	}
	return "", r == ""
}

// countProperties are the properties of a mailbox that change with its emails.
func countProperties() []string {
	return []string{"totalEmails", "unreadEmails", "totalThreads", "unreadThreads"}
}

// Changes returns what changed in the set of mailboxes.
func (a jmapMailboxes) Changes(ctx context.Context, r *jmap.ChangesRequest) (*mail.MailboxChangesResponse, error) {
	countsOnly := true
	out, err := a.changesSince(ctx, r, mailboxID, func(c *conn, since place) ([]changed, error) {
		var list []changed
		boxes, err := a.boxes(c)
		if err != nil {
			return nil, err
		}
		for _, b := range boxes {
			list = append(list, changed{id: b.id, at: place{b.modseq, b.id}, created: place{b.created, b.id}.compare(since) > 0})
			if (place{b.changed, b.id}).compare(since) > 0 {
				countsOnly = false
			}
		}
		err = c.rows(func(r *sql.Rows) error {
			x := changed{gone: true}
			var created modSeq
			if err := r.Scan(&x.id, &x.at.modseq, &created); err != nil {
				return err
			}
			x.at.id = x.id
			x.created = place{created, x.id}.compare(since) > 0
			list = append(list, x)
			return nil
		}, `SELECT mailbox, modseq, created FROM expunged WHERE account = ? AND modseq > ? AND uid = 0`, a.id, since.from())
		return list, err
	})
	if err != nil {
		return nil, err
	}
	full := &mail.MailboxChangesResponse{ChangesResponse: *out}
	if countsOnly && len(out.Updated) > 0 {
		full.UpdatedProperties = countProperties()
	}
	return full, nil
}

// Set creates, updates and destroys mailboxes.
func (a jmapMailboxes) Set(ctx context.Context, r *jmap.SetRequest[mail.Mailbox, mail.MailboxUpdate, mail.MailboxSetArgs]) (*jmap.SetResponse[mail.Mailbox], error) {
	var out *jmap.SetResponse[mail.Mailbox]
	err := a.s.db.write(ctx, func(t *tx) error {
		row, err := t.inState(a.account, r.IfInState)
		if err != nil {
			return err
		}
		out = newSet[mail.Mailbox](at(row.modseq).state())
		err = set(out, r, setter[mail.Mailbox, mail.MailboxUpdate, mail.Mailbox]{func(_ jmap.ID, m mail.Mailbox) (mail.Mailbox, error) {
			b, err := a.create(t, row, m)
			if err != nil {
				return m, err
			}
			made := b.jmap(nil)
			return mail.Mailbox{ID: made.ID, SortOrder: made.SortOrder, MyRights: made.MyRights}, nil
		}, func(id jmap.ID, u mail.MailboxUpdate) error { return a.update(t, row, id, u) },
			func(id jmap.ID) error { return a.destroy(t, row, id, r.Args.OnDestroyRemoveEmails) }})
		out.NewState = at(row.modseq).state()
		return err
	})
	return out, err
}

// box returns a mailbox of the account by its id.
func (a jmapMailboxes) box(t *tx, id jmap.ID) (*boxRow, error) {
	b, err := t.box(parseID('F', string(id)))
	if errors.Is(err, imap.ErrNonexistent) || err == nil && b.account != a.id {
		return nil, &jmap.SetError{Type: jmap.SetNotFound}
	}
	return b, err
}

// path returns the whole name of a mailbox below a parent and checks it. self may have the name already.
func (a jmapMailboxes) path(t *tx, self *boxRow, name string, parent *jmap.ID) (string, error) {
	if strings.Contains(name, "/") || a.s.checkName(name) != nil {
		return "", invalid("name", "not the name of one level")
	}
	if parent != nil {
		p, err := a.box(t, *parent)
		if err != nil {
			if refused, err := refusal(err); refused == nil {
				return "", err
			}
			return "", invalid("parentId", "no such mailbox")
		}
		if self != nil && (p.name == self.name || strings.HasPrefix(p.name, self.name+"/")) {
			return "", invalid("parentId", "the mailbox itself or below it")
		}
		name = p.name + "/" + name
	}
	name = boxName(name)
	if a.s.checkName(name) != nil {
		return "", invalid("name", "too long or too deep")
	}
	if self != nil && self.name == name {
		return name, nil
	}
	if err := t.absent(a.id, name); errors.Is(err, imap.ErrExists) {
		return "", invalid("name", "a sibling has that name")
	} else if err != nil {
		return "", err
	}
	return name, nil
}

// special returns the attribute of a role that no other mailbox has.
func (a jmapMailboxes) special(t *tx, self *boxRow, r mail.Role) (string, error) {
	s, ok := attributeOf(r)
	if !ok {
		return "", invalid("role", "not a role that a mailbox can be given")
	}
	if s == "" {
		return "", nil
	}
	var id int64
	err := t.row([]any{&id}, `SELECT id FROM mailbox WHERE account = ? AND special = ? COLLATE NOCASE`, a.id, s)
	if err == nil && (self == nil || id != self.id) {
		return "", invalid("role", "another mailbox has it")
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	return s, nil
}

func (a jmapMailboxes) create(t *tx, row *accountRow, m mail.Mailbox) (*boxRow, error) {
	name, err := a.path(t, nil, m.Name, m.ParentID)
	if err != nil {
		return nil, err
	}
	special, err := a.special(t, nil, m.Role)
	if err != nil {
		return nil, err
	}
	b, err := t.create(row, t.next(row), name, special, a.s.o.Now())
	if err != nil {
		return nil, err
	}
	if m.SortOrder != 0 {
		b.sortorder = uint32(m.SortOrder)
	}
	b.subscribed = m.IsSubscribed
	return b, t.saveBox(b)
}

func (a jmapMailboxes) update(t *tx, row *accountRow, id jmap.ID, u mail.MailboxUpdate) error {
	b, err := a.box(t, id)
	if err != nil {
		return err
	}
	to, special := b.name, b.special
	if u.Name != nil || u.ParentID.Set {
		parent, name := splitName(b.name)
		var under *jmap.ID
		if u.ParentID.Set {
			under = u.ParentID.Value
		} else if parent != "" {
			_, p, err := t.named(a.id, parent)
			if err != nil {
				return err
			}
			under = new(jmap.ID(mailboxID(p.id)))
		}
		if u.Name != nil {
			name = *u.Name
		}
		if to, err = a.path(t, b, name, under); err != nil {
			return err
		}
	}
	if b.name == "INBOX" && (to != b.name || u.Role != nil && *u.Role != "inbox") {
		return &jmap.SetError{Type: jmap.SetForbidden, Description: "the inbox keeps its name and role"}
	}
	if u.Role != nil && b.name != "INBOX" {
		if special, err = a.special(t, b, *u.Role); err != nil {
			return err
		}
	}
	b.changed = t.next(row)
	if to != b.name {
		if err := t.rename(b, to, b.changed); err != nil {
			return err
		}
	}
	b.special = special
	if u.SortOrder != nil {
		b.sortorder = uint32(*u.SortOrder)
	}
	if u.IsSubscribed != nil {
		b.subscribed = *u.IsSubscribed
	}
	t.touch(b, b.changed)
	return t.saveBox(b)
}

func (t *tx) saveBox(b *boxRow) error {
	return t.exec(`UPDATE mailbox SET special = ?, subscribed = ?, sortorder = ? WHERE id = ?`, b.special, b.subscribed, b.sortorder, b.id)
}

func (a jmapMailboxes) destroy(t *tx, row *accountRow, id jmap.ID, removeEmails bool) error {
	b, err := a.box(t, id)
	if err != nil {
		return err
	}
	kids, err := t.below(b)
	if err != nil {
		return err
	}
	switch {
	case b.name == "INBOX":
		return &jmap.SetError{Type: jmap.SetForbidden, Description: "the inbox stays"}
	case len(kids) > 0:
		return &jmap.SetError{Type: jmap.SetMailboxHasChild}
	case b.messages > b.deleted && !removeEmails:
		return &jmap.SetError{Type: jmap.SetMailboxHasEmail}
	}
	return t.destroy(row, b, a.s.o.MaxExpunged)
}
