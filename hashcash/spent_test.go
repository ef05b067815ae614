package hashcash_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/spenttest"
)

func TestMemoryStoreConforms(t *testing.T) {
	spenttest.Run(t, func(t *testing.T, now func() time.Time) hashcash.SpentStore {
		return &hashcash.MemoryStore{Now: now}
	})
}

func TestFileStoreConforms(t *testing.T) {
	spenttest.Run(t, func(t *testing.T, now func() time.Time) hashcash.SpentStore {
		s, err := hashcash.OpenFile(filepath.Join(t.TempDir(), "spent"), now)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	})
}

func TestFileStoreProcesses(t *testing.T) {
	spenttest.Processes(t, func() string { return filepath.Join(t.TempDir(), "spent") }, func(t *testing.T, path string) hashcash.SpentStore {
		s, err := hashcash.OpenFile(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	})
}
