package webmail_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/examples/contacts"
	"github.com/mailbricks/mailbricks/examples/mailstore"
	"github.com/mailbricks/mailbricks/examples/mailstore/serve"
	"github.com/mailbricks/mailbricks/examples/mailstore/webmail"
	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/smtp"
)

// start serves a store with alice, whose password is "sécret" and whose mail goes back into the store.
func start(t *testing.T) (*mailstore.Store, string) {
	t.Helper()
	store, _, url := startWith(t, listen(t), mailstore.Options{})
	return store, url
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func startWith(t *testing.T, ln net.Listener, o mailstore.Options) (*mailstore.Store, *sasl.Users, string) {
	t.Helper()
	store, err := mailstore.OpenMemory(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	users := sasl.NewUsers()
	if err := errors.Join(users.Set("alice@example.com", "sécret"), store.EnsureAccount(t.Context(), "alice@example.com")); err != nil {
		t.Fatal(err)
	}
	known, err := contacts.Open(filepath.Join(t.TempDir(), "grants"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { known.Close() })
	s, err := serve.New(serve.Config{Store: store, Submit: store, Contacts: contacts.JMAP{Contacts: known, Mail: store}, Hostname: "mail.example.com", Users: users.Check, AllowPlaintextAuth: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.JMAP(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return store, users, "http://" + ln.Addr().String()
}

func deliver(t *testing.T, store *mailstore.Store, message string) {
	t.Helper()
	res, err := smtp.Deliver(t.Context(), store, smtp.Envelope{From: smtp.Path{Local: "eve", Domain: "example.org"},
		Recipients: []smtp.Recipient{{To: smtp.Path{Local: "alice", Domain: "example.com"}}}}, strings.NewReader(message))
	if err != nil || res[0].Reply.Code != 250 {
		t.Fatalf("%v %v", res, err)
	}
}

// letter is an HTML message with a text beside it.
func letter(subject, html string) string {
	return "From: \"<img src=x onerror=alert(1)>\" <eve@example.org>\r\nTo: alice@example.com\r\nSubject: " + subject + "\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain https://example.com/x\r\n" +
		"--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" + lines(base64.StdEncoding.EncodeToString([]byte(html))) + "\r\n--b--\r\n" +
		"--m\r\nContent-Type: text/html; name=\"<img src=x onerror=alert(1)>.html\"\r\nContent-Disposition: attachment\r\n\r\n<script>alert(1)</script>\r\n--m--\r\n"
}

func lines(s string) string {
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76] + "\r\n")
		s = s[76:]
	}
	return b.String() + s
}

// browse runs suites of testdata/browser in a browser.
func browse(t *testing.T, url, evil string, suite ...string) string {
	t.Helper()
	dir := filepath.Join("testdata", "browser")
	node := suites.Node(t, dir)
	chromium := suites.Program(t, "chromium", "chromium")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, append([]string{"page.mjs", url, chromium, evil}, suite...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return string(out)
}

// TestBrowser reads, writes, searches and files mail in a browser, with the mouse and the keyboard, at desktop width and
// at 360 px; opens every attack; and visits a page that forges requests.
func TestBrowser(t *testing.T) {
	store, url := start(t)
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/forge" {
			w.Header().Set("Content-Type", "image/gif")
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, strings.ReplaceAll(forger, "VICTIM", url))
	}))
	defer evil.Close()
	for name, html := range webmail.Attacks() {
		deliver(t, store, letter("attack: "+name, strings.ReplaceAll(html, "EVIL", evil.URL)))
	}
	deliver(t, store, letter("<script>alert(1)</script> <b>bold</b>", "<p>hello</p>"))
	deliver(t, store, "From: \"ceo@bank.example\" <eve@example.org>\r\nTo: alice@example.com\r\nSubject: From your bank\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n"+
		"--m\r\nContent-Type: text/plain\r\n\r\nhello\r\n--m\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename*=UTF-8''bill%E2%80%AEfdp.exe\r\n\r\nMZ\r\n--m--\r\n")
	for _, name := range []string{"ann", "ben", "cat"} {
		deliver(t, store, "Mailbricks-Decision: class=request; postage=20\r\nFrom: \"<b>"+name+"</b>\" <"+name+"@example.org>\r\nTo: alice@example.com\r\nSubject: May I write? <b>"+name+"</b>\r\n\r\nHello.\r\n")
	}
	browse(t, url, evil.URL, "desktop", "phone", "people", "attacks")
}

