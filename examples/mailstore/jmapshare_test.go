package mailstore

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// shareOf returns the account that is shared with a user, nil if there is none.
func shareOf(t *testing.T, s *Store, user string) *mail.Account {
	t.Helper()
	list, err := s.Accounts(t.Context(), user)
	if err != nil || len(list) == 0 || list[0].Shared || len(list) > 2 {
		t.Fatalf("accounts %+v, %v", list, err)
	}
	if len(list) == 1 {
		return nil
	}
	return list[1]
}

func stateOf(t *testing.T, j *mail.Account) jmap.State {
	t.Helper()
	states, err := j.Watcher.States(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := j.Emails.Getter.Get(t.Context(), &jmap.GetRequest[mail.EmailWant]{})
	if err != nil {
		t.Fatal(err)
	}
	if states["Email"] != r.State || states["Mailbox"] != r.State {
		t.Errorf("states %v, of Email/get %s", states, r.State)
	}
	return r.State
}

// What is not shared is not there over JMAP: not a mailbox, an email, a keyword of a copy, a blob, nor a change of state.
func TestJMAPShare(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		ann, _ := user(t, s, "ann"), user(t, s, "bob")
		for _, name := range []string{"A/B", "Projects/Old"} {
			if _, err := ann.Editor.Create(t.Context(), name, imap.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if shareOf(t, s, "bob") != nil {
			t.Error("an account is shared that is not")
		}
		text := letter("1", "plan", "x\r\n")
		add(t, ann, "Projects", text)
		add(t, ann, "INBOX", text, letter("2", "secret", "y\r\n"))
		if _, err := ann.Flagger.StoreFlags(t.Context(), "INBOX", imap.AllUIDs(), imap.FlagChange{Flags: []imap.Flag{"$Secret"}}, imap.NoUnchangedSince); err != nil {
			t.Fatal(err)
		}
		grant(t, ann, "Projects", "bob", reading)
		grant(t, ann, "A/B", "bob", imap.RightLookup)
		grant(t, ann, "Projects/Old", "bob", reading|imap.RightPost)
		j := shareOf(t, s, "bob")
		if j == nil || !j.ReadOnly || j.Name != "ann" || j.ID != jmap.ID(ann.ID) || j.Submitter != nil {
			t.Fatalf("account %+v", j)
		}
		var got []string
		boxes := getMailboxes(t, j)
		for _, m := range boxes {
			parent := ""
			if m.ParentID != nil {
				parent = string(*m.ParentID)
			}
			got = append(got, fmt.Sprintf("%s in %q %d %+v", m.Name, parent, m.TotalEmails, *m.MyRights))
		}
		slices.Sort(got)
		read, lookup, post := mail.MailboxRights{MayReadItems: true}, mail.MailboxRights{}, mail.MailboxRights{MayReadItems: true, MaySubmit: true}
		want := []string{fmt.Sprintf("A/B in \"\" 0 %+v", lookup), fmt.Sprintf("Old in %q 0 %+v", boxes["Projects"].ID, post), fmt.Sprintf("Projects in \"\" 1 %+v", read)}
		if !slices.Equal(got, want) {
			t.Errorf("mailboxes %q, want %q", got, want)
		}
		emails := getEmails(t, j)
		if len(emails) != 1 || len(emails[0].Keywords) != 0 || ids(emails[0].MailboxIDs) != ids([]jmap.ID{boxes["Projects"].ID}) || *emails[0].Summary.Subject != "plan" {
			t.Fatalf("emails %+v", emails)
		}
		own := jmapUser(t, s, "ann")
		for _, e := range getEmails(t, own) {
			visible := e.ID == emails[0].ID
			b, err := j.Blobs.OpenBlob(t.Context(), e.BlobID)
			if visible != (err == nil) {
				t.Errorf("the blob of %s: %v", e.ID, err)
			}
			if err == nil {
				if got, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size())); err != nil || string(got) != text {
					t.Errorf("%q, %v", got, err)
				}
				b.Close()
			}
			if !visible && len(getEmails(t, j, e.ID)) > 0 {
				t.Error("an email that is not shared can be asked for")
			}
		}
		state := stateOf(t, j)
		add(t, ann, "INBOX", letter("3", "secret", "z\r\n"))
		if stateOf(t, j) != state {
			t.Error("a change of what is not shared changes the state")
		}
		changed := j.Watcher.Watch(t.Context())
		add(t, ann, "Projects", letter("4", "news", "z\r\n"))
		<-changed
		if next := stateOf(t, j); next == state {
			t.Error("a change of what is shared does not change the state")
		} else {
			state = next
		}
		grant(t, ann, "Projects", "bob", reading|imap.RightSeen)
		<-changed
		if stateOf(t, j) == state {
			t.Error("a change of rights does not change the state")
		}
		if j = shareOf(t, s, "bob"); j.ReadOnly {
			t.Error("read-only, though something can be set")
		}
		for _, name := range []string{"Projects", "Projects/Old", "A/B"} {
			grant(t, ann, name, "bob", 0)
		}
		if got := getMailboxes(t, j); len(got) > 0 {
			t.Errorf("an account that was shared still shows %v", got)
		}
		if shareOf(t, s, "bob") != nil {
			t.Error("an account is still shared")
		}
	})
}

