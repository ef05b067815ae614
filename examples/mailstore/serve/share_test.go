package serve_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/mailbricks/mailbricks/examples/mailstore/serve"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// TestShare reads another's mailbox over JMAP, and changes what the rights let; nobody sends as the other.
func TestShare(t *testing.T) {
	r := newRig(t, func(c *serve.Config) { c.Submit = c.Store })
	addr, stop := start(t, r.JMAP)
	defer stop()
	r.deliver(t, "alice@example.com", "one")
	alice, err := r.store.OpenAccount(t.Context(), "alice@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := alice.Authorizer.SetACL(t.Context(), "INBOX", "bob", imap.RightsChange{Rights: imap.RightLookup | imap.RightRead | imap.RightSeen}); err != nil {
		t.Fatal(err)
	}
	c := r.client(addr, jmapclient.Basic("bob", "secret"))
	s, err := c.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	theirs := jmap.ID(alice.ID)
	a, own := s.Accounts[theirs], s.PrimaryAccounts[jmap.CapabilityMail]
	if a.Name != "alice@example.com" || a.IsPersonal || a.IsReadOnly || a.AccountCapabilities[jmap.CapabilitySubmission] != nil || own == theirs || len(s.Accounts) != 2 {
		t.Fatalf("session %+v", s)
	}
	who, err := jmapclient.Do[jmap.GetResponse[mail.Identity]](t.Context(), c, jmap.CapabilitySubmission, "Identity/get", jmap.GetRequest[jmap.NoArgs]{AccountID: theirs})
	if err != nil || len(who.List) > 0 {
		t.Errorf("identities of another: %+v, %v", who, err)
	}
	boxes, err := jmapclient.Do[jmap.GetResponse[mail.Mailbox]](t.Context(), c, jmap.CapabilityMail, "Mailbox/get", jmap.GetRequest[jmap.NoArgs]{AccountID: theirs})
	if err != nil || len(boxes.List) != 1 || *boxes.List[0].MyRights != (mail.MailboxRights{MayReadItems: true, MaySetSeen: true}) {
		t.Fatalf("mailboxes %+v, %v", boxes, err)
	}
	b := c.Batch(jmap.CapabilityMail)
	q := jmapclient.Add[jmap.QueryResponse](b, "Email/query", query{AccountID: theirs, Filter: jmap.Where(mail.EmailCondition{InMailbox: boxes.List[0].ID, NotKeyword: "$seen"})})
	g := jmapclient.Add[gotEmails](b, "Email/get", get{AccountID: theirs, Properties: []string{"subject", "keywords", "blobId"}}, q.Ref("ids", "/ids"))
	if err := b.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	emails, err := g.Result()
	if err != nil || len(emails.List) != 1 || *emails.List[0].Subject != "one" {
		t.Fatalf("%+v, %v", emails, err)
	}
	id := emails.List[0].ID
	set := func(patch jmap.Patch) *jmap.SetError {
		t.Helper()
		out, err := jmapclient.Do[jmap.SetResponse[mail.Email]](t.Context(), c, jmap.CapabilityMail, "Email/set", setEmails{AccountID: theirs, Update: map[jmap.ID]jmap.Patch{id: patch}})
		if err != nil {
			t.Fatal(err)
		}
		return out.NotUpdated[id]
	}
	if e := set(jmap.Patch{"keywords/$seen": jmap.Raw("true")}); e != nil {
		t.Error(e)
	}
	if e := set(jmap.Patch{"keywords/$flagged": jmap.Raw("true")}); e == nil || e.Type != jmap.SetForbidden {
		t.Errorf("flagged: %v", e)
	}
	for change, err := range c.Events(t.Context(), "Email") { // another's changes are pushed too
		if err != nil {
			t.Fatal(err)
		}
		if change.Changed[theirs] != nil && change.Changed[own] == nil {
			break
		}
		r.deliver(t, "alice@example.com", "two")
	}
	changes, err := jmapclient.Do[jmap.ChangesResponse](t.Context(), c, jmap.CapabilityMail, "Email/changes", jmap.ChangesRequest{AccountID: theirs, SinceState: emails.State})
	if err != nil || len(changes.Created) == 0 || !slices.Equal(changes.Updated, []jmap.ID{id}) || len(changes.Destroyed) > 0 {
		t.Errorf("Email/changes: %+v, %v", changes, err)
	}
	if err := alice.Authorizer.SetACL(t.Context(), "INBOX", "bob", imap.RightsChange{}); err != nil {
		t.Fatal(err)
	}
	_, err = jmapclient.Do[gotEmails](t.Context(), c, jmap.CapabilityMail, "Email/get", get{AccountID: theirs, IDs: []jmap.ID{id}})
	if e, ok := errors.AsType[*jmap.MethodError](err); !ok || e.Type != jmap.AccountNotFound {
		t.Errorf("of an account that is no longer shared: %v", err)
	}
}
