package mailserver

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

type (
	mailboxSetRequest = jmap.SetRequest[jmap.Patch, jmap.Patch, mail.MailboxSetArgs]
	mailboxStoreSet   = jmap.SetRequest[mail.Mailbox, mail.MailboxUpdate, mail.MailboxSetArgs]
)

// mailboxSet is Mailbox/set (RFC 8621 §2.5).
func (s *Service) mailboxSet(ctx context.Context, c *jmapserver.Call, r *mailboxSetRequest) (*jmap.SetResponse[mail.Mailbox], error) {
	a, err := s.setting(ctx, c, r.AccountID, len(r.Create)+len(r.Update)+len(r.Destroy))
	if err != nil {
		return nil, err
	}
	if a.Mailboxes.Setter == nil {
		return nil, jmap.Errorf(jmap.AccountReadOnly, "the store takes no changes")
	}
	var all *jmap.SetResponse[mail.Mailbox]
	for _, part := range parts(r) {
		out, err := setMailboxes(ctx, c, a, part)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = out
			continue
		}
		all.NewState = out.NewState
		join(&all.Created, out.Created)
		join(&all.Updated, out.Updated)
		join(&all.NotCreated, out.NotCreated)
		join(&all.NotUpdated, out.NotUpdated)
		join(&all.NotDestroyed, out.NotDestroyed)
		all.Destroyed = append(all.Destroyed, out.Destroyed...)
	}
	return all, nil
}

func join[V any](to *map[jmap.ID]V, more map[jmap.ID]V) {
	if *to == nil {
		*to = more
	} else {
		maps.Copy(*to, more)
	}
}

// parts cuts a call so that what is created stands before what refers to it (RFC 8620 §5.3). A call without such
// references, and what refers in a circle, is one part.
func parts(r *mailboxSetRequest) []*mailboxSetRequest {
	left := maps.Clone(r.Create)
	isIn := func(creations map[jmap.ID]jmap.Patch, id jmap.ID) bool {
		name, ok := strings.CutPrefix(string(id), "#")
		_, in := creations[jmap.ID(name)]
		return ok && in
	}
	refers := func(creations map[jmap.ID]jmap.Patch, p jmap.Patch) bool {
		var parent jmap.ID
		return jmap.Unmarshal(p["parentId"], &parent) == nil && isIn(creations, parent)
	}
	last := &mailboxSetRequest{AccountID: r.AccountID, IfInState: r.IfInState, Args: r.Args}
	out := []*mailboxSetRequest{last}
	next := func() {
		last = &mailboxSetRequest{AccountID: r.AccountID, Args: r.Args}
		out = append(out, last)
	}
	for len(left) > 0 {
		last.Create = make(map[jmap.ID]jmap.Patch)
		for creation, object := range left {
			if !refers(left, object) {
				last.Create[creation] = object
			}
		}
		if len(last.Create) == 0 {
			last.Create = left
			break
		}
		for creation := range last.Create {
			delete(left, creation)
		}
		if len(left) > 0 {
			next()
		}
	}
	late := slices.ContainsFunc(r.Destroy, func(id jmap.ID) bool { return isIn(r.Create, id) })
	for id, patch := range r.Update {
		late = late || isIn(r.Create, id) || refers(r.Create, patch)
	}
	if late {
		next()
	}
	last.Update, last.Destroy = r.Update, r.Destroy
	return out
}

