package smtpserver_test

import (
	"crypto/tls"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// peerMessages are sent by every peer. Lines end in LF here; what a peer adds on its own is given already.
var peerMessages = []string{
	"From: a@test.example\nTo: b@test.example\nSubject: plain\nDate: Wed, 25 Nov 2026 10:00:00 +0000\nMessage-Id: <1@test.example>\n\nHello.\n",
	"From: a@test.example\nTo: b@test.example\nSubject: dots\nDate: Wed, 25 Nov 2026 10:00:00 +0000\nMessage-Id: <2@test.example>\n\n.\n..\n...\n.a\na.\n\n.\n",
	"From: a@test.example\nTo: b@test.example\nSubject: 8 bit\nDate: Wed, 25 Nov 2026 10:00:00 +0000\nMessage-Id: <3@test.example>\n\nGr\u00fc\u00dfe\n\n\n",
	"From: a@test.example\nTo: b@test.example\nSubject: long\nDate: Wed, 25 Nov 2026 10:00:00 +0000\nMessage-Id: <4@test.example>\n\n" +
		strings.Repeat("x", 990) + "\n" + strings.Repeat("The quick brown fox jumps over the lazy dog.\n", 7000),
}

// A station is one server that peers send to.
type station struct {
	rec        *smtptest.Recorder
	host, port string
	ca         string // file of its certificate
}

func newStation(t *testing.T, s *smtpserver.Server, implicit bool) *station {
	t.Helper()
	st := &station{rec: &smtptest.Recorder{}, ca: filepath.Join(t.TempDir(), "ca.pem")}
	var config *tls.Config
	config, _ = smtptest.TLS(t)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: config.Certificates[0].Certificate[0]})
	if err := os.WriteFile(st.ca, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Handler, s.TLS, s.Authenticator, s.Hostname = st.rec, config, smtptest.CorpusUsers(), "localhost"
	st.host, st.port, _ = net.SplitHostPort(smtptest.NewServer(t, s, implicit))
	return st
}

// run runs a peer.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// want checks that exactly these messages arrived, as they were sent.
func (st *station) want(t *testing.T, protocol, identity string, recipients int, messages ...string) {
	t.Helper()
	got := st.rec.Messages()
	st.rec.Reset()
	if len(got) != len(messages) {
		t.Fatalf("%d messages, want %d", len(got), len(messages))
	}
	for i, m := range got {
		want := crlf(messages[i])
		if body := smtptest.Below(m.Body); string(body) != want {
			t.Errorf("message %d: %.200q, want %.200q", i, body, want)
		}
		if m.Peer.Protocol != protocol || m.Peer.Identity != identity || len(m.Recipients) != recipients || m.From.String() != "<a@test.example>" {
			t.Errorf("message %d: peer %+v from %s to %v", i, m.Peer, m.From, m.Recipients)
		}
	}
}

func crlf(m string) string { return strings.ReplaceAll(m, "\n", "\r\n") }

// dotted is a message as it is on the wire.
func dotted(m string) string {
	return strings.TrimPrefix(strings.ReplaceAll("\r\n"+crlf(m), "\r\n.", "\r\n.."), "\r\n") + ".\r\n"
}

// files writes the messages, encoded as the peer wants them.
func files(t *testing.T, encode func(string) string) []string {
	t.Helper()
	dir := t.TempDir()
	var out []string
	for i, m := range peerMessages {
		name := filepath.Join(dir, string(rune('0'+i))+".eml")
		if err := os.WriteFile(name, []byte(encode(m)), 0o600); err != nil {
			t.Fatal(err)
		}
		out = append(out, name)
	}
	return out
}

