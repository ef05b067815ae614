package imapclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapserver"
	"github.com/mailbricks/mailbricks/imap/imaptest"
	"github.com/mailbricks/mailbricks/internal/suites"
)

// letters are messages for exchanges with others, with CRLF line ends.
func letters(t testing.TB) []string {
	t.Helper()
	out := []string{
		"Subject: dots\r\n\r\n.\r\n..\r\n",
		"Subject: 8-bit\r\n\r\nGr\xfc\xdfe\r\n",
		"Subject: large\r\n\r\n" + strings.Repeat(strings.Repeat("0123456789", 7)+"\r\n", 30_000),
		"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nFrom: \"Bob \\\"B\\\" B.\" <bob@example.com>\r\n\r\nx",
	}
	files, err := filepath.Glob(filepath.Join(suites.Dir(t, "mime/cpython-email"), "msg_*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatal("no messages")
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.NewReplacer("\r\n", "\r\n", "\r", "", "\n", "\r\n").Replace(string(b)))
	}
	return out
}

// TestDovecot does all that the Client can with a real server.
func TestDovecot(t *testing.T) {
	d := suites.Dovecot(t)
	exercise(t, func() *Client {
		c, err := Dial(t.Context(), d.IMAP, Options{TLSConfig: &tls.Config{RootCAs: d.Roots}})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Authenticate(t.Context(), sasl.Credentials{Username: d.User, Password: d.Password}); err != nil {
			t.Fatal(err)
		}
		return c
	})
}

// TestImapserver does the same with the server of the family, over its backend in memory.
func TestImapserver(t *testing.T) {
	addr := serveMemory(t)
	exercise(t, func() *Client {
		c, err := Dial(t.Context(), addr, Options{TLSConfig: clientTLS(t)})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Authenticate(t.Context(), sasl.Credentials{Username: "bob", Password: "secret"}); err != nil {
			t.Fatal(err)
		}
		return c
	})
}

