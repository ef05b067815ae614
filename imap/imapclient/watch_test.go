package imapclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapserver"
	"github.com/mailbricks/mailbricks/imap/imaptest"
	"github.com/mailbricks/mailbricks/internal/suites"
)

// told is an event in a word.
func told(e Event) string {
	switch {
	case e.Kind == EventListing && e.Listing.Has(`\NonExistent`):
		return "gone " + e.Listing.Name
	case e.Kind == EventListing && e.Listing.OldName != "":
		return "renamed " + e.Listing.Name
	case e.Kind == EventListing:
		return "come " + e.Listing.Name
	case e.Kind == EventStatus:
		return fmt.Sprintf("%s %d of %d", e.Status.Name, e.Status.Unseen, e.Status.Messages)
	}
	return fmt.Sprintf("%+v", e)
}

// TestWatch watches mailboxes of imapserver, with NOTIFY as things happen, and without it a minute later.
func TestWatch(t *testing.T) {
	for name, lacks := range map[string]string{"NOTIFY": "", "STATUS": "NOTIFY"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				backend := &imaptest.Memory{}
				backend.AddUser("bob")
				server := &imapserver.Server{Backend: backend, AllowPlaintextAuth: true,
					Authenticator: sasl.New(sasl.Plain(func(context.Context, string, string) (string, error) { return "bob", nil }))}
				ours, theirs := net.Pipe()
				done := make(chan error, 1)
				go func() { done <- server.ServeConn(context.Background(), theirs) }()
				c, err := New(ctx, ours, plain)
				if err == nil {
					err = c.Authenticate(ctx, sasl.Credentials{Username: "bob", Password: "x"})
				}
				if err != nil {
					t.Fatal(err)
				}
				delete(c.caps, lacks)
				a, err := backend.OpenAccount(ctx, "bob")
				if err != nil {
					t.Fatal(err)
				}
				watchMemory(t, ctx, c, a, name == "NOTIFY")
				// The connection goes on as if nothing had been.
				if s, err := c.Select(ctx, "INBOX"); err != nil || s.Messages != 0 {
					t.Fatalf("%+v, %v", s, err)
				}
				deliverTo(t, a, "INBOX")
				if _, err := c.Status(ctx, "Lists"); err != nil || c.Selected().Messages != 1 {
					t.Errorf("%+v, %v", c.Selected(), err)
				}
				for _, err := range c.Watch(ctx, "INBOX") {
					if err != ErrArgument {
						t.Errorf("with a mailbox selected: %v", err)
					}
				}
				c.Close()
				<-done
			})
		})
	}
}

func deliverTo(t *testing.T, a *imap.Account, mailbox string) {
	t.Helper()
	const text = "Subject: x\r\n\r\n"
	if _, err := a.Appender.Append(t.Context(), mailbox, []imap.AppendMessage{{Size: int64(len(text)), Body: strings.NewReader(text)}}); err != nil {
		t.Error(err)
	}
}

func watchMemory(t *testing.T, ctx context.Context, c *Client, a *imap.Account, notify bool) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	create := func(name string) {
		_, err := a.Editor.Create(ctx, name, imap.CreateOptions{})
		must(err)
	}
	create("Lists")
	create("Other")
	came := "Late 0 of 0"
	if notify {
		came = "come Late"
	}
	steps := []struct {
		want string
		then func()
	}{
		{"INBOX 0 of 0", nil}, {"gone Late", nil},
		{"Lists 0 of 0", func() { deliverTo(t, a, "Other"); deliverTo(t, a, "Lists") }},
		{"Lists 1 of 1", func() {
			_, err := a.Flagger.StoreFlags(ctx, "Lists", imap.AllUIDs(), imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagSeen}}, imap.NoUnchangedSince)
			must(err)
		}},
		{"Lists 0 of 1", func() { create("Late") }},
		{came, func() { deliverTo(t, a, "Late") }},
		{"Late 1 of 1", func() { must(a.Editor.Delete(ctx, "Late")) }},
		{"gone Late", func() {
			_, err := a.Expunger.Expunge(ctx, "Lists", imap.AllUIDs(), true)
			must(err)
		}},
		{"Lists 0 of 0", nil},
	}
	began := time.Now()
	for e, err := range c.Watch(ctx, "inbox", "Lists", "Late") {
		if err != nil || len(steps) == 0 {
			t.Errorf("%+v, %v", e, err)
			break
		}
		if got := told(e); got != steps[0].want {
			t.Errorf("got %s, want %s", got, steps[0].want)
		}
		if e.Kind == EventStatus && (!slices.Contains(e.Told, imap.StatusMessages) || !slices.Contains(e.Told, imap.StatusUIDNext)) {
			t.Errorf("%s: %v are told", e.Status.Name, e.Told)
		}
		if steps[0].then != nil {
			steps[0].then()
		}
		if steps = steps[1:]; len(steps) == 0 {
			break
		}
	}
	if len(steps) > 0 {
		t.Errorf("%d steps are left", len(steps))
	}
	if took := time.Since(began); notify && took > 0 || !notify && took != 6*time.Minute {
		t.Errorf("it took %s", took)
	}
}

