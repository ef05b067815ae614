package smtpserver_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// A counted counts what is written.
type counted struct {
	net.Conn
	writes atomic.Int32
}

func (c *counted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// TestRFC2920 has the examples of RFC 2920 §4, and counts the writes of the server: the replies to a group leave together.
func TestRFC2920(t *testing.T) {
	rec := &smtptest.Recorder{OnRcpt: func(to smtp.Path, _ smtp.RcptParams) error {
		if to.Domain != "innosoft.com" {
			return smtp.NewError(550, smtp.EnhancedCode{5, 7, 1}, "remote mail to "+to.String()+" not allowed")
		}
		return nil
	}}
	for _, tt := range []struct {
		name, script string
		writes       int32
		messages     int
	}{
		{"without", `
			S: 220 *
			C: HELO dbc.mtview.ca.us
			S: 250 innosoft.com
			C: MAIL FROM:<mrose@dbc.mtview.ca.us>
			S: 250 *
			C: RCPT TO:<ned@innosoft.com>
			S: 250 *
			C: RCPT TO:<dan@innosoft.com>
			S: 250 *
			C: RCPT TO:<kvc@innosoft.com>
			S: 250 *
			C: DATA
			S: 354 *
			C: .
			S: 250 *
			C: QUIT
			S: 221 *`, 9, 1},
		{"with", `
			S: 220 *
			C: EHLO dbc.mtview.ca.us
			S: 250-innosoft.com
			S: 250 PIPELINING
			C> MAIL FROM:<mrose@dbc.mtview.ca.us>
			C> RCPT TO:<ned@innosoft.com>
			C> RCPT TO:<dan@innosoft.com>
			C> RCPT TO:<kvc@innosoft.com>
			C: DATA
			S: 250 *
			S: 250 *
			S: 250 *
			S: 250 *
			S: 354 *
			C> .
			C: QUIT
			S: 250 *
			S: 221 *`, 4, 1},
		{"all recipients rejected", `
			S: 220 *
			C: EHLO dbc.mtview.ca.us
			S: 250-innosoft.com
			S: 250 PIPELINING
			C> MAIL FROM:<mrose@dbc.mtview.ca.us>
			C> RCPT TO:<nsb@thumper.bellcore.com>
			C> RCPT TO:<galvin@tis.com>
			C: DATA
			S: 250 *
			S: 550 5.7.1 remote mail to <nsb@thumper.bellcore.com> not allowed
			S: 550 5.7.1 remote mail to <galvin@tis.com> not allowed
			S: 554 *
			C: QUIT
			S: 221 *`, 4, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec.Reset()
			s := &smtpserver.Server{Handler: rec, Hostname: "innosoft.com", Without: append(few[1:], "LIMITS", "CHUNKING")}
			ours, theirs := net.Pipe()
			c := &counted{Conn: theirs}
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = s.ServeConn(context.Background(), c)
			}()
			d := newDialogue(t, ours)
			d.play(tt.script)
			d.wantEOF()
			<-done
			if n := c.writes.Load(); n != tt.writes || len(rec.Messages()) != tt.messages {
				t.Errorf("%d writes, want %d; %d messages", n, tt.writes, len(rec.Messages()))
			}
		})
	}
}
