package jmaptest

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

type mailboxes struct{ *account }

// Get is mail.MailboxRoles'.
func (a mailboxes) Get(_ context.Context, r *jmap.GetRequest[jmap.NoArgs]) (*jmap.GetResponse[mail.Mailbox], error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := &jmap.GetResponse[mail.Mailbox]{State: a.state()}
	out.NotFound = get(r.IDs, a.mailboxes, mailboxLife, func(_ jmap.ID, m *mailbox) {
		out.List = append(out.List, a.counted(m))
	})
	return out, nil
}

func mailboxLife(m *mailbox) life { return m.life }

// counted returns a mailbox with its counts (RFC 8621 §2); a thread is unread if one of its emails in this mailbox is.
func (a mailboxes) counted(m *mailbox) mail.Mailbox {
	out := m.Mailbox
	threads := map[jmap.ID]bool{}
	for _, e := range a.emails {
		if e.gone != 0 || !slices.Contains(e.MailboxIDs, m.ID) {
			continue
		}
		unread := !slices.Contains(e.Keywords, "$seen") && !slices.Contains(e.Keywords, "$draft")
		out.TotalEmails++
		if unread {
			out.UnreadEmails++
		}
		threads[e.ThreadID] = threads[e.ThreadID] || unread
	}
	out.TotalThreads = uint(len(threads))
	for _, unread := range threads {
		if unread {
			out.UnreadThreads++
		}
	}
	return out
}

// Changes is mail.MailboxChanger's.
func (a mailboxes) Changes(_ context.Context, r *jmap.ChangesRequest) (*mail.MailboxChangesResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c, err := changes(a.account, r, a.mailboxes, mailboxLife)
	if err != nil {
		return nil, err
	}
	out := &mail.MailboxChangesResponse{ChangesResponse: *c, UpdatedProperties: []string{"totalEmails", "unreadEmails", "totalThreads", "unreadThreads"}}
	since, _ := parsePlace(r.SinceState)
	for _, id := range c.Updated {
		if (place{a.mailboxes[id].renamed, number(id)}).after(since) {
			out.UpdatedProperties = nil
		}
	}
	return out, nil
}

// Set is mail.MailboxRoles'.
func (a mailboxes) Set(_ context.Context, r *jmap.SetRequest[mail.Mailbox, mail.MailboxUpdate, mail.MailboxSetArgs]) (*jmap.SetResponse[mail.Mailbox], error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := newSet[mail.Mailbox](a.account)
	if r.IfInState != nil && *r.IfInState != a.state() {
		return nil, jmap.Errorf(jmap.StateMismatch, "the state is %s", a.state())
	}
	for _, creation := range slices.Sorted(maps.Keys(r.Create)) {
		m := r.Create[creation]
		if err := a.checkName("", m.Name, m.ParentID); err != nil {
			out.NotCreated[creation] = err
			continue
		}
		if err := a.checkRole("", m.Role); err != nil {
			out.NotCreated[creation] = err
			continue
		}
		made := a.newMailbox(m)
		out.Created[creation] = mail.Mailbox{ID: made.ID, SortOrder: made.SortOrder, MyRights: made.MyRights}
	}
	for _, id := range slices.Sorted(maps.Keys(r.Update)) {
		if err := a.update(id, r.Update[id]); err != nil {
			out.NotUpdated[id] = err
			continue
		}
		out.Updated[id] = nil
	}
	for _, id := range r.Destroy {
		if err := a.destroy(id, r.Args.OnDestroyRemoveEmails); err != nil {
			out.NotDestroyed[id] = err
			continue
		}
		out.Destroyed = append(out.Destroyed, id)
	}
	out.NewState = a.state()
	a.notify()
	return out, nil
}

func newSet[T any](a *account) *jmap.SetResponse[T] {
	return &jmap.SetResponse[T]{OldState: a.state(), Created: map[jmap.ID]T{}, Updated: map[jmap.ID]*T{},
		NotCreated: map[jmap.ID]*jmap.SetError{}, NotUpdated: map[jmap.ID]*jmap.SetError{}, NotDestroyed: map[jmap.ID]*jmap.SetError{}}
}

