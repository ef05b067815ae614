package imap_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imaptest"
)

func ExampleEnforce() {
	ctx := context.Background()
	var b imaptest.Memory // it gives away enforced accounts
	b.AddUser("ann")
	b.AddUser("bob")
	ann, _ := b.OpenAccount(ctx, "ann")
	_, _ = ann.Editor.Create(ctx, "Projects", imap.CreateOptions{})
	_ = ann.Authorizer.SetACL(ctx, "Projects", "bob", imap.RightsChange{Rights: imap.RightLookup | imap.RightRead | imap.RightSeen})

	bob, _ := b.OpenAccount(ctx, "bob")
	for m := range bob.Store.Mailboxes(ctx) {
		if bob.IsOther(m.Name) {
			fmt.Println(m.Name, m.Rights)
		}
	}
	_, err := bob.Appender.Append(ctx, "Other Users/ann/Projects", []imap.AppendMessage{{Size: 2, Body: strings.NewReader("\r\n")}})
	fmt.Println(errors.Is(err, imap.ErrNoPermission))
	_, err = bob.Store.OpenMailbox(ctx, "Other Users/ann/INBOX")
	fmt.Println(errors.Is(err, imap.ErrNonexistent))
	// Output:
	// Other Users/ann/Projects lrs
	// true
	// true
}

// TestEnforceEveryRole fails where a role is added that Enforce does not check, unless it is among those that are not about
// mailboxes of others.
func TestEnforceEveryRole(t *testing.T) {
	var b imaptest.Memory
	b.AddUser("ann")
	a, err := b.OpenAccount(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	unchecked := []string{"Changer", "Quoter", "QuotaSetter"}
	v := reflect.ValueOf(*a)
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		if f.Kind() != reflect.Interface || slices.Contains(unchecked, name) {
			continue
		}
		if f.IsNil() {
			t.Errorf("%s: Memory has none", name)
		} else if got := f.Elem().Type().String(); got != "*imap.enforced" {
			t.Errorf("%s is not checked, but %s", name, got)
		}
	}
	bare := imap.Enforce(&imap.Account{Store: a.Store, Watcher: a.Watcher, Authorizer: a.Authorizer, OtherUsers: a.OtherUsers})
	v = reflect.ValueOf(*bare)
	for i := range v.NumField() {
		if f, name := v.Field(i), v.Type().Field(i).Name; f.Kind() == reflect.Interface && !f.IsNil() && !slices.Contains([]string{"Store", "Watcher", "Authorizer"}, name) {
			t.Errorf("%s was absent", name)
		}
	}
}

// Where nobody says who may do what, nobody may.
func TestEnforceWithoutAuthorizer(t *testing.T) {
	var b imaptest.Memory
	b.AddUser("ann")
	b.AddUser("bob")
	ann, _ := b.OpenAccount(t.Context(), "ann")
	if err := ann.Authorizer.SetACL(t.Context(), "INBOX", "bob", imap.RightsChange{Rights: imap.AllRights}); err != nil {
		t.Fatal(err)
	}
	bob, _ := b.OpenAccount(t.Context(), "bob")
	inner := *bob
	inner.Authorizer = nil
	a := imap.Enforce(&inner)
	if a.Authorizer != nil {
		t.Error("an Authorizer out of nothing")
	}
	const name = "Other Users/ann/INBOX"
	if _, err := a.Store.OpenMailbox(t.Context(), name); !errors.Is(err, imap.ErrNonexistent) {
		t.Errorf("opened: %v", err)
	}
	if _, err := a.Appender.Append(t.Context(), name, nil); !errors.Is(err, imap.ErrNonexistent) {
		t.Errorf("appended: %v", err)
	}
	if _, err := a.Editor.Create(t.Context(), name+"/x", imap.CreateOptions{}); !errors.Is(err, imap.ErrNoPermission) {
		t.Errorf("created: %v", err)
	}
}

// An own mailbox is handed through as the backend has it.
func TestEnforceOwn(t *testing.T) {
	var b imaptest.Memory
	b.AddUser("ann")
	a, _ := b.OpenAccount(t.Context(), "ann")
	m, err := a.Store.OpenMailbox(t.Context(), "INBOX")
	if err != nil || strings.HasPrefix(fmt.Sprintf("%T", m), "imap.") {
		t.Errorf("%T, %v", m, err)
	}
	if same := (&imap.Account{Store: a.Store}); imap.Enforce(same) != same {
		t.Error("an account without others' mailboxes is wrapped")
	}
}

// brokenStore fails to list, and counts how often it is asked.
type brokenStore struct {
	imap.Store
	err   *error
	lists *int
}

func (s brokenStore) Mailboxes(ctx context.Context) iter.Seq2[imap.MailboxInfo, error] {
	*s.lists++
	if *s.err != nil {
		return func(yield func(imap.MailboxInfo, error) bool) { yield(imap.MailboxInfo{}, *s.err) }
	}
	return s.Store.Mailboxes(ctx)
}

// Notices that nobody knows whether the user may hear wait, and do not wake the reader again and again.
func TestEnforceWatchFails(t *testing.T) {
	var b imaptest.Memory
	b.AddUser("ann")
	b.AddUser("bob")
	ann, _ := b.OpenAccount(t.Context(), "ann")
	if err := ann.Authorizer.SetACL(t.Context(), "INBOX", "bob", imap.RightsChange{Rights: imap.AllRights}); err != nil {
		t.Fatal(err)
	}
	bob, _ := b.OpenAccount(t.Context(), "bob")
	var failure error
	lists := 0
	inner := *bob // enforced twice, so that the list can fail
	inner.Store = brokenStore{bob.Store, &failure, &lists}
	outer := imap.Enforce(&inner)
	w := outer.Watcher.Watch(t.Context())
	failure = errors.New("broken")
	send := func(a *imap.Account, mailbox string) {
		t.Helper()
		if _, err := a.Appender.Append(t.Context(), mailbox, []imap.AppendMessage{{Size: 2, Body: strings.NewReader("\r\n")}}); err != nil {
			t.Fatal(err)
		}
	}
	send(ann, "INBOX")
	send(bob, "INBOX")
	<-w.Ready()
	if got := w.Take(); len(got) != 1 || got[0].Other {
		t.Errorf("while the list fails: %+v", got)
	}
	select {
	case <-w.Ready():
		t.Error("ready though nothing happened")
	default:
	}
	failure = nil
	if got := w.Take(); len(got) != 1 || !got[0].Other {
		t.Errorf("then: %+v", got)
	}
	lists = 0
	for range 5 { // what is known is not looked up again
		send(ann, "INBOX")
		send(bob, "INBOX")
		if got := w.Take(); len(got) != 2 {
			t.Errorf("then: %+v", got)
		}
	}
	if lists != 0 {
		t.Errorf("listed %d times", lists)
	}
	if err := ann.Authorizer.SetACL(t.Context(), "INBOX", "bob", imap.RightsChange{Rights: imap.RightPost}); err != nil {
		t.Fatal(err)
	}
	if got := w.Take(); len(got) != 1 || got[0].Other {
		t.Errorf("of the rights: %+v", got)
	}
	for range 5 {
		send(ann, "INBOX")
		if got := w.Take(); len(got) != 0 {
			t.Errorf("of what is hidden: %+v", got)
		}
	}
	if lists != 0 { // the inner account does not let them through
		t.Errorf("listed %d times", lists)
	}
}
