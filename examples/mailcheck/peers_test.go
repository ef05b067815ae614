package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/internal/suites"
)

// TestPeers: keys made by OpenSSL sign, dkimpy verifies what sign makes with the record that records prints, and dkim
// verifies what dkimpy signs.
func TestPeers(t *testing.T) {
	openssl := suites.Program(t, "openssl", "openssl")
	python := suites.Program(t, "/usr/bin/python3", "python3-dkim")
	if exec.Command(python, "-c", "import dkim, nacl").Run() != nil {
		suites.Program(t, "the Python module dkim", "python3-dkim python3-nacl")
	}
	f := files{t, t.TempDir()}
	f.write("letter.eml", letter)
	command := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), name, args...).Output()
		if err != nil {
			t.Fatalf("%s %q: %v", name, args, err)
		}
		return strings.TrimSpace(string(out))
	}
	const verifyPy = `
import dkim, sys
zone = {}
for line in open(sys.argv[1]):
    if "_domainkey" in line:
        name, _, rest = line.partition(" ")
        zone[name.encode()] = "".join(rest.split('"')[1::2]).encode()
print(dkim.verify(open(sys.argv[2], "rb").read(), dnsfunc=lambda name, timeout=5: zone[name]))
`
	const signPy = `
import dkim, sys
m = open(sys.argv[1], "rb").read()
s = dkim.sign(m, b"s", b"example.com", open(sys.argv[3], "rb").read(), signature_algorithm=sys.argv[2].encode())
open(sys.argv[4], "wb").write(s + m)
`
	for name, tt := range map[string]struct {
		algorithm string
		args      []string
	}{
		"rsa-pkcs8": {"rsa-sha256", []string{"genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048", "-out"}},
		"rsa-pkcs1": {"rsa-sha256", []string{"genrsa", "-traditional", "-out"}},
		"ed25519":   {"ed25519-sha256", []string{"genpkey", "-algorithm", "ed25519", "-out"}},
	} {
		key := f.path(name)
		command(openssl, append(tt.args, key)...)
		zone := f.write(name+".zone", must(t, "records", "-domain", "example.com", "-selector", "s", "-key", key))
		for _, canon := range []string{"simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"} {
			ours := f.write(name+".eml", must(t, "sign", "-domain", "example.com", "-selector", "s", "-key", key, "-canon", canon, f.path("letter.eml")))
			if got := command(python, "-c", verifyPy, zone, ours); got != "True" {
				t.Errorf("%s %s, verified by dkimpy: %s", name, canon, got)
			}
			must(t, "verify", "-zone", zone, ours)
		}
		text, err := os.ReadFile(key)
		if err != nil {
			t.Fatal(err)
		}
		private, err := dkim.ParsePrivateKey(text)
		if err != nil {
			t.Fatal(err)
		}
		if ed, ok := private.(ed25519.PrivateKey); ok { // dkimpy takes the seed alone
			f.write(name, base64.StdEncoding.EncodeToString(ed.Seed()))
		}
		command(python, "-c", signPy, f.path("letter.eml"), tt.algorithm, key, f.path("theirs.eml"))
		if out := must(t, "dkim", "-json", "-zone", zone, f.path("theirs.eml")); !strings.Contains(out, `"algorithm":"`+tt.algorithm+`","result":"pass"`) {
			t.Errorf("%s, signed by dkimpy: %s", name, out)
		}
	}
}
