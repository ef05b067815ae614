package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/examples/cli/clitest"
	"github.com/mailbricks/mailbricks/examples/mailrelay"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

func TestUsage(t *testing.T) {
	key := clitest.File(t, "not-a-key", "x")
	ok := []string{"-hostname", "mx.example.com", "-mx", ":0"}
	with := func(more ...string) []string { return append(append([]string{}, ok...), more...) }
	clitest.Usage(t, "relay", run,
		[]string{}, []string{"-mx", ":0"}, []string{"-hostname", "mx.example.com"},
		with("operand"), []string{"-hostname", "a b", "-mx", ":0"}, with("-local", "a b", "-deliver", "lmtp://127.0.0.1:1"), with("-local", "example.com"), with("-deliver", "http://127.0.0.1:1"), with("-deliver", "lmtp://127.0.0.1"),
		with("-submission", "0.0.0.0:0", "-user", "a:b"), with("-admin", "0.0.0.0:0"), with("-user", "a"),
		with("-queue", "sqlite:x"), with("-queue", "postgres://x"), with("-queue", "nats://x"), with("-queue", "dir:"), with("-queue", "x"),
		with("-policy", "none"), with("-port", "0"), with("-max-size", "0"), with("-max-recipients", "-1"), with("-retry", "soon"),
		with("-expire", "-1d"), with("-smarthost", "x"), with("-connect", "x"), with("-connect", "a:1=b"), with("-resolver", "x"), with("-resolver", "zone:/none"),
		with("-max-connections", "0"), with("-max-connections-per-network", "-1"), with("-min-rate", "0"), with("-proxy", "x"), with("-xclient", "192.0.2.0/33"),
		with("-tls-cert", "x"), with("-dkim", "example.com:s"))
	for _, args := range [][]string{with("-dkim", "example.com:s:/none"), with("-dkim", "example.com:s:"+key), with("-tls-ca", key),
		with("-queue", "dir:"+key), {"-hostname", "x", "-mx", "192.0.2.1:0"}} {
		args = append(args, "-resolver", "127.0.0.1:53")
		if status, stdout, stderr := clitest.Status(t, "relay", run, args...); status != cli.StatusFailed || stdout != "" || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: status %d, stdout %q, stderr %q", args, status, stdout, stderr)
		}
	}
	_, _, stderr := clitest.Status(t, "relay", run, with("-queue", "nats://x")...)
	if !strings.Contains(stderr, "not built yet") {
		t.Error(stderr)
	}
}

// A world is two domains: a.example, whose relay has users and signs, and b.example, whose relay has a store.
type world struct {
	dir   string
	store *smtptest.Recorder
	got   chan *smtptest.Message
	lmtp  string
	files map[string]string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), got: make(chan *smtptest.Message, 100)}
	w.store = &smtptest.Recorder{
		OnRcpt: func(to smtp.Path, _ smtp.RcptParams) error {
			if to.Local == "nobody" {
				return smtp.NewError(550, smtp.EnhancedCode{5, 1, 1}, "No such user here")
			}
			return nil
		},
		Next: func(m *smtptest.Message) { w.got <- m },
	}
	w.lmtp = smtptest.NewServer(t, &smtpserver.Server{Handler: w.store, Mode: smtpserver.LMTP, Hostname: "store.b.example"}, false)
	signing, err := dkim.GenerateKey(dkim.Ed25519SHA256)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := dkim.AppendPrivateKey(nil, signing)
	if err != nil {
		t.Fatal(err)
	}
	record, err := dkim.AppendRecord(nil, signing.Public())
	if err != nil {
		t.Fatal(err)
	}
	zone := fmt.Sprintf(`
a.example.               IN MX 10 mx.a.example.
a.example.               IN TXT "v=spf1 ip4:127.0.0.1 -all"
_dmarc.a.example.        IN TXT "v=DMARC1; p=reject"
s._domainkey.a.example.  IN TXT "%s"
mx.a.example.            IN A 127.0.0.1
b.example.               IN MX 10 mx.b.example.
b.example.               IN TXT "v=spf1 -all"
_dmarc.b.example.        IN TXT "v=DMARC1; p=reject"
mx.b.example.            IN A 127.0.0.1
s._domainkey.b.example.  IN TXT "%s"
ads.example.             IN TXT "v=spf1 ip4:127.0.0.1 -all"
_dmarc.ads.example.      IN TXT "v=DMARC1; p=reject"
c.example.               IN TXT "v=spf1 -all"
_dmarc.c.example.        IN TXT "v=DMARC1; p=reject"
`, record, record)
	w.files = map[string]string{"dkim": clitest.File(t, "dkim.pem", string(pem)), "zone": clitest.File(t, "zone", zone)}
	w.files["cert"], w.files["key"] = clitest.Certificate(t, "mx.a.example", "mx.b.example", "mta-sts.b.example", "127.0.0.1")
	return w
}

