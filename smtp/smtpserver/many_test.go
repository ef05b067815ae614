package smtpserver_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// TestMany has many clients at once that send messages of different sizes by DATA and by BDAT: each arrives as it was,
// under its own envelope.
func TestMany(t *testing.T) {
	const clients, messages = 24, 12
	rec := &smtptest.Recorder{}
	addr := smtptest.NewServer(t, &smtpserver.Server{Handler: rec, Without: few}, false)
	letter := func(client, n int) string {
		return fmt.Sprintf("Subject: %d-%d\r\n\r\n", client, n) + strings.Repeat(fmt.Sprintf(".%d-%d\r\n", client, n), 1+(client*n*97)%20000)
	}
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(30 * time.Second))
			r := smtp.NewReplyReader(bufio.NewReader(c))
			say := func(text string, replies ...string) {
				go func() { _, _ = io.WriteString(c, text) }()
				for _, want := range replies {
					if reply, err := r.Read(); err != nil || !strings.HasPrefix(reply.String(), want) {
						t.Errorf("client %d: %v %v, want %s", i, reply, err, want)
					}
				}
			}
			say("", "220")
			say("EHLO c\r\n", "250")
			for n := range messages {
				envelope := fmt.Sprintf("MAIL FROM:<c%d@test.example>\r\nRCPT TO:<m%d@test.example>\r\n", i, n)
				m := letter(i, n)
				if (i+n)%2 == 0 {
					half := len(m) / 2
					say(fmt.Sprintf("%sBDAT %d\r\n%sBDAT %d LAST\r\n%s", envelope, half, m[:half], len(m)-half, m[half:]), "250", "250", "250", "250")
					continue
				}
				say(envelope+"DATA\r\n", "250", "250", "354")
				say(strings.ReplaceAll(m, "\r\n.", "\r\n..")+".\r\n", "250")
			}
			say("QUIT\r\n", "221")
		})
	}
	all.Wait()
	got := rec.Messages()
	if len(got) != clients*messages {
		t.Fatalf("%d messages", len(got))
	}
	for _, m := range got {
		var client, n int
		if _, err := fmt.Sscanf(m.From.Local+" "+m.Recipients[0].To.Local, "c%d m%d", &client, &n); err != nil {
			t.Fatal(err)
		}
		if string(smtptest.Below(m.Body)) != letter(client, n) {
			t.Errorf("client %d, message %d: %d octets, want %d", client, n, len(m.Body), len(letter(client, n)))
		}
	}
}
