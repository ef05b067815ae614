package suites

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A PostfixServer is a Postfix of the test's own on loopback. It takes mail from anybody for anybody.
type PostfixServer struct {
	SMTP string // its address

	dir string
}

// Log returns what it has logged.
func (s *PostfixServer) Log() string {
	b, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return string(b)
}

// Postfix starts the Debian package postfix with a configuration in a temporary folder, with these settings of main.cf
// ("smtpd_milters = inet:127.0.0.1:8891") besides, and stops it when the test ends. Mail for which they name no transport
// is thrown away. It skips where the package is absent; it needs root.
func Postfix(t testing.TB, settings ...string) *PostfixServer {
	t.Helper()
	program := Program(t, "postfix", "postfix")
	if os.Getuid() != 0 {
		missing(t, "Postfix is started by root alone")
	}
	dir, err := os.MkdirTemp("", "postfix")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &PostfixServer{dir: dir}
	if err := freeAddrs(&s.SMTP); err != nil {
		t.Fatal(err)
	}
	if err := s.configure(settings); err != nil {
		t.Fatal(err)
	}
	etc := filepath.Join(dir, "etc")
	if out, err := exec.Command(program, "-c", etc, "start").CombinedOutput(); err != nil {
		t.Fatalf("postfix start: %v\n%s%s", err, out, s.Log())
	}
	t.Cleanup(func() { // stop returns when the master has gone
		if out, err := exec.Command(program, "-c", etc, "stop").CombinedOutput(); err != nil {
			t.Errorf("postfix stop: %v\n%s%s", err, out, s.Log())
		}
	})
	for deadline := time.Now().Add(20 * time.Second); !listens(s.SMTP); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("postfix does not listen:\n%s", s.Log())
		}
	}
	return s
}

// configure writes main.cf and master.cf, which is Debian's with another port and without chroot.
func (s *PostfixServer) configure(settings []string) error {
	if err := os.Chmod(s.dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"etc", "queue", "data"} {
		if err := os.Mkdir(filepath.Join(s.dir, name), 0o755); err != nil {
			return err
		}
	}
	owner, err := user.Lookup("postfix")
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(owner.Uid)
	if err != nil {
		return err
	}
	if err := os.Chown(filepath.Join(s.dir, "data"), uid, 0); err != nil {
		return err
	}
	main := fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = %[1]s/log
maillog_file_prefixes = %[1]s
mail_owner = postfix
setgid_group = postdrop
myhostname = postfix.test.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
default_transport = discard:
smtp_host_lookup = native
lmtp_host_lookup = native
smtputf8_enable = yes
%[2]s
`, s.dir, strings.Join(settings, "\n"))
	_, port, err := net.SplitHostPort(s.SMTP)
	if err != nil {
		return err
	}
	debian, err := os.ReadFile("/usr/share/postfix/master.cf.dist")
	if err != nil {
		return err
	}
	var master bytes.Buffer
	for line := range strings.Lines(string(debian)) {
		f := strings.Fields(line)
		if len(f) < 8 || strings.HasPrefix(line, "#") || strings.HasPrefix(line, " ") {
			continue
		}
		if f[0] == "smtp" && f[1] == "inet" {
			f[0] = "127.0.0.1:" + port
		}
		f[4] = "n" // chroot
		fmt.Fprintln(&master, strings.Join(f, " "))
	}
	etc := filepath.Join(s.dir, "etc")
	if err := os.WriteFile(filepath.Join(etc, "main.cf"), []byte(main), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(etc, "master.cf"), master.Bytes(), 0o644)
}
