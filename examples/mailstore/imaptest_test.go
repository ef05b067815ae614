package mailstore

import (
	"testing"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imaptest"
)

// TestBackend runs the suite that every backend of IMAP should pass.
func TestBackend(t *testing.T) {
	for name, dir := range map[string]bool{"directory": true, "memory": false} {
		t.Run(name, func(t *testing.T) {
			imaptest.TestBackend(t, func(t *testing.T) (imap.Backend, string) {
				where := ""
				if dir {
					where = t.TempDir()
				}
				s := openAt(t, where)
				if err := s.EnsureAccount(t.Context(), "alice"); err != nil {
					t.Fatal(err)
				}
				return s, "alice"
			})
		})
	}
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
