package mailstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/imap"
)

func names(t *testing.T, a *imap.Account) string {
	t.Helper()
	var out []string
	for i, err := range a.Store.Mailboxes(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if i.SpecialUse == "" {
			out = append(out, i.Name)
		}
	}
	return strings.Join(out, " ")
}

func TestCreateDeleteRename(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		a := user(t, s, "alice")
		e := a.Editor
		create := func(name string) error { _, err := e.Create(t.Context(), name, imap.CreateOptions{}); return err }
		for i, step := range []struct {
			do   func() error
			want error
			left string
		}{
			{func() error { return create("a/b/c") }, nil, "INBOX a a/b a/b/c"},
			{func() error { return create("a/b") }, imap.ErrExists, "INBOX a a/b a/b/c"},
			{func() error { return create("inbox") }, imap.ErrExists, "INBOX a a/b a/b/c"},
			{func() error { return create("") }, imap.ErrInvalidName, "INBOX a a/b a/b/c"},
			{func() error { return create("a//b") }, imap.ErrInvalidName, "INBOX a a/b a/b/c"},
			{func() error { return create("a\r\nb") }, imap.ErrInvalidName, "INBOX a a/b a/b/c"},
			{func() error { return create("\xff") }, imap.ErrInvalidName, "INBOX a a/b a/b/c"},
			{func() error { return create(strings.Repeat("x/", 51) + "x") }, imap.ErrInvalidName, "INBOX a a/b a/b/c"},
			{func() error { return create("a0") }, nil, "INBOX a a/b a/b/c a0"},
			{func() error { return e.Delete(t.Context(), "a/b") }, imap.ErrCannot, "INBOX a a/b a/b/c a0"},
			{func() error { return e.Delete(t.Context(), "inbox") }, imap.ErrCannot, "INBOX a a/b a/b/c a0"},
			{func() error { return e.Delete(t.Context(), "none") }, imap.ErrNonexistent, "INBOX a a/b a/b/c a0"},
			{func() error { return e.Rename(t.Context(), "a", "a/d") }, imap.ErrCannot, "INBOX a a/b a/b/c a0"},
			{func() error { return e.Rename(t.Context(), "a", "a0") }, imap.ErrExists, "INBOX a a/b a/b/c a0"},
			{func() error { return e.Rename(t.Context(), "none", "x") }, imap.ErrNonexistent, "INBOX a a/b a/b/c a0"},
			{func() error { return e.Rename(t.Context(), "a", "z/Ä") }, nil, "INBOX a0 z z/Ä z/Ä/b z/Ä/b/c"},
			{func() error { return e.Delete(t.Context(), "z/Ä/b/c") }, nil, "INBOX a0 z z/Ä z/Ä/b"},
			{func() error { return e.Rename(t.Context(), "INBOX", "inbox/old") }, nil, "INBOX INBOX/old a0 z z/Ä z/Ä/b"},
		} {
			if err := step.do(); !errors.Is(err, step.want) || step.want == nil && err != nil {
				t.Errorf("step %d: %v, want %v", i, err, step.want)
			}
			if got := names(t, a); got != step.left {
				t.Errorf("step %d: %q, want %q", i, got, step.left)
			}
		}
	})
}

func TestSpecialUse(t *testing.T) {
	a := user(t, openDir(t, t.TempDir(), Options{}), "alice")
	i, err := a.Editor.Create(t.Context(), "Starred", imap.CreateOptions{SpecialUse: `\Flagged`})
	if err != nil || i.SpecialUse != `\Flagged` {
		t.Errorf("%+v %v", i, err)
	}
	if _, err := a.Editor.Create(t.Context(), "Sent 2", imap.CreateOptions{SpecialUse: `\sent`}); !errors.Is(err, imap.ErrCannot) {
		t.Errorf("a second \\Sent: %v", err)
	}
}

