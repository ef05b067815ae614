package contactserver

import (
	"context"
	"errors"
	"slices"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/contact"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
)

// A kind is the methods of one type.
type kind[T any, P interface {
	*T
	SetSelection(jmap.Selection)
}] struct {
	s    *Service
	name string
	role func(contact.Account) contact.Records[T]
	id   func(P) *jmap.ID
	// create and update are the properties that a client may set; without create there is nothing to create or destroy.
	create, update []string
}

func (k kind[T, P]) register(m *jmapserver.Mux) {
	jmapserver.RegisterGet[jmap.NoArgs, T, P](m, contact.Capability, k.name, func(ctx context.Context, c *jmapserver.Call, id jmap.ID) (jmap.Getter[jmap.NoArgs, T], error) {
		r, err := k.records(ctx, c, id)
		if err != nil {
			return nil, err
		}
		return getter[T, P]{k, id, r}, nil
	})
	jmapserver.RegisterChanges(m, contact.Capability, k.name, func(ctx context.Context, c *jmapserver.Call, id jmap.ID) (jmap.Changer, error) {
		r, err := k.records(ctx, c, id)
		if err != nil {
			return nil, err
		}
		return getter[T, P]{k, id, r}, nil
	})
	jmapserver.Register(m, contact.Capability, k.name+"/set", k.set)
}

// records returns a role of an account.
func (k kind[T, P]) records(ctx context.Context, c *jmapserver.Call, id jmap.ID) (contact.Records[T], error) {
	a, err := k.s.account(ctx, c, id)
	if err != nil {
		return nil, err
	}
	r := k.role(a)
	if r == nil {
		return nil, jmap.Errorf(jmap.AccountNotSupportedByMethod, "no %s in this account", k.name)
	}
	return r, nil
}

// list returns all records and their snapshot, which is remembered.
func (k kind[T, P]) list(ctx context.Context, account jmap.ID, r contact.Records[T]) ([]T, snapshot, error) {
	all, err := r.List(ctx)
	if err != nil {
		return nil, snapshot{}, err
	}
	all = all[:min(len(all), contact.MaxRecords)]
	ids, objects := make([]jmap.ID, len(all)), make([]jmap.Raw, len(all))
	for i := range all {
		ids[i] = *k.id(&all[i])
		if objects[i], err = k.object(all[i]); err != nil {
			return nil, snapshot{}, err
		}
	}
	now := newSnapshot(ids, objects)
	k.s.history.remember(k.key(account), now)
	return all, now, nil
}

func (k kind[T, P]) key(account jmap.ID) string { return string(account) + "\x00" + k.name }

// object returns all properties of a record as JSON.
func (k kind[T, P]) object(r T) (jmap.Raw, error) {
	sel, err := jmap.Select[T](jmap.Properties[T](), nil)
	if err != nil {
		return nil, err
	}
	P(&r).SetSelection(sel)
	return jmap.Marshal(&r)
}

// A getter reads the records of an account.
type getter[T any, P interface {
	*T
	SetSelection(jmap.Selection)
}] struct {
	k       kind[T, P]
	account jmap.ID
	r       contact.Records[T]
}

// Get is jmap.Getter's.
func (g getter[T, P]) Get(ctx context.Context, r *jmap.GetRequest[jmap.NoArgs]) (*jmap.GetResponse[T], error) {
	all, now, err := g.k.list(ctx, g.account, g.r)
	if err != nil {
		return nil, err
	}
	out := &jmap.GetResponse[T]{State: now.state, List: []T{}}
	if r.IDs == nil {
		out.List = all
		return out, nil
	}
	for _, id := range r.IDs {
		if i := g.k.find(all, id); i >= 0 {
			out.List = append(out.List, all[i])
		} else {
			out.NotFound = append(out.NotFound, id)
		}
	}
	return out, nil
}

func (k kind[T, P]) find(all []T, id jmap.ID) int {
	for i := range all {
		if *k.id(&all[i]) == id {
			return i
		}
	}
	return -1
}

// Changes is jmap.Changer's.
func (g getter[T, P]) Changes(ctx context.Context, r *jmap.ChangesRequest) (*jmap.ChangesResponse, error) {
	_, now, err := g.k.list(ctx, g.account, g.r)
	if err != nil {
		return nil, err
	}
	old, ok := g.k.s.history.since(g.k.key(g.account), r.SinceState)
	if !ok {
		return nil, jmap.Errorf(jmap.CannotCalculateChanges, "unknown state")
	}
	out := old.diff(now)
	if n := len(out.Created) + len(out.Updated) + len(out.Destroyed); r.MaxChanges != nil && uint(n) > *r.MaxChanges {
		return nil, jmap.Errorf(jmap.CannotCalculateChanges, "%d changes, and no state between", n)
	}
	return out, nil
}

// query is Foo/query without filter, in the order of the list.
func (k kind[T, P]) query(ctx context.Context, c *jmapserver.Call, r *jmap.QueryRequest[jmap.Raw, jmap.Raw, jmap.NoArgs]) (*jmap.QueryResponse, error) {
	if r.Filter != nil {
		return nil, jmap.Errorf(jmap.UnsupportedFilter, "there is none")
	}
	if len(r.Sort) > 0 {
		return nil, jmap.Errorf(jmap.UnsupportedSort, "there is none")
	}
	records, err := k.records(ctx, c, r.AccountID)
	if err != nil {
		return nil, err
	}
	all, now, err := k.list(ctx, r.AccountID, records)
	if err != nil {
		return nil, err
	}
	ids := make([]jmap.ID, len(all))
	for i := range all {
		ids[i] = *k.id(&all[i])
	}
	out, err := jmap.Page(r, ids)
	if err == nil {
		out.QueryState = now.state
	}
	return out, err
}