// checkName refuses a name that a sibling has, a parent that is not there, and circles.
func (a mailboxes) checkName(self jmap.ID, name string, parent *jmap.ID) *jmap.SetError {
	for p := parent; p != nil; p = a.mailboxes[*p].ParentID {
		if m := a.mailboxes[*p]; *p == self || m == nil || m.gone != 0 {
			return &jmap.SetError{Type: jmap.SetInvalidProperties, Properties: []string{"parentId"}}
		}
	}
	for id, m := range a.mailboxes {
		if id != self && m.gone == 0 && m.Name == name && value(m.ParentID) == value(parent) {
			return &jmap.SetError{Type: jmap.SetInvalidProperties, Properties: []string{"name"}, Description: "a sibling has that name"}
		}
	}
	return nil
}

// checkRole refuses a role that another mailbox has.
func (a mailboxes) checkRole(self jmap.ID, role mail.Role) *jmap.SetError {
	for id, m := range a.mailboxes {
		if role != "" && id != self && m.gone == 0 && m.Role == role {
			return &jmap.SetError{Type: jmap.SetInvalidProperties, Properties: []string{"role"}, Description: "another mailbox has it"}
		}
	}
	return nil
}

func value(id *jmap.ID) jmap.ID {
	if id == nil {
		return ""
	}
	return *id
}

func (a mailboxes) update(id jmap.ID, u mail.MailboxUpdate) *jmap.SetError {
	m := a.mailboxes[id]
	if m == nil || m.gone != 0 {
		return &jmap.SetError{Type: jmap.SetNotFound}
	}
	next := m.Mailbox
	if u.Name != nil {
		next.Name = *u.Name
	}
	if u.ParentID.Set {
		next.ParentID = u.ParentID.Value
	}
	if u.Role != nil {
		next.Role = *u.Role
	}
	if u.SortOrder != nil {
		next.SortOrder = *u.SortOrder
	}
	if u.IsSubscribed != nil {
		next.IsSubscribed = *u.IsSubscribed
	}
	if err := a.checkName(id, next.Name, next.ParentID); err != nil {
		return err
	}
	if err := a.checkRole(id, next.Role); err != nil {
		return err
	}
	a.modseq++
	m.Mailbox, m.changed, m.renamed = next, a.modseq, a.modseq
	return nil
}

func (a mailboxes) destroy(id jmap.ID, removeEmails bool) *jmap.SetError {
	m := a.mailboxes[id]
	if m == nil || m.gone != 0 {
		return &jmap.SetError{Type: jmap.SetNotFound}
	}
	for _, c := range a.mailboxes {
		if c.gone == 0 && value(c.ParentID) == id {
			return &jmap.SetError{Type: jmap.SetMailboxHasChild}
		}
	}
	a.modseq++
	for _, e := range a.emails {
		if e.gone != 0 || !slices.Contains(e.MailboxIDs, id) {
			continue
		}
		if !removeEmails {
			a.modseq--
			return &jmap.SetError{Type: jmap.SetMailboxHasEmail}
		}
		emails(a).setMailboxes(e, slices.DeleteFunc(slices.Clone(e.MailboxIDs), func(x jmap.ID) bool { return x == id }))
	}
	m.gone = a.modseq
	return nil
}

type threads struct{ *account }

func threadLife(t *thread) life { return t.life }

// Get is mail.ThreadRoles'.
func (a threads) Get(_ context.Context, r *jmap.GetRequest[jmap.NoArgs]) (*jmap.GetResponse[mail.Thread], error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	members := map[jmap.ID][]*email{}
	for _, e := range a.emails {
		if e.gone == 0 {
			members[e.ThreadID] = append(members[e.ThreadID], e)
		}
	}
	out := &jmap.GetResponse[mail.Thread]{State: a.state()}
	out.NotFound = get(r.IDs, a.threads, threadLife, func(id jmap.ID, _ *thread) {
		t := mail.Thread{ID: id}
		slices.SortFunc(members[id], func(x, y *email) int {
			if c := x.ReceivedAt.Compare(y.ReceivedAt); c != 0 {
				return c
			}
			return number(x.ID) - number(y.ID)
		})
		for _, e := range members[id] {
			t.EmailIDs = append(t.EmailIDs, e.ID)
		}
		out.List = append(out.List, t)
	})
	return out, nil
}

// Changes is mail.ThreadRoles'.
func (a threads) Changes(_ context.Context, r *jmap.ChangesRequest) (*jmap.ChangesResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return changes(a.account, r, a.threads, threadLife)
}

type emails struct{ *account }

func emailLife(e *email) life { return e.life }

