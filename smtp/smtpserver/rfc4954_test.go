package smtpserver_test

import (
	"crypto/tls"
	"encoding/base64"
	"log/slog"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// secured starts TLS.
func (d *dialogue) secured(config *tls.Config) {
	d.t.Helper()
	d.play("C: STARTTLS\nS: 220 *")
	*d = *newDialogue(d.t, tls.Client(d.c, config))
}

// TestRFC4954 has the PLAIN examples of RFC 4954 §4.1: with an initial response and without, under TLS.
func TestRFC4954(t *testing.T) {
	server, client := smtptest.TLS(t)
	users := sasl.NewUsers()
	if err := users.Set("test", "1234"); err != nil {
		t.Fatal(err)
	}
	s := &smtpserver.Server{Handler: &smtptest.Recorder{}, Hostname: "smtp.example.com", TLS: server, Authenticator: sasl.New(sasl.Plain(users.Check)),
		Without: append(few[:len(few):len(few)], "PIPELINING", "CHUNKING")}
	for _, auth := range []string{
		"C: AUTH PLAIN dGVzdAB0ZXN0ADEyMzQ=\nS: 235 2.7.0 *",
		"C: AUTH PLAIN\nS: 334 \nC: dGVzdAB0ZXN0ADEyMzQ=\nS: 235 2.7.0 *",
	} {
		d := talk(t, s)
		d.play("S: 220 *\nC: EHLO client.example.com\nS: 250-smtp.example.com\nS: 250 STARTTLS")
		d.secured(client)
		d.play("C: EHLO client.example.com\nS: 250-smtp.example.com\nS: 250 AUTH PLAIN")
		d.play(strings.ReplaceAll(auth, "S: 334 \n", "S: 334 *\n"))
	}
}

// TestMailAuth has the AUTH parameter of MAIL (RFC 4954 §5): believed from who has authenticated only.
func TestMailAuth(t *testing.T) {
	rec := &smtptest.Recorder{}
	s := &smtpserver.Server{Handler: rec, Authenticator: smtptest.CorpusUsers(), AllowPlaintextAuth: true, Without: few}
	for auth, want := range map[string]string{"": "<>", "C: AUTH PLAIN AHVzZXIAc2VjcmV0\nS: 235 *\n": "e=mc2@example.com"} {
		rec.Reset()
		d := talk(t, s)
		d.play("S: 220 *\nC: EHLO c\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250 AUTH *")
		d.play(auth + "C: MAIL FROM:<e=mc2@example.com> AUTH=e+3Dmc2@example.com\nS: 250 *\nC: RCPT TO:<b@test.example>\nS: 250 *\nC: DATA\nS: 354 *\nC: .\nS: 250 *")
		if got := rec.Messages()[0].Params.Auth; got != want {
			t.Errorf("after %q: AUTH=%s, want %s", auth, got, want)
		}
	}
}

// TestSecrets logs everything: no password and no text of a message may be in it.
func TestSecrets(t *testing.T) {
	var log logbook
	s := &smtpserver.Server{Handler: smtptest.CorpusHandler(), Authenticator: smtptest.CorpusUsers(), AllowPlaintextAuth: true, Without: few,
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	d := talk(t, s)
	d.play("S: 220 *\nC: EHLO c\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250 AUTH *")
	response := base64.StdEncoding.EncodeToString([]byte("\x00user\x00passw0rd"))
	d.play("C: AUTH PLAIN " + response + "\nS: 535 *\nC: AUTH PLAIN\nS: 334 *\nC: " + response + "!\nS: 501 *\nC: AUTH LOGIN\nS: 334 *\nC: dXNlcg==\nS: 334 *\nC: " +
		base64.StdEncoding.EncodeToString([]byte("passw0rd")) + "\nS: 535 *\nC: AUTH PLAIN AHVzZXIAc2VjcmV0\nS: 235 *")
	d.play("C: MAIL FROM:<a@test.example>\nS: 250 *\nC: RCPT TO:<refused@test.example>\nS: 550 *\nC: RCPT TO:<b@test.example>\nS: 250 *\nC: DATA\nS: 354 *\nC: passw0rd\nC: .\nS: 250 *\nC: QUIT\nS: 221 *")
	d.wantEOF()
	for _, secret := range []string{"passw0rd", "secret", response, "AHVzZXIAc2VjcmV0", "cGFzc3cwcmQ"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q is logged: %s", secret, log.String())
		}
	}
	if !strings.Contains(log.String(), "authentication failed") || !strings.Contains(log.String(), "user=user") {
		t.Errorf("failures are not logged: %s", log.String())
	}
}

// TestRequireTLS offers REQUIRETLS over TLS only (RFC 8689 §2).
func TestRequireTLS(t *testing.T) {
	server, client := smtptest.TLS(t)
	rec := &smtptest.Recorder{}
	d := talk(t, &smtpserver.Server{Handler: rec, TLS: server, Extensions: []smtpserver.Extension{smtpserver.RequireTLS()}, Without: few})
	d.play("S: 220 *\nC: EHLO c\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250 STARTTLS\nC: MAIL FROM:<a@test.example> REQUIRETLS\nS: 555 5.5.4 *")
	d.secured(client)
	d.play("C: EHLO c\nS: 250-*\nS: 250-*\nS: 250-CHUNKING\nS: 250 REQUIRETLS\nC: MAIL FROM:<a@test.example> REQUIRETLS\nS: 250 *")
	d.play("C: RCPT TO:<b@test.example>\nS: 250 *\nC: DATA\nS: 354 *\nC: .\nS: 250 *")
	if m := rec.Messages()[0]; !m.Params.RequireTLS || m.Peer.TLS == nil || m.Peer.Protocol != "ESMTPS" || m.From != (smtp.Path{Local: "a", Domain: "test.example"}) {
		t.Errorf("%+v", m)
	}
}
