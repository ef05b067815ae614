package route

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/internal/address"
	"github.com/mailbricks/mailbricks/smtp"
)

// An Error says why mail could not be routed. Its chain holds the *smtp.Error with the reply to tell.
type Error struct {
	Domain string // of the recipient
	Host   string // "" if none was chosen yet
	Err    error
}

// Error names the domain, the host and the cause.
func (e *Error) Error() string {
	s := "route: " + e.Domain
	if e.Host != "" {
		s += " via " + e.Host
	}
	cause := e.Err
	if se, ok := cause.(*smtp.Error); ok && se.Err != nil {
		return s + ": " + se.Reply.Text() + ": " + se.Err.Error()
	}
	return s + ": " + cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func fail(domain, host string, code int, enhanced smtp.EnhancedCode, text string, cause error) *Error {
	return &Error{Domain: domain, Host: host, Err: &smtp.Error{Reply: smtp.NewReply(code, enhanced, text), Err: cause}}
}

// lookupTime bounds a question about MX; those about addresses have the time of the connection.
const lookupTime = 30 * time.Second

// A place is where mail for a domain goes.
type place struct {
	domain string // in A-labels, or an address literal
	hosts  []host
	mx     bool // the hosts come from MX records
	secure bool // and those are signed
}

// A host is one that takes mail for a domain.
type host struct {
	name string
	addr netip.Addr // of a literal
}

// locate finds the hosts of a domain, in the order in which to try them (RFC 5321 §5.1).
func (r *Router) locate(ctx context.Context, domain string) (place, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	if strings.HasPrefix(domain, "[") {
		a, err := address.ParseLiteral(domain)
		if err != nil {
			return place{}, fail(domain, "", 501, smtp.EnhancedCode{5, 1, 3}, "Bad address literal", err)
		}
		return place{domain: domain, hosts: []host{{name: a.String(), addr: a}}}, nil
	}
	ascii, err := address.ToASCII(domain)
	if err != nil {
		return place{}, fail(domain, "", 501, smtp.EnhancedCode{5, 1, 3}, "Bad domain", err)
	}
	p := place{domain: ascii}
	mx, secure, err := r.lookupMX(ctx, ascii)
	if len(mx) == 0 && err != nil {
		absent, nxdomain := notFound(err)
		switch {
		case nxdomain:
			return place{}, fail(ascii, "", 550, smtp.EnhancedCode{5, 1, 2}, "Domain "+ascii+" does not exist", err)
		case !absent:
			return place{}, fail(ascii, "", 451, smtp.EnhancedCode{4, 4, 3}, "MX of "+ascii+" cannot be looked up", err)
		}
	}
	if len(mx) == 0 { // implicit MX
		if r.isSelf(ascii) {
			return place{}, loop(ascii)
		}
		p.hosts = []host{{name: ascii}}
		return p, nil
	}
	p.mx, p.secure = true, secure
	p.hosts, err = r.order(ascii, mx)
	return p, err
}

func loop(domain string) *Error {
	return fail(domain, "", 554, smtp.EnhancedCode{5, 4, 6}, "Mail for "+domain+" loops back to this host", nil)
}

// order returns the hosts of an MX set by preference, those of equal preference by lot, without those as far away as
// this host or farther.
func (r *Router) order(domain string, mx []*net.MX) ([]host, error) {
	if len(mx) == 1 && strings.TrimSuffix(mx[0].Host, ".") == "" { // RFC 7505 §3
		return nil, fail(domain, "", 556, smtp.EnhancedCode{5, 1, 10}, "Domain "+domain+" takes no mail", nil)
	}
	list := slices.Clone(mx)
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	slices.SortStableFunc(list, func(a, b *net.MX) int { return int(a.Pref) - int(b.Pref) })
	var out []host
	names := make([]string, len(list))
	for i, m := range list {
		names[i], _ = address.ToASCII(strings.TrimSuffix(m.Host, "."))
	}
	for i, m := range list {
		if r.isSelf(names[i]) { // RFC 5321 §5.1
			for len(list) > 0 && list[len(list)-1].Pref >= m.Pref {
				list = list[:len(list)-1]
			}
			if len(list) == 0 {
				return nil, loop(domain)
			}
			break
		}
	}
	for _, name := range names[:len(list)] {
		if _, err := netip.ParseAddr(name); name == "" || err == nil || slices.Contains(out, host{name: name}) {
			continue // an address is no host name
		}
		out = append(out, host{name: name})
	}
	if len(out) == 0 {
		return nil, fail(domain, "", 550, smtp.EnhancedCode{5, 4, 4}, "MX of "+domain+" names no host", nil)
	}
	return out[:min(len(out), def(r.MaxHosts, DefaultMaxHosts))], nil
}

func (r *Router) isSelf(name string) bool {
	return address.EqualDomain(name, r.Client.Hostname) && r.Client.Hostname != "" ||
		slices.ContainsFunc(r.Self, func(s string) bool { return address.EqualDomain(name, strings.TrimSuffix(s, ".")) })
}

func (r *Router) lookupMX(ctx context.Context, domain string) ([]*net.MX, bool, error) {
	if r.Secure != nil {
		return r.Secure.LookupMXSecure(ctx, domain+".")
	}
	mx, err := r.resolver().LookupMX(ctx, domain+".")
	return mx, false, err
}

// notFound reports whether err says that there are no such records, and whether it says that there is no such name.
func notFound(err error) (absent, nxdomain bool) {
	d, ok := errors.AsType[*net.DNSError](err)
	if !ok || !d.IsNotFound {
		return false, false
	}
	var x interface{ NXDomain() bool }
	return true, errors.As(err, &x) && x.NXDomain()
}

// addresses returns the addresses of a host that may be dialed.
func (r *Router) addresses(ctx context.Context, domain string, h host) ([]netip.Addr, error) {
	addrs := []netip.Addr{h.addr}
	if !h.addr.IsValid() {
		var err error
		addrs, err = r.resolver().LookupNetIP(ctx, "ip", h.name+".")
		if absent, _ := notFound(err); absent || err == nil && len(addrs) == 0 {
			code := smtp.EnhancedCode{5, 4, 4}
			if h.name == domain {
				code = smtp.EnhancedCode{5, 1, 2}
			}
			return nil, fail(domain, h.name, 550, code, "Host "+h.name+" has no address", err)
		}
		if err != nil {
			return nil, fail(domain, h.name, 451, smtp.EnhancedCode{4, 4, 3}, "Address of "+h.name+" cannot be looked up", err)
		}
	}
	if r.Client.Dial == nil {
		var refused error
		addrs = slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool {
			err := r.guard().Check(a)
			if err != nil {
				refused = err
			}
			return err != nil
		})
		if len(addrs) == 0 {
			return nil, fail(domain, h.name, 451, smtp.EnhancedCode{4, 4, 4}, "Host "+h.name+" has no public address", refused)
		}
	}
	return interleave(addrs, def(r.MaxAddrs, DefaultMaxAddrs)), nil
}

// interleave returns at most limit addresses, IPv6 and IPv4 in turn, each in their order (RFC 8305 §4).
func interleave(addrs []netip.Addr, limit int) []netip.Addr {
	var by [2][]netip.Addr
	for _, a := range addrs {
		a = a.Unmap()
		family := 0
		if a.Is4() {
			family = 1
		}
		if !slices.Contains(by[family], a) {
			by[family] = append(by[family], a)
		}
	}
	var out []netip.Addr
	for i := range max(len(by[0]), len(by[1])) {
		for _, list := range by {
			if i < len(list) {
				out = append(out, list[i])
			}
		}
	}
	return out[:min(len(out), limit)]
}
