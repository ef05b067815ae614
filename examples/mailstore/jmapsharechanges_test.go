package mailstore

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// A shareCopy is what a client has of an account that is shared with its user.
type shareCopy struct {
	*testing.T
	j      *mail.Account
	emails map[jmap.ID]mail.Record
	boxes  map[jmap.ID]mail.Mailbox
	state  jmap.State
	// threads are ids, which changes alone tell of.
	threads map[jmap.ID]bool
}

// read reads all anew.
func (k *shareCopy) read() {
	k.Helper()
	k.emails, k.boxes, k.threads, k.state = map[jmap.ID]mail.Record{}, map[jmap.ID]mail.Mailbox{}, map[jmap.ID]bool{}, stateOf(k.T, k.j)
	for _, e := range getEmails(k.T, k.j) {
		k.emails[e.ID], k.threads[e.ThreadID] = e, true
	}
	for _, m := range getMailboxes(k.T, k.j) {
		k.boxes[m.ID] = m
	}
}

// follow reads changes in pages of most ids, and checks that the copy is what there is.
func (k *shareCopy) follow(most uint) {
	k.Helper()
	before := k.state
	for more := true; more; {
		c, err := k.j.Emails.Changer.Changes(k.Context(), &jmap.ChangesRequest{SinceState: k.state, MaxChanges: &most})
		if err != nil || uint(len(c.Created)+len(c.Updated)+len(c.Destroyed)) > most || c.OldState != k.state {
			k.Fatalf("Email/changes since %s: %+v, %v", k.state, c, err)
		}
		for _, id := range c.Destroyed {
			delete(k.emails, id)
		}
		for _, id := range slices.Concat(c.Created, c.Updated) {
			delete(k.emails, id)
			for _, e := range getEmails(k.T, k.j, id) {
				k.emails[id] = e
			}
		}
		more, k.state = c.HasMoreChanges, c.NewState
	}
	for since, more := before, true; more; {
		c, err := k.j.Mailboxes.Changer.Changes(k.Context(), &jmap.ChangesRequest{SinceState: since, MaxChanges: &most})
		if err != nil || len(c.Created)+len(c.Destroyed) > 0 || len(c.Updated) > 0 && len(c.UpdatedProperties) != 4 {
			k.Fatalf("Mailbox/changes since %s: %+v, %v", since, c, err)
		}
		for _, m := range getMailboxes(k.T, k.j) {
			if slices.Contains(c.Updated, m.ID) {
				k.boxes[m.ID] = m
			}
		}
		more, since = c.HasMoreChanges, c.NewState
	}
	for since, more := before, true; more; {
		c, err := k.j.Threads.Changer.Changes(k.Context(), &jmap.ChangesRequest{SinceState: since, MaxChanges: &most})
		if err != nil {
			k.Fatalf("Thread/changes since %s: %v", since, err)
		}
		for _, id := range c.Destroyed {
			delete(k.threads, id)
		}
		for _, id := range c.Created {
			k.threads[id] = true
		}
		for _, id := range c.Updated { // one that came to light may be known by that alone
			k.threads[id] = true
		}
		more, since = c.HasMoreChanges, c.NewState
	}
	now := &shareCopy{T: k.T, j: k.j}
	now.read()
	if !reflect.DeepEqual(k.emails, now.emails) || !reflect.DeepEqual(k.boxes, now.boxes) || !reflect.DeepEqual(k.threads, now.threads) || k.state != now.state {
		k.Fatalf("the client has\n%+v\n%+v\n%v\n%s\nthere is\n%+v\n%+v\n%v\n%s", k.emails, k.boxes, k.threads, k.state, now.emails, now.boxes, now.threads, now.state)
	}
}

