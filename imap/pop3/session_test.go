package pop3

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
)

// TestHostile plays what a client should not send. Every script ends with what the backend must not have seen.
func TestHostile(t *testing.T) {
	huge := strings.Repeat("x", 100_000)
	for _, tt := range []struct{ name, script string }{
		{"transaction commands before login", "S: +OK…\nC: STAT\nS: -ERR…\nC: RETR 1\nS: -ERR…\nC: DELE 1\nS: -ERR…\nC: RSET\nS: -ERR…\nC: QUIT\nS: +OK…\nS: (closed)"},
		{"login twice", login + "\nC: USER bob\nS: -ERR…\nC: PASS s p\nS: -ERR…\nC: STLS\nS: -ERR…\nC: UTF8\nS: -ERR…"},
		{"PASS without USER", "S: +OK…\nC: PASS s p\nS: -ERR…\nC: STAT\nS: -ERR…"},
		{"PASS twice", "S: +OK…\nC: USER bob\nS: +OK…\nC: PASS no\nS: -ERR [AUTH]…\nC: PASS s p\nS: -ERR USER first"},
		{"AUTH forgets USER", "S: +OK…\nC: USER bob\nS: +OK…\nC: AUTH PLAIN\nS: + \nC: *\nS: -ERR…\nC: PASS s p\nS: -ERR USER first"},
		{"guessing", "S: +OK…" + strings.Repeat("\nC: USER bob\nS: +OK…\nC: PASS no\nS: -ERR [AUTH]…", 3) + "\nS: (closed)"},
		{"nobody and bob are refused alike", "S: +OK…\nC: USER nobody\nS: +OK and the password?\nC: PASS no\nS: -ERR [AUTH] wrong name or password\nC: USER bob\nS: +OK and the password?\nC: PASS no\nS: -ERR [AUTH] wrong name or password"},
		{"directory down", "S: +OK…\nC: USER broken\nS: +OK…\nC: PASS x\nS: -ERR [SYS/TEMP]…"},
		{"user without mailbox", "S: +OK…\nC: USER eve\nS: +OK…\nC: PASS s p\nS: -ERR [SYS/PERM]…"},
		{"not UTF-8", "S: +OK…\nC: USER \xff\xfe\nS: -ERR…\nC: PASS x\nS: -ERR…"},
		{"HTTP", "S: +OK…\nC: POST / HTTP/1.1\nS: -ERR…\nS: (closed)"},
		{"30 bad commands", "S: +OK…" + strings.Repeat("\nC: XYZZY\nS: -ERR…", 20) + "\nS: (closed)"},
		{"empty line", "S: +OK…\nC:\nS: -ERR…\nC: QUIT\nS: +OK…"},
		{"bare LF", "S: +OK…\nC: NOOP\\nQUIT\nS: -ERR…\nS: +OK…\nS: (closed)"},
		{"bare CR and NUL", "S: +OK…\nC: CAPA\\rQUIT\nS: -ERR…\nC: CA\\0PA\nS: -ERR…\nC: QUIT\nS: +OK…"},
		{"100 kB line", login + "\nC: RETR " + huge + "\nS: -ERR line too long\nC: NOOP\nS: +OK…"},
		{"numbers", login + "\nC: RETR 0\nS: -ERR…\nC: RETR 4294967297\nS: -ERR no such…\nC: RETR 18446744073709551617\nS: -ERR no such…\nC: RETR -1\nS: -ERR…\nC: RETR +1\nS: -ERR…\nC: RETR 1 1\nS: -ERR…\nC: RETR\nS: -ERR…\nC: TOP 1 -1\nS: -ERR…\nC: TOP 1\nS: -ERR…\nC: LIST 1x\nS: -ERR…\nC: DELE 1:2\nS: -ERR…\nC: DELE *\nS: -ERR…\nC: STAT\nS: +OK 1 14"},
		{"arguments", login + "\nC: STAT 1\nS: -ERR…\nC: QUIT now\nS: -ERR…\nC: DELE\nS: -ERR…\nC: LIST \nS: +OK…\nS: 1 14\nS: ."},
		{"marks, and the connection lost", login + "\nC: DELE 1\nS: +OK…"},
		{"SASL line too long", "S: +OK…\nC: AUTH PLAIN\nS: + \nC: " + huge + "\nS: -ERR…\nS: (closed)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMemory("Subject: x\r\n\r\n")
			dialogue(t, newServer(m), tt.script)
			if len(m.expunges) > 0 {
				t.Errorf("expunged %q", m.expunges)
			}
		})
	}
}

