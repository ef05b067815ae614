package netguard

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	tests := []struct{ addr, reason string }{
		{"8.8.8.8", ""},
		{"1.0.0.0", ""},
		{"9.255.255.255", ""},
		{"100.63.255.255", ""},
		{"100.128.0.0", ""},
		{"172.15.255.255", ""},
		{"172.32.0.0", ""},
		{"198.20.0.0", ""},
		{"223.255.255.255", ""},
		{"2600::1", ""},
		{"2001:200::1", ""},
		{"64:ff9b::8.8.8.8", ""},
		{"::ffff:8.8.8.8", ""},

		{"0.0.0.0", "this network"},
		{"0.1.2.3", "this network"},
		{"10.0.0.1", "private"},
		{"100.64.0.0", "shared"},
		{"100.127.255.255", "shared"},
		{"127.0.0.1", "loopback"},
		{"127.255.255.255", "loopback"},
		{"169.254.169.254", "link local"},
		{"172.16.0.1", "private"},
		{"172.31.255.255", "private"},
		{"192.0.0.8", "IETF"},
		{"192.0.2.1", "documentation"},
		{"192.88.99.1", "6to4"},
		{"192.168.1.1", "private"},
		{"198.18.0.1", "benchmarking"},
		{"198.19.255.255", "benchmarking"},
		{"198.51.100.1", "documentation"},
		{"203.0.113.1", "documentation"},
		{"224.0.0.1", "multicast"},
		{"239.255.255.255", "multicast"},
		{"240.0.0.1", "reserved"},
		{"255.255.255.255", "broadcast"},

		{"::", "not global"},
		{"::1", "not global"},
		{"::127.0.0.1", "not global"},
		{"::ffff:127.0.0.1", "loopback"},
		{"::ffff:10.1.1.1", "private"},
		{"64:ff9b::127.0.0.1", "NAT64 of loopback"},
		{"64:ff9b:1::1", "not global"},
		{"100::1", "not global"},
		{"fc00::1", "not global"},
		{"fd12::1", "not global"},
		{"fe80::1", "not global"},
		{"fe80::1%eth0", "zone"},
		{"2600::1%eth0", "zone"},
		{"ff02::1", "not global"},
		{"5f00::1", "not global"},
		{"2001::1", "IETF"},
		{"2001:1ff::1", "IETF"},
		{"2001:db8::1", "documentation"},
		{"2002:7f00:1::", "6to4"},
		{"3fff:fff::1", "documentation"},
	}
	for _, tt := range tests {
		err := Guard{}.Check(netip.MustParseAddr(tt.addr))
		if tt.reason == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.addr, err)
			}
			continue
		}
		e, ok := errors.AsType[*RefusedError](err)
		if !ok || !strings.Contains(e.Reason, tt.reason) {
			t.Errorf("%s: %v, want %q", tt.addr, err, tt.reason)
		}
	}
	if err := (Guard{}).Check(netip.Addr{}); err == nil {
		t.Error("the zero Addr passes")
	}
}

func TestAllow(t *testing.T) {
	g := Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	for addr, ok := range map[string]bool{"127.0.0.1": true, "::ffff:127.0.0.1": true, "127.0.0.2": false, "8.8.8.8": true} {
		if err := g.Check(netip.MustParseAddr(addr)); (err == nil) != ok {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

// TestDial sees the Guard stop a real dialer after it has resolved a name, and let it through where allowed.
func TestDial(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	d := net.Dialer{Control: Guard{}.Control}
	_, err = d.DialContext(t.Context(), "tcp", ln.Addr().String())
	if _, ok := errors.AsType[*RefusedError](err); !ok {
		t.Fatalf("dialed loopback: %v", err)
	}
	d.Control = Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}.Control
	c, err := d.DialContext(t.Context(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestControlNetworks(t *testing.T) {
	for _, tt := range []struct{ network, address string }{{"unix", "/run/x"}, {"ip4:icmp", "8.8.8.8"}, {"tcp", "8.8.8.8"}, {"tcp", "name:25"}, {"tcp", ""}} {
		if err := (Guard{}).Control(tt.network, tt.address, nil); err == nil {
			t.Errorf("%s %s passes", tt.network, tt.address)
		}
	}
}
