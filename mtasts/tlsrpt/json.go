package tlsrpt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"time"

	"github.com/mailbricks/mailbricks/internal/packed"
)

// Limits of a report that is read.
const (
	MaxReport   = 32 << 20 // octets, uncompressed
	MaxPolicies = 10000
	MaxFailures = 100000 // of all policies together
)

// Why a report is refused. They are wrapped with the cause.
var (
	ErrReport = errors.New("tlsrpt: malformed report")
	ErrLimit  = errors.New("tlsrpt: report is over a limit")
)

// The report as it is written (RFC 8460 §4.4).
type wireReport struct {
	Organization string       `json:"organization-name"`
	Range        wireRange    `json:"date-range"`
	Contact      string       `json:"contact-info"`
	ID           string       `json:"report-id"`
	Policies     []wireResult `json:"policies"`
}

type wireRange struct {
	Start string `json:"start-datetime"`
	End   string `json:"end-datetime"`
}

type wireResult struct {
	Policy struct {
		Type    string `json:"policy-type"`
		Strings list   `json:"policy-string,omitempty"`
		Domain  string `json:"policy-domain"`
		MX      list   `json:"mx-host,omitempty"`
	} `json:"policy"`
	Summary struct {
		Success number `json:"total-successful-session-count"`
		Failure number `json:"total-failure-session-count"`
	} `json:"summary"`
	Failures []wireFailure `json:"failure-details,omitempty"`
}

type wireFailure struct {
	Type        string `json:"result-type"`
	SendingIP   string `json:"sending-mta-ip,omitempty"`
	MXHost      string `json:"receiving-mx-hostname,omitempty"`
	MXHelo      string `json:"receiving-mx-helo,omitempty"`
	ReceivingIP string `json:"receiving-ip,omitempty"`
	Count       number `json:"failed-session-count"`
	Info        string `json:"additional-information,omitempty"`
	Reason      string `json:"failure-reason-code,omitempty"`
}

// A list is an array of strings, or a string alone, which is met.
type list []string

func (l *list) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		var s string
		err := json.Unmarshal(data, &s)
		*l = list{s}
		return err
	}
	return json.Unmarshal(data, (*[]string)(l))
}

// A number is one of sessions, also within quotes, which is met.
type number int64

func (n *number) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	v, err := strconv.ParseInt(string(bytes.Trim(data, `"`)), 10, 64)
	if err != nil || v < 0 {
		return fmt.Errorf("%.30q is no number of sessions", data)
	}
	*n = number(v)
	return nil
}

// Read reads a report: JSON, alone or in gzip. What it has wrong but can be read is in Problems. Errors wrap ErrReport or
// ErrLimit, or are r's.
func Read(r io.Reader) (*Report, error) {
	in, err := packed.NewReader(r, packed.Limits{Max: MaxReport})
	if err != nil {
		return nil, readError(err)
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, readError(err)
	}
	var w wireReport
	if err := json.Unmarshal(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), &w); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReport, err)
	}
	return w.report()
}

func readError(err error) error {
	switch {
	case errors.Is(err, packed.ErrTooLarge):
		return fmt.Errorf("%w: %w", ErrLimit, err)
	case errors.Is(err, packed.ErrFormat):
		return fmt.Errorf("%w: %w", ErrReport, err)
	}
	return fmt.Errorf("tlsrpt: read: %w", err)
}

func (w *wireReport) report() (*Report, error) {
	r := &Report{Organization: w.Organization, Contact: w.Contact, ID: w.ID}
	problem := func(format string, args ...any) {
		if len(r.Problems) < 100 {
			r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
		}
	}
	when := func(name, s string) time.Time {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			problem("%s is %.40q", name, s)
		}
		return t
	}
	addr := func(name, s string) netip.Addr {
		a, err := netip.ParseAddr(s)
		if err != nil && s != "" {
			problem("%s is %.60q", name, s)
		}
		return a
	}
	r.Start, r.End = when("start-datetime", w.Range.Start), when("end-datetime", w.Range.End)
	if len(w.Policies) == 0 {
		return nil, fmt.Errorf("%w: no policies", ErrReport)
	}
	if len(w.Policies) > MaxPolicies {
		return nil, fmt.Errorf("%w: more than %d policies", ErrLimit, MaxPolicies)
	}
	failures := 0
	for _, p := range w.Policies {
		if failures += len(p.Failures); failures > MaxFailures {
			return nil, fmt.Errorf("%w: more than %d failures", ErrLimit, MaxFailures)
		}
		res := Result{Success: int64(p.Summary.Success), Failure: int64(p.Summary.Failure),
			Policy: Policy{Type: PolicyType(p.Policy.Type), Strings: p.Policy.Strings, Domain: p.Policy.Domain, MX: p.Policy.MX}}
		switch res.Policy.Type {
		case STS, TLSA, NoPolicy:
		default:
			problem("policy-type is %.40q", p.Policy.Type)
		}
		for _, f := range p.Failures {
			res.Failures = append(res.Failures, Failure{Type: ResultType(f.Type), SendingIP: addr("sending-mta-ip", f.SendingIP), MXHost: f.MXHost, MXHelo: f.MXHelo,
				ReceivingIP: addr("receiving-ip", f.ReceivingIP), Count: int64(f.Count), Info: f.Info, Reason: f.Reason})
		}
		r.Policies = append(r.Policies, res)
	}
	return r, nil
}

// Append appends the report as JSON (RFC 8460 §4.4), times in UTC.
func (r *Report) Append(dst []byte) []byte {
	w := wireReport{Organization: r.Organization, Contact: r.Contact, ID: r.ID, Policies: []wireResult{},
		Range: wireRange{r.Start.UTC().Format(time.RFC3339), r.End.UTC().Format(time.RFC3339)}}
	text := func(a netip.Addr) string {
		if !a.IsValid() {
			return ""
		}
		return a.Unmap().String()
	}
	for _, p := range r.Policies {
		var o wireResult
		o.Policy.Type, o.Policy.Domain, o.Policy.Strings, o.Policy.MX = string(p.Policy.Type), p.Policy.Domain, p.Policy.Strings, p.Policy.MX
		o.Summary.Success, o.Summary.Failure = number(p.Success), number(p.Failure)
		for _, f := range p.Failures {
			o.Failures = append(o.Failures, wireFailure{string(f.Type), text(f.SendingIP), f.MXHost, f.MXHelo, text(f.ReceivingIP), number(f.Count), f.Info, f.Reason})
		}
		w.Policies = append(w.Policies, o)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(w) // strings and numbers alone cannot fail
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}