// TestPlaintextRefused checks that no password passes without TLS unless the Server is told so.
func TestPlaintextRefused(t *testing.T) {
	s := newServer(newMemory())
	s.AllowPlaintextAuth = false
	s.TLS = serverTLS(t)
	dialogue(t, s, `
		S: +OK…
		C: CAPA
		S: +OK…
		S: STLS
		S: TOP
		S: UIDL
		S: PIPELINING
		S: RESP-CODES
		S: AUTH-RESP-CODE
		S: UTF8 USER
		S: LANG
		S: EXPIRE NEVER
		S: IMPLEMENTATION mailbricks
		S: .
		C: USER bob
		S: -ERR TLS first
		C: PASS s p
		S: -ERR…
		C: AUTH PLAIN AGJvYgBzIHA=
		S: -ERR TLS first
		C: STLS
		S: +OK…
		C: (handshake)
		C: CAPA
		S: +OK…
		S: SASL PLAIN LOGIN
		S: USER
		S: TOP
		S: UIDL
		S: PIPELINING
		S: RESP-CODES
		S: AUTH-RESP-CODE
		S: UTF8 USER
		S: LANG
		S: EXPIRE NEVER
		S: IMPLEMENTATION mailbricks
		S: .
		C: STLS
		S: -ERR…
		C: USER bob
		S: +OK…
		C: PASS s p
		S: +OK…
		C: QUIT
		S: +OK…
		S: (closed)`)
}

// TestUserBeforeSTLS checks that what was said in the clear does not count after the handshake.
func TestUserBeforeSTLS(t *testing.T) {
	s := newServer(newMemory())
	s.TLS = serverTLS(t)
	dialogue(t, s, "S: +OK…\nC: USER bob\nS: +OK…\nC: STLS\nS: +OK…\nC: (handshake)\nC: PASS s p\nS: -ERR USER first")
	dialogue(t, s, "S: +OK…\nC: UTF8\nS: +OK…\nC: STLS\nS: -ERR…")
}

// TestBehindSTLS checks that commands in the clear behind STLS are never run.
func TestBehindSTLS(t *testing.T) {
	s := newServer(newMemory())
	s.TLS = serverTLS(t)
	dialogue(t, s, "S: +OK…\nC: STLS\\r\\nUSER bob\nS: -ERR…\nS: (closed)")
}

