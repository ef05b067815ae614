package smtpserver_test

import (
	"context"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"

	gosasl "github.com/emersion/go-sasl"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// few leaves the EHLO reply with PIPELINING, CHUNKING and what the test is about.
var few = []string{"LIMITS", "DSN", "SIZE", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"}

// TestSubmission wants AUTH before MAIL, and the fields that a message lacks (RFC 6409 §4.3, §8).
func TestSubmission(t *testing.T) {
	rec := &smtptest.Recorder{}
	s := &smtpserver.Server{Handler: rec, Hostname: "mail.test.example", Mode: smtpserver.Submission, Authenticator: smtptest.CorpusUsers(),
		AllowPlaintextAuth: true, Without: few}
	d := talk(t, s)
	d.play(`
		S: 220 *
		C: EHLO c
		S: 250-*
		S: 250-PIPELINING
		S: 250-CHUNKING
		S: 250 AUTH PLAIN LOGIN
		C: MAIL FROM:<a@test.example> AUTH=<>
		S: 530 5.7.0 Authentication required
		C: VRFY root
		S: 530 5.7.0 *
		C: AUTH PLAIN AHVzZXIAc2VjcmV0
		S: 235 2.7.0 *
	`)
	send := func(message string) string {
		t.Helper()
		rec.Reset()
		d.play("C> MAIL FROM:<a@test.example> AUTH=x@test.example\nC> RCPT TO:<b@test.example>\nC: DATA\nS: 250 *\nS: 250 *\nS: 354 *")
		d.send(message + ".\r\n")
		d.want("250 2.0.0 *")
		m := rec.Messages()[0]
		if m.Peer.Identity != "user" || m.Peer.Protocol != "ESMTPA" || m.Params.Auth != "x@test.example" {
			t.Errorf("peer %+v, params %+v", m.Peer, m.Params)
		}
		return below(t, m.Body)
	}
	const date, id = `Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}\r\n`, `Message-ID: <\w{20,}@mail\.test\.example>\r\n`
	big := "X: " + strings.Repeat("y", 900) + "\r\n"
	for _, tt := range []struct{ message, top string }{
		{"Date: x\r\nMessage-ID: <y@z>\r\n\r\nbody\r\n", ""},
		{"DATE : x\r\nmessage-id:\r\n <y@z>\r\n\r\nbody\r\n", ""},
		{"Message-ID: <y@z>\r\n\r\nDate: in the body\r\n", date},
		{"Date: x\r\nX: Message-ID: no\r\n Message-ID: folded\r\n\r\n", id},
		{"Subject: x\r\n\r\nbody\r\n", date + id},
		{"\r\nbody without header\r\n", date + id},
		{"", date + id},
		{"not a field and no end\r\n", date + id},
		{strings.Repeat(big, 100) + "Date: late\r\n\r\n" + big, id},
	} {
		got := send(tt.message)
		m := regexp.MustCompile("^" + tt.top).FindString(got)
		if m == "" && tt.top != "" || got[len(m):] != tt.message {
			t.Errorf("%.80q became %.200q", tt.message, got)
		}
	}
}

// TestSubmissionRefused has what goes wrong while the server reads ahead in the header.
func TestSubmissionRefused(t *testing.T) {
	s := &smtpserver.Server{Handler: &smtptest.Recorder{}, Mode: smtpserver.Submission, Authenticator: smtptest.CorpusUsers(),
		AllowPlaintextAuth: true, Without: few, Limits: smtpserver.Limits{HeaderSize: 1000, MessageSize: 2000}}
	d := talk(t, s)
	d.play("S: 220 *\nC: EHLO c\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250 *\nC: AUTH PLAIN AHVzZXIAc2VjcmV0\nS: 235 *")
	for _, tt := range []struct{ message, want string }{
		{"A: b\rc\r\n\r\n", "550 5.6.11 *"},
		{strings.Repeat("A: b\r\n", 200) + "\r\n", "552 5.3.4 Header*"},
		{"\r\n" + strings.Repeat("body\r\n", 400), "552 5.3.4 Message*"},
		{"\r\nfine\r\n", "250 *"},
	} {
		d.play("C> MAIL FROM:<a@test.example>\nC> RCPT TO:<b@test.example>\nC: DATA\nS: 250 *\nS: 250 *\nS: 354 *")
		d.send(tt.message + ".\r\n")
		d.want(tt.want)
	}
}

// TestMisconfigured wants an error, not a server that lets everybody in.
func TestMisconfigured(t *testing.T) {
	ext := smtpserver.Extension{Keyword: "X-A"}
	for _, s := range []*smtpserver.Server{
		{},
		{Handler: &smtptest.Recorder{}, Mode: smtpserver.Submission},
		{Handler: &smtptest.Recorder{}, Mode: 9},
		{Handler: &smtptest.Recorder{}, Hostname: "a b"},
		{Handler: &smtptest.Recorder{}, Extensions: []smtpserver.Extension{{Keyword: "x"}}},
		{Handler: &smtptest.Recorder{}, Extensions: []smtpserver.Extension{ext, ext}},
		{Handler: &smtptest.Recorder{}, Extensions: []smtpserver.Extension{{Keyword: "SIZE"}}},
		{Handler: &smtptest.Recorder{}, Without: []string{"SIZES"}},
	} {
		ours, theirs := net.Pipe()
		if err := s.ServeConn(t.Context(), theirs); err == nil {
			t.Errorf("%+v serves", s)
		}
		if _, err := ours.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("connection not closed: %v", err)
		}
	}
}

// TestLimits has the limits that the Corpus does not reach.
func TestLimits(t *testing.T) {
	begin := func(l smtpserver.Limits) *dialogue {
		rec := smtptest.CorpusHandler()
		d := talk(t, &smtpserver.Server{Handler: rec, Limits: l, Without: few})
		d.play("S: 220 *\nC: EHLO c\nS: 250-*\nS: 250-*\nS: 250 *")
		return d
	}
	d := begin(smtpserver.Limits{MessageSize: 10, Recipients: 1, Hops: 1})
	const to = "C: MAIL FROM:<a@test.example>\nS: 250 *\nC: RCPT TO:<b@test.example>\nS: 250 *\n"
	d.play(to + "C: RCPT TO:<c@test.example>\nS: 452 4.5.3 *\nC: DATA\nS: 354 *\nC: \nC: 123456\nC: .\nS: 250 *")
	d.play(to + "C: DATA\nS: 354 *\nC: \nC: 1234567\nC: .\nS: 552 5.3.4 *\nC: NOOP\nS: 250 *")
	d.play(to + "C: BDAT 9\nC: 1234567\nS: 250 *\nC: BDAT 3\nC: 1\nS: 552 5.3.4 *\nC: NOOP\nS: 250 *")
	d = begin(smtpserver.Limits{Hops: 1})
	d.play(to + "C: DATA\nS: 354 *\nC: Received: x\nC: .\nS: 250 *")
	d.play(to + "C: DATA\nS: 354 *\nC: Received: x\nC: received : y\nC: .\nS: 554 5.4.6 *")
	d = begin(smtpserver.Limits{MessageSize: 10})
	d.play(to + "C: DATA\nS: 354 *")
	go func() { _, _ = io.WriteString(d.c, strings.Repeat("x\r\n", 1<<20)) }() // far too much: not read to the end
	d.want("552 5.3.4 *")
	d.wantEOF()
	d = begin(smtpserver.Limits{Commands: 3})
	d.play("C: NOOP\nS: 250 *\nC: NOOP\nS: 250 *\nC: NOOP\nS: 421 4.7.0 *")
	d.wantEOF()
	d = begin(smtpserver.Limits{Refused: 2})
	d.play("C: MAIL FROM:<>\nS: 250 *\nC: RCPT TO:<refused@x>\nS: 550 *\nC: RCPT TO:<refused@x>\nS: 550 *\nC: RCPT TO:<refused@x>\nS: 421 4.7.0 *")
	d.wantEOF()
}

// TestConns has the limit of connections and Admit.
func TestConns(t *testing.T) {
	s := &smtpserver.Server{Handler: &smtptest.Recorder{}, Limits: smtpserver.Limits{PerNetwork: 1}}
	addr := smtptest.NewServer(t, s, false)
	dial := func() *dialogue {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return newDialogue(t, c)
	}
	first := dial()
	first.want("220 *")
	second := dial()
	second.want("421 4.7.0 *")
	second.wantEOF()
	first.play("C: QUIT\nS: 221 *")
	first.wantEOF()
	for _, tt := range []struct {
		err  error
		want string
	}{
		{smtp.NewError(554, smtp.EnhancedCode{5, 7, 1}, "Listed"), "554 5.7.1 Listed"},
		{errors.New("secret"), "421 4.3.2 *"},
	} {
		s := &smtpserver.Server{Handler: &smtptest.Recorder{}, Admit: func(context.Context, net.Conn) (func(), error) { return nil, tt.err }}
		talk(t, s).want(tt.want)
	}
}

// A final is a mechanism whose success comes with a last challenge, as that of SCRAM does (RFC 4954 §4).
type final struct{ gosasl.Server }

func (final) Next(response []byte) ([]byte, bool, error) {
	if string(response) != "hello" {
		return nil, false, sasl.ErrCredentials
	}
	return []byte("v=proof"), true, nil
}

func (final) Identity() sasl.Identity { return sasl.Identity{Name: "user"} }

func TestAuthFinal(t *testing.T) {
	a := sasl.New(sasl.Mechanism{Name: "X-FINAL", Start: func(context.Context, sasl.Conn) (sasl.Exchange, error) { return final{}, nil }})
	d := talk(t, &smtpserver.Server{Handler: &smtptest.Recorder{}, Authenticator: a, Without: few})
	d.play(`
		S: 220 *
		C: EHLO c
		S: 250-*
		S: 250-*
		S: 250-*
		S: 250 AUTH X-FINAL
		C: AUTH X-FINAL aGVsbG8=
		S: 334 dj1wcm9vZg==
		C: aGVsbG8=
		S: 501 5.5.2 *
		C: AUTH X-FINAL aGVsbG8=
		S: 334 dj1wcm9vZg==
		C:
		S: 235 2.7.0 *
	`)
}
