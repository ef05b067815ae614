package serve_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/examples/mailstore/serve"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

type (
	query     = jmap.QueryRequest[mail.EmailCondition, mail.Comparator, mail.EmailQueryArgs]
	get       = jmap.GetRequest[mail.EmailGetArgs]
	gotEmails = jmap.GetResponse[mail.Email]
)

// client returns a client over TLS.
func (r *rig) client(addr string, auth func(*http.Request)) *jmapclient.Client {
	return &jmapclient.Client{URL: "https://" + addr, Auth: auth, HTTP: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: r.roots}, ForceAttemptHTTP2: true}}}
}

// TestJMAP reads a message over TLS, with a password and with a token, and is told of the next one.
func TestJMAP(t *testing.T) {
	r := newRig(t, nil)
	addr, stop := start(t, r.JMAP)
	r.deliver(t, "alice@example.com", "one")
	for _, auth := range []func(*http.Request){jmapclient.Basic("alice@example.com", "secret"), jmapclient.Bearer("t0ken")} {
		c := r.client(addr, auth)
		account, err := c.Account(t.Context(), jmap.CapabilityMail)
		if err != nil {
			t.Fatal(err)
		}
		b := c.Batch(jmap.CapabilityMail)
		q := jmapclient.Add[jmap.QueryResponse](b, "Email/query", query{AccountID: account})
		g := jmapclient.Add[gotEmails](b, "Email/get", get{AccountID: account, Properties: []string{"blobId", "subject"}}, q.Ref("ids", "/ids"))
		if err := b.Do(t.Context()); err != nil {
			t.Fatal(err)
		}
		emails, err := g.Result()
		if err != nil || len(emails.List) != 1 || *emails.List[0].Subject != "one" {
			t.Fatalf("%+v, %v", emails, err)
		}
		body, err := c.Download(t.Context(), account, emails.List[0].BlobID, "message/rfc822", "one.eml")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err != nil || !strings.HasSuffix(string(got), letter("one")) {
			t.Errorf("%q, %v", got, err)
		}
		body.Close()
	}
	told := 0
	for change, err := range r.client(addr, jmapclient.Bearer("t0ken")).Events(t.Context(), "Email") {
		if err != nil {
			t.Fatal(err)
		}
		if told++; told == 1 {
			r.deliver(t, "alice@example.com", "two")
		} else if len(change.Changed) == 1 {
			break
		}
	}
	// An open connection of events does not hold up the end.
	events := r.client(addr, jmapclient.Bearer("t0ken")).Events(t.Context())
	for _, err := range events {
		if err != nil {
			t.Fatal(err)
		}
		stop()
		break
	}
}

// TestJMAPSecrets: no secret is taken without TLS, and no wrong one at all.
func TestJMAPSecrets(t *testing.T) {
	for _, tt := range []struct {
		plain, allow bool
		auth         func(*http.Request)
		status       int
	}{
		{false, false, jmapclient.Basic("alice@example.com", "secret"), 200},
		{false, false, jmapclient.Basic("alice@example.com", "Secret"), 401},
		{false, false, jmapclient.Basic("carol", "secret"), 401},
		{false, false, jmapclient.Bearer("t0ke"), 401},
		{false, false, jmapclient.Bearer(""), 401},
		{false, false, func(*http.Request) {}, 401},
		{true, false, jmapclient.Basic("alice@example.com", "secret"), 403},
		{true, false, jmapclient.Bearer("t0ken"), 403},
		{true, true, jmapclient.Basic("alice@example.com", "secret"), 200},
		{true, true, jmapclient.Bearer("t0ken"), 200},
		{true, true, jmapclient.Basic("bob", "secret"), 200},
	} {
		r := newRig(t, func(c *serve.Config) {
			c.AllowPlaintextAuth = tt.allow
			if tt.plain {
				c.TLS = nil
			}
		})
		addr, _ := start(t, r.JMAP)
		c := r.client(addr, tt.auth)
		if tt.plain {
			c.URL = "http://" + addr
		}
		_, err := c.Session(t.Context())
		status := 200
		if e, ok := errors.AsType[*jmap.RequestError](err); ok {
			status = e.Status
		} else if err != nil {
			t.Error(err)
		}
		if status != tt.status {
			t.Errorf("%+v: status %d", tt, status)
		}
	}
}

// TestConnections: one limit for all listeners.
func TestConnections(t *testing.T) {
	r := newRig(t, func(c *serve.Config) { c.MaxConnections, c.TLS = 2, nil })
	one, _ := start(t, r.JMAP)
	two, _ := start(t, r.JMAP)
	ask := func(addr string) (net.Conn, string) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, "GET /.well-known/jmap HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return c, strings.TrimSpace(line)
	}
	a, _ := ask(one)
	b, said := ask(two)
	if !strings.HasPrefix(said, "HTTP/1.1 403") {
		t.Error(said)
	}
	for _, addr := range []string{one, two} {
		c, said := ask(addr)
		if said != "HTTP/1.1 503 Service Unavailable" {
			t.Error(said)
		}
		c.Close()
	}
	if n := r.Connections(); n != 2 {
		t.Errorf("%d connections", n)
	}
	a.Close()
	for r.Connections() != 1 { // until the server has seen it
		runtime.Gosched()
	}
	c, said := ask(one)
	if !strings.HasPrefix(said, "HTTP/1.1 403") {
		t.Error(said)
	}
	b.Close()
	c.Close()
}

// TestNew: what is missing is said.
func TestNew(t *testing.T) {
	if _, err := serve.New(serve.Config{Hostname: "x"}); err == nil {
		t.Error("no store")
	}
	if _, err := serve.New(serve.Config{Store: newRig(t, nil).store}); err == nil {
		t.Error("no name")
	}
}

// TestTooLarge: a message over the limit can be uploaded, and is no message.
func TestTooLarge(t *testing.T) {
	r := newRig(t, nil)
	addr, _ := start(t, r.JMAP)
	c := r.client(addr, jmapclient.Bearer("t0ken"))
	account, err := c.Account(t.Context(), jmap.CapabilityMail)
	if err != nil {
		t.Fatal(err)
	}
	boxes, err := jmapclient.Do[jmap.GetResponse[mail.Mailbox]](t.Context(), c, jmap.CapabilityMail, "Mailbox/get", jmap.GetRequest[jmap.NoArgs]{AccountID: account})
	if err != nil {
		t.Fatal(err)
	}
	up, err := c.Upload(t.Context(), account, "message/rfc822", strings.NewReader(letter("long")+strings.Repeat("0123456789abcdef", 10_000)))
	if err != nil {
		t.Fatal(err)
	}
	type imports struct {
		NotCreated map[string]jmap.SetError `json:"notCreated"`
	}
	res, err := jmapclient.Do[imports](t.Context(), c, jmap.CapabilityMail, "Email/import", map[string]any{"accountId": account,
		"emails": map[string]any{"k": map[string]any{"blobId": up.BlobID, "mailboxIds": map[jmap.ID]bool{boxes.List[0].ID: true}}}})
	if err != nil || res.NotCreated["k"].Type != jmap.SetTooLarge {
		t.Errorf("%+v, %v", res, err)
	}
}