// TestWatchRefused has servers with NOTIFY that will not, or not any more.
func TestWatchRefused(t *testing.T) {
	const notify = `NOTIFY SET (MAILBOXES (INBOX "a b") (MessageNew MessageExpunge FlagChange MailboxName))`
	for name, tt := range map[string]struct{ dialogue, want string }{
		"refused": {`
			C: a2 ` + notify + `
			S: a2 NO [NOTIFICATIONOVERFLOW] too much
			C: a3 STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)
			S: * STATUS INBOX (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 1 UNSEEN 2)
			S: a3 OK done
			C: a4 STATUS "a b" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)
			S: a4 NO [NONEXISTENT] none
		`, "INBOX 2 of 3, gone a b"},
		"overflow": {`
			C: a2 ` + notify + `
			S: a2 OK done
			C: a3 STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)
			S: * STATUS other (MESSAGES 9)
			S: * STATUS INBOX (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 1 UNSEEN 0)
			S: a3 OK done
			C: a4 STATUS "a b" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)
			S: * STATUS "a b" (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 7 UNSEEN 0)
			S: a4 OK done
			C: a5 IDLE
			S: + idling
			S: * STATUS INBOX (MESSAGES 4 UIDNEXT 5 UNSEEN 1)
			S: * STATUS INBOX (MESSAGES 4 UIDNEXT 5 UNSEEN 1)
			S: * STATUS "a b" (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 8)
			S: * LIST (\HasNoChildren) "/" "new" ("OLDNAME" ("a b"))
			S: * LIST (\HasNoChildren) "/" "other"
			S: * OK [NOTIFICATIONOVERFLOW] too much
			C: DONE
			S: a5 OK done
			C: a6 NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge FlagChange))
			S: a6 OK done
			C: a7 STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)
			S: * STATUS INBOX (MESSAGES 5 UIDNEXT 6 UIDVALIDITY 1 UNSEEN 2)
			S: a7 OK done
			C: a8 STATUS "a b" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)
			S: a8 NO [NONEXISTENT] none
		`, "INBOX 0 of 3, a b 0 of 0, INBOX 1 of 4, a b 0 of 1, renamed new, INBOX 2 of 5, gone a b"},
	} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, plain, "IDLE NOTIFY", tt.dialogue)
			var got []string
			for e, err := range c.Watch(t.Context(), "a b", "INBOX") {
				if err != nil {
					t.Fatal(err)
				}
				if got = append(got, told(e)); len(got) == strings.Count(tt.want, ",")+1 {
					break
				}
			}
			if s := strings.Join(got, ", "); s != tt.want {
				t.Errorf("got  %s\nwant %s", s, tt.want)
			}
		})
	}
	for _, names := range [][]string{nil, {""}, {"a", "b\x00"}} {
		for _, err := range connect(t, plain, "IDLE NOTIFY", "").Watch(t.Context(), names...) {
			if err != ErrArgument {
				t.Errorf("%q: %v", names, err)
			}
		}
	}
}

