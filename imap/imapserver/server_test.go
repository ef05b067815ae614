package imapserver_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapserver"
	"github.com/mailbricks/mailbricks/imap/imaptest"
)

const multipart = "From: Alice <alice@example.com>\r\nTo: bob@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: Mon, 7 Feb 1994 21:52:25 -0800\r\n" +
	"Message-ID: <2@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\n\r\nfirst\r\n--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nna=EFve\r\n" +
	"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b--\r\n"

// messages are what alice has in her INBOX.
func messages() []string {
	return []string{
		"From: Carol <carol@example.net>\r\nSubject: one\r\nMessage-ID: <1@example.com>\r\n\r\nHello.\r\n",
		multipart,
		"Subject: three\r\n\r\nthe third\r\nends here\r\n",
	}
}

// users are alice and bob, whose password is secret.
func users(t testing.TB) sasl.Authenticator {
	u := sasl.NewUsers()
	for _, name := range []string{"alice", "bob", "nobody"} {
		if err := u.Set(name, "secret"); err != nil {
			t.Fatal(err)
		}
	}
	return sasl.New(sasl.Plain(u.Check), sasl.LoginMechanism(u.Check))
}

// memory is a backend with alice and her messages, and bob without any.
func memory(t testing.TB) *imaptest.Memory {
	m := &imaptest.Memory{}
	m.AddUser("alice")
	m.AddUser("bob")
	a, err := m.OpenAccount(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range messages() {
		_, err := a.Appender.Append(t.Context(), "INBOX", []imap.AppendMessage{{Body: strings.NewReader(text), Size: int64(len(text)),
			InternalDate: time.Date(1996, 7, 17, i, 0, 0, 0, time.UTC)}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func server(t testing.TB) *imapserver.Server {
	return &imapserver.Server{Backend: memory(t), Authenticator: users(t), AllowPlaintextAuth: true}
}

// start serves on loopback until the test ends.
func start(t testing.TB, s *imapserver.Server) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, s, ln)
}

func startOn(t testing.TB, s *imapserver.Server, ln net.Listener) string {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// A peer is a client that compares lines.
type peer struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func dial(t testing.TB, addr string) *peer {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return newPeer(t, c)
}

func newPeer(t testing.TB, c net.Conn) *peer { return &peer{t, c, bufio.NewReader(c)} }

func (p *peer) send(s string) {
	p.t.Helper()
	if _, err := io.WriteString(p.Conn, s); err != nil {
		p.t.Fatalf("send %.60q: %v", s, err)
	}
}

// line returns the next line, "<closed>" at the end.
func (p *peer) line() string {
	p.t.Helper()
	p.SetReadDeadline(time.Now().Add(20 * time.Second))
	s, err := p.r.ReadString('\n')
	if err == io.EOF && s == "" {
		return "<closed>"
	}
	if err != nil {
		p.t.Fatalf("after %q: %v", s, err)
	}
	return strings.TrimSuffix(s, "\r\n")
}

// want compares the next line with a pattern, in which "..." stands for anything.
func (p *peer) want(pattern string) string {
	p.t.Helper()
	s := p.line()
	if !matches(pattern, s) {
		p.t.Fatalf("got  %s\nwant %s", s, pattern)
	}
	return s
}

func matches(pattern, s string) bool {
	first, rest, wild := strings.Cut(pattern, "...")
	if !wild {
		return s == pattern
	}
	if !strings.HasPrefix(s, first) {
		return false
	}
	s = s[len(first):]
	for {
		part, more, wild := strings.Cut(rest, "...")
		if !wild {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(part):], more
	}
}

// do sends a command and returns everything up to its tagged response.
func (p *peer) do(tag, command string) []string {
	p.t.Helper()
	p.send(tag + " " + command + "\r\n")
	return p.until(tag)
}

func (p *peer) until(tag string) []string {
	p.t.Helper()
	var out []string
	for {
		s := p.line()
		out = append(out, s)
		if strings.HasPrefix(s, tag+" ") {
			return out
		}
		if s == "<closed>" {
			p.t.Fatalf("closed after %q", out)
		}
	}
}

// login reads the greeting and logs in.
func (p *peer) login() *peer {
	p.t.Helper()
	p.want("* OK [CAPABILITY ...")
	p.do("login", "LOGIN alice secret")
	return p
}

// TestDialogues plays the files of testdata.
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			dialogue(t, server(t), string(text))
			// The same without an index, and with one that knows nothing: the server tests every message itself.
			for _, x := range []imap.Searcher{nil, vagueIndex{}} {
				s := server(t)
				s.Backend = wrapped{s.Backend, func(a *imap.Account) { a.Searcher = x }}
				dialogue(t, s, string(text))
			}
		})
	}
}

// dialogue plays a script with s.
func dialogue(t *testing.T, s *imapserver.Server, script string) {
	t.Helper()
	addr := start(t, s)
	imaptest.Dialogue(t, func() (net.Conn, error) { return net.Dial("tcp", addr) }, script)
}

// TestStress has ten clients watch each other, for 30 seconds where there is the time.
func TestStress(t *testing.T) {
	duration := 30 * time.Second
	if testing.Short() || os.Getenv("CI") == "" {
		duration = 2 * time.Second
	}
	for name, remembered := range map[string]int{"all expunges remembered": 0, "most forgotten": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := memory(t)
			m.MaxExpunged = remembered
			s := server(t)
			s.Backend = m
			addr := start(t, s)
			imaptest.Stress(t, func() (net.Conn, error) { return net.Dial("tcp", addr) },
				imaptest.StressOptions{User: "alice", Password: "secret", Clients: 10, Duration: duration})
		})
	}
}

func ExampleServer() {
	backend := &imaptest.Memory{}
	backend.AddUser("alice")
	users := sasl.NewUsers()
	if err := users.Set("alice", "secret"); err != nil {
		panic(err)
	}
	s := &imapserver.Server{
		Backend:            backend,
		Authenticator:      &sasl.Limiter{Authenticator: sasl.New(sasl.Plain(users.Check))},
		AllowPlaintextAuth: true, // here there is no network
	}
	client, conn := net.Pipe()
	go func() {
		fmt.Fprint(client, "a LOGIN alice secret\r\nb STATUS INBOX (MESSAGES)\r\nc LOGOUT\r\n")
	}()
	go func() {
		_ = s.ServeConn(context.Background(), conn)
	}()
	for sc := bufio.NewScanner(client); sc.Scan(); {
		if line := sc.Text(); !strings.Contains(line, "CAPABILITY") {
			fmt.Println(line)
		}
	}
	// Output:
	// * STATUS INBOX (MESSAGES 0)
	// b OK STATUS completed
	// * BYE logging out
	// c OK LOGOUT completed
}
