package smtpclient_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

func send(t *testing.T, h smtp.Handler) error {
	t.Helper()
	res, err := smtp.Deliver(t.Context(), h, envelope(t, "a@x.test", "b@y.test"), strings.NewReader(text))
	if err == nil && res[0].Reply.Code != 250 {
		err = &smtp.Error{Reply: res[0].Reply}
	}
	return err
}

func TestClientReuses(t *testing.T) {
	f := &fake{t: t, ext: []string{"PIPELINING", "8BITMIME"}}
	client := &smtpclient.Client{Addr: f.start()}
	for range 3 {
		if err := send(t, client); err != nil {
			t.Fatal(err)
		}
		if err := send(t, oneByOne{client}); err != nil {
			t.Fatal(err)
		}
	}
	if f.connections() != 1 || len(f.took()) != 6 {
		t.Errorf("%d connections, %d messages", f.connections(), len(f.took()))
	}
	if err := client.Close(); err != nil || f.heard()[len(f.heard())-1] != "QUIT" {
		t.Errorf("%v, %q", err, f.heard())
	}
	// A Client that is closed goes on without keeping anything.
	if err := send(t, client); err != nil || f.connections() != 2 {
		t.Errorf("%v, %d connections", err, f.connections())
	}
}

// TestClientStale: idle connections that have died meanwhile cost nothing but a new one.
func TestClientStale(t *testing.T) {
	for _, batch := range []bool{true, false} {
		f := &fake{t: t, ext: []string{"PIPELINING", "8BITMIME"}}
		client := &smtpclient.Client{Addr: f.start()}
		var h smtp.Handler = client
		if !batch {
			h = oneByOne{client}
		}
		for range 3 {
			if err := send(t, h); err != nil {
				t.Fatal(err)
			}
			f.hangUp()
		}
		if f.connections() != 3 || len(f.took()) != 3 {
			t.Errorf("%d connections, %d messages", f.connections(), len(f.took()))
		}
		client.Close()
	}
}

// TestClientRetries: a connection dies when it is used again. Only what no server can have taken is sent once more.
func TestClientRetries(t *testing.T) {
	const first = "> 220 mx\n< EHLO *\n> 250-mx\n> 250 8BITMIME\n< MAIL *\n> 250 ok\n< RCPT *\n> 250 ok\n< DATA\n> 354 go\n< data\n> 250 2.0.0 taken\n"
	for _, tt := range []struct {
		name string
		more smtptest.Script // what the first connection says to the second message
		ok   bool
	}{
		{"lost at MAIL", "< MAIL *\n= close", true},
		{"reset at MAIL", "< MAIL *\n= reset", true},
		{"421 at MAIL", "< MAIL *\n> 421 4.4.2 idle too long", true},
		{"lost at RCPT", "< MAIL *\n> 250 ok\n< RCPT *\n= close", true},
		{"lost at DATA", "< MAIL *\n> 250 ok\n< RCPT *\n> 250 ok\n< DATA\n= close", true},
		{"lost after the message", "< MAIL *\n> 250 ok\n< RCPT *\n> 250 ok\n< DATA\n> 354 go\n< data\n= close", false},
		{"refused", "< MAIL *\n> 451 4.3.0 not now\n< QUIT\n> 221 bye", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			scripts := []smtptest.Script{first + tt.more}
			if tt.ok {
				scripts = append(scripts, first+"< QUIT\n> 221 bye")
			}
			peer := smtptest.NewScriptServer(t, nil, false, scripts...)
			client := &smtpclient.Client{Addr: peer.Addr}
			if err := send(t, client); err != nil {
				t.Fatal(err)
			}
			if err := send(t, client); (err == nil) != tt.ok {
				t.Error(err)
			}
			client.Close()
			if peer.Played() != len(scripts) {
				t.Errorf("%d connections, want %d", peer.Played(), len(scripts))
			}
		})
	}
}

