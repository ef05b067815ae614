package mailstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
)

// maxListed is how many entries the list of a mailbox has at most, without the owner's.
const maxListed = 100

// place returns the account that a name over IMAP leads to, and the mailbox's name there. imap.ErrNonexistent: there is no such
// account, or it is one's own.
func (a *account) place(c *conn, name string) (id int64, local string, err error) {
	rest, other := strings.CutPrefix(name, a.s.o.OtherUsers+"/")
	if !other {
		return a.id, boxName(name), nil
	}
	user, local, _ := strings.Cut(rest, "/")
	err = c.row([]any{&id}, `SELECT id FROM account WHERE name = ? AND id != ?`, user, a.id)
	return id, boxName(local), noBox(err, name)
}

// find returns a mailbox by its name over IMAP, and whose it is.
func (a *account) find(c *conn, name string) (id, owner int64, err error) {
	owner, local, err := a.place(c, name)
	if err == nil {
		err = noBox(c.row([]any{&id}, `SELECT id FROM mailbox WHERE account = ? AND name = ?`, owner, local), name)
	}
	return id, owner, err
}

// named returns the rows of a mailbox by its name over IMAP, and of the account that has it.
func (a *account) named(t *tx, name string) (*accountRow, *boxRow, error) {
	owner, local, err := a.place(t.conn, name)
	if err != nil {
		return nil, nil, err
	}
	return t.named(owner, local)
}

// sees returns the mailbox as the user has it.
func (a *account) sees(b *boxNow) imap.MailboxInfo {
	info := b.info()
	if b.account != a.id {
		info.Name = a.s.o.OtherUsers + "/" + b.owner + "/" + info.Name
		info.Rights, info.Subscribed = imap.RightsOf(b.acl, a.name), slices.Contains(b.subscribers, a.id)
	}
	return info
}

// info is sees of a row.
func (a *account) info(c *conn, b *boxRow) (imap.MailboxInfo, error) {
	x := &boxNow{boxRow: *b}
	if b.account == a.id {
		return a.sees(x), nil
	}
	err := x.readOthers(c)
	return a.sees(x), err
}

// readOthers reads what others have of the mailbox.
func (b *boxNow) readOthers(c *conn) (err error) {
	if err = c.row([]any{&b.owner}, `SELECT name FROM account WHERE id = ?`, b.account); err != nil {
		return err
	}
	if b.acl, err = c.acl(b.id); err != nil || len(b.acl) == 0 {
		return err
	}
	b.subscribers, err = c.numbers(`SELECT account FROM subscription WHERE mailbox = ?`, b.id)
	return err
}

// others returns others' mailboxes to which the user has some right.
func (a *account) others(c *conn) ([]imap.MailboxInfo, error) {
	if !a.s.sharing.Load() {
		return nil, nil
	}
	var boxes []*boxRow
	err := c.rows(func(r *sql.Rows) error {
		b := new(boxRow)
		boxes = append(boxes, b)
		return r.Scan(b.fields()...)
	}, `SELECT `+boxColumns+` FROM mailbox WHERE id IN (SELECT mailbox FROM acl WHERE identifier IN (?, 'anyone')) AND account != ?
		AND NOT (SELECT instr(name, '/') FROM account WHERE id = mailbox.account)`, a.name, a.id) // a "/" in the name of a user leads nowhere
	var out []imap.MailboxInfo
	for _, b := range boxes {
		if err != nil {
			break
		}
		var info imap.MailboxInfo
		if info, err = a.info(c, b); info.Rights != 0 {
			out = append(out, info)
		}
	}
	return out, err
}

// acl returns the list of a mailbox, without the owner's entry.
func (c *conn) acl(mailbox int64) ([]imap.ACLEntry, error) {
	var list []imap.ACLEntry
	err := c.rows(func(r *sql.Rows) error {
		var e imap.ACLEntry
		var rights string
		err := r.Scan(&e.Identifier, &rights)
		if err == nil {
			e.Rights, err = imap.ParseRights(rights)
		}
		list = append(list, e)
		return err
	}, `SELECT identifier, rights FROM acl WHERE mailbox = ? ORDER BY identifier`, mailbox)
	return list, err
}

