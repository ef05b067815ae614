package milter_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/milter"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// TestOpenDKIM has OpenDKIM sign what passes: the field that it inserts verifies, so that it was given the message as it was.
func TestOpenDKIM(t *testing.T) {
	program := suites.Program(t, "opendkim", "opendkim")
	key, err := dkim.GenerateKey(dkim.RSASHA256)
	if err != nil {
		t.Fatal(err)
	}
	record, err := dkim.AppendRecord(nil, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	private, err := dkim.AppendPrivateKey(nil, key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	_ = ln.Close()
	conf := fmt.Sprintf("Socket inet:%s@127.0.0.1\nMode s\nDomain a.example\nSelector s\nKeyFile %s/key.pem\nInternalHosts 192.0.2.0/24\nRequireSafeKeys no\nSyslog no\nCanonicalization simple/simple\n", port, dir)
	for name, text := range map[string]string{"conf": conf, "key.pem": string(private)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "-f", "-x", filepath.Join(dir, "conf"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	await(t, addr)
	zone := dnstest.New()
	zone.AddTXT("s._domainkey.a.example", string(record))
	rec := &smtptest.Recorder{}
	f := milter.Filter{Network: "tcp", Address: addr, Hostname: "mx.a.example"}.Handler(rec)
	for i, text := range []string{letter, letter + strings.Repeat("The quick brown fox jumps over the lazy dog.\r\n", 5000), "From:ann@a.example\r\nX:\r\n\ty\r\n\r\n"} {
		res, err := smtp.Deliver(t.Context(), f, envelope(t, "bob@b.example"), strings.NewReader(text))
		if err != nil || !res[0].Reply.OK() {
			t.Fatalf("message %d: %v, %v\n%s", i, res, err, &out)
		}
		m := rec.Messages()[i]
		if !bytes.HasPrefix(m.Body, []byte("DKIM-Signature:")) || !bytes.HasSuffix(m.Body, []byte(text)) {
			t.Errorf("message %d: %.600q", i, m.Body)
		}
		got, err := dkim.Verifier{Resolver: zone}.Verify(t.Context(), bytes.NewReader(m.Body))
		if err != nil || len(got) != 1 || got[0].Value != dkim.Pass {
			t.Errorf("message %d: %+v, %v", i, got, err)
		}
	}
}

func await(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// changing is a Checker that refuses one sender, one recipient and one subject, and changes the rest.
func changing(t *testing.T) *check {
	t.Helper()
	from := path(t, "list@lists.example")
	return &check{
		mail: func(from smtp.Path) error {
			if from.Local == "evil" {
				return smtp.NewError(554, smtp.EnhancedCode{5, 7, 1}, "Not you")
			}
			return nil
		},
		rcpt: func(to smtp.Path) error {
			if to.Local == "nobody" {
				return smtp.NewError(550, smtp.EnhancedCode{5, 1, 1}, "No such user")
			}
			return nil
		},
		check: func(m *milter.Message) (milter.Changes, error) {
			if bytes.Contains(m.Header, []byte("Subject: spam")) {
				return milter.Changes{}, smtp.NewError(450, smtp.EnhancedCode{4, 7, 1}, "Later")
			}
			return milter.Changes{Header: []milter.HeaderChange{{Kind: milter.Insert, Name: "X-Top", Value: " folded\r\n\tvalue"}, {Kind: milter.Replace, Index: 1, Name: "Subject", Value: " changed"},
				{Kind: milter.Append, Name: "X-End", Value: " 1"}}, Body: []byte("Changed.\r\n"), From: &from, Add: []smtp.Recipient{{To: path(t, "dan@smtp.test")}}, Remove: []smtp.Path{path(t, "carol@smtp.test")}}, nil
		},
	}
}

const miltertestScript = `
conn = mt.connect("inet:" .. port .. "@127.0.0.1")
if conn == nil then error("no connection") end
if mt.conninfo(conn, "client.example", "192.0.2.7") ~= nil then error("conninfo failed") end
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("conninfo: no continue") end
if mt.helo(conn, "client.example") ~= nil then error("helo failed") end
mt.macro(conn, SMFIC_MAIL, "i", "queue-id", "{auth_authen}", "ann")
if mt.mailfrom(conn, "<evil@a.example>") ~= nil then error("mailfrom failed") end
if mt.getreply(conn) ~= SMFIR_REPLYCODE then error("evil was not refused") end
mt.macro(conn, SMFIC_MAIL, "i", "queue-id")
if mt.mailfrom(conn, "<ann@a.example>", "SIZE=100") ~= nil then error("mailfrom failed") end
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("mailfrom: no continue") end
if mt.rcptto(conn, "<nobody@smtp.test>") ~= nil then error("rcptto failed") end
if mt.getreply(conn) ~= SMFIR_REPLYCODE then error("nobody was not refused") end
if mt.rcptto(conn, "<carol@smtp.test>") ~= nil then error("rcptto failed") end
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("rcptto: no continue") end
if mt.header(conn, "Subject", "hello") ~= nil then error("header failed") end
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("header: no continue") end
if mt.eoh(conn) ~= nil then error("eoh failed") end
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("eoh: no continue") end
if mt.bodystring(conn, "Hello.\r\n") ~= nil then error("body failed") end
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("body: no continue") end
if mt.eom(conn) ~= nil then error("eom failed") end
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("eom: no continue") end
if not mt.eom_check(conn, MT_HDRINSERT, "X-Top") then error("nothing inserted") end
if not mt.eom_check(conn, MT_HDRADD, "X-End", " 1") then error("nothing added") end
if not mt.eom_check(conn, MT_HDRCHANGE, "Subject") then error("nothing changed") end
if not mt.eom_check(conn, MT_BODYCHANGE, "Changed.\r\n") then error("body not changed") end
if not mt.eom_check(conn, MT_RCPTADD, "<dan@smtp.test>") then error("nobody added") end
if not mt.eom_check(conn, MT_RCPTDELETE, "<carol@smtp.test>") then error("nobody removed") end
if mt.mailfrom(conn, "<ann@a.example>") ~= nil then error("second mailfrom failed") end
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("second mailfrom: no continue") end
mt.abort(conn)
mt.disconnect(conn)
`

// TestMiltertest drives a Server with the test tool of OpenDKIM.
func TestMiltertest(t *testing.T) {
	program := suites.Program(t, "miltertest", "miltertest")
	c := changing(t)
	c.closed = make(chan struct{}, 2)
	_, port, _ := net.SplitHostPort(listen(t, c))
	script := filepath.Join(t.TempDir(), "script.lua")
	if err := os.WriteFile(script, []byte(miltertestScript), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), program, "-D", "port="+port, "-s", script).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for range 2 {
		<-c.closed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.seen) != 2 || c.open != 0 || !c.seen[0].done || c.seen[1].done || c.seen[0].text != "Subject: hello\r\n\r\nHello.\r\n" || c.seen[0].id != "queue-id" || c.seen[0].peer.RemoteAddr == nil || c.seen[0].peer.Identity != "" {
		t.Errorf("%+v, %d open", c.seen, c.open)
	}
}

// TestPostfix has Postfix ask a Server, and looks at what it makes of the answers.
func TestPostfix(t *testing.T) {
	c := changing(t)
	taken := make(chan *smtptest.Message, 10)
	rec := &smtptest.Recorder{Next: func(m *smtptest.Message) { taken <- m }}
	_, port, _ := net.SplitHostPort(smtptest.NewServer(t, &smtpserver.Server{Handler: rec, Hostname: "localhost"}, false))
	p := suites.Postfix(t, "smtpd_milters = inet:"+listen(t, c), "milter_default_action = tempfail", "transport_maps = inline:{smtp.test=smtp:[localhost]:"+port+"}")
	send := func(from, text string, to ...string) string {
		e := smtp.Envelope{From: path(t, from)}
		for _, r := range to {
			e.Recipients = append(e.Recipients, smtp.Recipient{To: path(t, r)})
		}
		res, err := smtp.Deliver(t.Context(), clientOf(t, p.SMTP), e, strings.NewReader(text))
		if err != nil {
			return smtp.ReplyOf(err).String()
		}
		return res[0].Reply.String()
	}
	const date = "Date: Wed, 25 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@a.example>\r\n"
	if got := send("evil@a.example", letter, "bob@smtp.test"); !strings.HasPrefix(got, "554 5.7.1 Not you") {
		t.Errorf("evil: %s\n%s", got, p.Log())
	}
	if got := send("ann@a.example", letter, "nobody@smtp.test"); !strings.HasPrefix(got, "550 5.1.1 No such user") {
		t.Errorf("nobody: %s", got)
	}
	if got := send("ann@a.example", "Subject: spam\r\n"+date+"\r\n", "bob@smtp.test"); !strings.HasPrefix(got, "450 4.7.1 Later") {
		t.Errorf("spam: %s", got)
	}
	if got := send("ann@a.example", date+letter, "bob@smtp.test", "carol@smtp.test"); !strings.HasPrefix(got, "250") {
		t.Fatalf("%s\n%s", got, p.Log())
	}
	to := map[string]bool{}
	for len(to) < 2 {
		select {
		case m := <-taken:
			for _, r := range m.Recipients {
				to[r.To.Address()] = true
			}
			const want = "Date: Wed, 25 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@a.example>\r\nSubject: changed\r\nFrom: ann@a.example\r\nTo:bob@b.example\r\nSubject: two\r\nX-End: 1\r\n\r\nChanged.\r\n"
			text := string(smtptest.Below(m.Body))
			if top, rest, ok := strings.Cut(text, "\r\n\tvalue\r\n"); m.From.Address() != "list@lists.example" || !ok || top != "X-Top: folded" || string(smtptest.Below([]byte(rest))) != want {
				t.Errorf("from %s to %v: %q", m.From, m.Recipients, text)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("to %v\n%s", to, p.Log())
		}
	}
	if !to["bob@smtp.test"] || !to["dan@smtp.test"] || to["carol@smtp.test"] {
		t.Errorf("to %v", to)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.seen[len(c.seen)-1]; !strings.HasSuffix(s.text, letter) || s.id == "" || s.peer.Hello == "" || !s.peer.IP().IsLoopback() {
		t.Errorf("%+v", s)
	}
}