// TestReset: what a refused transaction left open is reset before the next, in the same write where that is possible.
func TestReset(t *testing.T) {
	for _, ext := range []string{"8BITMIME", "PIPELINING"} {
		f := &fake{t: t, ext: []string{"8BITMIME", ext}, say: map[string]string{"RCPT TO:<bad": "550 no"}}
		conn := dial(t, f.start(), smtpclient.Config{})
		for range 2 {
			res, err := conn.Deliver(t.Context(), envelope(t, "a@x.test", "bad@y.test"), errorReader{t})
			if err != nil || res[0].Reply.Code != 550 {
				t.Fatal(res, err)
			}
		}
		tx, err := conn.Mail(t.Context(), nil, path(t, "a@x.test"), smtp.MailParams{})
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.Rcpt(t.Context(), path(t, "bad@y.test"), smtp.RcptParams{}); short(smtp.ReplyOf(err)) != "550" {
			t.Fatal(err)
		}
		if _, err := tx.Data(t.Context(), errorReader{t}); err == nil {
			t.Fatal("DATA without recipients")
		}
		tx.Close()
		tx.Close()
		if err := send(t, conn); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(strings.Join(f.heard(), "\n"), "RSET"); n != 3 {
			t.Errorf("%s: %d RSET: %q", ext, n, f.heard())
		}
	}
}

// TestPoolKeys: a shared pool gives connections only to those who would open the same.
func TestPoolKeys(t *testing.T) {
	f := &fake{t: t, ext: []string{"PIPELINING", "8BITMIME"}}
	addr := f.start()
	pool := &smtpclient.Pool{}
	defer pool.Close()
	for i, c := range []smtpclient.Config{
		{}, {}, {Hostname: "other.test"}, {TLS: smtpclient.None}, {TLS: smtpclient.None, Normalize: true}, {ServerName: "mx.test"}, {VerifyID: "x"},
	} {
		client := &smtpclient.Client{Addr: addr, Config: c, Pool: pool}
		if err := send(t, client); err != nil {
			t.Fatal(i, err)
		}
		want := []int{1, 1, 2, 3, 3, 4, 5}[i]
		if f.connections() != want {
			t.Errorf("config %d: %d connections, want %d", i, f.connections(), want)
		}
	}
}

func TestPoolLimits(t *testing.T) {
	f := &fake{t: t, ext: []string{"PIPELINING", "8BITMIME"}}
	client := &smtpclient.Client{Addr: f.start(), Pool: &smtpclient.Pool{MaxMessages: 2}}
	for range 5 {
		if err := send(t, client); err != nil {
			t.Fatal(err)
		}
	}
	client.Pool.Close()
	if f.connections() != 3 {
		t.Errorf("%d connections", f.connections())
	}
	none := &smtpclient.Client{Addr: client.Addr, Pool: &smtpclient.Pool{MaxIdle: -1}}
	for range 2 {
		if err := send(t, none); err != nil {
			t.Fatal(err)
		}
	}
	none.Pool.Close()
	if f.connections() != 5 {
		t.Errorf("%d connections", f.connections())
	}
	// Many at once: each gets a connection, and no message is lost.
	many := &smtpclient.Client{Addr: client.Addr}
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			for range 10 {
				if err := send(t, many); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	many.Close()
	if n := len(f.took()); n != 307 {
		t.Errorf("%d messages", n)
	}
}

// TestPoolExpiry: an idle connection says QUIT after IdleTime.
func TestPoolExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const script = smtptest.Script("> 220 mx\n< EHLO *\n> 250-mx\n> 250 8BITMIME\n< MAIL *\n> 250 ok\n< RCPT *\n> 250 ok\n< DATA\n> 354 go\n< data\n> 250 2.0.0 taken\n= wait 1m\n< QUIT\n> 221 bye")
		dials := 0
		client := &smtpclient.Client{Addr: "mx.test:25", Pool: &smtpclient.Pool{IdleTime: time.Minute}}
		client.Dial = func(context.Context, string, string) (net.Conn, error) {
			dials++
			return smtptest.Pipe(t, nil, script), nil
		}
		for range 2 {
			if err := send(t, client); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute + time.Second)
			synctest.Wait()
		}
		if dials != 2 {
			t.Errorf("%d connections", dials)
		}
		client.Pool.Close()
	})
}

