package clitest

import (
	"context"
	"io"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapclient"
)

// A Mailbox is a mailbox of a user, open over IMAP.
type Mailbox struct {
	t    testing.TB
	name string
	c    *imapclient.Client
}

// OpenMailbox logs in to a store without TLS and opens a mailbox, which is made if it is absent.
func OpenMailbox(t testing.TB, addr, user, password, name string) *Mailbox {
	t.Helper()
	c, err := imapclient.Dial(t.Context(), addr, imapclient.Options{TLS: imapclient.TLSNone, AllowPlaintextAuth: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Login(t.Context(), user, password); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Select(t.Context(), name); err != nil {
		if err := c.Create(t.Context(), name, imap.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Select(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	return &Mailbox{t, name, c}
}

// Wait returns the messages when there are n or more, which it waits for.
func (m *Mailbox) Wait(n int) (out []string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	if err := m.c.Noop(ctx); err != nil {
		m.t.Fatal(err)
	}
	for int(m.c.Selected().Messages) < n {
		for _, err := range m.c.Idle(ctx) {
			if err != nil || ctx.Err() != nil {
				m.t.Fatalf("%s has %d messages, not %d: %v", m.name, m.c.Selected().Messages, n, err)
			}
			break
		}
		if ctx.Err() != nil {
			m.t.Fatalf("%s has %d messages, not %d", m.name, m.c.Selected().Messages, n)
		}
	}
	for msg, err := range m.c.Fetch(ctx, imap.AllUIDs(), 0, imapclient.Body("")) {
		if err != nil {
			m.t.Fatal(err)
		}
		b, err := io.ReadAll(msg.Body())
		if err != nil {
			m.t.Fatal(err)
		}
		out = append(out, string(b))
	}
	return out
}
