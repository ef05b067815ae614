package mailstore

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapserver"
)

// A listener is a client of imapserver over a store, which compares every line that it gets.
type listener struct {
	*testing.T
	conn net.Conn
	r    *bufio.Reader
}

// listen logs a user in to a server over the store.
func listen(t *testing.T, s *Store, user string) *listener {
	server := &imapserver.Server{Backend: s, AllowPlaintextAuth: true,
		Authenticator: sasl.New(sasl.Plain(func(_ context.Context, user, _ string) (string, error) { return user, nil }))}
	ours, theirs := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- server.ServeConn(context.Background(), theirs) }()
	t.Cleanup(func() {
		ours.Close()
		<-done
	})
	l := &listener{t, ours, bufio.NewReader(ours)}
	l.want("* OK ...")
	l.do("LOGIN "+user+" x", "a OK ...")
	return l
}

// want compares the next lines; "..." at the end stands for the rest of one.
func (l *listener) want(lines ...string) {
	l.Helper()
	for _, want := range lines {
		_ = l.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		got, err := l.r.ReadString('\n')
		got = strings.TrimSuffix(got, "\r\n")
		start, open := strings.CutSuffix(want, "...")
		if err != nil || got != want && !(open && strings.HasPrefix(got, start)) {
			l.Fatalf("got  %s (%v)\nwant %s", got, err, want)
		}
	}
}

// do sends a command and compares what comes of it.
func (l *listener) do(command string, lines ...string) {
	l.Helper()
	_ = l.conn.SetWriteDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(l.conn, "a "+command+"\r\n"); err != nil {
		l.Fatal(err)
	}
	l.want(lines...)
}

// acting is what a user does elsewhere.
type acting struct {
	testing.TB
	a *imap.Account
}

func (c acting) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c acting) create(names ...string) {
	c.Helper()
	for _, name := range names {
		_, err := c.a.Editor.Create(c.Context(), name, imap.CreateOptions{})
		c.must(err)
	}
}

func (c acting) flag(name string, f imap.Flag) {
	c.Helper()
	_, err := c.a.Flagger.StoreFlags(c.Context(), name, imap.AllUIDs(), imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{f}}, imap.NoUnchangedSince)
	c.must(err)
}

func (c acting) expunge(name string) {
	c.Helper()
	_, err := c.a.Expunger.Expunge(c.Context(), name, imap.AllUIDs(), true)
	c.must(err)
}

func (c acting) annotate(name, entry string) {
	c.Helper()
	c.must(c.a.Annotator.SetAnnotations(c.Context(), name, []imap.Annotation{{Entry: entry, Value: "x"}}))
}

func (c acting) grant(name, user, rights string) {
	c.Helper()
	r, err := imap.ParseRights(rights)
	c.must(err)
	c.must(c.a.Authorizer.SetACL(c.Context(), name, user, imap.RightsChange{Rights: r}))
}

// add is delivery of a message.
func (c acting) add(name string) { c.Helper(); add(c, c.a, name, letter("x", "x", "x")) }

const messageEvents = "(MessageNew MessageExpunge FlagChange)"

