package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mailbricks/mailbricks/examples/cli/clitest"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

// TestKill kills the store with SIGKILL again and again while eight connections deliver by LMTP and append by IMAP.
// Nothing acknowledged is lost, nothing is there that was not sent, nothing is there twice, and every message is whole.
func TestKill(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	data := filepath.Join(t.TempDir(), "data")
	p := clitest.Spawn(t, clitest.Build(t, "."), "-data", data, "-user", "bob@b.example:secret", "-lmtp", "127.0.0.1:0", "-imap", "127.0.0.1:0", "-allow-plaintext-auth")
	l, up := clitest.NewLedger(), clitest.NewGate()
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for k := range 8 {
		send := deliverOn
		if k >= 5 {
			send = appendOn
		}
		addr := map[bool]string{true: p.Addr("lmtp"), false: p.Addr("imap")}[k < 5]
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; {
				select {
				case <-up.Up():
					send(ctx, addr, l, func() string { n++; return fmt.Sprintf("c%d-%d", k, n) })
				case <-ctx.Done():
				}
			}
		})
	}
	for range rounds {
		l.Forget()
		l.Wait(t, 50+rand.IntN(250))
		up.Shut()
		p.Kill()
		p.Start()
		up.Open()
	}
	l.Wait(t, 20)
	stop()
	wg.Wait()
	p.Terminate()
	if twice := l.Check(t, "bob@b.example", clitest.Inbox(t, data, "bob@b.example")); twice > 0 {
		t.Errorf("%d messages are there twice", twice)
	}
}

// deliverOn delivers over one connection until it breaks.
func deliverOn(ctx context.Context, addr string, l *clitest.Ledger, next func() string) {
	c, err := smtpclient.Dial(ctx, addr, smtpclient.Config{LMTP: true})
	if err != nil {
		return
	}
	defer c.Close()
	for ctx.Err() == nil {
		id := next()
		l.Send(id, "bob@b.example")
		res, err := c.Deliver(ctx, smtp.Envelope{From: smtp.Path{Local: "alice", Domain: "a.example"},
			Recipients: []smtp.Recipient{{To: smtp.Path{Local: "bob", Domain: "b.example"}}}}, strings.NewReader(clitest.Letter(id)))
		if err != nil || !res[0].Reply.OK() {
			return
		}
		l.Ack(id, "bob@b.example")
	}
}

// appendOn appends over one connection until it breaks.
func appendOn(ctx context.Context, addr string, l *clitest.Ledger, next func() string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	r := bufio.NewReader(c)
	say := func(text string) bool { // and reads up to the tagged or continuation line
		if _, err := io.WriteString(c, text); err != nil {
			return false
		}
		for {
			line, err := r.ReadString('\n')
			if err != nil || strings.HasPrefix(line, "a ") || strings.HasPrefix(line, "+") {
				return err == nil && (strings.HasPrefix(line, "a OK") || line[0] == '+')
			}
		}
	}
	if !say("a LOGIN bob@b.example secret\r\n") {
		return
	}
	for ctx.Err() == nil {
		id := next()
		letter := clitest.Letter(id)
		l.Send(id, "bob@b.example")
		if !say(fmt.Sprintf("a APPEND INBOX {%d}\r\n", len(letter))) || !say(letter+"\r\n") {
			return
		}
		l.Ack(id, "bob@b.example")
	}
}