func TestSwaks(t *testing.T) {
	swaks := suites.Program(t, "swaks", "swaks")
	for _, tt := range []struct {
		name, protocol, identity string
		server                   *smtpserver.Server
		implicit                 bool
		args                     []string
	}{
		{"plain", "ESMTP", "", &smtpserver.Server{}, false, nil},
		{"pipelined", "ESMTP", "", &smtpserver.Server{}, false, []string{"--pipeline"}},
		{"HELO", "SMTP", "", &smtpserver.Server{}, false, []string{"--protocol", "SMTP"}},
		{"LMTP", "LMTP", "", &smtpserver.Server{Mode: smtpserver.LMTP}, false, []string{"--protocol", "LMTP"}},
		{"STARTTLS", "ESMTPS", "", &smtpserver.Server{}, false, []string{"--tls", "--tls-verify"}},
		{"implicit TLS and AUTH", "ESMTPSA", "user", &smtpserver.Server{Mode: smtpserver.Submission}, true,
			[]string{"--tlsc", "--tls-verify", "--auth", "PLAIN", "--auth-user", "user", "--auth-password", "secret"}},
		{"STARTTLS and AUTH LOGIN", "ESMTPSA", "user", &smtpserver.Server{Mode: smtpserver.Submission}, false,
			[]string{"--tls", "--tls-verify", "--auth", "LOGIN", "--auth-user", "user", "--auth-password", "secret"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := newStation(t, tt.server, tt.implicit)
			for _, f := range files(t, dotted) {
				run(t, swaks, append([]string{"--server", st.host, "--port", st.port, "--helo", "client.test", "--from", "a@test.example",
					"--to", "b@test.example,c@test.example", "--tls-ca-path", st.ca, "--no-data-fixup", "--data", "@" + f}, tt.args...)...)
			}
			st.want(t, tt.protocol, tt.identity, 2, peerMessages...)
		})
	}
}

func TestCurl(t *testing.T) {
	curl := suites.Program(t, "curl", "curl")
	for _, tt := range []struct {
		name, scheme, protocol, identity string
		mode                             smtpserver.Mode
		args                             []string
	}{
		{"plain", "smtp", "ESMTP", "", smtpserver.SMTP, nil},
		{"STARTTLS and AUTH", "smtp", "ESMTPSA", "user", smtpserver.Submission, []string{"--ssl-reqd", "--user", "user:secret"}},
		{"implicit TLS and AUTH", "smtps", "ESMTPSA", "user", smtpserver.Submission, []string{"--user", "user:secret"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := newStation(t, &smtpserver.Server{Mode: tt.mode}, tt.scheme == "smtps")
			for _, f := range files(t, crlf) {
				run(t, curl, append([]string{"--silent", "--show-error", "--max-time", "30", "--url", tt.scheme + "://localhost:" + st.port + "/client.test",
					"--cacert", st.ca, "--mail-from", "a@test.example", "--mail-rcpt", "b@test.example", "-T", f}, tt.args...)...)
			}
			st.want(t, tt.protocol, tt.identity, 1, peerMessages...)
		})
	}
}

func TestMsmtp(t *testing.T) {
	msmtp := suites.Program(t, "msmtp", "msmtp")
	for _, tt := range []struct {
		name, protocol, identity string
		mode                     smtpserver.Mode
		implicit                 bool
		args                     []string
	}{
		{"plain", "ESMTP", "", smtpserver.SMTP, false, []string{"--tls=off"}},
		{"LMTP", "LMTP", "", smtpserver.LMTP, false, []string{"--protocol=lmtp", "--tls=off"}},
		{"STARTTLS", "ESMTPS", "", smtpserver.SMTP, false, []string{"--tls=on"}},
		{"STARTTLS and AUTH", "ESMTPSA", "user", smtpserver.Submission, false, []string{"--tls=on", "--auth=plain", "--user=user", "--passwordeval=echo secret"}},
		{"implicit TLS and AUTH", "ESMTPSA", "user", smtpserver.Submission, true, []string{"--tls=on", "--tls-starttls=off", "--auth=login", "--user=user", "--passwordeval=echo secret"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := newStation(t, &smtpserver.Server{Mode: tt.mode}, tt.implicit)
			args := append([]string{"-C", "/dev/null", "--host=localhost", "--port=" + st.port, "--domain=client.test", "--tls-trust-file=" + st.ca,
				"--from=a@test.example"}, tt.args...)
			for _, f := range files(t, func(m string) string { return m }) {
				in, err := os.Open(f)
				if err != nil {
					t.Fatal(err)
				}
				defer in.Close()
				cmd := exec.CommandContext(t.Context(), msmtp, append(args, "b@test.example", "c@test.example")...)
				cmd.Stdin = in
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
				}
			}
			st.want(t, tt.protocol, tt.identity, 2, peerMessages...)
		})
	}
}

