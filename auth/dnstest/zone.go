package dnstest

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/mailbricks/mailbricks/internal/dnsquery"
	"github.com/miekg/dns"
)

// DefaultTTL is the time to live, in seconds, of records that give none.
const DefaultTTL = 300

// A Zone holds records for any number of names and is safe for use from several goroutines. Make one with [New],
// [Parse] or [ParseFile].
type Zone struct {
	mu       sync.RWMutex
	records  map[string][]dns.RR // by canonical owner name
	below    map[string]int      // how many owners of records lie below a name: empty non-terminals exist
	failures map[string]Failure
	signed   map[string]bool // by apex; the longest one counts
	observer func(name, qtype string)
}

// New returns a zone without records.
func New() *Zone {
	return &Zone{
		records:  map[string][]dns.RR{},
		below:    map[string]int{},
		failures: map[string]Failure{},
		signed:   map[string]bool{},
	}
}

// Parse reads a zone from RFC 1035 master-file text. Names without a final dot are relative to origin, which may be
// empty for the root; $INCLUDE is refused.
func Parse(r io.Reader, origin string) (*Zone, error) {
	z := New()
	if err := z.read(r, origin); err != nil {
		return nil, err
	}
	return z, nil
}

// ParseFile reads a zone from a master file, whose relative names are relative to the root.
func ParseFile(name string) (*Zone, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := Parse(f, "")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return z, nil
}

func (z *Zone) read(r io.Reader, origin string) error {
	p := dns.NewZoneParser(r, dns.Fqdn(origin), "")
	p.SetDefaultTTL(DefaultTTL)
	var rrs []dns.RR
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		rrs = append(rrs, rr)
	}
	if err := p.Err(); err != nil {
		return fmt.Errorf("zone text: %w", err)
	}
	for _, rr := range rrs {
		z.add(rr)
	}
	return nil
}

// Add adds the records of RFC 1035 master-file text, all or, when one line is wrong, none.
func (z *Zone) Add(text string) error {
	// Indented text is welcome: in a master file, leading space would repeat the owner of the line before.
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimLeft(l, " \t")
	}
	return z.read(strings.NewReader(strings.Join(lines, "\n")), "")
}

// MustAdd is [Zone.Add] for text that is part of the program; it panics when the text is wrong.
func (z *Zone) MustAdd(text string) {
	if err := z.Add(text); err != nil {
		panic("dnstest: " + err.Error())
	}
}

// AddTXT adds one TXT record, cut into strings of at most 255 octets.
func (z *Zone) AddTXT(name, text string) {
	rr := &dns.TXT{Hdr: z.header(name, dns.TypeTXT)}
	for len(text) > 255 {
		rr.Txt = append(rr.Txt, escapeText(text[:255]))
		text = text[255:]
	}
	rr.Txt = append(rr.Txt, escapeText(text))
	z.add(rr)
}

// AddMX adds one MX record; host "." is the null MX of RFC 7505.
func (z *Zone) AddMX(name string, preference uint16, host string) {
	z.add(&dns.MX{Hdr: z.header(name, dns.TypeMX), Preference: preference, Mx: dnsquery.Canonical(host)})
}

// AddAddr adds an A or AAAA record for each address.
func (z *Zone) AddAddr(name string, addrs ...netip.Addr) {
	for _, a := range addrs {
		if a = a.Unmap(); a.Is4() {
			z.add(&dns.A{Hdr: z.header(name, dns.TypeA), A: a.AsSlice()})
		} else {
			z.add(&dns.AAAA{Hdr: z.header(name, dns.TypeAAAA), AAAA: a.AsSlice()})
		}
	}
}

// AddCNAME makes name an alias of target.
func (z *Zone) AddCNAME(name, target string) {
	z.add(&dns.CNAME{Hdr: z.header(name, dns.TypeCNAME), Target: dnsquery.Canonical(target)})
}

// AddPTR adds the reverse record of an address.
func (z *Zone) AddPTR(addr netip.Addr, host string) {
	name, err := dns.ReverseAddr(addr.Unmap().WithZone("").String())
	if err != nil {
		return // the zero Addr has no reverse name
	}
	z.add(&dns.PTR{Hdr: z.header(name, dns.TypePTR), Ptr: dnsquery.Canonical(host)})
}

// AddTLSA adds a TLSA record of RFC 6698 §2.1; data is the certificate association data.
func (z *Zone) AddTLSA(name string, usage, selector, matching uint8, data []byte) {
	z.add(&dns.TLSA{Hdr: z.header(name, dns.TypeTLSA), Usage: usage, Selector: selector, MatchingType: matching,
		Certificate: fmt.Sprintf("%x", data)})
}

// Remove takes away the records of name of the given types ("TXT", "MX"), or all of them when no type is given, and
// with the last record its failure.
func (z *Zone) Remove(name string, types ...string) {
	key := dnsquery.Canonical(name)
	z.mu.Lock()
	defer z.mu.Unlock()
	had := len(z.records[key])
	left := slices.DeleteFunc(z.records[key], func(rr dns.RR) bool {
		return len(types) == 0 || slices.Contains(types, dns.TypeToString[rr.Header().Rrtype])
	})
	if len(left) > 0 {
		z.records[key] = left
		return
	}
	delete(z.records, key)
	delete(z.failures, key)
	if had > 0 {
		for up := range ancestors(key) {
			z.below[up]--
		}
	}
}

// Sign declares the names at and below domain as DNSSEC-signed ("." for all): answers about them are secure.
func (z *Zone) Sign(domain string) { z.sign(domain, true) }

// Unsign declares the names at and below domain as not signed, below a signed parent: an insecure delegation.
func (z *Zone) Unsign(domain string) { z.sign(domain, false) }

func (z *Zone) sign(domain string, signed bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.signed[dnsquery.Canonical(domain)] = signed
}

// Observe sets a function that is called, before the answer, with the lower-case name (final dot) and type of every
// question. It may be called from several goroutines at once and must not change the zone. Nil observes nothing.
func (z *Zone) Observe(f func(name, qtype string)) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.observer = f
}

func (z *Zone) header(name string, rrtype uint16) dns.RR_Header {
	return dns.RR_Header{Name: dnsquery.Canonical(name), Rrtype: rrtype, Class: dns.ClassINET, Ttl: DefaultTTL}
}

func (z *Zone) add(rr dns.RR) {
	key := dns.CanonicalName(rr.Header().Name)
	z.mu.Lock()
	defer z.mu.Unlock()
	if slices.ContainsFunc(z.records[key], func(old dns.RR) bool { return dns.IsDuplicate(old, rr) }) {
		return
	}
	if len(z.records[key]) == 0 {
		for up := range ancestors(key) {
			z.below[up]++
		}
	}
	// A new slice: an answer under way keeps the old one.
	z.records[key] = append(slices.Clip(z.records[key]), rr)
}

// secureLocked reports whether name lies in a signed part of the tree.
func (z *Zone) secureLocked(name string) bool {
	if s, ok := z.signed[name]; ok {
		return s
	}
	for up := range ancestors(name) {
		if s, ok := z.signed[up]; ok {
			return s
		}
	}
	return false
}
