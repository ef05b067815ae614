package mailstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// A jmapShare is what one user sees of another's account over JMAP: the mailboxes that the enforced account of IMAP shows, and the
// emails in those of them that can be read. What it does goes through that account, which checks the rights.
type jmapShare struct {
	owner *account
	by    *account
	user  *imap.Account // of by
	name  string        // the owner's
}

// shares returns the accounts that have mailboxes which a user may look up.
func (s *Store) shares(ctx context.Context, by *account) ([]*mail.Account, error) {
	if !s.sharing.Load() {
		return nil, nil
	}
	type owner struct {
		id   int64
		name string
	}
	var owners []owner
	err := s.db.read(ctx, func(c *conn) error {
		return c.rows(func(r *sql.Rows) error {
			var o owner
			err := r.Scan(&o.id, &o.name)
			owners = append(owners, o)
			return err
		}, `SELECT DISTINCT a.id, a.name FROM acl JOIN mailbox m ON m.id = acl.mailbox JOIN account a ON a.id = m.account
			WHERE acl.identifier IN (?, 'anyone') AND a.id != ? ORDER BY a.name`, by.name, by.id)
	})
	if err != nil || len(owners) == 0 {
		return nil, err
	}
	var out []*mail.Account
	for _, o := range owners {
		x := jmapShare{owner: s.account(o.id, o.name), by: by, user: by.imap(), name: o.name}
		seen, err := x.look(ctx)
		if err != nil {
			return nil, err
		}
		if len(seen.boxes) == 0 {
			continue
		}
		all := imap.Rights(0)
		for _, b := range seen.boxes {
			all |= b.Rights
		}
		boxes, emails, blobs := shareMailboxes{x}, shareEmails{x}, shareBlobs{x}
		out = append(out, &mail.Account{ID: jmap.ID(accountID(o.id)), Name: o.name, Shared: true,
			ReadOnly:  all&^(imap.RightLookup|imap.RightRead|imap.RightPost|imap.RightAdminister) == 0,
			Mailboxes: mail.MailboxRoles{Getter: boxes, Changer: boxes, Setter: boxes}, Emails: mail.EmailRoles{Getter: emails, Changer: emails, Setter: emails}, Threads: mail.ThreadRoles{Changer: shareThreads{x}},
			Blobs: blobs, Uploads: jmapBlobs{by}, Watcher: shareWatcher{x}})
	}
	return out, nil
}

// A shareView is what is seen at one moment.
type shareView struct {
	boxes []imap.MailboxInfo // by name, which is the owner's
	byID  map[int64]*imap.MailboxInfo
}

// look lists the mailboxes that can be looked up.
func (x jmapShare) look(ctx context.Context) (*shareView, error) {
	v := &shareView{byID: map[int64]*imap.MailboxInfo{}}
	for m, err := range x.user.Store.Mailboxes(ctx) {
		if err != nil {
			return nil, err
		}
		local, ok := strings.CutPrefix(m.Name, x.user.OtherUsers+x.name+"/")
		if m.Name = local; ok {
			v.boxes = append(v.boxes, m)
		}
	}
	slices.SortFunc(v.boxes, func(a, b imap.MailboxInfo) int { return strings.Compare(a.Name, b.Name) })
	for i := range v.boxes {
		v.byID[parseID('F', v.boxes[i].ID)] = &v.boxes[i]
	}
	return v, nil
}

// imapName is the name that a mailbox of the owner has over IMAP.
func (x jmapShare) imapName(local string) string { return x.user.OtherUsers + x.name + "/" + local }

