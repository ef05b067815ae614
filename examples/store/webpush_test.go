package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
)

// TestVAPIDKey: one key for a folder, for its owner alone; one that is none is told, not replaced.
func TestVAPIDKey(t *testing.T) {
	o := &options{data: t.TempDir()}
	first, err := o.vapidKey()
	if err != nil {
		t.Fatal(err)
	}
	again, err := o.vapidKey()
	if err != nil || !again.Equal(first) {
		t.Errorf("another key: %v", err)
	}
	name := filepath.Join(o.data, vapidFile)
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := o.vapidKey(); err == nil {
		t.Error("a key that is none")
	}
}

// TestMayStill: a subscription lasts as long as the password or the token that it was made with.
func TestMayStill(t *testing.T) {
	o := &options{users: users(t, "alice:secret"), tokens: users(t, "bob:t0ken"), credentialKey: []byte("key")}
	for _, tt := range []struct {
		user, credential string
		want             bool
	}{
		{"alice", jmapserver.PasswordCredential([]byte("key"), "secret"), true},
		{"alice", jmapserver.PasswordCredential([]byte("key"), "old"), false},
		{"alice", jmapserver.PasswordCredential(nil, "secret"), false},
		{"alice", jmapserver.TokenCredential("t0ken"), false},
		{"bob", jmapserver.TokenCredential("t0ken"), true},
		{"bob", jmapserver.TokenCredential("old"), false},
		{"bob", jmapserver.PasswordCredential([]byte("key"), "t0ken"), false},
		{"carol", jmapserver.PasswordCredential([]byte("key"), "secret"), false},
	} {
		if got, err := o.mayStill(t.Context(), tt.user, tt.credential); got != tt.want || err != nil {
			t.Errorf("%+v: %v, %v", tt, got, err)
		}
	}
}

func users(t *testing.T, s string) (u cli.Users) {
	t.Helper()
	if err := u.Set(s); err != nil {
		t.Fatal(err)
	}
	return u
}
