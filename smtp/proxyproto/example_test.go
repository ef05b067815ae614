package proxyproto_test

import (
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/mailbricks/mailbricks/smtp/proxyproto"
)

// A listener behind a proxy on loopback. What it accepts has the address of the client.
func Example() {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ln := &proxyproto.Listener{Listener: inner, Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	defer ln.Close()

	proxy, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Close()
	_, _ = io.WriteString(proxy, "PROXY TCP4 192.0.2.1 198.51.100.2 4711 25\r\n")

	c, err := ln.Accept()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	fmt.Println(c.RemoteAddr(), c.LocalAddr())
	// Output: 192.0.2.1:4711 198.51.100.2:25
}