// Every change over JMAP, with the rights that it takes, and without each of them.
func TestJMAPShareRights(t *testing.T) {
	emailSet := func(j *mail.Account, r *jmap.SetRequest[mail.EmailCreate, mail.EmailUpdate, jmap.NoArgs]) error {
		out, err := j.Emails.Setter.Set(t.Context(), r)
		if err != nil {
			return err
		}
		for _, m := range []map[jmap.ID]*jmap.SetError{out.NotCreated, out.NotUpdated, out.NotDestroyed} {
			for _, e := range m {
				return e
			}
		}
		return nil
	}
	update := func(u mail.EmailUpdate) func(*mail.Account, map[string]mail.Mailbox, jmap.ID) error {
		return func(j *mail.Account, _ map[string]mail.Mailbox, id jmap.ID) error {
			return emailSet(j, &jmap.SetRequest[mail.EmailCreate, mail.EmailUpdate, jmap.NoArgs]{Update: map[jmap.ID]mail.EmailUpdate{id: u}})
		}
	}
	boxSet := func(j *mail.Account, r *jmap.SetRequest[mail.Mailbox, mail.MailboxUpdate, mail.MailboxSetArgs]) error {
		out, err := j.Mailboxes.Setter.Set(t.Context(), r)
		if err != nil {
			return err
		}
		for _, m := range []map[jmap.ID]*jmap.SetError{out.NotCreated, out.NotUpdated, out.NotDestroyed} {
			for _, e := range m {
				return e
			}
		}
		return nil
	}
	for name, c := range map[string]struct {
		rights imap.Rights
		do     func(j *mail.Account, boxes map[string]mail.Mailbox, email jmap.ID) error
	}{
		"keyword":      {imap.RightWrite, update(mail.EmailUpdate{Keywords: mail.SetUpdate[string]{Members: map[string]bool{"$flagged": true}}})},
		"seen":         {imap.RightSeen, update(mail.EmailUpdate{Keywords: mail.SetUpdate[string]{Members: map[string]bool{"$seen": true}}})},
		"all keywords": {imap.RightSeen | imap.RightWrite, update(mail.EmailUpdate{Keywords: mail.SetUpdate[string]{Replace: true, Members: map[string]bool{"$seen": true, "k": true}}})},
		"create": {imap.RightInsert | imap.RightSeen, func(j *mail.Account, boxes map[string]mail.Mailbox, _ jmap.ID) error {
			text := letter("9", "new", "x\r\n")
			return emailSet(j, &jmap.SetRequest[mail.EmailCreate, mail.EmailUpdate, jmap.NoArgs]{Create: map[jmap.ID]mail.EmailCreate{"a": {
				MailboxIDs: []jmap.ID{boxes["Projects"].ID}, Keywords: []string{"$seen"}, Size: int64(len(text)), Body: strings.NewReader(text)}}})
		}},
		"destroy": {imap.RightDeleteMessages | imap.RightExpunge, func(j *mail.Account, _ map[string]mail.Mailbox, id jmap.ID) error {
			return emailSet(j, &jmap.SetRequest[mail.EmailCreate, mail.EmailUpdate, jmap.NoArgs]{Destroy: []jmap.ID{id}})
		}},
		"move": {imap.RightDeleteMessages | imap.RightExpunge, func(j *mail.Account, boxes map[string]mail.Mailbox, id jmap.ID) error {
			return update(mail.EmailUpdate{Mailboxes: mail.SetUpdate[jmap.ID]{Replace: true, Members: map[jmap.ID]bool{boxes["Other"].ID: true}}})(j, boxes, id)
		}},
		"child": {imap.RightCreate, func(j *mail.Account, boxes map[string]mail.Mailbox, _ jmap.ID) error {
			return boxSet(j, &jmap.SetRequest[mail.Mailbox, mail.MailboxUpdate, mail.MailboxSetArgs]{Create: map[jmap.ID]mail.Mailbox{"a": {Name: "Below", ParentID: new(boxes["Projects"].ID), IsSubscribed: true}}})
		}},
		"rename": {imap.RightDelete, func(j *mail.Account, boxes map[string]mail.Mailbox, _ jmap.ID) error {
			return boxSet(j, &jmap.SetRequest[mail.Mailbox, mail.MailboxUpdate, mail.MailboxSetArgs]{Update: map[jmap.ID]mail.MailboxUpdate{boxes["Projects"].ID: {
				ParentID: jmap.Optional[jmap.ID]{Set: true, Value: new(boxes["Other"].ID)}}}})
		}},
		"delete": {imap.RightDelete, func(j *mail.Account, boxes map[string]mail.Mailbox, _ jmap.ID) error {
			return boxSet(j, &jmap.SetRequest[mail.Mailbox, mail.MailboxUpdate, mail.MailboxSetArgs]{Destroy: []jmap.ID{boxes["Projects"].ID}, Args: mail.MailboxSetArgs{OnDestroyRemoveEmails: true}})
		}},
		"subscribe": {0, func(j *mail.Account, boxes map[string]mail.Mailbox, _ jmap.ID) error {
			return boxSet(j, &jmap.SetRequest[mail.Mailbox, mail.MailboxUpdate, mail.MailboxSetArgs]{Update: map[jmap.ID]mail.MailboxUpdate{boxes["Projects"].ID: {IsSubscribed: new(true)}}})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			try := func(rights imap.Rights) error {
				s := openAt(t, "")
				ann, _ := user(t, s, "ann"), user(t, s, "bob")
				for _, name := range []string{"Projects", "Other"} {
					if _, err := ann.Editor.Create(t.Context(), name, imap.CreateOptions{}); err != nil {
						t.Fatal(err)
					}
				}
				text := letter("1", "plan", "x\r\n")
				add(t, ann, "Projects", text)
				add(t, ann, "INBOX", text) // hidden, and left alone
				grant(t, ann, "Projects", "bob", rights|reading)
				grant(t, ann, "Other", "bob", reading|imap.RightInsert|imap.RightCreate)
				j := shareOf(t, s, "bob")
				email := getEmails(t, j)[0].ID
				err := c.do(j, getMailboxes(t, j), email)
				if msgs := list(t, box(t, ann, "INBOX"), imap.AllUIDs(), imap.FieldFlags); len(msgs) != 1 || len(msgs[0].Flags) > 0 {
					t.Errorf("what is hidden has changed: %+v", msgs)
				}
				return err
			}
			if err := try(c.rights); err != nil {
				t.Errorf("with %s: %v", c.rights, err)
			}
			for _, r := range c.rights.Each() {
				var refused *jmap.SetError
				if err := try(imap.AllRights &^ r); !errors.As(err, &refused) || refused.Type != jmap.SetForbidden {
					t.Errorf("without %s: %v", r, err)
				}
			}
		})
	}
}

