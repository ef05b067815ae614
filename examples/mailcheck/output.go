package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/mailbricks/mailbricks/auth"
	"github.com/mailbricks/mailbricks/dkim"
)

type verifyJSON struct {
	SPF   string `json:"spf"`
	DKIM  string `json:"dkim"`
	ARC   string `json:"arc"`
	DMARC string `json:"dmarc"`
	Field string `json:"authentication_results"`
	// Reason is why DMARC says what it says.
	Reason string     `json:"reason"`
	Trace  []stepJSON `json:"trace"`
}

type spfJSON struct {
	Result      string `json:"result"`
	Mechanism   string `json:"mechanism"`
	Explanation string `json:"explanation"`
	Queries     int    `json:"queries"`
	Error       string `json:"error"`
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
	DNSSEC   string `json:"dnssec,omitempty"`
	Rule     string `json:"rule,omitempty"`
}

func traceJSON(steps []auth.Step) []stepJSON {
	out := make([]stepJSON, len(steps))
	for i, s := range steps {
		out[i] = stepJSON{s.Check, s.Question, s.Answer, s.DNSSEC.String(), s.Rule}
	}
	return out
}

func signaturesJSON(results []dkim.Result) []signatureJSON {
	out := make([]signatureJSON, len(results))
	for i, r := range results {
		s := r.Signature
		out[i] = signatureJSON{s.Domain, s.Selector, string(s.Algorithm), string(r.Value), r.Reason()}
	}
	return out
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// writeTrace prints a question a line, its answer below, and the rules between them.
func writeTrace(w io.Writer, steps []auth.Step) error {
	var b strings.Builder
	check := ""
	for _, s := range steps {
		if s.Check != check {
			check = s.Check
			fmt.Fprintln(&b, strings.ToUpper(check))
		}
		switch {
		case s.Question != "":
			fmt.Fprintf(&b, "  ? %s", printable(s.Question))
			if s.DNSSEC != auth.Unknown {
				fmt.Fprintf(&b, "  (%s)", s.DNSSEC)
			}
			b.WriteByte('\n')
			for line := range strings.SplitSeq(s.Answer, "\n") {
				fmt.Fprintf(&b, "      %s\n", printable(line))
			}
		case s.Answer != "":
			fmt.Fprintf(&b, "  . %s\n", printable(s.Answer))
		}
		if s.Rule != "" {
			fmt.Fprintf(&b, "  => %s\n", printable(s.Rule))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeSignatures prints each signature with its trace.
func writeSignatures(w io.Writer, results []dkim.Result) error {
	if len(results) == 0 {
		_, err := fmt.Fprintln(w, "none: the message has no signature")
		return err
	}
	for i, r := range results {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s", r.Value)
		if reason := r.Reason(); reason != "" {
			fmt.Fprintf(w, ": %s", printable(reason))
		}
		s := r.Signature
		if s.Domain != "" {
			fmt.Fprintf(w, "\n  d=%s s=%s a=%s c=%s/%s h=%s", printable(s.Domain), printable(s.Selector), printable(string(s.Algorithm)),
				s.HeaderCanon, s.BodyCanon, printable(strings.Join(s.Headers, ":")))
		}
		fmt.Fprintln(w)
		for _, step := range r.Steps {
			fmt.Fprintf(w, "  ? %s\n      %s\n", printable(step.Question), printable(step.Answer))
		}
		if len(r.Added) > 0 {
			fmt.Fprintf(w, "  not signed, though signed once: %s\n", printable(strings.Join(r.Added, " ")))
		}
	}
	return nil
}

// printable returns what a stranger wrote without what a terminal would obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
