package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/examples/adapters/sqlite"
	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/spenttest"
)

func openSpent(t *testing.T, path string, now func() time.Time) hashcash.SpentStore {
	t.Helper()
	s, err := sqlite.OpenSpent(t.Context(), path, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConforms(t *testing.T) {
	spenttest.Run(t, func(t *testing.T, now func() time.Time) hashcash.SpentStore {
		return openSpent(t, filepath.Join(t.TempDir(), "a ?file#.db"), now)
	})
}

func TestProcesses(t *testing.T) {
	spenttest.Processes(t, func() string { return filepath.Join(t.TempDir(), "spent.db") },
		func(t *testing.T, path string) hashcash.SpentStore { return openSpent(t, path, nil) })
}

// TestExpired: expired stamps are dropped, and could be spent again.
func TestExpired(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	s := openSpent(t, filepath.Join(t.TempDir(), "spent.db"), func() time.Time { return now })
	for _, tt := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {time.Hour, false}, {2 * time.Hour, true}, {2 * time.Hour, false}} {
		now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC).Add(tt.after)
		if got, err := s.Spend(t.Context(), "stamp", now.Add(time.Hour)); got != tt.want || err != nil {
			t.Errorf("after %s: %v, %v; want %v", tt.after, got, err, tt.want)
		}
	}
}

func TestOpenFails(t *testing.T) {
	if s, err := sqlite.OpenSpent(t.Context(), filepath.Join(t.TempDir(), "no", "file"), nil); err == nil {
		s.Close()
		t.Error("opened in a folder that is not there")
	}
}
