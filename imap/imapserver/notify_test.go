package imapserver_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapserver"
)

// notifyPair is a client that is logged in as alice, and the account that changes beside it.
func notifyPair(t *testing.T, s *imapserver.Server) (*peer, *imap.Account) {
	t.Helper()
	a, err := s.Backend.OpenAccount(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	p := dial(t, start(t, s))
	wants(p, "* OK ...")
	if got := p.do("a", "LOGIN alice secret")[0]; !strings.Contains(got, " NOTIFY") {
		t.Fatalf("not offered: %s", got)
	}
	return p, a
}

func deliver(t *testing.T, a *imap.Account, box, text string, flags ...imap.Flag) imap.UID {
	t.Helper()
	done, err := a.Appender.Append(t.Context(), box, []imap.AppendMessage{{Body: strings.NewReader(text), Size: int64(len(text)), Flags: flags,
		InternalDate: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)}})
	if err != nil {
		t.Fatal(err)
	}
	return done.UIDs[0]
}

// wants compares the next lines; "..." at the end stands for the rest of one.
func wants(p *peer, lines ...string) {
	p.t.Helper()
	for _, l := range lines {
		p.want(l)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestNotifySelected(t *testing.T) {
	p, a := notifyPair(t, server(t))
	p.do("b", "SELECT INBOX")
	if got := p.do("c", "NOTIFY SET (SELECTED (MessageNew (UID BODY[HEADER.FIELDS (SUBJECT)]) MessageExpunge FlagChange))"); !slices.Equal(got, []string{"c OK NOTIFY completed"}) {
		t.Fatal(got)
	}
	// All of this comes between commands.
	deliver(t, a, "INBOX", "Subject: four\r\n\r\nx\r\n")
	wants(p, "* 4 EXISTS", "* 4 FETCH (UID 4 BODY[HEADER.FIELDS (SUBJECT)] {17}", "Subject: four", "", ")")
	_, err := a.Flagger.StoreFlags(t.Context(), "INBOX", imap.UIDs(2, 4), imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagSeen}}, imap.NoUnchangedSince)
	must(t, err)
	wants(p, `* 2 FETCH (UID 2 FLAGS (\Seen))`, `* 4 FETCH (UID 4 FLAGS (\Seen))`)
	_, err = a.Expunger.Expunge(t.Context(), "INBOX", imap.UIDs(1), true)
	must(t, err)
	wants(p, "* 1 EXPUNGE")
	// A message that this session adds is not fetched.
	p.send("d APPEND INBOX {4+}\r\na: b\r\n")
	wants(p, "* 4 EXISTS", "d OK ...")
	// Pipelined commands stay in order.
	p.send("e NOOP\r\nf UID SEARCH ALL\r\n")
	wants(p, "e OK ...", "* SEARCH 2 3 4 5", "f OK ...")
	// IDLE tells the same.
	p.send("g IDLE\r\n")
	wants(p, "+ idling")
	deliver(t, a, "INBOX", "Subject: six\r\n\r\nx\r\n")
	wants(p, "* 5 EXISTS", "* 5 FETCH (UID 6 BODY[HEADER.FIELDS (SUBJECT)] {16}", "Subject: six", "", ")")
	p.send("DONE\r\n")
	wants(p, "g OK ...")
	// Other mailboxes are not told of.
	must2(a.Editor.Create(t.Context(), "x", imap.CreateOptions{}))
	p.do("h", "NOOP")
	if got := p.do("i", "NOOP"); len(got) != 1 {
		t.Error(got)
	}
}

func must2[T any](_ T, err error) {
	if err != nil {
		panic(err)
	}
}

func TestNotifyDelayed(t *testing.T) {
	p, a := notifyPair(t, server(t))
	p.do("b", "ENABLE QRESYNC")
	p.do("b", "SELECT INBOX")
	p.do("c", "NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge))")
	must2(a.Expunger.Expunge(t.Context(), "INBOX", imap.UIDs(1), true))
	deliver(t, a, "INBOX", "Subject: four\r\n\r\nx\r\n")
	wants(p, "* 4 EXISTS") // the expunge waits
	must2(a.Flagger.StoreFlags(t.Context(), "INBOX", imap.UIDs(2), imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{"x"}}, imap.NoUnchangedSince))
	p.send("d FETCH 4 UID\r\n")
	wants(p, "* 4 FETCH (UID 4)", "d OK ...")
	p.send("e NOOP\r\n")
	wants(p, "* VANISHED 1", "e OK ...")
	// NONE: nothing at all, but what the session itself does.
	p.do("f", "NOTIFY NONE")
	deliver(t, a, "INBOX", "Subject: five\r\n\r\nx\r\n")
	if got := p.do("g", "NOOP"); len(got) != 1 {
		t.Error(got)
	}
	p.do("h", `UID STORE 2 +FLAGS.SILENT (\Deleted)`)
	if got := p.do("i", "EXPUNGE"); len(got) != 2 || got[0] != "* VANISHED 2" {
		t.Error(got)
	}
	// A new NOTIFY tells at once what has gathered.
	if got := p.do("j", "NOTIFY SET (SELECTED NONE)"); len(got) != 2 || got[0] != "* 3 EXISTS" {
		t.Error(got)
	}
}

