package smtpserver_test

import (
	"bytes"
	"net"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// TestCorpus plays the hostile input over pipes and over TCP.
func TestCorpus(t *testing.T) {
	config, _ := smtptest.TLS(t)
	users := smtptest.CorpusUsers()
	server := func(h smtp.Handler) *smtpserver.Server {
		return &smtpserver.Server{Handler: h, Hostname: "mx.test.example", TLS: config, Authenticator: users}
	}
	t.Run("pipe", func(t *testing.T) {
		smtptest.TestServer(t, func(t *testing.T, h smtp.Handler) net.Conn { return talk(t, server(h)).c })
	})
	t.Run("TCP", func(t *testing.T) {
		smtptest.TestServer(t, func(t *testing.T, h smtp.Handler) net.Conn {
			c, err := net.Dial("tcp", smtptest.NewServer(t, server(h), false))
			if err != nil {
				t.Fatal(err)
			}
			return c
		})
	})
}

// TestNormalize plays the ends of data that are none to a server that mends line ends: one message, never two.
func TestNormalize(t *testing.T) {
	played := 0
	for _, c := range smtptest.Corpus() {
		if !strings.HasPrefix(c.Name, "end of data ") || len(c.Messages) > 0 {
			continue
		}
		played++
		for _, piece := range []int{0, 1, 3} {
			rec := &smtptest.Recorder{}
			for i := range c.Steps {
				for k, r := range c.Steps[i].Replies {
					if strings.HasPrefix(r, "550 5.6.11") {
						c.Steps[i].Replies[k] = "250"
					}
				}
			}
			if err := c.Play(talk(t, &smtpserver.Server{Handler: rec, Normalize: true}).c, piece); err != nil {
				t.Errorf("%s in pieces of %d: %v", c.Name, piece, err)
			}
			m := rec.Messages()
			if len(m) != 1 || !bytes.Contains(m[0].Body, []byte("MAIL FROM:<evil@test.example>")) || offence(m[0].Body) >= 0 {
				t.Errorf("%s in pieces of %d: %d messages", c.Name, piece, len(m))
			}
		}
	}
	if played < 10 {
		t.Errorf("%d cases", played)
	}
}
