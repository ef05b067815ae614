package contacts_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/examples/contacts"
	"github.com/mailbricks/mailbricks/examples/mailstore"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/contact"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
)

const bob = "bob@example.com"

// people are the contacts of bob, over new files and a new store.
func people(t *testing.T) (*contacts.Contacts, *mailstore.Store, contact.Account) {
	t.Helper()
	c, err := contacts.Open(filepath.Join(t.TempDir(), "grants"), nil)
	if err != nil {
		t.Fatal(err)
	}
	store, err := mailstore.OpenMemory(mailstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(c.Close(), store.Close()) })
	if err := errors.Join(store.EnsureAccount(t.Context(), bob), store.EnsureAccount(t.Context(), "plain")); err != nil {
		t.Fatal(err)
	}
	j := contacts.JMAP{Contacts: c, Mail: store}
	if list, err := j.Accounts(t.Context(), "plain"); err != nil || len(list) != 0 {
		t.Errorf("who has no address: %d accounts, %v", len(list), err)
	}
	list, err := j.Accounts(t.Context(), bob)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d accounts, %v", len(list), err)
	}
	return c, store, list[0]
}

// isSetError reports whether a record was refused for a type of reason.
func isSetError(err error, want jmap.SetErrorType) bool {
	e, ok := errors.AsType[*jmap.SetError](err)
	return ok && e.Type == want
}

