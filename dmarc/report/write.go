package report

import (
	"bufio"
	"encoding/xml"
	"errors"
	"io"
	"strconv"

	"github.com/mailbricks/mailbricks/dmarc"
)

// Namespace is that of aggregate reports (RFC 9990 §6.1).
const Namespace = "urn:ietf:params:xml:ns:dmarc-2.0"

// ErrEmpty says that a report has no record, which none may be without (RFC 9990 §3.1.1.2).
var ErrEmpty = errors.New("report: a report needs a record")

// A Writer writes an aggregate report (RFC 9990 §3.1.1), record by record. It is used by one goroutine.
type Writer struct {
	w *bufio.Writer
	n int
}

// NewWriter writes the beginning of a report to w: all of a but its Records and Problems. For what is sent, w is a
// gzip.Writer, which Close does not close. Errors are w's, here and later.
func NewWriter(w io.Writer, a *Aggregate) (*Writer, error) {
	o := &Writer{w: bufio.NewWriter(w)}
	o.put(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<feedback xmlns="` + Namespace + `">` + "\n")
	o.element(1, "version", "1.0")
	o.open(1, "report_metadata")
	o.element(2, "org_name", a.Organization)
	o.element(2, "email", a.Contact)
	o.optional(2, "extra_contact_info", a.ExtraContact)
	o.element(2, "report_id", a.ID)
	o.open(2, "date_range")
	o.element(3, "begin", strconv.FormatInt(a.Begin.Unix(), 10))
	o.element(3, "end", strconv.FormatInt(a.End.Unix(), 10))
	o.shut(2, "date_range")
	for _, e := range a.Errors {
		o.optional(2, "error", e)
		break // RFC 9990 appendix A has one at most
	}
	o.optional(2, "generator", a.Generator)
	o.shut(1, "report_metadata")
	o.policy(a.Policy)
	return o, o.w.Flush()
}

func (o *Writer) policy(p Published) {
	mode := func(strict bool) string {
		if strict {
			return "s"
		}
		return "r"
	}
	testing := "n"
	if p.Testing {
		testing = "y"
	}
	o.open(1, "policy_published")
	o.element(2, "domain", p.Domain)
	o.optional(2, "discovery_method", p.Discovery)
	o.element(2, "p", string(or(p.P, dmarc.PolicyNone)))
	o.optional(2, "sp", string(p.SP))
	o.optional(2, "np", string(p.NP))
	o.optional(2, "fo", p.FO)
	o.element(2, "adkim", mode(p.StrictDKIM))
	o.element(2, "aspf", mode(p.StrictSPF))
	o.element(2, "testing", testing)
	o.shut(1, "policy_published")
}

func or[T ~string](v, otherwise T) T {
	if v == "" {
		return otherwise
	}
	return v
}

// Write writes one record. Signatures beyond MaxRowParts are left out.
func (o *Writer) Write(r Record) error {
	o.n++
	o.open(1, "record")
	o.open(2, "row")
	o.element(3, "source_ip", r.SourceIP.Unmap().String())
	o.element(3, "count", strconv.FormatInt(r.Count, 10))
	o.open(3, "policy_evaluated")
	o.element(4, "disposition", or(r.Disposition, "none"))
	o.element(4, "dkim", string(or(r.DKIM, dmarc.Fail)))
	o.element(4, "spf", string(or(r.SPF, dmarc.Fail)))
	for _, why := range r.Reasons {
		o.open(4, "reason")
		o.element(5, "type", or(why.Type, "other"))
		o.optional(5, "comment", why.Comment)
		o.shut(4, "reason")
	}
	o.shut(3, "policy_evaluated")
	o.shut(2, "row")
	o.open(2, "identifiers")
	o.element(3, "header_from", r.HeaderFrom)
	o.optional(3, "envelope_from", r.EnvelopeFrom)
	o.optional(3, "envelope_to", r.EnvelopeTo)
	o.shut(2, "identifiers")
	o.open(2, "auth_results")
	for _, s := range r.Signatures[:min(len(r.Signatures), MaxRowParts)] {
		o.open(3, "dkim")
		o.element(4, "domain", s.Domain)
		o.element(4, "selector", s.Selector)
		o.element(4, "result", or(s.Result, "none"))
		o.optional(4, "human_result", s.Human)
		o.shut(3, "dkim")
	}
	for _, s := range r.Sender[:min(len(r.Sender), 1)] {
		o.open(3, "spf")
		o.element(4, "domain", s.Domain)
		o.optional(4, "scope", s.Scope)
		o.element(4, "result", or(s.Result, "none"))
		o.optional(4, "human_result", s.Human)
		o.shut(3, "spf")
	}
	o.shut(2, "auth_results")
	o.shut(1, "record")
	return o.w.Flush()
}

// Close ends the report. The error is ErrEmpty for one without records.
func (o *Writer) Close() error {
	o.put("</feedback>\n")
	if err := o.w.Flush(); err != nil {
		return err
	}
	if o.n == 0 {
		return ErrEmpty
	}
	return nil
}

// The bufio.Writer keeps the first error for Flush.
func (o *Writer) put(s string) { _, _ = o.w.WriteString(s) }

func (o *Writer) indent(depth int) {
	for range depth {
		o.put("  ")
	}
}

func (o *Writer) open(depth int, name string) {
	o.indent(depth)
	o.put("<" + name + ">\n")
}

func (o *Writer) shut(depth int, name string) {
	o.indent(depth)
	o.put("</" + name + ">\n")
}

func (o *Writer) element(depth int, name, text string) {
	o.indent(depth)
	o.put("<" + name + ">")
	_ = xml.EscapeText(o.w, []byte(text[:min(len(text), MaxText)]))
	o.put("</" + name + ">\n")
}

func (o *Writer) optional(depth int, name, text string) {
	if text != "" {
		o.element(depth, name, text)
	}
}
