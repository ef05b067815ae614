package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/examples/cli/clitest"
	"github.com/mailbricks/mailbricks/imap/pop3"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

func TestUsage(t *testing.T) {
	ok := []string{"-memory", "-imap", ":0"}
	with := func(more ...string) []string { return append(append([]string{}, ok...), more...) }
	clitest.Usage(t, "store", run,
		[]string{}, []string{"-memory"}, with("operand"), with("-data", "x"), []string{"-db", "postgres://x", "-imap", ":0"},
		with("-nats", "nats://x"), with("-submit", "127.0.0.1:25"), with("-submit", "smtp://:25"), with("-submit", "smtp://127.0.0.1"), with("-submit-user", "a:b"), with("-submit", "smtp://127.0.0.1:25", "-submit-user", "a:b", "-submit-user", "c:d"), with("-imaps", ":0"), with("-pop3s", ":0"), with("-tls-cert", "x"),
		with("-max-message", "0"), with("-max-connections", "0"), with("-user", "alice"), with("-user", "alice:\x01"), with("-token", "x"),
		with("-jmap-url", "http://example.com/"), with("-jmap-url", "https:///x"))
	for _, args := range [][]string{{"-memory", "-imap", "192.0.2.1:0"}, {"-data", "/dev/null", "-imap", ":0"}, with("-tls-cert", "/none", "-tls-key", "/none")} {
		if status, stdout, stderr := clitest.Status(t, "store", run, args...); status != cli.StatusFailed || stdout != "" || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: status %d, stdout %q, stderr %q", args, status, stdout, stderr)
		}
	}
	for _, part := range []string{"-db postgres://x", "-nats nats://x"} {
		if _, _, stderr := clitest.Status(t, "store", run, append(strings.Fields(part), "-imap", ":0")...); !strings.Contains(stderr, "not built yet") {
			t.Error(stderr)
		}
	}
}

// A store is the program with a certificate.
type store struct {
	*clitest.Program
	tls  *tls.Config
	cert string // file
}

func startStore(t *testing.T, args ...string) *store {
	t.Helper()
	certFile, keyFile := clitest.Certificate(t, "localhost", "127.0.0.1")
	token := clitest.File(t, "token", "t0ken\n")
	roots, err := cli.CAPool(certFile)
	if err != nil {
		t.Fatal(err)
	}
	args = append(args, "-user", "alice@example.com:secret", "-user", "bob:s3cret", "-token", "alice@example.com:@"+token, "-hostname", "mail.example.com",
		"-lmtp", ":0", "-imap", ":0", "-imaps", ":0", "-pop3", ":0", "-pop3s", ":0", "-jmap", ":0", "-tls-cert", certFile, "-tls-key", keyFile)
	return &store{clitest.Start(t, "store", run, args...), &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}, certFile}
}

// deliver sends a message by LMTP.
func (s *store) deliver(t *testing.T, text string, to ...string) smtp.Results {
	t.Helper()
	return deliver(t, s.Addr("lmtp"), text, to...)
}

