package jmaptest

import (
	"reflect"
	"slices"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// identities checks the roles for the type Identity, and that a client that follows their changes is kept in step.
func (b *bench) identities() {
	roles := b.a.Identities
	if roles.Setter == nil {
		b.Skip("the account has no Identities.Setter")
	}
	type set = jmap.SetRequest[mail.Identity, mail.IdentityUpdate, jmap.NoArgs]
	do := func(r *set) *jmap.SetResponse[mail.Identity] {
		b.Helper()
		out, err := roles.Setter.Set(b.ctx, r)
		if err != nil {
			b.Fatal(err)
		}
		return out
	}
	get := func(ids []jmap.ID) (*jmap.GetResponse[mail.Identity], error) {
		return roles.Getter.Get(b.ctx, &jmap.GetRequest[jmap.NoArgs]{IDs: ids})
	}
	replica := newReplica(b, "Identity", roles.Changer, get, func(x *mail.Identity) jmap.ID { return x.ID })
	signature := "-- \nJoe"
	want := mail.Identity{Name: "Joe", Email: "alice@example.com", ReplyTo: []mail.Address{{Email: "joe@example.com"}}, TextSignature: signature}
	out := do(&set{Create: map[jmap.ID]mail.Identity{"k": want}, Update: map[jmap.ID]mail.IdentityUpdate{"I1": {Make: true, TextSignature: &signature}, "I2": {}, "none": {}}, Destroy: []jmap.ID{"none"}})
	want.ID = out.Created["k"].ID
	if want.ID == "" || want.ID[0] == 'I' || out.OldState == out.NewState {
		b.Errorf("created %+v", out)
	}
	for what, e := range map[string]*jmap.SetError{"update of I2": out.NotUpdated["I2"], "update of none": out.NotUpdated["none"], "destroy of none": out.NotDestroyed["none"]} {
		if e == nil || e.Type != jmap.SetNotFound {
			b.Errorf("%s: %v, want notFound", what, e)
		}
	}
	if got, err := get([]jmap.ID{want.ID, "I1", "none"}); err != nil || len(got.List) != 2 || !reflect.DeepEqual(got.List, []mail.Identity{want, {ID: "I1", TextSignature: signature}}) ||
		!slices.Equal(got.NotFound, []jmap.ID{"none"}) || got.State != out.NewState {
		b.Errorf("got %+v, %v", got, err)
	}
	stale := jmap.State("stale")
	if _, err := roles.Setter.Set(b.ctx, &set{IfInState: &stale, Destroy: []jmap.ID{want.ID}}); !jmap.IsMethodError(err, jmap.StateMismatch) {
		b.Errorf("ifInState of another state: %v", err)
	}
	if b.a.Watcher != nil {
		told := b.a.Watcher.Watch(b.ctx)
		out := do(&set{IfInState: &out.NewState, Update: map[jmap.ID]mail.IdentityUpdate{want.ID: {ReplyTo: jmap.Optional[[]mail.Address]{Set: true}}}})
		select {
		case <-told:
		case <-b.ctx.Done():
			b.Fatal("a change that was not told")
		}
		if states, err := b.a.Watcher.States(b.ctx); err != nil || states["Identity"] != out.NewState {
			b.Errorf("states %v, %v, but Identity/set says %s", states, err, out.NewState)
		}
	}
	ids := []jmap.ID{"I1", want.ID}
	for range 60 {
		for range b.rnd.IntN(4) {
			switch id := ids[b.rnd.IntN(len(ids))]; b.rnd.IntN(3) {
			case 0:
				ids = append(ids, do(&set{Create: map[jmap.ID]mail.Identity{"k": {Email: "alice@example.com"}}}).Created["k"].ID)
			case 1:
				name := string(rune('a' + b.rnd.IntN(26)))
				do(&set{Update: map[jmap.ID]mail.IdentityUpdate{id: {Name: &name}}})
			default:
				if id != "I1" {
					do(&set{Destroy: []jmap.ID{id}})
				}
			}
		}
		replica.sync(uint(1 + b.rnd.IntN(3)))
	}
}
