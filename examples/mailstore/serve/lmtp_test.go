package serve_test

import (
	"net/textproto"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
)

// TestLMTP delivers to two of three recipients, each with its own reply.
func TestLMTP(t *testing.T) {
	r := newRig(t, nil)
	addr, _ := start(t, r.LMTP)
	c, err := textproto.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	say := func(line string, codes ...int) (said string) {
		t.Helper()
		if line != "" {
			if err := c.PrintfLine("%s", line); err != nil {
				t.Fatal(err)
			}
		}
		for _, code := range codes {
			_, msg, err := c.ReadResponse(code)
			if err != nil {
				t.Errorf("%s: %v", line, err)
			}
			said += msg + "\n"
		}
		return said
	}
	say("", 220)
	offers := say("LHLO relay.example.com", 250)
	for offer, want := range map[string]bool{"SIZE 100000": true, "STARTTLS": true, "DSN": false, "AUTH": false, "PIPELINING": true} {
		if strings.Contains(offers, offer) != want {
			t.Errorf("%s in %q", offer, offers)
		}
	}
	say("MAIL FROM:<eve@example.org> SIZE=100001", 552)
	say("MAIL FROM:<eve@example.org>", 250)
	say("RCPT TO:<Alice@Example.com>", 250)
	say("RCPT TO:<carol@example.com>", 550)
	say("RCPT TO:<bob@anywhere.example>", 250)
	say("DATA", 354)
	w := c.DotWriter()
	if _, err := w.Write([]byte(letter("one"))); err != nil {
		t.Fatal(err)
	}
	w.Close()
	say("", 250, 250)
	say("QUIT", 221)
	for _, user := range []string{"alice@example.com", "bob"} {
		a, err := r.store.OpenAccount(t.Context(), user)
		if err != nil {
			t.Fatal(err)
		}
		m, err := a.Store.OpenMailbox(t.Context(), "INBOX")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for msg, err := range m.Messages(t.Context(), imap.AllUIDs(), imap.FieldSize) {
			if err != nil || msg.Size < int64(len(letter("one"))) {
				t.Errorf("%+v, %v", msg, err)
			}
			n++
		}
		if n != 1 {
			t.Errorf("%s has %d messages", user, n)
		}
	}
}
