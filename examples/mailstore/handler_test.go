package mailstore

import (
	"testing"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// TestHandler has the suite for Handlers: what Data acknowledged, and nothing else, is in the mailbox.
func TestHandler(t *testing.T) {
	smtptest.TestHandler(t, smtptest.HandlerTest{
		New: func(t *testing.T) smtp.Handler {
			s := openDir(t, t.TempDir(), Options{})
			user(t, s, "bob")
			user(t, s, "carol")
			return s
		},
		From:    smtp.Path{Local: "alice", Domain: "example.com"},
		To:      []smtp.Path{{Local: "bob", Domain: "example.net"}, {Local: "carol", Domain: "example.net"}},
		Refused: smtp.Path{Local: "nobody", Domain: "example.net"},
		Taken: func(t *testing.T, h smtp.Handler) [][]byte {
			var out [][]byte
			seen := make(map[string]bool) // a recipient that came twice has the message twice
			m := box(t, user(t, h.(*Store), "bob"), "INBOX")
			for _, uid := range uidsOf(list(t, m, imap.AllUIDs(), 0)) {
				if b := read(t, m, uid); !seen[b] {
					seen[b] = true
					out = append(out, []byte(b))
				}
			}
			return out
		},
	})
}