// set is Foo/set.
func (k kind[T, P]) set(ctx context.Context, c *jmapserver.Call, r *jmap.SetRequest[jmap.Patch, jmap.Patch, jmap.NoArgs]) (*jmap.SetResponse[T], error) {
	if n := len(r.Create) + len(r.Update) + len(r.Destroy); n > c.Limits.MaxObjectsInSet {
		return nil, jmap.Errorf(jmap.RequestTooLarge, "more than %d objects", c.Limits.MaxObjectsInSet)
	}
	records, err := k.records(ctx, c, r.AccountID)
	if err != nil {
		return nil, err
	}
	k.s.setting.Lock()
	defer k.s.setting.Unlock()
	all, old, err := k.list(ctx, r.AccountID, records)
	if err != nil {
		return nil, err
	}
	if r.IfInState != nil && *r.IfInState != old.state {
		return nil, jmap.Errorf(jmap.StateMismatch, "the state is %s", old.state)
	}
	out := &jmap.SetResponse[T]{AccountID: r.AccountID, OldState: old.state, Created: make(map[jmap.ID]T), Updated: make(map[jmap.ID]*T),
		NotCreated: make(map[jmap.ID]*jmap.SetError), NotUpdated: make(map[jmap.ID]*jmap.SetError), NotDestroyed: make(map[jmap.ID]*jmap.SetError)}
	fail := func(err error) (*jmap.SetResponse[T], error) {
		if len(out.Created)+len(out.Updated)+len(out.Destroyed) > 0 {
			return nil, jmap.Errorf(jmap.ServerPartialFail, "some was changed")
		}
		return nil, err
	}
	for creation, object := range r.Create {
		made, err := k.make(ctx, records, object)
		if !refused(out.NotCreated, creation, err) {
			if err != nil {
				return fail(err)
			}
			all = append(all, made)
			c.Created(creation, *k.id(&made))
			if out.Created[creation], err = k.unknown(made, object); err != nil {
				return fail(err)
			}
		}
	}
	for id, patch := range r.Update {
		if real, ok := c.Resolve(id); ok {
			id = real
		}
		err := k.change(ctx, records, all, id, patch)
		if !refused(out.NotUpdated, id, err) {
			if err != nil {
				return fail(err)
			}
			out.Updated[id] = nil
		}
	}
	for _, id := range r.Destroy {
		if real, ok := c.Resolve(id); ok {
			id = real
		}
		err := k.destroy(ctx, records, all, id)
		if !refused(out.NotDestroyed, id, err) {
			if err != nil {
				return fail(err)
			}
			out.Destroyed = append(out.Destroyed, id)
		}
	}
	_, now, err := k.list(ctx, r.AccountID, records)
	out.NewState = now.state
	return out, err
}

// refused puts down a SetError.
func refused(in map[jmap.ID]*jmap.SetError, id jmap.ID, err error) bool {
	e, ok := errors.AsType[*jmap.SetError](err)
	if ok {
		in[id] = e
	}
	return ok
}

func invalid(description string, properties ...string) *jmap.SetError {
	return &jmap.SetError{Type: jmap.SetInvalidProperties, Description: description, Properties: properties}
}

// make creates a record.
func (k kind[T, P]) make(ctx context.Context, records contact.Records[T], object jmap.Patch) (made T, err error) {
	if k.create == nil {
		return made, &jmap.SetError{Type: jmap.SetForbidden, Description: "this type is not created by clients"}
	}
	if err := k.allowed(object, k.create); err != nil {
		return made, err
	}
	text, err := jmap.Marshal(object)
	if err != nil {
		return made, err
	}
	var wanted T
	if err := jmap.Unmarshal(text, &wanted); err != nil {
		return made, invalid(err.Error())
	}
	return records.Create(ctx, wanted)
}

// unknown returns what a client does not know of a record that it created: all that it did not send.
func (k kind[T, P]) unknown(made T, object jmap.Patch) (T, error) {
	var unknown []string
	for _, p := range jmap.Properties[T]() {
		if _, sent := object[p]; !sent {
			unknown = append(unknown, p)
		}
	}
	sel, err := jmap.Select[T](unknown, nil)
	P(&made).SetSelection(sel)
	return made, err
}

// allowed refuses what is not among the properties that a client may set.
func (k kind[T, P]) allowed(object jmap.Patch, properties []string) error {
	var bad []string
	for p := range object {
		if !slices.Contains(properties, p) {
			bad = append(bad, p)
		}
	}
	if bad == nil {
		return nil
	}
	slices.Sort(bad)
	return invalid("not for a client to set", bad...)
}

// change applies a patch to a record.
func (k kind[T, P]) change(ctx context.Context, records contact.Records[T], all []T, id jmap.ID, patch jmap.Patch) error {
	i := k.find(all, id)
	if i < 0 {
		return &jmap.SetError{Type: jmap.SetNotFound}
	}
	if err := k.allowed(patch, k.update); err != nil {
		return err
	}
	object, err := k.object(all[i])
	if err != nil {
		return err
	}
	if object, err = patch.Apply(object); err != nil {
		return err
	}
	var now T
	if err := jmap.Unmarshal(object, &now); err != nil {
		return invalid(err.Error())
	}
	return records.Update(ctx, all[i], now)
}

func (k kind[T, P]) destroy(ctx context.Context, records contact.Records[T], all []T, id jmap.ID) error {
	i := k.find(all, id)
	if i < 0 {
		return &jmap.SetError{Type: jmap.SetNotFound}
	}
	if k.create == nil {
		return &jmap.SetError{Type: jmap.SetForbidden, Description: "this type is not destroyed by clients"}
	}
	return records.Destroy(ctx, all[i])
}