func TestImplicitTLS(t *testing.T) {
	s := newServer(newMemory())
	s.AllowPlaintextAuth = false
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- s.Serve(ctx, tls.NewListener(ln, serverTLS(t))) }()
	c, err := Dial(ctx, ln.Addr().String(), Options{TLS: TLSImplicit, TLSConfig: clientTLS(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Login(ctx, "bob", "s p"); err != nil {
		t.Error(err)
	}
	if err := c.Quit(ctx); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestPipelining sends a whole session at once, and counts how often the server writes.
func TestPipelining(t *testing.T) {
	m := newMemory(octets(100), octets(100))
	ours, theirs := net.Pipe()
	counted := &countWrites{Conn: theirs}
	done := make(chan struct{})
	go func() { defer close(done); _ = newServer(m).ServeConn(t.Context(), counted) }()
	go func() {
		_, _ = io.WriteString(ours, "USER bob\r\nPASS s p\r\nSTAT\r\nDELE 1\r\nRETR 2\r\nDELE 2\r\nNOOP\r\nQUIT\r\n")
	}()
	got, err := io.ReadAll(ours)
	<-done
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(got), "+OK"); n != 9 {
		t.Errorf("%d replies: %q", n, got)
	}
	if strings.Join(m.expunges, "") != "INBOX 1:2" {
		t.Errorf("expunged %q", m.expunges)
	}
	if counted.writes > 2 { // the greeting, and all the replies
		t.Errorf("%d writes", counted.writes)
	}
}

type countWrites struct {
	net.Conn
	writes int
}

func (c *countWrites) Write(p []byte) (int, error) {
	c.writes++
	return c.Conn.Write(p)
}

// TestOctetByOctet feeds a session one octet at a time.
func TestOctetByOctet(t *testing.T) {
	m := newMemory(octets(100))
	c := connect(t, newServer(m))
	go func() {
		for _, b := range []byte("USER bob\r\nPASS s p\r\nDELE 1\r\nQUIT\r\n") {
			_, _ = c.Write([]byte{b})
		}
	}()
	got, _ := io.ReadAll(c)
	if !strings.HasSuffix(string(got), "+OK good-bye (0 messages left)\r\n") || len(m.expunges) != 1 {
		t.Errorf("got %q, expunged %q", got, m.expunges)
	}
}

// TestUpdateFails checks that QUIT tells that messages have not been removed.
func TestUpdateFails(t *testing.T) {
	m := newMemory(octets(100))
	m.broken = errors.New("disk full")
	var log bytes.Buffer
	s := newServer(m)
	s.Logger = slog.New(slog.NewTextHandler(&log, nil))
	dialogue(t, s, login+"\nC: DELE 1\nS: +OK…\nC: QUIT\nS: -ERR [SYS/TEMP] some deleted messages not removed\nS: (closed)")
	if !strings.Contains(log.String(), "disk full") {
		t.Errorf("logged %q", log.String())
	}
	if strings.Contains(log.String(), "s p") {
		t.Errorf("a password was logged: %q", log.String())
	}
}

func TestReadOnly(t *testing.T) {
	m := newMemory(octets(100))
	m.readOnly = true
	dialogue(t, newServer(m), login+"\nC: DELE 1\nS: -ERR…\nC: STAT\nS: +OK 1 100\nC: QUIT\nS: +OK…")
}

// TestExpireZero has a server that keeps no mail (RFC 2449 §6.7): what was sent whole goes at QUIT.
func TestExpireZero(t *testing.T) {
	m := newMemory(octets(100), octets(101), octets(102), octets(103))
	s := newServer(m)
	s.Expire = -1
	dialogue(t, s, "S: +OK…\nC: CAPA\nS: +OK…\nS: SASL PLAIN LOGIN\nS: USER\nS: TOP\nS: UIDL\nS: PIPELINING\nS: RESP-CODES\nS: AUTH-RESP-CODE\n"+
		"S: UTF8 USER\nS: LANG\nS: EXPIRE 0\nS: IMPLEMENTATION mailbricks\nS: .\nC: QUIT\nS: +OK…")
	session := func(want string, commands ...string) {
		t.Helper()
		c := connect(t, s)
		r := bufio.NewReader(c)
		say := func(l, want string) {
			t.Helper()
			if l != "" {
				_, _ = io.WriteString(c, l)
			}
			if got, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(got, want) {
				t.Fatalf("%s: got %q (%v), want %q", l, got, err, want)
			}
			for rest := strings.HasPrefix(l, "RETR") || strings.HasPrefix(l, "TOP"); rest; {
				got, err := r.ReadString('\n')
				if rest = got != ".\r\n"; err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, l := range append([]string{"", "USER bob\r\n", "PASS s p\r\n"}, commands...) {
			say(l, "+OK")
		}
		say("QUIT\r\n", want)
	}
	session("+OK good-bye (4 messages left)", "RETR 1\r\n", "RETR 2\r\n", "RSET\r\n", "TOP 3 1000\r\n")
	session("+OK good-bye (2 messages left)", "RETR 2\r\n", "DELE 2\r\n", "RETR 4\r\n", "STAT\r\n")
	if len(m.messages) != 2 || m.messages[1] == "" || m.messages[3] == "" {
		t.Errorf("left %v", m.messages)
	}
	m.readOnly = true
	session("+OK good-bye (2 messages left)", "RETR 1\r\n")
}

// TestSnapshot checks that numbers hold while others add and remove messages.
func TestSnapshot(t *testing.T) {
	m := newMemory(octets(100), octets(101), octets(102))
	s := newServer(m)
	c := connect(t, s)
	r := bufio.NewReader(c)
	say := func(l, want string) {
		t.Helper()
		if l != "" {
			_, _ = io.WriteString(c, l+"\r\n")
		}
		if got, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(got, want) {
			t.Fatalf("%s: got %q (%v), want %q", l, got, err, want)
		}
	}
	say("", "+OK")
	say("USER bob", "+OK")
	say("PASS s p", "+OK 3 messages (303 octets)")
	m.add(octets(500))
	m.mu.Lock()
	delete(m.messages, 2)
	m.mu.Unlock()
	say("STAT", "+OK 3 303")
	say("UIDL 3", "+OK 3 77.3")
	say("RETR 2", "-ERR that message has been removed meanwhile")
	say("LIST 4", "-ERR")
	say("DELE 2", "+OK")
	say("DELE 3", "+OK")
	say("QUIT", "+OK good-bye (1 messages left)")
	if len(m.messages) != 2 || m.messages[4] == "" {
		t.Errorf("left %v", m.messages)
	}
}

// TestLimitMessages checks that of a maildrop beyond the limit the oldest messages are shown.
func TestLimitMessages(t *testing.T) {
	s := newServer(newMemory(octets(100), octets(101), octets(102)))
	s.Limits.Messages = 2
	dialogue(t, s, login+"\nC: STAT\nS: +OK 2 201\nC: RETR 3\nS: -ERR…")
}

// TestBodyFails checks that a message that cannot be read to its end never gets its final dot.
func TestBodyFails(t *testing.T) {
	m := newMemory("Subject: x\r\n\r\n" + strings.Repeat("x\r\n", 100_000))
	m.failing = errors.New("bad sector")
	c := connect(t, newServer(m))
	go func() { _, _ = io.WriteString(c, "USER bob\r\nPASS s p\r\nRETR 1\r\nNOOP\r\n") }()
	got, _ := io.ReadAll(c)
	if bytes.Contains(got, []byte("\r\n.\r\n")) || bytes.HasSuffix(got, []byte("+OK still here\r\n")) {
		t.Errorf("a message cut short was ended: %q", got[max(0, len(got)-100):])
	}
}

// Without the UTF8 command a message whose header has UTF-8 is refused (RFC 6856 §2.1, §5), unless the Server is told otherwise. Any
// other is sent, whatever its octets.
func TestUTF8(t *testing.T) {
	long := "Received: " + strings.Repeat("x", 60_000) + "\r\n"
	messages := []string{
		"Subject: Grüße\r\n\r\nx\r\n",
		"Subject: Gr\xfc\xdfe\r\n\r\nx\r\n",           // ISO 8859-1
		"Subject: Gr\xfc\xdfe ü\r\n\r\nx\r\n",         // both
		"Subject: x\r\n\r\nGrüße\r\n",                 // 8bit body
		"Subject: x\n\nGrüße\r\n",                     // bare LF
		"ü",                                           // no more than that
		"Subject: \xc3",                               // half a character
		long + long + "To: ü\r\n\r\n" + long,          // in the second chunk
		long[:10] + strings.Repeat("ü", 40_000) + "y", // across the chunks
	}
	refused := map[int]bool{1: true, 6: true, 8: true, 9: true}
	m := newMemory(messages...)
	for _, mode := range []string{"", "UTF8", "always"} {
		s := newServer(m)
		s.AlwaysUTF8 = mode == "always"
		c, err := Dial(t.Context(), listen(t, s, false), plain)
		if err != nil {
			t.Fatal(err)
		}
		if mode == "UTF8" {
			if err := c.UTF8(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Login(t.Context(), "bob", "s p"); err != nil {
			t.Fatal(err)
		}
		for i, want := range messages {
			for name, read := range map[string]func() (io.Reader, error){
				"RETR": func() (io.Reader, error) { return c.Retr(t.Context(), i+1) },
				"TOP":  func() (io.Reader, error) { return c.Top(t.Context(), i+1, 1_000_000) },
			} {
				r, err := read()
				if mode == "" && refused[i+1] {
					if e, ok := errors.AsType[*Error](err); !ok || e.Code != "UTF8" {
						t.Errorf("%s %d: %v", name, i+1, err)
					}
					continue
				}
				if err != nil {
					t.Fatalf("%s, %s %d: %v", mode, name, i+1, err)
				}
				got, err := io.ReadAll(r)
				if want := strings.TrimSuffix(strings.ReplaceAll(strings.ReplaceAll(want, "\r\n", "\n"), "\n", "\r\n"), "\r\n") + "\r\n"; err != nil || string(got) != want {
					t.Errorf("%s, %s %d: %d octets instead of %d, %v", mode, name, i+1, len(got), len(want), err)
				}
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestTimeouts checks that each phase ends by the clock, however busy the client seems.
func TestTimeouts(t *testing.T) {
	for _, tt := range []struct {
		name  string
		login bool
		trick string // sent again and again, every 10 s
		want  time.Duration
	}{
		{"silent before login", false, "", 2 * time.Minute},
		{"busy before login", false, "CAPA\r\n", 2 * time.Minute},
		{"silent", true, "", 10 * time.Minute},
		{"an octet every 10 s", true, "x", 10 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(octets(100))
				s := newServer(m)
				s.Limits.BadCommands = 1000
				c := connect(t, s)
				r := bufio.NewReader(c)
				_, _ = r.ReadString('\n')
				if tt.login {
					_, _ = io.WriteString(c, "USER bob\r\n")
					_, _ = r.ReadString('\n')
					_, _ = io.WriteString(c, "PASS s p\r\n")
					_, _ = r.ReadString('\n')
				}
				start := time.Now()
				var sender sync.WaitGroup
				sender.Go(func() {
					for tt.trick != "" {
						<-time.After(10 * time.Second) // of the bubble's clock
						if _, err := io.WriteString(c, tt.trick); err != nil {
							return
						}
					}
				})
				_, _ = io.Copy(io.Discard, r)
				sinceStart := time.Since(start)
				sender.Wait()
				if got := sinceStart; got != tt.want {
					t.Errorf("closed after %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// TestSlowReader checks that a client which takes nothing of a message, or little, does not hold a session, and that one
// which takes enough is served to the end.
func TestSlowReader(t *testing.T) {
	for _, tt := range []struct {
		name  string
		every time.Duration // for 1 KiB
		reply string        // RETR of 300,000 octets, or UIDL of 20,000 messages
		ok    bool
	}{
		{"nothing of a message", 0, "RETR 1", false},
		{"nothing of a listing", 0, "UIDL", false},
		{"a message too slowly", 2 * time.Second, "RETR 1", false},
		{"a listing too slowly", 2 * time.Second, "UIDL", false},
		{"a message just fast enough", 900 * time.Millisecond, "RETR 1", true},
		{"a listing just fast enough", 900 * time.Millisecond, "UIDL", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(strings.Repeat("x\r\n", 100_000))
				for range 20_000 {
					m.add("x\r\n")
				}
				ours, theirs := net.Pipe()
				var client sync.WaitGroup
				client.Go(func() { _, _ = io.WriteString(ours, "USER bob\r\nPASS s p\r\n"+tt.reply+"\r\nQUIT\r\n") })
				var got bytes.Buffer
				client.Go(func() {
					r := bufio.NewReader(ours)
					for range 3 {
						_, _ = r.ReadString('\n')
					}
					for tt.every > 0 {
						<-time.After(tt.every)
						if _, err := io.CopyN(&got, r, 1024); err != nil {
							return
						}
					}
				})
				start := time.Now()
				_ = newServer(m).ServeConn(t.Context(), theirs)
				took := time.Since(start)
				client.Wait()
				if whole := bytes.Contains(got.Bytes(), []byte("+OK good-bye")); whole != tt.ok || !tt.ok && took > 5*time.Minute || tt.every == 0 && took > 2*time.Minute {
					t.Errorf("served to the end: %v, after %v", whole, took)
				}
				_ = ours.Close()
			})
		})
	}
}

// TestShutdown ends the server's context at every kind of moment.
func TestShutdown(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory(octets(100))
			ours, theirs := net.Pipe()
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); _ = newServer(m).ServeConn(ctx, theirs) }()
			go func() {
				_, _ = io.WriteString(ours, "USER bob\r\nPASS s p\r\nDELE 1\r\n")
				synctest.Wait()
				cancel()
			}()
			got, _ := io.ReadAll(ours)
			<-done
			if !bytes.HasSuffix(got, []byte("+OK marked\r\n-ERR [SYS/TEMP] shutting down\r\n")) {
				t.Errorf("got %q", got)
			}
			if len(m.expunges) > 0 {
				t.Error("the end of the server is no QUIT")
			}
		})
	})
	t.Run("within a message", func(t *testing.T) {
		message := strings.Repeat("x\r\n", 100_000)
		m := newMemory(message)
		ours, theirs := net.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = newServer(m).ServeConn(ctx, theirs) }()
		go func() {
			_, _ = io.WriteString(ours, "USER bob\r\nPASS s p\r\nDELE 1\r\nRSET\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n")
		}()
		first := make([]byte, 1000)
		_, err := io.ReadFull(ours, first)
		cancel()
		rest, _ := io.ReadAll(ours)
		<-done
		if err != nil || !bytes.HasSuffix(rest, []byte("x\r\n.\r\n-ERR [SYS/TEMP] shutting down\r\n")) || len(m.expunges) > 0 {
			t.Errorf("%v, got …%q, expunged %q", err, rest[max(0, len(rest)-100):], m.expunges)
		}
	})
}

// TestCutter compares what is sent with a simple account of it, for every way to split a message into chunks.
func TestCutter(t *testing.T) {
	for _, tt := range []struct{ message, want string }{
		{"", ".\r\n"},
		{"a", "a\r\n.\r\n"},
		{".", "..\r\n.\r\n"},
		{"\r\n", "\r\n.\r\n"},
		{"a\r\n.\r\n..\r\n.b\r\n", "a\r\n..\r\n...\r\n..b\r\n.\r\n"},
		{"a\n.\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"}, // a dot behind a bare LF must not end the message for anybody
		{"a\r.\rb\x00c\r\n", "a\r.\rb\x00c\r\n.\r\n"},
		{"a\r", "a\r\n.\r\n"},
		{"a\r\r\n.\r\n", "a\r\r\n..\r\n.\r\n"},
	} {
		for chunk := 1; chunk <= len(tt.message)+1; chunk++ {
			var out bytes.Buffer
			w := bufio.NewWriter(&out)
			c := cutter{w: w, start: true, header: true, lines: -1}
			for p := []byte(tt.message); len(p) > 0; p = p[min(chunk, len(p)):] {
				if err := c.write(p[:min(chunk, len(p))]); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.close(); err != nil {
				t.Fatal(err)
			}
			_ = w.Flush()
			if out.String() != tt.want {
				t.Errorf("%q in chunks of %d: %q, want %q", tt.message, chunk, out.String(), tt.want)
			}
		}
	}
}

// TestTop cuts messages at every number of lines, in chunks of every size.
func TestTop(t *testing.T) {
	for _, tt := range []struct {
		message string
		lines   int64
		want    string
	}{
		{"A: 1\r\n\r\nx\r\ny\r\n", 0, "A: 1\r\n\r\n.\r\n"},
		{"A: 1\r\n\r\nx\r\ny\r\n", 1, "A: 1\r\n\r\nx\r\n.\r\n"},
		{"A: 1\r\n\r\nx\r\ny\r\n", 9, "A: 1\r\n\r\nx\r\ny\r\n.\r\n"},
		{"A: 1\r\n\r\n\r\n\r\ny", 1, "A: 1\r\n\r\n\r\n.\r\n"},
		{"A: 1\r\n\r\r\n\r\n", 0, "A: 1\r\n\r\r\n\r\n.\r\n"},
		{"A: 1\r\n", 5, "A: 1\r\n.\r\n"},
		{"\r\nx\r\ny\r\n", 1, "\r\nx\r\n.\r\n"},
		{"A: 1\n\nx\ny\n", 1, "A: 1\r\n\r\nx\r\n.\r\n"},
	} {
		for chunk := 1; chunk <= len(tt.message); chunk++ {
			var out bytes.Buffer
			w := bufio.NewWriter(&out)
			c := cutter{w: w, start: true, header: true, lines: tt.lines}
			for p := []byte(tt.message); len(p) > 0; p = p[min(chunk, len(p)):] {
				_ = c.write(p[:min(chunk, len(p))])
			}
			_ = c.close()
			_ = w.Flush()
			if out.String() != tt.want {
				t.Errorf("%q, %d lines, in chunks of %d: %q, want %q", tt.message, tt.lines, chunk, out.String(), tt.want)
			}
		}
	}
}

// TestListReadsNoBodies lists a large maildrop.
func TestListReadsNoBodies(t *testing.T) {
	m := newMemory()
	for range 100_000 {
		m.add("x\r\n")
	}
	c, err := NewClient(t.Context(), connect(t, newServer(m)), Options{TLS: TLSNone, AllowPlaintextAuth: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Auth(t.Context(), sasl.Credentials{Username: "bob", Password: "s p"}); err != nil {
		t.Fatal(err)
	}
	list, err := c.List(t.Context())
	if err != nil || len(list) != 100_000 || list[99_999] != (Entry{Number: 100_000, Size: 3}) {
		t.Errorf("%d messages, %v", len(list), err)
	}
	ids, err := c.UIDL(t.Context())
	if err != nil || len(ids) != 100_000 || ids[99_999] != (Entry{Number: 100_000, UID: "77.100000"}) {
		t.Errorf("%d messages, %v", len(ids), err)
	}
	if m.bodies != 0 {
		t.Errorf("%d bodies opened", m.bodies)
	}
}

// TestLang is RFC 6856 §3, in both states.
func TestLang(t *testing.T) {
	dialogue(t, newServer(newMemory()), `
		S: +OK…
		C: LANG
		S: +OK…
		S: en English
		S: i-default
		S: .
		C: LANG MUL
		S: -ERR…
		C: LANG EN
		S: +OK en…
		C: LANG en-GB
		S: +OK en…
		C: LANG eng
		S: -ERR…
		C: USER bob
		S: +OK…
		C: PASS s p
		S: +OK…
		C: LANG *
		S: +OK en…
		C: LANG i-default
		S: +OK i-default…
		C: QUIT
		S: +OK…
		S: (closed)`)
}

// TestLoginDelay is RFC 2449 §6.5 and §8.1.1, and the retention of §6.7.
func TestLoginDelay(t *testing.T) {
	s := newServer(newMemory(octets(200)))
	s.LoginDelay, s.Expire = 90*time.Second, 30
	login := func(want string) {
		t.Helper()
		dialogue(t, s, `
			S: +OK…
			C: CAPA
			S: +OK…
			S: SASL PLAIN LOGIN
			S: USER
			S: TOP
			S: UIDL
			S: PIPELINING
			S: RESP-CODES
			S: AUTH-RESP-CODE
			S: UTF8 USER
			S: LANG
			S: LOGIN-DELAY 90
			S: EXPIRE 30
			S: IMPLEMENTATION mailbricks
			S: .
			C: USER bob
			S: +OK…
			C: PASS wrong
			S: -ERR [AUTH]…
			C: USER bob
			S: +OK…
			C: PASS s p
			S: `+want+`
			C: QUIT
			S: +OK…
			S: (closed)`)
	}
	login("+OK…")
	login("-ERR [LOGIN-DELAY]…")
	synctest.Test(t, func(t *testing.T) { // the clock alone
		s := &Server{LoginDelay: time.Minute}
		for _, step := range []struct {
			after time.Duration
			user  string
			may   bool
		}{{0, "a", true}, {59 * time.Second, "a", false}, {0, "b", true}, {time.Second, "a", true}, {30 * time.Second, "b", false}} {
			time.Sleep(step.after)
			if got := s.mayLogin(step.user); got != step.may {
				t.Errorf("%+v: %v", step, got)
			}
		}
		time.Sleep(time.Hour)
		for i := range 5000 {
			if !s.mayLogin(strconv.Itoa(i)) {
				t.Fatal(i)
			}
			time.Sleep(time.Second)
		}
		if len(s.logins) > 2000 {
			t.Errorf("%d logins are remembered", len(s.logins))
		}
	})
}