const smtplibScript = `
import smtplib, ssl, sys
kind, port, ca, files = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:]
context = ssl.create_default_context(cafile=ca)
if kind == 'lmtp': s = smtplib.LMTP('localhost', port)
elif kind == 'smtps': s = smtplib.SMTP_SSL('localhost', port, context=context)
else: s = smtplib.SMTP('localhost', port)
if kind == 'starttls': s.starttls(context=context)
if kind in ('starttls', 'smtps'): s.login('user', 'secret')
# Its LMTP reads one reply, whatever the number of recipients.
to = ['b@test.example', 'c@test.example'][:1 if kind == 'lmtp' else 2]
for f in files:
    s.sendmail('a@test.example', to, open(f, 'rb').read(), mail_options=['BODY=8BITMIME'])
code, text = s.docmd('VRFY', 'root')
assert code == 252, (code, text)
s.quit()
`

func TestSmtplib(t *testing.T) {
	python := suites.Program(t, "/usr/bin/python3", "python3")
	for _, tt := range []struct {
		kind, protocol, identity string
		mode                     smtpserver.Mode
	}{
		{"smtp", "ESMTP", "", smtpserver.SMTP},
		{"starttls", "ESMTPSA", "user", smtpserver.Submission},
		{"smtps", "ESMTPSA", "user", smtpserver.Submission},
		{"lmtp", "LMTP", "", smtpserver.LMTP},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			st := newStation(t, &smtpserver.Server{Mode: tt.mode}, tt.kind == "smtps")
			run(t, python, append([]string{"-c", smtplibScript, tt.kind, st.port, st.ca}, files(t, crlf)...)...)
			recipients := 2
			if tt.kind == "lmtp" {
				recipients = 1
			}
			st.want(t, tt.protocol, tt.identity, recipients, peerMessages...)
		})
	}
}

func TestSmtpSource(t *testing.T) {
	source := suites.Program(t, "smtp-source", "postfix")
	header := regexp.MustCompile(`^From: <a@test\.example>\r\nTo: <b@test\.example>\r\nDate: [^\r\n]*\r\nMessage-Id: <[^\r\n]*>\r\n\r\n`)
	text := regexp.MustCompile(`^([0-9X]X{77}\r\n)+X*\r\n$`)
	for _, tt := range []struct {
		name string
		mode smtpserver.Mode
		args []string
	}{
		{"a connection each", smtpserver.SMTP, nil},
		{"kept", smtpserver.SMTP, []string{"-d"}},
		{"LMTP", smtpserver.LMTP, []string{"-L"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := newStation(t, &smtpserver.Server{Mode: tt.mode}, false)
			run(t, source, append(tt.args, "-s", "8", "-m", "100", "-l", "20000", "-f", "a@test.example", "-t", "b@test.example", st.host+":"+st.port)...)
			got := st.rec.Messages()
			if len(got) != 100 {
				t.Fatalf("%d messages", len(got))
			}
			for _, m := range got {
				message := smtptest.Below(m.Body)
				if body := message[len(header.Find(message)):]; len(body) != 20002 || !text.Match(body) {
					t.Fatalf("body of %d: %q", len(body), body)
				}
			}
		})
	}
}
