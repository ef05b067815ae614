package serve_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/examples/mailstore"
	"github.com/mailbricks/mailbricks/examples/mailstore/serve"
	"github.com/mailbricks/mailbricks/smtp"
)

// A rig is a Server around a store in memory with the accounts of alice and bob, whose password is "secret".
type rig struct {
	*serve.Server
	store *mailstore.Store
	roots *x509.CertPool
}

func newRig(t testing.TB, change func(*serve.Config)) *rig {
	t.Helper()
	store, err := mailstore.OpenMemory(mailstore.Options{MaxMessage: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	users := sasl.NewUsers()
	for _, name := range []string{"alice@example.com", "bob"} {
		if err := store.EnsureAccount(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if err := users.Set(name, "secret"); err != nil {
			t.Fatal(err)
		}
	}
	c := serve.Config{Store: store, Hostname: "mail.example.com", Users: users.Check, MaxMessage: 100_000,
		Tokens: serve.TokenSet(map[string]string{"alice@example.com": "t0ken", "bob": ""}), Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	certPEM, keyPEM, err := cli.SelfSigned("localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	c.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	if change != nil {
		change(&c)
	}
	s, err := serve.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &rig{s, store, roots}
}

// start runs one of the Server's methods on loopback until the test or the returned function ends it.
func start(t *testing.T, f func(context.Context, net.Listener) error) (addr string, stop func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx, ln) }()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return ln.Addr().String(), stop
}

// deliver puts a message into the store.
func (r *rig) deliver(t testing.TB, to, subject string) {
	t.Helper()
	p, err := smtp.ParseMailbox(to)
	if err != nil {
		t.Fatal(err)
	}
	res, err := smtp.Deliver(t.Context(), r.store, smtp.Envelope{From: smtp.Path{Local: "eve", Domain: "example.org"}, Recipients: []smtp.Recipient{{To: p}}},
		strings.NewReader(letter(subject)))
	if err != nil || res[0].Reply.Code != 250 {
		t.Fatalf("%v %v", res, err)
	}
}

func letter(subject string) string {
	return "From: eve@example.org\r\nTo: alice@example.com\r\nSubject: " + subject + "\r\nMessage-ID: <" + subject + "@example.org>\r\n\r\nHello.\r\n..dots\r\n"
}

// A handler answers requests without a network.
type handler struct{ http.Handler }

func (h handler) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	r.TLS = &tls.ConnectionState{HandshakeComplete: true}
	h.ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}
