package imapclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/internal/suites"
)

// A copier is a client's copy of a mailbox, kept up by a Follower whose connections a test ends.
type copier struct {
	t     *testing.T
	dial  func() *Client
	lacks []string // extensions that the Follower does without

	mu      sync.Mutex
	open    *Client
	offline bool
	flags   map[imap.UID]string
	told    map[imap.UID]imap.ModSeq
	resets  int
	changed chan struct{}
}

func (k *copier) connect(context.Context) (*Client, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.offline {
		return nil, errors.New("no network")
	}
	c := k.dial()
	for _, extension := range k.lacks {
		delete(c.caps, extension)
	}
	k.open = c
	return c, nil
}

// cut ends the connection, at whatever it is.
func (k *copier) cut(offline bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.offline = offline; k.open != nil {
		_ = k.open.conn.Close()
	}
}

// take keeps the copy up.
func (k *copier) take(e Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch e.Kind {
	case EventReset:
		clear(k.flags)
		clear(k.told)
		k.resets++
	case EventVanished:
		for uid := range e.UIDs.All() {
			if _, ok := k.flags[uid]; !ok {
				k.t.Errorf("message %d has gone, and was not there", uid)
			}
			delete(k.flags, uid)
		}
	case EventFetch:
		m, now := e.Message, flagText(e.Message.Flags)
		same := k.flags[m.UID] == now // with mod-sequences, flags may come back to what they were
		if !slices.Contains(k.lacks, "CONDSTORE") {
			if same = m.ModSeq <= k.told[m.UID]; m.ModSeq == 0 {
				k.t.Errorf("message %d is told without its mod-sequence", m.UID)
			}
		}
		if _, told := k.told[m.UID]; told && same {
			k.t.Errorf("message %d is told twice: %q, at %d", m.UID, now, m.ModSeq)
		}
		k.flags[m.UID], k.told[m.UID] = now, m.ModSeq
	default:
		k.t.Errorf("event %+v", e)
	}
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// await waits until the copy is what another connection sees.
func (k *copier) await(c *Client) {
	k.t.Helper()
	want := make(map[imap.UID]string)
	for m, err := range c.Fetch(k.t.Context(), imap.AllUIDs(), imap.FieldFlags) {
		if err != nil {
			k.t.Fatal(err)
		}
		want[m.UID] = flagText(m.Flags)
	}
	late := time.After(20 * time.Second)
	for {
		k.mu.Lock()
		same := maps.Equal(k.flags, want)
		have := fmt.Sprint(k.flags)
		k.mu.Unlock()
		if same {
			return
		}
		select {
		case <-k.changed:
		case <-late:
			k.t.Fatalf("the copy is  %s\nthe mailbox is %v", have, want)
		}
	}
}

// follow has a Follower keep a copy of a mailbox that another connection changes at random, while connections break.
func follow(t *testing.T, dial func() *Client, lacks ...string) {
	c := dial()
	defer c.Close()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const box = "Followed"
	_ = c.Delete(ctx, box) // from another run
	must(c.Create(ctx, box, imap.CreateOptions{}))
	r := rand.New(rand.NewPCG(1, 2))
	add := func() {
		const letter = "Subject: x\r\n\r\n"
		_, err := c.Append(ctx, box, imap.AppendMessage{Size: int64(len(letter)), Body: strings.NewReader(letter)})
		must(err)
	}
	for range 5 {
		add()
	}
	_, err := c.Select(ctx, box)
	must(err)

	k := &copier{t: t, dial: dial, lacks: lacks, flags: make(map[imap.UID]string), told: make(map[imap.UID]imap.ModSeq), changed: make(chan struct{}, 1)}
	for m, err := range c.Fetch(ctx, imap.AllUIDs(), imap.FieldFlags) {
		must(err)
		k.flags[m.UID] = flagText(m.Flags)
	}
	f := &Follower{Dial: k.connect, Mailbox: box, Known: known(t, c, box), Retry: func(int) time.Duration { return time.Millisecond }}
	following, stop := context.WithCancel(ctx)
	done := make(chan Known)
	go func() {
		for e, err := range f.Changes(following) {
			if err != nil {
				t.Error(err)
				break
			}
			k.take(e)
		}
		done <- f.State()
	}()

	seen := []imap.Flag{imap.FlagSeen, imap.FlagFlagged, "$work"}
	for round := range 12 {
		switch round % 3 {
		case 1:
			k.cut(true)
		case 2:
			k.cut(false)
		}
		for range 6 {
			uids, err := c.Search(ctx, &imap.SearchCriteria{})
			must(err)
			var one imap.UIDSet
			if n := uids.Len(); n > 0 {
				i := r.Int64N(n)
				one = uids.Slice(i, i+1)
			}
			switch op := r.IntN(5); {
			case op < 2 || len(one) == 0:
				add()
			case op < 4:
				_, err := c.Store(ctx, one, imap.FlagChange{Op: []imap.FlagOp{imap.FlagsAdd, imap.FlagsRemove}[r.IntN(2)], Flags: []imap.Flag{seen[r.IntN(len(seen))]}}, imap.NoUnchangedSince)
				must(err)
			default:
				_, err := c.Store(ctx, one, imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, imap.NoUnchangedSince)
				must(err)
				must(c.Expunge(ctx, one))
			}
		}
		if round%3 == 1 {
			k.mu.Lock()
			k.offline = false
			k.mu.Unlock()
		}
		k.await(c)
	}

	// Another mailbox of that name.
	k.cut(true)
	must(c.CloseMailbox(ctx))
	must(c.Delete(ctx, box))
	must(c.Create(ctx, box, imap.CreateOptions{}))
	add()
	_, err = c.Select(ctx, box)
	must(err)
	k.mu.Lock()
	k.offline = false
	k.mu.Unlock()
	k.await(c)
	stop()
	last := <-done
	if remembers := f.flags != nil; remembers != slices.Contains(lacks, "CONDSTORE") {
		t.Errorf("flags are remembered: %v", remembers)
	}
	if k.resets != 1 {
		t.Errorf("%d resets", k.resets)
	}
	if s := c.Selected(); last.UIDValidity != s.UIDValidity || last.UIDs.Len() != 1 {
		t.Errorf("state %+v of %+v", last, s)
	}
}

// known is what a client knows of a mailbox that has just looked.
func known(t *testing.T, c *Client, mailbox string) Known {
	t.Helper()
	s, err := c.Select(t.Context(), mailbox)
	if err != nil {
		t.Fatal(err)
	}
	uids, err := c.Search(t.Context(), &imap.SearchCriteria{})
	if err != nil {
		t.Fatal(err)
	}
	return Known{UIDValidity: s.UIDValidity, ModSeq: s.HighestModSeq, UIDs: uids}
}

// rungs are what a Follower does without on the way down.
func rungs() map[string][]string {
	return map[string][]string{"QRESYNC": nil, "CONDSTORE": {"QRESYNC"}, "flags": {"QRESYNC", "CONDSTORE"}, "NOOP": {"QRESYNC", "CONDSTORE", "IDLE"}}
}

func TestFollow(t *testing.T) {
	for name, lacks := range rungs() {
		t.Run(name, func(t *testing.T) {
			addr := serveMemory(t)
			follow(t, func() *Client {
				c, err := Dial(t.Context(), addr, Options{TLSConfig: clientTLS(t), Timeouts: Timeouts{Poll: 20 * time.Millisecond}})
				if err == nil {
					err = c.Authenticate(t.Context(), sasl.Credentials{Username: "bob", Password: "secret"})
				}
				if err != nil {
					t.Fatal(err)
				}
				return c
			}, lacks...)
		})
	}
}

// pollingDovecot returns a connection to Dovecot that polls often, where it does not idle.
func pollingDovecot(t *testing.T, d *suites.DovecotServer) *Client {
	t.Helper()
	c, err := Dial(t.Context(), d.IMAP, Options{TLSConfig: &tls.Config{RootCAs: d.Roots}, Timeouts: Timeouts{Poll: 20 * time.Millisecond}})
	if err == nil {
		err = c.Authenticate(t.Context(), sasl.Credentials{Username: d.User, Password: d.Password})
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFollowDovecot(t *testing.T) {
	d := suites.Dovecot(t)
	for name, lacks := range rungs() {
		t.Run(name, func(t *testing.T) {
			follow(t, func() *Client { return pollingDovecot(t, d) }, lacks...)
		})
	}
}

// A Follower waits longer and longer for a server that is not there, and not at all for one that refuses it.
func TestFollowRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
		defer cancel()
		down := errors.New("no route")
		var waits []time.Duration
		f := &Follower{Dial: func(context.Context) (*Client, error) { return nil, down },
			Trouble: func(err error, wait time.Duration) {
				if err != down {
					t.Errorf("%v", err)
				}
				waits = append(waits, wait)
			}}
		for e, err := range f.Changes(ctx) {
			t.Errorf("%+v, %v", e, err)
		}
		for i, w := range waits {
			if step := min(time.Second<<i, 5*time.Minute); w < step*3/4 || w > step*5/4 {
				t.Errorf("wait %d: %s", i, w)
			}
		}
		if len(waits) < 11 || len(waits) > 14 {
			t.Errorf("%d waits in 20 minutes", len(waits))
		}
	})
	for _, tt := range []struct {
		command string
		status  imap.Status
		final   bool
	}{
		{"AUTHENTICATE", imap.Status{Type: imap.StatusNo, Code: imap.CodeAuthFailed}, true},
		{"LOGIN", imap.Status{Type: imap.StatusNo}, true},
		{"LOGIN", imap.Status{Type: imap.StatusBad}, true},
		{"SELECT", imap.Status{Type: imap.StatusNo, Code: imap.CodeNonexistent}, true},
		{"SELECT", imap.Status{Type: imap.StatusNo}, true},
		{"LOGIN", imap.Status{Type: imap.StatusNo, Code: imap.CodeUnavailable}, false},
		{"SELECT", imap.Status{Type: imap.StatusBye}, false},
		{"FETCH", imap.Status{Type: imap.StatusNo, Code: imap.CodeExpungeIssued}, false},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		f := &Follower{Retry: func(int) time.Duration { return 0 }, Dial: func(context.Context) (*Client, error) {
			if n++; n == 3 {
				cancel()
			}
			return nil, &Error{Command: tt.command, Status: &tt.status}
		}}
		var last error
		for _, err := range f.Changes(ctx) {
			last = err
		}
		cancel()
		if (n == 1) != tt.final || (last != nil) != tt.final {
			t.Errorf("%s, %v: %d attempts, %v", tt.command, &tt.status, n, last)
		}
	}
}