// forger is a page of another origin that tries to act for who is logged in.
const forger = `<!doctype html><title>forger</title>
<iframe name=f1></iframe><iframe name=f2></iframe><iframe src="VICTIM/"></iframe>
<form id=a method=post target=f1 enctype="text/plain" action="VICTIM/jmap/api"><input name='{"using":["urn:ietf:params:jmap:core","urn:ietf:params:jmap:mail"],"methodCalls":[["Email/set",{"accountId":"x","create":{}},"0"]],"x":"' value='"}'></form>
<form id=b method=post target=f2 action="VICTIM/webmail/body"><input name=accountId value=x></form>
<script>
a.submit(); b.submit();
const tell = (what) => document.title += " " + what;
fetch("VICTIM/jmap/api", { method: "POST", mode: "no-cors", credentials: "include", body: "{}" }).then((r) => tell("sent:" + r.type), () => tell("refused"));
fetch("VICTIM/.well-known/jmap", { credentials: "include" }).then(() => tell("READ"), () => tell("refused"));
fetch("VICTIM/jmap/ticket", { method: "POST", credentials: "include" }).then(() => tell("READ"), () => tell("refused"));
const s = new WebSocket("VICTIM".replace("http", "ws") + "/jmap/ws", "jmap");
s.onopen = () => tell("OPENED"); s.onerror = () => tell("refused");
</script>`

// TestPage looks at what protects the page, and at what it refuses.
func TestPage(t *testing.T) {
	store, url := start(t)
	deliver(t, store, letter("one", "<p>hello</p>"))
	get := func(method, path string, header ...string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	page := get("GET", "/")
	if b, _ := io.ReadAll(page.Body); page.StatusCode != 200 || !strings.Contains(string(b), "app.js") {
		t.Errorf("page: %s", page.Status)
	}
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "form-action 'none'", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"} {
		if got := page.Header.Get("Content-Security-Policy"); !strings.Contains(got, want) || strings.Contains(got, "unsafe") {
			t.Errorf("policy %s, want %s", got, want)
		}
	}
	for _, path := range []string{"/app.js", "/jmap.js", "/list.js", "/contacts.js", "/style.css", "/icon.svg"} {
		if got := get("GET", path); got.StatusCode != 200 || got.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %s", path, got.Status)
		}
	}
	secret := "Basic " + base64.StdEncoding.EncodeToString([]byte("alice@example.com:sécret"))
	for _, tt := range []struct {
		method, path string
		header       []string
		status       int
	}{
		{"POST", "/webmail/body", nil, 401},
		{"POST", "/webmail/body", []string{"Authorization", secret, "Origin", "https://evil.example"}, 403},
		{"POST", "/webmail/body", []string{"Authorization", secret, "Sec-Fetch-Site", "cross-site"}, 403},
		{"POST", "/webmail/body", []string{"Authorization", secret, "Content-Type", "text/plain"}, 400},
		{"POST", "/webmail/body", []string{"Authorization", secret}, 404},
		{"GET", "/webmail/body", []string{"Authorization", secret}, 404},
		{"GET", "/webmail/body/AAAA", nil, 404},
		{"GET", "/static/", nil, 404},
		{"GET", "/.well-known/jmap", nil, 401},
		{"POST", "/jmap/api", []string{"Authorization", secret, "Origin", "https://evil.example"}, 403},
		{"POST", "/jmap/ticket", []string{"Authorization", secret, "Sec-Fetch-Site", "same-site"}, 403},
	} {
		if got := get(tt.method, tt.path, tt.header...); got.StatusCode != tt.status || len(got.Cookies()) > 0 {
			t.Errorf("%s %s %q: %s, want %d", tt.method, tt.path, tt.header, got.Status, tt.status)
		}
	}
}
