package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/mailbricks/mailbricks/examples/world/story"
)

// A printer prints reports, for people as they come, or all as JSON at the end.
type printer struct {
	out     io.Writer
	json    bool
	verbose bool
	colour  bool
}

// end prints what is left.
func (p printer) end(reports []*report) error {
	if !p.json {
		return nil
	}
	e := json.NewEncoder(p.out)
	e.SetEscapeHTML(false)
	if err := e.Encode(map[string]any{"messages": reports}); err != nil {
		return fmt.Errorf("%w: %w", errOutput, err)
	}
	return nil
}

// report prints one report for people.
func (p printer) report(r *report) {
	if p.json {
		return
	}
	l := r.letter
	from := l.From
	if from == "" {
		from = "no author"
	}
	fmt.Fprintf(p.out, "%s", p.bold(r.File))
	if l.ID != "" {
		fmt.Fprintf(p.out, "  %q, %s → %s, %d octets", l.Subject, from, l.To, l.Size)
	}
	fmt.Fprintln(p.out)
	for _, h := range r.Hops {
		p.hop(h)
		if h.Stage == "verification" && r.Verdict != nil {
			p.verdict(r.Verdict)
		}
	}
	if r.Problem != "" {
		fmt.Fprintf(p.out, "  %s %s\n\n", p.paint(false, "✗"), r.Problem)
		return
	}
	fmt.Fprintf(p.out, "  %s delivered; over IMAP, POP3 and JMAP identical to the octet\n\n", p.paint(true, "✓"))
}

func (p printer) hop(h story.Hop) {
	way := h.From
	if h.To != "" {
		way += " → " + h.To
	}
	took := ""
	if h.Took >= 0.1 {
		took = fmt.Sprintf(" (%.1f ms)", h.Took)
	}
	fmt.Fprintf(p.out, "  %s %-12s %s%s\n", p.paint(h.OK, mark(h)), h.Stage, way, took)
	if h.TLS != "" {
		fmt.Fprintf(p.out, "      %s\n", h.TLS)
	}
	for _, s := range h.Steps {
		p.step("      ", s)
	}
	if p.verbose {
		for _, n := range h.Dialogue {
			fmt.Fprintf(p.out, "      %s %s\n", n.Dir, visible(n.Text))
		}
	}
	if h.Summary != "" {
		fmt.Fprintf(p.out, "      %s\n", visible(h.Summary))
	}
}

func mark(h story.Hop) string {
	switch {
	case !h.Done:
		return "…"
	case h.OK:
		return "✓"
	}
	return "✗"
}

// verdict prints the tree of verdicts.
func (p printer) verdict(v *story.Verdict) {
	p.check("      ", v.DMARC)
	p.check("        ", v.SPF)
	for _, k := range v.DKIM {
		p.check("        ", k)
	}
}

func (p printer) check(indent string, c story.Check) {
	ok := c.Result == "pass"
	line := strings.ToUpper(c.Name) + " " + c.Result
	if c.Domain != "" {
		line += " for " + c.Domain
	}
	if c.Reason != "" {
		line += ": " + c.Reason
	}
	fmt.Fprintf(p.out, "%s%s\n", indent, p.paint(ok, visible(line)))
	for _, s := range c.Steps {
		p.step(indent+"  ", s)
	}
}

func (p printer) step(indent string, s story.Step) {
	parts := []string{}
	if s.Question != "" {
		parts = append(parts, s.Question+"?")
	}
	for _, t := range []string{strings.Join(strings.Fields(s.Answer), " "), s.Rule} {
		if len(t) > 100 {
			t = t[:97] + "..."
		}
		if t != "" {
			parts = append(parts, t)
		}
	}
	fmt.Fprintf(p.out, "%s%s\n", indent, visible(strings.Join(parts, " · ")))
}

// visible shows control characters, which come from a stranger's letter, as marks.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 {
			return '·'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

func (p printer) paint(ok bool, s string) string {
	switch {
	case !p.colour:
		return s
	case ok:
		return "\x1b[32m" + s + "\x1b[0m"
	}
	return "\x1b[31m" + s + "\x1b[0m"
}

func (p printer) bold(s string) string {
	if p.colour {
		return "\x1b[1m" + visible(s) + "\x1b[0m"
	}
	return visible(s)
}
