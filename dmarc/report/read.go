package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/dmarc"
	"github.com/mailbricks/mailbricks/internal/packed"
)

// Read reads an aggregate report: XML, alone, in gzip or in zip. What it has wrong but can be read is in Problems. Errors
// wrap ErrReport or ErrLimit, or are r's.
func Read(r io.Reader) (*Aggregate, error) {
	var records []Record
	a, err := Each(r, func(rec Record) error {
		records = append(records, rec)
		return nil
	})
	if err != nil {
		return nil, err
	}
	a.Records = records
	return a, nil
}

// Each is Read for reports of any length: record is called for each record in turn, and what is returned has none. An
// error of record ends it.
func Each(r io.Reader, record func(Record) error) (*Aggregate, error) {
	in, err := packed.NewReader(r, packed.Limits{Max: MaxReport})
	if err != nil {
		return nil, readError(err)
	}
	text, problem, err := decode(in)
	if err != nil {
		return nil, readError(err)
	}
	source := &failing{r: text}
	text = source
	p := &parser{d: xml.NewDecoder(text), each: record, a: &Aggregate{}, report: source}
	p.d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // decoded already
	if problem != "" {
		p.problem("%s", problem)
	}
	if err := p.run(); err != nil {
		return nil, err
	}
	return p.a, nil
}

// failing remembers the error of a reader, which the XML decoder would dress as one of syntax.
type failing struct {
	r   io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

func readError(err error) error {
	switch {
	case errors.Is(err, ErrLimit):
		return err
	case errors.Is(err, packed.ErrTooLarge):
		return fmt.Errorf("%w: %w", ErrLimit, err)
	case errors.Is(err, packed.ErrFormat):
		return fmt.Errorf("%w: %w", ErrReport, err)
	}
	return fmt.Errorf("report: read: %w", err)
}

// A parser reads the elements of a report as a stream.
type parser struct {
	d      *xml.Decoder
	report *failing
	each   func(Record) error
	a      *Aggregate
	path   []string // names of the elements that are open, without the root
	text   []byte   // of the innermost one
	space  string   // namespace of the root
	rec    Record
	n      int
}

func (p *parser) problem(format string, args ...any) {
	if len(p.a.Problems) < maxProblems {
		p.a.Problems = append(p.a.Problems, fmt.Sprintf(format, args...))
	}
}

func (p *parser) bad(format string, args ...any) error {
	return fmt.Errorf("%w: octet %d: "+format, append([]any{ErrReport, p.d.InputOffset()}, args...)...)
}

func (p *parser) run() error {
	open, shut := false, false
	for {
		t, err := p.d.Token()
		switch {
		case err == io.EOF && shut:
			return p.end()
		case err != nil && shut: // the report is whole; gzip without its end, and tags left open around it, are met
			p.problem("after the report: %v", err)
			return p.end()
		case err != nil && p.report.err != nil:
			return readError(p.report.err)
		case err != nil:
			return p.bad("%w", err)
		}
		switch t := t.(type) {
		case xml.Directive: // no document type, so no entities
			return p.bad("a document type")
		case xml.StartElement:
			if shut {
				p.problem("after the report: element %.40q", t.Name.Local)
				return p.end()
			}
			if !open && t.Name.Local == "schema" { // met around reports
				p.problem("an element schema around the report")
				continue
			}
			if !open {
				if t.Name.Local != "feedback" {
					return p.bad("root element %.40q", t.Name.Local)
				}
				open, p.space = true, t.Name.Space
				continue
			}
			if t.Name.Space != p.space && !strings.HasPrefix(t.Name.Space, "urn:ietf:params:xml:ns:dmarc") || len(p.path) == maxDepth {
				if err := p.skip(); err != nil {
					return err
				}
				continue
			}
			p.path, p.text = append(p.path, t.Name.Local), []byte{}
			if len(p.path) == 1 && t.Name.Local == "record" {
				p.rec = Record{}
			}
			p.start()
		case xml.CharData:
			if p.text != nil && len(p.text) < MaxText {
				p.text = append(p.text, t[:min(len(t), MaxText-len(p.text))]...)
			}
		case xml.EndElement:
			if len(p.path) == 0 {
				shut = true
				continue
			}
			if err := p.leave(); err != nil {
				return err
			}
		}
	}
}

// skip reads to the end of an element that is of no interest, without going into it by recursion.
func (p *parser) skip() error {
	for depth := 1; depth > 0; {
		t, err := p.d.Token()
		switch {
		case err != nil && p.report.err != nil:
			return readError(p.report.err)
		case err != nil:
			return p.bad("%w", err)
		}
		switch t.(type) {
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return fmt.Errorf("%w: elements more than %d deep", ErrLimit, maxDepth)
			}
		case xml.EndElement:
			depth--
		case xml.Directive:
			return p.bad("a document type")
		}
	}
	return nil
}

// start opens what may be there several times.
func (p *parser) start() {
	switch strings.Join(p.path, "/") {
	case "record/row/policy_evaluated/reason":
		add(p, &p.rec.Reasons, "reasons")
	case "record/auth_results/dkim":
		add(p, &p.rec.Signatures, "signatures")
	case "record/auth_results/spf":
		add(p, &p.rec.Sender, "SPF results")
	}
}

func add[T any](p *parser, list *[]T, what string) {
	if len(*list) == MaxRowParts {
		p.problem("more than %d %s in record %d", MaxRowParts, what, p.n+1)
		*list = (*list)[:MaxRowParts-1]
	}
	*list = append(*list, *new(T))
}

