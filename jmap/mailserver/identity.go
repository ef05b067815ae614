package mailserver

import (
	"context"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// identities are those of an account: one for each of its addresses, with what the user has made of it, and others that
// the user has made. A state is the store's and, behind a dot, a sum of the addresses, which may change as well.
type identities struct{ *mail.Account }

// addressID is the id of the identity of an address, by its index.
func addressID(i int) jmap.ID { return jmap.ID("I" + strconv.Itoa(i+1)) }

// state returns the state of the identities where that of the store is s.
func (a identities) state(s jmap.State) jmap.State {
	return s + "." + jmap.State(strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(strings.Join(a.Addresses, "\x00")))), 36))
}

// Get is jmap.Getter's.
func (a identities) Get(ctx context.Context, r *jmap.GetRequest[jmap.NoArgs]) (*jmap.GetResponse[mail.Identity], error) {
	out := &jmap.GetResponse[mail.Identity]{State: a.state(constantState)}
	all := make([]mail.Identity, len(a.Addresses))
	for i, address := range a.Addresses {
		all[i] = mail.Identity{ID: addressID(i), Email: address}
	}
	if g := a.Identities.Getter; g != nil {
		kept, err := g.Get(ctx, &jmap.GetRequest[jmap.NoArgs]{AccountID: r.AccountID})
		if err != nil {
			return nil, err
		}
		out.State = a.state(kept.State)
		for _, x := range kept.List {
			x.MayDelete = !strings.HasPrefix(string(x.ID), "I")
			if x.MayDelete {
				all = append(all, x)
			} else if i := slices.IndexFunc(all, func(d mail.Identity) bool { return d.ID == x.ID }); i >= 0 {
				x.Email = all[i].Email
				all[i] = x
			}
		}
	}
	out.List, out.NotFound = pick(r.IDs, all, func(x *mail.Identity) jmap.ID { return x.ID })
	return out, nil
}

// Changes is jmap.Changer's.
func (a identities) Changes(ctx context.Context, r *jmap.ChangesRequest) (*jmap.ChangesResponse, error) {
	since, _, _ := strings.Cut(string(r.SinceState), ".")
	var store jmap.Changer = constant{}
	if a.Identities.Changer != nil {
		store = a.Identities.Changer
	}
	if r.SinceState != a.state(jmap.State(since)) {
		return nil, jmap.Errorf(jmap.CannotCalculateChanges, "the addresses of the account are others now")
	}
	out, err := store.Changes(ctx, &jmap.ChangesRequest{AccountID: r.AccountID, SinceState: jmap.State(since), MaxChanges: r.MaxChanges})
	if err != nil {
		return nil, err
	}
	out.NewState = a.state(out.NewState)
	// The identity of an address was there before the store had anything of it.
	ofAddress := func(id jmap.ID) bool { return strings.HasPrefix(string(id), "I") }
	for _, id := range out.Created {
		if ofAddress(id) {
			out.Updated = append(out.Updated, id)
		}
	}
	out.Created = slices.DeleteFunc(out.Created, ofAddress)
	return out, nil
}

// identityWatcher tells the state of the identities as Get does.
type identityWatcher struct {
	jmap.Watcher
	of identities
}

// States is jmap.Watcher's.
func (w identityWatcher) States(ctx context.Context) (map[string]jmap.State, error) {
	all, err := w.Watcher.States(ctx)
	if s, ok := all["Identity"]; ok {
		all = maps.Clone(all)
		all["Identity"] = w.of.state(s)
	}
	return all, err
}

// maySend reports whether an account may send as an address, or as all of a domain: "*@example.com".
func maySend(a *mail.Account, email string) bool {
	return slices.ContainsFunc(a.Addresses, func(of string) bool { return strings.EqualFold(email, of) || isFrom(email, of) })
}