func TestDeletedMailbox(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		a := user(t, s, "alice")
		if _, err := a.Editor.Create(t.Context(), "x", imap.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		m := box(t, a, "x")
		old := status(t, m)
		add(t, a, "x", "1", "2")
		if err := a.Editor.Delete(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Status(t.Context()); !errors.Is(err, imap.ErrNonexistent) {
			t.Error(err)
		}
		if _, err := m.Body(t.Context(), 1); !errors.Is(err, imap.ErrNonexistent) {
			t.Error(err)
		}
		for _, err := range m.Messages(t.Context(), imap.AllUIDs(), 0) {
			if !errors.Is(err, imap.ErrNonexistent) {
				t.Error(err)
			}
		}
		for _, err := range m.Changes(t.Context(), 0) {
			if !errors.Is(err, imap.ErrNonexistent) {
				t.Error(err)
			}
		}
		if n := count(t, s, "email") + count(t, s, "blob") + count(t, s, "message"); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		if _, err := a.Editor.Create(t.Context(), "x", imap.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if st := status(t, box(t, a, "x")); st.UIDValidity <= old.UIDValidity || st.ID == old.ID || st.Messages != 0 {
			t.Errorf("the new one: %+v, the old one: %+v", st, old)
		}
	})
}

func TestRenameKeepsTheMailbox(t *testing.T) {
	a := user(t, openDir(t, t.TempDir(), Options{}), "alice")
	if _, err := a.Editor.Create(t.Context(), "x", imap.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	m := box(t, a, "x")
	add(t, a, "x", "1")
	before := status(t, m)
	if err := a.Editor.Rename(t.Context(), "x", "y"); err != nil {
		t.Fatal(err)
	}
	after := status(t, m)
	if after.Name != "y" || after.ID != before.ID || after.UIDValidity != before.UIDValidity || after.Messages != 1 || after.HighestModSeq <= before.HighestModSeq {
		t.Errorf("%+v", after)
	}
	if got := read(t, m, 1); got != "1" {
		t.Errorf("%q", got)
	}
}

func TestRenameInboxMovesItsMessages(t *testing.T) {
	a := user(t, openDir(t, t.TempDir(), Options{}), "alice")
	add(t, a, "INBOX", "1", "2")
	if err := a.Editor.Rename(t.Context(), "INBOX", "old"); err != nil {
		t.Fatal(err)
	}
	if in, old := status(t, box(t, a, "INBOX")), status(t, box(t, a, "old")); in.Messages != 0 || old.Messages != 2 || in.ID == old.ID {
		t.Errorf("%+v %+v", in, old)
	}
}

func TestSubscribe(t *testing.T) {
	a := user(t, openDir(t, t.TempDir(), Options{}), "alice")
	m := box(t, a, "Junk")
	for _, on := range []bool{false, false, true} {
		before := status(t, m)
		if err := a.Editor.Subscribe(t.Context(), "Junk", on); err != nil {
			t.Fatal(err)
		}
		if after := status(t, m); after.Subscribed != on || (after.HighestModSeq > before.HighestModSeq) != (before.Subscribed != on) {
			t.Errorf("%v: %+v", on, after)
		}
	}
}

func accountChanges(t *testing.T, a *imap.Account, since imap.ModSeq) string {
	t.Helper()
	names := map[string]string{}
	for i, err := range a.Store.Mailboxes(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		names[i.ID] = i.Name
	}
	var out []string
	last := since
	for c, err := range a.Changer.AccountChanges(t.Context(), since) {
		if err != nil {
			t.Fatal(err)
		}
		if c.ModSeq < last || (c.UID == 0) != (c.EmailID == "") {
			t.Errorf("%+v after modseq %d", c, last)
		}
		last = c.ModSeq
		sign := ""
		if c.Added {
			sign = "+"
		} else if c.Expunged {
			sign = "-"
		}
		out = append(out, fmt.Sprintf("%s%s/%d", sign, names[c.MailboxID], c.UID))
	}
	return strings.Join(out, " ")
}

func TestAccountChanges(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		a, other := user(t, s, "alice"), user(t, s, "bob")
		start, err := a.Changer.HighestModSeq(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		add(t, a, "INBOX", "1", "2")
		add(t, other, "INBOX", "not alice's")
		if _, err := a.Editor.Create(t.Context(), "x", imap.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Mover.Move(t.Context(), "INBOX", imap.UIDSet{{First: 1, Last: 1}}, "x", 0); err != nil {
			t.Fatal(err)
		}
		if got := accountChanges(t, a, start); got != "+INBOX/2 +x/0 -INBOX/1 +x/1" {
			t.Errorf("got %q", got)
		}
		middle, err := a.Changer.HighestModSeq(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Editor.Delete(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		if got := accountChanges(t, a, middle); got != "-/0 -/1" {
			t.Errorf("got %q", got)
		}
		if end, _ := a.Changer.HighestModSeq(t.Context()); accountChanges(t, a, end) != "" {
			t.Error("changes since now")
		}
	})
}

func TestWatch(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		a := user(t, s, "alice")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w := a.Watcher.Watch(ctx)
		out := add(t, a, "INBOX", "1")
		select {
		case <-w.Ready():
		case <-ctx.Done():
			t.Fatal("no notice")
		}
		n := w.Take()
		if len(n) != 1 || n[0].ModSeq != out.ModSeq || n[0].MailboxID != status(t, box(t, a, "INBOX")).ID {
			t.Errorf("%+v", n)
		}
		if _, err := a.Mover.Move(t.Context(), "INBOX", imap.AllUIDs(), "Trash", 0); err != nil {
			t.Fatal(err)
		}
		<-w.Ready()
		if n := w.Take(); len(n) != 2 {
			t.Errorf("%+v", n)
		}
	})
}
