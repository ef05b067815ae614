package mailstore

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

type (
	emailSetRequest   = jmap.SetRequest[mail.EmailCreate, mail.EmailUpdate, jmap.NoArgs]
	mailboxSetRequest = jmap.SetRequest[mail.Mailbox, mail.MailboxUpdate, mail.MailboxSetArgs]
)

func TestEmailSet(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		a := user(t, s, "alice")
		j := jmapUser(t, s, "alice")
		boxes := getMailboxes(t, j)
		body := letter("1", "draft", "text")
		set := func(r *emailSetRequest) *jmap.SetResponse[mail.Record] {
			t.Helper()
			out, err := j.Emails.Setter.Set(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		create := func(keywords []string, boxes ...jmap.ID) *jmap.SetResponse[mail.Record] {
			t.Helper()
			return set(&emailSetRequest{Create: map[jmap.ID]mail.EmailCreate{"k": {MailboxIDs: boxes, Keywords: keywords, Size: -1, Body: strings.NewReader(body)}}})
		}
		for name, r := range map[string]*jmap.SetResponse[mail.Record]{
			"mailboxIds": create(nil), "mailboxIds ": create(nil, "F99"), "keywords": create([]string{"a b"}, boxes["Drafts"].ID),
		} {
			if e := r.NotCreated["k"]; e == nil || e.Type != jmap.SetInvalidProperties || e.Properties[0] != strings.TrimSpace(name) || r.OldState != r.NewState {
				t.Errorf("%s: %+v", name, r)
			}
		}
		made := create([]string{"$Draft", "$seen"}, boxes["Drafts"].ID, boxes["Archive"].ID)
		rec := made.Created["k"]
		if rec.ID == "" || made.NewState == made.OldState || len(rec.MailboxIDs) != 2 || rec.Size != int64(len(body)) {
			t.Fatalf("%+v", made)
		}
		if got := list(t, box(t, a, "Drafts"), imap.AllUIDs(), imap.FieldFlags|imap.FieldIDs)[0]; got.EmailID != string(rec.ID) || fmt.Sprint(got.Flags) != `[\Seen \Draft]` {
			t.Errorf("over IMAP %+v", got)
		}
		if e := create(nil, boxes["Sent"].ID).NotCreated["k"]; e == nil || e.Type != jmap.SetAlreadyExists || e.ExistingID != rec.ID {
			t.Errorf("the same again: %+v", e)
		}
		// From Drafts to Sent, a keyword more and one less.
		r := set(&emailSetRequest{Update: map[jmap.ID]mail.EmailUpdate{rec.ID: {
			Keywords:  mail.SetUpdate[string]{Members: map[string]bool{"$draft": false, "$flagged": true}},
			Mailboxes: mail.SetUpdate[jmap.ID]{Members: map[jmap.ID]bool{boxes["Drafts"].ID: false, boxes["Sent"].ID: true}},
		}, "M99": {}}})
		if _, ok := r.Updated[rec.ID]; !ok || r.NotUpdated["M99"].Type != jmap.SetNotFound {
			t.Errorf("%+v", r)
		}
		e := getEmails(t, j, rec.ID)[0]
		if !slices.Equal(e.Keywords, []string{"$flagged", "$seen"}) || !slices.Equal(e.MailboxIDs, []jmap.ID{boxes["Sent"].ID, boxes["Archive"].ID}) {
			t.Errorf("%+v", e)
		}
		for name, want := range map[string]string{"Drafts": "", "Sent": `[\Seen \Flagged]`, "Archive": `[\Seen \Flagged]`} {
			var got strings.Builder
			for _, x := range list(t, box(t, a, name), imap.AllUIDs(), imap.FieldFlags) {
				got.WriteString(fmt.Sprint(x.Flags))
			}
			if got.String() != want {
				t.Errorf("%s: %s, want %s", name, got.String(), want)
			}
		}
		if e := set(&emailSetRequest{Update: map[jmap.ID]mail.EmailUpdate{rec.ID: {Mailboxes: mail.SetUpdate[jmap.ID]{Replace: true}}}}).NotUpdated[rec.ID]; e == nil || e.Properties[0] != "mailboxIds" {
			t.Errorf("no mailbox: %+v", e)
		}
		if _, err := j.Emails.Setter.Set(t.Context(), &emailSetRequest{IfInState: &made.OldState, Destroy: []jmap.ID{rec.ID}}); !jmap.IsMethodError(err, jmap.StateMismatch) {
			t.Errorf("got %v", err)
		}
		if r := set(&emailSetRequest{Destroy: []jmap.ID{rec.ID, "M99"}}); !slices.Equal(r.Destroyed, []jmap.ID{rec.ID}) || r.NotDestroyed["M99"] == nil {
			t.Errorf("%+v", r)
		}
		if n := count(t, s, "message") + count(t, s, "blob"); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

// What is \Deleted over IMAP does not exist over JMAP, and comes to light again.
// TestTooLarge: what is no message for its length is refused by itself, though it can be uploaded.
func TestTooLarge(t *testing.T) {
	s := openDir(t, t.TempDir(), Options{MaxMessage: 1000, Inline: 10})
	user(t, s, "alice")
	accounts, err := s.Accounts(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	a := accounts[0]
	long := letter("1", "long", strings.Repeat("x", 1000))
	if _, n, err := a.Uploads.Upload(t.Context(), strings.NewReader(long)); err != nil || n != int64(len(long)) {
		t.Errorf("uploaded %d, %v", n, err)
	}
	boxes, err := a.Mailboxes.Getter.Get(t.Context(), &jmap.GetRequest[jmap.NoArgs]{})
	if err != nil {
		t.Fatal(err)
	}
	in := []jmap.ID{boxes.List[0].ID}
	res, err := a.Emails.Setter.Set(t.Context(), &emailSetRequest{Create: map[jmap.ID]mail.EmailCreate{
		"told":   {MailboxIDs: in, Size: int64(len(long)), Body: strings.NewReader(long)},
		"untold": {MailboxIDs: in, Size: -1, Body: strings.NewReader(long)},
		"fits":   {MailboxIDs: in, Size: -1, Body: strings.NewReader(letter("2", "short", "y"))},
	}})
	if err != nil || len(res.Created) != 1 || res.Created["fits"].ID == "" {
		t.Fatalf("%+v, %v", res, err)
	}
	for _, id := range []jmap.ID{"told", "untold"} {
		if e := res.NotCreated[id]; e == nil || e.Type != jmap.SetTooLarge {
			t.Errorf("%s: %+v", id, e)
		}
	}
}

func TestDeletedIsNotSeen(t *testing.T) {
	s := openDir(t, t.TempDir(), Options{})
	a := user(t, s, "alice")
	j := jmapUser(t, s, "alice")
	id := jmap.ID(add(t, a, "INBOX", "x").EmailIDs[0])
	states, err := j.Watcher.States(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		op   imap.FlagOp
		want string
	}{{imap.FlagsAdd, "destroyed"}, {imap.FlagsRemove, "created"}} {
		if _, err := a.Flagger.StoreFlags(t.Context(), "INBOX", imap.AllUIDs(), imap.FlagChange{Op: step.op, Flags: []imap.Flag{imap.FlagDeleted}}, imap.NoUnchangedSince); err != nil {
			t.Fatal(err)
		}
		r, err := j.Emails.Changer.Changes(t.Context(), &jmap.ChangesRequest{SinceState: states["Email"]})
		if err != nil {
			t.Fatal(err)
		}
		if got := map[string][]jmap.ID{"created": r.Created, "destroyed": r.Destroyed}; !slices.Equal(got[step.want], []jmap.ID{id}) {
			t.Errorf("%s: %+v", step.want, r)
		}
		states["Email"] = r.NewState
		if n := getMailboxes(t, j)["Inbox"].TotalEmails; n != uint(len(getEmails(t, j))) || (n == 1) != (step.want == "created") {
			t.Errorf("%s: %d emails", step.want, n)
		}
	}
}

func TestMailboxSet(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		a := user(t, s, "alice")
		j := jmapUser(t, s, "alice")
		set := func(r *mailboxSetRequest) *jmap.SetResponse[mail.Mailbox] {
			t.Helper()
			out, err := j.Mailboxes.Setter.Set(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		inbox := getMailboxes(t, j)["Inbox"].ID
		top := set(&mailboxSetRequest{Create: map[jmap.ID]mail.Mailbox{"k": {Name: "Work", Role: "important", IsSubscribed: true}}}).Created["k"].ID
		sub := set(&mailboxSetRequest{Create: map[jmap.ID]mail.Mailbox{"k": {Name: "2026", ParentID: &top, SortOrder: 3}}}).Created["k"].ID
		if got := names(t, a); got != "INBOX Work/2026" { // Work has a special use
			t.Errorf("%q", got)
		}
		b := getMailboxes(t, j)["2026"]
		if b.ID != sub || *b.ParentID != top || b.SortOrder != 3 || b.IsSubscribed {
			t.Errorf("%+v", b)
		}
		for property, m := range map[string]mail.Mailbox{
			"name": {Name: "Work"}, "name ": {Name: "a/b"}, "name  ": {Name: ""}, "name   ": {Name: "inbox"}, "role": {Name: "y", Role: "sent"},
			"role ": {Name: "y", Role: "inbox"}, "parentId": {Name: "y", ParentID: new(jmap.ID("F99"))},
		} {
			if e := set(&mailboxSetRequest{Create: map[jmap.ID]mail.Mailbox{"k": m}}).NotCreated["k"]; e == nil || e.Properties[0] != strings.TrimSpace(property) {
				t.Errorf("%+v: %+v", m, e)
			}
		}
		update := func(id jmap.ID, u mail.MailboxUpdate) *jmap.SetError {
			t.Helper()
			return set(&mailboxSetRequest{Update: map[jmap.ID]mail.MailboxUpdate{id: u}}).NotUpdated[id]
		}
		if e := update(top, mail.MailboxUpdate{Name: new("Büro"), Role: new(mail.Role(""))}); e != nil {
			t.Error(e)
		}
		if e := update(sub, mail.MailboxUpdate{IsSubscribed: new(true), SortOrder: new(uint(7))}); e != nil {
			t.Error(e)
		}
		if e := update(sub, mail.MailboxUpdate{Name: new("old")}); e != nil {
			t.Error(e)
		}
		if got := names(t, a); got != "Büro Büro/old INBOX" {
			t.Errorf("%q", got)
		}
		if b := getMailboxes(t, j)["old"]; !b.IsSubscribed || b.SortOrder != 7 {
			t.Errorf("%+v", b)
		}
		under := jmap.Optional[jmap.ID]{Set: true, Value: &sub}
		if e := update(top, mail.MailboxUpdate{ParentID: under}); e == nil || e.Properties[0] != "parentId" {
			t.Errorf("a circle: %+v", e)
		}
		if e := update(inbox, mail.MailboxUpdate{Name: new("x")}); e == nil || e.Type != jmap.SetForbidden {
			t.Errorf("INBOX renamed: %+v", e)
		}
		if e := update(inbox, mail.MailboxUpdate{SortOrder: new(uint(1))}); e != nil {
			t.Error(e)
		}
		destroy := func(id jmap.ID, remove bool) jmap.SetErrorType {
			t.Helper()
			if e := set(&mailboxSetRequest{Destroy: []jmap.ID{id}, Args: mail.MailboxSetArgs{OnDestroyRemoveEmails: remove}}).NotDestroyed[id]; e != nil {
				return e.Type
			}
			return ""
		}
		add(t, a, "Büro/old", "x")
		for i, step := range []struct {
			id     jmap.ID
			remove bool
			want   jmap.SetErrorType
		}{{inbox, true, jmap.SetForbidden}, {top, true, jmap.SetMailboxHasChild}, {sub, false, jmap.SetMailboxHasEmail}, {sub, true, ""}, {sub, true, jmap.SetNotFound}, {top, false, ""}} {
			if got := destroy(step.id, step.remove); got != step.want {
				t.Errorf("step %d: %q, want %q", i, got, step.want)
			}
		}
		if got := names(t, a); got != "INBOX" || count(t, s, "email") != 0 {
			t.Errorf("%q", got)
		}
	})
}

func TestUpdatedPropertiesOfMailboxes(t *testing.T) {
	s := openDir(t, t.TempDir(), Options{})
	a := user(t, s, "alice")
	j := jmapUser(t, s, "alice")
	state := func() jmap.State {
		r, err := j.Watcher.States(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return r["Mailbox"]
	}
	since := state()
	add(t, a, "INBOX", "x")
	r, err := j.Mailboxes.Changer.Changes(t.Context(), &jmap.ChangesRequest{SinceState: since})
	if err != nil || len(r.Updated) != 1 || len(r.UpdatedProperties) != 4 {
		t.Errorf("%+v %v", r, err)
	}
	if err := a.Editor.Subscribe(t.Context(), "Junk", false); err != nil {
		t.Fatal(err)
	}
	r, err = j.Mailboxes.Changer.Changes(t.Context(), &jmap.ChangesRequest{SinceState: since})
	if err != nil || len(r.Updated) != 2 || r.UpdatedProperties != nil {
		t.Errorf("%+v %v", r, err)
	}
	for _, bad := range []jmap.State{"", "x", "-1", "1-", "99999999999999999999", "1000"} {
		if _, err := j.Mailboxes.Changer.Changes(t.Context(), &jmap.ChangesRequest{SinceState: bad}); !jmap.IsMethodError(err, jmap.CannotCalculateChanges) {
			t.Errorf("state %q: %v", bad, err)
		}
	}
}