func TestGrants(t *testing.T) {
	c, _, a := people(t)
	ctx := t.Context()
	token, err := capability.Issue(capability.Grant{Issuer: bob, Limits: capability.Limits{Scope: "ann@example.org"}}, c.Key)
	if err == nil {
		err = c.Relations.SetRelation(ctx, bob, "ann@example.org", policy.Relation{State: policy.Known, Grant: token.Grant().ID})
	}
	if err != nil {
		t.Fatal(err)
	}
	ben, err := a.Grants.Create(ctx, contact.Grant{Correspondent: "Ben@Example.org"})
	if err != nil || ben.Correspondent != "ben@example.org" || ben.State != contact.Known || !ben.ID.Valid() {
		t.Errorf("%+v, %v", ben, err)
	}
	for _, g := range []contact.Grant{{Correspondent: "ben"}, {Correspondent: "a@example.org\r\n"}, {Correspondent: "a@example.org", State: "friend"}} {
		if _, err := a.Grants.Create(ctx, g); !isSetError(err, jmap.SetInvalidProperties) {
			t.Errorf("%+v: %v", g, err)
		}
	}
	list, err := a.Grants.List(ctx)
	if err != nil || len(list) != 2 || list[0].Correspondent != "ann@example.org" || string(list[0].Capability) != token.Grant().ID.String() {
		t.Fatalf("%+v, %v", list, err)
	}
	now := list[0]
	now.State = contact.Blocked
	if err := a.Grants.Update(ctx, list[0], now); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Grants.Reserve(ctx, capability.Use{Grant: token.Grant(), Now: time.Now(), Until: time.Now().Add(time.Hour)}); !errors.Is(err, capability.ErrRevoked) {
		t.Errorf("the capability stands: %v", err)
	}
	if err := a.Grants.Destroy(ctx, ben); err != nil {
		t.Fatal(err)
	}
	if list, err := a.Grants.List(ctx); err != nil || len(list) != 1 || list[0].State != contact.Blocked || list[0].Capability != "" {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestChannels(t *testing.T) {
	c, _, a := people(t)
	ctx := t.Context()
	made, err := a.Channels.Create(ctx, contact.Channel{Note: "shoes", Peer: "shop.example", MaxUses: 3})
	if err != nil || !strings.HasPrefix(made.Address, "bob+") || made.State != "open" || !made.ID.Valid() {
		t.Fatalf("%+v, %v", made, err)
	}
	for _, x := range []contact.Channel{{Peer: "no domain"}, {Note: strings.Repeat("x", 501)}} {
		if _, err := a.Channels.Create(ctx, x); !isSetError(err, jmap.SetInvalidProperties) {
			t.Errorf("%+v: %v", x, err)
		}
	}
	step := func(change func(*contact.Channel), want jmap.SetErrorType) contact.Channel {
		t.Helper()
		list, err := a.Channels.List(ctx)
		if err != nil || len(list) != 1 {
			t.Fatalf("%+v, %v", list, err)
		}
		now := list[0]
		change(&now)
		if err := a.Channels.Update(ctx, list[0], now); err != nil != (want != "") || err != nil && !isSetError(err, want) {
			t.Errorf("%+v: %v", now, err)
		}
		list, err = a.Channels.List(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return list[0]
	}
	end := jmap.UTCDate{}
	end.Time = time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	if got := step(func(x *contact.Channel) { x.State, x.Note, x.Expires = "paused", "boots", end }, ""); got.State != "paused" || got.Note != "boots" || !got.Expires.Equal(end.Time) {
		t.Errorf("%+v", got)
	}
	if got := step(func(x *contact.Channel) { x.State, x.Expires = "open", jmap.UTCDate{} }, ""); got.State != "open" || !got.Expires.IsZero() {
		t.Errorf("%+v", got)
	}
	step(func(x *contact.Channel) { x.State = "gone" }, jmap.SetInvalidProperties)
	step(func(x *contact.Channel) { x.Note = strings.Repeat("x", 501) }, jmap.SetInvalidProperties)
	step(func(x *contact.Channel) { x.State = "disconnected" }, "")
	step(func(x *contact.Channel) { x.State = "open" }, jmap.SetInvalidProperties)
	if err := a.Channels.Destroy(ctx, made); !isSetError(err, jmap.SetForbidden) {
		t.Errorf("%v", err)
	}
	if found, err := c.Channels.Find(ctx, made.Address); err != nil || found.State != channel.Disconnected {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestRequests(t *testing.T) {
	c, store, a := people(t)
	ctx := t.Context()
	if list, err := a.Requests.List(ctx); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	deliver := func(from, field string) {
		t.Helper()
		e := smtp.Envelope{From: smtp.Path{Local: "x", Domain: "example.org"}, Recipients: []smtp.Recipient{{To: smtp.Path{Local: "bob", Domain: "example.com"}}}}
		if res, err := smtp.Deliver(ctx, store, e, strings.NewReader(field+"From: "+from+"\r\nSubject: May I?\r\n\r\nHello.\r\n")); err != nil || !res[0].Reply.OK() {
			t.Fatalf("%v, %v", res, err)
		}
	}
	const request = "Mailbricks-Decision: class=request; postage=20\r\n"
	deliver("friend@example.org", "")
	for _, from := range []string{"Ann <ann@example.org>", "ben@example.org", "eve@example.org", "nobody:;"} {
		deliver(from, request)
	}
	list, err := a.Requests.List(ctx)
	by := make(map[string]contact.Request)
	for _, r := range list {
		by[r.From] = r
	}
	if ann := by["ann@example.org"]; err != nil || len(by) != 4 || ann.Name != "Ann" || ann.Subject != "May I?" || ann.Preview != "Hello." || ann.ReceivedAt.IsZero() {
		t.Fatalf("%+v, %v", list, err)
	}
	decide := func(from string, d contact.Decision, want jmap.SetErrorType) {
		t.Helper()
		now := by[from]
		now.Decision = jmap.NullString(d)
		if err := a.Requests.Update(ctx, by[from], now); err != nil != (want != "") || err != nil && !isSetError(err, want) {
			t.Errorf("%s: %v", from, err)
		}
	}
	decide("ann@example.org", "perhaps", jmap.SetInvalidProperties)
	decide("ann@example.org", contact.Accept, "")
	decide("ben@example.org", contact.Decline, "")
	decide("eve@example.org", contact.Block, "")
	decide("", contact.Accept, jmap.SetForbidden)
	decide("", contact.Decline, "")
	if list, err := a.Requests.List(ctx); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	for who, want := range map[string]policy.State{"ann@example.org": policy.Known, "ben@example.org": policy.Stranger, "eve@example.org": policy.Blocked} {
		if r, err := c.Relations.Relation(ctx, bob, who); err != nil || r.State != want {
			t.Errorf("%s: %+v, %v", who, r, err)
		}
	}
	if got := inbox(ctx, t, store); got != 2 {
		t.Errorf("%d letters in the inbox", got)
	}
}

// inbox counts the letters in bob's inbox.
func inbox(ctx context.Context, t *testing.T, store *mailstore.Store) int {
	t.Helper()
	a, err := store.OpenAccount(ctx, bob)
	if err != nil {
		t.Fatal(err)
	}
	m, err := a.Store.OpenMailbox(ctx, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range m.Messages(ctx, imap.AllUIDs(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}