// Get is mail.EmailRoles'.
func (a emails) Get(_ context.Context, r *jmap.GetRequest[mail.EmailWant]) (*jmap.GetResponse[mail.Record], error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := &jmap.GetResponse[mail.Record]{State: a.state()}
	out.NotFound = get(r.IDs, a.emails, emailLife, func(_ jmap.ID, e *email) {
		rec := e.Record
		rec.MailboxIDs, rec.Keywords = slices.Clone(rec.MailboxIDs), slices.Clone(rec.Keywords)
		if !r.Args.Summary {
			rec.Summary = nil
		}
		out.List = append(out.List, rec)
	})
	return out, nil
}

// Changes is mail.EmailRoles'.
func (a emails) Changes(_ context.Context, r *jmap.ChangesRequest) (*jmap.ChangesResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return changes(a.account, r, a.emails, emailLife)
}

// Set is mail.EmailRoles'.
func (a emails) Set(_ context.Context, r *jmap.SetRequest[mail.EmailCreate, mail.EmailUpdate, jmap.NoArgs]) (*jmap.SetResponse[mail.Record], error) {
	bodies := map[jmap.ID][]byte{}
	for id, c := range r.Create {
		b, err := io.ReadAll(c.Body)
		if err != nil {
			return nil, err
		}
		bodies[id] = b
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	out := newSet[mail.Record](a.account)
	if r.IfInState != nil && *r.IfInState != a.state() {
		return nil, jmap.Errorf(jmap.StateMismatch, "the state is %s", a.state())
	}
	for _, creation := range slices.Sorted(maps.Keys(r.Create)) {
		if err := a.checkMailboxes(r.Create[creation].MailboxIDs); err != nil {
			out.NotCreated[creation] = err
			continue
		}
		if err := a.full(int64(len(bodies[creation]))); err != nil {
			out.NotCreated[creation] = err
			continue
		}
		a.modseq++
		out.Created[creation] = a.newEmail(r.Create[creation], bodies[creation]).Record
	}
	for _, id := range slices.Sorted(maps.Keys(r.Update)) {
		e := a.emails[id]
		if e == nil || e.gone != 0 {
			out.NotUpdated[id] = &jmap.SetError{Type: jmap.SetNotFound}
			continue
		}
		u := r.Update[id]
		boxes := u.Mailboxes.Apply(e.MailboxIDs)
		if err := a.checkMailboxes(boxes); err != nil {
			out.NotUpdated[id] = err
			continue
		}
		a.modseq++
		e.Keywords = u.Keywords.Apply(e.Keywords)
		e.changed = a.modseq
		a.touch(e)
		a.setMailboxes(e, boxes)
		out.Updated[id] = nil
	}
	for _, id := range r.Destroy {
		e := a.emails[id]
		if e == nil || e.gone != 0 {
			out.NotDestroyed[id] = &jmap.SetError{Type: jmap.SetNotFound}
			continue
		}
		a.modseq++
		a.setMailboxes(e, nil)
		out.Destroyed = append(out.Destroyed, id)
	}
	out.NewState = a.state()
	a.notify()
	return out, nil
}

func (a emails) checkMailboxes(ids []jmap.ID) *jmap.SetError {
	ok := len(ids) > 0
	for _, id := range ids {
		m := a.mailboxes[id]
		ok = ok && m != nil && m.gone == 0
	}
	if !ok {
		return &jmap.SetError{Type: jmap.SetInvalidProperties, Properties: []string{"mailboxIds"}}
	}
	return nil
}

// setMailboxes moves an email at the account's modseq; one that is in no mailbox ends.
func (a emails) setMailboxes(e *email, ids []jmap.ID) {
	a.touch(e)
	e.MailboxIDs, e.changed = ids, a.modseq
	a.touch(e)
	if len(ids) > 0 {
		return
	}
	e.gone = a.modseq
	t := a.threads[e.ThreadID]
	t.changed = a.modseq
	for _, o := range a.emails {
		if o.gone == 0 && o.ThreadID == e.ThreadID {
			return
		}
	}
	t.gone = a.modseq
}

// Message returns a small message with CRLF line ends, for tests.
func Message(from, subject, text string, fields ...string) []byte {
	var b strings.Builder
	b.WriteString("From: " + from + "\nSubject: " + subject + "\n")
	for _, f := range fields {
		b.WriteString(f + "\n")
	}
	b.WriteString("\n" + text + "\n")
	return []byte(strings.ReplaceAll(b.String(), "\n", "\r\n"))
}
