package smtpserver_test

import (
	"net"
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
