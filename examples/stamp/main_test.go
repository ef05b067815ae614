package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/hashcash"
)

func stamp(t *testing.T, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	status := cli.Status(run(t.Context(), args, &out, io.Discard))
	return strings.TrimSpace(out.String()), status
}

func TestMintCheck(t *testing.T) {
	s, status := stamp(t, "mint", "-bits", "10", "bob@example.com")
	if status != cli.StatusDone {
		t.Fatal(s, status)
	}
	header, _ := stamp(t, "mint", "-bits", "10", "-x", "bob@example.com")
	if !strings.HasPrefix(header, "X-Hashcash: 1:10:") {
		t.Error(header)
	}
	memory, status := stamp(t, "mint", "-scheme", "equihash", "bob@example.com")
	if status != cli.StatusDone || !strings.HasPrefix(memory, "eq1:120:0:") {
		t.Fatal(memory, status)
	}
	db := filepath.Join(t.TempDir(), "spent")
	for _, tt := range []struct {
		want   string
		status int
		args   []string
	}{
		{"valid", cli.StatusDone, []string{"check", "-bits", "10", "-resource", "bob@example.com", "-db", db, s}},
		{"hashcash: spent", cli.StatusFailed, []string{"check", "-bits", "10", "-resource", "bob@example.com", "-db", db, s}},
		{"valid", cli.StatusDone, []string{"check", "-bits", "10", "-resource", "bob@example.com", header}},
		{"expired", cli.StatusFailed, []string{"check", "-bits", "20", "-resource", "foo", "1:20:040806:foo::65f460d0726f420d:13a6b8"}},
		{"not a stamp", cli.StatusFailed, []string{"check", "-scheme", "equihash", "-resource", "bob@example.com", s}},
		{"valid", cli.StatusDone, []string{"check", "-scheme", "equihash", "-resource", "Bob@example.com", "-db", db, memory}},
		{"hashcash: spent", cli.StatusFailed, []string{"check", "-scheme", "equihash", "-resource", "bob@example.com", "-db", db, memory}},
		{"insufficient bits", cli.StatusFailed, []string{"check", "-scheme", "equihash", "-bits", "1", "-resource", "bob@example.com", memory}},
		{"not a stamp", cli.StatusFailed, []string{"check", "-resource", "bob@example.com", memory}},
		{"", cli.StatusUsage, []string{"mint", "-scheme", "gold", "a@example.com"}},
		{"", cli.StatusUsage, []string{"mint", "-bits", "10"}},
		{"", cli.StatusUsage, []string{"bench", "-seconds", "0"}},
		{"insufficient bits", cli.StatusFailed, []string{"check", "-bits", "11", "-resource", "bob@example.com", s}},
		{"stamp is for", cli.StatusFailed, []string{"check", "-bits", "10", "-resource", "eve@example.com", s}},
		{"not a stamp", cli.StatusFailed, []string{"check", "-bits", "10", "-resource", "eve@example.com", "junk"}},
		{"", cli.StatusUsage, []string{"check", s}},
		{"", cli.StatusUsage, []string{"mint", "a:b@example.com"}},
		{"", cli.StatusUsage, []string{"mint", "-bits", "65", "a@example.com"}},
		{"", cli.StatusUsage, []string{"mint", "-scheme", "equihash", "a:b@example.com"}},
		{"", cli.StatusUsage, []string{"mint", "-scheme", "equihash", "-bits", "65", "a@example.com"}},
		{"", cli.StatusUsage, []string{"mint", "-scheme", "equihash", "-x", "a@example.com"}},
		{"", cli.StatusUsage, []string{"mint", "-bits", "0", "a@example.com"}},
		{"", cli.StatusUsage, []string{"lick", "a@example.com"}},
		{"", cli.StatusUsage, nil},
		{"", cli.StatusUndecided, []string{"check", "-bits", "10", "-resource", "bob@example.com", "-db", filepath.Join(db, "no"), s}},
	} {
		out, status := stamp(t, tt.args...)
		if status != tt.status || !strings.Contains(out, tt.want) {
			t.Errorf("%v: %q, status %d; want %q, %d", tt.args, out, status, tt.want, tt.status)
		}
	}
}

// TestInterrupt: a signal ends a search that would last.
func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for _, scheme := range []string{"hashcash", "equihash"} {
		if err := run(ctx, []string{"mint", "-scheme", scheme, "-bits", "60", "-workers", "1", "bob@example.com"}, io.Discard, io.Discard); cli.Status(err) != cli.StatusFailed {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

func TestProgress(t *testing.T) {
	got := progress(hashcash.Progress{Attempts: 1 << 20, Rate: 12.34e6, Chance: .632, P50: 58_912 * time.Microsecond, P90: 200 * time.Hour})
	if want := "12.3 M attempts/s, 63 % of searches are done by now, to go: half within 100ms, 90 % within 200h0m0s"; got != want {
		t.Errorf("%q", got)
	}
}

func TestBench(t *testing.T) {
	out, status := stamp(t, "bench", "-seconds", "0.05", "-json")
	var got struct{ Kernels []kernel }
	if err := json.Unmarshal([]byte(out), &got); err != nil || status != cli.StatusDone || len(got.Kernels) != len(hashcash.Kernels()) {
		t.Fatalf("%q, status %d, %v", out, status, err)
	}
	for i, k := range got.Kernels {
		if k.Kernel != hashcash.Kernels()[i] || k.PerCore <= 0 || k.Attempts == 0 {
			t.Errorf("%+v", k)
		}
	}
	if out, _ := stamp(t, "bench", "-seconds", "0.05"); strings.Count(out, "M hashes/s a core") != len(got.Kernels) {
		t.Error(out)
	}
}