// relayB starts the relay of b.example, relayA that of a.example, which sends to it.
func (w *world) relayB(t *testing.T, more ...string) *clitest.Program {
	t.Helper()
	return clitest.Start(t, "relay", run, append([]string{"-hostname", "mx.b.example", "-mx", "127.0.0.1:0", "-local", "b.example, other.example",
		"-deliver", "lmtp://" + w.lmtp, "-queue", "dir:" + filepath.Join(w.dir, "queue-b"), "-resolver", "zone:" + w.files["zone"],
		"-tls-cert", w.files["cert"], "-tls-key", w.files["key"]}, more...)...)
}

func (w *world) relayA(t *testing.T, more ...string) *clitest.Program {
	t.Helper()
	return clitest.Start(t, "relay", run, append([]string{"-hostname", "mx.a.example", "-submission", ":0", "-user", "alice:secret",
		"-queue", "dir:" + filepath.Join(w.dir, "queue-a"), "-resolver", "zone:" + w.files["zone"], "-dkim", "a.example:s:" + w.files["dkim"],
		"-tls-cert", w.files["cert"], "-tls-key", w.files["key"], "-tls-ca", w.files["cert"], "-admin", "127.0.0.1:0", "-retry", "1h"}, more...)...)
}

func port(t *testing.T, addr string) string {
	t.Helper()
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// submit sends a letter as a user over TLS that is verified.
func (w *world) submit(t *testing.T, addr, user, from, text string, to ...string) (smtp.Results, error) {
	t.Helper()
	roots, err := cli.CAPool(w.files["cert"])
	if err != nil {
		t.Fatal(err)
	}
	c := smtpclient.Config{Hostname: "laptop", TLS: smtpclient.Opportunistic, Timeouts: smtpclient.Timeouts{}}
	if user != "" {
		c.Credentials = &sasl.Credentials{Username: user, Password: "secret"}
		c.TLS, c.TLSConfig = smtpclient.Required, &tls.Config{RootCAs: roots}
	}
	conn, err := smtpclient.Dial(t.Context(), addr, c)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	e := smtp.Envelope{From: mailbox(t, from)}
	for _, a := range to {
		e.Recipients = append(e.Recipients, smtp.Recipient{To: mailbox(t, a)})
	}
	return conn.Deliver(t.Context(), e, strings.NewReader(text))
}

func mailbox(t *testing.T, s string) smtp.Path {
	t.Helper()
	p, err := smtp.ParseMailbox(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func letter(from, to string) string {
	return "From: <" + from + ">\r\nTo: <" + to + ">\r\nSubject: a letter\r\nDate: Wed, 25 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@a.example>\r\n\r\nHello.\r\n..\r\n"
}

// said returns the reply to the last recipient.
func said(res smtp.Results, err error) string {
	if err == nil {
		return res[len(res)-1].Reply.String()
	}
	if e, ok := errors.AsType[*smtp.Error](err); ok {
		return e.Reply.String()
	}
	return err.Error()
}

// TestAcross takes a letter from a user of one domain to the store of another: submission, signature, queue, MX, TLS,
// verification, LMTP.
func TestAcross(t *testing.T) {
	w := newWorld(t)
	b := w.relayB(t)
	a := w.relayA(t, "-port", port(t, b.Addr("mx")))
	text := letter("alice@a.example", "bob@b.example")
	res, err := w.submit(t, a.Addr("submission"), "alice", "alice@a.example", text, "bob@b.example")
	if err != nil || res[0].Reply.Code != 250 {
		t.Fatalf("%v, %v", res, err)
	}
	got := <-w.got
	body := string(got.Body)
	if !strings.HasSuffix(body, text) || got.From.Address() != "alice@a.example" {
		t.Errorf("%q", body)
	}
	for _, want := range []string{"spf=pass smtp.mailfrom=alice@a.example", "dkim=pass", "dmarc=pass", "with ESMTPSA", "with ESMTPS id"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in %q", want, body)
		}
	}
}

// TestRefusals: what a relay does not take.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	b := w.relayB(t, "-max-size", "20000", "-max-recipients", "2")
	a := w.relayA(t, "-port", port(t, b.Addr("mx")))
	for name, tt := range map[string]struct {
		addr, user, from, to, text string
		said                       string
	}{
		"relaying":           {b.Addr("mx"), "", "alice@a.example", "eve@c.example", "", "550 5.7.1"},
		"unknown user":       {b.Addr("mx"), "", "alice@a.example", "nobody@b.example", "", "550 5.1.1 No such user here"},
		"forged":             {b.Addr("mx"), "", "eve@c.example", "bob@b.example", letter("eve@c.example", "bob@b.example"), "550 5.7.1"},
		"too large":          {b.Addr("mx"), "", "alice@a.example", "bob@b.example", letter("a@a.example", "b@b.example") + strings.Repeat("0123456789abcde\r\n", 2000), "552 5.3.4"},
		"no authentication":  {a.Addr("submission"), "", "alice@a.example", "bob@b.example", "", "530 5.7.0"},
		"too many receivers": {b.Addr("mx"), "", "alice@a.example", "a@b.example b@b.example c@b.example", "", "452 4.5.3"},
	} {
		if tt.text == "" {
			tt.text = letter(tt.from, tt.to)
		}
		to := strings.Fields(tt.to)
		if said := said(w.submit(t, tt.addr, tt.user, tt.from, tt.text, to...)); !strings.HasPrefix(said, tt.said) {
			t.Errorf("%s: %s", name, said)
		}
	}
	if _, err := w.submit(t, a.Addr("submission"), "mallory", "alice@a.example", letter("a@a.example", "b@b.example"), "bob@b.example"); err == nil || !strings.Contains(err.Error(), "535 5.7.8") {
		t.Errorf("a user that does not exist: %v", err)
	}
}

// TestExpire: what cannot be sent in time comes back as one notification.
func TestExpire(t *testing.T) {
	w := newWorld(t)
	b := w.relayB(t, "-submission", ":0", "-user", "carol:secret", "-smarthost", "smart.example:25", "-connect", "smart.example:25=127.0.0.1:1",
		"-retry", "20ms", "-expire", "200ms")
	if said := said(w.submit(t, b.Addr("submission"), "carol", "carol@b.example", letter("carol@b.example", "x@c.example"), "x@c.example")); !strings.HasPrefix(said, "250") {
		t.Fatal(said)
	}
	got := <-w.got
	body := string(got.Body)
	if !got.From.IsNull() || got.Recipients[0].To.Address() != "carol@b.example" || !strings.Contains(body, "Action: failed") ||
		!strings.Contains(body, "Final-Recipient: rfc822;x@c.example") && !strings.Contains(body, "Final-Recipient: rfc822; x@c.example") {
		t.Errorf("%+v %s", got, body)
	}
	b.Stop()
	if n := len(w.store.Messages()); n != 1 {
		t.Errorf("%d notifications", n)
	}
}

// TestNobody: a relay that is told of no domain and no user refuses everything.
func TestNobody(t *testing.T) {
	t.Setenv("HOME", "") // nothing is kept there where folders are given
	t.Setenv("XDG_STATE_HOME", "")
	w := newWorld(t)
	p := clitest.Start(t, "relay", run, "-hostname", "x.example", "-mx", ":0", "-submission", ":0", "-queue", "dir:"+t.TempDir(), "-resolver", "zone:"+w.files["zone"])
	for _, tt := range []struct{ addr, said string }{{p.Addr("mx"), "550 5.7.1"}, {p.Addr("submission"), "530 5.7.0"}} {
		for _, to := range []string{"bob@b.example", "root@x.example"} {
			if said := said(w.submit(t, tt.addr, "", "alice@a.example", letter("alice@a.example", to), to)); !strings.HasPrefix(said, tt.said) {
				t.Errorf("%s: %s", to, said)
			}
		}
	}
	status, _, stderr := clitest.Status(t, "relay", run, "-hostname", "x.example", "-mx", ":0", "-resolver", "zone:"+w.files["zone"])
	if status != cli.StatusUsage || !strings.Contains(stderr, "-queue dir:PATH") {
		t.Errorf("no place for the queue: %d %s", status, stderr)
	}
}

// TestCapability: -policy capability names a price to strangers, and takes who pays it.
func TestCapability(t *testing.T) {
	w := newWorld(t)
	b := w.relayB(t, "-policy", "capability", "-contacts", filepath.Join(w.dir, "contacts-b"))
	res, err := w.submit(t, b.Addr("mx"), "", "alice@a.example", letter("alice@a.example", "bob@b.example"), "bob@b.example")
	if err != nil || !strings.HasPrefix(res[0].Reply.String(), "550 5.7.1 Unknown sender, capability not established") || !strings.Contains(res[0].Reply.Text(), "scheme=hashcash; bits=20; resource=bob@b.example") {
		t.Fatalf("%v, %v", res, err)
	}
	a := w.relayA(t, "-policy", "capability", "-contacts", filepath.Join(w.dir, "contacts-a"), "-port", port(t, b.Addr("mx")))
	if res, err := w.submit(t, a.Addr("submission"), "alice", "alice@a.example", letter("alice@a.example", "bob@b.example"), "bob@b.example"); err != nil || !res[0].Reply.OK() {
		t.Fatalf("%v, %v", res, err)
	}
	if got := <-w.got; !strings.Contains(string(got.Body), "Mailbricks-Decision: class=request") {
		t.Errorf("%q", got.Body)
	}
}

// TestSmarthost: outgoing mail goes to one host, wherever -connect says that it is.
func TestSmarthost(t *testing.T) {
	w := newWorld(t)
	rec := &smtptest.Recorder{Next: func(m *smtptest.Message) { w.got <- m }}
	addr := smtptest.NewServer(t, &smtpserver.Server{Handler: rec, Hostname: "smart.example"}, false)
	a := w.relayA(t, "-smarthost", "smart.example:587", "-connect", "smart.example:587="+addr)
	if res, err := w.submit(t, a.Addr("submission"), "alice", "alice@a.example", letter("alice@a.example", "x@anywhere.example"), "x@anywhere.example"); err != nil || res[0].Reply.Code != 250 {
		t.Fatalf("%v, %v", res, err)
	}
	if got := <-w.got; !strings.Contains(string(got.Body), "DKIM-Signature") {
		t.Errorf("%q", got.Body)
	}
}

// TestRestart: what is in the queue when a relay ends is sent when it starts again, and -connect leads to an MX host.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	a := w.relayA(t, "-connect", "mx.b.example:25="+deaf(t))
	if res, err := w.submit(t, a.Addr("submission"), "alice", "alice@a.example", letter("alice@a.example", "bob@b.example"), "bob@b.example"); err != nil || res[0].Reply.Code != 250 {
		t.Fatalf("%v, %v", res, err)
	}
	queue := func(a *clitest.Program) (list struct{ Messages []mailrelay.QueuedMessage }) {
		get(t, "GET", a, "/queue", &list)
		return list
	}
	for len(queue(a).Messages) != 1 || queue(a).Messages[0].Recipients[0].Reply == "" { // until the first attempt is over
	}
	if m := queue(a).Messages[0]; !strings.HasPrefix(m.Recipients[0].Reply, "451 4.4.1") || m.From != "alice@a.example" || m.Attempts != 1 {
		t.Errorf("%+v", m)
	}
	a.Stop()
	b := w.relayB(t)
	a = w.relayA(t, "-connect", "MX.b.example:25="+b.Addr("mx"))
	var retried struct{ Retried int }
	for retried.Retried == 0 { // a queue that just started may have it in its hands
		get(t, "POST", a, "/queue/retry", &retried)
		if len(queue(a).Messages) == 0 {
			break
		}
	}
	if got := <-w.got; !strings.HasSuffix(string(got.Body), letter("alice@a.example", "bob@b.example")) {
		t.Errorf("%q", got.Body)
	}
}

