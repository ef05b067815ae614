package hashcash_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/internal/suites"
)

// A tool is Debian's hashcash 1.22.
type tool struct {
	*testing.T
	path, db string
}

func newTool(t *testing.T) *tool {
	t.Helper()
	return &tool{t, suites.Program(t, "hashcash", "hashcash"), filepath.Join(t.TempDir(), "db")}
}

// run runs the tool, with stdin, on UTC, and reports what it printed on stdout and whether it ended with status 0.
func (h *tool) run(stdin string, args ...string) (string, bool) {
	h.Helper()
	cmd := exec.CommandContext(h.Context(), h.path, append([]string{"-u", "-q"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	err := cmd.Run()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		h.Fatal(err)
	}
	return strings.TrimSpace(out.String()), err == nil
}

// TestTool exchanges 200 random stamps each way with Debian's hashcash (20 with -short): minted by one, checked by the other, once as it is, once
// more for another recipient, and once more when it is spent.
func TestTool(t *testing.T) {
	h := newTool(t)
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	word := func(letters string, n int) string {
		var b strings.Builder
		for range 1 + rng.IntN(n) {
			b.WriteByte(letters[rng.IntN(len(letters))])
		}
		return b.String()
	}
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	for range rounds {
		resource := "u" + word("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789+-_=!#$&'/^`{|}~", 30) + "@" + word("abcdefghijklmnopqrstuvwxyz0123456789-", 20) + ".example"
		ext := []string{"", "a", "a=1,2;b", "name=value=x;other"}[rng.IntN(4)]
		bits := 4 + rng.IntN(12)
		ours, err := hashcash.Minter{Bits: bits}.Mint(t.Context(), resource, ext)
		if err != nil {
			t.Fatal(err)
		}
		check := func(resource string, want bool) {
			t.Helper()
			if out, ok := h.run("", "-c", "-d", "-S", "-b", fmt.Sprint(bits), "-r", resource, "-f", h.db, ours.String()); ok != want {
				t.Errorf("%s for %s: valid %v, want %v: %s", ours, resource, ok, want, out)
			}
		}
		check("x"+resource, false)
		check(strings.ToUpper(resource), true)
		check(resource, false) // spent
		if out, _ := h.run("", "-w", ours.String()); out != fmt.Sprint(bits) {
			t.Errorf("%s: the tool values it %s", ours, out)
		}

		args := []string{"-m", "-b", fmt.Sprint(bits), "-z", []string{"6", "10", "12"}[rng.IntN(3)], "-Z", fmt.Sprint(rng.IntN(3))}
		if ext != "" {
			args = append(args, "-x", ext)
		}
		theirs, ok := h.run("", append(args, resource)...)
		if !ok {
			t.Fatalf("the tool did not mint for %q", resource)
		}
		v := hashcash.Verifier{Bits: bits, Spent: &hashcash.MemoryStore{}}
		if _, err := v.Verify(t.Context(), theirs, "x"+resource); err == nil {
			t.Errorf("%s is valid for another", theirs)
		}
		if s, err := v.Verify(t.Context(), theirs, strings.ToUpper(resource)); err != nil || s.Ext != ext || s.Value() != bits {
			t.Errorf("%s: %+v, %v", theirs, s, err)
		}
		if _, err := v.Verify(t.Context(), theirs, resource); err == nil {
			t.Errorf("%s is valid twice", theirs)
		}
	}
}

// TestToolHeader: the header field of each is read by the other.
func TestToolHeader(t *testing.T) {
	h := newTool(t)
	ours, err := hashcash.Minter{Bits: 8}.Mint(t.Context(), "bob@example.com", "")
	if err != nil {
		t.Fatal(err)
	}
	message := "From: ann@example.org\n" + strings.ReplaceAll(string(hashcash.AppendHeader(nil, ours)), "\r\n", "\n") + "\nHello.\n"
	for _, valid := range []bool{true, false} {
		if out, ok := h.run(message, "-c", "-X", "-d", "-b", "8", "-r", "bob@example.com", "-f", h.db); ok != valid {
			t.Errorf("%q: valid %v: %s", message, ok, out)
		}
	}
	theirs, _ := h.run("", "-m", "-X", "-b", "8", "bob@example.com")
	_, value, _ := strings.Cut(theirs, ":")
	n := 0
	for text := range hashcash.Stamps(func(yield func(string) bool) { yield(value) }) {
		v := hashcash.Verifier{Bits: 8, AllowReplay: true}
		if _, err := v.Verify(t.Context(), text, "bob@example.com"); err != nil {
			t.Errorf("%q: %v", theirs, err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%q: %d stamps", theirs, n)
	}
}

// TestToolDates: both agree how old a stamp may be.
func TestToolDates(t *testing.T) {
	h := newTool(t)
	for when, want := range map[string]bool{"-32d": false, "-29d": true, "-1d": true, "+1d": true, "+4d": false} {
		theirs, ok := h.run("", "-m", "-b", "8", "-t", when, "bob@example.com")
		if !ok {
			t.Fatalf("the tool did not mint for %s", when)
		}
		_, valid := h.run("", "-c", "-d", "-b", "8", "-r", "bob@example.com", "-f", h.db, theirs)
		v := hashcash.Verifier{Bits: 8, Spent: &hashcash.MemoryStore{}}
		if _, err := v.Verify(t.Context(), theirs, "bob@example.com"); (err == nil) != want || valid != want {
			t.Errorf("%s of %s: %v, the tool says %v", theirs, when, err, valid)
		}
	}
}

// TestToolColons: what the tool mints and then cannot check itself is no stamp to us.
func TestToolColons(t *testing.T) {
	h := newTool(t)
	for _, resource := range []string{"a:b@x", "u@[IPv6:2001:db8::1]"} {
		theirs, ok := h.run("", "-m", "-b", "4", resource)
		if !ok {
			continue // it has learned better
		}
		if s, err := hashcash.Parse(theirs); err == nil {
			t.Errorf("%s is a stamp for %q", theirs, s.Resource)
		}
	}
}
