package mailstore

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// begin checks IfInState, and returns what is seen.
func (x jmapShare) begin(ctx context.Context, want *jmap.State) (*shareView, jmap.State, error) {
	v, err := x.look(ctx)
	if err != nil {
		return nil, "", err
	}
	var state jmap.State
	err = x.by.s.db.snapshot(ctx, func(c *conn) error {
		_, st, err := v.rows(c)
		state = st.state(st.now)
		return err
	})
	if err == nil && want != nil && *want != state {
		err = jmap.Errorf(jmap.StateMismatch, "the state is %s", state)
	}
	return v, state, err
}

// refusedOver says what a refusal over IMAP is over JMAP.
func refusedOver(err error) error {
	switch {
	case errors.Is(err, imap.ErrNoPermission), errors.Is(err, imap.ErrCannot), errors.Is(err, imap.ErrReadOnly):
		return &jmap.SetError{Type: jmap.SetForbidden, Description: "the rights to the mailbox do not let it"}
	case errors.Is(err, imap.ErrNonexistent):
		return &jmap.SetError{Type: jmap.SetNotFound}
	case errors.Is(err, imap.ErrExists):
		return invalid("name", "a sibling has that name")
	case errors.Is(err, imap.ErrInvalidName):
		return invalid("name", "not the name of one level")
	case errors.Is(err, imap.ErrTooBig):
		return &jmap.SetError{Type: jmap.SetTooLarge}
	}
	return err
}

func forbidden(what string) error {
	return &jmap.SetError{Type: jmap.SetForbidden, Description: what}
}

// overIMAP is a setter whose refusals are those of IMAP.
func overIMAP[C, U, T any](create func(C) (T, error), update func(jmap.ID, U) error, destroy func(jmap.ID) error) setter[C, U, T] {
	return setter[C, U, T]{func(_ jmap.ID, c C) (T, error) {
		made, err := create(c)
		return made, refusedOver(err)
	}, func(id jmap.ID, u U) error { return refusedOver(update(id, u)) }, func(id jmap.ID) error { return refusedOver(destroy(id)) }}
}

// Set is jmap.Setter's. Each change is a step of its own.
func (x shareMailboxes) Set(ctx context.Context, r *jmap.SetRequest[mail.Mailbox, mail.MailboxUpdate, mail.MailboxSetArgs]) (*jmap.SetResponse[mail.Mailbox], error) {
	_, state, err := x.begin(ctx, r.IfInState)
	if err != nil {
		return nil, err
	}
	out := newSet[mail.Mailbox](state)
	err = set(out, r, overIMAP(
		func(m mail.Mailbox) (mail.Mailbox, error) { return x.create(ctx, m) },
		func(id jmap.ID, u mail.MailboxUpdate) error { return x.update(ctx, id, u) },
		func(id jmap.ID) error { return x.destroy(ctx, id, r.Args.OnDestroyRemoveEmails) }))
	if err == nil {
		out.NewState, err = x.state(ctx)
	}
	return out, err
}

// seen returns a mailbox as it is now.
func (x jmapShare) seen(ctx context.Context, id jmap.ID) (*shareView, *imap.MailboxInfo, error) {
	v, err := x.look(ctx)
	if err != nil {
		return nil, nil, err
	}
	m := v.byID[parseID('F', string(id))]
	if m == nil {
		return nil, nil, &jmap.SetError{Type: jmap.SetNotFound}
	}
	return v, m, nil
}

// below returns the name that a mailbox of one level gets below a parent.
func (x shareMailboxes) below(ctx context.Context, parent *jmap.ID, name string) (string, error) {
	if parent == nil {
		return "", forbidden("the top level is the owner's")
	}
	_, p, err := x.seen(ctx, *parent)
	if refused, err := refusal(err); refused != nil {
		return "", invalid("parentId", "no such mailbox")
	} else if err != nil {
		return "", err
	}
	if above, _ := splitName(name); above != "" || name == "" {
		return "", invalid("name", "not the name of one level")
	}
	return p.Name + "/" + name, nil
}

func (x shareMailboxes) create(ctx context.Context, m mail.Mailbox) (mail.Mailbox, error) {
	name, err := x.below(ctx, m.ParentID, m.Name)
	if err != nil {
		return mail.Mailbox{}, err
	}
	if m.Role != "" || m.SortOrder != 0 && m.SortOrder != mail.DefaultSortOrder {
		return mail.Mailbox{}, forbidden("role and sortOrder are the owner's")
	}
	info, err := x.user.Editor.Create(ctx, x.imapName(name), imap.CreateOptions{})
	if err == nil && m.IsSubscribed {
		err = x.user.Editor.Subscribe(ctx, x.imapName(name), true)
	}
	return mail.Mailbox{ID: jmap.ID(info.ID), SortOrder: mail.DefaultSortOrder, MyRights: jmapRights(&info)}, err
}

