package imapserver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
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

func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
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

func TestNotifyMetadata(t *testing.T) {
	p, a := notifyPair(t, server(t))
	ctx := t.Context()
	set := func(mailbox string, list ...imap.Annotation) {
		t.Helper()
		must(t, a.Annotator.SetAnnotations(ctx, mailbox, list))
	}
	for _, name := range []string{"Lists/a", "Other"} {
		must2(a.Editor.Create(ctx, name, imap.CreateOptions{}))
	}
	p.do("b", "SELECT Lists/a")
	p.do("c", "NOTIFY SET (SELECTED (MessageNew MessageExpunge)) (SUBTREE Lists (MailboxMetadataChange)) (INBOXES (ServerMetadataChange))")
	comment := imap.Annotation{Entry: "/shared/comment", Value: "x"}
	set("Lists", comment, imap.Annotation{Entry: "/private/vendor/x y", Value: ""})
	wants(p, `* METADATA Lists "/private/vendor/x y" /shared/comment`)
	set("Lists", imap.Annotation{Entry: "/private/vendor/x y", None: true})
	wants(p, `* METADATA Lists "/private/vendor/x y"`) // what is removed is told as well
	set("Other", comment)
	set("INBOX", comment)
	set("Lists/a", comment) // the one that is selected is one of the others here (RFC 5465 §3.1)
	wants(p, "* METADATA Lists/a /shared/comment")
	set("", imap.Annotation{Entry: "/private/comment", Value: "x"})
	wants(p, `* METADATA "" /private/comment`)
	// A rename does not end it.
	must(t, a.Editor.Rename(ctx, "Lists/a", "Lists/b"))
	set("Lists/b", comment)
	wants(p, "* METADATA Lists/b /shared/comment")
	// The client's own are not told.
	for _, cmd := range []string{`SETMETADATA Lists (/private/comment "mine")`, `SETMETADATA Lists (/private/comment "a" /private/comment NIL)`,
		`SETMETADATA "" (/private/comment NIL)`, "NOOP"} {
		if got := p.do("d", cmd); len(got) != 1 {
			t.Errorf("%s: %q", cmd, got)
		}
	}
	// Many names are several lines.
	for i := range 90 {
		set("Lists", imap.Annotation{Entry: fmt.Sprintf("/private/%03d/%s", i, strings.Repeat("x", 100)), Value: "x"})
	}
	names := 0
	for names < 90 {
		line := p.line()
		if !strings.HasPrefix(line, "* METADATA Lists /private/") || len(line) > 2200 {
			t.Fatalf("%d octets: %s", len(line), line)
		}
		names += strings.Count(line, "/private/")
	}
	// Two sessions of one user hear of each other.
	other := dial(t, p.RemoteAddr().String()).login()
	other.do("a", `SETMETADATA Lists (/private/comment "other")`)
	wants(p, "* METADATA Lists /private/comment")
	// Without an event of theirs nothing is told.
	p.do("e", "NOTIFY SET (PERSONAL (MailboxName MessageNew MessageExpunge FlagChange SubscriptionChange))")
	set("Lists", comment)
	set("", comment)
	if got := p.do("f", "NOOP"); len(got) != 1 {
		t.Error(got)
	}
}

// meddling is an Annotator where somebody else changes an annotation just after the user has.
type meddling struct {
	imap.Annotator
	more []imap.Annotation
}

func (m *meddling) SetAnnotations(ctx context.Context, mailbox string, set []imap.Annotation) error {
	return errors.Join(m.Annotator.SetAnnotations(ctx, mailbox, set), m.Annotator.SetAnnotations(ctx, mailbox, m.more))
}

// TestNotifyMetadataRace: what a session has set is told where it is something else by then.
func TestNotifyMetadataRace(t *testing.T) {
	s := server(t)
	m := &meddling{}
	s.Backend = wrapped{s.Backend, func(a *imap.Account) { m.Annotator, a.Annotator = a.Annotator, m }}
	p, _ := notifyPair(t, s)
	p.do("b", "NOTIFY SET (PERSONAL (MailboxMetadataChange))")
	m.more = []imap.Annotation{{Entry: "/private/b", Value: "theirs"}, {Entry: "/private/c", None: true}, {Entry: "/private/d", Value: "same"}}
	p.send(`c SETMETADATA INBOX (/private/a "mine" /private/b "mine" /private/c "mine" /private/d "same")` + "\r\n")
	wants(p, "* METADATA INBOX /private/b /private/c", "c OK ...")
}

// flooding is a Watcher of a feed that a test fills at will.
type flooding struct{ imap.Feed }

