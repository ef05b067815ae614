package nat_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"

	"github.com/mailbricks/mailbricks/examples/world/nat"
)

var host, guest = netip.MustParseAddr("198.51.100.25"), netip.MustParseAddr("192.0.2.7")

// TestDial: both ends see the addresses of the world, and the accepting one finds the tag.
func TestDial(t *testing.T) {
	n := nat.New()
	ln, err := n.Listen(host, 25)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, tag := range []any{"letter", nil} {
		out, err := n.Dial(t.Context(), "198.51.100.25:25", nat.Origin{Addr: guest, Tag: tag})
		if err != nil {
			t.Fatal(err)
		}
		in, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if in.LocalAddr().String() != "198.51.100.25:25" || out.RemoteAddr().String() != "198.51.100.25:25" || in.RemoteAddr().String() != out.LocalAddr().String() ||
			netip.MustParseAddrPort(in.RemoteAddr().String()).Addr() != guest {
			t.Errorf("%v %v, %v %v", in.LocalAddr(), in.RemoteAddr(), out.LocalAddr(), out.RemoteAddr())
		}
		if got := n.Tag(in.RemoteAddr()); got != tag {
			t.Errorf("tag %v, want %v", got, tag)
		}
		remote := in.RemoteAddr()
		out.Close()
		in.Close()
		if got := n.Tag(remote); got != nil {
			t.Errorf("tag %v of a closed connection", got)
		}
	}
	if n.Tag(nil) != nil {
		t.Error("a tag of nobody")
	}
}

// TestRefused: what is not there is not reached, loopback and the rest of the world least of all.
func TestRefused(t *testing.T) {
	n := nat.New()
	ln, err := n.Listen(host, 25)
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{"198.51.100.25:26", "198.51.100.26:25", ln.Addr().String(), "8.8.8.8:53"} {
		if c, err := n.Dial(t.Context(), addr, nat.Origin{Addr: guest}); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s: %v %v", addr, c, err)
		}
	}
	for _, addr := range []string{"", "mx.example:25", "198.51.100.25"} {
		if c, err := n.Dial(t.Context(), addr, nat.Origin{Addr: guest}); err == nil {
			t.Errorf("%s: %v", addr, c)
		}
	}
	if n.Loopback(host, 25) != ln.Addr().String() || n.Loopback(host, 26) != "" {
		t.Errorf("loopback %q %q", n.Loopback(host, 25), n.Loopback(host, 26))
	}
	ln.Close()
	if c, err := n.Dial(t.Context(), "198.51.100.25:25", nat.Origin{Addr: guest}); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("closed: %v %v", c, err)
	}
}

// TestOutside: a program from outside keeps its address and has no tag.
func TestOutside(t *testing.T) {
	n := nat.New()
	ln, err := n.Listen(host, 25)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	out, err := net.Dial("tcp", n.Loopback(host, 25))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	in, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if in.RemoteAddr().String() != out.LocalAddr().String() || n.Tag(in.RemoteAddr()) != nil {
		t.Errorf("%v", in.RemoteAddr())
	}
}

// TestMany: each of many connections at once, from inside and outside, is taken for what it is.
func TestMany(t *testing.T) {
	n := nat.New()
	ln, err := n.Listen(host, 25)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	const many = 200
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			var c net.Conn
			var err error
			if i%4 == 0 {
				c, err = net.Dial("tcp", n.Loopback(host, 25))
			} else {
				c, err = n.Dial(t.Context(), "198.51.100.25:25", nat.Origin{Addr: guest, Tag: i})
			}
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			fmt.Fprintln(c, i)
			io.Copy(io.Discard, c)
		})
	}
	for range many {
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			defer c.Close()
			var i int
			if _, err := fmt.Fscanln(c, &i); err != nil {
				t.Error(err)
				return
			}
			want := any(i)
			if i%4 == 0 {
				want = nil
			}
			if got := n.Tag(c.RemoteAddr()); got != want {
				t.Errorf("connection %d has tag %v", i, got)
			}
		})
	}
	wg.Wait()
}
