package suites

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Fetchmail takes the INBOX of a user away with the Debian package fetchmail: over protocol "imap" or "pop3" at addr,
// which offers STARTTLS with the certificate in the file ca. It returns the messages with LF line ends; the server is
// told to delete them. It skips where fetchmail is absent.
func Fetchmail(t testing.TB, protocol, addr, ca, user, password string) []string {
	t.Helper()
	program := Program(t, "fetchmail", "fetchmail")
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	rc := filepath.Join(dir, "rc")
	config := fmt.Sprintf("set invisible\npoll %s service %s protocol %s timeout 20 auth password\n"+
		"user %q password %q sslproto TLS1.2+ sslcertck sslcertfile %s fetchall no rewrite stripcr pass8bits\n"+
		"mda \"cat >$(mktemp %s/letter.XXXXXX)\"\n", host, port, protocol, user, password, ca, dir)
	if err := os.WriteFile(rc, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-v", "-f", rc, "--pidfile", filepath.Join(dir, "pid"))
	cmd.Env = append(os.Environ(), "FETCHMAILHOME="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("fetchmail: %v: %s", err, out[max(0, len(out)-2000):])
	}
	files, err := filepath.Glob(filepath.Join(dir, "letter.*"))
	if err != nil {
		t.Fatal(err)
	}
	var messages []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, string(b))
	}
	return messages
}
