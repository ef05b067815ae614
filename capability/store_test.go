package capability_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/granttest"
)

func TestMemoryStore(t *testing.T) {
	granttest.Run(t, func(t *testing.T, now func() time.Time) capability.Store { return capability.NewMemoryStore(now) })
}

func TestFileStore(t *testing.T) {
	granttest.Run(t, func(t *testing.T, now func() time.Time) capability.Store {
		return openFile(t, filepath.Join(t.TempDir(), "grants"), now)
	})
}

// reopened is a file store that is opened for each call, and every second time written anew.
type reopened struct {
	t    *testing.T
	path string
	now  func() time.Time
}

func (s reopened) open() *capability.FileStore { return openFile(s.t, s.path, s.now) }

func (s reopened) Reserve(ctx context.Context, u capability.Use) (capability.Reservation, error) {
	return s.open().Reserve(ctx, u)
}

func (s reopened) Commit(ctx context.Context, r capability.Reservation, digest [32]byte) error {
	return s.open().Commit(ctx, r, digest)
}

func (s reopened) Release(ctx context.Context, r capability.Reservation) error {
	return s.open().Release(ctx, r)
}

func (s reopened) Revoke(ctx context.Context, r capability.Revocation) error {
	return s.open().Revoke(ctx, r)
}

// TestFileStoreReopened: nothing hangs on what a process remembers.
func TestFileStoreReopened(t *testing.T) {
	granttest.Run(t, func(t *testing.T, now func() time.Time) capability.Store {
		return reopened{t, filepath.Join(t.TempDir(), "grants"), now}
	})
}

// TestGrantOnDisk measures what a grant that a tag stands for takes in a file: at most 300 octets.
func TestGrantOnDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants")
	s := openFile(t, path, nil)
	const n = 100
	for range n {
		g := capability.Grant{ID: capability.NewTagID(), Issuer: "robert.smith@mail.example.com", Epoch: 12,
			Limits: capability.Limits{Scope: "*.newsletters.shop.example", NotBefore: time.Unix(1e9, 0), Expires: time.Unix(4e9, 0), Uses: 1000, Size: 50 << 20}}
		if err := s.PutGrant(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d octets each", fi.Size()/n)
	if fi.Size() > 300*n {
		t.Errorf("%d octets each", fi.Size()/n)
	}
}

// BenchmarkReserve is a use that is reserved and released, beside a few grants and beside a million of each kind of state.
func BenchmarkReserve(b *testing.B) {
	for name, n := range map[string]int{"few": 10, "million": 1_000_000} {
		b.Run(name, func(b *testing.B) {
			s := capability.NewMemoryStore(nil)
			now := time.Now()
			for range n {
				g := capability.Grant{ID: capability.NewID(), Issuer: "bob@example.com"}
				if err := s.PutGrant(b.Context(), g); err != nil {
					b.Fatal(err)
				}
				if err := s.Revoke(b.Context(), capability.Revocation{ID: g.ID}); err != nil {
					b.Fatal(err)
				}
			}
			g := capability.Grant{ID: capability.NewID(), Issuer: "bob@example.com"}
			u := capability.Use{Grant: g, Counters: []capability.Counter{{Key: g.ID, Max: 1}}, Now: now, Until: now.Add(time.Hour)}
			for b.Loop() {
				r, err := s.Reserve(b.Context(), u)
				if err != nil {
					b.Fatal(err)
				}
				if err := s.Release(b.Context(), r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestGrants(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		granttest.RunGrants(t, func(*testing.T) capability.GrantStore { return capability.NewMemoryStore(nil) })
	})
	t.Run("file", func(t *testing.T) {
		granttest.RunGrants(t, func(t *testing.T) capability.GrantStore {
			return openFile(t, filepath.Join(t.TempDir(), "grants"), nil)
		})
	})
}

func openFile(t *testing.T, path string, now func() time.Time) *capability.FileStore {
	t.Helper()
	s, err := capability.OpenFile(path, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestFileStoreAgain: what was committed and revoked is so after the file is opened again, and after it was written
// anew because most of its lines no longer matter.
func TestFileStoreAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants")
	g := capability.Grant{ID: capability.ID{1}, Issuer: "bob@example.com", Limits: capability.Limits{Uses: 1}}
	gone := capability.Grant{ID: capability.ID{2}, Issuer: "bob@example.com"}
	use := capability.Use{Grant: g, Counters: []capability.Counter{{Key: g.ID, Max: 1}}, Now: time.Now(), Until: time.Now().Add(time.Hour)}
	s := openFile(t, path, nil)
	for range 50 { // many lines that come to nothing
		r, err := s.Reserve(t.Context(), use)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Release(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	r, err := s.Reserve(t.Context(), use)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), r, [32]byte{1}); err != nil {
		t.Fatal(err)
	}
	if err := s.Revoke(t.Context(), capability.Revocation{ID: gone.ID}); err != nil {
		t.Fatal(err)
	}
	if err := s.PutGrant(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s = openFile(t, path, nil)
		if _, err := s.Reserve(t.Context(), use); err != capability.ErrUsedUp {
			t.Errorf("opened again: %v", err)
		}
		if _, err := s.Reserve(t.Context(), capability.Use{Grant: gone, Now: use.Now, Until: use.Until}); err != capability.ErrRevoked {
			t.Errorf("opened again: %v", err)
		}
		if got, err := s.Grant(t.Context(), gone.ID); err != nil || got != gone {
			t.Errorf("opened again: %+v, %v", got, err)
		}
		if err := s.Commit(t.Context(), r, [32]byte{1}); err != nil {
			t.Errorf("the same message, after opening again: %v", err)
		}
	}
}
