package pop3

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
)

// FuzzSession gives a Server any octets. Messages go only where a session logged in, marked them and quit, and what is
// sent has the form of replies.
func FuzzSession(f *testing.F) {
	f.Add([]byte("USER bob\r\nPASS s p\r\nDELE 1\r\nQUIT\r\n"))
	f.Add([]byte("AUTH PLAIN AGJvYgBzIHA=\r\nLIST\r\nUIDL\r\nTOP 1 0\r\nRETR 2\r\nSTAT\r\n"))
	f.Add([]byte("CAPA\r\nSTLS\r\nUTF8\r\nAUTH LOGIN\r\n*\r\nNOOP\r\n"))
	f.Add([]byte("USER bob\nPASS\x00 s p\rDELE 1\r\nQUIT"))
	f.Fuzz(func(t *testing.T, in []byte) {
		m := newMemory("Subject: x\r\n\r\n.\r\n", "y")
		c := &tape{in: bytes.NewReader(in)}
		_ = newServer(m).ServeConn(context.Background(), c)
		for l := range strings.SplitAfterSeq(c.out.String(), "\n") {
			if l != "" && !strings.HasSuffix(l, "\r\n") {
				t.Fatalf("a line without CRLF: %q", l)
			}
		}
		upper := bytes.ToUpper(in)
		if len(m.expunges) > 0 && !(bytes.Contains(upper, []byte("DELE")) && bytes.Contains(upper, []byte("QUIT"))) {
			t.Fatalf("expunged %q", m.expunges)
		}
	})
}

// FuzzClient gives a Client any octets for replies.
func FuzzClient(f *testing.F) {
	f.Add([]byte("+OK\r\n+OK\r\nSASL PLAIN\r\nPIPELINING\r\n.\r\n+OK\r\n+OK 1 2\r\n+OK\r\n1 2\r\n.\r\n+OK\r\n1 a\r\n.\r\n+OK\r\n..x\r\n.\r\n+OK\r\n"))
	f.Add([]byte("+OK\r\n-ERR\r\n+OK\r\n+OK\r\n-ERR [IN-USE] no\r\n"))
	f.Add([]byte("-ERR [\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		ctx := context.Background()
		o := plain
		o.MaxMessages, o.MaxMessage = 100, 1000
		c, err := NewClient(ctx, &tape{in: bytes.NewReader(in)}, o)
		if err != nil {
			return
		}
		defer c.Close()
		_ = c.Auth(ctx, sasl.Credentials{Username: "u", Password: "p"})
		_, _, _ = c.Stat(ctx)
		if list, _ := c.List(ctx); len(list) > 100 {
			t.Fatalf("%d messages", len(list))
		}
		_, _ = c.UIDL(ctx)
		if body, err := c.Retr(ctx, 1); err == nil {
			if n, _ := io.Copy(io.Discard, body); n > 1000 {
				t.Fatalf("%d octets", n)
			}
		}
		_ = c.Dele(ctx, 1, 2)
		_ = c.Quit(ctx)
	})
}

// FuzzBody sends any message through server and client: only line ends may differ.
func FuzzBody(f *testing.F) {
	f.Add("Subject: x\r\n\r\n.\r\n..\r\n")
	f.Add("\r\n.\r\n.")
	f.Add("a\n.\nb\r.\r\x00")
	f.Fuzz(func(t *testing.T, message string) {
		c, err := NewClient(t.Context(), connect(t, newServer(newMemory(message))), plain)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Login(t.Context(), "bob", "s p"); err != nil {
			t.Fatal(err)
		}
		body, err := c.Retr(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		var want strings.Builder
		for l := range strings.SplitAfterSeq(message, "\n") {
			if l != "" {
				want.WriteString(strings.TrimSuffix(strings.TrimSuffix(l, "\n"), "\r") + "\r\n")
			}
		}
		if string(got) != want.String() {
			t.Fatalf("got %q, want %q", got, want.String())
		}
		if err := c.Quit(t.Context()); err != nil {
			t.Fatal(err)
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
