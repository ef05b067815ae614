package imapclient

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
)

// TestHostileServer checks the typed error for each thing that a server should not send, and that the connection is not
// used any more.
func TestHostileServer(t *testing.T) {
	noop := func(c *Client) error { return c.Noop(t.Context()) }
	fetch := func(c *Client) error {
		for m, err := range c.Fetch(t.Context(), imap.AllUIDs(), 0, Body("")) {
			if err != nil {
				return err
			}
			for p := range m.Bodies() {
				_, _ = io.CopyN(io.Discard, p, 1000)
			}
		}
		return nil
	}
	fetchNone := func(c *Client) error {
		for range c.Fetch(t.Context(), imap.AllUIDs(), 0, Body("")) {
			break
		}
		return c.Noop(t.Context())
	}
	protocol, limit := as[*ProtocolError], as[*imap.LimitError]
	eof := func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }
	status := func(kind imap.StatusType) func(error) bool {
		return func(err error) bool {
			s, ok := errors.AsType[*imap.Status](err)
			return ok && s.Type == kind
		}
	}
	endless := strings.Repeat("x", 200_000)
	for _, tt := range []struct {
		name, dialogue string
		options        func(*Options)
		do             func(c *Client) error // nil: New fails
		is             func(error) bool
	}{
		{"nothing", "S: (close)", nil, nil, eof},
		{"half a greeting", "S> * OK\nS: (close)", nil, nil, eof},
		{"a POP3 server", "S: +OK ready", nil, nil, protocol},
		{"an SMTP server", "S: 220 mail.example.com ESMTP", nil, nil, protocol},
		{"a tagged greeting", "S: a1 OK ready", nil, nil, protocol},
		{"BYE", "S: * BYE [UNAVAILABLE] busy", nil, nil, status(imap.StatusBye)},
		{"an endless greeting", "S> * OK " + endless, func(o *Options) { o.Limits.Line = 1000 }, nil, limit},
		{"a wrong tag", "C: a2 NOOP\nS: a3 OK", nil, noop, protocol},
		{"the tag of before", "C: a2 NOOP\nS: a2 OK\nC: a3 NOOP\nS: a2 OK", nil, func(c *Client) error { return errors.Join(noop(c), noop(c)) }, protocol},
		{"a tag and nothing", "C: a2 NOOP\nS: a2", nil, noop, protocol},
		{"a tag and nonsense", "C: a2 NOOP\nS: a2 MAYBE x", nil, noop, protocol},
		{"a continuation that nobody waits for", "C: a2 NOOP\nS: + go on", nil, noop, protocol},
		{"an endless line", "C: a2 NOOP\nS> * OK " + endless, func(o *Options) { o.Limits.Line = 1000 }, noop, limit},
		{"endless responses", "C: a2 NOOP\n" + strings.Repeat("S: * 1 EXISTS\n", 101), func(o *Options) { o.Limits.Responses = 100 }, noop, limit},
		{"garbage", "C: a2 NOOP\n" + strings.Repeat("S: * 1 EXISTS\nS: ***\nS: * (\nS: * \n", 5), func(o *Options) { o.Limits.Garbage = 10 }, noop, protocol},
		{"a BYE and the end", "C: a2 NOOP\nS: * BYE going down\nS: (close)", nil, noop, status(imap.StatusBye)},
		{"the end", "C: a2 NOOP\nS: * OK\nS: (close)", nil, noop, eof},
		{"a huge literal of a text", "C: a2 NOOP\nS: * LIST () \"/\" {999999999999}\nS: (close)", nil, noop, limit},
		{"a literal beyond numbers", "C: a2 NOOP\nS: * 1 FETCH (ENVELOPE {99999999999999999999}\nS: (close)", nil, noop, limit},
		{"a huge literal in what is skipped", "C: a2 NOOP\nS: * UNKNOWN {999999999999}\nS: (close)", nil, noop, limit},
		{"a body cut short", "C: a2 UID FETCH 1:4294967295 (UID BODY.PEEK[])\nS: * 1 FETCH (UID 1 BODY[] {500}\nS: x\nS: (close)", nil, fetch, eof},
		{"a long body cut short", "C: a2 UID FETCH 1:4294967295 (UID BODY.PEEK[])\nS: * 1 FETCH (UID 1 BODY[] {500000}\nS: " + endless + "\nS: (close)", nil, fetch, eof},
		{"a body without end", "C: a2 UID FETCH 1:4294967295 (UID BODY.PEEK[])\nS: * 1 FETCH (UID 1 BODY[] {999999999999}\nS: " + endless, nil, fetch, limit},
		{"a loop that is left, and too much behind it", "C: a2 UID FETCH 1:4294967295 (UID BODY.PEEK[])\n" + strings.Repeat("S> * 1 FETCH (UID 1 BODY[] {1000}\\r\\n"+endless[:1000]+")\\r\\n\n", 40),
			func(o *Options) { o.Limits.Discard = 10_000 }, fetchNone, limit},
		{"a message in more memory than allowed", "C: a2 UID FETCH 1:4294967295 (UID BODY.PEEK[])\nS: * 1 FETCH (UID 1 ENVELOPE (NIL {60000}\nS> " + endless[:60000] + " {60000}\\r\\n\nS: (close)",
			func(o *Options) { o.Limits.Response = 100_000; o.Limits.Discard = 1000 }, fetch, limit},
		{"a challenge that is not base64", "C: a2 AUTHENTICATE PLAIN\nS: + %%%", nil, func(c *Client) error {
			c.caps["AUTH=PLAIN"] = true
			return c.Authenticate(t.Context(), sasl.Credentials{Username: "u", Password: "p"})
		}, protocol},
		{"IDLE and the end", "C: a2 IDLE\nS: + \nS: * 3 EXISTS\nS: (close)", nil, func(c *Client) error {
			c.caps["IDLE"] = true
			for _, err := range c.Idle(t.Context()) {
				if err != nil {
					return err
				}
			}
			return nil
		}, eof},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := plain
			if tt.options != nil {
				tt.options(&o)
			}
			if tt.do == nil {
				if _, err := New(t.Context(), script(t, tt.dialogue), o); !tt.is(err) {
					t.Errorf("got %v (%T)", err, err)
				}
				return
			}
			c := connect(t, o, "", tt.dialogue)
			if err := tt.do(c); !tt.is(err) {
				t.Errorf("got %v (%T)", err, err)
			}
			if again := noop(c); again == nil || again != c.err {
				t.Errorf("the connection still works: %v", again)
			}
		})
	}
}

