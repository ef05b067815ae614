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
	const greeting = "* OK [CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS MOVE ESEARCH IDLE CONDSTORE] hi\r\n"
	f.Add([]byte(greeting + "a2 OK [CAPABILITY IMAP4rev1] in\r\n* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\na3 OK [READ-WRITE] x\r\n"))
	f.Add([]byte(greeting + "a2 OK [CAPABILITY IMAP4rev1] in\r\na3 OK\r\n* 1 FETCH (UID 1 FLAGS (\\Seen) BODY[] {5}\r\nabcde)\r\n* 2 FETCH (UID 2 ENVELOPE (x)\r\na4 OK\r\n" +
		"* LIST (\\Sent) \"/\" \"a\" (\"OLDNAME\" (\"b\"))\r\na5 OK\r\n* STATUS x (MESSAGES 3)\r\na6 OK\r\n* SEARCH 1 2 3\r\na7 OK\r\n+ go\r\na8 OK [APPENDUID 1 2] x\r\n"))
	f.Add([]byte("* PREAUTH hi\r\n* CAPABILITY IMAP4rev2\r\na2 OK\r\na3 NO [ALERT] {5}\r\nabcde\r\n"))
	f.Add([]byte("* BYE\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		conn := &tape{in: bytes.NewReader(in)}
		ctx := context.Background()
		o := plain
		o.Limits = Limits{Line: 10_000, Response: 10_000, Buffer: 50, Discard: 10_000, Responses: 1000}
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
		_, _ = c.Append(ctx, "x", imap.AppendMessage{Size: 1, Body: strings.NewReader("x")})
		_, _ = c.Copy(ctx, imap.UIDs(1), "x")
		for range c.Idle(ctx) {
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
