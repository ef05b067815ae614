package queue

import (
	"io"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// TestHandler has the suite for Handlers: what Data acknowledged, and nothing else, is in the spool.
func TestHandler(t *testing.T) {
	smtptest.TestHandler(t, smtptest.HandlerTest{
		New: func(t *testing.T) smtp.Handler {
			spool, err := OpenDir(t.TempDir(), nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = spool.Close() })
			return New(Config{Spool: spool, Next: newHop(nil), Hostname: "mx.example.com"})
		},
		From: alice,
		To:   []smtp.Path{{Local: "bob", Domain: "example.net"}, {Local: "carol", Domain: "example.org"}},
		Taken: func(t *testing.T, h smtp.Handler) [][]byte {
			var out [][]byte
			claims, _, err := h.(*Queue).c.Spool.Claim(t.Context(), time.Now().Add(time.Hour), 1000)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range claims {
				body, err := c.Open(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(body)
				if err != nil {
					t.Fatal(err)
				}
				_ = body.Close()
				c.Release(time.Now())
				out = append(out, b)
			}
			return out
		},
	})
}
