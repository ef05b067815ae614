package dane

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// Resolver is what Lookup asks of DNS; *resolver.Resolver of package auth/resolver is one. Errors are *net.DNSError:
// IsNotFound where there are no such records. secure is that DNSSEC has validated the answer with all aliases on the way
// to it.
type Resolver interface {
	// LookupTLSASecure returns records as RDATA.
	LookupTLSASecure(ctx context.Context, name string) (rdata [][]byte, secure bool, err error)
	// LookupCNAMESecure returns the name at the end of the aliases of host, where its addresses are.
	LookupCNAMESecure(ctx context.Context, host string) (name string, secure bool, err error)
}

// A Host is one that mail may be sent to.
type Host struct {
	// Name is that of an MX record, or the domain itself where it has none.
	Name string
	// Port is that of SMTP, 25 by habit.
	Port int
	// NextHop are the names of the mail's domain: as it was looked up, and at the end of its aliases where that is
	// another one. They are valid names of the host too, and only given if the MX set is secure (RFC 7672 §3.2.2).
	NextHop []string
}

// MaxRecords is how many TLSA records of a host are looked at.
const MaxRecords = 100

// A LookupError says that it cannot be known whether a host has TLSA records: mail must not go there now (RFC 7672
// §2.1.2).
type LookupError struct {
	Name string
	Err  error
}

// Error names the question.
func (e *LookupError) Error() string { return fmt.Sprintf("dane: TLSA %s: %v", e.Name, e.Err) }

// Unwrap returns the cause.
func (e *LookupError) Unwrap() error { return e.Err }

// A Policy is what the TLSA records of a host ask for: TLS, and if one of them is usable, a certificate that it names.
type Policy struct {
	Base    string   // TLSA base domain, the name to say in SNI (RFC 7672 §8.1), without final dot
	Names   []string // reference identifiers: Base, then the next-hop names
	Records []Record // as they were found, unusable ones too
	Broken  int      // records that cannot even be parsed
}

// Lookup finds the TLSA records of a host (RFC 7672 §2.2). It returns nil without an error where DANE does not apply:
// address or records are not secure, or there are none. The error is a *LookupError.
func Lookup(ctx context.Context, r Resolver, h Host) (*Policy, error) {
	name := canonical(h.Name)
	final, secure, err := r.LookupCNAMESecure(ctx, name+".")
	if err != nil {
		if notFound(err) { // no address: there is nobody to ask for a certificate
			return nil, nil
		}
		return nil, &LookupError{name, err}
	}
	bases := []string{name}
	if final = canonical(final); final != name {
		if secure {
			bases = []string{final, name}
		}
	} else if !secure { // RFC 7672 §2.2.2: TLSA is not asked for
		return nil, nil
	}
	for _, base := range bases {
		question := "_" + strconv.Itoa(h.Port) + "._tcp." + base
		rdata, safe, err := r.LookupTLSASecure(ctx, question+".")
		switch {
		case err != nil && !notFound(err) && secure:
			return nil, &LookupError{question, err}
		case err != nil || !safe || len(rdata) == 0: // behind an insecure alias nobody knows whether an error is an attack
			continue
		}
		p := &Policy{Base: base, Names: []string{base}}
		for _, n := range h.NextHop {
			if n = canonical(n); !slices.Contains(p.Names, n) {
				p.Names = append(p.Names, n)
			}
		}
		for _, d := range rdata[:min(len(rdata), MaxRecords)] {
			rec, err := ParseRecord(d)
			if err != nil {
				p.Broken++
				continue
			}
			p.Records = append(p.Records, rec)
		}
		return p, nil
	}
	return nil, nil
}

func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

func notFound(err error) bool {
	d, ok := errors.AsType[*net.DNSError](err)
	return ok && d.IsNotFound
}

// Authenticates reports whether a record is usable. Without one there has to be TLS, with whatever certificate (RFC 7672
// §2.2).
func (p *Policy) Authenticates() bool { return len(p.usable()) > 0 }

// usable returns the records that count: those of full data, and of each usage and selector those with the strongest
// hash (RFC 7671 §9).
func (p *Policy) usable() []Record {
	strongest := map[[2]uint8]Matching{}
	var out []Record
	for _, r := range p.Records {
		if r.Usable() == nil {
			out = append(out, r)
			k := [2]uint8{uint8(r.Usage), uint8(r.Selector)}
			strongest[k] = max(strongest[k], r.Matching)
		}
	}
	return slices.DeleteFunc(out, func(r Record) bool {
		return r.Matching != Full && r.Matching != strongest[[2]uint8{uint8(r.Usage), uint8(r.Selector)}]
	})
}

// ID is a short text that is equal for policies that verify the same, for smtpclient.Config.VerifyID.
func (p *Policy) ID() string {
	h := sha256.New()
	for _, n := range p.Names {
		fmt.Fprintf(h, "%s\n", n)
	}
	var records []string
	for _, r := range p.Records {
		records = append(records, r.String())
	}
	slices.Sort(records)
	for _, r := range records {
		fmt.Fprintf(h, "%s\n", r)
	}
	return fmt.Sprintf("dane:%x", h.Sum(nil)[:16])
}
