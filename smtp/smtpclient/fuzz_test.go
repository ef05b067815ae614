package smtpclient_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

// A tape is a connection whose other side has said all that it will, in pieces of some length.
type tape struct {
	in    []byte
	piece int
	out   bytes.Buffer
}

func (c *tape) Read(p []byte) (int, error) {
	if len(c.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.piece)], c.in)
	c.in = c.in[n:]
	return n, nil
}

func (c *tape) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *tape) Close() error                     { return nil }
func (c *tape) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1} }
func (c *tape) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 25} }
func (c *tape) SetDeadline(time.Time) error      { return nil }
func (c *tape) SetReadDeadline(time.Time) error  { return nil }
func (c *tape) SetWriteDeadline(time.Time) error { return nil }

// FuzzServer lets a server say anything. The client must not panic, must give typed errors, and may call a message
// taken only if it was sent whole, after 354 or by BDAT, to a recipient that was named.
func FuzzServer(f *testing.F) {
	for _, s := range []string{
		"220 mx\r\n250-mx\r\n250-8BITMIME\r\n250 PIPELINING\r\n250 ok\r\n250 ok\r\n550 5.1.1 no\r\n354 go\r\n250 2.0.0 taken\r\n",
		"220 mx\r\n250-mx\r\n250 8BITMIME\r\n250 ok\r\n250 ok\r\n452 no\r\n354 go\r\n550 5.6.0 no\r\n",
		"220 mx\r\n250-mx\r\n250-CHUNKING\r\n250 8BITMIME\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 taken\r\n",
		"220 mx\r\n502 what\r\n250 mx\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n250 ok\r\n221 bye\r\n",
		"220 mx\r\n250-mx\r\n250-STARTTLS\r\n250 LIMITS RCPTMAX=1 MAILMAX=1\r\n454 no\r\n250 ok\r\n421 bye\r\n",
		"220 mx\r\n250-mx\r\n250-STARTTLS\r\n250 SIZE 99999999999999999999\r\n220 go\r\n\x16\x03\x03\x00\x00",
		"220 mx\r\n250-mx\r\n250-PIPELINING\r\n250 8BITMIME\r\n550 no\r\n503 no\r\n503 no\r\n354 go\r\n250 ok\r\n",
	} {
		for flags := range byte(8) {
			f.Add([]byte(s), byte(200), flags)
		}
		f.Add([]byte(s), byte(0), byte(0))
	}
	f.Fuzz(func(t *testing.T, server []byte, piece, flags byte) {
		c := &tape{in: server, piece: int(piece) + 1}
		lmtp, chunking, batch := flags&1 != 0, flags&2 != 0, flags&4 == 0
		conn, err := smtpclient.NewConn(t.Context(), c, smtpclient.Config{ServerName: "mx.test", LMTP: lmtp, Chunking: chunking})
		var res smtp.Results
		if err == nil {
			var h smtp.Handler = conn
			if !batch {
				h = oneByOne{conn}
			}
			res, err = smtp.Deliver(t.Context(), h, envelope(t, "a@x.test", "b@y.test", "c@y.test"), strings.NewReader(text))
			conn.Close()
		}
		if err != nil {
			if _, ok := errors.AsType[*smtpclient.Error](err); !ok {
				t.Fatalf("untyped error %v", err)
			}
			if _, ok := errors.AsType[*smtp.Error](err); !ok || smtp.ReplyOf(err).OK() {
				t.Fatalf("no reply in %v", err)
			}
			return
		}
		if len(res) != 2 {
			t.Fatalf("%d results", len(res))
		}
		sent := c.out.String()
		for _, r := range res {
			if r.Reply.Code < 200 || r.Reply.Code > 599 || r.Reply.Code/100 == 3 {
				t.Fatalf("result %v", r)
			}
			if !r.Reply.OK() {
				continue
			}
			data := strings.Contains(sent, "DATA\r\nSubject: hi\r\n\r\n..dot\r\n...\r\nlast\r\n.\r\n") && bytes.Contains(server, []byte("354"))
			if !data && !strings.Contains(sent, "BDAT 31 LAST\r\n"+wholeText) {
				t.Fatalf("taken, but sent was %q", sent)
			}
			if !strings.Contains(sent, "RCPT TO:<b@y.test>\r\n") {
				t.Fatalf("taken for whom? %q", sent)
			}
		}
	})
}
