// Package netguard refuses connections to private and special addresses at the moment of dialing, after name
// resolution, so that no name under foreign control leads into one's own network.
//
//	d := net.Dialer{Control: netguard.Guard{}.Control}
//
// What counts as special is the IANA special-purpose address registries (RFC 6890 and its updates). Of IPv6 only
// global unicast (2000::/3, RFC 4291 §2.4) and NAT64 of a public IPv4 address (RFC 6052) pass.
package netguard

import (
	"net/netip"
	"syscall"
)

// A Guard refuses special addresses but those in Allow. The zero Guard allows public addresses alone.
type Guard struct {
	// Allow lists prefixes that may be dialed although they are special: 127.0.0.1/32 in a test.
	Allow []netip.Prefix
}

// A RefusedError says that an address may not be dialed.
type RefusedError struct {
	Address string // as dialed
	Reason  string // what the address is
}

// Error names the address and what it is.
func (e *RefusedError) Error() string { return "netguard: " + e.Address + " refused: " + e.Reason }

// Control is for net.Dialer.Control. The error is a *RefusedError.
func (g Guard) Control(network, address string, _ syscall.RawConn) error {
	switch network {
	case "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6":
	default:
		return &RefusedError{address, "network " + network}
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return &RefusedError{address, "not an address"}
	}
	return g.Check(ap.Addr())
}

// Check returns nil if a may be dialed, else a *RefusedError.
func (g Guard) Check(a netip.Addr) error {
	plain := a.Unmap().WithZone("")
	for _, p := range g.Allow {
		if p.Contains(plain) {
			return nil
		}
	}
	if reason := special(a); reason != "" {
		return &RefusedError{a.String(), reason}
	}
	return nil
}

// special says what a is, or "" for a public address.
func special(a netip.Addr) string {
	a = a.Unmap()
	if !a.IsValid() {
		return "not an address"
	}
	if a.Zone() != "" {
		return "address with a zone"
	}
	if a.Is4() {
		for _, s := range special4() {
			if s.prefix.Contains(a) {
				return s.what
			}
		}
		return ""
	}
	if nat64 := prefix(96, 0x00, 0x64, 0xff, 0x9b); nat64.Contains(a) { // RFC 6052 §2.1
		b := a.As16()
		if what := special(netip.AddrFrom4([4]byte(b[12:]))); what != "" {
			return "NAT64 of " + what
		}
		return ""
	}
	if !prefix(3, 0x20).Contains(a) {
		return "not global unicast"
	}
	for _, s := range special6() {
		if s.prefix.Contains(a) {
			return s.what
		}
	}
	return ""
}

type entry struct {
	prefix netip.Prefix
	what   string
}

func v4(a, b, c byte, bits int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{a, b, c, 0}), bits)
}

func prefix(bits int, start ...byte) netip.Prefix {
	var b [16]byte
	copy(b[:], start)
	return netip.PrefixFrom(netip.AddrFrom16(b), bits)
}

// special4 is the IANA IPv4 special-purpose address registry, and multicast.
func special4() [15]entry {
	return [15]entry{
		{v4(0, 0, 0, 8), "this network (RFC 791)"},
		{v4(10, 0, 0, 8), "private use (RFC 1918)"},
		{v4(100, 64, 0, 10), "shared address space (RFC 6598)"},
		{v4(127, 0, 0, 8), "loopback (RFC 1122)"},
		{v4(169, 254, 0, 16), "link local (RFC 3927)"},
		{v4(172, 16, 0, 12), "private use (RFC 1918)"},
		{v4(192, 0, 0, 24), "IETF protocol assignments (RFC 6890)"},
		{v4(192, 0, 2, 24), "documentation (RFC 5737)"},
		{v4(192, 88, 99, 24), "6to4 relay anycast (RFC 7526)"},
		{v4(192, 168, 0, 16), "private use (RFC 1918)"},
		{v4(198, 18, 0, 15), "benchmarking (RFC 2544)"},
		{v4(198, 51, 100, 24), "documentation (RFC 5737)"},
		{v4(203, 0, 113, 24), "documentation (RFC 5737)"},
		{v4(224, 0, 0, 4), "multicast (RFC 5771)"},
		{v4(240, 0, 0, 4), "reserved, or limited broadcast (RFC 1112, RFC 919)"},
	}
}

// special6 is the part of the IANA IPv6 special-purpose address registry that lies within 2000::/3.
func special6() [4]entry {
	return [4]entry{
		{prefix(23, 0x20, 0x01), "IETF protocol assignments (RFC 2928)"},
		{prefix(32, 0x20, 0x01, 0x0d, 0xb8), "documentation (RFC 3849)"},
		{prefix(16, 0x20, 0x02), "6to4 (RFC 3056)"},
		{prefix(20, 0x3f, 0xff), "documentation (RFC 9637)"},
	}
}
