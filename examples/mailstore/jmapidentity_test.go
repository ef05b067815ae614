package mailstore

import (
	"strconv"
	"testing"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// Identities are bounded, those that are and those that are remembered, and outlive the process.
func TestIdentitiesBounded(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	user(t, s, "alice")
	accounts, err := s.Accounts(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	roles := accounts[0].Identities
	r := &jmap.SetRequest[mail.Identity, mail.IdentityUpdate, jmap.NoArgs]{Create: make(map[jmap.ID]mail.Identity)}
	for i := range maxIdentities + 1 {
		r.Create[jmap.ID("k"+strconv.Itoa(1000+i))] = mail.Identity{Email: "alice@example.com"}
	}
	out, err := roles.Setter.Set(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if e := out.NotCreated["k1100"]; len(out.Created) != maxIdentities || e == nil || e.Type != jmap.SetOverQuota {
		t.Fatalf("%d created, %v", len(out.Created), e)
	}
	destroy := &jmap.SetRequest[mail.Identity, mail.IdentityUpdate, jmap.NoArgs]{}
	for _, x := range out.Created {
		destroy.Destroy = append(destroy.Destroy, x.ID)
	}
	gone, err := roles.Setter.Set(t.Context(), destroy)
	if err != nil || len(gone.Destroyed) != maxIdentities {
		t.Fatal(gone, err)
	}
	if c, err := roles.Changer.Changes(t.Context(), &jmap.ChangesRequest{SinceState: out.NewState}); err != nil || len(c.Destroyed) != maxIdentities {
		t.Fatal(c, err)
	}
	one, err := roles.Setter.Set(t.Context(), &jmap.SetRequest[mail.Identity, mail.IdentityUpdate, jmap.NoArgs]{Create: map[jmap.ID]mail.Identity{"a": {Name: "kept"}, "b": {}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := roles.Setter.Set(t.Context(), &jmap.SetRequest[mail.Identity, mail.IdentityUpdate, jmap.NoArgs]{Destroy: []jmap.ID{one.Created["b"].ID}}); err != nil {
		t.Fatal(err)
	}
	if _, err := roles.Changer.Changes(t.Context(), &jmap.ChangesRequest{SinceState: out.NewState}); !jmap.IsMethodError(err, jmap.CannotCalculateChanges) {
		t.Errorf("since a state whose end is forgotten: %v", err)
	}
	if c, err := roles.Changer.Changes(t.Context(), &jmap.ChangesRequest{SinceState: gone.NewState}); err != nil || len(c.Created) != 1 {
		t.Errorf("since a state that is known: %+v, %v", c, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if accounts, err = openAt(t, dir).Accounts(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	got, err := accounts[0].Identities.Getter.Get(t.Context(), &jmap.GetRequest[jmap.NoArgs]{})
	if err != nil || len(got.List) != 1 || got.List[0].Name != "kept" || got.List[0].ID != one.Created["a"].ID {
		t.Errorf("after a restart: %+v, %v", got, err)
	}
}