// deaf returns an address that refuses connections for as long as the test lasts: its port is taken, and nobody listens.
func deaf(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", at.(*syscall.SockaddrInet4).Port)
}

// TestMTASTS: the policy of a domain is fetched and obeyed.
func TestMTASTS(t *testing.T) {
	for mx, delivered := range map[string]bool{"mx.b.example": true, "*.b.example": true, "mx.other.example": false} {
		w := newWorld(t)
		zone, err := os.OpenFile(w.files["zone"], os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := zone.WriteString("_mta-sts.b.example. IN TXT \"v=STSv1; id=1;\"\n"); err != nil {
			t.Fatal(err)
		}
		zone.Close()
		config, err := cli.ServerTLS(w.files["cert"], w.files["key"])
		if err != nil {
			t.Fatal(err)
		}
		asked := make(chan string, 10)
		policies := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			asked <- r.Host + r.URL.Path
			fmt.Fprintf(rw, "version: STSv1\r\nmode: enforce\r\nmx: %s\r\nmax_age: 86400\r\n", mx)
		}))
		policies.TLS = config
		policies.StartTLS()
		t.Cleanup(policies.Close)
		b := w.relayB(t)
		a := w.relayA(t, "-port", port(t, b.Addr("mx")), "-connect", "mta-sts.b.example:443="+policies.Listener.Addr().String())
		if said := said(w.submit(t, a.Addr("submission"), "alice", "alice@a.example", letter("alice@a.example", "bob@b.example"), "bob@b.example")); !strings.HasPrefix(said, "250") {
			t.Fatal(said)
		}
		if got := <-asked; got != "mta-sts.b.example/.well-known/mta-sts.txt" {
			t.Error(got)
		}
		if delivered {
			if got := <-w.got; !strings.Contains(string(got.Body), "with ESMTPS") {
				t.Errorf("%q", got.Body)
			}
			continue
		}
		var list struct{ Messages []mailrelay.QueuedMessage }
		for len(list.Messages) == 0 || list.Messages[0].Recipients[0].Reply == "" { // until the first attempt is over
			get(t, "GET", a, "/queue", &list)
		}
		if reply := list.Messages[0].Recipients[0].Reply; !strings.HasPrefix(reply, "4") || !strings.Contains(reply, "MTA-STS") || len(w.store.Messages()) != 0 {
			t.Errorf("%s: %s", mx, reply)
		}
	}
}

