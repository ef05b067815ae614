package serve_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// TestSync keeps copies of emails and mailboxes over each way of being pushed, while mail arrives over LMTP's Handler
// and another client changes and destroys some.
func TestSync(t *testing.T) {
	for name, push := range map[string]jmapclient.Push{"event source": jmapclient.PushEventSource, "web socket": jmapclient.PushWebSocket} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			addr, _ := start(t, r.JMAP)
			c := r.client(addr, jmapclient.Bearer("t0ken"))
			c.Push = push
			account, err := c.Account(t.Context(), jmap.CapabilityMail)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			states := make(chan jmap.State, 1000)
			emails := &jmapclient.Memory[mail.Email]{ID: func(e *mail.Email) jmap.ID { return e.ID }}
			emails.Changed = func(d *jmapclient.Delta[mail.Email]) { states <- d.State }
			done := make(chan error, 1)
			go func() {
				done <- (&jmapclient.Sync[mail.Email]{Client: c, Account: account, Capability: jmap.CapabilityMail, Type: "Email",
					Properties: []string{"subject", "keywords", "mailboxIds"}, ID: emails.ID, Copy: emails}).Run(ctx)
			}()
			other := r.client(addr, jmapclient.Bearer("t0ken"))
			history(t, r, other, account)
			everything := get{AccountID: account, Properties: []string{"subject", "keywords", "mailboxIds"}}
			for id, err := range jmapclient.Query(t.Context(), other, jmap.CapabilityMail, "Email", query{AccountID: account}) {
				if err != nil {
					t.Fatal(err)
				}
				everything.IDs = append(everything.IDs, id)
			}
			want, err := jmapclient.Get[mail.Email](t.Context(), other, jmap.CapabilityMail, "Email", everything)
			if err != nil {
				t.Fatal(err)
			}
			for state, _ := emails.State(ctx); state != want.State; {
				select {
				case state = <-states:
				case err := <-done:
					t.Fatal(err)
				}
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if ids, _ := emails.IDs(t.Context()); len(ids) != len(want.List) || len(ids) < 5 {
				t.Errorf("%d emails in the copy, %d at the server", len(ids), len(want.List))
			}
			for _, e := range want.List {
				got, ok := emails.Get(e.ID)
				if !ok || *got.Subject != *e.Subject || fmt.Sprint(got.Keywords, got.MailboxIDs) != fmt.Sprint(e.Keywords, e.MailboxIDs) {
					t.Errorf("%s is %+v, at the server %+v", e.ID, got, e)
				}
			}
			boxes := &jmapclient.Memory[mail.Mailbox]{ID: func(m *mail.Mailbox) jmap.ID { return m.ID }}
			s := jmapclient.Sync[mail.Mailbox]{Client: c, Account: account, Capability: jmap.CapabilityMail, Type: "Mailbox", ID: boxes.ID, Copy: boxes}
			r.deliver(t, "alice@example.com", "last")
			if err := errors.Join(s.Once(t.Context()), s.Once(t.Context())); err != nil {
				t.Error(err)
			}
			if ids, _ := boxes.IDs(t.Context()); len(ids) < 6 {
				t.Errorf("%d mailboxes", len(ids))
			}
		})
	}
}

// history delivers, flags and destroys.
func history(t *testing.T, r *rig, c *jmapclient.Client, account jmap.ID) {
	t.Helper()
	random := rand.New(rand.NewPCG(7, 7))
	for i := range 40 {
		r.deliver(t, "alice@example.com", fmt.Sprint("m", i))
		if i%2 == 0 {
			continue
		}
		var ids []jmap.ID
		for id, err := range jmapclient.Query(t.Context(), c, jmap.CapabilityMail, "Email", query{AccountID: account}) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		set := jmap.SetRequest[mail.Email, jmap.Patch, jmap.NoArgs]{AccountID: account}
		if id := ids[random.IntN(len(ids))]; random.IntN(2) == 0 {
			set.Destroy = []jmap.ID{id}
		} else {
			set.Update = map[jmap.ID]jmap.Patch{id: {"keywords/$flagged": jmap.Raw("true")}}
		}
		if _, err := jmapclient.Set[mail.Email](t.Context(), c, jmap.CapabilityMail, "Email", set); err != nil {
			t.Fatal(err)
		}
	}
}