func deliver(t *testing.T, addr, text string, to ...string) smtp.Results {
	t.Helper()
	c, err := smtpclient.Dial(t.Context(), addr, smtpclient.Config{LMTP: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	e := smtp.Envelope{From: smtp.Path{Local: "eve", Domain: "example.org"}}
	for _, a := range to {
		p, err := smtp.ParseMailbox(a)
		if err != nil {
			t.Fatal(err)
		}
		e.Recipients = append(e.Recipients, smtp.Recipient{To: p})
	}
	res, err := c.Deliver(t.Context(), e, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func letter(subject string) string {
	return "From: eve@example.org\r\nTo: alice@example.com\r\nSubject: " + subject + "\r\nMessage-ID: <" + subject + "@example.org>\r\n\r\nHello.\r\n..dots\r\n"
}

// An imapConn speaks IMAP line by line.
type imapConn struct {
	t *testing.T
	c net.Conn
	r *bufio.Reader
	n int
}

func (s *store) imap(t *testing.T) *imapConn {
	t.Helper()
	c, err := tls.Dial("tcp", s.Addr("imaps"), s.tls)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	i := &imapConn{t: t, c: c, r: bufio.NewReader(c)}
	if line := i.line(); !strings.HasPrefix(line, "* OK") {
		t.Fatal(line)
	}
	return i
}

func (i *imapConn) line() string {
	i.t.Helper()
	line, err := i.r.ReadString('\n')
	if err != nil {
		i.t.Fatal(err)
	}
	return line
}

// do sends a command and returns what came, the tagged line without its tag.
func (i *imapConn) do(command string) string {
	i.t.Helper()
	i.n++
	tag := fmt.Sprintf("a%d ", i.n)
	if _, err := io.WriteString(i.c, tag+command+"\r\n"); err != nil {
		i.t.Fatal(err)
	}
	var all strings.Builder
	for {
		line := i.line()
		if rest, ok := strings.CutPrefix(line, tag); ok {
			return all.String() + rest
		}
		all.WriteString(line)
	}
}

func (s *store) jmap(user, password string) *jmapclient.Client {
	return &jmapclient.Client{URL: "https://" + s.Addr("jmap"), Auth: jmapclient.Basic(user, password), HTTP: &http.Client{Transport: &http.Transport{TLSClientConfig: s.tls}}}
}

// emails reads all messages of a user over JMAP.
func (s *store) emails(t *testing.T, user, password string) []string {
	t.Helper()
	c := s.jmap(user, password)
	account, err := c.Account(t.Context(), jmap.CapabilityMail)
	if err != nil {
		t.Fatal(err)
	}
	res, err := jmapclient.Do[jmap.QueryResponse](t.Context(), c, jmap.CapabilityMail, "Email/query",
		jmap.QueryRequest[mail.EmailCondition, mail.Comparator, mail.EmailQueryArgs]{AccountID: account})
	if err != nil {
		t.Fatal(err)
	}
	got, err := jmapclient.Do[jmap.GetResponse[mail.Email]](t.Context(), c, jmap.CapabilityMail, "Email/get",
		jmap.GetRequest[mail.EmailGetArgs]{AccountID: account, IDs: res.IDs, Properties: []string{"blobId"}})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range got.List {
		r, err := c.Download(t.Context(), account, e.BlobID, "message/rfc822", "x.eml")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
		r.Close()
	}
	return out
}

// TestAllWays delivers a letter and reads it over IMAP, POP3 and JMAP, before and after a restart.
func TestAllWays(t *testing.T) {
	data := t.TempDir()
	s := startStore(t, "-data", data)
	res := s.deliver(t, letter("one"), "alice@example.com", "carol@example.com", "bob@elsewhere.example")
	if res[0].Reply.Code != 250 || res[1].Reply.Code != 550 || res[2].Reply.Code != 250 {
		t.Fatalf("%v", res)
	}
	for range 2 {
		i := s.imap(t)
		i.do("LOGIN alice@example.com secret")
		boxes := i.do(`LIST "" *`)
		for _, want := range []string{`\Drafts`, `\Sent`, `\Junk`, `\Trash`, `\Archive`, "INBOX"} {
			if !strings.Contains(boxes, want) {
				t.Errorf("no %s in %s", want, boxes)
			}
		}
		i.do("SELECT INBOX")
		if got := i.do("FETCH 1 BODY.PEEK[]"); !strings.Contains(got, letter("one")) || !strings.Contains(got, "Return-Path: <eve@example.org>") {
			t.Error(got)
		}
		p, err := pop3.Dial(t.Context(), s.Addr("pop3"), pop3.Options{TLSConfig: s.tls})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Login(t.Context(), "bob", "s3cret"); err != nil {
			t.Fatal(err)
		}
		body, err := p.Retr(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(body); err != nil || !strings.HasSuffix(string(b), letter("one")) {
			t.Errorf("%q, %v", b, err)
		}
		p.Close()
		if got := s.emails(t, "alice@example.com", "secret"); len(got) != 1 || !strings.HasSuffix(got[0], letter("one")) {
			t.Errorf("%q", got)
		}
		s.Stop()
		s = startStore(t, "-data", data)
	}
	if status, _, stderr := clitest.Status(t, "store", run, "-data", data, "-imap", ":0"); status != cli.StatusFailed || !strings.Contains(stderr, "in use") {
		t.Errorf("a second store in the same folder: %d %s", status, stderr)
	}
}

// TestJMAPAccess has IMAP tell where JMAP is, which has the same ids (RFC 9698 §3).
func TestJMAPAccess(t *testing.T) {
	s := startStore(t, "-memory", "-jmap-url", "https://mail.example.com/.well-known/jmap")
	s.deliver(t, letter("one"), "alice@example.com")
	i := s.imap(t)
	if got := i.do("LOGIN alice@example.com secret"); !strings.Contains(got, " JMAPACCESS") {
		t.Errorf("not offered: %s", got)
	}
	if got := i.do("GETJMAPACCESS"); !strings.HasPrefix(got, "* JMAPACCESS \"https://mail.example.com/.well-known/jmap\"\r\nOK ") {
		t.Error(got)
	}
	c := s.jmap("alice@example.com", "secret")
	account, err := c.Account(t.Context(), jmap.CapabilityMail)
	if err != nil {
		t.Fatal(err)
	}
	got, err := jmapclient.Do[jmap.GetResponse[mail.Email]](t.Context(), c, jmap.CapabilityMail, "Email/get",
		jmap.GetRequest[mail.EmailGetArgs]{AccountID: account, Properties: []string{"id", "threadId", "mailboxIds"}})
	if err != nil || len(got.List) != 1 || len(got.List[0].MailboxIDs) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	e := got.List[0]
	for id := range e.MailboxIDs {
		if box := i.do("SELECT INBOX"); !strings.Contains(box, fmt.Sprintf("[MAILBOXID (%s)]", id)) {
			t.Errorf("mailbox %s: %s", id, box)
		}
	}
	if ids := i.do("FETCH 1 (EMAILID THREADID)"); !strings.Contains(ids, fmt.Sprintf("EMAILID (%s) THREADID (%s)", e.ID, e.ThreadID)) {
		t.Errorf("email %s, thread %s: %s", e.ID, e.ThreadID, ids)
	}
}

// TestMaxMessage: each protocol says in its own words that a message is too long.
func TestMaxMessage(t *testing.T) {
	s := startStore(t, "-memory", "-max-message", "10000")
	long := letter("long") + strings.Repeat("0123456789abcde\r\n", 1000)
	if res := s.deliver(t, long, "alice@example.com"); res[0].Reply.Code != 552 || res[0].Reply.Enhanced != (smtp.EnhancedCode{5, 3, 4}) {
		t.Errorf("LMTP: %v", res)
	}
	i := s.imap(t)
	i.do("LOGIN alice@example.com secret")
	if got := i.do(fmt.Sprintf("APPEND INBOX {%d}", len(long))); !strings.HasPrefix(got, "NO [TOOBIG]") {
		t.Errorf("IMAP: %s", got)
	}
	c := s.jmap("alice@example.com", "secret")
	account, err := c.Account(t.Context(), jmap.CapabilityMail)
	if err != nil {
		t.Fatal(err)
	}
	boxes, err := jmapclient.Do[jmap.GetResponse[mail.Mailbox]](t.Context(), c, jmap.CapabilityMail, "Mailbox/get", jmap.GetRequest[jmap.NoArgs]{AccountID: account})
	if err != nil {
		t.Fatal(err)
	}
	up, err := c.Upload(t.Context(), account, "message/rfc822", strings.NewReader(long))
	if err != nil {
		t.Fatal(err)
	}
	res, err := jmapclient.Do[struct {
		NotCreated map[string]jmap.SetError `json:"notCreated"`
	}](t.Context(), c, jmap.CapabilityMail, "Email/import", map[string]any{"accountId": account,
		"emails": map[string]any{"k": map[string]any{"blobId": up.BlobID, "mailboxIds": map[jmap.ID]bool{boxes.List[0].ID: true}}}})
	if err != nil || res.NotCreated["k"].Type != jmap.SetTooLarge {
		t.Errorf("JMAP: %+v, %v", res, err)
	}
}

// TestPlaintext: no secret is taken without TLS unless that is asked for.
func TestPlaintext(t *testing.T) {
	for _, allow := range []bool{false, true} {
		args := []string{"-memory", "-user", "alice:secret", "-imap", ":0", "-pop3", ":0", "-jmap", ":0"}
		if allow {
			args = append(args, "-allow-plaintext-auth")
		}
		p := clitest.Start(t, "store", run, args...)
		say := func(listener string, lines ...string) (said string) {
			c, err := net.Dial("tcp", p.Addr(listener))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			r := bufio.NewReader(c)
			for _, line := range append([]string{""}, lines...) {
				if line != "" {
					if _, err := io.WriteString(c, line+"\r\n"); err != nil {
						t.Fatal(err)
					}
				}
				if said, err = r.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
			}
			return said
		}
		if said := say("imap", "a LOGIN alice secret"); strings.HasPrefix(said, "a OK") != allow {
			t.Errorf("IMAP: %s", said)
		}
		last := "USER alice"
		if allow {
			last = "PASS secret"
		}
		if said := say("pop3", "USER alice", last); strings.HasPrefix(said, "+OK") != allow {
			t.Errorf("POP3: %s", said)
		}
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+p.Addr("jmap")+"/.well-known/jmap", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("alice", "secret")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if (resp.StatusCode == 200) != allow {
			t.Errorf("JMAP: %s", resp.Status)
		}
	}
}

// TestMaxConnections counts all listeners together.
func TestMaxConnections(t *testing.T) {
	s := startStore(t, "-memory", "-max-connections", "2")
	dial := func(listener string) string {
		c, err := net.Dial("tcp", s.Addr(listener))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return line
	}
	for _, step := range []struct{ listener, said string }{{"imap", "* OK"}, {"lmtp", "220 "}, {"pop3", "-ERR"}, {"imap", "* BYE"}, {"lmtp", "421 "}} {
		if said := dial(step.listener); !strings.HasPrefix(said, step.said) {
			t.Errorf("%s: %s", step.listener, said)
		}
	}
}