// Rights returns the user's rights to a mailbox.
func (a *account) Rights(ctx context.Context, mailbox string) (imap.Rights, error) {
	var id, owner int64
	err := a.s.db.read(ctx, func(c *conn) (err error) {
		id, owner, err = a.find(c, mailbox)
		return err
	})
	switch {
	case err != nil:
		return 0, err
	case owner == a.id:
		return imap.AllRights, nil
	}
	b, err := a.s.boxNow(ctx, id)
	if err != nil {
		return 0, err
	}
	return imap.RightsOf(b.acl, a.name), nil
}

// ACL returns the list of a mailbox.
func (a *account) ACL(ctx context.Context, mailbox string) ([]imap.ACLEntry, error) {
	var list []imap.ACLEntry
	err := a.s.db.snapshot(ctx, func(c *conn) error {
		id, owner, err := a.find(c, mailbox)
		if err != nil {
			return err
		}
		first := imap.ACLEntry{Rights: imap.AllRights}
		if err := c.row([]any{&first.Identifier}, `SELECT name FROM account WHERE id = ?`, owner); err != nil {
			return err
		}
		rest, err := c.acl(id)
		list = append([]imap.ACLEntry{first}, rest...)
		return err
	})
	return list, err
}

// SetACL changes the list of a mailbox. Identifiers are names of accounts in lower case, whether there are such accounts or not.
func (a *account) SetACL(ctx context.Context, mailbox, identifier string, change imap.RightsChange) error {
	identifier = foldName(identifier)
	return a.s.db.write(ctx, func(t *tx) error {
		row, b, err := a.named(t, mailbox)
		if err != nil {
			return err
		}
		if owns, err := t.owns(row.id, identifier); err != nil || owns {
			return cmpErr(err, fmt.Errorf("mailstore: rights of the owner of %q: %w", mailbox, imap.ErrCannot))
		}
		before, err := t.acl(b.id)
		if err != nil {
			return err
		}
		after := imap.ChangeACL(before, identifier, change)
		if len(after) > max(maxListed, len(before)) {
			return fmt.Errorf("mailstore: list of %q: %w", mailbox, imap.ErrTooMany)
		}
		t.relist(b.id, before)
		b.changed = t.next(row)
		t.touch(b, b.changed)
		if err := t.exec(`DELETE FROM acl WHERE mailbox = ? AND identifier = ?`, b.id, identifier); err != nil {
			return err
		}
		for _, e := range after {
			if e.Identifier == identifier {
				return t.exec(`INSERT INTO acl (mailbox, identifier, rights) VALUES (?, ?, ?)`, b.id, identifier, e.Rights.String())
			}
		}
		return nil
	})
}

// owns reports whether an identifier is about the owner of a mailbox, whose rights are fixed.
func (c *conn) owns(owner int64, identifier string) (bool, error) {
	var name string
	err := c.row([]any{&name}, `SELECT name FROM account WHERE id = ?`, owner)
	return identifier == name || identifier == "-"+name, err
}

// GrantableRights returns what an identifier can have: the owner everything, and others any of it.
func (a *account) GrantableRights(ctx context.Context, mailbox, identifier string) (g imap.GrantableRights, err error) {
	identifier = foldName(identifier)
	err = a.s.db.snapshot(ctx, func(c *conn) error {
		g = imap.GrantableRights{}
		_, owner, err := a.find(c, mailbox)
		if err != nil {
			return err
		}
		switch owns, err := c.owns(owner, identifier); {
		case err != nil:
			return err
		case !owns:
			g.Optional = imap.AllRights.Each()
		case !strings.HasPrefix(identifier, "-"):
			g.Required = imap.AllRights
		}
		return nil
	})
	return g, err
}

