package pop3

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
)

// plain is how tests connect without TLS.
var plain = Options{TLS: TLSNone, AllowPlaintextAuth: true}

// script is a server that says what it is told to, whatever the client sends: one entry after each line received, the
// first before any. Then it closes.
func script(t testing.TB, replies ...string) net.Conn {
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer theirs.Close()
		buf := make([]byte, 1)
		for i, reply := range replies {
			for i > 0 {
				if _, err := theirs.Read(buf); err != nil {
					return
				}
				if buf[0] == '\n' {
					break
				}
			}
			if _, err := io.WriteString(theirs, reply); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { _ = ours.Close(); <-done })
	return ours
}

func TestClientSession(t *testing.T) {
	message := "Subject: x\r\n\r\n.\r\n..\r\ntext\r\n"
	m := newMemory(message, octets(200), octets(300))
	s := newServer(m)
	s.TLS = serverTLS(t)
	s.AllowPlaintextAuth = false
	var trace []string
	c, err := NewClient(t.Context(), connectTCP(t, s), Options{TLSConfig: clientTLS(t), Trace: func(sent bool, l string) {
		trace = append(trace, fmt.Sprint(sent, " ", l))
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if c.TLS() == nil || !c.Capabilities().Has("PIPELINING") || len(c.Capabilities()["SASL"]) != 2 {
		t.Errorf("TLS %v, capabilities %v", c.TLS(), c.Capabilities())
	}
	if err := c.UTF8(ctx); err != nil {
		t.Error(err)
	}
	if tag, err := c.Lang(ctx, "*"); tag != "en" || err != nil {
		t.Errorf("Lang: %q, %v", tag, err)
	}
	if tag, err := c.Lang(ctx, "mul"); !isCode(err, "") {
		t.Errorf("Lang mul: %q, %v", tag, err)
	}
	if _, err := c.Lang(ctx, "en\r\nDELE 1"); err == nil || isCode(err, "") {
		t.Errorf("Lang of two lines: %v", err)
	}
	if err := c.Auth(ctx, sasl.Credentials{Username: "bob", Password: "guess"}); !isCode(err, "AUTH") {
		t.Errorf("wrong password: %v", err)
	}
	if err := c.Auth(ctx, sasl.Credentials{Username: "bob", Password: "s p"}); err != nil {
		t.Fatal(err)
	}
	if n, octets, err := c.Stat(ctx); n != 3 || octets != int64(len(message))+500 || err != nil {
		t.Errorf("Stat: %d, %d, %v", n, octets, err)
	}
	body, err := c.Retr(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(body); string(got) != message || err != nil {
		t.Errorf("Retr: %q, %v", got, err)
	}
	body, err = c.Top(ctx, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(body); string(got) != "Subject: x\r\n\r\n.\r\n" || err != nil {
		t.Errorf("Top: %q, %v", got, err)
	}
	if _, err := c.Retr(ctx, 4); !isCode(err, "") {
		t.Errorf("Retr 4: %v", err)
	}
	if _, err := c.Retr(ctx, 2); err != nil { // never read
		t.Error(err)
	}
	if err := c.Dele(ctx, 1, 9, 2); !isCode(err, "") {
		t.Errorf("Dele: %v", err)
	}
	if n, _, err := c.Stat(ctx); n != 1 || err != nil {
		t.Errorf("Stat: %d, %v", n, err)
	}
	if err := c.Rset(ctx); err != nil {
		t.Error(err)
	}
	if err := c.Noop(ctx); err != nil {
		t.Error(err)
	}
	if err := c.Dele(ctx, 3); err != nil {
		t.Error(err)
	}
	if err := c.Quit(ctx); err != nil {
		t.Error(err)
	}
	if _, _, err := c.Stat(ctx); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Quit: %v", err)
	}
	if len(m.messages) != 2 {
		t.Errorf("%d messages left", len(m.messages))
	}
	all := strings.Join(trace, "\n")
	if !strings.Contains(all, "true AUTH PLAIN ****\nfalse +OK") || strings.Contains(all, "AGJvYg") {
		t.Errorf("trace: %s", all)
	}
}

func isCode(err error, code string) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}

// TestClientAuth checks what is sent for each kind of server.
func TestClientAuth(t *testing.T) {
	const greeting, ok = "+OK\r\n", "+OK\r\n"
	bob := sasl.Credentials{Username: "bob", Password: "secret"}
	long := sasl.Credentials{Username: "bob", Password: strings.Repeat("s", 300)}
	for _, tt := range []struct {
		name        string
		credentials sasl.Credentials
		replies     []string
		want        string // what the client sent after CAPA
	}{
		{"no capabilities", bob, []string{"-ERR what?\r\n", ok, ok}, "USER bob|PASS ****"},
		{"no SASL", bob, []string{ok + "USER\r\n.\r\n", ok, ok}, "USER bob|PASS ****"},
		{"PLAIN", bob, []string{ok + "SASL PLAIN LOGIN\r\n.\r\n", ok}, "AUTH PLAIN ****"},
		{"PLAIN, too long for one line", long, []string{ok + "SASL PLAIN\r\n.\r\n", "+ \r\n", ok}, "AUTH PLAIN|****"},
		{"LOGIN", bob, []string{ok + "sasl login\r\n.\r\n", "+ VXNlcm5hbWU6\r\n", "+ UGFzc3dvcmQ6\r\n", ok}, "AUTH LOGIN|****|****"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var sent []string
			o := plain
			o.Trace = func(out bool, l string) {
				if out {
					sent = append(sent, l)
				}
			}
			c, err := NewClient(t.Context(), script(t, append([]string{greeting}, tt.replies...)...), o)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Auth(t.Context(), tt.credentials); err != nil {
				t.Error(err)
			}
			if got := strings.Join(sent[1:], "|"); got != tt.want {
				t.Errorf("sent %q, want %q", got, tt.want)
			}
		})
	}
}

// TestClientKeepsSecret checks that nothing secret is sent where it must not be.
func TestClientKeepsSecret(t *testing.T) {
	capa := "+OK\r\nSASL PLAIN\r\nUSER\r\n.\r\n"
	_, err := NewClient(t.Context(), script(t, "+OK\r\n", capa), Options{TLSConfig: clientTLS(t)})
	if !errors.Is(err, ErrNoTLS) {
		t.Errorf("no STLS: %v", err)
	}
	c, err := NewClient(t.Context(), script(t, "+OK\r\n", capa), Options{TLS: TLSOpportunistic})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Login(t.Context(), "bob", "secret"); !errors.Is(err, sasl.ErrEncryption) {
		t.Errorf("Login in the clear: %v", err)
	}
	if err := c.Auth(t.Context(), sasl.Credentials{Username: "bob", Password: "secret"}); !errors.Is(err, sasl.ErrEncryption) {
		t.Errorf("Auth in the clear: %v", err)
	}
	c, err = NewClient(t.Context(), script(t, "+OK\r\n", capa), plain)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Login(t.Context(), "bob", "x\r\nDELE 1"); !errors.Is(err, sasl.ErrMalformed) {
		t.Errorf("a line end in the password: %v", err)
	}
}

// TestClientCertificate checks that a certificate nobody vouches for ends the connection.
func TestClientCertificate(t *testing.T) {
	s := newServer(newMemory())
	s.TLS = serverTLS(t)
	for _, policy := range []TLSPolicy{TLSRequired, TLSOpportunistic} {
		_, err := NewClient(t.Context(), connectTCP(t, s), Options{TLS: policy, TLSConfig: &tls.Config{ServerName: "pop.example.com"}})
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
			t.Errorf("policy %d: %v", policy, err)
		}
	}
}

// TestHostileServer checks the typed error for each thing a server should not send, and that the client ends.
func TestHostileServer(t *testing.T) {
	const capa = "+OK\r\nSTLS\r\nPIPELINING\r\n.\r\n"
	endless := strings.Repeat("x", 100_000)
	stat := func(c *Client) error { _, _, err := c.Stat(t.Context()); return err }
	list := func(c *Client) error { _, err := c.List(t.Context()); return err }
	uidl := func(c *Client) error { _, err := c.UIDL(t.Context()); return err }
	retr := func(c *Client) error {
		body, err := c.Retr(t.Context(), 1)
		if err == nil {
			_, err = io.Copy(io.Discard, body)
		}
		return err
	}
	auth := func(c *Client) error {
		return c.Auth(t.Context(), sasl.Credentials{Username: "u", Password: strings.Repeat("p", 300)})
	}
	protocol, limit, refused := as[*ProtocolError], as[*LimitError], as[*Error]
	eof := func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }
	for _, tt := range []struct {
		name    string
		options func(*Options)
		replies []string
		do      func(c *Client) error // nil: NewClient fails
		is      func(error) bool
	}{
		{"refused", nil, []string{"-ERR [SYS/TEMP] busy\r\n"}, nil, func(err error) bool {
			e, ok := errors.AsType[*Error](err)
			return ok && e.Code == "SYS/TEMP" && e.Text == "busy" && e.Temporary()
		}},
		{"an SMTP server", nil, []string{"220 mail.example.com ESMTP\r\n"}, nil, protocol},
		{"nothing", nil, []string{""}, nil, eof},
		{"half a line", nil, []string{"+OK"}, nil, eof},
		{"endless greeting", nil, []string{"+OK " + endless + "\r\n"}, nil, limit},
		{"bare LF", nil, []string{"+OK\n"}, nil, protocol},
		{"NUL", nil, []string{"+OK \x00\r\n"}, nil, protocol},
		{"endless capabilities", nil, []string{"+OK\r\n", "+OK\r\n" + strings.Repeat("X\r\n", 2000) + ".\r\n"}, nil, limit},
		{"octets behind STLS", func(o *Options) { o.TLS = TLSRequired }, []string{"+OK\r\n", capa, "+OK\r\n+OK 1 1\r\n"}, nil, protocol},
		{"STLS refused", func(o *Options) { o.TLS = TLSOpportunistic }, []string{"+OK\r\n", capa, "-ERR no\r\n"}, nil, refused},
		{"STAT without numbers", nil, []string{"+OK\r\n", capa, "+OK\r\n"}, stat, protocol},
		{"STAT below zero", nil, []string{"+OK\r\n", capa, "+OK -1 5\r\n"}, stat, protocol},
		{"STAT beyond int", nil, []string{"+OK\r\n", capa, "+OK 99999999999999999999 5\r\n"}, stat, protocol},
		{"STAT refused", nil, []string{"+OK\r\n", capa, "-ERR [SYS/PERM]broken\r\n"}, stat, refused},
		{"LIST of nonsense", nil, []string{"+OK\r\n", capa, "+OK\r\nfoo bar\r\n.\r\n"}, list, protocol},
		{"LIST with number 0", nil, []string{"+OK\r\n", capa, "+OK\r\n0 5\r\n.\r\n"}, list, protocol},
		{"endless LIST", func(o *Options) { o.MaxMessages = 10 }, []string{"+OK\r\n", capa, "+OK\r\n" + strings.Repeat("1 5\r\n", 11) + ".\r\n"}, list, limit},
		{"LIST cut short", nil, []string{"+OK\r\n", capa, "+OK\r\n1 5\r\n"}, list, eof},
		{"UIDL without ids", nil, []string{"+OK\r\n", capa, "+OK\r\n1\r\n.\r\n"}, uidl, protocol},
		{"message cut short", nil, []string{"+OK\r\n", capa, "+OK\r\nSubject: x\r\n"}, retr, eof},
		{"endless message", func(o *Options) { o.MaxMessage = 1000 }, []string{"+OK\r\n", capa, "+OK\r\n" + endless + "\r\n.\r\n"}, retr, limit},
		{"challenge not base64", nil, []string{"+OK\r\n", "+OK\r\nSASL PLAIN\r\n.\r\n", "+ %%%\r\n"}, auth, protocol},
		{"challenge without end", nil, []string{"+OK\r\n", "+OK\r\nSASL PLAIN\r\n.\r\n", "+ \r\n", "+ AAAA\r\n", "-ERR\r\n"}, auth, func(err error) bool { return err != nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := plain
			if tt.options != nil {
				tt.options(&o)
			}
			c, err := NewClient(t.Context(), script(t, tt.replies...), o)
			if tt.do != nil {
				if err != nil {
					t.Fatal(err)
				}
				err = tt.do(c)
			}
			if !tt.is(err) {
				t.Errorf("got %v (%T)", err, err)
			}
			if _, refused := errors.AsType[*Error](err); tt.do == nil || refused || strings.HasPrefix(tt.name, "challenge w") {
				return
			}
			if again := stat(c); again != c.err || again == nil {
				t.Errorf("the connection still works: %v", again)
			}
		})
	}
}

