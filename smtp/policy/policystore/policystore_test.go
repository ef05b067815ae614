package policystore_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/smtp/policy"
	"github.com/mailbricks/mailbricks/smtp/policy/policystore"
	"github.com/mailbricks/mailbricks/smtp/policy/policytest"
)

func TestWallets(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		policytest.Wallet(t, func(_ *testing.T, now func() time.Time) policy.Wallet { return &policystore.MemoryWallet{Now: now} })
	})
	t.Run("file", func(t *testing.T) {
		policytest.Wallet(t, func(t *testing.T, now func() time.Time) policy.Wallet {
			f := must(policystore.OpenWallet(filepath.Join(t.TempDir(), "wallet"), now))
			t.Cleanup(func() { f.Close() })
			return f
		})
	})
}

func TestRelations(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		policytest.Relations(t, func(*testing.T) policy.Relations { return &policystore.MemoryRelations{} })
	})
	t.Run("file", func(t *testing.T) {
		policytest.Relations(t, func(t *testing.T) policy.Relations {
			f := must(policystore.OpenRelations(filepath.Join(t.TempDir(), "relations")))
			t.Cleanup(func() { f.Close() })
			return f
		})
	})
}

const bob = "bob@example.org"

// TestFileWallet: what is put is there after the file is opened again, also by two at once, and the file does not grow.
func TestFileWallet(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "wallet")
	open := func() *policystore.FileWallet {
		w := must(policystore.OpenWallet(path, nil))
		t.Cleanup(func() { w.Close() })
		return w
	}
	one, two := open(), open()
	var last capability.Token
	for range 40 {
		last = must(capability.Issue(capability.Grant{Issuer: bob}, key))
		if err := one.Put(t.Context(), "ann@a.example", last); err != nil {
			t.Fatal(err)
		}
	}
	for _, w := range []*policystore.FileWallet{two, open()} {
		if got, ok, err := w.Get(t.Context(), "ann@a.example", bob); err != nil || !ok || got.String() != last.String() {
			t.Errorf("%v, %v", ok, err)
		}
	}
	if err := two.Drop(t.Context(), "ann@a.example", last.Grant().ID); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := one.Get(t.Context(), "ann@a.example", bob); ok || err != nil {
		t.Errorf("dropped, and there: %v", err)
	}
	if err := errors.Join(one.Close(), one.Close()); err != nil {
		t.Error(err)
	}
	if _, _, err := one.Get(t.Context(), "ann@a.example", bob); err == nil {
		t.Error("Get after Close")
	}
}

// TestFileRelations: what is set is there after the file is opened again, and after it was written anew.
func TestFileRelations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relations")
	open := func() *policystore.FileRelations {
		f := must(policystore.OpenRelations(path))
		t.Cleanup(func() { f.Close() })
		return f
	}
	f := open()
	known := policy.Relation{State: policy.Known, Grant: capability.NewID()}
	for range 30 {
		if err := errors.Join(f.SetRelation(t.Context(), bob, "d@x.example", known), f.SetRelation(t.Context(), bob, "e@x.example", policy.Relation{State: policy.Blocked})); err != nil {
			t.Fatal(err)
		}
	}
	var memory policystore.MemoryRelations
	if err := errors.Join(memory.SetRelation(t.Context(), bob, "D@x.example", known), memory.SetRelation(t.Context(), "carol@example.org", "z@x.example", known),
		memory.SetRelation(t.Context(), bob, "e@x.example", policy.Relation{State: policy.Blocked}), memory.SetRelation(t.Context(), bob, "f@x.example", known), memory.SetRelation(t.Context(), bob, "f@x.example", policy.Relation{})); err != nil {
		t.Fatal(err)
	}
	want := []policystore.Correspondent{{Address: "d@x.example", Relation: known}, {Address: "e@x.example", Relation: policy.Relation{State: policy.Blocked}}}
	for range 2 {
		f := open()
		for _, list := range []func(context.Context, string) ([]policystore.Correspondent, error){f.Correspondents, memory.Correspondents} {
			if got := must(list(t.Context(), "Bob@example.org")); !slices.Equal(got, want) {
				t.Errorf("%+v", got)
			}
		}
		d, e := must(f.Relation(t.Context(), bob, "d@x.example")), must(f.Relation(t.Context(), bob, "e@x.example"))
		if d != known || e.State != policy.Blocked || must(f.Relation(t.Context(), bob, "x.example")).State != policy.Known {
			t.Errorf("opened again: %+v, %+v", d, e)
		}
	}
	if lines := strings.Count(string(must(os.ReadFile(path))), "\n"); lines != 2 {
		t.Errorf("%d lines for 2 relations", lines)
	}
	if err := os.WriteFile(path, []byte("no line of ours\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := policystore.OpenRelations(path); err == nil {
		f.Close()
		t.Error("a file that is none of ours was opened")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
