package pop3

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/internal/suites"
)

// letters are messages for exchanges with others, public ones and some that are awkward for POP3.
func letters(t testing.TB) []string {
	t.Helper()
	out := []string{
		"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\n\r\n.\r\n",
		"Subject: 8-bit\r\n\r\nGr\xfc\xdfe, Gr\xc3\xbc\xc3\x9fe\r\n",
		"Subject: Gr\xc3\xbc\xc3\x9fe\r\n\r\nUTF-8 in the header\r\n",
		"Subject: large\r\n\r\n" + strings.Repeat(strings.Repeat("0123456789", 7)+"\r\n.\r\n", 30_000),
		"Subject: no body\r\n",
		"\r\n",
	}
	files, err := filepath.Glob(filepath.Join(suites.Dir(t, "mime/cpython-email"), "msg_*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatal("no messages")
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		s := strings.NewReplacer("\r\n", "\r\n", "\r", "", "\n", "\r\n").Replace(string(b))
		if !strings.HasSuffix(s, "\r\n") {
			s += "\r\n"
		}
		out = append(out, s)
	}
	return out
}

// listen serves s on loopback.
func listen(t testing.TB, s *Server, implicit bool) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	if implicit {
		ln = tls.NewListener(ln, serverTLS(t))
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return addr
}

func certificateFile(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "cert.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate().Certificate[0]}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// python prints what poplib finds: a line for STAT, UIDL, TOP 2 0, and each message in hexadecimal.
const python = `
import poplib, ssl, sys
host, port, cafile = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context(cafile=cafile)
p = poplib.POP3(host, port, timeout=20)
p.stls(context)
p.utf8()
p.user('bob'); p.pass_('s p')
n, size = p.stat()
print(n, size)
print(b'|'.join(p.uidl()[1]).decode())
print(b'|'.join(p.top(1, 1)[1]).decode())
for i in range(1, n + 1):
    print(b''.join(l + b'\r\n' for l in p.retr(i)[1]).hex())
try:
    p.retr(n + 1)
except poplib.error_proto as e:
    print(e)
p.dele(1); p.dele(n); p.rset(); p.dele(2)
print(p.quit().decode())
`

func TestPoplib(t *testing.T) {
	program := suites.Program(t, "/usr/bin/python3", "python3")
	all := letters(t)
	m := newMemory(all...)
	s := newServer(m)
	s.AlwaysUTF8 = true // the peer does not ask for it
	s.TLS, s.AllowPlaintextAuth = serverTLS(t), false
	host, port, _ := net.SplitHostPort(listen(t, s, false))
	out, err := exec.CommandContext(t.Context(), program, "-c", python, host, port, certificateFile(t)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out[max(0, len(out)-1000):])
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(all)+5 {
		t.Fatalf("%d lines", len(lines))
	}
	octets := 0
	for i, l := range all {
		octets += len(l)
		if got, _ := hex.DecodeString(lines[3+i]); string(got) != l {
			t.Errorf("message %d: got %.200q, want %.200q", i+1, got, l)
		}
	}
	if want := fmt.Sprint(len(all), octets); lines[0] != want {
		t.Errorf("STAT %q, want %q", lines[0], want)
	}
	if !strings.HasPrefix(lines[1], "1 77.1|2 77.2|") {
		t.Errorf("UIDL %q", lines[1])
	}
	if lines[2] != "Subject: dots||." {
		t.Errorf("TOP %q", lines[2])
	}
	if !strings.Contains(lines[len(lines)-2], "-ERR no such message") || !strings.HasPrefix(lines[len(lines)-1], "+OK") {
		t.Errorf("%q", lines[len(lines)-2:])
	}
	if !slices.Equal(m.expunges, []string{"INBOX 2"}) {
		t.Errorf("expunged %q", m.expunges)
	}
}

func TestCurl(t *testing.T) {
	program := suites.Program(t, "curl", "curl")
	all := letters(t)
	m := newMemory(all...)
	s := newServer(m)
	s.AlwaysUTF8 = true // the peer does not ask for it
	s.TLS, s.AllowPlaintextAuth = serverTLS(t), false
	ca := certificateFile(t)
	for _, implicit := range []bool{false, true} {
		scheme, addr := "pop3", listen(t, s, implicit)
		if implicit {
			scheme = "pop3s"
		}
		curl := func(path string, args ...string) string {
			t.Helper()
			args = append(args, "-sS", "--max-time", "20", "--ssl-reqd", "--cacert", ca, "-u", "bob:s p", scheme+"://"+addr+path)
			out, err := exec.CommandContext(t.Context(), program, args...).Output()
			if err != nil {
				t.Fatalf("curl %s: %v", path, err)
			}
			return string(out)
		}
		for i, l := range all {
			if got := curl(fmt.Sprint("/", i+1)); got != l {
				t.Errorf("message %d: got %.200q, want %.200q", i+1, got, l)
			}
		}
		if got := curl("/"); !strings.HasPrefix(got, fmt.Sprintf("1 %d\r\n2 %d\r\n", len(all[0]), len(all[1]))) {
			t.Errorf("LIST %q", got)
		}
		if got := curl("/", "-X", "UIDL"); !strings.HasPrefix(got, "1 77.1\r\n2 77.2\r\n") {
			t.Errorf("UIDL %q", got)
		}
		if implicit {
			_ = curl("/3", "-I", "-X", "DELE")
		}
	}
	if !slices.Equal(m.expunges, []string{"INBOX 3"}) {
		t.Errorf("expunged %q", m.expunges)
	}
}

// TestMpop has a mail retrieval agent fetch everything twice: the second time the unique ids tell it that there is
// nothing new.
func TestMpop(t *testing.T) {
	program := suites.Program(t, "mpop", "mpop")
	all := letters(t)
	m := newMemory(all...)
	s := newServer(m)
	s.AlwaysUTF8 = true // the peer does not ask for it
	s.TLS, s.AllowPlaintextAuth = serverTLS(t), false
	host, port, _ := net.SplitHostPort(listen(t, s, false))
	dir := t.TempDir()
	for _, d := range []string{"m", "m/cur", "m/new", "m/tmp"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	config := fmt.Sprintf("account a\nhost %s\nport %s\nuser bob\npasswordeval echo s p\nauth user\ntls on\ntls_starttls on\ntls_trust_file %s\nkeep on\ndelivery maildir %s/m\nuidls_file %s/uidls\nreceived_header off\n",
		host, port, certificateFile(t), dir, dir)
	if err := os.WriteFile(filepath.Join(dir, "rc"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	fetch := func() string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), program, "-C", filepath.Join(dir, "rc"), "a").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	fetch()
	files, _ := filepath.Glob(filepath.Join(dir, "m/new/*"))
	var got []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(b))
	}
	want := make([]string, len(all))
	for i, l := range all {
		want[i] = strings.ReplaceAll(l, "\r\n", "\n")
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d messages fetched, %d are there, or they differ", len(got), len(want))
	}
	opened := m.bodies
	fetch()
	if m.bodies != opened {
		t.Errorf("%d messages fetched again", m.bodies-opened)
	}
}

// TestFetchmail takes a mailbox away: every message is fetched, then deleted.
func TestFetchmail(t *testing.T) {
	all := slices.DeleteFunc(letters(t), func(l string) bool {
		name, _, ok := strings.Cut(l, ":")
		return !ok || strings.Contains(name, " ") || !strings.Contains(l, "\r\n\r\n") // it leaves those
	})
	m := newMemory(all...)
	s := newServer(m)
	s.AlwaysUTF8 = true // the peer does not ask for it
	s.TLS, s.AllowPlaintextAuth = serverTLS(t), false
	got, want := suites.Fetchmail(t, "pop3", listen(t, s, false), certificateFile(t), "bob", "s p"), make([]string, len(all))
	for i, l := range all {
		want[i] = strings.ReplaceAll(l, "\r\n", "\n")
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(got) < 40 || !slices.Equal(got, want) {
		t.Errorf("%d messages fetched, %d are there, or they differ", len(got), len(want))
	}
	if len(m.messages) != 0 {
		t.Errorf("%d messages are left", len(m.messages))
	}
}

// TestDovecot has the Client read from a real server, over STLS.
func TestDovecot(t *testing.T) {
	d := suites.Dovecot(t)
	ctx := t.Context()
	all := letters(t)
	dial := func() *Client {
		t.Helper()
		c, err := Dial(ctx, d.POP3, Options{TLSConfig: &tls.Config{RootCAs: d.Roots}})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := dial()
	if err := c.Auth(ctx, sasl.Credentials{Username: d.User, Password: "guess"}); !isCode(err, "AUTH") {
		t.Errorf("wrong password: %v", err)
	}
	if err := c.Auth(ctx, sasl.Credentials{Username: d.User, Password: d.Password}); err != nil {
		t.Fatal(err)
	}
	if n, octets, err := c.Stat(ctx); n != 0 || octets != 0 || err != nil {
		t.Errorf("Stat: %d, %d, %v", n, octets, err)
	}
	if err := c.Quit(ctx); err != nil {
		t.Error(err)
	}
	d.Deliver(t, all...)
	c = dial()
	if err := c.Login(ctx, d.User, d.Password); err != nil {
		t.Fatal(err)
	}
	list, err := c.List(ctx)
	if err != nil || len(list) != len(all) {
		t.Fatalf("%d messages, %v", len(list), err)
	}
	ids, err := c.UIDL(ctx)
	if err != nil || len(ids) != len(all) {
		t.Fatalf("%d messages, %v", len(ids), err)
	}
	for i, want := range all {
		body, err := c.Retr(ctx, i+1)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(body); string(got) != want || err != nil || list[i].Size != int64(len(want)) {
			t.Errorf("message %d of %d octets: got %.200q, %v; want %.200q", i+1, list[i].Size, got, err, want)
		}
	}
	numbers := make([]int, len(all))
	for i := range numbers {
		numbers[i] = i + 1
	}
	n := 0
	for b, err := range c.RetrAll(ctx, numbers...) {
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(b); string(got) != all[b.Number-1] || err != nil {
			t.Errorf("message %d, asked for ahead: %d octets, %v", b.Number, len(got), err)
		}
		n++
	}
	if n != len(all) {
		t.Errorf("%d messages", n)
	}
	body, err := c.Top(ctx, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(body); string(got) != "Subject: dots\r\n\r\n.\r\n" || err != nil {
		t.Errorf("TOP: %q, %v", got, err)
	}
	if err := c.Dele(ctx, 1, 2, 3); err != nil {
		t.Error(err)
	}
	if err := c.Quit(ctx); err != nil {
		t.Error(err)
	}
	c = dial()
	if err := c.Auth(ctx, sasl.Credentials{Username: d.User, Password: d.Password}); err != nil {
		t.Fatal(err)
	}
	if rest, err := c.UIDL(ctx); err != nil || len(rest) != len(all)-3 || rest[0].UID != ids[3].UID {
		t.Errorf("%d messages left, %v", len(rest), err)
	}
	if err := c.Quit(ctx); err != nil {
		t.Error(err)
	}
}
