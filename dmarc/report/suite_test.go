package report_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/dmarc/report"
	"github.com/mailbricks/mailbricks/internal/suites"
)

// write writes a report as a Writer does, in gzip.
func write(t testing.TB, a *report.Aggregate) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w, err := report.NewWriter(z, a)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range a.Records {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// normal takes out what no report of RFC 9990 has, and what a Writer fills in.
func normal(a *report.Aggregate) *report.Aggregate {
	n := *a
	n.Problems = nil
	n.Errors = n.Errors[:min(len(n.Errors), 1)]
	if n.Policy.P == "" {
		n.Policy.P = "none"
	}
	n.Records = nil
	for _, r := range a.Records {
		r.Sender = r.Sender[:min(len(r.Sender), 1)]
		r.SourceIP = r.SourceIP.Unmap()
		var reasons []report.Reason
		for _, why := range r.Reasons {
			if why.Type == "" {
				why.Type = "other"
			}
			reasons = append(reasons, why)
		}
		r.Reasons = reasons
		n.Records = append(n.Records, r)
	}
	return &n
}

// TestSuiteAggregate reads the public aggregate reports: XML, gzip, zip and mail. Each that can be read is written again
// and read back without loss.
func TestSuiteAggregate(t *testing.T) {
	dir := suites.Dir(t, "dmarc/parsedmarc")
	files, err := filepath.Glob(filepath.Join(dir, "aggregate*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, filepath.Join(dir, "empty.xml"))
	type want struct {
		domain   string
		records  int
		messages int64
		problems int
		err      error
	}
	wants := map[string]want{
		"!example.com!1538204542!1538463818.xml":                                              {"example.com", 1, 1, 1, nil}, // no org_name
		"!large-example.com!1711897200!1711983600.xml":                                        {"example.com", 2286, 2286, 1, nil},
		"Report domain- borschow.com Submitter- google.com Report-ID- 949348866075514174.eml": {"borschow.com", 1, 1, 0, nil},
		"addisonfoods.com!example.com!1536105600!1536191999.xml":                              {"example.com", 1, 1, 0, nil},
		"empty_reason.xml": {"example.com", 1, 2, 0, nil},
		"estadocuenta1.infonacot.gob.mx!example.com!1536853302!1536939702!2940.xml.zip": {"example.com", 1, 1, 0, nil},
		"example.net!example.com!1529366400!1529452799.xml":                             {"example.com", 1, 1, 0, nil},
		"fastmail.com!example.com!1516060800!1516147199!102675056.xml.gz":               {"indemed.com", 1, 1, 0, nil},
		"ikea.com!example.de!1538690400!1538776800.xml":                                 {"example.de", 1, 1, 2, nil}, // within an open <schema>
		"invalid_utf_8.xml":       {"example.com", 1, 1, 1, nil},
		"invalid_xml.xml":         {err: report.ErrReport},    // <email><bad-xml@bad-xml.net></email>
		"mimecast-weird-gzip.eml": {"ab.id.au", 1, 1, 1, nil}, // two octets behind its gzip
		"old_draft_from_wiki.xml": {"example.com", 1, 2, 0, nil},
		"protection.outlook.com!example.com!1711756800!1711843200.xml": {"example.com", 1, 1, 0, nil},
		"rfc9990-example.net!example.com!1700000000!1700086399.xml":    {"example.com", 2, 7, 0, nil},
		"rfc9990-sample.xml": {"example.com", 1, 123, 0, nil},
		"twilight.eml":       {"twlnet.com", 1, 1, 0, nil},
		"usssa.com!example.com!1538784000!1538870399.xml": {"example.com", 2, 2, 0, nil},
		"veeam.com!example.com!1530133200!1530219600.xml": {"example.com", 1, 1, 0, nil},
		"report_with_upper_cased_pass.xml":                {"example.com", 1, 1, 0, nil},
		"empty.xml":                                       {err: report.ErrReport},
	}
	for _, file := range files {
		name := filepath.Base(file)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		do := report.Read
		if strings.HasSuffix(name, ".eml") {
			do = report.ReadMail
		}
		a, err := do(bytes.NewReader(data))
		got := want{err: err}
		if err == nil {
			got = want{a.Policy.Domain, len(a.Records), 0, len(a.Problems), nil}
			for _, r := range a.Records {
				got.messages += r.Count
			}
		}
		w, ok := wants[name]
		if !ok || !errors.Is(err, w.err) || err == nil && got != w {
			t.Errorf("%s: %+v, want %+v", name, got, w)
			if a != nil {
				t.Logf("%q", a.Problems)
			}
		}
		if a == nil {
			continue
		}
		again, err := report.Read(bytes.NewReader(write(t, a)))
		if err != nil || !reflect.DeepEqual(normal(again), normal(a)) {
			t.Errorf("%s: written and read: %v\n%+v\nwant\n%+v", name, err, again, a)
		}
	}
	if len(files) != len(wants) {
		t.Errorf("%d files, %d wanted", len(files), len(wants))
	}
}

// TestSuiteFailure reads the public failure reports. One is text for people alone.
func TestSuiteFailure(t *testing.T) {
	dir := filepath.Join(suites.Dir(t, "dmarc/parsedmarc"), "failure")
	for name, want := range map[string]report.Failure{
		"DMARC Failure Report for domain.de (mail-from=sharepoint@domain.de, ip=10.10.10.10).eml": {UserAgent: "Lua/1.0", AuthFailure: "dmarc", Delivery: "smg-policy-action",
			Arrival: time.Date(2018, 10, 1, 9, 20, 27, 0, time.UTC), SourceIP: netip.MustParseAddr("10.10.10.10"), MailFrom: "sharepoint@domain.de", RcptTo: []string{"peter.pan@domain.de"},
			ReportedDomains: []string{"domain.de"}, Results: []string{"dmarc=fail (p=none, dis=none) header.from=domain.de"}},
		"[Netease DMARC Failure Report] Rent Reminder.eml": {UserAgent: "NtesDmarcReporter/1.0", Alignment: []string{"spf", "dkim"}, Delivery: "delivered",
			Arrival: time.Date(2018, 9, 28, 8, 48, 42, 0, time.UTC), SourceIP: netip.MustParseAddr("167.89.69.24"), MailFrom: "bounces+1137616-c1ad-xsj399=163.com@email.entrata.com",
			ReportedDomains: []string{"cardinal.com"}, EnvelopeID: "N8CowEApcUPo6q1bnXlMAA--.44392S3", DKIMDomain: "entrata.com",
			Results: []string{"163.com; dkim=pass (verify result: all signatures verified) header.d=entrata.com; spf=pass smtp.mailfrom=bounces+1137616-c1ad-xsj399=163.com@email.entrata.com"}},
		"dmarc_ruf_report_linkedin.eml":      linkedin,
		"dmarc_ruf_report_linkedin.crlf.eml": linkedin,
	} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		f, err := report.ReadFailure(bytes.NewReader(data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		original := f.Original
		if !bytes.Contains(original, []byte("Received: ")) || f.HeaderOnly {
			t.Errorf("%s: the message is %q", name, original)
		}
		got := *f
		got.Original, got.Arrival = nil, got.Arrival.UTC()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%+v, want\n%+v", name, got, want)
		}
		mail, err := f.AppendMail(nil, report.Mail{From: "a@b.example", To: "c@d.example", Submitter: "b.example", MessageID: "1@b.example", Date: f.Arrival})
		if err != nil {
			t.Fatal(err)
		}
		again, err := report.ReadFailure(bytes.NewReader(mail))
		if err != nil {
			t.Fatal(err)
		}
		if again.Arrival = f.Arrival; again.AuthFailure == "dmarc" {
			f.AuthFailure = "dmarc"
		}
		if !reflect.DeepEqual(again, f) {
			t.Errorf("%s, written and read:\n%+v, want\n%+v", name, again, f)
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "exim_plain_text_only_no_arf_part.eml"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := report.ReadFailure(bytes.NewReader(data)); !errors.Is(err, report.ErrNoReport) {
		t.Error(err)
	}
}

var linkedin = report.Failure{UserAgent: "Lua/1.0", AuthFailure: "dmarc", Delivery: "delivered", Arrival: time.Date(2019, 4, 30, 2, 9, 0, 0, time.UTC),
	SourceIP: netip.MustParseAddr("10.10.10.10"), RcptTo: []string{"recipient@linkedin.com"}, ReportedDomains: []string{"example.com"},
	Results: []string{"dmarc=fail (p=none; dis=none) header.from=example.com"}}
