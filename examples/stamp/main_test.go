package main

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/examples/cli"
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
	db := filepath.Join(t.TempDir(), "spent")
	for _, tt := range []struct {
		want   string
		status int
		args   []string
	}{
		{"valid", cli.StatusDone, []string{"check", "-bits", "10", "-resource", "bob@example.com", "-db", db, s}},
		{"hashcash: spent", cli.StatusFailed, []string{"check", "-bits", "10", "-resource", "bob@example.com", "-db", db, s}},
		{"insufficient bits", cli.StatusFailed, []string{"check", "-bits", "11", "-resource", "bob@example.com", s}},
		{"stamp is for", cli.StatusFailed, []string{"check", "-bits", "10", "-resource", "eve@example.com", s}},
		{"not a stamp", cli.StatusFailed, []string{"check", "-bits", "10", "-resource", "eve@example.com", "junk"}},
		{"", cli.StatusUsage, []string{"check", s}},
		{"", cli.StatusUsage, []string{"mint", "a:b@example.com"}},
		{"", cli.StatusUsage, []string{"mint", "-bits", "65", "a@example.com"}},
		{"", cli.StatusUsage, []string{"mint", "-scheme", "equihash", "a@example.com"}},
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

func TestBench(t *testing.T) {
	out, status := stamp(t, "bench", "-seconds", "0.05", "-json")
	var got struct{ Kernels []kernel }
	if err := json.Unmarshal([]byte(out), &got); err != nil || status != cli.StatusDone || len(got.Kernels) != 1 || got.Kernels[0].PerCore <= 0 {
		t.Errorf("%q, status %d, %v", out, status, err)
	}
}
