package auth

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"

	"github.com/mailbricks/mailbricks/auth/arc"
)

// AppendTrace appends steps for people: the check's name, then each question, its answers below it, and the rules between
// them. What a stranger wrote is without characters that a terminal would obey.
//
//	DMARC
//	  ? TXT _dmarc.example.com  (secure)
//	      v=DMARC1; p=reject
//	  => pass: DKIM of example.com is aligned with example.com
func AppendTrace(dst []byte, steps []Step) []byte {
	check := ""
	for _, s := range steps {
		if s.Check != check {
			check = s.Check
			dst = append(append(dst, strings.ToUpper(check)...), '\n')
		}
		switch {
		case s.Question != "":
			dst = append(append(dst, "  ? "...), printable(s.Question)...)
			if s.DNSSEC != Unknown {
				dst = append(append(append(dst, "  ("...), s.DNSSEC.String()...), ')')
			}
			dst = append(dst, '\n')
			for line := range strings.SplitSeq(s.Answer, "\n") {
				dst = append(append(append(dst, "      "...), printable(line)...), '\n')
			}
		case s.Answer != "":
			dst = append(append(append(dst, "  . "...), printable(s.Answer)...), '\n')
		}
		if s.Rule != "" {
			dst = append(append(append(dst, "  => "...), printable(s.Rule)...), '\n')
		}
	}
	return dst
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

type verdictJSON struct {
	SPF        string          `json:"spf"`
	DKIM       string          `json:"dkim"`
	ARC        string          `json:"arc"`
	DMARC      string          `json:"dmarc"`
	IPRev      string          `json:"iprev,omitempty"`
	Field      string          `json:"authentication_results"`
	Reason     string          `json:"reason"` // of DMARC
	Signatures []signatureJSON `json:"signatures"`
	Trace      []stepJSON      `json:"trace"`
}

type signatureJSON struct {
	Domain    string `json:"domain"`
	Selector  string `json:"selector"`
	Algorithm string `json:"algorithm"`
	Result    string `json:"result"`
	Reason    string `json:"reason"`
}

type stepJSON struct {
	Check    string `json:"check"`
	Question string `json:"question,omitempty"`
	Answer   string `json:"answer,omitempty"`
	DNSSEC   DNSSEC `json:"dnssec,omitzero"`
	Rule     string `json:"rule,omitempty"`
}

// MarshalJSON returns the verdict as one document: the keyword of each check, the Authentication-Results field, DMARC's
// reason, the signatures, and the trace.
func (v *Verdict) MarshalJSON() ([]byte, error) {
	out := verdictJSON{SPF: string(v.SPF.Result), DKIM: v.DKIMResult(), ARC: string(arc.None), DMARC: string(v.DMARC.Value),
		Field: string(v.Field), Reason: v.DMARC.Reason, Signatures: []signatureJSON{}, Trace: []stepJSON{}}
	if v.hasChain() {
		out.ARC = string(v.ARC.Value)
	}
	if v.IPRev != nil {
		out.IPRev = string(v.IPRev.Result)
	}
	for _, r := range v.DKIM {
		s := r.Signature
		out.Signatures = append(out.Signatures, signatureJSON{s.Domain, s.Selector, string(s.Algorithm), string(r.Value), r.Reason()})
	}
	for _, s := range v.Trace() {
		out.Trace = append(out.Trace, stepJSON(s))
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(out)
	return bytes.TrimSpace(b.Bytes()), err
}