// Who follows the changes of a shared account has what there is, whatever becomes of its emails, over IMAP and JMAP, in what is
// shared and what is not.
func TestJMAPShareChanges(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		ann, _ := user(t, s, "ann"), user(t, s, "bob")
		if _, err := ann.Editor.Create(t.Context(), "Projects", imap.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		own := jmapUser(t, s, "ann")
		grant(t, ann, "INBOX", "bob", reading)
		grant(t, ann, "Projects", "bob", reading|imap.RightSeen)
		grant(t, ann, "Archive", "bob", imap.RightLookup)
		names := []string{"INBOX", "Projects", "Archive", "Trash"} // two can be read
		boxes := getMailboxes(t, own)
		id := func(name string) jmap.ID {
			if name == "INBOX" {
				name = "Inbox"
			}
			return boxes[name].ID
		}
		rnd := rand.New(rand.NewPCG(1, 2))
		k := &shareCopy{T: t, j: shareOf(t, s, "bob")}
		k.read()
		for n := range 150 {
			name := names[rnd.IntN(len(names))]
			emails := getEmails(t, own)
			switch op := rnd.IntN(6); {
			case op == 0 || len(emails) == 0:
				add(t, ann, name, fmt.Sprintf("References: <t%d@example.com>\r\n", rnd.IntN(12))+letter(fmt.Sprint(n), "news", "x\r\n"))
			case op == 1:
				change := imap.FlagChange{Op: imap.FlagOp(rnd.IntN(3)), Flags: []imap.Flag{[]imap.Flag{imap.FlagSeen, imap.FlagDeleted, "$Work"}[rnd.IntN(3)]}}
				if _, err := ann.Flagger.StoreFlags(t.Context(), name, imap.UIDSet{{First: imap.UID(1 + rnd.IntN(n+1)), Last: imap.MaxUID}}, change, imap.NoUnchangedSince); err != nil {
					t.Fatal(err)
				}
			case op == 2:
				if _, err := ann.Expunger.Expunge(t.Context(), name, imap.AllUIDs(), false); err != nil {
					t.Fatal(err)
				}
			case op == 3:
				to := mail.SetUpdate[jmap.ID]{Replace: true, Members: map[jmap.ID]bool{id(name): true, id(names[rnd.IntN(len(names))]): true}}
				r := &jmap.SetRequest[mail.EmailCreate, mail.EmailUpdate, jmap.NoArgs]{Update: map[jmap.ID]mail.EmailUpdate{emails[rnd.IntN(len(emails))].ID: {Mailboxes: to}}}
				if out, err := own.Emails.Setter.Set(t.Context(), r); err != nil || len(out.NotUpdated) > 0 {
					t.Fatal(out, err)
				}
			case op == 4:
				r := &jmap.SetRequest[mail.EmailCreate, mail.EmailUpdate, jmap.NoArgs]{Destroy: []jmap.ID{emails[rnd.IntN(len(emails))].ID}}
				if _, err := own.Emails.Setter.Set(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
			if rnd.IntN(3) == 0 {
				k.follow(uint(1 + rnd.IntN(4)))
			}
		}
		k.follow(3)
		if len(k.threads) == len(k.emails) {
			t.Error("no thread has two emails")
		}
		since := k.state
		grant(t, ann, "Trash", "bob", reading)
		for _, state := range []jmap.State{since, "unknown", "1", jmap.State(string(since) + "x"), ""} {
			if c, err := k.j.Emails.Changer.Changes(t.Context(), &jmap.ChangesRequest{SinceState: state}); !jmap.IsMethodError(err, jmap.CannotCalculateChanges) {
				t.Errorf("Email/changes since %q: %+v, %v", state, c, err)
			}
			if c, err := k.j.Mailboxes.Changer.Changes(t.Context(), &jmap.ChangesRequest{SinceState: state}); !jmap.IsMethodError(err, jmap.CannotCalculateChanges) {
				t.Errorf("Mailbox/changes since %q: %+v, %v", state, c, err)
			}
		}
		k.read()
		k.follow(2)
	})
}
