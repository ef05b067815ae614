package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/examples/cli/clitest"
	"github.com/mailbricks/mailbricks/examples/mailstore"
	"github.com/mailbricks/mailbricks/examples/mailstore/serve"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

func TestUsage(t *testing.T) {
	file := clitest.File(t, "x.eml", "Subject: nobody\n\nx\n")
	clitest.Usage(t, "client", run,
		[]string{}, []string{"fetch"}, []string{"send"}, []string{"send", "-server", "http://x", file}, []string{"send", "-server", "https://x", file},
		[]string{"send", "-server", "smtp://127.0.0.1:25", file}, []string{"send", "-server", "smtp://127.0.0.1:25", "-from", "a@a.example", file},
		[]string{"send", "-server", "smtp://127.0.0.1:25", "-from", "a@a.example", "-to", "b", file},
		[]string{"list"}, []string{"list", "-user", "a:b"}, []string{"list", "-server", "imap://127.0.0.1:1"}, []string{"list", "-user", "a:b", "-server", "http://x"},
		[]string{"list", "-user", "a:b", "-server", "jmap:imap://x"}, []string{"list", "-user", "a:b", "-server", "imap://127.0.0.1:1", "operand"},
		[]string{"get", "-user", "a:b", "-server", "imap://127.0.0.1:1"}, []string{"search", "-user", "a:b", "-server", "imap://127.0.0.1:1"})
	_, _, stderr := clitest.Status(t, "client", run, "send", "-server", "https://x", file)
	if !strings.Contains(stderr, "not built yet") {
		t.Error(stderr)
	}
	for _, args := range [][]string{{"send", "-server", "smtp://127.0.0.1:1", "-from", "a@a.example", "-to", "b@b.example", file}, {"send", "-server", "smtp://127.0.0.1:1", "/none"},
		{"list", "-user", "a:b", "-server", "imap://127.0.0.1:1"}, {"list", "-user", "a:b", "-server", "jmap:http://127.0.0.1:1"}} {
		if status, stdout, stderr := clitest.Status(t, "client", run, args...); status != cli.StatusFailed || stdout != "" || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: status %d, stdout %q, stderr %q", args, status, stdout, stderr)
		}
	}
}

const text = "From: Alice <alice@a.example>\r\nTo: bob@b.example, \"Carol\" <carol@b.example>\r\nCc: nobody@b.example\r\nSubject: the first\r\n\r\nHello.\r\n.\r\n"