func (x shareMailboxes) update(ctx context.Context, id jmap.ID, u mail.MailboxUpdate) error {
	v, m, err := x.seen(ctx, id)
	if err != nil {
		return err
	}
	if u.Role != nil || u.SortOrder != nil {
		return forbidden("role and sortOrder are the owner's")
	}
	name := m.Name
	if u.Name != nil || u.ParentID.Set {
		now := v.jmap(m, 0)
		if u.Name != nil {
			now.Name = *u.Name
		}
		if u.ParentID.Set {
			now.ParentID = u.ParentID.Value
		}
		if to, err := x.below(ctx, now.ParentID, now.Name); err != nil {
			return err
		} else if to != name {
			if err := x.user.Editor.Rename(ctx, x.imapName(name), x.imapName(to)); err != nil {
				return err
			}
			name = to
		}
	}
	if u.IsSubscribed != nil {
		return x.user.Editor.Subscribe(ctx, x.imapName(name), *u.IsSubscribed)
	}
	return nil
}

func (x shareMailboxes) destroy(ctx context.Context, id jmap.ID, removeEmails bool) error {
	_, m, err := x.seen(ctx, id)
	if err != nil {
		return err
	}
	if m.NoSelect && !removeEmails {
		return forbidden("whether it has emails cannot be told")
	}
	if !removeEmails {
		box, err := x.user.Store.OpenMailbox(ctx, x.imapName(m.Name))
		if err != nil {
			return err
		}
		st, err := box.Status(ctx)
		if err != nil {
			return err
		}
		if st.Messages > st.Deleted {
			return &jmap.SetError{Type: jmap.SetMailboxHasEmail}
		}
	}
	return x.user.Editor.Delete(ctx, x.imapName(m.Name))
}

// Set is jmap.Setter's. Each change is a step of its own.
func (x shareEmails) Set(ctx context.Context, r *jmap.SetRequest[mail.EmailCreate, mail.EmailUpdate, jmap.NoArgs]) (*jmap.SetResponse[mail.Record], error) {
	v, state, err := x.begin(ctx, r.IfInState)
	if err != nil {
		return nil, err
	}
	out := newSet[mail.Record](state)
	err = set(out, r, overIMAP(
		func(c mail.EmailCreate) (mail.Record, error) { return x.create(ctx, v, c) },
		func(id jmap.ID, u mail.EmailUpdate) error { return x.update(ctx, v, id, u) },
		func(id jmap.ID) error { return x.move(ctx, v, id, nil) }))
	if err == nil {
		out.NewState, err = x.state(ctx)
	}
	return out, err
}

// email reads one email, with the copies that can be read.
func (x shareEmails) email(ctx context.Context, v *shareView, id int64) (e *emailRow, err error) {
	err = x.by.s.db.snapshot(ctx, func(c *conn) error {
		all, err := x.emails(c, v, []int64{id}, false)
		e = all[id]
		return err
	})
	if err == nil && e == nil {
		err = &jmap.SetError{Type: jmap.SetNotFound}
	}
	return e, err
}

// boxes returns the mailboxes of a set, which must not be empty.
func (v *shareView) set(ids []jmap.ID) ([]*imap.MailboxInfo, error) {
	var out []*imap.MailboxInfo
	for _, id := range ids {
		m := v.byID[parseID('F', string(id))]
		if m == nil {
			return nil, invalid("mailboxIds", "no mailbox %s", id)
		}
		out = append(out, m)
	}
	if len(out) == 0 {
		return nil, invalid("mailboxIds", "an email is in one mailbox at least")
	}
	return out, nil
}

// maySet checks the right to change keywords in all of some mailboxes (RFC 8621 §2).
func maySet(boxes []*imap.MailboxInfo, before, after []string) error {
	need := imap.Rights(0)
	for _, sets := range [][2][]string{{before, after}, {after, before}} {
		for _, k := range sets[0] {
			if !slices.Contains(sets[1], k) {
				need |= imap.Flag(mail.Flag(k)).Right()
			}
		}
	}
	for _, m := range boxes {
		if !m.Rights.Has(need) {
			return forbidden("the rights to a mailbox do not let these keywords be changed")
		}
	}
	return nil
}