func as[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// TestOctetByOctet has a server send one octet at a time.
func TestOctetByOctet(t *testing.T) {
	ours, theirs := net.Pipe()
	go func() {
		for _, b := range []byte("* OK [CAPABILITY IMAP4rev1] hi\r\na2 OK [READ-WRITE] hm\r\n* 1 FETCH (UID 5 FLAGS (\\Seen) BODY[] {5}\r\nabcde)\r\na3 OK\r\n") {
			_, _ = theirs.Write([]byte{b})
		}
	}()
	go func() { _, _ = io.Copy(io.Discard, theirs) }()
	defer theirs.Close()
	c, err := New(t.Context(), ours, plain)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Select(t.Context(), "INBOX"); err != nil {
		t.Fatal(err)
	}
	for m, err := range c.Fetch(t.Context(), imap.UIDs(5), imap.FieldFlags, Body("")) {
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(m.Body()); string(b) != "abcde" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
	}
}

// trickle is a server that says something and then an octet every ten seconds.
func trickle(first string) net.Conn {
	ours, theirs := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, theirs) }()
	go func() {
		for text := first; ; text = "x" {
			if _, err := io.WriteString(theirs, text); err != nil {
				_ = theirs.Close()
				return
			}
			<-time.After(10 * time.Second)
		}
	}()
	return ours
}

