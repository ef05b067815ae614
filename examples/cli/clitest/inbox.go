package clitest

import (
	"io"
	"testing"

	"github.com/mailbricks/mailbricks/examples/mailstore"
	"github.com/mailbricks/mailbricks/imap"
)

// Inbox reads the messages of a user from the folder of a store that has ended.
func Inbox(t testing.TB, data, user string) (out []string) {
	t.Helper()
	s, err := mailstore.Open(data, mailstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a, err := s.OpenAccount(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	m, err := a.Store.OpenMailbox(t.Context(), "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	for msg, err := range m.Messages(t.Context(), imap.AllUIDs(), imap.FieldSize) {
		if err != nil {
			t.Fatal(err)
		}
		body, err := m.Body(t.Context(), msg.UID)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
		if err != nil {
			t.Fatal(err)
		}
		body.Close()
		out = append(out, string(b))
	}
	return out
}
