package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/mailbricks/mailbricks/dkim"
)

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
