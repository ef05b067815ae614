package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/dmarc/report"
	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/mtasts/tlsrpt"
)

// A found is a report of one of three kinds; the others are nil.
type found struct {
	aggregate *report.Aggregate
	failure   *report.Failure
	tls       *tlsrpt.Report
}

// readReport prints a report of DMARC or TLS, or the one that a mail carries.
func readReport(_ context.Context, fs *flag.FlagSet, args []string, stdout io.Writer) error {
	asJSON := jsonFlag(fs)
	if err := cli.Parse(fs, args, 1); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return cli.Usagef("report takes one file: XML or JSON, plain, gzip or zip, or the mail that carried it")
	}
	f, err := os.Open(fs.Arg(0))
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, report.MaxMessage+1)) // the readers refuse what is longer
	if err != nil {
		return err
	}
	r, err := parseReport(data)
	if err != nil {
		return fmt.Errorf("%s: %w", fs.Arg(0), err)
	}
	if *asJSON {
		return writeJSON(stdout, r.json())
	}
	_, err = io.WriteString(stdout, r.text())
	return err
}

// parseReport finds out what a file holds.
func parseReport(data []byte) (found, error) {
	var r found
	var err error
	head := bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), " \t\r\n")
	packed := bytes.HasPrefix(data, []byte("\x1f\x8b")) || bytes.HasPrefix(data, []byte("PK\x03\x04"))
	utf16 := bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff"))
	if packed || utf16 || bytes.HasPrefix(head, []byte("<")) || bytes.HasPrefix(head, []byte("{")) {
		if r.aggregate, err = report.Read(bytes.NewReader(data)); err == nil {
			return r, nil
		}
		var tlsErr error
		if r.tls, tlsErr = tlsrpt.Read(bytes.NewReader(data)); tlsErr == nil {
			return r, nil
		}
		if bytes.HasPrefix(head, []byte("{")) {
			err = tlsErr
		}
		return r, err
	}
	if r.failure, err = report.ReadFailure(bytes.NewReader(data)); !errors.Is(err, report.ErrNoReport) {
		return r, err
	}
	if r.tls, err = tlsrpt.ReadMessage(bytes.NewReader(data)); !errors.Is(err, tlsrpt.ErrNoReport) {
		return r, err
	}
	r.aggregate, err = report.ReadMail(bytes.NewReader(data))
	return r, err
}

type reportJSON struct {
	Kind         string       `json:"kind"` // "aggregate", "failure" or "tls"
	Organization string       `json:"organization,omitempty"`
	ID           string       `json:"id,omitempty"`
	Begin        *time.Time   `json:"begin,omitempty"`
	End          *time.Time   `json:"end,omitempty"`
	Domain       string       `json:"domain,omitempty"`
	Policy       string       `json:"policy,omitempty"`
	Records      []recordJSON `json:"records,omitempty"`
	*failureJSON
	TLS      json.RawMessage `json:"tls,omitempty"` // the report as RFC 8460 §4.4 has it
	Problems []string        `json:"problems,omitempty"`
}

type recordJSON struct {
	SourceIP    string `json:"source_ip"`
	Count       int64  `json:"count"`
	Disposition string `json:"disposition"`
	DKIM        string `json:"dkim"`
	SPF         string `json:"spf"`
	HeaderFrom  string `json:"header_from"`
	Reason      string `json:"reason,omitempty"`
}

type failureJSON struct {
	AuthFailure string   `json:"auth_failure"`
	Alignment   []string `json:"identity_alignment,omitempty"`
	Delivery    string   `json:"delivery_result,omitempty"`
	SourceIP    string   `json:"source_ip,omitempty"`
	MailFrom    string   `json:"mail_from"`
	RcptTo      []string `json:"rcpt_to,omitempty"`
	Results     []string `json:"authentication_results,omitempty"`
	Original    int      `json:"original_octets"` // how much of the message there is
}

