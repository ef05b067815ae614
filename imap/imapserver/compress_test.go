package imapserver_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/internal/deflate"
)

// compressed is a connection that has been switched to COMPRESS.
type compressed struct {
	net.Conn
	r io.Reader
	w io.Writer
}

func (c compressed) Read(p []byte) (int, error)  { return c.r.Read(p) }
func (c compressed) Write(p []byte) (int, error) { return c.w.Write(p) }

// compress switches a connection on which nothing is under way.
func compress(p *peer) *peer {
	p.t.Helper()
	p.do("z", "COMPRESS DEFLATE")
	return newPeer(p.t, compressed{p.Conn, bufio.NewReader(deflate.NewReader(p.r)), deflate.NewWriter(p.Conn)})
}

func TestCompress(t *testing.T) {
	p := dial(t, start(t, server(t)))
	if got := p.login().do("a", "COMPRESS LZW"); !strings.HasPrefix(got[0], "a BAD") {
		t.Error(got)
	}
	if got := p.do("a", "CAPABILITY"); !strings.Contains(got[0], "COMPRESS=DEFLATE") {
		t.Error(got)
	}
	p = compress(p)
	if got := p.do("a", "CAPABILITY"); strings.Contains(got[0], "COMPRESS") {
		t.Error(got)
	}
	p.do("a", "SELECT INBOX")
	if got := strings.Join(p.do("b", "FETCH 3 BODY.PEEK[TEXT]"), "|"); got != "* 3 FETCH (BODY[TEXT] {22}|the third|ends here|)|b OK FETCH completed" {
		t.Error(got)
	}
	p.send("c IDLE\r\n")
	p.want("+ ...")
	p.send("DONE\r\nd NOOP\r\n")
	p.want("c OK ...")
	p.want("d OK ...")
	if got := p.do("e", "COMPRESS DEFLATE"); !strings.HasPrefix(got[0], "e NO [COMPRESSIONACTIVE]") {
		t.Error(got)
	}
	long := strings.Repeat("x", 100_000)
	p.send("f APPEND INBOX {100000+}\r\n" + long + "\r\n")
	p.until("f")
	if got := p.do("g", "FETCH 4 BODY.PEEK[]"); got[1] != long+")" {
		t.Errorf("%d lines", len(got))
	}
	p.send("h UNAUTHENTICATE\r\n")
	p.want("* BYE ...")
	p.want("<closed>")
}

// TestCompressHostile has what a client can do with COMPRESS that it cannot do without.
func TestCompressHostile(t *testing.T) {
	t.Run("a bomb", func(t *testing.T) {
		p := compress(dial(t, start(t, server(t))).login())
		go func() { _, _ = io.WriteString(p.Conn, "a "+strings.Repeat("x", 100<<20)) }() // some 450 kB of input
		p.want("* BAD [TOOBIG] ...")
		p.want("* BYE ...")
	})
	t.Run("before the login", func(t *testing.T) {
		p := dial(t, start(t, server(t)))
		p.want("* OK ...")
		if got := p.do("a", "COMPRESS DEFLATE"); !strings.HasPrefix(got[0], "a BAD") {
			t.Error(got)
		}
	})
	t.Run("commands behind it", func(t *testing.T) {
		p := dial(t, start(t, server(t))).login()
		p.send("a COMPRESS DEFLATE\r\nb DELETE x\r\n")
		p.want("a BAD ...")
		p.want("<closed>")
	})
	t.Run("garbage", func(t *testing.T) {
		p := dial(t, start(t, server(t))).login()
		p.do("a", "COMPRESS DEFLATE")
		p.send("b NOOP\r\n\xff\xff\xff")
		if _, err := io.ReadAll(p.r); err != nil { // closed
			t.Error(err)
		}
	})
}