// readable returns the ids of the mailboxes that can be read, as a JSON array.
func (v *shareView) readable() string {
	var ids []int64
	for id, m := range v.byID {
		if !m.NoSelect {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return string(appendNumbers(nil, ids))
}

// rows reads the mailboxes that can be read, and the state.
func (v *shareView) rows(c *conn) (map[int64]*boxRow, shareState, error) {
	rows, h, st := map[int64]*boxRow{}, sha256.New(), shareState{now: at(0)}
	for _, m := range v.boxes {
		fmt.Fprintf(h, "%q %s %s %v %s", m.Name, m.ID, m.Rights, m.Subscribed, m.SpecialUse)
		if m.NoSelect {
			continue
		}
		b := new(boxRow)
		err := c.row(b.fields(), `SELECT `+boxColumns+` FROM mailbox WHERE id = ?`, parseID('F', m.ID))
		if errors.Is(err, sql.ErrNoRows) { // it has just gone
			continue
		} else if err != nil {
			return nil, st, err
		}
		rows[b.id] = b
		fmt.Fprintf(h, " %d", b.sortorder)
		st.now.modseq, st.horizon = max(st.now.modseq, b.modseq), max(st.horizon, b.horizon)
	}
	st.seen = base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:15])
	return rows, st, nil
}

// state reads the state.
func (x jmapShare) state(ctx context.Context) (state jmap.State, err error) {
	v, err := x.look(ctx)
	if err != nil {
		return "", err
	}
	err = x.by.s.db.snapshot(ctx, func(c *conn) error {
		_, st, err := v.rows(c)
		state = st.state(st.now)
		return err
	})
	return state, err
}

// shareWatcher watches as the user's IMAP does, whose feed tells of all that is shared.
type shareWatcher struct{ jmapShare }

// Watch tells when something may have changed.
func (x shareWatcher) Watch(ctx context.Context) <-chan struct{} {
	return x.user.Watcher.Watch(ctx).Ready()
}

// States returns the one state for every type.
func (x shareWatcher) States(ctx context.Context) (map[string]jmap.State, error) {
	s, err := x.state(ctx)
	return map[string]jmap.State{"Mailbox": s, "Email": s, "Thread": s}, err
}

// shareBlobs opens what emails that can be read have, and what the user has uploaded.
type shareBlobs struct{ jmapShare }

// OpenBlob is mail.Blobs'.
func (x shareBlobs) OpenBlob(ctx context.Context, id jmap.ID) (jmap.Blob, error) {
	v, err := x.look(ctx)
	if err != nil {
		return nil, err
	}
	return x.by.s.body(ctx, func(c *conn, dest []any) error {
		err := c.row(dest, `SELECT hash, size, data IS NULL, data FROM blob WHERE id = ? AND (
			EXISTS (SELECT 1 FROM email e JOIN message m ON m.email = e.id WHERE e.blob = blob.id AND e.account = ? AND m.mailbox IN (SELECT value FROM json_each(?))) OR
			EXISTS (SELECT 1 FROM upload WHERE blob = blob.id AND account = ?))`, parseID('B', string(id)), x.owner.id, v.readable(), x.by.id)
		if errors.Is(err, sql.ErrNoRows) {
			return &jmap.SetError{Type: jmap.SetBlobNotFound, NotFound: []jmap.ID{id}}
		}
		return err
	})
}

// shareMailboxes are the mailboxes.
type shareMailboxes struct{ jmapShare }

// jmapRights are the rights of RFC 8621 §2.
func jmapRights(m *imap.MailboxInfo) *mail.MailboxRights {
	r, inbox := m.Rights, m.Name == "INBOX"
	return &mail.MailboxRights{MayReadItems: r.Has(imap.RightLookup | imap.RightRead), MayAddItems: r.Has(imap.RightInsert),
		MayRemoveItems: r.Has(imap.RightDeleteMessages | imap.RightExpunge), MaySetSeen: r.Has(imap.RightSeen), MaySetKeywords: r.Has(imap.RightWrite),
		MayCreateChild: r.Has(imap.RightCreate), MayRename: r.Has(imap.RightDelete) && !inbox, MayDelete: r.Has(imap.RightDelete) && !inbox,
		MaySubmit: r.Has(imap.RightPost)}
}