func (x shareEmails) create(ctx context.Context, v *shareView, c mail.EmailCreate) (mail.Record, error) {
	boxes, err := v.set(c.MailboxIDs)
	if err == nil {
		err = checkKeywords(c.Keywords)
	}
	if err == nil {
		err = maySet(boxes, nil, c.Keywords)
	}
	if err != nil {
		return mail.Record{}, err
	}
	if len(boxes) > 1 && boxes[0].NoSelect {
		return mail.Record{}, forbidden("the first mailbox cannot be read, and nothing copied from it")
	}
	for _, m := range boxes { // all or none
		if _, err := x.user.Appender.Append(ctx, x.imapName(m.Name), nil); err != nil {
			return mail.Record{}, err
		}
	}
	first := x.imapName(boxes[0].Name)
	done, err := x.user.Appender.Append(ctx, first, []imap.AppendMessage{{Flags: flagsOf(c.Keywords).flags(), InternalDate: c.ReceivedAt, Size: c.Size, Body: io.Reader(c.Body)}})
	for _, m := range boxes[1:] {
		if err == nil {
			_, err = x.user.Copier.Copy(ctx, first, imap.UIDs(done.UIDs...), x.imapName(m.Name), 0)
		}
	}
	if err != nil {
		return mail.Record{}, err
	}
	var made mail.Record
	err = x.by.s.db.snapshot(ctx, func(s *conn) error {
		e, err := x.owner.email(s, parseID('M', done.EmailIDs[0]), false)
		if e != nil {
			made = e.record()
			made.MailboxIDs, made.Keywords = c.MailboxIDs, c.Keywords
		}
		return err
	})
	return made, err
}

func (x shareEmails) update(ctx context.Context, v *shareView, id jmap.ID, u mail.EmailUpdate) error {
	e, err := x.email(ctx, v, parseID('M', string(id)))
	if err != nil {
		return err
	}
	if !u.Mailboxes.IsZero() {
		boxes, err := v.set(u.Mailboxes.Apply(e.mailboxes()))
		if err != nil {
			return err
		}
		if err := x.move(ctx, v, id, boxes); err != nil {
			return err
		}
		if e, err = x.email(ctx, v, e.id); err != nil || u.Keywords.IsZero() {
			return err
		}
	}
	before := e.keywords()
	after := u.Keywords.Apply(before)
	if err := checkKeywords(after); err != nil {
		return err
	}
	boxes, err := v.set(e.mailboxes())
	if err == nil {
		err = maySet(boxes, before, after)
	}
	for _, c := range e.copies {
		if err != nil {
			break
		}
		change := imap.FlagChange{Flags: flagsOf(after).flags(), Keep: imap.RightDeleteMessages}
		_, err = x.user.Flagger.StoreFlags(ctx, x.imapName(v.byID[c.mailbox].Name), imap.UIDs(c.uid), change, imap.NoUnchangedSince)
	}
	return err
}

// move gives an email its mailboxes, of those that are seen; without any it goes. It comes to the new ones before it leaves the old.
func (x shareEmails) move(ctx context.Context, v *shareView, id jmap.ID, boxes []*imap.MailboxInfo) error {
	e, err := x.email(ctx, v, parseID('M', string(id)))
	if err != nil {
		return err
	}
	from := x.imapName(v.byID[e.copies[0].mailbox].Name)
	var come []*imap.MailboxInfo
	var leave []copyRow
	for _, m := range boxes {
		if !slices.Contains(e.mailboxes(), jmap.ID(m.ID)) {
			if come = append(come, m); !m.Rights.Has(imap.RightInsert) {
				return forbidden("the rights to a mailbox do not let emails be added")
			}
		}
	}
	for _, c := range e.copies {
		if m := v.byID[c.mailbox]; !slices.Contains(boxes, m) {
			if leave = append(leave, c); !m.Rights.Has(imap.RightDeleteMessages | imap.RightExpunge) {
				return forbidden("the rights to a mailbox do not let emails be removed")
			}
		}
	}
	for _, m := range come {
		if _, err := x.user.Copier.Copy(ctx, from, imap.UIDs(e.copies[0].uid), x.imapName(m.Name), 0); err != nil {
			return err
		}
	}
	for _, c := range leave {
		if _, err := x.user.Expunger.Expunge(ctx, x.imapName(v.byID[c.mailbox].Name), imap.UIDs(c.uid), true); err != nil {
			return err
		}
	}
	return nil
}