// What a change over JMAP does, and what it may not.
func TestJMAPShareSet(t *testing.T) {
	s := openAt(t, "")
	ann, bob := user(t, s, "ann"), user(t, s, "bob")
	for _, name := range []string{"Projects", "Other"} {
		if _, err := ann.Editor.Create(t.Context(), name, imap.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		grant(t, ann, name, "bob", imap.AllRights)
	}
	add(t, ann, "Projects", letter("1", "plan", "x\r\n"))
	j := shareOf(t, s, "bob")
	boxes, email := getMailboxes(t, j), getEmails(t, j)[0].ID
	state := stateOf(t, j)
	text := letter("2", "new", "x\r\n")
	out, err := j.Emails.Setter.Set(t.Context(), &jmap.SetRequest[mail.EmailCreate, mail.EmailUpdate, jmap.NoArgs]{IfInState: &state,
		Create: map[jmap.ID]mail.EmailCreate{"a": {MailboxIDs: []jmap.ID{boxes["Projects"].ID, boxes["Other"].ID}, Keywords: []string{"$draft", "k"}, Size: int64(len(text)), Body: strings.NewReader(text)}},
		Update: map[jmap.ID]mail.EmailUpdate{email: {Keywords: mail.SetUpdate[string]{Replace: true, Members: map[string]bool{"$seen": true}},
			Mailboxes: mail.SetUpdate[jmap.ID]{Members: map[jmap.ID]bool{boxes["Other"].ID: true}}},
			"M999": {}},
		Destroy: []jmap.ID{"M998"}})
	if err != nil || len(out.NotCreated) > 0 || len(out.NotUpdated) != 1 || len(out.NotDestroyed) != 1 || out.OldState != state || out.NewState != stateOf(t, j) || out.NewState == state {
		t.Fatalf("%+v, %v", out, err)
	}
	made := out.Created["a"]
	for _, e := range getEmails(t, j) {
		if want := map[jmap.ID]string{email: "$seen", made.ID: "$draft k"}[e.ID]; ids(e.MailboxIDs) != ids([]jmap.ID{boxes["Projects"].ID, boxes["Other"].ID}) || strings.Join(e.Keywords, " ") != want {
			t.Errorf("%+v, want %q", e, want)
		}
	}
	if made.BlobID == "" || made.Size != int64(len(text)) {
		t.Errorf("created %+v", made)
	}
	if msgs := list(t, box(t, ann, "Other"), imap.AllUIDs(), imap.FieldIDs); len(msgs) != 2 {
		t.Errorf("the owner has %+v", msgs)
	}
	if _, err := j.Emails.Setter.Set(t.Context(), &jmap.SetRequest[mail.EmailCreate, mail.EmailUpdate, jmap.NoArgs]{IfInState: &state}); err == nil {
		t.Error("a state that has passed")
	}
	bad, err := j.Mailboxes.Setter.Set(t.Context(), &jmap.SetRequest[mail.Mailbox, mail.MailboxUpdate, mail.MailboxSetArgs]{
		Create: map[jmap.ID]mail.Mailbox{"top": {Name: "Top"}, "path": {Name: "a/b", ParentID: new(boxes["Other"].ID)}, "role": {Name: "x", Role: "sent", ParentID: new(boxes["Other"].ID)},
			"twice": {Name: "same", ParentID: new(boxes["Other"].ID)}, "twice2": {Name: "same", ParentID: new(boxes["Other"].ID)}, "nowhere": {Name: "x", ParentID: new(jmap.ID("F999"))}},
		Update:  map[jmap.ID]mail.MailboxUpdate{boxes["Projects"].ID: {ParentID: jmap.Optional[jmap.ID]{Set: true}}},
		Destroy: []jmap.ID{boxes["Projects"].ID, boxes["Other"].ID}})
	if err != nil || len(bad.NotCreated) != 5 || len(bad.NotUpdated) != 1 || bad.NotDestroyed[boxes["Projects"].ID].Type != jmap.SetMailboxHasEmail || len(bad.NotDestroyed) != 2 {
		t.Errorf("%+v, %v", bad, err)
	}
	if _, err := bob.Store.OpenMailbox(t.Context(), "Other Users/ann/Other/same"); err != nil {
		t.Error(err)
	}
	up, size, err := j.Uploads.Upload(t.Context(), strings.NewReader("bytes"))
	if err != nil || size != 5 {
		t.Fatal(err)
	}
	if b, err := j.Blobs.OpenBlob(t.Context(), up); err != nil {
		t.Error(err)
	} else {
		b.Close()
	}
}
