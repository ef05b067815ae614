package story

import (
	"slices"

	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/dmarc"
	"github.com/mailbricks/mailbricks/smtp/policy"
	"github.com/mailbricks/mailbricks/spf"
)

// NewVerdict makes the tree of verdicts from what a policy.Verifier found.
func NewVerdict(r *policy.Report) *Verdict {
	v := &Verdict{Field: string(r.Field), DMARC: Check{
		Name:   "dmarc",
		Result: string(r.DMARC.Value),
		Domain: r.DMARC.Domain,
		Reason: r.DMARC.Reason,
		Steps:  steps(r.DMARC.Steps, func(s dmarc.Step) Step { return Step(s) }),
	}}
	v.SPF = Check{Name: "spf", Result: string(spf.None)}
	if c := r.SPF; c != nil {
		v.SPF = Check{
			Name:    "spf",
			Result:  string(c.Result),
			Domain:  c.Domain,
			Aligned: slices.Contains(r.DMARC.AlignedSPF, c.Domain),
			Reason:  c.Reason(),
			Steps:   steps(c.Steps, func(s spf.Step) Step { return Step(s) }),
		}
	}
	for _, k := range r.DKIM {
		v.DKIM = append(v.DKIM, Check{
			Name:    "dkim",
			Result:  string(k.Value),
			Domain:  k.Signature.Domain,
			Aligned: slices.Contains(r.DMARC.AlignedDKIM, k.Signature.Domain),
			Reason:  k.Reason(),
			Steps:   steps(k.Steps, func(s dkim.Step) Step { return Step(s) }),
		})
	}
	return v
}

func steps[T any](in []T, convert func(T) Step) []Step {
	out := make([]Step, 0, len(in))
	for _, s := range in {
		out = append(out, convert(s))
	}
	return out
}

// Auth returns the result of each check; of several signatures the best counts.
func (v *Verdict) Auth() Auth {
	a := Auth{SPF: v.SPF.Result, DKIM: "none", DMARC: v.DMARC.Result}
	for i, k := range v.DKIM {
		if i == 0 || k.Result == string(dkim.Pass) {
			a.DKIM = k.Result
		}
	}
	return a
}
