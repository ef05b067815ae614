package proxyproto

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

func listen(t *testing.T, l *Listener) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Listener = ln
	t.Cleanup(func() { _ = l.Close() })
	return ln.Addr().String()
}

func dial(t *testing.T, addr, first string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, first); err != nil {
		t.Fatal(err)
	}
	return c
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func TestListener(t *testing.T) {
	var mu sync.Mutex
	var refused []error
	told := make(chan bool, 8)
	l := &Listener{Trusted: loopback, Timeout: time.Minute, Refused: func(_ net.Addr, err error) {
		mu.Lock()
		defer mu.Unlock()
		refused = append(refused, err)
		told <- true
	}}
	addr := listen(t, l)
	l.begin()                   // as the first Accept does
	dial(t, addr, "PROXY TCP4") // a slow one does not hold up the others
	bad := dial(t, addr, "EHLO client.test\r\n")
	if _, err := io.ReadAll(bad); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Logf("closed: %v", err) // with a reset, as octets were unread
	}
	<-told
	good := dial(t, addr, "PROXY TCP4 192.0.2.1 198.51.100.2 4711 25\r\nHELLO")
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if c.RemoteAddr().String() != from4.String() || c.LocalAddr().String() != to4.String() {
		t.Errorf("%v %v", c.RemoteAddr(), c.LocalAddr())
	}
	if b := make([]byte, 5); true {
		if _, err := io.ReadFull(c, b); string(b) != "HELLO" || err != nil {
			t.Errorf("%q %v", b, err)
		}
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Error(err)
	}
	if b, err := io.ReadAll(good); len(b) != 0 || err != nil {
		t.Errorf("%q %v", b, err)
	}
	_ = c.Close()

	local := dial(t, addr, sig+"\x20\x00\x00\x00")
	if c, err = l.Accept(); err != nil || c.RemoteAddr().String() != local.LocalAddr().String() {
		t.Fatalf("%v %v", c, err)
	}
	_ = c.Close()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(refused) != 1 {
		t.Fatalf("refused: %v", refused)
	}
	if _, ok := errors.AsType[*HeaderError](refused[0]); !ok {
		t.Error(refused[0])
	}
}

// TestUntrusted has nobody's word taken: what looks like a header is the server's to read.
func TestUntrusted(t *testing.T) {
	for _, trusted := range [][]netip.Prefix{nil, {netip.MustParsePrefix("10.0.0.0/8")}} {
		l := &Listener{Trusted: trusted}
		const header = "PROXY TCP4 192.0.2.1 198.51.100.2 4711 25\r\n"
		d := dial(t, listen(t, l), header)
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, len(header))
		if _, err := io.ReadFull(c, b); string(b) != header || err != nil || c.RemoteAddr().String() != d.LocalAddr().String() {
			t.Errorf("%q %v %v", b, err, c.RemoteAddr())
		}
		_ = c.Close()
	}
}

// TestSlow has a header that never ends: the deadline is that of the whole header.
func TestSlow(t *testing.T) {
	told := make(chan error, 1)
	l := &Listener{Trusted: loopback, Timeout: time.Millisecond, Pending: 1, Refused: func(_ net.Addr, err error) { told <- err }}
	addr := listen(t, l)
	go func() { _, _ = l.Accept() }()
	c := dial(t, addr, "PROXY TCP4 ")
	var timeout net.Error
	if err := <-told; !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Error(err)
	}
	_, _ = io.Copy(io.Discard, c)
}
