package contacts_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/examples/contacts"
	"github.com/mailbricks/mailbricks/smtp/policy"
)

// TestShared: what one has written, another who has the same files open knows.
func TestShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "grants")
	var both [2]*contacts.Contacts
	for i := range both {
		c, err := contacts.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		both[i] = c
	}
	if !both[0].Key.Equal(both[1].Key) {
		t.Error("two keys")
	}
	made, err := both[0].Channels.New(t.Context(), channel.Channel{Owner: "bob@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if found, err := both[1].Channels.Find(t.Context(), made.Address); err != nil || found.ID != made.ID {
		t.Errorf("%+v, %v", found, err)
	}
	if err := both[1].Relations.SetRelation(t.Context(), "bob@example.com", "ann@example.org", policy.Relation{State: policy.Blocked}); err != nil {
		t.Fatal(err)
	}
	if r, err := both[0].Relations.Relation(t.Context(), "bob@example.com", "ann@example.org"); err != nil || r.State != policy.Blocked {
		t.Errorf("%+v, %v", r, err)
	}
	if err := both[0].Close(); err != nil {
		t.Error(err)
	}
}

// TestKeys: of many who make a key at the same time, all have the same.
func TestKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants")
	if _, err := contacts.Key(path, false); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := contacts.TagKey(path, false); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	var wg sync.WaitGroup
	var keys, tags [20]string
	for i := range keys {
		wg.Go(func() {
			k, err := contacts.Key(path, true)
			if err != nil {
				t.Error(err)
			}
			g, err := contacts.TagKey(path, true)
			if err != nil {
				t.Error(err)
			}
			keys[i], tags[i] = string(k), string(g)
		})
	}
	wg.Wait()
	for i := range keys {
		if keys[i] != keys[0] || tags[i] != tags[0] || len(tags[i]) != 32 {
			t.Errorf("%d differs", i)
		}
	}
	if list, err := os.ReadDir(filepath.Dir(path)); err != nil || len(list) != 2 {
		t.Errorf("%v, %v", list, err)
	}
	for _, tt := range []struct{ file, text, want string }{{".key", "junk", "grants.key"}, {".tagkey", "00ff\n", "32 octets"}} {
		if err := os.WriteFile(path+tt.file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := contacts.Open(path, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.file, err)
		}
		if err := os.Remove(path + tt.file); err != nil {
			t.Fatal(err)
		}
	}
}