// jmap returns a mailbox without its counts. Its parent is the nearest one above that is seen; the name says how far below it is.
func (v *shareView) jmap(m *imap.MailboxInfo, sortOrder uint32) mail.Mailbox {
	out := mail.Mailbox{ID: jmap.ID(m.ID), Name: m.Name, Role: roleOf(m.SpecialUse), SortOrder: uint(sortOrder), MyRights: jmapRights(m), IsSubscribed: m.Subscribed}
	if m.Name == "INBOX" {
		out.Name, out.Role = "Inbox", "inbox"
	}
	for above, _ := splitName(m.Name); above != ""; above, _ = splitName(above) {
		i, found := slices.BinarySearchFunc(v.boxes, above, func(m imap.MailboxInfo, name string) int { return strings.Compare(m.Name, name) })
		if found {
			out.ParentID, out.Name = new(jmap.ID(v.boxes[i].ID)), m.Name[len(above)+1:]
			break
		}
	}
	return out
}

// Get is jmap.Getter's.
func (x shareMailboxes) Get(ctx context.Context, r *jmap.GetRequest[jmap.NoArgs]) (*jmap.GetResponse[mail.Mailbox], error) {
	v, err := x.look(ctx)
	if err != nil {
		return nil, err
	}
	out := &jmap.GetResponse[mail.Mailbox]{AccountID: r.AccountID}
	err = x.by.s.db.snapshot(ctx, func(c *conn) error {
		out.List, out.NotFound = nil, nil
		rows, state, err := v.rows(c)
		if err != nil {
			return err
		}
		out.State = state.state(state.now)
		ids := r.IDs
		if ids == nil {
			for i := range v.boxes {
				ids = append(ids, jmap.ID(v.boxes[i].ID))
			}
		}
		for _, id := range ids {
			m := v.byID[parseID('F', string(id))]
			if m == nil {
				out.NotFound = append(out.NotFound, id)
				continue
			}
			sortOrder, n := uint32(mail.DefaultSortOrder), counts{}
			if b := rows[parseID('F', m.ID)]; b != nil {
				sortOrder = b.sortorder
				if n, err = x.owner.count(c, b); err != nil {
					return err
				}
			}
			box := v.jmap(m, sortOrder)
			box.TotalEmails, box.UnreadEmails, box.TotalThreads, box.UnreadThreads = n.emails, n.unread, n.threads, n.fresh
			out.List = append(out.List, box)
		}
		return nil
	})
	return out, err
}

// shareEmails are the emails.
type shareEmails struct{ jmapShare }

// emails reads emails with those of their copies that can be read.
func (x jmapShare) emails(c *conn, v *shareView, ids []int64, summary bool) (map[int64]*emailRow, error) {
	all, err := x.owner.emails(c, ids, summary)
	for id, e := range all {
		e.copies = slices.DeleteFunc(e.copies, func(m copyRow) bool { return v.byID[m.mailbox] == nil || v.byID[m.mailbox].NoSelect })
		if len(e.copies) == 0 {
			delete(all, id)
		}
	}
	return all, err
}

// Get is jmap.Getter's.
func (x shareEmails) Get(ctx context.Context, r *jmap.GetRequest[mail.EmailWant]) (*jmap.GetResponse[mail.Record], error) {
	v, err := x.look(ctx)
	if err != nil {
		return nil, err
	}
	out := &jmap.GetResponse[mail.Record]{AccountID: r.AccountID}
	err = x.by.s.db.snapshot(ctx, func(c *conn) error {
		out.List, out.NotFound = nil, nil
		_, state, err := v.rows(c)
		if err != nil {
			return err
		}
		out.State = state.state(state.now)
		ids := r.IDs
		if ids == nil {
			if ids, err = c.ids(emailID, `SELECT DISTINCT email FROM message WHERE mailbox IN (SELECT value FROM json_each(?)) AND NOT flags & 8 ORDER BY 1`, v.readable()); err != nil {
				return err
			}
		}
		wanted := make([]int64, len(ids))
		for i, id := range ids {
			wanted[i] = parseID('M', string(id))
		}
		found, err := x.emails(c, v, wanted, r.Args.Summary)
		if err != nil {
			return err
		}
		for i, id := range ids {
			if e := found[wanted[i]]; e != nil {
				out.List = append(out.List, e.record())
			} else {
				out.NotFound = append(out.NotFound, id)
			}
		}
		return nil
	})
	return out, err
}
