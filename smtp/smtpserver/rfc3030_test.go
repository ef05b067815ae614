package smtpserver_test

import (
	"io"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// TestRFC3030Simple is the example of RFC 3030 §4.1.
func TestRFC3030Simple(t *testing.T) {
	rec := &smtptest.Recorder{}
	d := talk(t, &smtpserver.Server{Handler: rec, Hostname: "cnri.reston.va.us", Without: append(few[:len(few):len(few)], "PIPELINING")})
	const message = "To: Susan@random.com\r\nFrom: Sam@random.com\r\nSubject: This is a bodyless test message\r\n"
	d.play("S: 220 *\nC: EHLO ymir.claremont.edu\nS: 250-cnri.reston.va.us\nS: 250 CHUNKING")
	d.play("C: MAIL FROM:<Sam@Random.com>\nS: 250 *\nC: RCPT TO:<Susan@Random.com>\nS: 250 *")
	d.send("BDAT 86 LAST\r\n" + message)
	d.play("S: 250 *\nC: QUIT\nS: 221 *")
	if m := rec.Messages(); len(m) != 1 || below(t, m[0].Body) != message {
		t.Errorf("%v", m)
	}
}

// TestRFC3030Binary is the example of RFC 3030 §4.2.
func TestRFC3030Binary(t *testing.T) {
	rec := &smtptest.Recorder{}
	s := &smtpserver.Server{Handler: rec, Hostname: "cnri.reston.va.us", Without: append(few[:len(few):len(few)], "8BITMIME"),
		Extensions: []smtpserver.Extension{smtpserver.BinaryMIME(), {Keyword: "8BIT", MailParams: []string{"BODY"}}}}
	d := talk(t, s)
	head := "MIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n\r\n"
	message := head + strings.Repeat("\x00\n\r.\xff\r\n.\r\n", 11000)[:100324-len(head)]
	d.play(`
		S: 220 *
		C: EHLO ymir.claremont.edu
		S: 250-cnri.reston.va.us
		S: 250-PIPELINING
		S: 250-CHUNKING
		S: 250-BINARYMIME
		S: 250 8BIT
		C> MAIL FROM:<ned@ymir.claremont.edu> BODY=BINARYMIME
		C> RCPT TO:<gvaudre@cnri.reston.va.us>
		C: RCPT TO:<jstewart@cnri.reston.va.us>
		S: 250 *
		S: 250 *
		S: 250 *
		C: DATA
		S: 503 *
	`)
	go func() {
		_, _ = io.WriteString(d.c, "BDAT 100000\r\n"+message[:100000]+"BDAT 324\r\n"+message[100000:]+"BDAT 0 LAST\r\n")
	}()
	d.play("S: 250 2.0.0 100000 octets received\nS: 250 2.0.0 324 octets received\nS: 250 *\nC: QUIT\nS: 221 *")
	m := rec.Messages()
	if len(m) != 1 || below(t, m[0].Body) != message || m[0].Params.Body != smtp.BodyBinaryMIME {
		t.Errorf("%d messages", len(m))
	}
}

// TestBinaryNotOffered refuses what only a Handler that can keep any octets may get.
func TestBinaryNotOffered(t *testing.T) {
	d := talk(t, &smtpserver.Server{Handler: &smtptest.Recorder{}, Without: few[:2]})
	d.play("S: 220 *\nC: EHLO c\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250-8BITMIME\nS: 250-*\nS: 250-*\nS: 250 CHUNKING")
	d.play("C: MAIL FROM:<a@test.example> BODY=BINARYMIME\nS: 555 5.5.4 *\nC: MAIL FROM:<a@test.example> RET=FULL\nS: 555 5.5.4 Parameter RET *")
}