// setMailboxes makes the changes of one part.
func setMailboxes(ctx context.Context, c *jmapserver.Call, a *mail.Account, r *mailboxSetRequest) (*jmap.SetResponse[mail.Mailbox], error) {
	in := &mailboxStoreSet{AccountID: r.AccountID, IfInState: r.IfInState, Args: r.Args,
		Create: make(map[jmap.ID]mail.Mailbox), Update: make(map[jmap.ID]mail.MailboxUpdate)}
	notCreated, notUpdated := make(map[jmap.ID]*jmap.SetError), make(map[jmap.ID]*jmap.SetError)
	for creation, object := range r.Create {
		u, err := mailboxUpdate(c, object)
		if err == nil && u.Name == nil {
			err = invalid("a mailbox needs a name", "name")
		}
		if err != nil {
			notCreated[creation] = err
			continue
		}
		m := mail.Mailbox{Name: *u.Name, ParentID: u.ParentID.Value, SortOrder: mail.DefaultSortOrder, IsSubscribed: true}
		if u.Role != nil {
			m.Role = *u.Role
		}
		if u.SortOrder != nil {
			m.SortOrder = *u.SortOrder
		}
		if u.IsSubscribed != nil {
			m.IsSubscribed = *u.IsSubscribed
		}
		in.Create[creation] = m
	}
	for id, patch := range r.Update {
		id = resolve(c, id)
		u, err := mailboxUpdate(c, patch)
		if err != nil {
			notUpdated[id] = err
			continue
		}
		in.Update[id] = u
	}
	in.Destroy = resolveAll(c, r.Destroy)
	out, err := a.Mailboxes.Setter.Set(ctx, in)
	if err != nil {
		return nil, err
	}
	out.AccountID = r.AccountID
	if out.NotCreated == nil {
		out.NotCreated = make(map[jmap.ID]*jmap.SetError)
	}
	if out.NotUpdated == nil {
		out.NotUpdated = make(map[jmap.ID]*jmap.SetError)
	}
	maps.Copy(out.NotCreated, notCreated)
	maps.Copy(out.NotUpdated, notUpdated)
	for creation, m := range out.Created {
		c.Created(creation, m.ID)
		if err := fillCreated(&m, in.Create[creation], r.Create[creation]); err != nil {
			return nil, err
		}
		out.Created[creation] = m
	}
	return out, nil
}

// fillCreated makes m what a client does not know of a mailbox that it created: all that it did not send.
func fillCreated(m *mail.Mailbox, made mail.Mailbox, sent jmap.Patch) error {
	made.ID, made.MyRights = m.ID, m.MyRights
	if made.MyRights == nil {
		made.MyRights = mail.AllRights()
	}
	sel, err := unsent[mail.Mailbox](sent)
	made.SetSelection(sel)
	*m = made
	return err
}

// mailboxUpdate turns a patch, or a whole object, into what a store applies.
func mailboxUpdate(c *jmapserver.Call, patch jmap.Patch) (mail.MailboxUpdate, *jmap.SetError) {
	var u mail.MailboxUpdate
	for name, v := range patch {
		var err error
		switch name {
		case "name":
			var s string
			if err = jmap.Unmarshal(v, &s); err == nil && !validName(s) {
				return u, invalid("a name has 1 to 255 octets without control characters and slashes", name)
			}
			u.Name = new(norm.NFC.String(s))
		case "parentId":
			if err = jmap.Unmarshal(v, &u.ParentID); err == nil && u.ParentID.Value != nil {
				id, ok := c.Resolve(*u.ParentID.Value)
				if !ok {
					return u, invalid("no mailbox was created under that name", name)
				}
				u.ParentID.Value = &id
			}
		case "role":
			var role mail.Role
			if err = jmap.Unmarshal(v, &role); err == nil && string(role) != strings.ToLower(string(role)) {
				return u, invalid("a role is in lower case", name)
			}
			u.Role = &role
		case "sortOrder":
			var n uint
			if string(v) == "null" {
				n = mail.DefaultSortOrder
			} else if err = jmap.Unmarshal(v, &n); err == nil && n >= 1<<31 {
				return u, invalid("a sort order is below 2^31", name)
			}
			u.SortOrder = &n
		case "isSubscribed":
			var on bool
			err = jmap.Unmarshal(v, &on)
			u.IsSubscribed = &on
		default:
			return u, invalid("the server sets it, or it is not known", name)
		}
		if err != nil {
			return u, invalid("wrong type", name)
		}
	}
	return u, nil
}

func validName(s string) bool {
	return s != "" && len(s) <= maxMailboxName && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r == '/' || unicode.IsControl(r) })
}
