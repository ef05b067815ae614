package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/auth/arc"
	"github.com/mailbricks/mailbricks/auth/authres"
	"github.com/mailbricks/mailbricks/auth/reputation"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/dmarc"
	"github.com/mailbricks/mailbricks/spf"
)

// A Verdict is what was found out about a message.
type Verdict struct {
	SPF  *spf.Check
	DKIM []dkim.Result // one a signature, from the top of the header down; none: the message has no signature
	// ARC is the chain of hosts that sealed the message on its way; whom of them to believe is for others to say.
	ARC   *arc.Result
	DMARC dmarc.Result
	// IPRev is nil unless the Checker asks for it.
	IPRev *reputation.Reverse
	// Field is the Authentication-Results field, with its final CRLF.
	Field []byte
	// Questions is what was asked of DNS, each question once, in the order asked.
	Questions []Question
}

// A Step is one of those that led to a verdict. One with a Question is an answer and what followed from it; one
// without is a rule alone. The last step of each check says its result.
type Step struct {
	Check    string // "spf", "dkim", "arc", "dmarc" or "iprev"
	Question string // "TXT example.com"
	Answer   string // the records, or the error
	DNSSEC   DNSSEC
	Rule     string
}

// Trace returns the steps of all checks, in the order SPF, DKIM, ARC, DMARC, IPRev. Of a message without chain
// ARC has no step.
func (v *Verdict) Trace() []Step {
	states := map[string]DNSSEC{}
	for _, q := range v.Questions {
		states[strings.ToLower(q.String())] = q.DNSSEC
	}
	var out []Step
	add := func(check, question, answer, rule string) {
		out = append(out, Step{Check: check, Question: question, Answer: answer, DNSSEC: states[strings.ToLower(question)], Rule: rule})
	}
	for _, s := range v.SPF.Steps {
		add("spf", s.Question, s.Answer, s.Rule)
	}
	add("spf", "", "", result(string(v.SPF.Result), v.SPF.Reason()))
	for _, r := range v.DKIM {
		for _, s := range r.Steps {
			add("dkim", s.Question, s.Answer, s.Rule)
		}
		if len(r.Steps) == 0 {
			add("dkim", "", "", result(string(r.Value), r.Reason()))
		}
	}
	if len(v.DKIM) == 0 {
		add("dkim", "", "", "none: the message has no signature")
	}
	if v.hasChain() {
		for _, s := range v.ARC.Steps {
			add("arc", s.Question, s.Answer, s.Rule)
		}
		add("arc", "", "", result(string(v.ARC.Value), v.ARC.Reason()))
	}
	for _, s := range v.DMARC.Steps {
		add("dmarc", s.Question, s.Answer, s.Rule)
	}
	if dmarc.MixedScripts(v.DMARC.Domain) {
		add("dmarc", "", v.DMARC.Domain, "the author domain mixes scripts: it may look like another")
	}
	add("dmarc", "", "", result(string(v.DMARC.Value), v.DMARC.Reason))
	if v.IPRev != nil {
		for _, q := range v.Questions {
			if slices.Contains(q.Checks, "iprev") {
				answer := strings.Join(q.Answer, "\n")
				if q.Err != nil {
					answer = "none" // or an error, which the result tells
				}
				add("iprev", q.String(), answer, "")
			}
		}
		add("iprev", "", "", result(string(v.IPRev.Result), strings.Join(v.IPRev.Names, " ")))
	}
	return out
}

// hasChain reports whether the message has a chain; one made by hand may say nothing of it.
func (v *Verdict) hasChain() bool { return v.ARC != nil && v.ARC.Value != arc.None }

func result(value, reason string) string {
	if reason == "" {
		return value
	}
	return fmt.Sprintf("%s: %s", value, reason)
}

// DKIMResult returns one keyword for all signatures: pass if one passes, else that of the oldest one, which is the
// lowest; "none" without signatures.
func (v *Verdict) DKIMResult() string {
	if len(v.DKIM) == 0 {
		return "none"
	}
	if slices.ContainsFunc(v.DKIM, func(r dkim.Result) bool { return r.Value == dkim.Pass }) {
		return string(dkim.Pass)
	}
	return string(v.DKIM[len(v.DKIM)-1].Value)
}

// Undecided reports whether one more answer of DNS could have authenticated the message: DMARC did not get one, or it
// failed while SPF or a key did not get one. Such a message is better asked for again than refused for good.
func (v *Verdict) Undecided() bool {
	switch {
	case v.DMARC.Value == dmarc.TempError:
		return true
	case v.DMARC.Value != dmarc.Fail:
		return false
	case v.SPF.Result == spf.TempError && v.SPF.Identity == "mailfrom":
		return true
	}
	return slices.ContainsFunc(v.DKIM, func(r dkim.Result) bool { return r.Value == dkim.TempError })
}

// Secure reports whether a check ("spf", "dkim", "arc", "dmarc" or "iprev") rests on answers that DNSSEC secures, all of them.
func (v *Verdict) Secure(check string) bool {
	n := 0
	for _, q := range v.Questions {
		if slices.Contains(q.Checks, check) {
			if n++; q.DNSSEC != Secure {
				return false
			}
		}
	}
	return n > 0
}

// field writes Authentication-Results. Signatures that were not looked at, because there are too many, are told once.
func (v *Verdict) field(id string) []byte {
	entries := []authres.Appender{v.SPF}
	unchecked := false
	for _, s := range v.DKIM {
		many := errors.Is(s.Err, dkim.ErrTooMany)
		if !many || !unchecked {
			entries = append(entries, s)
		}
		unchecked = unchecked || many
	}
	if len(v.DKIM) == 0 {
		entries = append(entries, authres.Result{Method: "dkim", Value: "none"})
	}
	if v.hasChain() {
		entries = append(entries, v.ARC)
	}
	entries = append(entries, v.DMARC)
	if v.IPRev != nil {
		entries = append(entries, v.IPRev)
	}
	return authres.Append(nil, id, entries...)
}