// leave closes an element.
func (p *parser) leave() error {
	path, text := strings.Join(p.path, "/"), strings.TrimSpace(string(p.text))
	name := p.path[len(p.path)-1]
	p.path, p.text = p.path[:len(p.path)-1], []byte{}
	switch {
	case path == "record":
		if p.n++; p.n > MaxRecords {
			return fmt.Errorf("%w: more than %d records", ErrLimit, MaxRecords)
		}
		return p.each(p.rec)
	case strings.HasPrefix(path, "report_metadata/"):
		p.metadata(strings.TrimPrefix(path, "report_metadata/"), text)
	case strings.HasPrefix(path, "policy_published/"):
		p.policy(name, strings.ToLower(text), text)
	case strings.HasPrefix(path, "record/"):
		p.record(strings.TrimPrefix(path, "record/"), text)
	}
	return nil
}

func (p *parser) metadata(path, text string) {
	a := p.a
	switch path {
	case "org_name":
		a.Organization = text
	case "email":
		a.Contact = text
	case "extra_contact_info":
		a.ExtraContact = text
	case "report_id":
		a.ID = text
	case "generator":
		a.Generator = text
	case "error":
		if len(a.Errors) < MaxRowParts {
			a.Errors = append(a.Errors, text)
		}
	case "date_range/begin":
		a.Begin = p.when(text)
	case "date_range/end":
		a.End = p.when(text)
	}
}

func (p *parser) when(text string) time.Time {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > 1<<40 {
		p.problem("date_range has %.40q", text)
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

func (p *parser) policy(name, lower, text string) {
	q := &p.a.Policy
	policy := func() dmarc.Policy {
		switch v := dmarc.Policy(lower); v {
		case dmarc.PolicyNone, dmarc.PolicyQuarantine, dmarc.PolicyReject, "":
			return v
		}
		p.problem("%s is %.40q", name, text)
		return ""
	}
	switch name {
	case "domain":
		q.Domain = text
	case "discovery_method":
		q.Discovery = lower
	case "p":
		q.P = policy()
	case "sp":
		q.SP = policy()
	case "np":
		q.NP = policy()
	case "adkim":
		q.StrictDKIM = lower == "s"
	case "aspf":
		q.StrictSPF = lower == "s"
	case "testing":
		q.Testing = lower == "y"
	case "fo":
		q.FO = lower
	}
}

func (p *parser) record(path, text string) {
	r := &p.rec
	lower := strings.ToLower(text)
	switch path {
	case "row/source_ip":
		var err error
		if r.SourceIP, err = netip.ParseAddr(text); err != nil {
			p.problem("record %d: source_ip is %.60q", p.n+1, text)
		}
	case "row/count":
		var err error
		if r.Count, err = strconv.ParseInt(text, 10, 64); err != nil || r.Count < 0 {
			p.problem("record %d: count is %.40q", p.n+1, text)
			r.Count = 0
		}
	case "row/policy_evaluated/disposition":
		r.Disposition = lower
	case "row/policy_evaluated/dkim":
		r.DKIM = dmarc.Value(lower)
	case "row/policy_evaluated/spf":
		r.SPF = dmarc.Value(lower)
	case "identifiers/header_from":
		r.HeaderFrom = text
	case "identifiers/envelope_from":
		r.EnvelopeFrom = text
	case "identifiers/envelope_to":
		r.EnvelopeTo = text
	default:
		p.part(path, text, lower)
	}
}

// part takes an element of what may be there several times.
func (p *parser) part(path, text, lower string) {
	r := &p.rec
	if i := len(r.Reasons); i > 0 {
		switch path {
		case "row/policy_evaluated/reason/type":
			r.Reasons[i-1].Type = lower
		case "row/policy_evaluated/reason/comment":
			r.Reasons[i-1].Comment = text
		}
	}
	if i := len(r.Signatures); i > 0 {
		switch s := &r.Signatures[i-1]; path {
		case "auth_results/dkim/domain":
			s.Domain = text
		case "auth_results/dkim/selector":
			s.Selector = text
		case "auth_results/dkim/result":
			s.Result = lower
		case "auth_results/dkim/human_result":
			s.Human = text
		}
	}
	if i := len(r.Sender); i > 0 {
		switch s := &r.Sender[i-1]; path {
		case "auth_results/spf/domain":
			s.Domain = text
		case "auth_results/spf/scope":
			s.Scope = lower
		case "auth_results/spf/result":
			s.Result = lower
		case "auth_results/spf/human_result":
			s.Human = text
		}
	}
}

// end looks at the report as a whole.
func (p *parser) end() error {
	a := p.a
	if p.n == 0 {
		p.problem("no record")
	}
	for _, f := range [][2]string{{"org_name", a.Organization}, {"report_id", a.ID}, {"policy_published/domain", a.Policy.Domain}} {
		if f[1] == "" {
			p.problem("no %s", f[0])
		}
	}
	if a.End.Before(a.Begin) {
		p.problem("the period ends before it begins")
	}
	return nil
}

var bom = map[string][]byte{"utf-8": []byte("\xef\xbb\xbf"), "utf-16le": []byte("\xff\xfe"), "utf-16be": []byte("\xfe\xff")}

// declared returns the charset that a document says it is in, in lower case: by its first octets, or by its declaration.
func declared(head []byte) string {
	for name, mark := range bom {
		if bytes.HasPrefix(head, mark) {
			return name
		}
	}
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte("<?xml"))
	if !ok {
		return ""
	}
	rest, _, _ = bytes.Cut(rest, []byte("?>"))
	_, rest, ok = bytes.Cut(rest, []byte("encoding"))
	rest = bytes.TrimLeft(rest, " \t\r\n=")
	if !ok || len(rest) < 2 || rest[0] != '"' && rest[0] != '\'' {
		return ""
	}
	name, _, _ := bytes.Cut(rest[1:], rest[:1])
	return strings.ToLower(string(name))
}
