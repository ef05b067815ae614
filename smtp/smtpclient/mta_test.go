package smtpclient_test

import (
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// mtaLetters have the fields that an MTA would add.
func mtaLetters() []string {
	var out []string
	for i, body := range []string{"Hello.\r\n", ".\r\n..\r\n...\r\n.a\r\na.\r\n\r\n.\r\n", "Gr\u00fc\u00dfe\r\n\r\n\r\n",
		strings.Repeat("x", 990) + "\r\n" + strings.Repeat("The quick brown fox jumps over the lazy dog.\r\n", 7000), ""} {
		out = append(out, fmt.Sprintf("From: Ann <ann@smtp.test>\r\nTo: bob@smtp.test\r\nSubject: letter %d\r\nDate: Wed, 25 Nov 2026 10:00:00 +0000\r\n"+
			"Message-Id: <%d@smtp.test>\r\n\r\n%s", i, i, body))
	}
	return out
}

// A mailroom is a server of ours that tells what it took.
type mailroom struct {
	addr, port string
	ca         string // file of its certificate
	taken      chan *smtptest.Message
}

func newMailroom(t *testing.T, mode smtpserver.Mode) *mailroom {
	t.Helper()
	m := &mailroom{ca: filepath.Join(t.TempDir(), "ca.pem"), taken: make(chan *smtptest.Message, 100)}
	if err := os.Chmod(filepath.Dir(m.ca), 0o755); err != nil { // an MTA reads it as nobody
		t.Fatal(err)
	}
	rec := &smtptest.Recorder{Next: func(x *smtptest.Message) { m.taken <- x }, OnRcpt: func(to smtp.Path, _ smtp.RcptParams) error {
		if strings.HasPrefix(to.String(), "<nobody@") {
			return smtp.NewError(550, smtp.EnhancedCode{5, 1, 1}, "No such user")
		}
		return nil
	}}
	config, _ := smtptest.TLS(t)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: config.Certificates[0].Certificate[0]})
	if err := os.WriteFile(m.ca, cert, 0o644); err != nil {
		t.Fatal(err)
	}
	m.addr = smtptest.NewServer(t, &smtpserver.Server{Handler: rec, Mode: mode, TLS: config, Hostname: "localhost"}, false)
	_, m.port, _ = net.SplitHostPort(m.addr)
	return m
}

// next waits for the next message.
func (m *mailroom) next(t *testing.T, log func() string) *smtptest.Message {
	t.Helper()
	select {
	case x := <-m.taken:
		return x
	case <-time.After(30 * time.Second):
		t.Fatalf("nothing came:\n%s", log())
	}
	return nil
}

// TestPostfix hands letters to Postfix, which delivers them to servers of ours, over SMTP with verified TLS and over LMTP;
// who is refused there comes back as a bounce.
func TestPostfix(t *testing.T) {
	smtpRoom, lmtpRoom := newMailroom(t, smtpserver.SMTP), newMailroom(t, smtpserver.LMTP)
	p := suites.Postfix(t, "transport_maps = inline:{smtp.test=smtp:[localhost]:"+smtpRoom.port+", lmtp.test=lmtp:inet:localhost:"+lmtpRoom.port+"}",
		"smtp_tls_policy_maps = inline:{ {[localhost]:"+smtpRoom.port+" = secure match=localhost} }", "smtp_tls_CAfile = "+smtpRoom.ca)
	for _, chunking := range []bool{false, true} {
		client := &smtpclient.Client{Addr: p.SMTP, Config: smtpclient.Config{Chunking: chunking}}
		defer client.Close()
		for i, letter := range mtaLetters() {
			res, err := client.Deliver(t.Context(), envelope(t, "ann@smtp.test", "bob@smtp.test", "carol@lmtp.test", "nobody@lmtp.test"), strings.NewReader(letter))
			if err != nil || len(res) != 3 || res[0].Reply.Code != 250 || res[2].Reply.Code != 250 {
				t.Fatalf("letter %d: %+v, %v\n%s", i, res, err, p.Log())
			}
			got := map[string]*smtptest.Message{"lmtp": lmtpRoom.next(t, p.Log)}
			for range 2 {
				m := smtpRoom.next(t, p.Log)
				if m.From.String() == "<>" {
					got["bounce"] = m
				} else {
					got["smtp"] = m
				}
			}
			if got["smtp"] == nil || got["bounce"] == nil {
				t.Fatalf("letter %d: no message and a bounce\n%s", i, p.Log())
			}
			for room, protocol := range map[string]string{"smtp": "ESMTPS", "lmtp": "LMTP"} {
				m := got[room]
				if body := string(smtptest.Below(m.Body)); body != letter {
					t.Errorf("letter %d over %s: %.300q\nwant %.300q", i, room, body, letter)
				}
				if m.Peer.Protocol != protocol || m.From.String() != "<ann@smtp.test>" || len(m.Recipients) != 1 {
					t.Errorf("letter %d over %s: %+v from %s to %v", i, room, m.Peer, m.From, m.Recipients)
				}
			}
			bounce := got["bounce"]
			if text := string(bounce.Body); !strings.Contains(text, "Status: 5.1.1") || !strings.Contains(text, "nobody@lmtp.test") || bounce.Recipients[0].To.String() != "<ann@smtp.test>" {
				t.Errorf("letter %d: bounce to %v: %s", i, bounce.Recipients, text)
			}
		}
	}
}

// TestExim sends letters to Exim in chunks, which sends them to a server of ours in chunks.
func TestExim(t *testing.T) {
	room := newMailroom(t, smtpserver.SMTP)
	addr, log := suites.Exim(t, room.port)
	for _, chunking := range []bool{true, false} {
		verbs := ""
		client := &smtpclient.Client{Addr: addr, Config: smtpclient.Config{Chunking: chunking, Trace: func(e smtpclient.TraceEvent) {
			if e.Sent {
				verbs += fmt.Sprintf("%.4s ", e.Line)
			}
		}}}
		defer client.Close()
		for i, letter := range mtaLetters() {
			res, err := client.Deliver(t.Context(), envelope(t, "ann@smtp.test", "bob@smtp.test", "carol@smtp.test"), strings.NewReader(letter))
			if err != nil || len(res) != 2 || res[0].Reply.Code != 250 {
				t.Fatalf("letter %d: %+v, %v\n%s", i, res, err, log())
			}
			m := room.next(t, log)
			if body := string(smtptest.Below(m.Body)); body != letter || len(m.Recipients) != 2 {
				t.Errorf("letter %d to %v: %.300q\nwant %.300q", i, m.Recipients, body, letter)
			}
		}
		if strings.Contains(verbs, "BDAT") != chunking || strings.Contains(verbs, "DATA") == chunking {
			t.Errorf("sent %s", verbs)
		}
	}
	if n := strings.Count(log(), " K "); n < 2*len(mtaLetters()) {
		t.Errorf("%d messages in chunks:\n%s", n, log())
	}
}
