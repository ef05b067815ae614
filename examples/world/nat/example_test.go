package nat_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/mailbricks/mailbricks/examples/world/nat"
)

// Two hosts meet on one machine, each under its own address.
func Example() {
	n := nat.New()
	ln, err := n.Listen(netip.MustParseAddr("198.51.100.25"), 25)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ln.Close()
	out, err := n.Dial(context.Background(), "198.51.100.25:25", nat.Origin{Addr: netip.MustParseAddr("192.0.2.7"), Tag: "letter 1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer out.Close()
	in, err := ln.Accept()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer in.Close()
	fmt.Println(netip.MustParseAddrPort(in.RemoteAddr().String()).Addr(), n.Tag(in.RemoteAddr()))
	// Output: 192.0.2.7 letter 1
}
