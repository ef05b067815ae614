package smtpclient_test

import (
	"testing"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// TestHandler holds a Client to the rules of smtp.Handler, in front of servers that offer this and that.
func TestHandler(t *testing.T) {
	refused := path(t, "nobody@y.test")
	for _, tt := range []struct {
		name    string
		mode    smtpserver.Mode
		without []string
		c       smtpclient.Config
	}{
		{"SMTP", smtpserver.SMTP, nil, smtpclient.Config{}},
		{"BDAT", smtpserver.SMTP, nil, smtpclient.Config{Chunking: true}},
		{"no extensions", smtpserver.SMTP, []string{"PIPELINING", "SIZE", "DSN", "CHUNKING", "SMTPUTF8", "ENHANCEDSTATUSCODES"}, smtpclient.Config{}},
		{"LMTP", smtpserver.LMTP, nil, smtpclient.Config{LMTP: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var rec *smtptest.Recorder
			smtptest.TestHandler(t, smtptest.HandlerTest{
				New: func(t *testing.T) smtp.Handler {
					rec = &smtptest.Recorder{OnRcpt: func(to smtp.Path, _ smtp.RcptParams) error {
						if to.Equal(refused) {
							return smtp.NewError(550, smtp.EnhancedCode{5, 1, 1}, "No such user")
						}
						return nil
					}}
					addr := smtptest.NewServer(t, &smtpserver.Server{Handler: rec, Mode: tt.mode, Without: tt.without}, false)
					client := &smtpclient.Client{Addr: addr, Config: tt.c}
					t.Cleanup(func() { client.Close() })
					return client
				},
				From: path(t, "a@x.test"), To: []smtp.Path{path(t, "b@y.test"), path(t, "c@y.test")}, Refused: refused,
				Taken: func(t *testing.T, _ smtp.Handler) [][]byte {
					var out [][]byte
					for _, m := range rec.Messages() {
						out = append(out, m.Body)
					}
					return out
				},
			})
		})
	}
}