// TestNotifyEvents has each event of NOTIFY (RFC 5465 §5) told of a mailbox that is not selected, and of nothing else.
func TestNotifyEvents(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		c := acting{t, user(t, s, "ann")}
		c.create("Work", "Other")
		l := listen(t, s, "ann")
		l.do("ENABLE CONDSTORE", "* ENABLED CONDSTORE", "a OK ...")
		l.do("NOTIFY SET STATUS (MAILBOXES Work (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange))",
			"* STATUS Work (MESSAGES 0 UIDNEXT 1 UIDVALIDITY ...", "a OK ...")
		unheard := func() {
			c.add("Other")
			c.flag("Other", imap.FlagSeen)
			c.annotate("Other", "/shared/comment")
			c.must(c.a.Editor.Subscribe(t.Context(), "Other", true))
			c.expunge("Other")
		}
		for _, x := range []struct {
			do   func()
			told []string
		}{
			{func() { c.add("Work") }, []string{"* STATUS Work (UIDNEXT 2 MESSAGES 1 UNSEEN 1 UIDVALIDITY ..."}},
			{func() { c.flag("Work", imap.FlagSeen) }, []string{"* STATUS Work (UNSEEN 0 UIDVALIDITY ..."}},
			{func() { c.flag("Work", "$x") }, []string{"* STATUS Work (UIDVALIDITY ..."}},
			{func() { c.expunge("Work") }, []string{"* STATUS Work (UIDNEXT 2 MESSAGES 0 UIDVALIDITY ..."}},
			{func() { c.annotate("Work", "/shared/comment") }, []string{"* METADATA Work /shared/comment"}},
			{func() { c.annotate("Work", "/private/comment") }, []string{"* METADATA Work /private/comment"}},
			{func() { c.annotate("", "/private/vendor/x") }, []string{`* METADATA "" /private/vendor/x`}},
			{func() { c.must(c.a.Editor.Subscribe(t.Context(), "Work", true)) }, []string{`* LIST (\HasNoChildren \Subscribed) "/" Work`, "* STATUS Work (UIDVALIDITY ..."}},
			{func() { c.must(c.a.Editor.Subscribe(t.Context(), "Work", false)) }, []string{`* LIST (\HasNoChildren) "/" Work`, "* STATUS Work (UIDVALIDITY ..."}},
			{func() { c.must(c.a.Editor.Delete(t.Context(), "Work")) }, []string{`* LIST (\NonExistent) "/" Work`}},
			{func() { c.create("Work") }, []string{`* LIST (\HasNoChildren) "/" Work`}},
		} {
			unheard()
			x.do()
			l.want(x.told...)
		}
		l.do("NOOP", "a OK ...")
	})
}

// TestNotifyFilters has each filter of mailboxes (RFC 5465 §6) tell of its own.
func TestNotifyFilters(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		ann, bob := acting{t, user(t, s, "ann")}, acting{t, user(t, s, "bob")}
		ann.create("Work", "Work/deep", "Workshop")
		ann.must(ann.a.Editor.Subscribe(t.Context(), "Workshop", true))
		ann.must(ann.a.Editor.Subscribe(t.Context(), "INBOX", false))
		bob.create("Shared")
		bob.grant("Shared", "ann", "lr")
		l := listen(t, s, "ann")
		boxes := map[string]acting{"INBOX": ann, "Work": ann, "Work/deep": ann, "Workshop": ann, `Other Users/bob/Shared`: bob}
		for filter, heard := range map[string][]string{
			"INBOXES":                       {"INBOX", "Work", "Work/deep", "Workshop"},
			"PERSONAL":                      {"INBOX", "Work", "Work/deep", "Workshop"},
			"SUBSCRIBED":                    {"Workshop"},
			"SUBTREE Work":                  {"Work", "Work/deep"},
			"SUBTREE (Workshop Work/deep)":  {"Work/deep", "Workshop"},
			`SUBTREE "Other Users"`:         {`Other Users/bob/Shared`},
			"MAILBOXES (Work nosuch INBOX)": {"INBOX", "Work"},
			`MAILBOXES "Work*"`:             nil,
		} {
			l.do("NOTIFY SET ("+filter+" "+messageEvents+")", "a OK ...")
			for _, name := range []string{"INBOX", "Other Users/bob/Shared", "Work", "Work/deep", "Workshop"} {
				c := boxes[name]
				c.add(strings.TrimPrefix(name, "Other Users/bob/"))
				for _, h := range heard {
					if h == name {
						l.want("* STATUS " + string(imap.AppendAString(nil, name)) + " (UIDNEXT ...")
					}
				}
			}
			l.do("NOOP", "a OK ...")
		}
	})
}

