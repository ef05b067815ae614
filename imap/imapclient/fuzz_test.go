package imapclient

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/imap"
)

// FuzzClient gives a Client any octets for responses. What it sends has to be commands whatever it was told, and what it
// keeps has bounds.
func FuzzClient(f *testing.F) {
	const greeting = "* OK [CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS MOVE ESEARCH IDLE CONDSTORE SORT CONTEXT=SEARCH CONTEXT=SORT MULTISEARCH] hi\r\n"
	f.Add([]byte(greeting + "a2 OK [CAPABILITY IMAP4rev1] in\r\n* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\na3 OK [READ-WRITE] x\r\n"))
	f.Add([]byte(greeting + "a2 OK [CAPABILITY IMAP4rev1] in\r\na3 OK\r\n* 1 FETCH (UID 1 FLAGS (\\Seen) BODY[] {5}\r\nabcde)\r\n* 2 FETCH (UID 2 ENVELOPE (x)\r\na4 OK\r\n" +
		"* LIST (\\Sent) \"/\" \"a\" (\"OLDNAME\" (\"b\"))\r\na5 OK\r\n* STATUS x (MESSAGES 3)\r\na6 OK\r\n* SEARCH 1 2 3\r\na7 OK\r\n+ go\r\na8 OK [APPENDUID 1 2] x\r\n"))
	f.Add([]byte("* PREAUTH [CAPABILITY IMAP4rev1 SORT CONTEXT=SEARCH CONTEXT=SORT MULTISEARCH] hi\r\na2 NO\r\na3 OK\r\na4 NO\r\na5 NO\r\na6 NO\r\na7 NO\r\n" +
		"* ESEARCH (TAG \"a8\") UID ALL 1:9\r\na8 OK\r\n* ESEARCH (TAG \"a9\") UID ALL 3,1\r\n* ESEARCH (TAG \"a9\") UID ADDTO (1 7:99) REMOVEFROM (1 7)\r\na9 OK\r\n* NO [NOUPDATE \"a8\"] x\r\n" +
		"* ESEARCH (TAG \"a10\" MAILBOX &APw- UIDVALIDITY 3) UID ALL 1\r\na10 OK [LIMIT]\r\n"))
	f.Add([]byte("* PREAUTH hi\r\n* CAPABILITY IMAP4rev2\r\na2 OK\r\na3 NO [ALERT] {5}\r\nabcde\r\n"))
	f.Add([]byte("* BYE\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		conn := &tape{in: bytes.NewReader(in)}
		ctx := context.Background()
		o := plain
		o.Limits = Limits{Line: 10_000, Response: 10_000, Buffer: 50, Discard: 10_000, Responses: 1000, Results: 100}
		o.Unilateral = func(Event) {}
		c, err := New(ctx, conn, o)
		if err != nil {
			return
		}
		_ = c.Login(ctx, "user", "pass")
		_, _ = c.Select(ctx, "INBOX")
		for m, err := range c.Fetch(ctx, imap.AllUIDs(), ^imap.Fields(0), Body("")) {
			if err != nil {
				continue
			}
			for p := range m.Bodies() {
				if n, err := io.Copy(io.Discard, p); err == nil && n != p.Size {
					t.Fatalf("a piece of %d octets had %d", p.Size, n)
				}
			}
		}
		for range c.List(ctx, "*") {
		}
		_, _ = c.Status(ctx, "x")
		_, _ = c.Search(ctx, &imap.SearchCriteria{Text: []string{"ü"}})
		search, _ := c.SearchContext(ctx, &imap.SearchCriteria{})
		order, _ := c.SortContext(ctx, []imap.SortKey{{Key: imap.SortSize}}, &imap.SearchCriteria{})
		for x, err := range c.MultiSearch(ctx, []imap.SearchSource{{Filter: imap.NotifyMailboxes, Mailboxes: []string{"ü"}}}, &imap.SearchCriteria{}) {
			if (x == nil) == (err == nil) || err == nil && len(x.UIDs) == 0 {
				t.Fatalf("%+v, %v", x, err)
			}
		}
		_, _ = c.Append(ctx, "x", imap.AppendMessage{Size: 1, Body: strings.NewReader("x")})
		_, _ = c.Copy(ctx, imap.UIDs(1), "x")
		for range c.Idle(ctx) {
		}
		if search != nil {
			_ = search.UIDs()
			_ = search.Cancel(ctx)
		}
		if order != nil && len(order.Order()) > 100 {
			t.Fatalf("%d results", len(order.Order()))
		}
		_ = c.Logout(ctx)
		if out := conn.out.String(); out != "" && !strings.HasPrefix(out, "a") {
			t.Fatalf("sent %q", out)
		}
	})
}

// tape is a connection with a recorded peer.
type tape struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (c *tape) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *tape) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *tape) Close() error                     { return nil }
func (c *tape) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *tape) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *tape) SetDeadline(time.Time) error      { return nil }
func (c *tape) SetReadDeadline(time.Time) error  { return nil }
func (c *tape) SetWriteDeadline(time.Time) error { return nil }
