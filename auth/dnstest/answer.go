package dnstest

import (
	"github.com/mailbricks/mailbricks/internal/dnsquery"
	"github.com/miekg/dns"
)

// A Failure is what happens to every question about a name.
type Failure int

const (
	// NoFailure answers as usual.
	NoFailure Failure = iota
	// ServFail answers with RCODE 2.
	ServFail
	// Refused answers with RCODE 5.
	Refused
	// Timeout gives no answer: the server is silent, [Zone.Exchange] waits for its context, and the Lookup methods
	// return a timeout at once.
	Timeout
	// Truncate answers over UDP with the TC bit and no records, so that the client has to ask over TCP.
	Truncate
	// WrongID answers over UDP with another message id than the question's, as a blind forger would; TCP is right.
	WrongID
)

// Fail makes questions about name fail; [NoFailure] mends it. Names that alias name fail with it.
func (z *Zone) Fail(name string, f Failure) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if f == NoFailure {
		delete(z.failures, dnsquery.Canonical(name))
	} else {
		z.failures[dnsquery.Canonical(name)] = f
	}
}

// maxChain bounds the aliases that one answer follows.
const maxChain = 8

// reply is what the zone says to one question.
type reply struct {
	rcode   int
	answer  []dns.RR // the aliases in order, then the records
	soa     dns.RR   // for negative answers, where the zone has one
	secure  bool     // every name on the way is signed
	failure Failure
}

// resolve answers one question about a canonical name.
func (z *Zone) resolve(name string, qtype uint16) reply {
	z.mu.RLock()
	defer z.mu.RUnlock()
	if z.observer != nil {
		z.observer(name, dns.TypeToString[qtype])
	}
	r := reply{secure: true}
	for range maxChain {
		r.secure = r.secure && z.secureLocked(name)
		switch f := z.failures[name]; f {
		case NoFailure:
		case ServFail:
			return reply{rcode: dns.RcodeServerFailure, failure: f}
		case Refused:
			return reply{rcode: dns.RcodeRefused, failure: f}
		default:
			r.failure = f
		}
		rrs, exists := z.findLocked(name)
		if !exists {
			r.rcode = dns.RcodeNameError // RFC 6604 §2.1: the code is that of the last name of the chain
			r.soa = z.soaLocked(name)
			return r
		}
		var alias *dns.CNAME
		before := len(r.answer)
		for _, rr := range rrs {
			if c, ok := rr.(*dns.CNAME); ok && qtype != dns.TypeCNAME && qtype != dns.TypeANY {
				alias = c
			}
			if t := rr.Header().Rrtype; t == qtype || qtype == dns.TypeANY {
				r.answer = append(r.answer, owned(rr, name))
			}
		}
		if len(r.answer) > before {
			return r
		}
		if alias == nil {
			r.soa = z.soaLocked(name)
			return r
		}
		r.answer = append(r.answer, owned(alias, name))
		name = dns.CanonicalName(alias.Target)
	}
	return reply{rcode: dns.RcodeServerFailure, failure: r.failure} // a circle, or a chain too long
}

// findLocked returns the records of a name, its own or those of a wildcard, and whether the name exists.
func (z *Zone) findLocked(name string) (rrs []dns.RR, exists bool) {
	if rrs := z.records[name]; len(rrs) > 0 {
		return rrs, true
	}
	if z.below[name] > 0 {
		return nil, true
	}
	for up := range ancestors(name) {
		star := "*." + up
		if up == "." {
			star = "*."
		}
		if rrs := z.records[star]; len(rrs) > 0 {
			return rrs, true
		}
		if len(z.records[up]) > 0 || z.below[up] > 0 {
			break // RFC 4592 §3.3.1: only the wildcard below the closest encloser counts
		}
	}
	return nil, false
}

// soaLocked returns the SOA record of the closest apex at or above name, or nil.
func (z *Zone) soaLocked(name string) dns.RR {
	soa := func(name string) dns.RR {
		for _, rr := range z.records[name] {
			if rr.Header().Rrtype == dns.TypeSOA {
				return rr
			}
		}
		return nil
	}
	if rr := soa(name); rr != nil {
		return rr
	}
	for up := range ancestors(name) {
		if rr := soa(up); rr != nil {
			return rr
		}
	}
	return nil
}

// owned returns rr with the asked name as owner: the same record, or a copy where it came from a wildcard.
func owned(rr dns.RR, name string) dns.RR {
	if dns.CanonicalName(rr.Header().Name) == name {
		return rr
	}
	rr = dns.Copy(rr)
	rr.Header().Name = name
	return rr
}
