package route_test

import (
	"testing"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// TestHandler holds a Router to the rules of smtp.Handler.
func TestHandler(t *testing.T) {
	var rec *smtptest.Recorder
	refused := path(t, "nobody@d.test")
	smtptest.TestHandler(t, smtptest.HandlerTest{
		New: func(t *testing.T) smtp.Handler {
			rec = &smtptest.Recorder{OnRcpt: func(to smtp.Path, _ smtp.RcptParams) error {
				if to.Equal(refused) {
					return smtp.NewError(550, smtp.EnhancedCode{5, 1, 1}, "No such user")
				}
				return nil
			}}
			n := &network{hosts: map[string]string{"192.0.2.1": server(t, rec)}}
			return router(t, "d.test. IN MX 1 mx.d.test.\nmx.d.test. IN A 192.0.2.1", n)
		},
		From: path(t, "alice@sender.test"), To: []smtp.Path{path(t, "b@d.test"), path(t, "c@d.test")}, Refused: refused,
		Taken: func(*testing.T, smtp.Handler) [][]byte {
			var out [][]byte
			for _, m := range rec.Messages() {
				out = append(out, m.Body)
			}
			return out
		},
	})
}