// identitySet is Identity/set (RFC 8621 §6.3).
func (s *Service) identitySet(ctx context.Context, c *jmapserver.Call, r *jmap.SetRequest[jmap.Patch, jmap.Patch, jmap.NoArgs]) (*jmap.SetResponse[mail.Identity], error) {
	account, err := s.setting(ctx, c, r.AccountID, len(r.Create)+len(r.Update)+len(r.Destroy))
	if err != nil {
		return nil, err
	}
	a := identities{account}
	if a.Identities.Setter == nil {
		return nil, jmap.Errorf(jmap.AccountReadOnly, "identities are the addresses of the account")
	}
	in := &jmap.SetRequest[mail.Identity, mail.IdentityUpdate, jmap.NoArgs]{AccountID: r.AccountID,
		Create: make(map[jmap.ID]mail.Identity), Update: make(map[jmap.ID]mail.IdentityUpdate)}
	if r.IfInState != nil {
		of, _, _ := strings.Cut(string(*r.IfInState), ".")
		if in.IfInState = new(jmap.State(of)); a.state(*in.IfInState) != *r.IfInState {
			return nil, jmap.Errorf(jmap.StateMismatch, "the addresses of the account are others now")
		}
	}
	notCreated, notUpdated, notDestroyed := make(map[jmap.ID]*jmap.SetError), make(map[jmap.ID]*jmap.SetError), make(map[jmap.ID]*jmap.SetError)
	for creation, object := range r.Create {
		var x mail.Identity
		rest := maps.Clone(object)
		delete(rest, "email")
		u, err := identityUpdate(rest)
		if jmap.Unmarshal(object["email"], &x.Email) != nil || !isAddress(x.Email) {
			err = invalid("an identity has an address", "email")
		} else if err == nil && !maySend(account, x.Email) {
			err = &jmap.SetError{Type: jmap.SetForbiddenFrom}
		}
		if err != nil {
			notCreated[creation] = err
			continue
		}
		u.Apply(&x)
		in.Create[creation] = x
	}
	ofAddress := func(id jmap.ID) bool {
		for i := range a.Addresses {
			if addressID(i) == id {
				return true
			}
		}
		return false
	}
	for id, patch := range r.Update {
		id = resolve(c, id)
		u, err := identityUpdate(patch)
		u.Make = ofAddress(id)
		if err == nil && !u.Make && strings.HasPrefix(string(id), "I") {
			err = &jmap.SetError{Type: jmap.SetNotFound}
		}
		if err != nil {
			notUpdated[id] = err
			continue
		}
		in.Update[id] = u
	}
	for _, id := range resolveAll(c, r.Destroy) {
		switch {
		case ofAddress(id):
			notDestroyed[id] = &jmap.SetError{Type: jmap.SetForbidden, Description: "the identity of an address of the account"}
		case strings.HasPrefix(string(id), "I"):
			notDestroyed[id] = &jmap.SetError{Type: jmap.SetNotFound}
		default:
			in.Destroy = append(in.Destroy, id)
		}
	}
	out, err := a.Identities.Setter.Set(ctx, in)
	if err != nil {
		return nil, err
	}
	out.AccountID, out.OldState, out.NewState = r.AccountID, a.state(out.OldState), a.state(out.NewState)
	maps.Copy(out.NotCreated, notCreated)
	maps.Copy(out.NotUpdated, notUpdated)
	maps.Copy(out.NotDestroyed, notDestroyed)
	for creation, made := range out.Created {
		c.Created(creation, made.ID)
		x := in.Create[creation]
		x.ID, x.MayDelete = made.ID, true
		sel, err := unsent[mail.Identity](r.Create[creation])
		if err != nil {
			return nil, err
		}
		x.SetSelection(sel)
		out.Created[creation] = x
	}
	return out, nil
}

// identityUpdate turns a patch into what a store applies; null is the default.
func identityUpdate(patch jmap.Patch) (mail.IdentityUpdate, *jmap.SetError) {
	var u mail.IdentityUpdate
	text := map[string]**string{"name": &u.Name, "textSignature": &u.TextSignature, "htmlSignature": &u.HTMLSignature}
	lists := map[string]*jmap.Optional[[]mail.Address]{"replyTo": &u.ReplyTo, "bcc": &u.Bcc}
	for name, v := range patch {
		var err error
		if to := text[name]; to != nil {
			*to = new(string)
			err = jmap.Unmarshal(v, *to)
		} else if to := lists[name]; to != nil {
			err = jmap.Unmarshal(v, to)
		} else {
			return u, invalid("the server sets it, it never changes, or it is not known", name)
		}
		if err != nil || len(v) > maxIdentityProperty {
			return u, invalid("wrong type, or too long", name)
		}
	}
	return u, nil
}

// maxIdentityProperty is the length of a property of an Identity in JSON, in octets.
const maxIdentityProperty = 64 << 10
