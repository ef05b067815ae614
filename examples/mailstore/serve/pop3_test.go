package serve_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/examples/mailstore/serve"
	"github.com/mailbricks/mailbricks/imap/pop3"
)

// TestPOP3 reads one message over STLS and over implicit TLS.
func TestPOP3(t *testing.T) {
	r := newRig(t, nil)
	r.deliver(t, "alice@example.com", "one")
	for name, serve := range map[string]func(context.Context, net.Listener) error{"POP3": r.POP3, "POP3S": r.POP3S} {
		addr, _ := start(t, serve)
		o := pop3.Options{TLSConfig: &tls.Config{RootCAs: r.roots}}
		if name == "POP3S" {
			o.TLS = pop3.TLSImplicit
		}
		c, err := pop3.Dial(t.Context(), addr, o)
		if err != nil {
			t.Fatal(name, err)
		}
		if err := c.Login(t.Context(), "alice@example.com", "secret"); err != nil {
			t.Fatal(name, err)
		}
		body, err := c.Retr(t.Context(), 1)
		if err != nil {
			t.Fatal(name, err)
		}
		if got, err := io.ReadAll(body); err != nil || !strings.HasSuffix(string(got), letter("one")) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if err := c.Quit(t.Context()); err != nil {
			t.Error(name, err)
		}
	}
}

// TestNoTLS: implicit TLS needs a certificate, and no password is taken without TLS.
func TestNoTLS(t *testing.T) {
	r := newRig(t, func(c *serve.Config) { c.TLS = nil })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if err := r.POP3S(t.Context(), ln); err == nil {
		t.Error("POP3S without a certificate")
	}
	addr, _ := start(t, r.POP3)
	c, err := pop3.Dial(t.Context(), addr, pop3.Options{TLS: pop3.TLSNone, AllowPlaintextAuth: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(t.Context(), "alice@example.com", "secret"); err == nil {
		t.Error("a password in the clear")
	}
}