// TestImapserverCompressed does the same with COMPRESS, after a connection that was handed back.
func TestImapserverCompressed(t *testing.T) {
	addr := serveMemory(t)
	exercise(t, func() *Client {
		c, err := Dial(t.Context(), addr, Options{TLSConfig: clientTLS(t)})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := c.Authenticate(t.Context(), sasl.Credentials{Username: "bob", Password: "secret"}); err != nil {
				t.Fatal(err)
			}
			if err := c.Unauthenticate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Authenticate(t.Context(), sasl.Credentials{Username: "bob", Password: "secret"}); err != nil {
			t.Fatal(err)
		}
		if err := c.Compress(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := c.Compress(t.Context()); !errors.Is(err, ErrUnsupported) {
			t.Fatal(err)
		}
		return c
	})
}

// serveMemory serves bob, whose password is "secret", on loopback.
func serveMemory(t testing.TB) string {
	t.Helper()
	backend, users := &imaptest.Memory{}, sasl.NewUsers()
	for _, name := range []string{"bob", "alice"} {
		backend.AddUser(name)
		if err := users.Set(name, "secret"); err != nil {
			t.Fatal(err)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &imapserver.Server{Backend: backend, Authenticator: sasl.New(sasl.Plain(users.Check)), TLS: serverTLS(t)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// exercise does all that the Client can with a server whose user has no mail.
func exercise(t *testing.T, dial func() *Client) {
	ctx := t.Context()
	c := dial()
	defer c.Close()
	all := letters(t)
	var msgs []imap.AppendMessage
	day := time.Date(2026, 11, 25, 1, 2, 3, 0, time.UTC)
	for _, l := range all {
		msgs = append(msgs, imap.AppendMessage{Size: int64(len(l)), Body: strings.NewReader(l), InternalDate: day, Flags: []imap.Flag{imap.FlagSeen, "$Label"}})
	}
	appended, err := c.Append(ctx, "INBOX", msgs...)
	if err != nil || len(appended.UIDs) != len(all) {
		t.Fatalf("%+v, %v", appended, err)
	}
	s, err := c.Select(ctx, "INBOX")
	if err != nil || s.ReadOnly || s.Messages != uint32(len(all)) || s.UIDValidity != appended.UIDValidity || s.HighestModSeq == 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	n := 0
	for m, err := range c.Fetch(ctx, imap.AllUIDs(), imap.FieldFlags|imap.FieldSize|imap.FieldInternalDate|imap.FieldModSeq|imap.FieldSaveDate|imap.FieldEnvelope|imap.FieldStructure,
		HeaderFields("Subject"), Body("")) {
		if err != nil {
			t.Error(err)
			continue
		}
		want := all[n]
		if m.UID != appended.UIDs[n] || m.Size != int64(len(want)) || !m.InternalDate.Equal(day) || !slices.Contains(m.Flags, "$Label") || m.ModSeq == 0 ||
			m.Envelope == nil || m.Structure == nil {
			t.Errorf("message %d: %+v", n, m.Message)
		}
		i := 0
		for p := range m.Bodies() {
			b, err := io.ReadAll(p)
			if err != nil || i == 1 && string(b) != want {
				t.Errorf("message %d, piece %d: %d octets, %v", n, i, len(b), err)
			}
			i++
		}
		if i != 2 {
			t.Errorf("message %d: %d pieces", n, i)
		}
		n++
	}
	if n != len(all) {
		t.Errorf("%d messages", n)
	}
	found, err := c.Search(ctx, &imap.SearchCriteria{Header: []imap.HeaderCriterion{{Name: "Subject", Value: "Grüße"}}, Flags: []imap.Flag{imap.FlagSeen, "$Label"}})
	if err != nil || found.String() != imap.UIDs(appended.UIDs[3]).String() {
		t.Errorf("found %s, %v", found, err)
	}
	t.Run("mailboxes", func(t *testing.T) { testMailboxes(t, c) })
	t.Run("changes", func(t *testing.T) { testChanges(t, c, appended.UIDs) })
	t.Run("contexts", func(t *testing.T) { testContexts(t, c, dial()) })
	t.Run("idle", func(t *testing.T) { testIdle(t, c, dial()) })
	t.Run("resync", func(t *testing.T) { testResync(t, dial) })
	if id, err := c.ID(ctx, map[string]string{"name": "mailbricks"}); err != nil || id["name"] == "" {
		t.Errorf("%v, %v", id, err)
	}
	if err := c.Logout(ctx); err != nil {
		t.Error(err)
	}
}

func testMailboxes(t *testing.T, c *Client) {
	ctx := t.Context()
	name := "Entwürfe & mehr/日本語"
	if err := errors.Join(c.Create(ctx, name, imap.CreateOptions{}), c.Subscribe(ctx, name, true), c.Rename(ctx, name, name+"2")); err != nil {
		t.Error(err)
	}
	if err := c.Create(ctx, name+"2", imap.CreateOptions{}); !errors.Is(err, &imap.Status{Code: imap.CodeAlreadyExists}) {
		t.Errorf("created twice: %v", err)
	}
	list, err := c.ListStatus(ctx, "*")
	if err != nil {
		t.Error(err)
	}
	var got []string
	for _, l := range list {
		if got = append(got, l.Name); (l.Status == nil) != (l.Has(`\Noselect`) || l.Has(`\NonExistent`)) || l.Delim != '/' {
			t.Errorf("%+v, %+v", l.Listing, l.Status)
		}
	}
	if slices.Sort(got); fmt.Sprint(got) != "[Entwürfe & mehr Entwürfe & mehr/日本語2 INBOX]" {
		t.Errorf("listed %q", got)
	}
	if err := c.Delete(ctx, name+"2"); err != nil {
		t.Error(err)
	}
	if _, err := c.Status(ctx, name+"2"); err == nil {
		t.Error("deleted, but it has a status")
	}
}

func testChanges(t *testing.T, c *Client, uids []imap.UID) {
	ctx := t.Context()
	if err := c.Create(ctx, "Archive", imap.CreateOptions{}); err != nil {
		t.Error(err)
	}
	before := c.Selected()
	stored, err := c.Store(ctx, imap.UIDs(uids[0], uids[1]), imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagFlagged}}, imap.NoUnchangedSince)
	if err != nil || stored.ModSeq <= before.HighestModSeq {
		t.Errorf("%+v, %v", stored, err)
	}
	stored, err = c.Store(ctx, imap.UIDs(uids[0], uids[2]), imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagAnswered}}, before.HighestModSeq)
	if err != nil || stored.Modified.String() != imap.UIDs(uids[0]).String() {
		t.Errorf("%+v, %v", stored, err)
	}
	var changed []imap.UID
	for m, err := range c.FetchSince(ctx, imap.AllUIDs(), before.HighestModSeq, imap.FieldFlags) {
		if err != nil {
			t.Fatal(err)
		}
		changed = append(changed, m.UID)
	}
	if !slices.Equal(changed, uids[:3]) {
		t.Errorf("changed: %v", changed)
	}
	copied, err := c.Copy(ctx, imap.UIDs(uids[0], uids[1]), "Archive")
	if err != nil || !slices.Equal(copied.From, uids[:2]) || len(copied.To) != 2 {
		t.Errorf("%+v, %v", copied, err)
	}
	if _, err := c.Copy(ctx, imap.UIDs(uids[0]), "Nowhere"); !errors.Is(err, &imap.Status{Code: imap.CodeTryCreate}) {
		t.Error(err)
	}
	moved, err := c.Move(ctx, imap.UIDs(uids[2]), "Archive")
	if err != nil || len(moved.To) != 1 {
		t.Errorf("%+v, %v", moved, err)
	}
	if _, err := c.Store(ctx, imap.UIDs(uids[0], uids[1]), imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, imap.NoUnchangedSince); err != nil {
		t.Error(err)
	}
	if err := c.Expunge(ctx, imap.UIDs(uids[0])); err != nil {
		t.Error(err)
	}
	if got := c.Selected().Messages; got != before.Messages-2 {
		t.Errorf("%d messages, want %d", got, before.Messages-2)
	}
	if err := c.Expunge(ctx, imap.AllUIDs()); err != nil {
		t.Error(err)
	}
	if s, err := c.Status(ctx, "Archive"); err != nil || s.Messages != 3 {
		t.Errorf("%+v, %v", s, err)
	}
	if got := c.Selected().Messages; got != before.Messages-3 {
		t.Errorf("%d messages, want %d", got, before.Messages-3)
	}
}

// testContexts compares searches that the server keeps up to date with new ones, while another connection changes the mailbox.
func testContexts(t *testing.T, c, other *Client) {
	ctx := t.Context()
	defer other.Close()
	criteria := &imap.SearchCriteria{Flags: []imap.Flag{imap.FlagFlagged}}
	keys := []imap.SortKey{{Key: imap.SortSize, Reverse: true}}
	kept, err := c.SearchContext(ctx, criteria)
	if errors.Is(err, ErrUnsupported) {
		t.Skip("the server has no CONTEXT=SEARCH")
	}
	if err != nil || kept.Err() != nil {
		t.Fatal(err, kept)
	}
	sorted, err := c.SortContext(ctx, keys, criteria)
	if err != nil && !errors.Is(err, ErrUnsupported) {
		t.Fatal(err)
	}
	if _, err := other.Select(ctx, "INBOX"); err != nil {
		t.Fatal(err)
	}
	uids, err := c.Search(ctx, &imap.SearchCriteria{})
	if err != nil || uids.Len() < 6 {
		t.Fatal(uids, err)
	}
	compare := func(what string, n int) {
		t.Helper()
		noop := c.Noop(ctx)
		found, err := c.Search(ctx, criteria)
		if err != nil || noop != nil || found.Len() != int64(n) || kept.Err() != nil || kept.UIDs().String() != found.String() {
			t.Errorf("%s: found %v, %v, kept %v, %v", what, found, err, kept.UIDs(), kept.Err())
		}
		if sorted == nil || sorted.Err() != nil {
			return
		}
		if order, err := c.Sort(ctx, keys, criteria); err != nil || !slices.Equal(order, sorted.Order()) {
			t.Errorf("%s: sorted %v, %v, kept %v", what, order, err, sorted.Order())
		}
	}
	compare("before", 0)
	flag := imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagFlagged}}
	if _, err := other.Store(ctx, uids.Slice(1, 5), flag, imap.NoUnchangedSince); err != nil {
		t.Fatal(err)
	}
	compare("flagged", 4)
	flag.Op = imap.FlagsRemove
	if _, err := other.Store(ctx, uids.Slice(2, 3), flag, imap.NoUnchangedSince); err != nil {
		t.Fatal(err)
	}
	compare("not flagged", 3)
	if _, err := other.Append(ctx, "INBOX", imap.AppendMessage{Size: 4, Body: strings.NewReader("\r\nx\n"), Flags: criteria.Flags}); err != nil {
		t.Fatal(err)
	}
	compare("a new one", 4)
	flag = imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}
	if _, err := other.Store(ctx, uids.Slice(1, 2), flag, imap.NoUnchangedSince); err != nil {
		t.Fatal(err)
	}
	if err := other.Expunge(ctx, uids.Slice(1, 2)); err != nil {
		t.Fatal(err)
	}
	compare("expunged", 3)
	if err := kept.Cancel(ctx); err != nil {
		t.Error(err)
	}
}