// get makes a request to the administration.
func get(t *testing.T, method string, p *clitest.Program, path string, v any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.Addr("admin")+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %s %s, %v", path, resp.Status, b, err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

// TestPlaintextOnLoopback: without a certificate, users on this machine may log in all the same.
func TestPlaintextOnLoopback(t *testing.T) {
	w := newWorld(t)
	p := clitest.Start(t, "relay", run, "-hostname", "x.example", "-submission", ":0", "-user", "alice:secret", "-queue", "dir:"+t.TempDir(),
		"-resolver", "zone:"+w.files["zone"], "-smarthost", "127.0.0.1:1")
	c, err := smtpclient.Dial(context.Background(), p.Addr("submission"), smtpclient.Config{Credentials: &sasl.Credentials{Username: "alice", Password: "secret", AllowPlaintext: true}})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// TestInFront: a proxy says who is behind it by a PROXY header, a filter by XCLIENT, each to the listener that trusts it;
// and there are no more connections than the flag says.
func TestInFront(t *testing.T) {
	w := newWorld(t)
	dialogue := func(addr string, lines ...string) string {
		t.Helper()
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n"); err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		return string(all)
	}
	proxied := w.relayB(t, "-proxy", "127.0.0.1", "-policy", "open")
	if got := dialogue(proxied.Addr("mx"), "PROXY TCP4 192.0.2.1 127.0.0.1 4711 25", "EHLO client.example", "MAIL FROM:<ann@a.example>", "RCPT TO:<bob@b.example>", "DATA", "Subject: x", "", ".", "QUIT"); strings.Count(got, "\n250 ") != 4 {
		t.Errorf("%s", got)
	}
	if m := <-w.got; !strings.Contains(string(m.Body), "[192.0.2.1]") {
		t.Errorf("%s", m.Body)
	}
	w = newWorld(t)
	filtered := w.relayB(t, "-xclient", "127.0.0.0/8,192.0.2.0/24", "-policy", "open", "-max-connections", "1")
	if got := dialogue(filtered.Addr("mx"), "EHLO filter.example", "XCLIENT ADDR=192.0.2.2", "EHLO client.example", "MAIL FROM:<ann@a.example>", "RCPT TO:<bob@b.example>", "DATA", "Subject: y", "", ".", "QUIT"); strings.Count(got, "\n250 ") != 5 {
		t.Errorf("%s", got)
	}
	if m := <-w.got; !strings.Contains(string(m.Body), "[192.0.2.2]") {
		t.Errorf("%s", m.Body)
	}
	greet := func() string {
		t.Helper()
		one, err := net.Dial("tcp", filtered.Addr("mx"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = one.Close() })
		_ = one.SetDeadline(time.Now().Add(20 * time.Second))
		greeting := make([]byte, 3)
		if _, err := io.ReadFull(one, greeting); err != nil {
			t.Fatal(err)
		}
		return string(greeting)
	}
	for greet() == "421" { // until the one before is forgotten
	}
	if got := greet(); got != "421" {
		t.Errorf("one connection too many: %s", got)
	}
}
