package mailstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapserver"
	"github.com/mailbricks/mailbricks/imap/imaptest"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/smtp"
)

const reading = imap.RightLookup | imap.RightRead

// grant gives an identifier these rights and no others.
func grant(t testing.TB, a *imap.Account, mailbox, identifier string, r imap.Rights) {
	t.Helper()
	if err := a.Authorizer.SetACL(t.Context(), mailbox, identifier, imap.RightsChange{Rights: r}); err != nil {
		t.Fatal(err)
	}
}

// others are the names of others' mailboxes as listed.
func others(t testing.TB, a *imap.Account) string {
	t.Helper()
	var out []string
	for m, err := range a.Store.Mailboxes(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if a.IsOther(m.Name) {
			out = append(out, fmt.Sprintf("%s %s %v", m.Name, m.Rights, m.Subscribed))
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// What is shared stays shared when the store is opened anew, and changes are told.
func TestShareDurable(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir, Options{})
	ann, bob := user(t, s, "ann@example.com"), user(t, s, "bob@example.com")
	if _, err := ann.Editor.Create(t.Context(), "Projects", imap.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	grant(t, ann, "Projects", "BOB@example.com", reading) // names have no case
	grant(t, ann, "INBOX", "anyone", imap.RightLookup)
	if err := bob.Editor.Subscribe(t.Context(), "Other Users/ann@example.com/Projects", true); err != nil {
		t.Fatal(err)
	}
	const want = "Other Users/ann@example.com/INBOX l false, Other Users/ann@example.com/Projects lr true"
	if got := others(t, bob); got != want {
		t.Errorf("shared: %s", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openDir(t, dir, Options{})
	ann, bob = user(t, s, "ann@example.com"), user(t, s, "bob@example.com")
	if got := others(t, bob); got != want {
		t.Errorf("after opening anew: %s", got)
	}
	w := bob.Watcher.Watch(t.Context())
	add(t, ann, "Projects", letter("1", "x", "x\r\n"))
	if n := w.Take(); len(n) != 1 || !n[0].Other || n[0].MailboxID != status(t, box(t, bob, "Other Users/ann@example.com/Projects")).ID {
		t.Errorf("notices %+v", n)
	}
	add(t, ann, "Drafts", letter("2", "x", "x\r\n"))
	if n := w.Take(); len(n) > 0 {
		t.Errorf("notices of what is not shared: %+v", n)
	}
	if err := ann.Editor.Delete(t.Context(), "Projects"); err != nil {
		t.Fatal(err)
	}
	if n := w.Take(); len(n) != 1 || n[0].Other {
		t.Errorf("notices of the end %+v", n)
	}
	if a, b := count(t, s, "acl"), count(t, s, "subscription"); a != 1 || b != 0 {
		t.Errorf("%d entries and %d subscriptions are left", a, b)
	}
}

// A Mailbox that is open shows at once what becomes of it, although it is read from memory.
func TestShareNow(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		ann, bob := user(t, s, "ann"), user(t, s, "bob")
		if _, err := ann.Editor.Create(t.Context(), "a", imap.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		grant(t, ann, "a", "bob", reading)
		mine, theirs := box(t, ann, "a"), box(t, bob, "Other Users/ann/a")
		is := func(want string) {
			t.Helper()
			for range 2 { // from the table, and from memory
				x, y := status(t, mine), status(t, theirs)
				if got := fmt.Sprintln(x.Name, x.Messages, x.Unseen, x.Subscribed, y.Name, y.Messages, y.Unseen, y.Subscribed, y.Rights); got != want+"\n" {
					t.Errorf("got %s, want %s", got, want)
				}
			}
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		is("a 0 0 false Other Users/ann/a 0 0 false lr")
		add(t, ann, "a", letter("1", "x", "x\r\n"))
		is("a 1 1 false Other Users/ann/a 1 1 false lr")
		must(bob.Editor.Subscribe(t.Context(), "Other Users/ann/a", true))
		is("a 1 1 false Other Users/ann/a 1 1 true lr")
		must(ann.Editor.Subscribe(t.Context(), "a", true))
		is("a 1 1 true Other Users/ann/a 1 1 true lr")
		must(ann.Editor.Rename(t.Context(), "a", "b"))
		is("b 1 1 true Other Users/ann/b 1 1 true lr")
		grant(t, ann, "b", "anyone", imap.RightSeen)
		is("b 1 1 true Other Users/ann/b 1 1 true lrs")
		_, err := bob.Flagger.StoreFlags(t.Context(), "Other Users/ann/b", imap.AllUIDs(), imap.FlagChange{Flags: []imap.Flag{imap.FlagSeen}}, imap.NoUnchangedSince)
		must(err)
		is("b 1 0 true Other Users/ann/b 1 0 true lrs")
		must(bob.Editor.Subscribe(t.Context(), "Other Users/ann/b", false))
		is("b 1 0 true Other Users/ann/b 1 0 false lrs")
		must(bob.Editor.Subscribe(t.Context(), "Other Users/ann/b", true))
		grant(t, ann, "b", "bob", 0)
		grant(t, ann, "b", "anyone", 0)
		if _, err := theirs.Status(t.Context()); !errors.Is(err, imap.ErrNonexistent) {
			t.Errorf("status of what was taken away: %v", err)
		}
		must(ann.Editor.Delete(t.Context(), "b"))
		if _, err := mine.Status(t.Context()); !errors.Is(err, imap.ErrNonexistent) {
			t.Errorf("status of what was deleted: %v", err)
		}
		if n := count(t, s, "subscription"); n != 0 {
			t.Errorf("%d subscriptions are left", n)
		}
	})
}

// A message goes to another account with its bytes alone: identity and thread are of the account that has it.
func TestShareAdopts(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		ann, bob := user(t, s, "ann"), user(t, s, "bob")
		grant(t, ann, "INBOX", "bob", reading|imap.RightDeleteMessages|imap.RightExpunge)
		long := strings.Repeat("long ", 40_000)
		texts := []string{letter("1", "plan", "one\r\n"), letter("2", "Re: plan", long, "References: <1@example.com>")}
		add(t, ann, "INBOX", texts...)
		own := add(t, bob, "INBOX", letter("0", "plan", "mine\r\n", "References: <1@example.com>"))
		const from = "Other Users/ann/INBOX"
		for range 2 { // the second makes no further email
			if _, err := bob.Copier.Copy(t.Context(), from, imap.AllUIDs(), "INBOX", 0); err != nil {
				t.Fatal(err)
			}
		}
		msgs := list(t, box(t, bob, "INBOX"), imap.AllUIDs(), imap.FieldIDs|imap.FieldEnvelope)
		if len(msgs) != 5 || msgs[1].EmailID != msgs[3].EmailID || msgs[1].EmailID == msgs[2].EmailID || msgs[1].ThreadID != msgs[0].ThreadID || msgs[2].ThreadID != msgs[0].ThreadID ||
			msgs[0].EmailID != own.EmailIDs[0] || msgs[2].Envelope.Subject != "Re: plan" {
			t.Errorf("messages %+v", msgs)
		}
		theirs := list(t, box(t, ann, "INBOX"), imap.AllUIDs(), imap.FieldIDs)
		if theirs[0].EmailID == msgs[1].EmailID || theirs[0].ThreadID == msgs[1].ThreadID {
			t.Errorf("identities are shared: %+v", theirs)
		}
		if n := count(t, s, "blob"); n != 3 {
			t.Errorf("%d blobs", n)
		}
		if _, err := bob.Mover.Move(t.Context(), from, imap.AllUIDs(), "Archive", 0); err != nil {
			t.Fatal(err)
		}
		if st := status(t, box(t, ann, "INBOX")); st.Messages != 0 || st.HighestModSeq == 0 {
			t.Errorf("left %+v", st)
		}
		if got := read(t, box(t, bob, "Archive"), 2); got != texts[1] {
			t.Errorf("%d octets of %d", len(got), len(texts[1]))
		}
		if n := count(t, s, "email"); n != 3 {
			t.Errorf("%d emails", n)
		}
		j := jmapUser(t, s, "bob")
		if got := getMailboxes(t, j)["Archive"]; got.TotalEmails != 2 || got.TotalThreads != 1 {
			t.Errorf("over JMAP %+v", got)
		}
	})
}

// The first level of others' mailboxes is nobody's own, over IMAP and JMAP.
func TestShareNames(t *testing.T) {
	s := openAt(t, "")
	ann := user(t, s, "ann")
	for _, name := range []string{"Other Users", "Other Users/x", "Other Users/ann/x"} {
		if _, err := ann.Editor.Create(t.Context(), name, imap.CreateOptions{}); err == nil {
			t.Errorf("%q was made", name)
		}
	}
	j := jmapUser(t, s, "ann")
	out, err := j.Mailboxes.Setter.Set(t.Context(), &jmap.SetRequest[mail.Mailbox, mail.MailboxUpdate, mail.MailboxSetArgs]{
		Create: map[jmap.ID]mail.Mailbox{"a": {Name: "Other Users"}}})
	if err != nil || out.NotCreated["a"] == nil {
		t.Errorf("made over JMAP: %+v, %v", out, err)
	}
	slash := user(t, s, "a/b@example.com")
	grant(t, slash, "INBOX", "anyone", imap.AllRights)
	if got := others(t, ann); got != "" {
		t.Errorf("listed %s", got)
	}
	if list, err := s.Accounts(t.Context(), "ann"); err != nil || len(list) != 1 {
		t.Errorf("%d accounts, %v", len(list), err)
	}
	other, err := OpenMemory(Options{OtherUsers: "Andere"})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	a, b := user(t, other, "ann"), user(t, other, "bob")
	grant(t, a, "INBOX", "bob", reading)
	if got := others(t, b); got != "Andere/ann/INBOX lr false" {
		t.Errorf("listed %s", got)
	}
	// One name leads to a mailbox, and no other.
	for _, name := range []string{"Andere/ANN/INBOX", "andere/ann/INBOX", "Andere//ann/INBOX", "Andere/bob/INBOX", "Andere/ann", "Andere/ann/", "Andere/", "Andere"} {
		if _, err := b.Store.OpenMailbox(t.Context(), name); !errors.Is(err, imap.ErrNonexistent) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// A wire is a client of IMAP that compares lines.
type wire struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func (w *wire) send(line string) {
	w.t.Helper()
	if _, err := w.Write([]byte(line + "\r\n")); err != nil {
		w.t.Fatal(err)
	}
}

// until returns the lines up to one that begins so.
func (w *wire) until(prefix string) string {
	w.t.Helper()
	var out strings.Builder
	for {
		line, err := w.r.ReadString('\n')
		out.WriteString(line)
		if err != nil {
			w.t.Fatalf("waiting for %q: %v, after %s", prefix, err, out.String())
		}
		if strings.HasPrefix(line, prefix) {
			return out.String()
		}
	}
}

// TestShareStress has two users change one mailbox at once.
func TestShareStress(t *testing.T) {
	t.Parallel()
	s := openDir(t, t.TempDir(), Options{})
	ann, _ := user(t, s, "ann"), user(t, s, "bob")
	grant(t, ann, "INBOX", "bob", imap.AllRights)
	addr := serveShared(t, s)
	imaptest.Stress(t, func() (net.Conn, error) { return net.Dial("tcp", addr) }, imaptest.StressOptions{User: "ann", Password: "x", Clients: 6,
		Steps: 100, Timeout: time.Minute, Guests: []imaptest.StressGuest{{User: "bob", Password: "x", Mailbox: "Other Users/ann/INBOX"}}})
}

// serveShared serves IMAP until the test ends, to who says who he is.
func serveShared(t *testing.T, s *Store) (addr string) {
	server := &imapserver.Server{Backend: s, AllowPlaintextAuth: true,
		Authenticator: sasl.New(sasl.Plain(func(_ context.Context, user, _ string) (string, error) { return user, nil }))}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// A change that one user makes shows while the other waits in IDLE, whatever made it.
func TestShareIdle(t *testing.T) {
	s := openDir(t, t.TempDir(), Options{})
	ann, bob := user(t, s, "ann@example.com"), user(t, s, "bob@example.com")
	grant(t, ann, "INBOX", "bob@example.com", reading|imap.FlagRights|imap.RightInsert)
	addr := serveShared(t, s)
	connect := func(user, mailbox string) *wire {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		t.Cleanup(func() { c.Close() })
		w := &wire{t, c, bufio.NewReader(c)}
		w.send("a LOGIN " + user + " x")
		w.until("a OK")
		w.send("b SELECT \"" + mailbox + "\"")
		w.until("b OK")
		w.send("c IDLE")
		w.until("+ ")
		return w
	}
	const shared = "Other Users/ann@example.com/INBOX"
	owner, guest := connect("ann@example.com", "INBOX"), connect("bob@example.com", shared)
	add(t, bob, shared, letter("1", "from bob", "x\r\n"))
	owner.until("* 1 EXISTS")
	guest.until("* 1 EXISTS")
	if _, err := deliver(t, s, smtp.Path{}, strings.NewReader(letter("2", "delivered", "x\r\n")), smtp.Path{Local: "ann", Domain: "example.com"}); err != nil {
		t.Fatal(err)
	}
	owner.until("* 2 EXISTS")
	guest.until("* 2 EXISTS")
	set := func(a *imap.Account, mailbox string, f imap.Flag) {
		t.Helper()
		if _, err := a.Flagger.StoreFlags(t.Context(), mailbox, imap.UIDs(1), imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{f}}, imap.NoUnchangedSince); err != nil {
			t.Fatal(err)
		}
	}
	set(ann, "INBOX", imap.FlagFlagged)
	guest.until("* 1 FETCH (UID 1 FLAGS (\\Flagged))")
	set(bob, shared, "$Done")
	owner.until("* 1 FETCH (UID 1 FLAGS (\\Flagged $Done))")
	guest.until("* 1 FETCH (UID 1 FLAGS (\\Flagged $Done))")
	if _, err := ann.Expunger.Expunge(t.Context(), "INBOX", imap.UIDs(1), true); err != nil {
		t.Fatal(err)
	}
	guest.until("* 1 EXPUNGE")
	grant(t, ann, "INBOX", "bob@example.com", reading)
	guest.until("* OK [PERMANENTFLAGS ()]")
	grant(t, ann, "INBOX", "bob@example.com", 0)
	guest.until("* BYE")
	owner.send("DONE")
	owner.until("c OK")
}