// TestTime checks that a server which sends an octet now and then does not hold a client for ever.
func TestTime(t *testing.T) {
	o := Options{TLS: TLSNone}
	for _, tt := range []struct {
		name, first string
		context     time.Duration // 0: none
		cancel      time.Duration // 0: never
		do          func(ctx context.Context, c *Client) error
		want        time.Duration
		is          error
	}{
		{"greeting", "* OK ", 0, 0, nil, 2 * time.Minute, nil},
		{"greeting with a deadline", "* OK ", 5 * time.Second, 0, nil, 5 * time.Second, context.DeadlineExceeded},
		{"greeting cancelled", "* OK ", 0, 7 * time.Second, nil, 7 * time.Second, context.Canceled},
		{"command", "* OK [CAPABILITY IMAP4rev1] hi\r\n", 0, 0, func(ctx context.Context, c *Client) error { return c.Noop(ctx) }, 2 * time.Minute, nil},
		{"command cancelled", "* OK [CAPABILITY IMAP4rev1] hi\r\n", 0, 7 * time.Second, func(ctx context.Context, c *Client) error { return c.Noop(ctx) }, 7 * time.Second, context.Canceled},
		{"body", "* OK [CAPABILITY IMAP4rev1] hi\r\n* 1 FETCH (UID 1 BODY[] {100000}\r\n", 0, 0, func(ctx context.Context, c *Client) error {
			for m, err := range c.Fetch(ctx, imap.AllUIDs(), 0, Body("")) {
				if err != nil {
					return err
				}
				<-time.After(time.Hour) // does not count
				if _, err := io.Copy(io.Discard, m.Body()); err == nil {
					t.Error("a body that does not come was read")
				}
			}
			return nil
		}, time.Hour + 2*time.Minute, nil},
		{"pieces within time", "* OK [CAPABILITY IMAP4rev1] hi\r\n* 1 FETCH (UID 1 BODY[] {10}\r\n", 0, 0, func(ctx context.Context, c *Client) error {
			for _, err := range c.Fetch(ctx, imap.AllUIDs(), 0, Body("")) {
				return err
			}
			return nil
		}, 2 * time.Minute, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				if tt.context > 0 {
					ctx, stop = context.WithTimeout(ctx, tt.context)
					defer stop()
				}
				if tt.cancel > 0 {
					time.AfterFunc(tt.cancel, stop)
				}
				start := time.Now()
				c, err := New(ctx, trickle(tt.first), o)
				if tt.do != nil {
					if err != nil {
						t.Fatal(err)
					}
					err = tt.do(ctx, c)
				}
				took := time.Since(start)
				if ne, ok := errors.AsType[net.Error](err); err == nil || tt.is != nil && !errors.Is(err, tt.is) || tt.is == nil && (!ok || !ne.Timeout()) {
					t.Errorf("got %v", err)
				}
				if took < tt.want || took > tt.want+time.Second { // each KiB received buys a second
					t.Errorf("took %v, want %v", took, tt.want)
				}
				<-time.After(time.Minute) // the trickler ends
			})
		})
	}
}

// TestIdle checks that IDLE is renewed, ends with the context and with the loop, and is replaced by NOOP where there is none.
func TestIdle(t *testing.T) {
	for _, tt := range []struct {
		name, caps, dialogue string
		ctx                  time.Duration // 0: without end
		breakAt              int           // events; 0: never
		want                 time.Duration
		events               int
	}{
		{"renewed, until the context ends", "IDLE", "C: a2 IDLE\nS: + \nS: * 4 EXISTS\nC: DONE\nS: a2 OK\nC: a3 IDLE\nS: + \nS: * 1 EXPUNGE\nC: DONE\nS: * 3 EXISTS\nS: a3 OK\nC: a4 NOOP\nS: a4 OK", 40 * time.Minute, 0, 40 * time.Minute, 3},
		{"left by the loop", "IDLE", "C: a2 IDLE\nS: + \nS: * 4 EXISTS\nS> * 5 EXISTS\\r\\n* 6 EX\nC: DONE\nS: ISTS\nS: a2 OK\nC: a3 NOOP\nS: a3 OK", 0, 1, 0, 1},
		{"a line half there as the context ends", "IDLE", "C: a2 IDLE\nS: + \nS: (wait 55s)\nS> * 4 EX\nS: (wait 8s)\nS: ISTS\nC: DONE\nS: a2 OK\nC: a3 NOOP\nS: a3 OK", time.Minute, 0, 63 * time.Second, 1},
		{"the server polls", "", "C: a2 NOOP\nS: a2 OK\nC: a3 NOOP\nS: * 5 EXISTS\nS: a3 OK\nC: a4 NOOP\nS: a4 OK", 150 * time.Second, 0, 150 * time.Second, 1},
		{"refused", "IDLE", "C: a2 IDLE\nS: a2 NO not here\nC: a3 NOOP\nS: a3 OK", 0, 0, 0, -1},
		{"ended by the server", "IDLE", "C: a2 IDLE\nS: + \nS: a2 OK tired\nC: a3 IDLE\nS: + \nC: DONE\nS: a3 OK\nC: a4 NOOP\nS: a4 OK", time.Minute, 0, time.Minute, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := connect(t, Options{TLS: TLSNone, Timeouts: Timeouts{Command: 10 * time.Second}}, tt.caps, tt.dialogue)
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				if tt.ctx > 0 {
					ctx, stop = context.WithTimeout(ctx, tt.ctx)
					defer stop()
				}
				start := time.Now()
				events := 0
				for e, err := range c.Idle(ctx) {
					if err != nil {
						if tt.events >= 0 {
							t.Error(err)
						}
						events = -1
						break
					}
					if events++; events == tt.breakAt {
						break
					}
					_ = e
				}
				if took := time.Since(start); took < tt.want || took > tt.want+time.Second {
					t.Errorf("took %v, want %v", took, tt.want)
				}
				if events != tt.events {
					t.Errorf("%d events, want %d", events, tt.events)
				}
				if err := c.Noop(t.Context()); err != nil {
					t.Errorf("after Idle: %v", err)
				}
			})
		})
	}
}
