package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/dnstest"
)

func TestStatus(t *testing.T) {
	tests := []struct {
		err    error
		status int
		stderr string
	}{
		{nil, 0, ""},
		{flag.ErrHelp, 0, ""},
		{errors.New("no such file"), 1, "prog: no such file\n"},
		{errors.New("two\nlines"), 1, "prog: two; lines\n"},
		{&Error{Status: StatusFailed}, 1, ""},
		{Undecided(errors.New("dns: timeout")), 3, "prog: dns: timeout\n"},
		{fmt.Errorf("wrapped: %w", Undecided(errors.New("x"))), 3, "prog: wrapped: x\n"},
		{NotBuilt("-policy capability"), 2, "prog: -policy capability is not built yet\nprog: run with -h for the flags and examples\n"},
	}
	for _, tt := range tests {
		var b bytes.Buffer
		if got := Report(&b, "prog", tt.err); got != tt.status || b.String() != tt.stderr {
			t.Errorf("%v: status %d, stderr %q", tt.err, got, b.String())
		}
	}
}

func TestParse(t *testing.T) {
	var out bytes.Buffer
	parse := func(args ...string) error {
		out.Reset()
		fs := Flags("prog", "prog [-n N] FILE\n\nExamples:\n  prog -n 3 a.eml", &out)
		fs.Int("n", 1, "number")
		return Parse(fs, args, 1)
	}
	if err := parse("-n", "2", "file"); err != nil {
		t.Error(err)
	}
	if err := parse("-h"); !errors.Is(err, flag.ErrHelp) || !strings.Contains(out.String(), "prog -n 3 a.eml") || !strings.Contains(out.String(), "-n int") {
		t.Errorf("help: %v %q", err, out.String())
	}
	for _, args := range [][]string{{"-x"}, {"-n", "many"}, {"file", "-n", "2"}} {
		if err := parse(args...); Status(err) != StatusUsage || out.Len() != 0 {
			t.Errorf("%q: %v, printed %q", args, err, out.String())
		}
	}
}