// TestSend sends a file to who is named in it, and to who is given.
func TestSend(t *testing.T) {
	file := clitest.File(t, "letter.eml", strings.ReplaceAll(text, "\r\n", "\n"))
	rec := &smtptest.Recorder{OnRcpt: func(to smtp.Path, _ smtp.RcptParams) error {
		if to.Local == "nobody" {
			return smtp.NewError(550, smtp.EnhancedCode{5, 1, 1}, "No such \x1b[31muser")
		}
		return nil
	}}
	server, _ := smtptest.TLS(t)
	users := sasl.NewUsers()
	if err := users.Set("alice", "secret"); err != nil {
		t.Fatal(err)
	}
	addr := smtptest.NewServer(t, &smtpserver.Server{Handler: rec, Hostname: "mx.b.example", Authenticator: sasl.New(sasl.Plain(users.Check)), TLS: server}, false)

	status, stdout, stderr := clitest.Status(t, "client", run, "send", "-server", "smtp://"+addr, file)
	if status != cli.StatusFailed || !strings.Contains(stdout, "bob@b.example: 250 2.0.0") || !strings.Contains(stdout, "nobody@b.example: 550 5.1.1") ||
		!strings.Contains(stderr, "1 of 3 recipients refused: 550 5.1.1") || strings.Contains(stdout+stderr, "\x1b") {
		t.Errorf("status %d, %q, %q", status, stdout, stderr)
	}
	got := rec.Messages()
	if len(got) != 1 || len(got[0].Recipients) != 2 || got[0].From.Address() != "alice@a.example" || !strings.HasSuffix(string(got[0].Body), text) {
		t.Fatalf("%+v", got)
	}

	rec.Reset()
	status, stdout, stderr = clitest.Status(t, "client", run, "send", "-server", "smtp://"+addr, "-user", "alice:secret", "-from", "<>", "-to", "dave@b.example", "-trace", file)
	if status != cli.StatusDone || strings.Contains(stdout, "secret") || strings.Contains(stdout, "AGFsaWNl") {
		t.Errorf("status %d, %q, %q", status, stdout, stderr)
	}
	for _, want := range []string{"<- 220 mx.b.example", "-> EHLO ", "-> STARTTLS", "-> AUTH PLAIN", "-> MAIL FROM:<>", "-> RCPT TO:<dave@b.example>", "<- 354 ", "<- 250 2.0.0"} {
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(want) + `.*  \[\+\d+\.\d ms\]$`).MatchString(stdout) {
			t.Errorf("no line %q in\n%s", want, stdout)
		}
	}
	if got := rec.Messages(); len(got) != 1 || !got[0].From.IsNull() || got[0].Peer.Identity != "alice" || got[0].Recipients[0].To.Address() != "dave@b.example" {
		t.Errorf("%+v", got)
	}
	if status, _, stderr := clitest.Status(t, "client", run, "send", "-server", "smtp://"+addr, "-user", "alice:wrong", file); status != cli.StatusFailed || !strings.Contains(stderr, "535") {
		t.Errorf("a wrong password: %d %s", status, stderr)
	}
	ca, _ := clitest.Certificate(t, "other.example")
	if status, _, stderr := clitest.Status(t, "client", run, "send", "-server", "smtp://"+addr, "-tls-ca", ca, file); status != cli.StatusFailed || !strings.Contains(stderr, "-tls-ca FILE") {
		t.Errorf("an unknown authority: %d %s", status, stderr)
	}
}

// A rig is a store with three ways to read it.
type rig struct {
	store   *mailstore.Store
	servers map[string][]string // flags to connect with
}