// TestNotifySelected: the selected mailbox is told of as SELECTED and SELECTED-DELAYED say, and by no other filter.
func TestNotifySelected(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		c := acting{t, user(t, s, "ann")}
		c.add("INBOX")
		l := listen(t, s, "ann")
		l.do("EXAMINE INBOX")
		for line := ""; !strings.HasPrefix(line, "a OK"); {
			line, _ = l.r.ReadString('\n')
		}
		l.do("NOTIFY SET (SELECTED (MessageNew (UID FLAGS) MessageExpunge FlagChange)) (PERSONAL (MessageNew MessageExpunge MailboxMetadataChange))", "a OK ...")
		c.add("INBOX")
		l.want("* 2 EXISTS", `* 2 FETCH (UID 2 FLAGS ())`)
		c.flag("INBOX", imap.FlagSeen)
		l.want(`* 1 FETCH (UID 1 FLAGS (\Seen))`, `* 2 FETCH (UID 2 FLAGS (\Seen))`)
		c.annotate("INBOX", "/shared/comment")
		l.want("* METADATA INBOX /shared/comment")
		c.expunge("INBOX")
		l.want("* 2 EXPUNGE", "* 1 EXPUNGE")
		c.add("INBOX")
		l.want("* 1 EXISTS", `* 1 FETCH (UID 3 FLAGS ())`)
		l.do("NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge))", "a OK ...")
		c.flag("INBOX", imap.FlagSeen) // not wanted
		c.expunge("INBOX")
		c.add("INBOX")
		l.want("* 2 EXISTS")
		l.do("FETCH 2 UID", "* 2 FETCH (UID 4)", "a OK ...")
		l.do("NOOP", "* 1 EXPUNGE", "a OK ...")
	})
}

// TestNotifyShared: another's mailbox is heard of for as long as there are rights to it, by those who have them alone.
func TestNotifyShared(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		ann, bob := acting{t, user(t, s, "ann")}, acting{t, user(t, s, "bob")}
		user(t, s, "eve")
		ann.create("Projects")
		l, spy := listen(t, s, "bob"), listen(t, s, "eve")
		const set = `NOTIFY SET (SUBTREE "Other Users" (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange)) (PERSONAL (MessageNew MessageExpunge))`
		l.do(set, "a OK ...")
		spy.do(set, "a OK ...")
		all := func() {
			ann.add("Projects")
			ann.flag("Projects", imap.FlagSeen)
			ann.expunge("Projects")
			ann.annotate("Projects", "/shared/comment")
			ann.annotate("Projects", "/private/comment")
		}
		all() // and nobody hears of it
		ann.grant("Projects", "bob", "lr")
		l.want(`* LIST (\NonExistent) "/" "Other Users/ann"`, `* LIST (\HasNoChildren) "/" "Other Users/ann/Projects"`)
		ann.add("Projects")
		l.want(`* STATUS "Other Users/ann/Projects" (UIDNEXT 3 MESSAGES 1 UNSEEN 1)`)
		ann.annotate("Projects", "/private/comment") // her own
		ann.annotate("Projects", "/shared/comment")
		l.want(`* METADATA "Other Users/ann/Projects" /shared/comment`)
		bob.annotate("Other Users/ann/Projects", "/private/comment")
		l.want(`* METADATA "Other Users/ann/Projects" /private/comment`)
		ann.must(ann.a.Editor.Rename(t.Context(), "Projects", "Plans"))
		l.want(`* LIST (\HasNoChildren) "/" "Other Users/ann/Plans" ("OLDNAME" ("Other Users/ann/Projects"))`)
		// What can be looked up and not read is heard of no more.
		ann.grant("Plans", "bob", "l")
		l.want(`* LIST (\NoAccess) "/" "Other Users/ann/Plans"`)
		ann.add("Plans")
		ann.annotate("Plans", "/shared/comment")
		bob.add("INBOX")
		l.want("* STATUS INBOX (UIDNEXT 2 MESSAGES 1)")
		ann.grant("Plans", "bob", "lr")
		l.want(`* LIST (\HasNoChildren) "/" "Other Users/ann/Plans"`, `* STATUS "Other Users/ann/Plans" (UIDNEXT 4 MESSAGES 2 ...`)
		ann.grant("Plans", "bob", "")
		l.want(`* LIST (\NonExistent) "/" "Other Users/ann"`, `* LIST (\NonExistent) "/" "Other Users/ann/Plans"`)
		ann.add("Plans")
		ann.annotate("Plans", "/shared/comment")
		ann.must(ann.a.Editor.Rename(t.Context(), "Plans", "Schemes"))
		ann.must(ann.a.Editor.Delete(t.Context(), "Schemes"))
		bob.add("INBOX")
		l.want("* STATUS INBOX (UIDNEXT 3 MESSAGES 2)")
		spy.do("NOOP", "a OK ...")
	})
}
