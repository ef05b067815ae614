package address

import (
	"errors"
	"net/netip"
	"strings"
)

var errLiteral = errors.New("address: bad address literal")

// ParseLiteral parses an address literal with its brackets, "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 §4.1.3).
func ParseLiteral(s string) (netip.Addr, error) {
	s, ok := strings.CutPrefix(s, "[")
	s, ok2 := strings.CutSuffix(s, "]")
	if !ok || !ok2 {
		return netip.Addr{}, errLiteral
	}
	six := len(s) > 5 && strings.EqualFold(s[:5], "IPv6:")
	if six {
		s = s[5:]
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Is4() == six || a.Zone() != "" {
		return netip.Addr{}, errLiteral
	}
	return a, nil
}

// AppendLiteral appends a as an address literal with its brackets. IPv4-mapped addresses are written as IPv4.
func AppendLiteral(dst []byte, a netip.Addr) []byte {
	a = a.Unmap().WithZone("")
	dst = append(dst, '[')
	if a.Is6() {
		dst = append(dst, "IPv6:"...)
	}
	dst = a.AppendTo(dst)
	return append(dst, ']')
}