func newRig(t *testing.T) *rig {
	t.Helper()
	store, err := mailstore.OpenMemory(mailstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	users := sasl.NewUsers()
	if err := errors.Join(users.Set("bob", "secret"), store.EnsureAccount(t.Context(), "bob")); err != nil {
		t.Fatal(err)
	}
	ca, key := clitest.Certificate(t, "127.0.0.1")
	config, err := cli.ServerTLS(ca, key)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{store: store, servers: make(map[string][]string)}
	plain, err := serve.New(serve.Config{Store: store, Hostname: "mail.b.example", Users: users.Check, AllowPlaintextAuth: true})
	if err != nil {
		t.Fatal(err)
	}
	secure, err := serve.New(serve.Config{Store: store, Hostname: "mail.b.example", Users: users.Check, TLS: config})
	if err != nil {
		t.Fatal(err)
	}
	r.servers["IMAP"] = []string{"-server", "imap://" + listen(t, plain.IMAP)}
	r.servers["STARTTLS"] = []string{"-server", "imap://" + listen(t, secure.IMAP), "-tls-ca", ca}
	r.servers["STARTTLS, not verified"] = []string{"-server", "imap://" + listen(t, secure.IMAP)}
	r.servers["IMAPS"] = []string{"-server", "imaps://" + listen(t, secure.IMAPS), "-tls-ca", ca}
	r.servers["JMAP"] = []string{"-server", "jmap:http://" + listen(t, plain.JMAP)}
	r.servers["HTTPS"] = []string{"-server", "jmap:https://" + listen(t, secure.JMAP), "-tls-ca", ca}
	return r
}

func listen(t *testing.T, serve func(context.Context, net.Listener) error) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func (r *rig) deliver(t *testing.T, text string) {
	t.Helper()
	res, err := smtp.Deliver(t.Context(), r.store, smtp.Envelope{Recipients: []smtp.Recipient{{To: smtp.Path{Local: "bob", Domain: "b.example"}}}}, strings.NewReader(text))
	if err != nil || !res[0].Reply.OK() {
		t.Fatalf("%v %v", res, err)
	}
}

type listing struct{ Messages []item }

// TestRead lists, searches and gets over every protocol.
func TestRead(t *testing.T) {
	r := newRig(t)
	second := strings.Replace(text, "the first", "=?utf-8?q?a_gr=C3=BC=C3=9F_for_=1B[31m?=", 1)
	r.deliver(t, text)
	r.deliver(t, second)
	for name, server := range r.servers {
		client := func(command string, more ...string) string {
			t.Helper()
			status, stdout, stderr := clitest.Status(t, "client", run, append(append([]string{command, "-user", "bob:secret"}, server...), more...)...)
			if status != cli.StatusDone {
				t.Fatalf("%s %s: status %d, %s", name, command, status, stderr)
			}
			return stdout
		}
		var all listing
		if err := json.Unmarshal([]byte(client("list", "-json")), &all); err != nil || len(all.Messages) != 2 {
			t.Fatalf("%s: %+v, %v", name, all, err)
		}
		bySubject := make(map[string]item)
		for _, m := range all.Messages {
			bySubject[m.Subject] = m
			if m.From != "alice@a.example" || len(m.To) != 2 || m.To[1] != "carol@b.example" || m.Date.IsZero() || m.Size < int64(len(text)) || len(m.Keywords) != 0 {
				t.Errorf("%s: %+v", name, m)
			}
		}
		one, ok := bySubject["the first"]
		if !ok {
			t.Fatalf("%s: %+v", name, all)
		}
		if got := client("list"); strings.Count(got, "\n") != 2 || !strings.Contains(got, "a grüß for [31m") || !strings.Contains(got, one.ID+" ") {
			t.Errorf("%s: list %q", name, got)
		}
		if got := client("search", "first", "hello"); strings.Count(got, "\n") != 1 || !strings.Contains(got, "the first") {
			t.Errorf("%s: search %q", name, got)
		}
		if got := client("search", "first", "nowhere"); got != "" {
			t.Errorf("%s: search %q", name, got)
		}
		if got := client("get", one.ID); !strings.HasSuffix(got, text) {
			t.Errorf("%s: get %q", name, got)
		}
		var whole item
		if err := json.Unmarshal([]byte(client("get", "-json", one.ID)), &whole); err != nil || whole.Text != "Hello.\n.\n" || whole.Subject != "the first" || whole.ID != one.ID {
			t.Errorf("%s: get -json %+v, %v", name, whole, err)
		}
		if status, _, stderr := clitest.Status(t, "client", run, append(append([]string{"get", "-user", "bob:secret"}, server...), "4711")...); status != cli.StatusFailed || !strings.Contains(stderr, "4711") {
			t.Errorf("%s: no such message: %d %s", name, status, stderr)
		}
		if status, _, stderr := clitest.Status(t, "client", run, append([]string{"list", "-user", "bob:wrong"}, server...)...); status != cli.StatusFailed || strings.Contains(stderr, "wrong") {
			t.Errorf("%s: wrong password: %d %s", name, status, stderr)
		}
	}
}

// TestWatch is told of a message that comes, is read and goes.
func TestWatch(t *testing.T) {
	for name := range newRig(t).servers {
		r := newRig(t)
		r.deliver(t, text)
		ctx, cancel := context.WithCancel(t.Context())
		out, stdout := io.Pipe()
		errs, stderr := io.Pipe()
		done := make(chan error, 1)
		go func() {
			err := run(ctx, append([]string{"watch", "-json", "-user", "bob:secret"}, r.servers[name]...), stdout, stderr)
			stderr.Close()
			stdout.Close()
			done <- err
		}()
		if line, err := bufio.NewReader(errs).ReadString('\n'); line != "watching\n" {
			t.Fatalf("%s: %q %v, %v", name, line, err, <-done)
		}
		go io.Copy(io.Discard, errs)
		lines := bufio.NewScanner(out)
		next := func() (it item) {
			t.Helper()
			if !lines.Scan() {
				t.Fatalf("%s: ended: %v", name, <-done)
			}
			if err := json.Unmarshal(lines.Bytes(), &it); err != nil {
				t.Fatal(err)
			}
			return it
		}
		r.deliver(t, strings.Replace(text, "the first", "the second", 1))
		came := next()
		if came.Change != "created" || came.Subject != "the second" || came.From != "alice@a.example" {
			t.Errorf("%s: %+v", name, came)
		}
		a, err := r.store.OpenAccount(t.Context(), "bob")
		if err != nil {
			t.Fatal(err)
		}
		change := imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagSeen}}
		if _, err := a.Flagger.StoreFlags(t.Context(), "INBOX", imap.UIDs(2), change, imap.NoUnchangedSince); err != nil {
			t.Fatal(err)
		}
		if it := next(); it.Change != "updated" || it.ID != came.ID || strings.Join(it.Keywords, " ") != "$seen" {
			t.Errorf("%s: %+v", name, it)
		}
		change.Flags = []imap.Flag{imap.FlagDeleted}
		if _, err := a.Flagger.StoreFlags(t.Context(), "INBOX", imap.UIDs(1), change, imap.NoUnchangedSince); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Expunger.Expunge(t.Context(), "INBOX", imap.UIDs(1), false); err != nil {
			t.Fatal(err)
		}
		for it := next(); it.Change != "destroyed"; it = next() {
			if it.Change != "updated" || it.ID == came.ID { // \Deleted may be told first
				t.Errorf("%s: %+v", name, it)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A wire is a way to a server that can be cut.
type wire struct {
	mu    sync.Mutex
	conns []net.Conn
}

func (w *wire) serve(ctx context.Context, ln net.Listener, addr string) error {
	defer context.AfterFunc(ctx, func() { ln.Close(); w.cut() })()
	for {
		in, err := ln.Accept()
		if err != nil {
			return nil
		}
		out, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		w.mu.Lock()
		w.conns = append(w.conns, in, out)
		w.mu.Unlock()
		go func() { _, _ = io.Copy(in, out); in.Close() }()
		go func() { _, _ = io.Copy(out, in); out.Close() }()
	}
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

// TestWatchReconnects: what comes while there is no connection is told once there is one again.
func TestWatchReconnects(t *testing.T) {
	r := newRig(t)
	w := new(wire)
	real := strings.TrimPrefix(r.servers["IMAP"][1], "imap://")
	addr := listen(t, func(ctx context.Context, ln net.Listener) error { return w.serve(ctx, ln, real) })
	ctx, cancel := context.WithCancel(t.Context())
	out, stdout := io.Pipe()
	errs, stderr := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"watch", "-json", "-user", "bob:secret", "-server", "imap://" + addr}, stdout, stderr)
		stderr.Close()
		stdout.Close()
		done <- err
	}()
	notes := bufio.NewScanner(errs)
	if !notes.Scan() || notes.Text() != "watching" {
		t.Fatalf("%q, %v", notes.Text(), <-done)
	}
	lost := make(chan bool)
	go func() {
		said := false
		for notes.Scan() {
			said = said || strings.HasPrefix(notes.Text(), "connection lost, again in ")
		}
		lost <- said
	}()
	lines := bufio.NewScanner(out)
	for _, subject := range []string{"the second", "the third", "the fourth"} {
		w.cut() // before the first it may have no connection yet
		r.deliver(t, strings.Replace(text, "the first", subject, 1))
		var it item
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &it) != nil || it.Change != "created" || it.Subject != subject {
			t.Errorf("%q", lines.Text())
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if !<-lost {
		t.Error("not told that the connection was lost")
	}
}

// TestPrint: text of strangers does not steer the terminal.
func TestPrint(t *testing.T) {
	var b bytes.Buffer
	it := item{Change: "created", ID: "M1", From: "a@b\x07", Subject: "x\r\n\u202ey\u009b"}
	if err := it.print(&b); err != nil || !strings.HasSuffix(b.String(), "a@b?                              x???y?\n") {
		t.Errorf("%q, %v", b.String(), err)
	}
}
