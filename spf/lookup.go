package spf

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// addresses looks up A or AAAA records. A void answer counts if it is a term's own question.
func (e *evaluation) addresses(name string, v4, own bool) ([]netip.Addr, *Error) {
	network, question := "ip6", "AAAA "+name
	if v4 {
		network, question = "ip4", "A "+name
	}
	addrs, err := e.r.LookupNetIP(e.ctx, network, name)
	switch {
	case err != nil && !notFound(err):
		e.step(question, err.Error(), "temporary (RFC 7208 §5)")
		return nil, &Error{Code: CodeDNS, Text: question, Err: err}
	case len(addrs) == 0:
		e.step(question, "none", "")
		if own {
			return nil, e.void()
		}
		return nil, nil
	}
	text := make([]string, len(addrs))
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
		text[i] = addrs[i].String()
	}
	e.step(question, strings.Join(text, " "), "")
	return addrs, nil
}

// inNet reports whether the host is within the prefix length of one of the addresses (RFC 7208 §5.3).
func (e *evaluation) inNet(addrs []netip.Addr, t *Term) bool {
	bits := t.Bits6
	if e.c.IP.Is4() {
		bits = t.Bits4
	}
	for _, a := range addrs {
		if p, err := a.Prefix(bits); err == nil && p.Contains(e.c.IP) {
			return true
		}
	}
	return false
}

func (e *evaluation) mx(name string, t *Term) (bool, *Error) {
	mx, err := e.r.LookupMX(e.ctx, name)
	switch {
	case err != nil && !notFound(err):
		e.step("MX "+name, err.Error(), "temporary (RFC 7208 §5)")
		return false, &Error{Code: CodeDNS, Text: "MX " + name, Err: err}
	case len(mx) == 0:
		e.step("MX "+name, "none", "")
		return false, e.void()
	case len(mx) > maxHosts:
		return false, &Error{Code: CodeMX, Text: "more than 10 MX hosts"} // RFC 7208 §4.6.4
	}
	hosts := make([]string, len(mx))
	for i, m := range mx {
		hosts[i] = m.Host
	}
	e.step("MX "+name, strings.Join(hosts, " "), "")
	for _, h := range hosts {
		host, ok := queryName(h)
		if !ok {
			continue
		}
		addrs, err := e.addresses(host, e.c.IP.Is4(), false)
		if err != nil {
			return false, err
		}
		if e.inNet(addrs, t) {
			return true, nil
		}
	}
	return false, nil
}

// ptrNames returns the validated names of the host (RFC 7208 §5.5). Errors are no names.
func (e *evaluation) ptrNames() []string {
	names, err := e.r.LookupAddr(e.ctx, e.c.IP.String())
	e.nameless = err == nil && len(names) == 0 || notFound(err)
	if err != nil {
		e.step("PTR "+e.c.IP.String(), err.Error(), "no names (RFC 7208 §5.5)")
		return nil
	}
	e.step("PTR "+e.c.IP.String(), strings.Join(names, " "), "")
	var out []string
	for _, n := range names[:min(len(names), maxHosts)] {
		name, ok := queryName(n)
		if !ok {
			continue
		}
		addrs, err := e.addresses(name, e.c.IP.Is4(), false)
		if err != nil {
			continue
		}
		if slices.Contains(addrs, e.c.IP) {
			out = append(out, name)
		}
	}
	return out
}

func (e *evaluation) ptr(target string) bool {
	for _, n := range e.ptrNames() {
		if n == target || strings.HasSuffix(n, "."+target) {
			return true
		}
	}
	return false
}

func notFound(err error) bool {
	d, ok := errors.AsType[*net.DNSError](err)
	return ok && d.IsNotFound
}

// queryName returns a domain as it can be asked for: lower case, A-labels, no final dot, labels of 1 to 63 octets.
func queryName(s string) (string, bool) {
	s = strings.ToLower(strings.TrimSuffix(s, "."))
	if strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) {
		a, err := idna.Lookup.ToASCII(s)
		if err != nil {
			return "", false
		}
		s = a
	}
	if s == "" || len(s) > 253 || s[0] == '[' {
		return "", false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
			return "", false
		}
	}
	return s, true
}
