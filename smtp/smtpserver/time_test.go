package smtpserver_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// drip sends the text, then one octet every ten seconds, and returns how long the server took to say good-bye, and how.
func drip(t *testing.T, s *smtpserver.Server, text string, octet byte) (time.Duration, string) {
	t.Helper()
	ours, theirs := net.Pipe()
	go func() { _ = s.ServeConn(t.Context(), theirs) }()
	last := make(chan string)
	go func() {
		r, l := bufio.NewReader(ours), ""
		for {
			next, err := r.ReadString('\n')
			if err != nil {
				last <- l
				return
			}
			l = next
		}
	}()
	if _, err := io.WriteString(ours, text); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for {
		if _, err := ours.Write([]byte{octet}); err != nil {
			l := <-last
			return time.Since(start), l
		}
		time.Sleep(10 * time.Second)
	}
}

const toData = "EHLO c\r\nMAIL FROM:<a@test.example>\r\nRCPT TO:<b@test.example>\r\n"

// TestSlow has peers that send an octet now and then: each phase ends in its time all the same.
func TestSlow(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		limit      time.Duration
	}{
		{"greeting", "", 5 * time.Minute},
		{"command", "EHLO c\r\n", 5 * time.Minute},
		{"DATA", toData + "DATA\r\n", 5 * time.Minute},
		{"chunk", toData + "BDAT 1000000\r\n", 5 * time.Minute},
		{"refused chunk", "EHLO c\r\nBDAT 1000000\r\n", 5 * time.Minute},
		{"refused message", toData + "DATA\r\n\x00", 5 * time.Minute},
		{"TLS handshake", "EHLO c\r\nSTARTTLS\r\n", 30 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config, _ := smtptest.TLS(t)
			synctest.Test(t, func(t *testing.T) {
				rec := &smtptest.Recorder{}
				octet := byte('x')
				if tt.name == "TLS handshake" {
					octet = 0x16 // the first of a handshake
				}
				took, last := drip(t, &smtpserver.Server{Handler: rec, TLS: config}, tt.text, octet)
				if took < tt.limit-10*time.Second || took > tt.limit+11*time.Second {
					t.Errorf("ended after %s, want %s", took, tt.limit)
				}
				if tt.name != "TLS handshake" && !strings.HasPrefix(last, "421 4.4.2 ") {
					t.Errorf("last reply %q", last)
				}
				synctest.Wait()
				if rec.Open() != 0 || len(rec.Messages()) != 0 {
					t.Errorf("%d transactions open, %d messages", rec.Open(), len(rec.Messages()))
				}
			})
		})
	}
}

// TestMinRate lets a slow but steady peer send for longer than Data.
func TestMinRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &smtptest.Recorder{}
		s := &smtpserver.Server{Handler: rec, Timeouts: smtpserver.Timeouts{Data: time.Minute, MinRate: 100}}
		d := talk(t, s)
		d.want("220 *")
		d.send(toData)
		for range 11 {
			d.line()
		}
		d.send("DATA\r\n")
		d.want("354 *")
		line := strings.Repeat("x", 1100) + "\r\n"
		for range 60 { // ten minutes, 110 octets a second
			time.Sleep(10 * time.Second)
			d.send(line)
		}
		d.send(".\r\n")
		d.want("250 *")
	})
}

// TestDeaf has a peer that reads nothing: the server gives up and is rid of it.
func TestDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		start := time.Now()
		_ = (&smtpserver.Server{Handler: &smtptest.Recorder{}}).ServeConn(t.Context(), theirs)
		if took := time.Since(start); took != time.Minute {
			t.Errorf("gave up after %s", took)
		}
	})
}

