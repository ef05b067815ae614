package smtpserver_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// TestTimely: DELIVERBY, FUTURERELEASE and MT-PRIORITY as offered, and what is refused of them.
func TestTimely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the clock begins at 2000-01-01T00:00:00Z
		rec := &smtptest.Recorder{}
		s := &smtpserver.Server{Handler: rec, Hostname: "mx.example.com", Mode: smtpserver.Submission, AllowPlaintextAuth: true,
			Authenticator: sasl.New(sasl.Plain(func(context.Context, string, string) (string, error) { return "alice", nil })),
			Extensions: []smtpserver.Extension{smtpserver.DeliverBy(time.Minute), smtpserver.FutureRelease(time.Hour),
				smtpserver.MTPriority("MIXER", func(peer *smtp.Peer) bool { return peer.Hello == "trusted.example" })}}
		d := talk(t, s)
		d.play("S: 220 *\nC: EHLO client.example\n")
		var offered []string
		for l := ""; !strings.HasPrefix(l, "250 "); {
			l = d.line()
			offered = append(offered, l[4:])
		}
		for _, want := range []string{"DELIVERBY 60", "FUTURERELEASE 3600 2000-01-01T01:00:00Z", "MT-PRIORITY MIXER"} {
			if !slices.Contains(offered, want) {
				t.Errorf("%q is not in %q", want, offered)
			}
		}
		d.play("C: AUTH PLAIN AGFsaWNlAHNlY3JldA==\nS: 235 *")
		for _, tt := range []struct{ params, want string }{
			{"BY=59;R", "555 5.5.4 *"},
			{"BY=60;R", "250 2.1.0 *"},
			{"BY=1;N", "250 2.1.0 *"},
			{"BY=0;R", "501 5.5.4 *"},
			{"HOLDFOR=3601", "501 5.5.4 *"},
			{"HOLDFOR=3600", "250 2.1.0 *"},
			{"HOLDUNTIL=2000-01-01T01:00:01Z", "501 5.5.4 *"},
			{"HOLDUNTIL=2000-01-01T01:00:00Z", "250 2.1.0 *"},
			{"HOLDFOR=60 HOLDUNTIL=2000-01-01T01:00:00Z", "501 5.5.4 *"},
			{"HOLDFOR=121 BY=120;N", "501 5.5.4 *"},
			{"HOLDFOR=120 BY=120;N", "250 2.1.0 *"},
			{"MT-PRIORITY=-4", "250 2.1.0 *"},
			{"MT-PRIORITY=4", "250 2.3.6 0 *"},
			{"MT-PRIORITY=10", "501 5.5.4 *"},
		} {
			d.play("C: MAIL FROM:<a@example.org> " + tt.params + "\nS: " + tt.want + "\nC: RSET\nS: 250 *")
		}
		d.play("C: EHLO trusted.example\n" + strings.Repeat("S: 250-*\n", len(offered)-1) + "S: 250 *\nC: MAIL FROM:<a@example.org> MT-PRIORITY=4 BY=100;NT\nS: 250 2.1.0 *\n" +
			"C: RCPT TO:<b@example.com>\nS: 250 *\nC: DATA\nS: 354 *\nC: Date: x\nC: Message-ID: <x@y>\nC:\nC: .\nS: 250 *\nC: QUIT\nS: 221 *")
		m := rec.Messages()
		if len(m) != 1 || m[0].Params.Priority != 4 || m[0].Params.DeliverBy != (smtp.DeliverBy{After: 100 * time.Second, Mode: smtp.DeliverNotify, Trace: true}) ||
			!strings.Contains(string(m[0].Body), "PRIORITY 4;") {
			t.Errorf("%+v", m)
		}
	})
}

// TestFutureReleaseElsewhere: RFC 4865 §4.2, not outside of submission.
func TestFutureReleaseElsewhere(t *testing.T) {
	s := &smtpserver.Server{Handler: &smtptest.Recorder{}, Extensions: []smtpserver.Extension{smtpserver.FutureRelease(time.Hour)}}
	c, other := net.Pipe()
	defer other.Close()
	if err := s.ServeConn(t.Context(), c); err == nil || !strings.Contains(err.Error(), "FUTURERELEASE") {
		t.Errorf("%v", err)
	}
}