func TestUsers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pw")
	if err := os.WriteFile(file, []byte("from file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var u Users
	for _, s := range []string{"alice:se:cret", "bob@example.com:@" + file, "alice:newer"} {
		if err := u.Set(s); err != nil {
			t.Fatal(err)
		}
	}
	if got := u.String(); got != "alice,bob@example.com" || !slices.Equal(u.Names(), []string{"alice", "bob@example.com"}) {
		t.Errorf("String %q", got)
	}
	for name, want := range map[string]string{"alice": "newer", "bob@example.com": "from file"} {
		if got, ok := u.Password(name); !ok || got != want {
			t.Errorf("%s: %q %v", name, got, ok)
		}
	}
	for _, s := range []string{"", "hunter2", ":hunter2", "alice:", "alice:@/does/not/exist"} {
		err := u.Set(s)
		if err == nil {
			t.Errorf("%q accepted", s)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: password in %q", s, err)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{"5d": 120 * time.Hour, "1.5d": 36 * time.Hour, "30s": 30 * time.Second, "0s": 0} {
		if got, err := ParseDuration(s); err != nil || got != want {
			t.Errorf("%s: %v %v", s, got, err)
		}
	}
	for _, s := range []string{"", "d", "5", "-1s", "-1d", "NaNd", "1e300d", "5 days"} {
		if got, err := ParseDuration(s); err == nil {
			t.Errorf("%q: %v", s, got)
		}
	}
	var ds Durations
	if err := ds.Set("1s, 5s,2d"); err != nil || ds.String() != "1s,5s,48h0m0s" {
		t.Errorf("%v %v", ds, err)
	}
}

func TestOpenResolver(t *testing.T) {
	file := filepath.Join(t.TempDir(), "zone")
	if err := os.WriteFile(file, []byte("a.example. IN TXT \"v=spf1 -all\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := OpenResolver("zone:" + file)
	if err != nil {
		t.Fatal(err)
	}
	if txt, err := r.LookupTXT(t.Context(), "a.example"); err != nil || len(txt) != 1 || txt[0] != "v=spf1 -all" {
		t.Errorf("%q, %v", txt, err)
	}
	zone, err := dnstest.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	server, err := zone.Serve("")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if r, err = OpenResolver(server.Addr()); err != nil {
		t.Fatal(err)
	}
	if txt, err := r.LookupTXT(t.Context(), "a.example"); err != nil || len(txt) != 1 || txt[0] != "v=spf1 -all" {
		t.Errorf("over UDP: %q, %v", txt, err)
	}
	for _, spec := range []string{"zone:/does/not/exist", "zone:" + os.Args[0], "127.0.0.1", "file:x"} {
		if _, err := OpenResolver(spec); Status(err) != StatusUsage {
			t.Errorf("%s: %v", spec, err)
		}
	}
}

func TestStateDir(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/x")
	for want, names := range map[string][]string{
		"/x/mailbricks/relay/mx.example.com":        {"relay", "mx.example.com"},
		"/x/mailbricks/relay/_/_etc_passwd/_":       {"relay", "..", "/etc/passwd", ""},
		"/x/mailbricks/relay/[2001_db8__1]/a\u00fc": {"relay", "[2001:db8::1]", "a\u00fc"},
	} {
		if got, err := StateDir(names...); got != want || err != nil {
			t.Errorf("%q: %q, %v", names, got, err)
		}
	}
	t.Setenv("XDG_STATE_HOME", "relative")
	t.Setenv("HOME", "/h")
	if got, err := StateDir(); got != "/h/.local/state/mailbricks" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLoopback(t *testing.T) {
	for addr, want := range map[string]bool{":25": true, "127.0.0.1:0": true, "[::1]:25": true, "localhost:1": true, "0.0.0.0:25": false,
		"[::]:25": false, "mx.example.com:25": false, "192.0.2.1:25": false, "25": false} {
		if Loopback(addr) != want {
			t.Errorf("%s: %v", addr, !want)
		}
	}
}

func TestServe(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	accepted := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, w,
			Service{Name: "unused"},
			Service{Name: "mx", Addr: ":0", Serve: func(ctx context.Context, ln net.Listener) error {
				c, err := ln.Accept()
				if err != nil {
					return err
				}
				close(accepted)
				<-ctx.Done()
				return c.Close()
			}})
	}()
	var name, addr, ready string
	if _, err := fmt.Fscanf(r, "listening %s %s\n", &name, &addr); err != nil || name != "mx" || !strings.HasPrefix(addr, "127.0.0.1:") {
		t.Fatalf("%q %q %v", name, addr, err)
	}
	if _, err := fmt.Fscan(r, &ready); err != nil || ready != "ready" {
		t.Fatalf("%q %v", ready, err)
	}
	go io.Copy(io.Discard, r)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	<-accepted
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Fatal("still listening")
	}
}

func TestServeFailure(t *testing.T) {
	boom := errors.New("boom")
	err := Serve(t.Context(), io.Discard,
		Service{Name: "a", Addr: ":0", Serve: func(ctx context.Context, ln net.Listener) error { <-ctx.Done(); return nil }},
		Service{Name: "b", Addr: ":0", Serve: func(context.Context, net.Listener) error { return boom }})
	if !errors.Is(err, boom) || !strings.Contains(err.Error(), "-b") {
		t.Fatal(err)
	}
	if err := Serve(t.Context(), io.Discard, Service{Name: "mx", Addr: "25"}); Status(err) != StatusUsage {
		t.Fatal(err)
	}
}

func TestTLSFiles(t *testing.T) {
	dir := t.TempDir()
	cert, key, err := SelfSigned("localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := errors.Join(os.WriteFile(certFile, cert, 0o600), os.WriteFile(keyFile, key, 0o600)); err != nil {
		t.Fatal(err)
	}
	server, err := ServerTLS(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := CAPool(certFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"localhost", "127.0.0.1"} {
		a, b := net.Pipe()
		go tls.Server(a, server).Handshake()
		if err := tls.Client(b, &tls.Config{RootCAs: pool, ServerName: host}).Handshake(); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		a.Close()
		b.Close()
	}
	if c, err := ServerTLS("", ""); c != nil || err != nil {
		t.Errorf("%v %v", c, err)
	}
	if _, err := ServerTLS(certFile, ""); Status(err) != StatusUsage {
		t.Errorf("half a pair: %v", err)
	}
	if _, err := CAPool(keyFile); err == nil {
		t.Error("a key as authority")
	}
}
