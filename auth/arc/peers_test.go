package arc_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/arc"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/internal/suites"
)

// TestDkimpy exchanges chains with dkimpy both ways: each seals what the other sealed, three sets in all.
func TestDkimpy(t *testing.T) {
	python := suites.Program(t, "/usr/bin/python3", "python3-dkim")
	if exec.Command(python, "-c", "import dkim, authres").Run() != nil {
		suites.Program(t, "the Python module dkim", "python3-dkim python3-authres")
	}
	h := newHosts(t)
	key, err := dkim.AppendPrivateKey(nil, h.keys[dkim.RSASHA256])
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name, content string) string {
		t.Helper()
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	record, err := h.zone.LookupTXT(t.Context(), "rsa._domainkey.h1.example")
	if err != nil {
		t.Fatal(err)
	}
	keyFile := file("key", string(key))
	const sealPy = `
import dkim, sys
key, record, m = open(sys.argv[1], "rb").read(), sys.argv[2].encode(), open(sys.argv[3], "rb").read()
dns = lambda name, timeout=5: record
cv, results, why = dkim.arc_verify(m, dnsfunc=dns)
sys.stderr.write("%s %s" % (cv.decode(), why))
fields = dkim.arc_sign(m, b"rsa", b"h1.example", key, b"h1.example")
sys.stdout.buffer.write(b"".join(fields) + m)
`
	results := func(cv string) string { // what dkimpy takes the status from
		return "Authentication-Results: h1.example; arc=" + cv + "; spf=pass smtp.mailfrom=ann@example.com; dkim=pass header.d=example.com\r\n"
	}
	ours := func(m string) string {
		t.Helper()
		s := h.sealer(1, dkim.RSASHA256)
		s.ID = "h1.example"
		fields, err := s.Seal(strings.NewReader(m), h.verify(m).Value)
		if err != nil {
			t.Fatal(err)
		}
		return string(fields) + m
	}
	theirs := func(m, want string) string {
		t.Helper()
		m = results(want) + strings.NewReplacer(results("none"), "", results("pass"), "").Replace(m)
		var said strings.Builder
		cmd := exec.CommandContext(t.Context(), python, "-c", sealPy, keyFile, record[0], file("m", m))
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil || !strings.HasPrefix(said.String(), want+" ") {
			t.Fatalf("dkimpy says %s, %v; want %s", said.String(), err, want)
		}
		return string(out)
	}
	for i, m := range []string{letter, strings.Replace(letter, "Subject: a", "Subject:   a\r\n\tfolded", 1) + "\r\nmore  text \r\n\r\n"} {
		weFirst := ours(theirs(ours(m), "pass"))
		theyFirst := theirs(ours(theirs(m, "none")), "pass")
		for name, sealed := range map[string]string{"we first": weFirst, "they first": theyFirst} {
			if r := h.verify(sealed); r.Value != arc.Pass || len(r.Sets) != 3 || r.OldestPass != 0 {
				t.Errorf("message %d, %s: %s, %v", i, name, r.Value, r.Err)
			}
			theirs(sealed, "pass")
			theirs(strings.Replace(sealed, "Hello", "Hallo", 1), "fail")
		}
	}
}