func TestNotifyOthers(t *testing.T) {
	p, a := notifyPair(t, server(t))
	ctx := t.Context()
	for _, name := range []string{"Lists/a", "Lists/b", "Other"} {
		must2(a.Editor.Create(ctx, name, imap.CreateOptions{}))
	}
	deliver(t, a, "Lists/a", "Subject: x\r\n\r\nx\r\n")
	p.do("b", "SELECT INBOX")
	got := p.do("c", "NOTIFY SET STATUS (SELECTED (MessageNew MessageExpunge)) (SUBTREE Lists (MessageNew MessageExpunge FlagChange)) (PERSONAL (MailboxName)) (SUBSCRIBED (SubscriptionChange))")
	if len(got) != 4 || !strings.HasPrefix(got[0], "* STATUS Lists (MESSAGES 0 UIDNEXT 1 UIDVALIDITY ") ||
		!strings.HasPrefix(got[1], "* STATUS Lists/a (MESSAGES 1 UIDNEXT 2 UIDVALIDITY ") || !strings.Contains(got[1], " HIGHESTMODSEQ ") || !strings.HasPrefix(got[2], "* STATUS Lists/b (") {
		t.Fatalf("%q", got)
	}
	deliver(t, a, "Lists/b", "Subject: x\r\n\r\nx\r\n")
	wants(p, "* STATUS Lists/b (UIDNEXT 2 MESSAGES 1 UNSEEN 1)")
	deliver(t, a, "Other", "Subject: x\r\n\r\nx\r\n") // nobody listens
	seen := func(box string, f imap.Flag) {
		must2(a.Flagger.StoreFlags(ctx, box, imap.UIDs(1), imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{f}}, imap.NoUnchangedSince))
	}
	seen("Lists/b", "x") // without CONDSTORE there is nothing to tell of it
	seen("Lists/b", imap.FlagSeen)
	wants(p, "* STATUS Lists/b (UNSEEN 0)")
	must2(a.Expunger.Expunge(ctx, "Lists/a", imap.AllUIDs(), true))
	wants(p, "* STATUS Lists/a (UIDNEXT 2 MESSAGES 0 UNSEEN 0)")
	p.do("d", "ENABLE CONDSTORE")
	seen("Lists/b", "y")
	if got := p.line(); !strings.HasPrefix(got, "* STATUS Lists/b (UIDVALIDITY ") || !strings.Contains(got, " HIGHESTMODSEQ ") {
		t.Error(got)
	}
	// The selected one is not told of as one of the others.
	p.do("e", "SELECT Lists/b")
	p.do("e", "NOOP")
	deliver(t, a, "Lists/b", "Subject: x\r\n\r\nx\r\n")
	wants(p, "* 2 EXISTS")
	p.do("f", "UNSELECT")
	// Names.
	must2(a.Editor.Create(ctx, "New/below", imap.CreateOptions{}))
	wants(p, `* LIST (\HasChildren) "/" New`, `* LIST (\HasNoChildren) "/" New/below`)
	must(t, a.Editor.Rename(ctx, "New", "Newer"))
	wants(p, `* LIST (\HasChildren) "/" Newer ("OLDNAME" (New))`)
	must(t, a.Editor.Delete(ctx, "Newer/below"))
	wants(p, `* LIST (\HasNoChildren) "/" Newer`, `* LIST (\NonExistent) "/" Newer/below`)
	must(t, a.Editor.Subscribe(ctx, "Newer", true))
	wants(p, `* LIST (\HasNoChildren \Subscribed) "/" Newer`)
	must(t, a.Editor.Subscribe(ctx, "Newer", false))
	wants(p, `* LIST (\HasNoChildren) "/" Newer`)
	// The client's own are not told.
	for _, cmd := range []string{"CREATE own/x", "RENAME own mine", "SUBSCRIBE mine/x", "DELETE mine/x", "NOOP"} {
		if got := p.do("g", cmd); len(got) != 1 {
			t.Errorf("%s: %q", cmd, got)
		}
	}
	// A mailbox that comes into the subtree is watched; one that comes again has another UIDVALIDITY.
	must2(a.Editor.Create(ctx, "Lists/c", imap.CreateOptions{}))
	wants(p, `* LIST (\HasChildren) "/" Lists`, `* LIST (\HasNoChildren) "/" Lists/c`)
	deliver(t, a, "Lists/c", "Subject: x\r\n\r\nx\r\n")
	if got := p.line(); !strings.HasPrefix(got, "* STATUS Lists/c (UIDNEXT 2 MESSAGES 1 UNSEEN 1 UIDVALIDITY ") {
		t.Error(got)
	}
}

func TestNotifyRefused(t *testing.T) {
	s := server(t)
	s.Limits.NotifyMailboxes = 2
	p, a := notifyPair(t, s)
	p.send("c NOTIFY SET (PERSONAL (MailboxMetadataChange))\r\n")
	wants(p, "c NO [BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange)] ...")
	p.do("d", "NOTIFY SET (PERSONAL (MailboxName))")
	must2(a.Editor.Create(t.Context(), "one", imap.CreateOptions{}))
	wants(p, `* LIST (\HasNoChildren) "/" one`)
	must2(a.Editor.Create(t.Context(), "two", imap.CreateOptions{}))
	wants(p, "* OK [NOTIFICATIONOVERFLOW] ...")
	must2(a.Editor.Create(t.Context(), "three", imap.CreateOptions{}))
	p.send("e NOTIFY SET (PERSONAL (MailboxName))\r\n")
	wants(p, "e NO [NOTIFICATIONOVERFLOW] ...")
}
