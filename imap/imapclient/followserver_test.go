package imapclient

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapserver"
	"github.com/mailbricks/mailbricks/imap/imaptest"
	"github.com/mailbricks/mailbricks/internal/suites"
)

// followServer has a Follower keep a copy of a mailbox while the server ends and starts anew. It returns how many connections were
// lost.
func followServer(t *testing.T, dial func() *Client, restart func(), lacks ...string) (lost int) {
	const box = "Restarted"
	ctx, c := t.Context(), dial()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_ = c.Delete(ctx, box) // from another run
	must(c.Create(ctx, box, imap.CreateOptions{}))
	change := func() {
		const letter = "Subject: x\r\n\r\n"
		for range 2 {
			_, err := c.Append(ctx, box, imap.AppendMessage{Size: int64(len(letter)), Body: strings.NewReader(letter)})
			must(err)
		}
		_, err := c.Select(ctx, box)
		must(err)
		uids, err := c.Search(ctx, &imap.SearchCriteria{})
		must(err)
		_, err = c.Store(ctx, uids.Slice(0, 1), imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagSeen, imap.FlagDeleted}}, imap.NoUnchangedSince)
		must(err)
		must(c.Expunge(ctx, uids.Slice(0, 1)))
		_, err = c.Store(ctx, uids.Slice(1, 2), imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagFlagged}}, imap.NoUnchangedSince)
		must(err)
	}
	k := &copier{t: t, dial: dial, lacks: lacks, flags: make(map[imap.UID]string), told: make(map[imap.UID]imap.ModSeq), changed: make(chan struct{}, 1)}
	f := &Follower{Dial: k.connect, Mailbox: box, Known: known(t, c, box), Retry: func(int) time.Duration { return time.Millisecond },
		Trouble: func(error, time.Duration) { lost++ }}
	following, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e, err := range f.Changes(following) {
			if err != nil {
				t.Error(err)
				return
			}
			k.take(e)
		}
	}()
	change()
	k.await(c)
	for range 2 {
		set := func(offline bool) {
			k.mu.Lock()
			k.offline = offline
			k.mu.Unlock()
		}
		set(true)
		_ = c.Close()
		restart()
		c = dial()
		change() // before the Follower is back
		set(false)
		k.await(c)
		change()
		k.await(c)
	}
	stop()
	<-done
	if _ = c.Close(); k.resets > 0 {
		t.Errorf("%d resets", k.resets)
	}
	return lost
}

func TestFollowServer(t *testing.T) {
	for name, lacks := range rungs() {
		t.Run(name, func(t *testing.T) {
			backend, users := &imaptest.Memory{}, sasl.NewUsers()
			backend.AddUser("bob")
			if err := users.Set("bob", "secret"); err != nil {
				t.Fatal(err)
			}
			addr, end := "127.0.0.1:0", func() {}
			start := func() {
				ln, err := net.Listen("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				addr = ln.Addr().String()
				s := &imapserver.Server{Backend: backend, Authenticator: sasl.New(sasl.Plain(users.Check)), TLS: serverTLS(t)}
				ctx, cancel := context.WithCancel(context.Background())
				done := make(chan error, 1)
				go func() { done <- s.Serve(ctx, ln) }()
				end = func() {
					cancel()
					if err := <-done; err != nil {
						t.Error(err)
					}
				}
			}
			start()
			defer func() { end() }()
			lost := followServer(t, func() *Client {
				c, err := Dial(t.Context(), addr, Options{TLSConfig: clientTLS(t), Timeouts: Timeouts{Poll: 20 * time.Millisecond}})
				if err == nil {
					err = c.Authenticate(t.Context(), sasl.Credentials{Username: "bob", Password: "secret"})
				}
				if err != nil {
					t.Fatal(err)
				}
				return c
			}, func() {
				end()
				start()
			}, lacks...)
			if lost < 2 {
				t.Errorf("%d connections were lost", lost)
			}
		})
	}
}

// Some of the processes of Dovecot serve their connections on without it.
func TestFollowServerDovecot(t *testing.T) {
	d := suites.Dovecot(t)
	for name, lacks := range rungs() {
		t.Run(name, func(t *testing.T) {
			followServer(t, func() *Client { return pollingDovecot(t, d) }, func() {
				if err := d.Restart(); err != nil {
					t.Fatal(err)
				}
			}, lacks...)
		})
	}
}