// TestWatchDovecot has Dovecot tell of mailboxes, which another connection changes.
func TestWatchDovecot(t *testing.T) {
	d := suites.Dovecot(t)
	for name, lacks := range map[string]string{"NOTIFY": "", "STATUS": "NOTIFY"} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			dial := func() *Client {
				c, err := Dial(ctx, d.IMAP, Options{TLSConfig: &tls.Config{RootCAs: d.Roots}, Timeouts: Timeouts{Poll: 20 * time.Millisecond}})
				if err == nil {
					err = c.Authenticate(ctx, sasl.Credentials{Username: d.User, Password: d.Password})
				}
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
				return c
			}
			c, other := dial(), dial()
			delete(c.caps, lacks)
			if lacks == "" && !c.caps.Has("NOTIFY") {
				t.Skip("it has no NOTIFY")
			}
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			box := "Watched" + name
			must(other.Create(ctx, box, imap.CreateOptions{}))
			const letter = "Subject: x\r\n\r\n"
			add := func() {
				_, err := other.Append(ctx, box, imap.AppendMessage{Size: int64(len(letter)), Body: strings.NewReader(letter)})
				must(err)
			}
			steps := []func(){add, add, func() {
				_, err := other.Select(ctx, box)
				must(err)
				_, err = other.Store(ctx, imap.UIDs(1), imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, imap.NoUnchangedSince)
				must(err)
				must(other.Expunge(ctx, imap.UIDs(1)))
			}}
			if lacks == "" { // when it tells of what comes later is its own affair
				steps = nil
			}
			messages := 0
			for e, err := range c.Watch(ctx, "INBOX", box) {
				must(err)
				if e.Kind != EventStatus || e.Status.Name != box || e.Status.Messages != messages {
					continue // of flags, or before what was done last
				}
				if len(steps) == 0 {
					break
				}
				steps[0]()
				if messages++; messages == 3 {
					messages = 1
				}
				steps = steps[1:]
			}
			if s, err := c.Select(ctx, box); err != nil || int(s.Messages) != messages {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
}

// TestFollowerWatch has connections that are lost, while things happen to mailboxes: what is different then is told, once.
func TestFollowerWatch(t *testing.T) {
	for name, lacks := range map[string]string{"NOTIFY": "", "STATUS": "NOTIFY"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				backend := &imaptest.Memory{}
				backend.AddUser("bob")
				server := &imapserver.Server{Backend: backend, AllowPlaintextAuth: true,
					Authenticator: sasl.New(sasl.Plain(func(context.Context, string, string) (string, error) { return "bob", nil }))}
				a, err := backend.OpenAccount(ctx, "bob")
				if err != nil {
					t.Fatal(err)
				}
				create := func(name string) {
					if _, err := a.Editor.Create(ctx, name, imap.CreateOptions{}); err != nil {
						t.Error(err)
					}
				}
				create("Lists")
				create("Old")
				var served sync.WaitGroup
				var line net.Conn
				dialed := 0
				f := &Follower{Dial: func(ctx context.Context) (*Client, error) {
					if dialed++; dialed == 2 {
						return nil, errors.New("no network")
					}
					ours, theirs := net.Pipe()
					line = ours
					served.Go(func() { _ = server.ServeConn(context.Background(), theirs) })
					c, err := New(ctx, ours, plain)
					if err != nil {
						return nil, err
					}
					err = c.Authenticate(ctx, sasl.Credentials{Username: "bob", Password: "x"})
					delete(c.caps, lacks)
					return c, err
				}, Retry: func(failures int) time.Duration { return time.Duration(failures) * time.Second }}
				var waits []time.Duration
				f.Trouble = func(err error, wait time.Duration) {
					if waits = append(waits, wait); len(waits) > 1 {
						return
					}
					deliverTo(t, a, "Lists") // while there is no connection
					create("Late")
					if err := a.Editor.Delete(ctx, "Old"); err != nil {
						t.Error(err)
					}
				}
				want := []string{"INBOX 0 of 0", "gone Late", "Lists 0 of 0", "Old 0 of 0", "(lost)", "Late 0 of 0", "Lists 1 of 1", "gone Old", "INBOX 1 of 1"}
				for e, err := range f.Watch(ctx, "INBOX", "Lists", "Late", "Old") {
					if err != nil || len(want) == 0 {
						t.Fatalf("%+v, %v", e, err)
					}
					if got := told(e); got != want[0] {
						t.Errorf("got %s, want %s", got, want[0])
					}
					if want = want[1:]; len(want) > 0 && want[0] == "(lost)" {
						_ = line.Close()
						want = want[1:]
					}
					if len(want) == 1 {
						deliverTo(t, a, "INBOX")
					}
					if len(want) == 0 {
						break
					}
				}
				if len(want) > 0 || dialed != 3 || !slices.Equal(waits, []time.Duration{time.Second, 2 * time.Second}) {
					t.Errorf("not told: %v; %d connections, waits %v", want, dialed, waits)
				}
				for _, err := range f.Watch(ctx) {
					if !errors.Is(err, ErrArgument) {
						t.Errorf("no mailboxes: %v", err)
					}
				}
				served.Wait()
			})
		})
	}
}
