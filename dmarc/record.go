package dmarc

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNotRecord says that a text is no DMARC Policy Record: it does not begin with v=DMARC1.
var ErrNotRecord = errors.New("dmarc: not a DMARC record")

// Policy is what a domain asks for when a message fails (RFC 9989 §4.7, tags p, sp and np).
type Policy string

// Policies, from weak to strong.
const (
	PolicyNone       Policy = "none"
	PolicyQuarantine Policy = "quarantine"
	PolicyReject     Policy = "reject"
)

// PSD is the value of the psd tag.
type PSD byte

// Values of psd.
const (
	PSDUnknown PSD = 0   // "u", the default: find out by the tree walk
	PSDYes     PSD = 'y' // a public suffix
	PSDNo      PSD = 'n' // the organizational domain of itself and what is below
)

// A Record is a DMARC Policy Record (RFC 9989 §4.7).
type Record struct {
	// P, SP and NP are "" where the tag is absent or invalid.
	P, SP, NP Policy
	// StrictDKIM and StrictSPF are adkim=s and aspf=s.
	StrictDKIM, StrictSPF bool
	PSD                   PSD
	// Testing is t=y: the policy is to be applied one level weaker.
	Testing bool
	// RUA and RUF are the reporting URIs, obsolete size limits taken off.
	RUA, RUF []string
	// FO is the failure reporting options, "" for the default "0".
	FO string
	// Problems lists what is wrong with the record, for people: each invalid tag counts as absent (RFC 9989 §4.8).
	Problems []string

	invalidPolicy bool // sp or np is there and not valid
}

// Usable reports whether the record's policy can be applied: p is valid and sp and np are not invalid, or there is a
// reporting URI and the record stands for p=none (RFC 9989 §4.10.1).
func (r Record) Usable() bool { return r.P != "" && !r.invalidPolicy || len(r.RUA) > 0 }

// ParseRecord parses one TXT record, its strings joined. It fails with ErrNotRecord alone; what else is wrong is in
// Problems. Of a repeated tag the first counts.
func ParseRecord(txt string) (Record, error) {
	var r Record
	first, rest, _ := strings.Cut(txt, ";")
	name, value, ok := strings.Cut(first, "=")
	if !ok || !strings.EqualFold(strings.TrimRight(name, " \t"), "v") || strings.Trim(value, " \t") != "DMARC1" {
		return r, ErrNotRecord
	}
	seen := map[string]bool{"v": true}
	for tag := range strings.SplitSeq(rest, ";") {
		tag = strings.Trim(tag, " \t")
		if tag == "" {
			continue
		}
		name, value, ok := strings.Cut(tag, "=")
		name, value = strings.TrimRight(name, " \t"), strings.TrimLeft(value, " \t")
		switch {
		case !ok:
			r.problem("%q is no tag=value", tag)
		case seen[name]:
			r.problem("tag %s is repeated", name)
		default:
			seen[name] = true
			r.set(name, value)
		}
	}
	if !seen["p"] {
		r.problem("there is no p tag")
	}
	return r, nil
}

func (r *Record) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

// set takes in one tag. Unknown ones are ignored (RFC 9989 §4.7).
func (r *Record) set(name, value string) {
	policy := func(p *Policy) {
		switch v := Policy(strings.ToLower(value)); v {
		case PolicyNone, PolicyQuarantine, PolicyReject:
			*p = v
		default:
			r.problem("%s=%s is none of none, quarantine, reject", name, value)
			r.invalidPolicy = r.invalidPolicy || name != "p"
		}
	}
	choice := func(allowed string) byte {
		if v := strings.ToLower(value); len(v) == 1 && strings.Contains(allowed, v) {
			return v[0]
		}
		r.problem("%s=%s is none of %s", name, value, strings.Join(strings.Split(allowed, ""), ", "))
		return 0
	}
	switch name {
	case "p":
		policy(&r.P)
	case "sp":
		policy(&r.SP)
	case "np":
		policy(&r.NP)
	case "adkim":
		r.StrictDKIM = choice("rs") == 's'
	case "aspf":
		r.StrictSPF = choice("rs") == 's'
	case "t":
		r.Testing = choice("yn") == 'y'
	case "psd":
		if c := choice("ynu"); c != 'u' {
			r.PSD = PSD(c)
		}
	case "rua":
		r.RUA = r.uris(name, value)
	case "ruf":
		r.RUF = r.uris(name, value)
	case "fo":
		if validFO(value) {
			r.FO = value
		} else {
			r.problem("fo=%s is no list of 0, 1, d, s", value)
		}
	}
}

// uris reads dmarc-urilist; the obsolete size after "!" is ignored (RFC 9989 §4.8).
func (r *Record) uris(name, value string) []string {
	var out []string
	for uri := range strings.SplitSeq(value, ",") {
		uri, _, _ = strings.Cut(strings.Trim(uri, " \t"), "!")
		scheme, rest, ok := strings.Cut(uri, ":")
		bad := !ok || scheme == "" || rest == "" || strings.ContainsFunc(uri, func(c rune) bool { return c <= ' ' || c > '~' })
		if strings.EqualFold(scheme, "mailto") {
			address, _, _ := strings.Cut(rest, "?")
			at := strings.LastIndexByte(address, '@')
			bad = bad || at <= 0 || at == len(address)-1
		}
		if bad {
			r.problem("%s has %q, which is no URI", name, uri)
			continue
		}
		out = append(out, uri)
	}
	return out
}

func validFO(s string) bool {
	seen := map[string]bool{}
	for o := range strings.SplitSeq(s, ":") {
		if seen[o] || o != "0" && o != "1" && o != "d" && o != "s" {
			return false
		}
		seen[o] = true
	}
	return !seen["0"] || !seen["1"]
}

// Append appends the record as it stands in the zone, without quotes; tags with their default value are left out.
func (r Record) Append(dst []byte) []byte {
	dst = append(dst, "v=DMARC1"...)
	tag := func(name, value string) {
		if value != "" {
			dst = append(append(append(append(dst, "; "...), name...), '='), value...)
		}
	}
	strict := func(s bool) string {
		if s {
			return "s"
		}
		return ""
	}
	tag("p", string(r.P))
	tag("sp", string(r.SP))
	tag("np", string(r.NP))
	tag("adkim", strict(r.StrictDKIM))
	tag("aspf", strict(r.StrictSPF))
	if r.PSD != PSDUnknown {
		tag("psd", string(rune(r.PSD)))
	}
	if r.Testing {
		tag("t", "y")
	}
	tag("rua", strings.Join(r.RUA, ","))
	tag("ruf", strings.Join(r.RUF, ","))
	tag("fo", r.FO)
	return dst
}
