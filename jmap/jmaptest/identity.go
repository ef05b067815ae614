package jmaptest

import (
	"context"
	"maps"
	"slices"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

type identity struct {
	mail.Identity
	life
}

func identityLife(i *identity) life { return i.life }

// identities are mail.IdentityRoles.
type identities struct{ *account }

// Get is jmap.Getter's.
func (a identities) Get(_ context.Context, r *jmap.GetRequest[jmap.NoArgs]) (*jmap.GetResponse[mail.Identity], error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := &jmap.GetResponse[mail.Identity]{State: a.state()}
	out.NotFound = get(r.IDs, a.identities, identityLife, func(_ jmap.ID, i *identity) { out.List = append(out.List, i.Identity) })
	return out, nil
}

// Changes is jmap.Changer's.
func (a identities) Changes(_ context.Context, r *jmap.ChangesRequest) (*jmap.ChangesResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return changes(a.account, r, a.identities, identityLife)
}

// Set is jmap.Setter's.
func (a identities) Set(_ context.Context, r *jmap.SetRequest[mail.Identity, mail.IdentityUpdate, jmap.NoArgs]) (*jmap.SetResponse[mail.Identity], error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.IfInState != nil && *r.IfInState != a.state() {
		return nil, jmap.Errorf(jmap.StateMismatch, "the state is %s", a.state())
	}
	out := newSet[mail.Identity](a.account)
	add := func(x mail.Identity) {
		a.modseq++
		a.identities[x.ID] = &identity{x, life{created: a.modseq, changed: a.modseq}}
	}
	for _, creation := range slices.Sorted(maps.Keys(r.Create)) {
		x := r.Create[creation]
		x.ID = a.newID("n")
		add(x)
		out.Created[creation] = x
	}
	for _, id := range slices.Sorted(maps.Keys(r.Update)) {
		u := r.Update[id]
		x := a.identities[id]
		switch {
		case x != nil && x.gone == 0:
			a.modseq++
			x.changed = a.modseq
			u.Apply(&x.Identity)
		case u.Make:
			made := mail.Identity{ID: id}
			u.Apply(&made)
			add(made)
		default:
			out.NotUpdated[id] = &jmap.SetError{Type: jmap.SetNotFound}
			continue
		}
		out.Updated[id] = nil
	}
	for _, id := range r.Destroy {
		x := a.identities[id]
		if x == nil || x.gone != 0 {
			out.NotDestroyed[id] = &jmap.SetError{Type: jmap.SetNotFound}
			continue
		}
		a.modseq++
		x.gone = a.modseq
		out.Destroyed = append(out.Destroyed, id)
	}
	out.NewState = a.state()
	a.notify()
	return out, nil
}