// TestShutdown ends the context while sessions are in different states.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reading, sleeping := make(chan struct{}), make(chan struct{})
		h := dataFunc(func(ctx context.Context, n int, body io.Reader) (smtp.Results, error) {
			close(reading)
			if _, err := io.Copy(io.Discard, body); err != nil {
				return nil, err
			}
			close(sleeping)
			time.Sleep(2 * time.Second) // after the end: the message is being taken
			return smtp.SameResult(n, taken), ctx.Err()
		})
		s := &smtpserver.Server{Handler: h, Without: few}
		ctx, cancel := context.WithCancel(t.Context())
		dial := func() *dialogue {
			ours, theirs := net.Pipe()
			go func() { _ = s.ServeConn(ctx, theirs) }()
			d := newDialogue(t, ours)
			d.play("S: 220 *")
			return d
		}
		idle, transaction, busy := dial(), dial(), dial()
		const begin = "C: EHLO c\nS: 250-*\nS: 250-PIPELINING\nS: 250 CHUNKING\nC: MAIL FROM:<a@test.example>\nS: 250 *\nC: RCPT TO:<b@test.example>\nS: 250 *\n"
		transaction.play(begin)
		busy.play(begin + "C: DATA\nS: 354 *")
		<-reading
		busy.send("x\r\n.\r\n")
		<-sleeping
		cancel()
		idle.want("421 4.3.2 *")
		idle.wantEOF()
		transaction.want("421 4.3.2 *")
		transaction.wantEOF()
		busy.want("250 2.0.0 Taken")
		busy.want("421 4.3.2 *")
		busy.wantEOF()
	})
}

// TestShutdownStuck has a message that does not end: Grace later the session is gone.
func TestShutdownStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &smtptest.Recorder{}
		s := &smtpserver.Server{Handler: rec}
		ctx, cancel := context.WithCancel(t.Context())
		ours, theirs := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = s.ServeConn(ctx, theirs)
		}()
		go func() { _, _ = io.Copy(io.Discard, ours) }()
		_, _ = io.WriteString(ours, toData+"DATA\r\nhalf a mess")
		synctest.Wait()
		start := time.Now()
		cancel()
		<-done
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("gone after %s", took)
		}
		if rec.Open() != 0 || len(rec.Messages()) != 0 {
			t.Errorf("%d transactions open, %d messages", rec.Open(), len(rec.Messages()))
		}
	})
}

// TestGone loses the peer after the end of the message: the Handler is not disturbed, and the message is taken.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended, err := make(chan struct{}), make(chan error, 1)
		h := dataFunc(func(ctx context.Context, n int, body io.Reader) (smtp.Results, error) {
			if _, err := io.Copy(io.Discard, body); err != nil {
				return nil, err
			}
			close(ended)
			time.Sleep(time.Hour)
			err <- ctx.Err()
			return smtp.SameResult(n, taken), nil
		})
		d := talk(t, &smtpserver.Server{Handler: h})
		d.play(twoRcpt + "C: DATA\nS: 354 *\nC: x\nC: .")
		<-ended
		_ = d.c.Close()
		if err := <-err; err != nil {
			t.Errorf("context ended: %v", err)
		}
	})
}

// TestEarly has peers that do not wait.
func TestEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &smtptest.Recorder{}
		s := &smtpserver.Server{Handler: rec, RefuseEarly: true, GreetDelay: 5 * time.Second, Without: few}
		const greeted, begun = "S: 220 *\nC: EHLO c\nS: 250-*\nS: 250-*\nS: 250 *\n", "C> MAIL FROM:<a@test.example>\nC: RCPT TO:<b@test.example>\nS: 250 *\nS: 250 *\n"
		for _, tt := range []struct{ name, script string }{
			{"before the greeting", "C: EHLO c"},
			{"behind EHLO", "S: 220 *\nC> EHLO c\nC: MAIL FROM:<a@test.example>"},
			{"behind DATA", greeted + begun + "C> DATA\nC: x"},
		} {
			d := talk(t, s)
			d.play(tt.script + "\nS: 554 5.5.0 *")
			d.wantEOF()
		}
		start := time.Now()
		d := talk(t, s)
		d.play(greeted + begun + "C: DATA\nS: 354 *\nC: x\nC: .\nS: 250 *\nC: QUIT\nS: 221 *")
		if took := time.Since(start); took != 5*time.Second || len(rec.Messages()) != 1 {
			t.Errorf("after %s, %d messages", took, len(rec.Messages()))
		}
		ctx, cancel := context.WithCancel(t.Context())
		ours, theirs := net.Pipe()
		go func() { _ = s.ServeConn(ctx, theirs) }()
		time.Sleep(time.Second)
		cancel()
		newDialogue(t, ours).want("421 4.3.2 *")
	})
}
