package main

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/examples/cli/clitest"
	"github.com/mailbricks/mailbricks/examples/mailstore"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// A pushRig is a push service on this machine, and the store as a program that trusts it.
type pushRig struct {
	*testing.T
	ctx  context.Context
	bin  string
	url  string
	came chan []byte
}

func newPushRig(t *testing.T) *pushRig {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	r := &pushRig{T: t, ctx: ctx, bin: clitest.Build(t, "."), came: make(chan []byte, 16)}
	service := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		b, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		r.came <- b
	}))
	t.Cleanup(service.Close)
	r.url = service.URL + "/p"
	t.Setenv("SSL_CERT_FILE", clitest.File(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: service.Certificate().Raw}))))
	return r
}

// start starts the program, for alice with a password.
func (r *pushRig) start(password string, args ...string) (*clitest.Process, *jmapclient.Client) {
	r.Helper()
	p := clitest.Spawn(r, r.bin, append(args, "-user", "alice@example.com:"+password, "-jmap", "127.0.0.1:0", "-lmtp", "127.0.0.1:0", "-allow-plaintext-auth")...)
	return p, &jmapclient.Client{URL: "http://" + p.Addr("jmap"), Auth: jmapclient.Basic("alice@example.com", password)}
}

func (r *pushRig) create(c *jmapclient.Client) (jmap.PushCreated, error) {
	return c.CreatePush(r.ctx, jmap.PushCreate{DeviceClientID: "phone", URL: r.url, Types: []string{mail.EmailDelivery}})
}

// read returns what comes next.
func (r *pushRig) read() *jmapclient.WebPush {
	r.Helper()
	select {
	case b := <-r.came:
		out, err := jmapclient.ReadPush(nil, b)
		if err != nil {
			r.Fatal(err)
		}
		return out
	case <-r.ctx.Done():
		r.Fatal("nothing came")
		return nil
	}
}

// subscribe makes a subscription and verifies it.
func (r *pushRig) subscribe(c *jmapclient.Client) {
	r.Helper()
	if _, err := r.create(c); err != nil {
		r.Fatal(err)
	}
	first := r.read()
	if first.Verification == nil {
		r.Fatalf("%+v", first)
	}
	if err := c.VerifyPush(r.ctx, first.Verification); err != nil {
		r.Fatal(err)
	}
}

// pushed delivers a letter, of which the push service hears.
func (r *pushRig) pushed(p *clitest.Process, c *jmapclient.Client) {
	r.Helper()
	deliver(r.T, p.Addr("lmtp"), letter("one"), "alice@example.com")
	account, err := c.Account(r.ctx, jmap.CapabilityMail)
	if err != nil {
		r.Fatal(err)
	}
	if got := r.read(); got.Change == nil || got.Change.Changed[account][mail.EmailDelivery] == "" {
		r.Errorf("%+v", got)
	}
}

// TestPushAllow: changes go to an address of this machine where -push-allow names its network, and nowhere else.
func TestPushAllow(t *testing.T) {
	r := newPushRig(t)
	for _, args := range [][]string{{"-memory"}, {"-memory", "-push-allow", "10.0.0.0/8"}} {
		p, c := r.start("secret", args...)
		_, err := r.create(c)
		if e, ok := errors.AsType[*jmap.SetError](err); !ok || e.Type != jmap.SetInvalidProperties {
			t.Errorf("%q: %v, want invalidProperties", args, err)
		}
		p.Terminate()
	}
	if len(r.came) > 0 {
		t.Errorf("sent all the same: %q", <-r.came)
	}
	p, c := r.start("secret", "-memory", "-push-allow", "127.0.0.0/8")
	r.subscribe(c)
	r.pushed(p, c)
}

// TestPushEndsWithPassword: a subscription outlives the process, but not the password that it was made with, even where the old
// one comes back (RFC 8620 §7.2).
func TestPushEndsWithPassword(t *testing.T) {
	r, data := newPushRig(t), t.TempDir()
	args := []string{"-data", data, "-push-allow", "127.0.0.0/8"}
	p, c := r.start("secret", args...)
	r.subscribe(c)
	p.Terminate()
	p, c = r.start("secret", args...)
	r.pushed(p, c)
	p.Terminate()
	p, _ = r.start("another", args...)
	deliver(t, p.Addr("lmtp"), letter("two"), "alice@example.com")
	p.Terminate()
	if len(r.came) > 0 {
		t.Errorf("sent with an old password: %q", <-r.came)
	}
	store, err := mailstore.Open(data, mailstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if all, err := store.Subscriptions(t.Context()); err != nil || len(all) > 0 {
		t.Errorf("kept with an old password: %+v, %v", all, err)
	}
}
