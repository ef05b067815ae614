package dmarc

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// MaxQueries is the most questions that one tree walk asks (RFC 9989 §4.10).
const MaxQueries = 8

// Resolver is what a tree walk asks of DNS; *net.Resolver is one. Its errors are *net.DNSError: IsNotFound where there
// is no record. Where errors.As finds an interface{ NXDomain() bool } in them, as with package auth/resolver, a domain
// that does not exist at all is told from one without records, and np applies to it; else sp and p do.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// A Step is one question of a verdict's trace.
type Step struct {
	Question string // "TXT _dmarc.example.com"
	Answer   string // the record, "none", or the error
	Rule     string // what followed from it, with the paragraph
}

// A Walk is what a tree walk from Domain found.
type Walk struct {
	Domain string
	// Found lists the records by name, from the longest to the shortest.
	Found []Found
	// Absent says that Domain does not exist (RFC 9989 §3.2.13). It is asked for only where the policy depends on it.
	Absent bool
	Steps  []Step

	organizational string // of DiscoverSuffix; "": by the records that were found
	several        bool   // a name had more than one record
}

// Found is one record of a Walk.
type Found struct {
	Domain string // without _dmarc
	Record Record
}

// Discover walks the tree from domain, in A-labels (RFC 9989 §4.10). An error is that of DNS: nothing is known then.
func Discover(ctx context.Context, r Resolver, domain string) (Walk, error) {
	w := Walk{Domain: strings.ToLower(strings.TrimSuffix(domain, "."))}
	labels := strings.Split(w.Domain, ".")
	for i := 0; i < len(labels); {
		name := strings.Join(labels[i:], ".")
		rec, ok, err := w.query(ctx, r, name)
		if err != nil {
			return w, err
		}
		if ok {
			w.Found = append(w.Found, Found{name, rec})
			if rec.PSD != PSDUnknown {
				break // steps 2 and 6
			}
		}
		if i++; i == 1 && len(labels) > MaxQueries {
			i = len(labels) - MaxQueries + 1 // step 4: down to seven labels
		}
	}
	if f, ok := w.Policy(); ok && f.Domain != w.Domain && f.Record.NP != "" {
		return w, w.exists(ctx, r)
	}
	return w, nil
}

// DiscoverSuffix is Discover as RFC 7489 §3.2 and §6.6.3 has it, for those who must agree with receivers of that time: the
// organizational domain is the one below a public suffix of a list, which is part of the program and as old as it is. Two
// names are asked at most. Tags mean what they mean in RFC 9989; psd says nothing here, pct is not known.
func DiscoverSuffix(ctx context.Context, r Resolver, domain string) (Walk, error) {
	w := Walk{Domain: strings.ToLower(strings.TrimSuffix(domain, "."))}
	org, err := publicsuffix.EffectiveTLDPlusOne(w.Domain)
	if err != nil { // a public suffix itself
		org = w.Domain
	}
	w.organizational = org
	names := []string{w.Domain}
	if org != w.Domain {
		names = append(names, org)
	}
	for _, name := range names {
		rec, ok, err := w.query(ctx, r, name)
		if err != nil {
			return w, err
		}
		if ok {
			w.Found = append(w.Found, Found{name, rec})
		}
		if ok || w.several { // RFC 7489 §6.6.3 step 5: several end it
			break
		}
	}
	w.Steps = append(w.Steps, Step{Rule: "organizational domain " + org + ", by the list of public suffixes (RFC 7489 §3.2)"})
	if f, ok := w.Policy(); ok && f.Domain != w.Domain && f.Record.NP != "" {
		return w, w.exists(ctx, r)
	}
	return w, nil
}

// query asks for the record of one name.
func (w *Walk) query(ctx context.Context, r Resolver, name string) (Record, bool, error) {
	step := Step{Question: "TXT _dmarc." + name, Answer: "none"}
	defer func() { w.Steps = append(w.Steps, step) }()
	txts, err := r.LookupTXT(ctx, "_dmarc."+name)
	if err != nil {
		if d, ok := errors.AsType[*net.DNSError](err); ok && d.IsNotFound {
			return Record{}, false, nil
		}
		step.Answer, step.Rule = err.Error(), "not known, so neither pass nor fail (RFC 9989 §5.3.6)"
		return Record{}, false, err
	}
	var found []Record
	for _, txt := range txts {
		if rec, err := ParseRecord(txt); err == nil {
			found, step.Answer = append(found, rec), txt
		}
	}
	switch {
	case len(found) > 1:
		w.several = true
		step.Answer, step.Rule = strconv.Itoa(len(found))+" records", "several records are none (RFC 9989 §4.10)"
		return Record{}, false, nil
	case len(found) == 0:
		if len(txts) > 0 {
			step.Rule = "texts that do not begin with v=DMARC1 are discarded (RFC 9989 §4.10)"
		}
		return Record{}, false, nil
	}
	if found[0].PSD != PSDUnknown {
		step.Rule = "psd=" + string(rune(found[0].PSD)) + " ends the walk (RFC 9989 §4.10)"
	}
	return found[0], true, nil
}

// exists asks whether the domain exists.
func (w *Walk) exists(ctx context.Context, r Resolver) error {
	step := Step{Question: "TXT " + w.Domain, Answer: "exists"}
	defer func() { w.Steps = append(w.Steps, step) }()
	_, err := r.LookupTXT(ctx, w.Domain)
	if err == nil {
		return nil
	}
	if d, ok := errors.AsType[*net.DNSError](err); !ok || !d.IsNotFound {
		step.Answer = err.Error()
		return err
	}
	var nx interface{ NXDomain() bool }
	if errors.As(err, &nx) && nx.NXDomain() {
		w.Absent = true
		step.Answer, step.Rule = "NXDOMAIN", "a non-existent domain: np applies (RFC 9989 §3.2.13)"
	}
	return nil
}

// Policy returns the record to be applied to mail of w.Domain: its own, else that of its organizational domain, else
// that of the public suffix above (RFC 9989 §4.10.1).
func (w Walk) Policy() (Found, bool) {
	for _, want := range []string{w.Domain, w.Organizational()} {
		for _, f := range w.Found {
			if f.Domain == want {
				return f, true
			}
		}
	}
	if n := len(w.Found); n > 0 && w.Found[n-1].Record.PSD == PSDYes && w.organizational == "" {
		return w.Found[n-1], true
	}
	return Found{}, false
}

// Organizational returns the organizational domain of w.Domain (RFC 9989 §4.10.2, or RFC 7489 §3.2 for DiscoverSuffix).
func (w Walk) Organizational() string {
	if w.organizational != "" {
		return w.organizational
	}
	org := w.Domain
	for _, f := range w.Found {
		switch {
		case f.Record.PSD == PSDNo:
			return f.Domain
		case f.Record.PSD == PSDYes && f.Domain != w.Domain:
			below := strings.TrimSuffix(w.Domain, "."+f.Domain)
			return below[strings.LastIndexByte(below, '.')+1:] + "." + f.Domain
		}
		org = f.Domain
	}
	return org
}
