package pop3

import (
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imaptest"
)

// TestSharedMaildrop has many sessions on one maildrop of the reference backend while mail comes in: each takes messages
// away by their unique ids, and what remains is what nobody marked.
func TestSharedMaildrop(t *testing.T) {
	ctx := t.Context()
	backend := &imaptest.Memory{}
	backend.AddUser("bob")
	account, err := backend.OpenAccount(ctx, "bob")
	if err != nil {
		t.Fatal(err)
	}
	deliver := func(s string) {
		t.Helper()
		if _, err := account.Appender.Append(ctx, "INBOX", []imap.AppendMessage{{Size: int64(len(s)), Body: strings.NewReader(s)}}); err != nil {
			t.Error(err)
		}
	}
	const n = 40
	for i := range n {
		deliver("Subject: x\r\n\r\n" + strings.Repeat(".\r\n", i))
	}
	s := &Server{Backend: backend, AllowPlaintextAuth: true, Authenticator: sasl.New(sasl.Plain(checkBob))}
	addr := listen(t, s, false)
	login := func() *Client {
		c, err := Dial(ctx, addr, plain)
		if err == nil {
			err = c.Login(ctx, "bob", "s p")
		}
		if err != nil {
			t.Error(err)
		}
		return c
	}
	first := login()
	before, err := first.UIDL(ctx)
	if err != nil || len(before) != n {
		t.Fatalf("%d messages, %v", len(before), err)
	}
	var sessions sync.WaitGroup
	for k, c := range []*Client{login(), login(), login(), login()} { // all before any quits: numbers are those of the login
		sessions.Go(func() {
			for i := k; i < n; i += 8 { // k < 4: every second half is left
				body, err := c.Retr(ctx, i+1)
				if err != nil {
					t.Error(err)
					return
				}
				if b, err := io.ReadAll(body); err != nil || len(b) != 14+3*i {
					t.Errorf("message %d: %d octets, %v", i+1, len(b), err)
				}
				if err := c.Dele(ctx, i+1); err != nil {
					t.Error(err)
				}
			}
			if err := c.Quit(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	deliver("Subject: new\r\n\r\n")
	sessions.Wait()
	if _, err := first.Retr(ctx, 1); !isCode(err, "") {
		t.Errorf("a message that another session removed: %v", err)
	}
	if body, err := first.Retr(ctx, 5); err != nil {
		t.Error(err)
	} else if b, err := io.ReadAll(body); err != nil || len(b) != 14+12 {
		t.Errorf("%d octets, %v", len(b), err)
	}
	if err := first.Quit(ctx); err != nil {
		t.Error(err)
	}
	after, err := login().UIDL(ctx)
	if err != nil || len(after) != n/2+1 {
		t.Fatalf("%d messages, %v", len(after), err)
	}
	for _, e := range after[:n/2] {
		i := slices.IndexFunc(before, func(b Entry) bool { return b.UID == e.UID })
		if i < 0 || i%8 < 4 {
			t.Errorf("%s is still there, and was message %d", e.UID, i+1)
		}
	}
}
