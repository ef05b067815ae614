package mailstore

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/examples/mailstore/objects"
	"github.com/mailbricks/mailbricks/imap"
)

// both runs a test on a store in a directory and on one in memory.
func both(t *testing.T, f func(t *testing.T, s *Store)) {
	t.Helper()
	t.Run("directory", func(t *testing.T) { f(t, openDir(t, t.TempDir(), Options{})) })
	t.Run("memory", func(t *testing.T) {
		s, err := OpenMemory(Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		f(t, s)
	})
}

func openDir(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// user makes an account and opens it.
func user(t testing.TB, s *Store, name string) *imap.Account {
	t.Helper()
	if err := s.EnsureAccount(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	a, err := s.OpenAccount(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func box(t testing.TB, a *imap.Account, name string) imap.Mailbox {
	t.Helper()
	m, err := a.Store.OpenMailbox(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func letter(id, subject, body string, fields ...string) string {
	return fmt.Sprintf("Message-ID: <%s@example.com>\r\nFrom: Alice <alice@example.com>\r\nTo: bob@example.org\r\nSubject: %s\r\n%s\r\n%s",
		id, subject, strings.Join(append(fields, ""), "\r\n"), body)
}

func add(t testing.TB, a *imap.Account, name string, bodies ...string) imap.Appended {
	t.Helper()
	var msgs []imap.AppendMessage
	for _, b := range bodies {
		msgs = append(msgs, imap.AppendMessage{Size: int64(len(b)), Body: strings.NewReader(b)})
	}
	out, err := a.Appender.Append(t.Context(), name, msgs)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func read(t testing.TB, m imap.Mailbox, uid imap.UID) string {
	t.Helper()
	b, err := m.Body(t.Context(), uid)
	if err != nil {
		t.Fatalf("UID %d: %v", uid, err)
	}
	defer b.Close()
	got, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func list(t testing.TB, m imap.Mailbox, uids imap.UIDSet, want imap.Fields) []*imap.Message {
	t.Helper()
	var out []*imap.Message
	for x, err := range m.Messages(t.Context(), uids, want) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, x)
	}
	return out
}

func uidsOf(msgs []*imap.Message) []imap.UID {
	var out []imap.UID
	for _, m := range msgs {
		out = append(out, m.UID)
	}
	return out
}

func changes(t testing.TB, m imap.Mailbox, since imap.ModSeq) string {
	t.Helper()
	var out []string
	for c, err := range m.Changes(t.Context(), since) {
		if err != nil {
			t.Fatal(err)
		}
		s := fmt.Sprint(c.UID)
		if c.Added {
			s = "+" + s
		}
		if c.Expunged {
			s = "-" + s
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func status(t testing.TB, m imap.Mailbox) imap.MailboxStatus {
	t.Helper()
	s, err := m.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func files(t testing.TB, s *Store) int {
	t.Helper()
	n := 0
	if err := s.objects.Each(func(objects.Hash, int64) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

func count(t testing.TB, s *Store, table string) int {
	t.Helper()
	var n int
	err := s.db.read(t.Context(), func(c *conn) error { return c.row([]any{&n}, `SELECT count(*) FROM `+table) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}
