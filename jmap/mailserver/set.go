package mailserver

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// checkSet refuses a /set with more objects than the server's limit.
func checkSet(c *jmapserver.Call, objects int) error {
	if objects > c.Limits.MaxObjectsInSet {
		return jmap.Errorf(jmap.RequestTooLarge, "more than %d objects", c.Limits.MaxObjectsInSet)
	}
	return nil
}

// setting returns the account of a /set of so many objects.
func (s *Service) setting(ctx context.Context, c *jmapserver.Call, account jmap.ID, objects int) (*mail.Account, error) {
	if err := checkSet(c, objects); err != nil {
		return nil, err
	}
	return s.writable(ctx, c, account)
}

// resolve returns the id that a "#" and a creation id stand for, and any other as it is.
func resolve(c *jmapserver.Call, id jmap.ID) jmap.ID {
	if real, ok := c.Resolve(id); ok {
		return real
	}
	return id
}

// resolveAll returns the distinct ids, each resolved.
func resolveAll(c *jmapserver.Call, ids []jmap.ID) []jmap.ID {
	out := slices.Clone(ids)
	for i, id := range out {
		out[i] = resolve(c, id)
	}
	return compact(out)
}

// unsent selects what a client does not know of a record that it created: all that it did not send.
func unsent[T any](sent jmap.Patch) (jmap.Selection, error) {
	return jmap.Select[T](slices.DeleteFunc(jmap.Properties[T](), func(p string) bool { _, ok := sent[p]; return ok }), nil)
}

func invalid(description string, properties ...string) *jmap.SetError {
	return &jmap.SetError{Type: jmap.SetInvalidProperties, Properties: properties, Description: description}
}

type (
	emailSetRequest = jmap.SetRequest[jmap.Raw, jmap.Patch, jmap.NoArgs]
	emailStoreSet   = jmap.SetRequest[mail.EmailCreate, mail.EmailUpdate, jmap.NoArgs]
)

// emailSet is Email/set (RFC 8621 §4.6).
func (s *Service) emailSet(ctx context.Context, c *jmapserver.Call, r *emailSetRequest) (*jmap.SetResponse[mail.Email], error) {
	a, err := s.setting(ctx, c, r.AccountID, len(r.Create)+len(r.Update)+len(r.Destroy))
	if err != nil {
		return nil, err
	}
	if a.Emails.Setter == nil {
		return nil, jmap.Errorf(jmap.AccountReadOnly, "the store takes no changes")
	}
	in := &emailStoreSet{AccountID: r.AccountID, IfInState: r.IfInState, Update: make(map[jmap.ID]mail.EmailUpdate)}
	var notCreated map[jmap.ID]*jmap.SetError
	if in.Create, notCreated, err = composeAll(ctx, c, a, r.Create); err != nil {
		return nil, err
	}
	notUpdated := make(map[jmap.ID]*jmap.SetError)
	for id, patch := range r.Update {
		id = resolve(c, id)
		u, err := emailUpdate(c, patch)
		if err != nil {
			notUpdated[id] = err
			continue
		}
		in.Update[id] = u
	}
	in.Destroy = resolveAll(c, r.Destroy)
	for _, id := range in.Destroy {
		if _, ok := in.Update[id]; ok {
			delete(in.Update, id)
			notUpdated[id] = &jmap.SetError{Type: jmap.SetWillDestroy}
		}
	}
	res, err := a.Emails.Setter.Set(ctx, in)
	if err != nil {
		return nil, err
	}
	out := &jmap.SetResponse[mail.Email]{AccountID: r.AccountID, OldState: res.OldState, NewState: res.NewState,
		Created: make(map[jmap.ID]mail.Email, len(res.Created)), Updated: make(map[jmap.ID]*mail.Email, len(res.Updated)), Destroyed: res.Destroyed,
		NotCreated: notCreated, NotUpdated: notUpdated, NotDestroyed: res.NotDestroyed}
	for id := range res.Updated {
		out.Updated[id] = nil
	}
	maps.Copy(out.NotUpdated, res.NotUpdated)
	finishCreate(c, res, out.Created, out.NotCreated)
	return out, nil
}

func compact(ids []jmap.ID) []jmap.ID {
	seen := make(map[jmap.ID]bool, len(ids))
	return slices.DeleteFunc(ids, func(id jmap.ID) bool {
		again := seen[id]
		seen[id] = true
		return again
	})
}

// emailUpdate turns a patch into what a store applies. Properties that never change are left to be refused, whatever
// their value: a client that means to change nothing leaves them out.
func emailUpdate(c *jmapserver.Call, patch jmap.Patch) (mail.EmailUpdate, *jmap.SetError) {
	var u mail.EmailUpdate
	entries, err := patch.Entries()
	if err != nil {
		e, _ := errors.AsType[*jmap.SetError](err)
		return u, e
	}
	for _, e := range entries {
		var bad bool
		switch e.Path[0] {
		case "keywords":
			bad = !setUpdate(&u.Keywords, e, func(k string) (string, bool) { return strings.ToLower(k), mail.ValidKeyword(k) })
		case "mailboxIds":
			bad = !setUpdate(&u.Mailboxes, e, func(k string) (jmap.ID, bool) {
				id, ok := c.Resolve(jmap.ID(k))
				return id, ok && id.Valid()
			})
		default:
			return u, invalid("only keywords and mailboxIds can be changed", e.Path[0])
		}
		if bad {
			return u, invalid("not a set of names with the value true", e.Path[0])
		}
	}
	if u.Mailboxes.Replace && len(u.Mailboxes.Members) == 0 {
		return u, invalid("an email is in one mailbox at least", "mailboxIds")
	}
	return u, nil
}

// setUpdate applies one entry of a patch, for the whole set or for one member.
func setUpdate[T ~string](u *mail.SetUpdate[T], e jmap.PatchEntry, key func(string) (T, bool)) bool {
	if u.Members == nil {
		u.Members = make(map[T]bool)
	}
	switch len(e.Path) {
	case 1:
		u.Replace = true
		var all map[string]bool
		if jmap.Unmarshal(e.Value, &all) != nil {
			return false
		}
		for name, on := range all {
			k, ok := key(name)
			if !ok || !on {
				return false
			}
			u.Members[k] = true
		}
		return true
	case 2:
		var on *bool
		if jmap.Unmarshal(e.Value, &on) != nil || on != nil && !*on {
			return false
		}
		k, ok := key(e.Path[1])
		u.Members[k] = on != nil
		return ok
	}
	return false
}
