package smtpclient_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

func TestTLSPolicies(t *testing.T) {
	serverTLS, clientTLS := smtptest.TLS(t)
	alice := &sasl.Credentials{Username: "alice", Password: "secret"}
	plainAlice := &sasl.Credentials{Username: "alice", Password: "secret", AllowPlaintext: true}
	good := func(tls.ConnectionState) error { return nil }
	bad := func(tls.ConnectionState) error { return errors.New("not the key") }
	with, without := []string{"STARTTLS", "AUTH PLAIN"}, []string{"AUTH PLAIN"}
	refuse := map[string]string{"STARTTLS": "454 4.7.0 not now"}
	// broken says that it starts TLS, and does not.
	broken := map[string]string{"STARTTLS": "220 go"}
	tests := []struct {
		name  string
		ext   []string
		say   map[string]string
		c     smtpclient.Config
		tls   bool
		op    string // "" for success
		reply string
		is    error
	}{
		{"opportunistic", with, nil, smtpclient.Config{}, true, "", "", nil},
		{"opportunistic, trusting nobody", with, nil, smtpclient.Config{TLSConfig: &tls.Config{RootCAs: x509.NewCertPool()}}, true, "", "", nil},
		{"opportunistic, not offered", without, nil, smtpclient.Config{}, false, "", "", nil},
		{"opportunistic, refused", with, refuse, smtpclient.Config{}, false, "", "", nil},
		{"opportunistic, other versions", with, nil, smtpclient.Config{TLSConfig: &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}}, false, "", "", nil},
		{"none", with, nil, smtpclient.Config{TLS: smtpclient.None}, false, "", "", nil},
		{"required", with, nil, smtpclient.Config{TLS: smtpclient.Required, TLSConfig: clientTLS}, true, "", "", nil},
		{"required, not offered", without, nil, smtpclient.Config{TLS: smtpclient.Required}, false, "STARTTLS", "454 4.7.4", smtpclient.ErrNoTLS},
		{"required, refused", with, refuse, smtpclient.Config{TLS: smtpclient.Required}, false, "STARTTLS", "454 4.7.4", nil},
		{"required, unknown authority", with, nil, smtpclient.Config{TLS: smtpclient.Required}, false, "TLS", "454 4.7.5", nil},
		{"required, other name", with, nil, smtpclient.Config{TLS: smtpclient.Required, TLSConfig: clientTLS, ServerName: "mx.other.test"}, false, "TLS", "454 4.7.5", nil},
		{"required, other versions", with, nil, smtpclient.Config{TLS: smtpclient.Required, TLSConfig: &tls.Config{RootCAs: clientTLS.RootCAs, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}}, false, "TLS", "454 4.7.5", nil},
		{"verified otherwise", with, nil, smtpclient.Config{TLS: smtpclient.Required, Verify: good}, true, "", "", nil},
		{"a Verify requires TLS", without, nil, smtpclient.Config{Verify: good}, false, "STARTTLS", "454 4.7.4", smtpclient.ErrNoTLS},
		{"a Verify decides", with, nil, smtpclient.Config{Verify: bad, TLSConfig: clientTLS}, false, "TLS", "454 4.7.5", nil},
		{"login", with, nil, smtpclient.Config{Credentials: alice, TLSConfig: clientTLS}, true, "", "", nil},
		{"login requires TLS", without, nil, smtpclient.Config{Credentials: alice}, false, "STARTTLS", "454 4.7.4", smtpclient.ErrNoTLS},
		{"login, refused", with, refuse, smtpclient.Config{Credentials: alice}, false, "STARTTLS", "454 4.7.4", nil},
		{"login requires a certificate", with, nil, smtpclient.Config{Credentials: alice}, false, "TLS", "454 4.7.5", nil},
		{"login without TLS", with, nil, smtpclient.Config{Credentials: alice, TLS: smtpclient.None}, false, "AUTH", "454 4.7.0", sasl.ErrEncryption},
		{"login, plaintext spelt out", without, nil, smtpclient.Config{Credentials: plainAlice}, false, "", "", nil},
		{"login, other mechanisms", []string{"STARTTLS", "AUTH CRAM-MD5"}, nil, smtpclient.Config{Credentials: alice, TLSConfig: clientTLS}, false, "AUTH", "454 4.7.0", sasl.ErrMechanism},
		{"login LOGIN", []string{"STARTTLS", "AUTH=LOGIN"}, nil, smtpclient.Config{Credentials: alice, TLSConfig: clientTLS}, true, "", "", nil},
		{"wrong password", with, nil, smtpclient.Config{Credentials: &sasl.Credentials{Username: "alice", Password: "secret no more"[:5]}, TLSConfig: clientTLS}, false, "AUTH", "454 4.7.0", nil},
		{"TLS broken", with, broken, smtpclient.Config{}, false, "", "", nil},
		{"TLS broken, login", with, broken, smtpclient.Config{Credentials: alice}, false, "TLS", "454 4.7.5", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{t: t, ext: append(slices.Clone(tt.ext), "ENHANCEDSTATUSCODES"), say: tt.say, tls: serverTLS}
			if tt.say["STARTTLS"] == "220 go" {
				f.tls = &tls.Config{}
			}
			addr := f.start()
			conn, err := smtpclient.Dial(t.Context(), addr, tt.c)
			if tt.op != "" {
				e, ok := errors.AsType[*smtpclient.Error](err)
				if !ok || e.Op != tt.op || short(smtp.ReplyOf(err)) != tt.reply || tt.is != nil && !errors.Is(err, tt.is) {
					t.Fatalf("%v, %s; want %s, %s", err, smtp.ReplyOf(err), tt.op, tt.reply)
				}
				for _, l := range f.heard() {
					if strings.Contains(l, "AGFsaWNl") && tt.op != "AUTH" {
						t.Errorf("secret shown: %s", l)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if (conn.TLS() != nil) != tt.tls {
				t.Errorf("TLS: %v, want %v", conn.TLS() != nil, tt.tls)
			}
			if _, err := conn.Deliver(t.Context(), envelope(t, "a@x.test", "b@y.test"), strings.NewReader(text)); err != nil || len(f.took()) != 1 {
				t.Errorf("%v, %v", err, f.took())
			}
		})
	}
}

func TestImplicitTLS(t *testing.T) {
	serverTLS, clientTLS := smtptest.TLS(t)
	f := &fake{t: t, wrap: func(c net.Conn) net.Conn { return tls.Server(c, serverTLS) }}
	addr := f.start()
	conn := dial(t, addr, smtpclient.Config{TLS: smtpclient.Implicit, TLSConfig: clientTLS})
	if conn.TLS() == nil || conn.Noop(t.Context()) != nil {
		t.Error("no TLS")
	}
	_, err := smtpclient.Dial(t.Context(), addr, smtpclient.Config{TLS: smtpclient.Implicit})
	if e, ok := errors.AsType[*smtpclient.Error](err); !ok || e.Op != "TLS" || short(smtp.ReplyOf(err)) != "454 4.7.5" {
		t.Error(err)
	}
	// A connection that is encrypted already is taken as it is.
	nc, err := tls.Dial("tcp", addr, clientTLS)
	if err != nil {
		t.Fatal(err)
	}
	own, err := smtpclient.NewConn(t.Context(), nc, smtpclient.Config{TLS: smtpclient.Required})
	if err != nil || own.TLS() == nil || own.Close() != nil {
		t.Error(err)
	}
}

// TestForgotten: what a server offered before TLS does not count (RFC 3207 §4.2).
func TestForgotten(t *testing.T) {
	serverTLS, clientTLS := smtptest.TLS(t)
	peer := smtptest.NewScriptServer(t, serverTLS, false, `
> 220 mx
< EHLO client.test
> 250-mx
> 250-SIZE 5
> 250 STARTTLS
< STARTTLS
> 220 go
= tls
< EHLO client.test
> 250-mx
> 250-STARTTLS
> 250 8BITMIME
< QUIT
> 221 bye
`)
	conn := dial(t, peer.Addr, smtpclient.Config{Hostname: "client.test", TLS: smtpclient.Required, TLSConfig: clientTLS})
	if e := conn.Extensions(); e.Has("SIZE") || !e.Has("8BITMIME") {
		t.Errorf("%v", e)
	}
	conn.Close()
}

// TestRequireTLS is RFC 8689 §4.2.1.
func TestRequireTLS(t *testing.T) {
	serverTLS, clientTLS := smtptest.TLS(t)
	for _, tt := range []struct {
		name string
		ext  string
		c    smtpclient.Config
		from string
		want string // reply, or MAIL's parameters
	}{
		{"all right", "STARTTLS REQUIRETLS", smtpclient.Config{TLSConfig: clientTLS}, "a@x.test", "REQUIRETLS"},
		{"not offered", "STARTTLS", smtpclient.Config{TLSConfig: clientTLS}, "a@x.test", "550 5.7.30"},
		{"no TLS", "REQUIRETLS", smtpclient.Config{TLSConfig: clientTLS}, "a@x.test", "550 5.7.10"},
		{"TLS forbidden", "STARTTLS REQUIRETLS", smtpclient.Config{TLS: smtpclient.None}, "a@x.test", "550 5.7.10"},
		{"bad certificate", "STARTTLS REQUIRETLS", smtpclient.Config{}, "a@x.test", "550 5.7.10"},
		{"notification", "STARTTLS", smtpclient.Config{}, "", ""},
		{"notification, offered", "STARTTLS REQUIRETLS", smtpclient.Config{}, "", "REQUIRETLS"},
	} {
		f := &fake{t: t, ext: append(strings.Fields(tt.ext), "ENHANCEDSTATUSCODES"), tls: serverTLS}
		client := &smtpclient.Client{Addr: f.start(), Config: tt.c}
		e := envelope(t, tt.from, "b@y.test")
		e.Params.RequireTLS = true
		_, err := client.Deliver(t.Context(), e, strings.NewReader(text))
		client.Close()
		got := ""
		if err != nil {
			got = short(smtp.ReplyOf(err))
		} else if strings.Contains(f.took()[0].mail, "REQUIRETLS") {
			got = "REQUIRETLS"
		}
		if got != tt.want {
			t.Errorf("%s: %s, %v; want %s", tt.name, got, err, tt.want)
		}
	}
}

func TestTrace(t *testing.T) {
	serverTLS, clientTLS := smtptest.TLS(t)
	for _, mech := range []string{"PLAIN", "LOGIN"} {
		f := &fake{t: t, ext: []string{"STARTTLS", "PIPELINING", "8BITMIME", "AUTH " + mech}, tls: serverTLS, say: map[string]string{"MAIL": "250-2.1.0 two\r\n250 2.1.0 lines"}}
		var got []string
		conn := dial(t, f.start(), smtpclient.Config{
			Hostname: "client.test", TLSConfig: clientTLS, Credentials: &sasl.Credentials{Username: "alice", Password: "secret"},
			Trace: func(e smtpclient.TraceEvent) {
				mark := "<- "
				if e.Sent {
					mark = "-> "
				}
				if e.Time.IsZero() || e.Host != "127.0.0.1" || e.Remote == nil {
					t.Errorf("%+v", e)
				}
				got = append(got, mark+e.Line)
			},
		})
		if _, err := conn.Deliver(t.Context(), envelope(t, "a@x.test", "b@y.test"), strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		conn.Close()
		all := strings.Join(got, "\n")
		want := []string{"<- 220 fake ESMTP", "-> EHLO client.test", "<- 250-fake", "-> STARTTLS", "-> (TLS 1.3 TLS_", "-> AUTH " + mech, "<- 235 2.7.0 Welcome",
			"-> MAIL FROM:<a@x.test> BODY=8BITMIME\n-> RCPT TO:<b@y.test>\n-> DATA\n<- 250-2.1.0 two\n<- 250 2.1.0 lines\n<- 250 2.1.5 Recipient ok\n<- 354 Go on\n-> (36 octets)\n<- 250 2.0.0 Taken\n-> QUIT\n<- 221 2.0.0 Bye"}
		for _, w := range want {
			if !strings.Contains(all, w) {
				t.Errorf("%q is not in\n%s", w, all)
			}
		}
		for _, secret := range []string{"AGFsaWNlAHNlY3JldA", "c2VjcmV0", "YWxpY2U", "secret", "alice"} {
			if strings.Contains(all, secret) {
				t.Errorf("%q is in\n%s", secret, all)
			}
		}
	}
}
