package pop3

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"iter"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
)

// memory is one user's INBOX, the least that the Server asks of a Backend.
type memory struct {
	mu       sync.Mutex
	messages map[imap.UID]string
	next     imap.UID
	expunges []string // what Expunge was asked for
	bodies   int      // how many were opened
	broken   error    // of Expunge
	readOnly bool
	failing  error // of reading a body past its first half
	feed     imap.Feed
}

func newMemory(messages ...string) *memory {
	m := &memory{messages: map[imap.UID]string{}, next: 1}
	for _, s := range messages {
		m.add(s)
	}
	return m
}

func (m *memory) add(s string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.messages[m.next] = s
	m.next++
}

func (m *memory) OpenAccount(_ context.Context, user string) (*imap.Account, error) {
	if user != "bob" {
		return nil, imap.ErrNonexistent
	}
	a := &imap.Account{ID: "A1", Store: m, Watcher: &m.feed, Expunger: m}
	if m.readOnly {
		a.Expunger = nil
	}
	return a, nil
}

func (m *memory) Mailboxes(context.Context) iter.Seq2[imap.MailboxInfo, error] {
	return func(yield func(imap.MailboxInfo, error) bool) { yield(imap.MailboxInfo{Name: "INBOX"}, nil) }
}

func (m *memory) OpenMailbox(_ context.Context, name string) (imap.Mailbox, error) {
	if name != "INBOX" {
		return nil, imap.ErrNonexistent
	}
	return m, nil
}

func (m *memory) Status(context.Context) (imap.MailboxStatus, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return imap.MailboxStatus{UIDValidity: 77, UIDNext: m.next, Messages: len(m.messages)}, nil
}

func (m *memory) Messages(_ context.Context, uids imap.UIDSet, _ imap.Fields) iter.Seq2[*imap.Message, error] {
	return func(yield func(*imap.Message, error) bool) {
		for uid := imap.UID(1); uid < m.next; uid++ {
			m.mu.Lock()
			s, ok := m.messages[uid]
			m.mu.Unlock()
			if ok && uids.Contains(uid) && !yield(&imap.Message{UID: uid, Size: int64(len(s))}, nil) {
				return
			}
		}
	}
}

func (m *memory) Body(_ context.Context, uid imap.UID) (imap.Body, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.messages[uid]
	if !ok {
		return nil, imap.ErrNonexistent
	}
	m.bodies++
	return body{strings.NewReader(s), m.failing}, nil
}

func (m *memory) Changes(context.Context, imap.ModSeq) iter.Seq2[imap.Change, error] {
	return func(yield func(imap.Change, error) bool) { yield(imap.Change{}, imap.ErrModSeqTooOld) }
}

func (m *memory) Expunge(_ context.Context, mailbox string, uids imap.UIDSet, force bool) (imap.UIDSet, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !force {
		return nil, errors.New("Expunge without force")
	}
	m.expunges = append(m.expunges, mailbox+" "+uids.String())
	if m.broken != nil {
		return nil, m.broken
	}
	var gone imap.UIDSet
	for uid := range m.messages {
		if uids.Contains(uid) {
			gone = gone.Union(imap.UIDs(uid))
		}
	}
	for uid := range gone.All() {
		delete(m.messages, uid)
	}
	return gone, nil
}

type body struct {
	*strings.Reader
	failing error
}

func (b body) ReadAt(p []byte, at int64) (int, error) {
	if half := b.Size() / 2; b.failing != nil && at+int64(len(p)) > half {
		if at >= half {
			return 0, b.failing
		}
		p = p[:half-at]
	}
	return b.Reader.ReadAt(p, at)
}

func (body) Close() error { return nil }

// newServer serves bob, whose password is "s p", without TLS.
func newServer(m *memory) *Server {
	return &Server{Backend: m, AllowPlaintextAuth: true, Authenticator: sasl.New(
		sasl.Plain(checkBob), sasl.LoginMechanism(checkBob))}
}

func checkBob(_ context.Context, user, password string) (string, error) {
	switch {
	case user == "broken":
		return "", errors.New("directory down")
	case user == "eve" && password == "s p":
		return "eve", nil
	case user != "bob" || password != "s p":
		return "", sasl.ErrCredentials
	}
	return "bob", nil
}

// connect returns the client's end of a session.
func connect(t testing.TB, s *Server) net.Conn {
	ours, theirs := net.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.ServeConn(ctx, theirs)
	}()
	t.Cleanup(func() {
		_ = ours.Close()
		cancel()
		<-done
	})
	return ours
}

// dialogue plays a script of lines "C: " and "S: " against a server. "…" at the end of a line of the server stands for
// anything, "S: (closed)" for the end of the connection, and "C: STLS handshake" for a handshake.
func dialogue(t testing.TB, s *Server, script string) {
	t.Helper()
	c := connect(t, s)
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	r := bufio.NewReader(c)
	for l := range strings.Lines(strings.TrimSpace(script)) {
		l = strings.TrimLeft(strings.TrimRight(l, "\n"), "\t ")
		switch {
		case l == "C: (handshake)":
			c = tls.Client(c, clientTLS(t))
			r = bufio.NewReader(c)
		case strings.HasPrefix(l, "C:"):
			line := strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\0`, "\x00").Replace(strings.TrimPrefix(strings.TrimPrefix(l, "C:"), " "))
			if _, err := c.Write([]byte(line + "\r\n")); err != nil {
				t.Fatalf("%s: %v", l, err)
			}
		case l == "S: (closed)":
			if got, err := r.ReadString('\n'); err == nil {
				t.Fatalf("want the end, got %q", got)
			}
		default:
			got, err := r.ReadString('\n')
			want := strings.TrimPrefix(strings.TrimPrefix(l, "S:"), " ")
			if prefix, ok := strings.CutSuffix(want, "…"); err != nil || !strings.HasSuffix(got, "\r\n") ||
				ok && !strings.HasPrefix(got, prefix) || !ok && strings.TrimSuffix(got, "\r\n") != want {
				t.Fatalf("got %q (%v), want %q", got, err, want)
			}
		}
	}
}

// login is how every script about the maildrop begins.
const login = `
	S: +OK…
	C: USER bob
	S: +OK…
	C: PASS s p
	S: +OK…`

// connectTCP is connect over TCP, which TLS wants: both sides may write at once there.
func connectTCP(t testing.TB, s *Server) net.Conn {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(ctx, ln)
	}()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		cancel()
		<-done
	})
	return c
}
