package dkim_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/internal/suites"
)

// TestOpenDKIM exchanges messages with OpenDKIM both ways. It reads keys from a file, so no DNS is needed.
func TestOpenDKIM(t *testing.T) {
	program := suites.Program(t, "opendkim", "opendkim")
	dir := t.TempDir()
	file := func(name, content string) string {
		t.Helper()
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	run := func(conf, message string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), program, "-x", file("conf", conf+"Syslog no\nRequireSafeKeys no\n"), "-t", file("m.eml", message), "-vv").Output()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	k := keys(t, dkim.RSASHA256)
	private, err := dkim.AppendPrivateKey(nil, k.key)
	if err != nil {
		t.Fatal(err)
	}
	known := "Mode v\nTestPublicKeys " + file("keys", "s._domainkey.example.com "+k.record+"\n") + "\n"
	secret := "Mode s\nDomain example.com\nSelector s\nKeyFile " + file("key.pem", string(private)) + "\n"
	for i, msg := range messages() {
		for _, c := range canons() {
			signed := sign(t, msg, dkim.Signer{Domain: "example.com", Selector: "s", Key: k.key, HeaderCanon: c[0], BodyCanon: c[1]})
			if out := run(known, signed); !strings.Contains(out, "dkim=pass") || !strings.Contains(out, "header.a=rsa-sha256") {
				t.Errorf("message %d, %s, verified by OpenDKIM: %s", i, c, out)
			}
			if out := run(known, strings.Replace(signed, "Subject:", "Subject: not", 1)); !strings.Contains(out, "dkim=fail") && !strings.Contains(out, "dkim=permerror") {
				t.Errorf("message %d, %s, changed: %s", i, c, out)
			}
			out := run(secret+fmt.Sprintf("Canonicalization %s/%s\n", c[0], c[1]), msg)
			_, field, ok := strings.Cut(out, "hname='DKIM-Signature' hvalue='")
			field, _, end := strings.Cut(field, "'\n")
			if !ok || !end {
				t.Fatalf("message %d: %s", i, out)
			}
			theirs := "DKIM-Signature: " + strings.ReplaceAll(field, "\n", "\r\n") + "\r\n" + msg
			if res := verify(t, dkim.Verifier{Resolver: zone{"s._domainkey.example.com": k.record}}, theirs); len(res) != 1 || res[0].Value != dkim.Pass {
				t.Errorf("message %d, %s, signed by OpenDKIM: %+v\n%s", i, c, res, theirs)
			}
		}
	}
}
