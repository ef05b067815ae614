package suites

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// unpacked returns the folder into which .ci/run has unpacked a Debian package that cannot be installed beside others,
// where it has file; "/" where the package is installed all the same.
func unpacked(peer, file string) (string, error) {
	_, source, _, _ := runtime.Caller(0)
	roots := []string{filepath.Join(filepath.Dir(source), "../.."), "/"}
	if wd, err := os.Getwd(); err == nil { // built with -trimpath, a source has no folder
		for dir := wd; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
			roots = append(roots, dir)
		}
	}
	for _, root := range roots {
		if root != "/" {
			root = filepath.Join(root, ".ci/peers", peer)
		}
		if _, err := os.Stat(filepath.Join(root, file)); err == nil {
			return filepath.Abs(root)
		}
	}
	return "", errors.New(peer + " is absent: .ci/run unpacks it into .ci/peers/" + peer)
}

// Exim starts an Exim that takes mail over SMTP, in chunks too, and delivers it to the server on port next of this host, in
// chunks where that takes them. It returns its address and its log. It skips where the Debian package exim4-daemon-light is
// not unpacked; it needs root and the user Debian-exim.
func Exim(t testing.TB, next string) (addr string, log func() string) {
	t.Helper()
	root, err := unpacked("exim", "usr/sbin/exim4")
	if err == nil {
		_, err = user.Lookup("Debian-exim")
	}
	if err == nil && os.Getuid() != 0 {
		err = errors.New("Exim is started by root alone")
	}
	if err != nil {
		missing(t, err.Error())
	}
	dir, err := os.MkdirTemp("", "exim")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := freeAddrs(&addr); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(addr)
	program, config := filepath.Join(root, "usr/sbin/exim4"), filepath.Join(dir, "exim.conf")
	if err := errors.Join(giveTo("nobody", dir), os.Chmod(dir, 0o755), os.WriteFile(config, fmt.Appendf(nil, eximConfig, dir, program, port, next), 0o644)); err != nil {
		t.Fatal(err)
	}
	log = func() string {
		main, _ := os.ReadFile(filepath.Join(dir, "log-main"))
		panics, _ := os.ReadFile(filepath.Join(dir, "log-panic"))
		return string(main) + string(panics)
	}
	cmd := exec.Command(program, "-bdf", "-C", config)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); !listens(addr); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("exim does not listen:\n%s", log())
		}
	}
	return addr, log
}

func giveTo(name, path string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, _ := strconv.Atoi(u.Uid) // numbers, on every Unix
	gid, _ := strconv.Atoi(u.Gid)
	return os.Chown(path, uid, gid)
}

// eximConfig takes folder, program, port, and the port of the next host.
const eximConfig = `exim_user = nobody
exim_group = nogroup
exim_path = %[2]s
spool_directory = %[1]s/spool
log_file_path = %[1]s/log-%%s
pid_file_path = %[1]s/pid
primary_hostname = exim.test.example
local_interfaces = 127.0.0.1
daemon_smtp_ports = %[3]s
host_lookup =
rfc1413_hosts =
chunking_advertise_hosts = *
tls_advertise_hosts =
deliver_drop_privilege = true
acl_smtp_rcpt = all
acl_smtp_data = all
bounce_return_size_limit = 10K
begin acl
all:
  accept
begin routers
out:
  driver = manualroute
  transport = next
  route_list = * 127.0.0.1
  self = send
begin transports
next:
  driver = smtp
  port = %[4]s
  hosts_try_chunking = *
  hosts_avoid_tls = *
begin retry
* * F,1h,1m
`
