package sasl_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap/imapclient"
	"github.com/mailbricks/mailbricks/imap/imapserver"
	"github.com/mailbricks/mailbricks/imap/imaptest"
	"github.com/mailbricks/mailbricks/imap/pop3"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// scram knows user with the password secret, and nothing but SCRAM.
func scram(t testing.TB) sasl.Authenticator {
	t.Helper()
	users := sasl.NewUsers()
	if err := users.Set("user", "secret"); err != nil {
		t.Fatal(err)
	}
	return sasl.New(sasl.SCRAM{Keys: users.Keys, SHA1: true}.Mechanisms()...)
}

func memory() *imaptest.Memory {
	m := &imaptest.Memory{}
	m.AddUser("user")
	return m
}

// serve runs serve on a port of loopback until the test ends and returns its address.
func serve(t *testing.T, serve func(context.Context, net.Listener) error) string {
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

// TestProtocols logs in with SCRAM-SHA-256-PLUS, the best that is offered, over STARTTLS of each protocol.
func TestProtocols(t *testing.T) {
	server, client := smtptest.TLS(t)
	for _, password := range []string{"secret", "wrong"} {
		c := sasl.Credentials{Username: "user", Password: password, Binding: sasl.TLSExporter}
		want := func(protocol string, err error) {
			t.Helper()
			if (err == nil) != (password == "secret") {
				t.Errorf("%s, %s: %v", protocol, password, err)
			}
		}
		s := &smtpserver.Server{Handler: &smtptest.Recorder{}, Mode: smtpserver.Submission, TLS: server, Authenticator: scram(t)}
		sc, err := smtpclient.Dial(t.Context(), serve(t, s.Serve), smtpclient.Config{TLS: smtpclient.Required, TLSConfig: client, Credentials: &c})
		want("SMTP", err)
		if err == nil {
			_ = sc.Close()
		}
		i := &imapserver.Server{Backend: memory(), TLS: server, Authenticator: scram(t)}
		ic, err := imapclient.Dial(t.Context(), serve(t, i.Serve), imapclient.Options{TLSConfig: client})
		if err != nil {
			t.Fatal(err)
		}
		want("IMAP", ic.Authenticate(t.Context(), c))
		_ = ic.Close()
		p := &pop3.Server{Backend: memory(), TLS: server, Authenticator: scram(t)}
		pc, err := pop3.Dial(t.Context(), serve(t, p.Serve), pop3.Options{TLSConfig: client})
		if err != nil {
			t.Fatal(err)
		}
		want("POP3", pc.Auth(t.Context(), c))
		_ = pc.Close()
	}
}

// TestUnproven has servers that say "success" without the proof that SCRAM asks them for: they do not know the password,
// and no client may believe them.
func TestUnproven(t *testing.T) {
	c := sasl.Credentials{Username: "user", Password: "secret", AllowPlaintext: true}
	for _, tt := range []struct {
		name                              string
		greeting, offer, challenge, final string
		login                             func(context.Context, net.Conn) error
	}{
		{"SMTP", "220 hi", "250-hi\r\n250 AUTH SCRAM-SHA-256", "334 %s", "235 2.7.0 fine", func(ctx context.Context, conn net.Conn) error {
			_, err := smtpclient.NewConn(ctx, conn, smtpclient.Config{Credentials: &c})
			return err
		}},
		{"IMAP", "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=SCRAM-SHA-256] hi", "", "+ %s", "TAG OK fine", func(ctx context.Context, conn net.Conn) error {
			x, err := imapclient.New(ctx, conn, imapclient.Options{TLS: imapclient.TLSNone})
			if err != nil {
				return err
			}
			return x.Authenticate(ctx, c)
		}},
		{"POP3", "+OK hi", "+OK\r\nSASL SCRAM-SHA-256\r\n.", "+ %s", "+OK fine", func(ctx context.Context, conn net.Conn) error {
			x, err := pop3.NewClient(ctx, conn, pop3.Options{TLS: pop3.TLSNone})
			if err != nil {
				return err
			}
			return x.Auth(ctx, c)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := net.Pipe()
			asked := make(chan bool, 1)
			go func() {
				defer b.Close()
				proof := false
				defer func() { asked <- proof }()
				_, _ = fmt.Fprintf(b, "%s\r\n", tt.greeting)
				tag := ""
				for lines := bufio.NewScanner(b); lines.Scan(); {
					l := lines.Text()
					_, initial, begins := strings.Cut(l, "SCRAM-SHA-256 ")
					proven, _ := base64.StdEncoding.DecodeString(l)
					switch {
					case begins:
						tag, _, _ = strings.Cut(l, " ")
						first, _ := base64.StdEncoding.DecodeString(initial)
						_, nonce, _ := strings.Cut(string(first), "r=")
						_, _ = fmt.Fprintf(b, tt.challenge+"\r\n", base64.StdEncoding.EncodeToString([]byte("r="+nonce+"x,s=c2FsdA==,i=4096")))
					case strings.HasPrefix(string(proven), "c=") && !proof:
						proof = true
						_, _ = fmt.Fprintf(b, "%s\r\n", strings.Replace(tt.final, "TAG", tag, 1))
					default:
						_, _ = fmt.Fprintf(b, "%s\r\n", tt.offer)
					}
				}
			}()
			err := tt.login(t.Context(), a)
			_ = a.Close()
			if proof := <-asked; !proof || !errors.Is(err, sasl.ErrServer) {
				t.Errorf("proof given %v: %v", proof, err)
			}
		})
	}
}
