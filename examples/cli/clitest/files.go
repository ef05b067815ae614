package clitest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/examples/cli"
)

// File writes a file into a folder of the test's own and returns its path.
func File(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Certificate makes a certificate for hosts that is its own authority, and returns the files for -tls-cert or -tls-ca, and
// for -tls-key.
func Certificate(t testing.TB, hosts ...string) (cert, key string) {
	t.Helper()
	certPEM, keyPEM, err := cli.SelfSigned(hosts...)
	if err != nil {
		t.Fatal(err)
	}
	return File(t, "cert.pem", string(certPEM)), File(t, "key.pem", string(keyPEM))
}

// Output runs a real peer's program, which must end well, and returns what it printed.
func Output(t testing.TB, name string, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.String()
}