// TestTimeouts lets a server fall silent, and counts the time until it is given up.
func TestTimeouts(t *testing.T) {
	const greeted = "> 220 mx\n< EHLO *\n> 250-mx\n> 250 8BITMIME\n"
	const begun = greeted + "< MAIL *\n> 250 ok\n< RCPT *\n> 250 ok\n< DATA\n> 354 go\n"
	trickle := func(n int) string { return strings.Repeat(">> \"2\"\n= wait 10s\n", n) }
	tests := []struct {
		name   string
		script string
		body   int // octets of the message
		op     string
		after  time.Duration
	}{
		{"greeting", "= hang", 10, "greeting", 5 * time.Minute},
		{"greeting, octet by octet", "> 220-mx\n" + trickle(100), 10, "greeting", 5 * time.Minute},
		{"EHLO", "> 220 mx\n< EHLO *\n= hang", 10, "EHLO", 5 * time.Minute},
		{"MAIL", greeted + "< MAIL *\n= hang", 10, "MAIL", 5 * time.Minute},
		{"RCPT", greeted + "< MAIL *\n> 250 ok\n< RCPT *\n= hang", 10, "RCPT", 5 * time.Minute},
		{"DATA", greeted + "< MAIL *\n> 250 ok\n< RCPT *\n> 250 ok\n< DATA\n= hang", 10, "DATA", 2 * time.Minute},
		{"end of data", begun + "< data\n= hang", 10, "end of data", 10 * time.Minute},
		{"message not taken", begun + "= wait 1h", 200_000, "body", 3*time.Minute + 64*time.Second},
		{"message taken slowly", begun + strings.Repeat("< bytes 100\n= wait 10s\n", 600), 200_000, "body", 3*time.Minute + 64*time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				ctx, cancel := context.WithCancel(context.Background())
				played := make(chan struct{})
				go func() {
					defer close(played)
					_ = smtptest.Script(tt.script).Play(ctx, server, nil) // it ends when the client gives up
				}()
				start := time.Now()
				conn, err := smtpclient.NewConn(t.Context(), client, smtpclient.Config{ServerName: "mx.test"})
				if err == nil {
					_, err = conn.Deliver(t.Context(), envelope(t, "a@x.test", "b@y.test"), io.LimitReader(zeros{}, int64(tt.body)))
				}
				took := time.Since(start).Truncate(time.Second)
				e, ok := errors.AsType[*smtpclient.Error](err)
				if !ok || e.Op != tt.op || !errors.Is(err, os.ErrDeadlineExceeded) || short(smtp.ReplyOf(err)) != "451 4.4.2" {
					t.Errorf("%v", err)
				}
				if took != tt.after && took != tt.after+2*time.Second { // a last reply is waited for
					t.Errorf("given up after %v, want %v", took, tt.after)
				}
				cancel()
				<-played
			})
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// TestBusy: a Conn carries one transaction at a time, and others wait no longer than they will.
func TestBusy(t *testing.T) {
	f := &fake{t: t, ext: []string{"8BITMIME"}}
	conn := dial(t, f.start(), smtpclient.Config{})
	tx, err := conn.Mail(t.Context(), nil, path(t, "a@x.test"), smtp.MailParams{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := conn.Mail(ctx, nil, path(t, "a@x.test"), smtp.MailParams{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	waits := make(chan error)
	go func() { waits <- send(t, conn) }()
	tx.Close()
	if err := <-waits; err != nil {
		t.Error(err)
	}
	conn.Close()
	if err := send(t, conn); !errors.Is(err, smtpclient.ErrClosed) {
		t.Error(err)
	}
	if err := conn.Noop(t.Context()); !errors.Is(err, smtpclient.ErrClosed) {
		t.Error(err)
	}
}
