package dnsquery

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/miekg/dns"
)

func TestCanonical(t *testing.T) {
	for name, want := range map[string]string{
		"Example.COM":     "example.com.",
		"example.com.":    "example.com.",
		"a b.test":        `a\ b.test.`,
		"\xe9.test":       `\233.test.`,
		`back\slash.test`: `back\\slash.test.`,
		"(x).test":        `\(x\).test.`,
	} {
		if got := Canonical(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestUnescape(t *testing.T) {
	for s, want := range map[string]string{`plain`: "plain", `a\"b`: `a"b`, `\233`: "\xe9", `\\065`: `\065`, `end\`: `end\`} {
		if got := unescape(s); got != want {
			t.Errorf("%s: %q, want %q", s, got, want)
		}
	}
}

// A failing question about one address family must not read as the absence of the other.
func TestNetIP(t *testing.T) {
	temporary := &net.DNSError{Err: "server says SERVFAIL", IsTemporary: true}
	absent := NotFound("a.test", NoData)
	a := &dns.A{A: net.IPv4(192, 0, 2, 1)}
	for _, test := range []struct {
		network    string
		err4, err6 error
		addrs      int
		err        error
	}{
		{network: "ip", err6: absent, addrs: 1},
		{network: "ip", err6: temporary, addrs: 1},
		{network: "ip", err4: temporary, err6: absent, err: temporary},
		{network: "ip", err4: absent, err6: absent, err: absent},
		{network: "ip6", err6: absent, err: absent},
		{network: "ip4", addrs: 1},
	} {
		ask := Ask(func(_ context.Context, _ string, qtype uint16) ([]dns.RR, bool, error) {
			if qtype == dns.TypeA {
				return []dns.RR{a}, true, test.err4
			}
			return nil, true, test.err6
		})
		addrs, _, err := ask.NetIP(t.Context(), test.network, "a.test")
		if len(addrs) != test.addrs || !errors.Is(err, test.err) || test.addrs > 0 && addrs[0] != netip.MustParseAddr("192.0.2.1") {
			t.Errorf("%+v: %v, %v", test, addrs, err)
		}
	}
}
