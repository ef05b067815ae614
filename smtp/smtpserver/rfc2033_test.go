package smtpserver_test

import (
	"testing"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// TestRFC2033 is the example of RFC 2033 §4.2.
func TestRFC2033(t *testing.T) {
	rec := &smtptest.Recorder{
		OnRcpt: func(to smtp.Path, _ smtp.RcptParams) error {
			if to.Local == "jones" {
				return smtp.NewError(550, smtp.EnhancedCode{5, 1, 1}, "No such user here")
			}
			return nil
		},
		OnData: func(m *smtptest.Message) (smtp.Results, error) {
			res := smtp.SameResult(len(m.Recipients), smtp.NewReply(250, smtp.EnhancedCode{}, "OK"))
			for i, r := range m.Recipients {
				if r.To.Local == "green" {
					res[i].Reply = smtp.NewReply(452, smtp.EnhancedCode{}, "<green@foo.edu> is temporarily over quota")
				}
			}
			return res, nil
		},
	}
	d := talk(t, &smtpserver.Server{Handler: rec, Hostname: "foo.edu", Mode: smtpserver.LMTP, Without: append(few[1:], "LIMITS", "CHUNKING")})
	d.play(`
		S: 220 foo.edu LMTP*
		C: LHLO foo.edu
		S: 250-foo.edu
		S: 250 PIPELINING
		C: MAIL FROM:<chris@bar.com>
		S: 250 *
		C: RCPT TO:<pat@foo.edu>
		S: 250 *
		C: RCPT TO:<jones@foo.edu>
		S: 550 5.1.1 No such user here
		C: RCPT TO:<green@foo.edu>
		S: 250 *
		C: DATA
		S: 354 *
		C: Blah blah blah...
		C: ...etc. etc. etc.
		C: .
		S: 250 OK
		S: 452 <green@foo.edu> is temporarily over quota
		C: QUIT
		S: 221 *
	`)
	d.wantEOF()
}
