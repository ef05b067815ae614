package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/examples/cli/clitest"
	"github.com/mailbricks/mailbricks/internal/suites"
)

// below cuts off the trace fields, and what else a relay or submission puts on top.
func below(t *testing.T, message []byte) string {
	t.Helper()
	i := bytes.Index(message, []byte("\r\nFrom: "))
	if i < 0 {
		t.Fatalf("no From in %q", message)
	}
	return string(message[i+2:])
}

// hard is a message that is easy to damage: 8-bit, lines that begin with dots, a long line, trailing space, empty lines at
// the end.
func hard(from, to string) string {
	return "From: <" + from + ">\r\nTo: <" + to + ">\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: Wed, 25 Nov 2026 10:00:00 +0000\r\n" +
		"Message-ID: <hard@a.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
		"Gr\xc3\xbc\xc3\x9fe\r\n.\r\n..\r\n.dot\r\n" + strings.Repeat("0123456789", 98) + "\r\ntrailing \t\r\n\r\n\r\n"
}

// TestSendingPeers: swaks and curl send, plain to MX, and with STARTTLS and AUTH to submission.
func TestSendingPeers(t *testing.T) {
	w := newWorld(t)
	b := w.relayB(t)
	a := w.relayA(t, "-port", port(t, b.Addr("mx")))
	text := hard("alice@a.example", "bob@b.example")
	file, short := clitest.File(t, "hard.eml", text), clitest.File(t, "short.eml", strings.TrimSuffix(text, "\r\n")) // swaks always adds a line end
	swaks, curl := suites.Program(t, "swaks", "swaks"), suites.Program(t, "curl", "curl")
	if exec.Command("perl", "-MNet::SSLeay", "-e", "1").Run() != nil {
		suites.Program(t, "the Perl module Net::SSLeay", "libnet-ssleay-perl")
	}
	envelope := []string{"--from", "alice@a.example", "--to", "bob@b.example"}
	for name, send := range map[string]func(){
		"swaks, plain": func() {
			clitest.Output(t, swaks, append(envelope, "--server", b.Addr("mx"), "--helo", "mail.a.example", "--data", "@"+short)...)
		},
		"swaks, STARTTLS and AUTH": func() {
			clitest.Output(t, swaks, append(envelope, "--server", a.Addr("submission"), "--tls", "--tls-verify", "--tls-ca-path", w.files["cert"],
				"--auth", "PLAIN", "--auth-user", "alice", "--auth-password", "secret", "--data", "@"+short)...)
		},
		"swaks, AUTH LOGIN": func() {
			clitest.Output(t, swaks, append(envelope, "--server", a.Addr("submission"), "--tls", "--auth", "LOGIN", "--auth-user", "alice",
				"--auth-password", "secret", "--data", "@"+short)...)
		},
		"curl, plain": func() {
			clitest.Output(t, curl, "-sS", "smtp://"+b.Addr("mx")+"/mail.a.example", "--mail-from", "alice@a.example", "--mail-rcpt", "bob@b.example", "-T", file)
		},
		"curl, STARTTLS and AUTH": func() {
			clitest.Output(t, curl, "-sS", "smtp://"+a.Addr("submission")+"/laptop", "--ssl-reqd", "--cacert", w.files["cert"], "--user", "alice:secret",
				"--mail-from", "alice@a.example", "--mail-rcpt", "bob@b.example", "-T", file)
		},
	} {
		send()
		got := <-w.got
		if rest := below(t, got.Body); rest != text {
			t.Errorf("%s: %q", name, rest)
		}
		if !strings.Contains(string(got.Body), "dmarc=pass") {
			t.Errorf("%s: %q", name, got.Body)
		}
	}
	if out, err := exec.CommandContext(t.Context(), swaks, "--server", a.Addr("submission"), "--from", "alice@a.example", "--to", "bob@b.example").CombinedOutput(); err == nil ||
		!strings.Contains(string(out), "530 5.7.0") {
		t.Errorf("swaks without AUTH: %v\n%s", err, out)
	}
}

// TestSink: Postfix's smtp-sink receives what a user has sent.
func TestSink(t *testing.T) {
	sink := suites.Program(t, "smtp-sink", "postfix")
	w := newWorld(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	dir, err := os.MkdirTemp("", "sink")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	args := []string{"-d", filepath.Join(dir, "mail."), addr, "10"}
	if os.Geteuid() == 0 {
		args = append([]string{"-u", "nobody"}, args...)
	}
	cmd := exec.Command(sink, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	a := w.relayA(t, "-smarthost", addr, "-retry", "100ms")
	text := hard("alice@a.example", "bob@sink.example")
	if res, err := w.submit(t, a.Addr("submission"), "alice", "alice@a.example", text, "bob@sink.example"); err != nil || res[0].Reply.Code != 250 {
		t.Fatalf("%v, %v", res, err)
	}
	var got []byte
	for end := time.Now().Add(20 * time.Second); len(got) == 0; {
		if time.Now().After(end) {
			t.Fatalf("nothing came: %s", said.String())
		}
		files, err := filepath.Glob(filepath.Join(dir, "mail.*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil && bytes.HasSuffix(bytes.TrimRight(b, "\n"), []byte("trailing \t")) {
				got = b
			}
		}
	}
	// smtp-sink keeps a message with the line ends of its system, and an empty line behind it.
	rest := below(t, bytes.ReplaceAll(got, []byte("\n"), []byte("\r\n")))
	if strings.TrimSuffix(rest, "\r\n") != text && rest != text {
		t.Errorf("%q", rest)
	}
	if !bytes.Contains(got, []byte("DKIM-Signature: ")) {
		t.Errorf("%q", got)
	}
}
