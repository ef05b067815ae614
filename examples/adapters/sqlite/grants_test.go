package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/capability/channel/channeltest"
	"github.com/mailbricks/mailbricks/capability/granttest"
	"github.com/mailbricks/mailbricks/examples/adapters/sqlite"
)

func openGrants(t *testing.T, path string, now func() time.Time) *sqlite.GrantStore {
	t.Helper()
	s, err := sqlite.OpenGrants(t.Context(), path, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestGrants(t *testing.T) {
	granttest.Run(t, func(t *testing.T, now func() time.Time) capability.Store {
		path := filepath.Join(t.TempDir(), "a ?file#.db")
		return granttest.Share(openGrants(t, path, now), openGrants(t, path, now))
	})
	granttest.RunGrants(t, func(t *testing.T) capability.GrantStore {
		return openGrants(t, filepath.Join(t.TempDir(), "grants.db"), nil)
	})
}

func TestChannels(t *testing.T) {
	channeltest.Run(t, func(t *testing.T) channel.Store {
		s, err := sqlite.OpenChannels(t.Context(), filepath.Join(t.TempDir(), "channels.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	})
}

// TestGrantsOpenFails: what cannot be opened is told at once.
func TestGrantsOpenFails(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "no", "file")
	if s, err := sqlite.OpenGrants(t.Context(), nowhere, nil); err == nil {
		s.Close()
		t.Error("grants opened in a folder that is not there")
	}
	if s, err := sqlite.OpenChannels(t.Context(), nowhere); err == nil {
		s.Close()
		t.Error("channels opened in a folder that is not there")
	}
}
