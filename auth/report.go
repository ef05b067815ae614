package auth

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/dmarc"
	"github.com/mailbricks/mailbricks/dmarc/report"
	"github.com/mailbricks/mailbricks/internal/header"
	"github.com/mailbricks/mailbricks/spf"
)

// Published returns the policy of the author's domain as an aggregate report tells it (RFC 9990 §3.1.1.5). Domain is ""
// where there is none, and nothing to report. Reports about one Domain go into one (§3.1.2).
func (v *Verdict) Published() report.Published {
	r := v.DMARC
	if r.PolicyDomain == "" {
		return report.Published{}
	}
	rec := r.Record
	p := report.Published{Domain: r.PolicyDomain, Discovery: "treewalk", P: cmp.Or(rec.P, dmarc.PolicyNone), FO: cmp.Or(rec.FO, "0"),
		StrictDKIM: rec.StrictDKIM, StrictSPF: rec.StrictSPF, Testing: rec.Testing}
	p.SP = cmp.Or(rec.SP, p.P) // RFC 9990 §3.1.1.5: tags that are absent have their defaults
	p.NP = cmp.Or(rec.NP, p.SP)
	return p
}

// Record returns what an aggregate report says of the message (RFC 9990 §3.1.1.7), with Count 1; records that are equal but
// for it are one. done is what was done with the message: "none", "quarantine" or "reject"; what passed gets "pass". Where it
// is not what the policy asks for, there has to be a reason.
func (v *Verdict) Record(conn Connection, done dmarc.Policy, reasons ...report.Reason) report.Record {
	r := report.Record{SourceIP: conn.IP.Unmap(), Count: 1, Disposition: string(done), DKIM: aligned(v.DMARC.AlignedDKIM), SPF: aligned(v.DMARC.AlignedSPF),
		Reasons: reasons, HeaderFrom: v.DMARC.Domain}
	if v.DMARC.Value == dmarc.Pass && done == dmarc.PolicyNone {
		r.Disposition = "pass"
	}
	if v.DMARC.Record.Testing && v.DMARC.Value == dmarc.Fail && len(reasons) == 0 {
		r.Reasons = []report.Reason{{Type: "policy_test_mode"}}
	}
	if at := strings.LastIndexByte(conn.MailFrom, '@'); at >= 0 {
		r.EnvelopeFrom = strings.ToLower(conn.MailFrom[at+1:])
	}
	for _, s := range v.ranked() {
		r.Signatures = append(r.Signatures, report.Signature{Domain: s.Signature.Domain, Selector: s.Signature.Selector, Result: string(s.Value), Human: s.Reason()})
	}
	if v.SPF.Identity == "mailfrom" && v.SPF.Domain != "" {
		r.Sender = []report.Sender{{Domain: v.SPF.Domain, Scope: "mfrom", Result: string(v.SPF.Result), Human: v.SPF.Reason()}}
	}
	return r
}

func aligned(domains []string) dmarc.Value {
	if len(domains) > 0 {
		return dmarc.Pass
	}
	return dmarc.Fail
}

// ranked returns the signatures that can be named, in the order in which a report prefers them (RFC 9990 §3.1.3).
func (v *Verdict) ranked() []dkim.Result {
	rank := func(r dkim.Result) int {
		switch {
		case r.Value != dkim.Pass:
			return 3
		case r.Signature.Domain == v.DMARC.Domain:
			return 0
		case slices.Contains(v.DMARC.AlignedDKIM, r.Signature.Domain):
			return 1
		}
		return 2
	}
	out := slices.DeleteFunc(slices.Clone(v.DKIM), func(r dkim.Result) bool { return r.Signature.Domain == "" || r.Signature.Selector == "" })
	slices.SortStableFunc(out, func(a, b dkim.Result) int { return rank(a) - rank(b) })
	return out[:min(len(out), report.MaxRowParts)]
}

// Failure returns the failure report of a message, nil where the domain wants none of it: by the fo tag (RFC 9989 §4.7), "0"
// where no aligned domain was authenticated, "1" where one way did not, "d" and "s" where a signature or SPF failed,
// aligned or not. Who gets it is for report.Destinations to say, from DMARC.Record.RUF; how often, and what of the message goes with
// it, for the caller.
func (v *Verdict) Failure(conn Connection) *report.Failure {
	r := v.DMARC
	if r.PolicyDomain == "" || r.Value != dmarc.Pass && r.Value != dmarc.Fail || len(r.Record.RUF) == 0 || r.Record.PSD == dmarc.PSDYes { // RFC 9991 §2
		return nil
	}
	f := &report.Failure{AuthFailure: "dmarc", SourceIP: conn.IP.Unmap(), MailFrom: conn.MailFrom, ReportedDomains: []string{r.Domain}}
	if len(r.AlignedDKIM) == 0 {
		f.Alignment = append(f.Alignment, "dkim")
	}
	if len(r.AlignedSPF) == 0 {
		f.Alignment = append(f.Alignment, "spf")
	}
	bad := slices.IndexFunc(v.DKIM, func(s dkim.Result) bool { return s.Value != dkim.Pass && s.Signature.Domain != "" })
	wanted := false
	for o := range strings.SplitSeq(cmp.Or(r.Record.FO, "0"), ":") {
		wanted = wanted || o == "0" && r.Value == dmarc.Fail || o == "1" && len(f.Alignment) > 0 || o == "d" && bad >= 0 ||
			o == "s" && v.SPF.Result != spf.Pass && v.SPF.Result != spf.None
	}
	if !wanted {
		return nil
	}
	if bad >= 0 {
		s := v.DKIM[bad].Signature
		f.DKIMDomain, f.DKIMSelector, f.DKIMIdentity = s.Domain, s.Selector, s.Identity
	}
	for _, s := range v.SPF.Steps {
		if strings.HasPrefix(s.Question, "TXT ") && spf.IsRecord(s.Answer) && len(f.SPFDNS) < 10 {
			f.SPFDNS = append(f.SPFDNS, string(header.AppendValue([]byte("txt : "+strings.TrimPrefix(s.Question, "TXT ")+" : "), s.Answer))) // RFC 6591 §4
		}
	}
	_, field, _ := strings.Cut(string(v.Field), ": ")
	f.Results = []string{strings.TrimSpace(strings.ReplaceAll(field, "\r\n", ""))}
	return f
}