// testIdle waits for what another connection does.
func testIdle(t *testing.T, c, other *Client) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	defer other.Close()
	before := c.Selected().Messages
	done := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		<-started
		_, err := other.Append(ctx, "INBOX", imap.AppendMessage{Size: 4, Body: strings.NewReader("\r\nx\n")})
		done <- err
	}()
	close(started)
	for e, err := range c.Idle(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == EventExists && e.Number == before+1 {
			break
		}
	}
	if err := <-done; err != nil || ctx.Err() != nil {
		t.Error(err, ctx.Err())
	}
	short, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	defer stop()
	for _, err := range c.Idle(short) {
		if err != nil {
			t.Error(err)
		}
	}
	if err := c.Noop(ctx); err != nil {
		t.Errorf("after Idle: %v", err)
	}
}

// testResync leaves a mailbox and comes back after changes, with each of the ways that servers offer.
func testResync(t *testing.T, dial func() *Client) {
	ctx := t.Context()
	for _, without := range []string{"", "QRESYNC", "QRESYNC CONDSTORE"} {
		c := dial()
		for name := range strings.FieldsSeq(without) {
			delete(c.caps, name)
		}
		s, err := c.Select(ctx, "INBOX")
		if err != nil {
			t.Fatal(err)
		}
		uids, err := c.Search(ctx, &imap.SearchCriteria{})
		if err != nil || uids.Len() < 5 {
			t.Fatal(uids, err)
		}
		known := Known{s.UIDValidity, s.HighestModSeq, uids}
		_ = c.Close()

		all := slices.Collect(uids.All())
		other := dial()
		if _, err := other.Select(ctx, "INBOX"); err != nil {
			t.Fatal(err)
		}
		deleted := imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}
		if _, err := other.Store(ctx, imap.UIDs(all[1]), deleted, imap.NoUnchangedSince); err != nil {
			t.Error(err)
		}
		if err := other.Expunge(ctx, imap.UIDs(all[1])); err != nil {
			t.Error(err)
		}
		if _, err := other.Store(ctx, imap.UIDs(all[3]), imap.FlagChange{Op: imap.FlagsSet, Flags: []imap.Flag{"$Changed"}}, imap.NoUnchangedSince); err != nil {
			t.Error(err)
		}
		added, err := other.Append(ctx, "INBOX", imap.AppendMessage{Size: 3, Body: strings.NewReader("\r\nx")})
		if err != nil {
			t.Fatal(err)
		}
		_ = other.Logout(ctx)

		c = dial()
		for name := range strings.FieldsSeq(without) {
			delete(c.caps, name)
		}
		var gone, changed imap.UIDSet
		s, err = c.Resync(ctx, "INBOX", known, func(e Event) {
			if e.Kind == EventVanished {
				gone = gone.Union(e.UIDs)
				return
			}
			changed = changed.Union(imap.UIDs(e.Message.UID))
			if e.Message.UID == all[3] && !slices.Equal(e.Message.Flags, []imap.Flag{"$Changed"}) {
				t.Errorf("flags %v", e.Message.Flags)
			}
		})
		want := imap.UIDs(all[3], added.UIDs[0])
		if strings.Contains(without, "CONDSTORE") || known.ModSeq == 0 {
			want = uids.Minus(imap.UIDs(all[1])).Union(want)
		}
		if err != nil || s.UIDValidity != known.UIDValidity || gone.Intersect(uids).String() != imap.UIDs(all[1]).String() || changed.String() != want.String() {
			t.Errorf("without %q: gone %s, changed %s, want %s and %s, %+v, %v", without, gone, changed, imap.UIDs(all[1]), want, s, err)
			continue
		}
		if int64(s.Messages) != uids.Len() {
			t.Errorf("%d messages, want %d", s.Messages, uids.Len())
		}
		void := Known{known.UIDValidity + 1, known.ModSeq, uids}
		if s, err := c.Resync(ctx, "INBOX", void, func(e Event) { t.Errorf("told of a mailbox that is another one: %+v", e) }); err != nil || s.UIDValidity == void.UIDValidity {
			t.Errorf("%+v, %v", s, err)
		}
		_ = c.Logout(ctx)
	}
}
