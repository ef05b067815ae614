package report

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/mailbricks/mailbricks/dmarc"
	"github.com/mailbricks/mailbricks/internal/address"
)

// MaxURIs is how many addresses of a record are looked at.
const MaxURIs = 10

// Why an address gets no report. They are found with errors.Is in Destination.Err, beside DNS's own errors, which are
// temporary.
var (
	ErrURI      = errors.New("report: not an address of mail")
	ErrExternal = errors.New("report: domain has not said that it takes these reports")
)

// A Destination is one address for reports.
type Destination struct {
	URI string // as the record has it
	// Addresses are where to send: that of the URI, or those that its domain has put in its place, all in the same host.
	Addresses []string
	External  bool  // in another organizational domain
	Err       error // why it gets none
}

// Destinations finds out where reports about a domain may go (RFC 9990 §4, RFC 9991 §5). policyDomain is where the record
// was found, uris its rua or ruf. One that lies in another organizational domain gets reports only if that one says so
// with a record; else anybody could have reports sent to a victim. At most MaxURIs are looked at. They come in the order of uris.
func Destinations(ctx context.Context, r dmarc.Resolver, policyDomain string, uris []string, failures bool) []Destination {
	var out []Destination
	policyDomain = strings.ToLower(strings.TrimSuffix(policyDomain, "."))
	own := ""
	for _, uri := range uris[:min(len(uris), MaxURIs)] {
		d := Destination{URI: uri}
		addr, host, err := mailto(uri)
		if err != nil {
			d.Err = err
			out = append(out, d)
			continue
		}
		d.Addresses = []string{addr}
		if own == "" {
			own, err = organizational(ctx, r, policyDomain)
		}
		var theirs string
		if err == nil && host != policyDomain {
			theirs, err = organizational(ctx, r, host)
			d.External = theirs != own
		}
		if err == nil && d.External {
			d.Addresses, err = confirm(ctx, r, policyDomain, host, addr, failures)
		}
		if d.Err = err; err != nil {
			d.Addresses = nil
		}
		out = append(out, d)
	}
	return out
}

func organizational(ctx context.Context, r dmarc.Resolver, domain string) (string, error) {
	w, err := dmarc.Discover(ctx, r, domain)
	if err != nil {
		return "", fmt.Errorf("report: organizational domain of %s: %w", domain, err)
	}
	return w.Organizational(), nil
}

// mailto returns the address of a URI and its domain in A-labels.
func mailto(uri string) (addr, host string, err error) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "mailto" {
		return "", "", fmt.Errorf("%w: %.100q", ErrURI, uri)
	}
	addr, err = url.PathUnescape(u.Opaque)
	at := strings.LastIndexByte(addr, '@')
	if err != nil || at <= 0 || strings.ContainsFunc(addr, func(c rune) bool { return c <= ' ' || c == 0x7f || strings.ContainsRune(",;<>\"", c) }) {
		return "", "", fmt.Errorf("%w: %.100q", ErrURI, uri)
	}
	if host, err = address.ToASCII(addr[at+1:]); err != nil || !strings.Contains(host, ".") {
		return "", "", fmt.Errorf("%w: %.100q", ErrURI, uri)
	}
	return addr, strings.ToLower(host), nil
}

// confirm asks the domain of an external address (RFC 9990 §4 steps 2 to 9).
func confirm(ctx context.Context, r dmarc.Resolver, policyDomain, host, addr string, failures bool) ([]string, error) {
	name := policyDomain + "._report._dmarc." + host
	if len(name) > 253 {
		return nil, fmt.Errorf("%w: the name to ask is too long", ErrExternal)
	}
	txts, err := r.LookupTXT(ctx, name+".")
	if d, ok := errors.AsType[*net.DNSError](err); ok && d.IsNotFound {
		return nil, fmt.Errorf("%w: no record %s", ErrExternal, name)
	}
	if err != nil {
		return nil, fmt.Errorf("report: %s: %w", name, err)
	}
	confirmed := false
	for _, txt := range txts {
		rec, err := dmarc.ParseRecord(txt)
		if err != nil {
			continue
		}
		confirmed = true
		others := rec.RUA
		if failures {
			others = rec.RUF
		}
		var out []string
		for _, uri := range others {
			to, h, err := mailto(uri)
			if err != nil || h != host { // neither the one nor the other gets a report
				return nil, fmt.Errorf("%w: %s names %.100q instead, in another domain", ErrExternal, name, uri)
			}
			out = append(out, to)
		}
		if len(out) > 0 {
			return out[:min(len(out), MaxURIs)], nil
		}
	}
	if !confirmed {
		return nil, fmt.Errorf("%w: no record %s that is one of DMARC", ErrExternal, name)
	}
	return []string{addr}, nil
}
