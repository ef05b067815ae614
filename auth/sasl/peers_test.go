package sasl_test

import (
	"bufio"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap/imapserver"
	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// TestGsaslClient has GNU SASL log in over SMTP and IMAP with STARTTLS, with channel binding and without, and with a wrong
// password.
func TestGsaslClient(t *testing.T) {
	gsasl := suites.Program(t, "gsasl", "gsasl")
	server, _ := smtptest.TLS(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificates[0].Certificate[0]}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, protocol := range []string{"--smtp", "--imap"} {
		for _, mechanism := range []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"} {
			for _, password := range []string{"secret", "wrong"} {
				t.Run(protocol[2:]+" "+mechanism+" "+password, func(t *testing.T) {
					book := &idBook{Authenticator: scram(t)}
					var addr string
					if protocol == "--smtp" {
						s := &smtpserver.Server{Handler: &smtptest.Recorder{}, Mode: smtpserver.Submission, TLS: server, Authenticator: book}
						addr = serve(t, s.Serve)
					} else {
						s := &imapserver.Server{Backend: memory(), TLS: server, Authenticator: book}
						addr = serve(t, s.Serve)
					}
					_, port, _ := net.SplitHostPort(addr)
					args := []string{protocol, "--x509-ca-file", ca, "-m", mechanism, "-a", "user", "-z", "user", "-p", password, "--connect", "localhost:" + port}
					if !strings.HasSuffix(mechanism, "-PLUS") {
						args = append(args, "--no-cb")
					}
					cmd := exec.CommandContext(t.Context(), gsasl, args...)
					cmd.Stdin = strings.NewReader("")
					out, err := cmd.CombinedOutput()
					if strings.Contains(string(out), "is not offered") {
						t.Errorf("%s", out)
					}
					want := ""
					if password == "secret" {
						want = "user by " + mechanism
					}
					if got := book.String(); got != want || want != "" && err != nil {
						t.Errorf("logged in: %q, want %q; %v\n%s", got, want, err, out)
					}
				})
			}
		}
	}
}

// TestGsaslServer logs in to GNU SASL's server, which reads and writes base64 by lines.
func TestGsaslServer(t *testing.T) {
	gsasl := suites.Program(t, "gsasl", "gsasl")
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-1"} {
		for _, password := range []string{"p\u00e4ss, w=rd", "wrong"} {
			t.Run(mechanism+" "+password, func(t *testing.T) {
				cmd := exec.CommandContext(t.Context(), gsasl, "--server", "--quiet", "-m", mechanism, "-p", "p\u00e4ss, w=rd")
				cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
				in, err1 := cmd.StdinPipe()
				out, err2 := cmd.StdoutPipe()
				if err := errors.Join(err1, err2, cmd.Start()); err != nil {
					t.Fatal(err)
				}
				c, err := sasl.ScramClient(mechanism, sasl.Credentials{Username: "us,er=", Password: password}, nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				err = converse(in, bufio.NewReader(out), c, mechanism)
				_ = in.Close()
				_, _ = io.Copy(io.Discard, out)
				_ = cmd.Wait()
				if (err == nil) != (password != "wrong") {
					t.Error(err)
				}
			})
		}
	}
}

// converse runs c against lines of base64 until it takes the server's word.
func converse(w io.Writer, r *bufio.Reader, c interface {
	Start() (string, []byte, error)
	Next([]byte) ([]byte, error)
}, mechanism string) error {
	_, response, err := c.Start()
	for err == nil {
		if _, err = io.WriteString(w, base64.StdEncoding.EncodeToString(response)+"\n"); err != nil {
			break
		}
		var challenge []byte
		for challenge == nil && err == nil {
			var l string
			if l, err = r.ReadString('\n'); err == nil && len(l) > 1 && l != mechanism+"\n" {
				challenge, err = base64.StdEncoding.DecodeString(strings.TrimSpace(l))
			}
		}
		if err == nil {
			response, err = c.Next(challenge)
		}
		if err == nil && sasl.Proven(c) == nil {
			return nil
		}
	}
	return err
}
