package imapclient

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
)

func TestSTARTTLS(t *testing.T) {
	o := Options{TLSConfig: clientTLS(t)}
	c, err := New(t.Context(), script(t, `
		S: * OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED AUTH=EVIL] ready
		C: a2 STARTTLS
		S: a2 OK begin
		S: (handshake)
		C: a3 CAPABILITY
		S: * CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR
		S: a3 OK
		C: a4 AUTHENTICATE PLAIN AGJvYgBzZWNyZXQ=
		S: a4 OK [CAPABILITY IMAP4rev1 IDLE] in
		C: a5 LOGOUT
		S: * BYE
		S: a5 OK`), o)
	if err != nil {
		t.Fatal(err)
	}
	if c.TLS() == nil || !c.Capabilities().Has("AUTH=PLAIN") || c.Capabilities().Has("AUTH=EVIL") || c.Capabilities().Has("LOGINDISABLED") {
		t.Errorf("TLS %v, capabilities %v", c.TLS(), c.Capabilities())
	}
	if err := c.Authenticate(t.Context(), sasl.Credentials{Username: "bob", Password: "secret"}); err != nil {
		t.Error(err)
	}
	if !c.Capabilities().Has("IDLE") {
		t.Errorf("capabilities %v", c.Capabilities())
	}
	if err := c.Logout(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestImplicitTLS(t *testing.T) {
	conn := script(t, "S: (handshake)\nS: * OK hi\nC: a2 CAPABILITY\nS: * CAPABILITY IMAP4rev1\nS: a2 OK")
	if _, err := New(t.Context(), conn, Options{TLS: TLSImplicit, TLSConfig: clientTLS(t)}); err != nil {
		t.Error(err)
	}
	conn = tls.Client(script(t, "S: (handshake)\nS: * OK [CAPABILITY IMAP4rev1] hi"), clientTLS(t))
	if c, err := New(t.Context(), conn, Options{}); err != nil || c.TLS() == nil {
		t.Error(err)
	}
}

// TestTLSFails checks each way in which there is no TLS, and that nothing is sent in the clear then.
func TestTLSFails(t *testing.T) {
	const ready = "S: * OK [CAPABILITY IMAP4rev1 STARTTLS] ready\n"
	protocol := func(err error) bool { _, ok := errors.AsType[*ProtocolError](err); return ok }
	for _, tt := range []struct {
		name, dialogue string
		policy         TLSPolicy
		is             func(error) bool
	}{
		{"not offered", "S: * OK [CAPABILITY IMAP4rev1] ready", TLSRequired, func(err error) bool { return errors.Is(err, ErrNoTLS) }},
		{"PREAUTH", "S: * PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] you are in", TLSRequired, func(err error) bool { return errors.Is(err, ErrNoTLS) }},
		{"refused", ready + "C: a2 STARTTLS\nS: a2 NO not now", TLSRequired, func(err error) bool { return errors.Is(err, &imap.Status{Type: imap.StatusNo}) }},
		{"refused, though it need not be", ready + "C: a2 STARTTLS\nS: a2 BAD what", TLSOpportunistic, func(err error) bool { return errors.Is(err, &imap.Status{Type: imap.StatusBad}) }},
		{"octets behind the reply", ready + "C: a2 STARTTLS\nS> a2 OK go\\r\\n* CAPABILITY IMAP4rev1 AUTH=EVIL\\r\\n\n", TLSRequired, protocol},
		{"a wrong certificate", ready + "C: a2 STARTTLS\nS: a2 OK\nS: (handshake)", TLSOpportunistic, func(err error) bool {
			_, ok := errors.AsType[*tls.CertificateVerificationError](err)
			return ok
		}},
	} {
		o := plain
		o.TLS = tt.policy
		if o.TLSConfig = clientTLS(t); tt.name == "a wrong certificate" {
			o.TLSConfig.RootCAs = nil
		}
		if _, err := New(t.Context(), script(t, tt.dialogue), o); !tt.is(err) {
			t.Errorf("%s: %v (%T)", tt.name, err, err)
		}
	}
	o := plain
	o.TLS = TLSOpportunistic
	if _, err := New(t.Context(), script(t, "S: * OK [CAPABILITY IMAP4rev1] ready"), o); err != nil {
		t.Errorf("opportunistic: %v", err)
	}
}

// TestLogin checks what is sent for each kind of server, and that a trace shows no secret.
func TestLogin(t *testing.T) {
	bob := sasl.Credentials{Username: "bob", Password: "secret"}
	login := func(c *Client) error { return c.Login(t.Context(), "bob", "secret") }
	auth := func(c *Client) error { return c.Authenticate(t.Context(), bob) }
	for _, tt := range []struct {
		name, caps, dialogue string
		do                   func(c *Client) error
		want                 error
	}{
		{"LOGIN", "", "C: a2 LOGIN bob secret\nS: a2 OK [CAPABILITY IMAP4rev1 IDLE] in", login, nil},
		{"LOGIN, capabilities asked for", "", "C: a2 LOGIN bob secret\nS: a2 OK in\nC: a3 CAPABILITY\nS: * CAPABILITY IMAP4rev1 IDLE\nS: a3 OK", login, nil},
		{"LOGIN for want of AUTH", "", "C: a2 LOGIN bob secret\nS: * CAPABILITY IMAP4rev1 IDLE\nS: a2 OK", auth, nil},
		{"LOGIN with literals", "", "C: a2 LOGIN {4}\nS: + \nC: b\xc3\xb6b {7}\nS: + \nC: secret\x01\nS: a2 OK [CAPABILITY IMAP4rev1 IDLE] in", func(c *Client) error {
			return c.Login(t.Context(), "böb", "secret\x01")
		}, nil},
		{"wrong password", "", "C: a2 LOGIN bob secret\nS: a2 NO [AUTHENTICATIONFAILED] no", login, &imap.Status{Code: imap.CodeAuthFailed}},
		{"LOGINDISABLED", "LOGINDISABLED", "", login, ErrUnsupported},
		{"nothing fits", "LOGINDISABLED AUTH=GSSAPI", "", auth, sasl.ErrMechanism},
		{"PLAIN", "AUTH=PLAIN AUTH=LOGIN", "C: a2 AUTHENTICATE PLAIN\nS: + \nC: AGJvYgBzZWNyZXQ=\nS: a2 OK [CAPABILITY IMAP4rev1 IDLE] in", auth, nil},
		{"PLAIN at once", "auth=plain SASL-IR", "C: a2 AUTHENTICATE PLAIN AGJvYgBzZWNyZXQ=\nS: a2 OK [CAPABILITY IMAP4rev1 IDLE] in", auth, nil},
		{"AUTH=LOGIN", "AUTH=LOGIN", "C: a2 AUTHENTICATE LOGIN\nS: + VXNlcm5hbWU6\nC: Ym9i\nS: + UGFzc3dvcmQ6\nC: c2VjcmV0\nS: a2 OK [CAPABILITY IMAP4rev1 IDLE] in", auth, nil},
		{"a bearer token", "AUTH=OAUTHBEARER AUTH=PLAIN SASL-IR", "C: a2 AUTHENTICATE OAUTHBEARER bixhPWJvYiwBYXV0aD1CZWFyZXIgc2VjcmV0AQE=\nS: a2 OK [CAPABILITY IMAP4rev1 IDLE] in",
			func(c *Client) error {
				return c.Authenticate(t.Context(), sasl.Credentials{Username: "bob", Token: "secret"})
			}, nil},
		{"a bearer token refused", "AUTH=OAUTHBEARER SASL-IR", "C: a2 AUTHENTICATE OAUTHBEARER bixhPWJvYiwBYXV0aD1CZWFyZXIgc2VjcmV0AQE=\nS: + eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=\nC: AQ==\nS: a2 NO [AUTHENTICATIONFAILED] no",
			func(c *Client) error {
				return c.Authenticate(t.Context(), sasl.Credentials{Username: "bob", Token: "secret"})
			}, &imap.Status{Code: imap.CodeAuthFailed}},
		{"cancelled by a challenge that should not come", "AUTH=PLAIN SASL-IR", "C: a2 AUTHENTICATE PLAIN AGJvYgBzZWNyZXQ=\nS: + AAAA\nC: *\nS: a2 BAD cancelled", auth, errAny},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var trace strings.Builder
			o := plain
			o.Trace = func(_ bool, data []byte) { trace.Write(data) }
			c := connect(t, o, tt.caps, tt.dialogue)
			switch err := tt.do(c); {
			case tt.want == errAny && err != nil:
			case !errors.Is(err, tt.want):
				t.Errorf("got %v, want %v", err, tt.want)
			case err == nil && !c.Capabilities().Has("IDLE"):
				t.Errorf("capabilities %v", c.Capabilities())
			}
			for _, secret := range []string{"secret", "c2VjcmV0", "AGJvYgBz"} {
				if strings.Contains(trace.String(), secret) {
					t.Errorf("traced: %q", trace.String())
				}
			}
		})
	}
	clear, err := New(t.Context(), script(t, "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready"), Options{TLS: TLSNone})
	if err != nil {
		t.Fatal(err)
	}
	if err := login(clear); !errors.Is(err, sasl.ErrEncryption) {
		t.Errorf("LOGIN in the clear: %v", err)
	}
	if err := auth(clear); !errors.Is(err, sasl.ErrEncryption) {
		t.Errorf("AUTHENTICATE in the clear: %v", err)
	}
}

// errAny stands for some error.
var errAny = errors.New("any")