func (r found) json() reportJSON {
	when := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		t = t.UTC()
		return &t
	}
	switch {
	case r.aggregate != nil:
		a := r.aggregate
		out := reportJSON{Kind: "aggregate", Organization: a.Organization, ID: a.ID, Begin: when(a.Begin), End: when(a.End), Domain: a.Policy.Domain, Policy: string(a.Policy.P), Problems: a.Problems}
		for _, rec := range a.Records {
			out.Records = append(out.Records, recordJSON{address(rec.SourceIP), rec.Count, rec.Disposition, string(rec.DKIM), string(rec.SPF), rec.HeaderFrom, reasons(rec)})
		}
		return out
	case r.failure != nil:
		f := r.failure
		return reportJSON{Kind: "failure", Begin: when(f.Arrival), Domain: strings.Join(f.ReportedDomains, ", "), Problems: f.Problems,
			failureJSON: &failureJSON{f.AuthFailure, f.Alignment, f.Delivery, address(f.SourceIP), f.MailFrom, f.RcptTo, f.Results, len(f.Original)}}
	}
	t := r.tls
	return reportJSON{Kind: "tls", Organization: t.Organization, ID: t.ID, Begin: when(t.Start), End: when(t.End), TLS: t.Append(nil), Problems: t.Problems}
}

func address(a interface {
	IsValid() bool
	String() string
}) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func reasons(r report.Record) string {
	var out []string
	for _, why := range r.Reasons {
		out = append(out, strings.TrimSpace(why.Type+" "+why.Comment))
	}
	return strings.Join(out, "; ")
}

func (r found) text() string {
	var b strings.Builder
	day := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }
	var problems []string
	switch {
	case r.aggregate != nil:
		a := r.aggregate
		fmt.Fprintf(&b, "DMARC aggregate report of %s about %s\n%s to %s, p=%s, %d records\n\n", printable(a.Organization), printable(a.Policy.Domain), day(a.Begin), day(a.End), a.Policy.P, len(a.Records))
		fmt.Fprintf(&b, "%8s  %-40s %-5s %-5s %-11s %s\n", "messages", "from", "DKIM", "SPF", "done", "author")
		for _, rec := range a.Records {
			fmt.Fprintf(&b, "%8d  %-40s %-5s %-5s %-11s %s", rec.Count, address(rec.SourceIP), printable(string(rec.DKIM)), printable(string(rec.SPF)), printable(rec.Disposition), printable(rec.HeaderFrom))
			if why := reasons(rec); why != "" {
				fmt.Fprintf(&b, " (%s)", printable(why))
			}
			b.WriteByte('\n')
		}
		problems = a.Problems
	case r.failure != nil:
		f := r.failure
		fmt.Fprintf(&b, "DMARC failure report about %s\n", printable(strings.Join(f.ReportedDomains, ", ")))
		for _, line := range [][2]string{{"from address", address(f.SourceIP)}, {"MAIL FROM", f.MailFrom}, {"RCPT TO", strings.Join(f.RcptTo, ", ")}, {"failed", f.AuthFailure},
			{"not aligned", strings.Join(f.Alignment, ", ")}, {"delivery", f.Delivery}, {"results", strings.Join(f.Results, "; ")}} {
			if line[1] != "" {
				fmt.Fprintf(&b, "  %-12s %s\n", line[0], printable(line[1]))
			}
		}
		fmt.Fprintf(&b, "  %-12s %d octets\n", "message", len(f.Original))
		problems = f.Problems
	default:
		t := r.tls
		fmt.Fprintf(&b, "TLS report of %s, %s to %s\n", printable(t.Organization), day(t.Start), day(t.End))
		for _, p := range t.Policies {
			fmt.Fprintf(&b, "\n%s under %s: %d sessions, %d failed\n", printable(p.Policy.Domain), printable(string(p.Policy.Type)), p.Success+p.Failure, p.Failure)
			for _, f := range p.Failures {
				fmt.Fprintf(&b, "%8d  %s at %s %s\n", f.Count, printable(string(f.Type)), printable(f.MXHost), printable(f.Reason))
			}
		}
		problems = t.Problems
	}
	for _, p := range problems {
		fmt.Fprintf(&b, "  ! %s\n", printable(p))
	}
	return b.String()
}
