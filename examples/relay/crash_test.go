package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/examples/cli/clitest"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

// TestKill kills a relay and its store with SIGKILL again and again while eight connections send: strangers to one
// recipient, whose mail goes straight to the store, strangers to two, and users, whose mail goes through the queue.
// Nothing acknowledged is lost, nothing arrives that was not sent, every message is whole. A message may come twice, if
// the relay was killed between the store's reply and its own note of it.
func TestKill(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	dir := t.TempDir()
	zone := clitest.File(t, "zone", "a.example. IN TXT \"v=spf1 ip4:127.0.0.1 -all\"\n")
	data := filepath.Join(dir, "data")
	store := clitest.Spawn(t, clitest.Build(t, "../store"), "-data", data, "-user", "bob@b.example:secret", "-user", "carol@b.example:secret", "-lmtp", "127.0.0.1:0")
	relay := clitest.Spawn(t, clitest.Build(t, "."), "-hostname", "mx.b.example", "-mx", "127.0.0.1:0", "-submission", "127.0.0.1:0", "-user", "alice:secret",
		"-local", "b.example", "-deliver", "lmtp://"+store.Addr("lmtp"), "-queue", "dir:"+filepath.Join(dir, "queue"), "-resolver", "zone:"+zone,
		"-retry", "100ms", "-admin", "127.0.0.1:0")
	l, up := clitest.NewLedger(), clitest.NewGate()
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for k := range 8 {
		s := sender{l: l, addr: relay.Addr("mx"), to: []string{"bob@b.example"}}
		if k >= 3 {
			s.to = append(s.to, "carol@b.example")
		}
		if k >= 5 {
			s.addr, s.credentials = relay.Addr("submission"), &sasl.Credentials{Username: "alice", Password: "secret", AllowPlaintext: true}
		}
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; {
				select {
				case <-up.Up():
					s.send(ctx, func() string { n++; return fmt.Sprintf("c%d-%d", k, n) })
				case <-ctx.Done():
				}
			}
		})
	}
	for range rounds {
		for _, p := range []*clitest.Process{relay, store} {
			l.Forget()
			l.Wait(t, 50+rand.IntN(150))
			if p == relay {
				up.Shut()
			}
			p.Kill()
			p.Start()
			if p == relay {
				up.Open()
			}
		}
	}
	l.Wait(t, 20)
	stop()
	wg.Wait()
	drained(t, "http://"+relay.Addr("admin"))
	relay.Terminate()
	store.Terminate()
	for _, user := range []string{"bob@b.example", "carol@b.example"} {
		l.Check(t, user, clitest.Inbox(t, data, user))
	}
}

// A sender sends to a relay.
type sender struct {
	l           *clitest.Ledger
	addr        string
	to          []string
	credentials *sasl.Credentials
}

// send sends over one connection until it breaks.
func (s sender) send(ctx context.Context, next func() string) {
	c, err := smtpclient.Dial(ctx, s.addr, smtpclient.Config{Hostname: "mail.a.example", Credentials: s.credentials})
	if err != nil {
		return
	}
	defer c.Close()
	e := smtp.Envelope{From: smtp.Path{Local: "alice", Domain: "a.example"}}
	for _, to := range s.to {
		local, domain, _ := strings.Cut(to, "@")
		e.Recipients = append(e.Recipients, smtp.Recipient{To: smtp.Path{Local: local, Domain: domain}})
	}
	for ctx.Err() == nil {
		id := next()
		for _, to := range s.to {
			s.l.Send(id, to)
		}
		res, err := c.Deliver(ctx, e, strings.NewReader(clitest.Letter(id)))
		if err != nil {
			return
		}
		for i, r := range res {
			if r.Reply.OK() {
				s.l.Ack(id, s.to[i])
			}
		}
	}
}

// drained waits until the queue is empty.
func drained(t *testing.T, admin string) {
	t.Helper()
	tick, end := time.NewTicker(50*time.Millisecond), time.After(2*time.Minute)
	defer tick.Stop()
	for {
		resp, err := http.Get(admin + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "\nmailbricks_queue_messages 0\n") {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("the queue does not become empty")
		}
	}
}