func as[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// TestRetrAll fetches many at once: read whole, in part, not at all, and left in the middle.
func TestRetrAll(t *testing.T) {
	var all []string
	for i := range 30 {
		all = append(all, octets(100+20_000*i))
	}
	for _, pipelining := range []bool{true, false} {
		c, err := NewClient(t.Context(), connectTCP(t, newServer(newMemory(all...))), plain)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Login(t.Context(), "bob", "s p"); err != nil {
			t.Fatal(err)
		}
		if !pipelining {
			delete(c.capa, "PIPELINING")
		}
		numbers := []int{1, 99, 2}
		for n := 3; n <= 30; n++ {
			numbers = append(numbers, n)
		}
		var got []int
		for b, err := range c.RetrAll(t.Context(), numbers...) {
			got = append(got, b.Number)
			if err := c.Noop(t.Context()); !errors.Is(err, ErrBusy) {
				t.Errorf("a method within the loop: %v", err)
			}
			switch {
			case b.Number == 99:
				if !isCode(err, "") {
					t.Errorf("message 99: %v", err)
				}
				if _, err := b.Read(make([]byte, 1)); err == nil {
					t.Error("message 99 was read")
				}
			case err != nil:
				t.Fatal(err)
			case b.Number%3 == 0:
				if s, err := io.ReadAll(b); string(s) != all[b.Number-1] || err != nil {
					t.Errorf("message %d: %d octets, %v", b.Number, len(s), err)
				}
			case b.Number%3 == 1:
				_, _ = io.CopyN(io.Discard, b, 50)
			}
		}
		if !slices.Equal(got, numbers) {
			t.Errorf("got %v", got)
		}
		if n, _, err := c.Stat(t.Context()); n != 30 || err != nil {
			t.Errorf("after the loop: %d, %v", n, err)
		}
		for b, err := range c.RetrAll(t.Context(), numbers...) {
			if err != nil || b.Number != 1 {
				t.Error(b, err)
			}
			break
		}
		if n, _, err := c.Stat(t.Context()); n != 30 || err != nil {
			t.Errorf("after a loop that was left: %d, %v", n, err)
		}
		for b, err := range c.RetrAll(t.Context(), numbers...) {
			if err == nil && b.Number == 25 { // 8 messages ahead are more than 1 MiB
				break
			}
		}
		if _, _, err := c.Stat(t.Context()); as[*LimitError](err) != pipelining {
			t.Errorf("after a loop that was left too early: %v", err)
		}
	}
	tape := &tape{in: bytes.NewReader([]byte("+OK\r\n+OK\r\nPIPELINING\r\n.\r\n+OK\r\nx\r\n.\r\n+OK\r\ncut"))}
	c, err := NewClient(t.Context(), tape, plain)
	if err != nil {
		t.Fatal(err)
	}
	var errs []string
	for b, err := range c.RetrAll(t.Context(), 1, 2, 3) {
		errs = append(errs, fmt.Sprint(b != nil, err))
	}
	if got := strings.Join(errs, ", "); got != "true <nil>, true <nil>, false pop3: RETR: unexpected EOF" {
		t.Errorf("a connection that ends: %s", got)
	}
	if got := tape.out.String(); got != "CAPA\r\nRETR 1\r\nRETR 2\r\nRETR 3\r\n" {
		t.Errorf("sent %q", got)
	}
}

// TestClientTime checks that a server which sends an octet now and then does not hold a client for ever.
func TestClientTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trickle := func(first string) net.Conn {
			ours, theirs := net.Pipe()
			go func() {
				if _, err := io.WriteString(theirs, first); err != nil {
					return
				}
				for {
					<-time.After(10 * time.Second)
					if _, err := io.WriteString(theirs, "x"); err != nil {
						return
					}
				}
			}()
			return ours
		}
		start := time.Now()
		_, err := NewClient(t.Context(), trickle("+OK "), plain)
		if ne, ok := errors.AsType[net.Error](err); !ok || !ne.Timeout() || time.Since(start) != time.Minute {
			t.Errorf("greeting: %v after %v", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start = time.Now()
		_, err = NewClient(ctx, trickle("+OK "), plain)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("with a deadline: %v after %v", err, time.Since(start))
		}
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(7*time.Second, stop)
		start = time.Now()
		_, err = NewClient(ctx, trickle("+OK "), plain)
		if !errors.Is(err, context.Canceled) || time.Since(start) != 7*time.Second {
			t.Errorf("cancelled: %v after %v", err, time.Since(start))
		}
		<-time.After(time.Minute) // the tricklers end
	})
}

