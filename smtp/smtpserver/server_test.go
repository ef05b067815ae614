package smtpserver_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// A dialogue is a client of a server over net.Pipe, or over a connection of its own.
type dialogue struct {
	t *testing.T
	c net.Conn
	r *bufio.Reader
}

// talk connects to s over a pipe.
func talk(t *testing.T, s *smtpserver.Server) *dialogue {
	t.Helper()
	ours, theirs := net.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.ServeConn(ctx, theirs)
	}()
	t.Cleanup(func() {
		_ = ours.Close()
		cancel()
		<-done
	})
	return newDialogue(t, ours)
}

func newDialogue(t *testing.T, c net.Conn) *dialogue { return &dialogue{t, c, bufio.NewReader(c)} }

// play runs lines "C: text" and "S: text" in order; a server line may end in "*". "C> " sends a group with the next C
// lines in one write.
func (d *dialogue) play(script string) {
	d.t.Helper()
	group := ""
	for l := range strings.Lines(script) {
		l = strings.TrimSpace(l)
		switch {
		case l == "":
		case l == "C>" || strings.HasPrefix(l, "C> "):
			group += strings.TrimPrefix(l[2:], " ") + "\r\n"
		case l == "C:" || strings.HasPrefix(l, "C: "):
			d.send(group + strings.TrimPrefix(l[2:], " ") + "\r\n")
			group = ""
		case strings.HasPrefix(l, "S: "):
			d.want(l[3:])
		default:
			d.t.Fatalf("bad line of the script: %q", l)
		}
	}
}

func (d *dialogue) send(s string) {
	d.t.Helper()
	_ = d.c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(d.c, s); err != nil {
		d.t.Fatalf("send %.60q: %v", s, err)
	}
}

func (d *dialogue) line() string {
	d.t.Helper()
	_ = d.c.SetDeadline(time.Now().Add(10 * time.Second))
	l, err := d.r.ReadString('\n')
	if err != nil {
		d.t.Fatalf("read: %q %v", l, err)
	}
	if !strings.HasSuffix(l, "\r\n") {
		d.t.Fatalf("reply %q does not end in CRLF", l)
	}
	return l[:len(l)-2]
}

func (d *dialogue) want(pattern string) {
	d.t.Helper()
	l := d.line()
	if start, ok := strings.CutSuffix(pattern, "*"); !ok && l != pattern || ok && !strings.HasPrefix(l, start) {
		d.t.Fatalf("got %q, want %q", l, pattern)
	}
}

func (d *dialogue) wantEOF() {
	d.t.Helper()
	_ = d.c.SetDeadline(time.Now().Add(10 * time.Second))
	if l, err := d.r.ReadString('\n'); err != io.EOF {
		d.t.Fatalf("got %q %v, want the end", l, err)
	}
}

// below returns the message below the Received field that the server put on top.
func below(t *testing.T, body []byte) string {
	t.Helper()
	s := string(body)
	if !strings.HasPrefix(s, "Received: ") {
		t.Fatalf("no Received on top: %.80q", s)
	}
	for {
		i := strings.Index(s, "\r\n") + 2
		s = s[i:]
		if !strings.HasPrefix(s, "\t") && !strings.HasPrefix(s, " ") {
			return s
		}
	}
}

func TestDialogue(t *testing.T) {
	rec := &smtptest.Recorder{}
	d := talk(t, &smtpserver.Server{Handler: rec, Hostname: "mx.example.com"})
	d.play(`
		S: 220 mx.example.com ESMTP
		C: EHLO client.example.org
		S: 250-mx.example.com
		S: 250-PIPELINING
		S: 250-SIZE 104857600
		S: 250-8BITMIME
		S: 250-SMTPUTF8
		S: 250-ENHANCEDSTATUSCODES
		S: 250-CHUNKING
		S: 250-DSN
		S: 250 LIMITS RCPTMAX=1000
		C: MAIL FROM:<a@example.org> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=x
		S: 250 2.1.0 Sender ok
		C: RCPT TO:<b@example.com> NOTIFY=FAILURE
		S: 250 2.1.5 Recipient ok
		C: DATA
		S: 354 Go ahead
		C> Subject: hi
		C>
		C> ..dot
		C> ...
		C: .
		S: 250 2.0.0 Taken
		C> MAIL FROM:<>
		C> RCPT TO:<b@example.com>
		C> RCPT TO:<c@example.com>
		C: BDAT 11
		S: 250 2.1.0 Sender ok
		S: 250 2.1.5 Recipient ok
		S: 250 2.1.5 Recipient ok
		C> a: b
		C>
		C> x
		C> BDAT 3 LAST
		C: .
		S: 250 2.0.0 11 octets received
		S: 250 2.0.0 Taken
		C: QUIT
		S: 221 2.0.0 mx.example.com Bye
	`)
	d.wantEOF()
	m := rec.Messages()
	if len(m) != 2 {
		t.Fatalf("%d messages", len(m))
	}
	if got := below(t, m[0].Body); got != "Subject: hi\r\n\r\n.dot\r\n..\r\n" {
		t.Errorf("first message %q", got)
	}
	if got := below(t, m[1].Body); got != "a: b\r\n\r\nx\r\n.\r\n" {
		t.Errorf("second message %q", got)
	}
	if !strings.Contains(string(m[0].Body), "for <b@example.com>") || strings.Contains(string(m[1].Body), "for <") {
		t.Errorf("Received names a recipient among several, or none: %q %q", m[0].Body, m[1].Body)
	}
}