// subscribeOther sets or clears the subscription to another's mailbox.
func (a *account) subscribeOther(t *tx, row *accountRow, b *boxRow, on bool) error {
	query := `DELETE FROM subscription WHERE mailbox = ? AND account = ?`
	if on {
		query = `INSERT OR IGNORE INTO subscription (mailbox, account) VALUES (?, ?)`
	}
	t.touch(b, t.next(row))
	return t.exec(query, b.id, a.id)
}

// inherit gives a new mailbox the list of the one above it (RFC 4314 §4).
func (t *tx) inherit(b *boxRow) error {
	above, _ := splitName(b.name)
	if above == "" {
		return nil
	}
	var id int64
	if err := t.row([]any{&id}, `SELECT id FROM mailbox WHERE account = ? AND name = ?`, b.account, above); err != nil {
		return noRows(err)
	}
	if list, err := t.acl(id); err != nil || len(list) == 0 {
		return err
	}
	t.relist(b.id, nil)
	return t.exec(`INSERT INTO acl (mailbox, identifier, rights) SELECT ?, identifier, rights FROM acl WHERE mailbox = ?`, b.id, id)
}

// unshare removes what others have of a mailbox that goes.
func (t *tx) unshare(b *boxRow) error {
	list, err := t.acl(b.id)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		t.relist(b.id, list)
	}
	return errors.Join(t.exec(`DELETE FROM acl WHERE mailbox = ?`, b.id), t.exec(`DELETE FROM subscription WHERE mailbox = ?`, b.id))
}

// relist notes that the list of a mailbox changes.
func (t *tx) relist(mailbox int64, before []imap.ACLEntry) {
	if t.lists == nil {
		t.lists = make(map[int64][]imap.ACLEntry)
	}
	if _, known := t.lists[mailbox]; !known {
		t.lists[mailbox] = before
	}
}

// sharedBoxes are the mailboxes that have a list. The writing goroutine alone uses it.
type sharedBoxes map[int64]bool

func (s *sharedBoxes) load(c *conn) error {
	*s = make(sharedBoxes)
	return c.rows(func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		(*s)[id] = true
		return err
	}, `SELECT DISTINCT mailbox FROM acl`)
}

// publish tells others than the owners of the changes of mailboxes, where they have, or have had, rights to them.
func (s *Store) publish(t *tx) {
	for n, m := range t.notices {
		before, changed := t.lists[n.mailbox]
		if !changed && !s.shared[n.mailbox] {
			continue
		}
		var after []imap.ACLEntry
		err := s.db.read(context.Background(), func(c *conn) (err error) {
			after, err = c.acl(n.mailbox)
			return err
		})
		if err != nil { // everyone looks for himself
			if !errors.Is(err, ErrClosed) {
				s.log.Error("the list of a mailbox cannot be read", "error", err)
			}
			before, after = nil, []imap.ACLEntry{{Identifier: imap.Anyone, Rights: imap.AllRights}}
		} else if !changed {
			before = after
		}
		if delete(s.shared, n.mailbox); len(after) > 0 {
			s.shared[n.mailbox] = true
		}
		s.sharing.Store(len(s.shared) > 0)
		for _, a := range s.named(before, after) {
			was, is := imap.RightsOf(before, a.name), imap.RightsOf(after, a.name)
			if a.id != t.boxes[n.mailbox].account && was|is != 0 {
				a.feed.Publish(imap.Notice{MailboxID: mailboxID(n.mailbox), ModSeq: m, Other: was == is, Entries: t.shared[n.mailbox]})
			}
		}
	}
}

// named returns the accounts in use that lists are about.
func (s *Store) named(lists ...[]imap.ACLEntry) []*account {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := map[int64]*account{}
	for _, list := range lists {
		for _, e := range list {
			who := strings.TrimPrefix(e.Identifier, "-")
			if who == imap.Anyone {
				return slices.Collect(maps.Values(s.accounts))
			}
			for _, name := range []string{who, e.Identifier} {
				if id, ok := s.ids[name]; ok && s.accounts[id] != nil {
					found[id] = s.accounts[id]
				}
			}
		}
	}
	return slices.Collect(maps.Values(found))
}