// TestBodyTime checks that a message may take long if it keeps coming or its reader pauses, and not otherwise.
func TestBodyTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			name         string
			octets       int // every 10 s, 100 times
			pause        time.Duration
			ok           bool
			cancelBefore bool
		}{
			{"fast enough", 16 << 10, 0, true, false},
			{"too slow", 100, 0, false, false},
			{"the reader pauses", 16 << 10, time.Hour, true, false},
			{"cancelled", 16 << 10, 0, false, true},
		} {
			ours, theirs := net.Pipe()
			go func() {
				defer theirs.Close()
				buf := make([]byte, 100)
				_, _ = io.WriteString(theirs, "+OK\r\n")
				_, _ = theirs.Read(buf)
				_, _ = io.WriteString(theirs, "-ERR\r\n")
				_, _ = theirs.Read(buf)
				_, _ = io.WriteString(theirs, "+OK\r\n")
				for range 100 {
					<-time.After(10 * time.Second)
					if _, err := theirs.Write(bytes.Repeat([]byte{'x'}, tt.octets)); err != nil {
						return
					}
				}
				_, _ = io.WriteString(theirs, "\r\n.\r\n")
			}()
			c, err := NewClient(t.Context(), ours, plain)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			body, err := c.Retr(ctx, 1)
			if err != nil {
				t.Fatal(err)
			}
			if tt.cancelBefore {
				cancel()
			}
			first := make([]byte, 10)
			if _, err = io.ReadFull(body, first); err == nil {
				<-time.After(tt.pause)
				_, err = io.Copy(io.Discard, body)
			}
			if (err == nil) != tt.ok || tt.cancelBefore && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", tt.name, err)
			}
			_ = c.Close()
			<-time.After(time.Hour)
		}
	})
}