// TestNotifyOverflow: a backend that tells of more than can be kept, or fails, ends what is told, with NOTIFICATIONOVERFLOW and as
// after NOTIFY NONE (RFC 5465 §5.8), and leaves the session.
func TestNotifyOverflow(t *testing.T) {
	s := server(t)
	var log bytes.Buffer
	s.Logger = slog.New(slog.NewTextHandler(&log, nil))
	f, feed := &failing{}, &flooding{}
	s.Backend = wrapped{s.Backend, func(a *imap.Account) {
		f.Store, f.Appender = a.Store, a.Appender
		a.Store, a.Watcher = f, feed
	}}
	p, a := notifyPair(t, s)
	must2(a.Editor.Create(t.Context(), "Lists", imap.CreateOptions{}))
	id := func(name string) string {
		m := must2(a.Store.OpenMailbox(t.Context(), name))
		return must2(m.Status(t.Context())).ID
	}
	inbox, lists := id("INBOX"), id("Lists")
	p.do("b", "SELECT INBOX")
	const both = "NOTIFY SET (SELECTED (MessageNew MessageExpunge)) (MAILBOXES Lists (MessageNew MessageExpunge MailboxMetadataChange))"
	none := func() {
		t.Helper()
		deliver(t, a, "INBOX", "Subject: x\r\n\r\nx\r\n")
		feed.Publish(imap.Notice{MailboxID: inbox, ModSeq: 1000})
		feed.Publish(imap.Notice{MailboxID: lists, Entries: []string{"/private/x"}})
		if got := p.do("d", "NOOP"); len(got) != 1 {
			t.Errorf("told of after the end: %q", got)
		}
	}
	t.Run("flood", func(t *testing.T) {
		p.do("c", both)
		p.do("d", "NOOP")
		// It floods while a command goes on that tells of nothing; what a session keeps of it is bounded.
		p.send("e NOOP\r\nf APPEND Lists {1}\r\n")
		wants(p, "e OK ...", "+ ...")
		for i := range 100_000 {
			feed.Publish(imap.Notice{MailboxID: lists, ModSeq: imap.ModSeq(i), Entries: []string{fmt.Sprint("/private/", i)}})
		}
		p.send("x\r\n")
		wants(p, "* STATUS Lists (UIDNEXT 2 MESSAGES 1)", "* OK [NOTIFICATIONOVERFLOW] ...", "f OK ...")
		none()
	})
	t.Run("mailboxes that are not watched", func(t *testing.T) {
		p.do("c", both)
		for i := range 1000 { // too many names, of what nobody listens for
			feed.Publish(imap.Notice{MailboxID: inbox, ModSeq: imap.ModSeq(i), Entries: []string{fmt.Sprint("/private/", i)}})
			feed.Publish(imap.Notice{Entries: []string{fmt.Sprint("/private/", i)}})
		}
		if got := p.do("d", "NOOP"); len(got) != 1 {
			t.Errorf("%q", got)
		}
	})
	t.Run("failure", func(t *testing.T) {
		p.do("c", both)
		log.Reset()
		f.status = errors.New("disk on fire")
		feed.Publish(imap.Notice{MailboxID: lists, ModSeq: 2000})
		wants(p, "* OK [NOTIFICATIONOVERFLOW] ...")
		f.status = nil
		none()
		if !strings.Contains(log.String(), "disk on fire") {
			t.Errorf("the log has %q", log.String())
		}
	})
	if got := p.do("z", both); got[len(got)-1] != "z OK NOTIFY completed" {
		t.Errorf("it cannot begin again: %q", got)
	}
}

func TestNotifyRefused(t *testing.T) {
	s := server(t)
	s.Limits.NotifyMailboxes = 2
	p, a := notifyPair(t, s)
	const events = "(MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange)"
	for args, want := range map[string]string{
		"(PERSONAL (MessageNew MessageExpunge AnnotationChange))": "c NO [BADEVENT " + events + "] ...",
		"(SELECTED (messagenew messageexpunge annotationchange))": "c NO [BADEVENT " + events + "] ...",
		"(SELECTED (NoSuchEvent))":                                "c NO [BADEVENT " + events + "] ...",
		"(MAILBOXES x (x-y))":                                     "c NO [BADEVENT " + events + "] ...",
		"(PERSONAL (AnnotationChange))":                           "c BAD ...", // RFC 5465 §5
		"(SELECTED (MailboxMetadataChange))":                      "c BAD ...", // RFC 5465 §6.1
		"(SELECTED (ServerMetadataChange))":                       "c BAD ...",
	} {
		p.send("c NOTIFY SET " + args + "\r\n")
		if got := p.line(); !matches(want, got) {
			t.Errorf("%s: %s", args, got)
		}
	}
	p.do("d", "NOTIFY SET (PERSONAL (MailboxName))")
	must2(a.Editor.Create(t.Context(), "one", imap.CreateOptions{}))
	wants(p, `* LIST (\HasNoChildren) "/" one`)
	must2(a.Editor.Create(t.Context(), "two", imap.CreateOptions{}))
	wants(p, "* OK [NOTIFICATIONOVERFLOW] ...")
	must2(a.Editor.Create(t.Context(), "three", imap.CreateOptions{}))
	p.send("e NOTIFY SET (PERSONAL (MailboxName))\r\n")
	wants(p, "e NO [NOTIFICATIONOVERFLOW] ...")
}

// TestNotifyNoAnnotations: events of annotations are for accounts that have some.
func TestNotifyNoAnnotations(t *testing.T) {
	s := server(t)
	s.Backend = wrapped{s.Backend, func(a *imap.Account) { a.Annotator = nil }}
	p, _ := notifyPair(t, s)
	for _, event := range []string{"MailboxMetadataChange", "ServerMetadataChange"} {
		p.send("c NOTIFY SET (PERSONAL (" + event + "))\r\n")
		wants(p, "c NO [BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange)] ...")
	}
}
