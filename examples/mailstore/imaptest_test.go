package mailstore

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapserver"
	"github.com/mailbricks/mailbricks/imap/imaptest"
)

// TestBackend runs the suite that every backend of IMAP should pass.
func TestBackend(t *testing.T) {
	for name, dir := range map[string]bool{"directory": true, "memory": false} {
		t.Run(name, func(t *testing.T) {
			imaptest.TestBackend(t, func(t *testing.T) (b imap.Backend, user, other string) {
				where := ""
				if dir {
					where = t.TempDir()
				}
				s := openAt(t, where)
				for _, user := range []string{"alice", "bob"} {
					if err := s.EnsureAccount(t.Context(), user); err != nil {
						t.Fatal(err)
					}
				}
				return s, "alice", "bob"
			})
		})
	}
}

// TestStress runs imapserver over the store, with ten clients that watch each other, for 30 seconds where there is the time.
func TestStress(t *testing.T) {
	duration := 30 * time.Second
	if testing.Short() || os.Getenv("CI") == "" {
		duration = 2 * time.Second
	}
	t.Parallel()
	s := openAt(t, t.TempDir())
	if err := s.EnsureAccount(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	imaptest.Stress(t, dialIMAP(t, s), imaptest.StressOptions{User: "alice", Password: "x", Clients: 10, Duration: duration})
}

// TestContexts has imapserver keep searches in the store up to date.
func TestContexts(t *testing.T) {
	s := openAt(t, "")
	if err := s.EnsureAccount(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	a, err := s.OpenAccount(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	imaptest.Contexts(t, dialIMAP(t, s), imaptest.ContextOptions{User: "alice", Password: "x", Account: a, Steps: 50})
}

// dialIMAP serves a store until the test ends, where every login is alice's, and returns how to connect.
func dialIMAP(t *testing.T, s *Store) func() (net.Conn, error) {
	server := &imapserver.Server{Backend: s, AllowPlaintextAuth: true,
		Authenticator: sasl.New(sasl.Plain(func(context.Context, string, string) (string, error) { return "alice", nil }))}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return func() (net.Conn, error) { return net.Dial("tcp", ln.Addr().String()) }
}

// openAt opens a store in a directory, or in memory if dir is "".
func openAt(t *testing.T, dir string) *Store {
	if dir != "" {
		return openDir(t, dir, Options{})
	}
	s, err := OpenMemory(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
