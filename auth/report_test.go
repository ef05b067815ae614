package auth_test

import (
	"bytes"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth"
	"github.com/mailbricks/mailbricks/dmarc"
	"github.com/mailbricks/mailbricks/dmarc/report"
)

// TestAggregate: what is found out about messages goes into a report, and comes out of it.
func TestAggregate(t *testing.T) {
	z, key := world(t)
	rec := signed(t, key, "example.com", letter)
	twice := strings.Replace(signed(t, key, "example.com", letter), "b=", "b=AAAA", 1)[:strings.Index(rec, "From:")+4] + rec
	forged := auth.Connection{IP: netip.MustParseAddr("::ffff:203.0.113.5"), HELO: "x", MailFrom: "eve@Evil.example"}
	c := auth.Checker{ID: "mx.example.org", Resolver: z}
	for name, tt := range map[string]struct {
		conn    auth.Connection
		message string
		done    dmarc.Policy
		want    report.Record
	}{
		"all pass": {from, rec, dmarc.PolicyNone, report.Record{SourceIP: from.IP, Count: 1, Disposition: "pass", DKIM: dmarc.Pass, SPF: dmarc.Pass, HeaderFrom: "example.com", EnvelopeFrom: "example.com",
			Signatures: []report.Signature{{Domain: "example.com", Selector: "s", Result: "pass"}}, Sender: []report.Sender{{Domain: "example.com", Scope: "mfrom", Result: "pass", Human: "mx"}}}},
		"forged": {forged, letter, dmarc.PolicyReject, report.Record{SourceIP: netip.MustParseAddr("203.0.113.5"), Count: 1, Disposition: "reject", DKIM: dmarc.Fail, SPF: dmarc.Fail, HeaderFrom: "example.com",
			EnvelopeFrom: "evil.example", Sender: []report.Sender{{Domain: "evil.example", Scope: "mfrom", Result: "none"}}}},
		"the signature that passes first": {auth.Connection{}, twice, dmarc.PolicyNone, report.Record{Count: 1, Disposition: "pass", DKIM: dmarc.Pass, SPF: dmarc.Fail, HeaderFrom: "example.com",
			Signatures: []report.Signature{{Domain: "example.com", Selector: "s", Result: "pass"}, {Domain: "example.com", Selector: "s", Result: "fail", Human: "signature does not verify"}}}},
	} {
		v := check(t, c, tt.conn, tt.message)
		got := v.Record(tt.conn, tt.done)
		for i := range got.Sender {
			if tt.want.Sender != nil && got.Sender[i].Human != "" {
				tt.want.Sender[i].Human = got.Sender[i].Human // for people
			}
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\n%+v, want\n%+v", name, got, tt.want)
		}
	}
	z.AddTXT("_dmarc.test.example", "v=DMARC1; p=reject; t=y; sp=none; adkim=s; fo=1; ruf=mailto:f@test.example")
	v := check(t, c, auth.Connection{}, "From: a@test.example\r\n\r\n")
	if got, want := v.Published(), (report.Published{Domain: "test.example", Discovery: "treewalk", P: "reject", SP: "none", NP: "none", StrictDKIM: true, Testing: true, FO: "1"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if r := v.Record(auth.Connection{}, dmarc.PolicyQuarantine); len(r.Reasons) != 1 || r.Reasons[0].Type != "policy_test_mode" {
		t.Errorf("%+v", r)
	}
	if p := check(t, c, auth.Connection{}, "From: a@nobody.example\r\n\r\n").Published(); p.Domain != "" {
		t.Errorf("%+v", p)
	}
	var b bytes.Buffer
	day := time.Unix(1777593600, 0).UTC()
	w, err := report.NewWriter(&b, &report.Aggregate{Organization: "x", ID: "1", Begin: day, End: day.Add(time.Hour), Policy: v.Published()})
	if err != nil {
		t.Fatal(err)
	}
	record := check(t, c, from, twice).Record(from, dmarc.PolicyNone)
	if err := w.Write(record); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if a, err := report.Read(&b); err != nil || len(a.Problems) > 0 || a.Policy != v.Published() || !reflect.DeepEqual(a.Records[0], record) {
		t.Errorf("%+v, %v; want %+v", a, err, record)
	}
}

// TestFailure: who gets a failure report is what the fo tag says (RFC 9989 §4.7).
func TestFailure(t *testing.T) {
	z, key := world(t)
	good := signed(t, key, "example.com", letter)
	elsewhere := auth.Connection{IP: netip.MustParseAddr("198.51.100.1"), HELO: "x", MailFrom: "ann@example.com"}
	for _, tt := range []struct {
		record, message string
		conn            auth.Connection
		want            string // not aligned; "none" for none, "" for no report
	}{
		{"ruf=mailto:f@example.com", letter, elsewhere, "dkim,spf"},
		{"ruf=mailto:f@example.com", good, elsewhere, ""},
		{"ruf=mailto:f@example.com; fo=0", letter, elsewhere, "dkim,spf"},
		{"ruf=mailto:f@example.com; fo=1", good, elsewhere, "spf"},
		{"ruf=mailto:f@example.com; fo=1", letter, from, "dkim"},
		{"ruf=mailto:f@example.com; fo=1", good, from, ""},
		{"ruf=mailto:f@example.com; fo=d", good + "PS\r\n", from, "dkim"},
		{"ruf=mailto:f@example.com; fo=d", letter, elsewhere, ""},
		{"ruf=mailto:f@example.com; fo=s", good, elsewhere, "spf"},
		{"ruf=mailto:f@example.com; fo=s", good, auth.Connection{}, ""},
		{"ruf=mailto:f@example.com; psd=y", letter, elsewhere, ""},
		{"fo=1", letter, elsewhere, ""},
	} {
		zone := z
		zone.Remove("_dmarc.example.com")
		zone.AddTXT("_dmarc.example.com", "v=DMARC1; p=reject; "+tt.record)
		f := check(t, auth.Checker{ID: "mx.example.org", Resolver: zone}, tt.conn, tt.message).Failure(tt.conn)
		got := ""
		if f != nil {
			got = strings.Join(f.Alignment, ",")
			if f.SourceIP != tt.conn.IP || f.ReportedDomains[0] != "example.com" || !strings.HasPrefix(f.Results[0], "mx.example.org; spf=") {
				t.Errorf("%+v", f)
			}
			mail, err := f.AppendMail(nil, report.Mail{From: "a@b.example", To: "f@example.com", Submitter: "b.example", MessageID: "1@b.example"})
			if err != nil {
				t.Fatal(err)
			}
			again, err := report.ReadFailure(bytes.NewReader(mail))
			if err != nil || len(again.Problems) > 0 || !reflect.DeepEqual(again.Alignment, f.Alignment) || !reflect.DeepEqual(again.SPFDNS, f.SPFDNS) || again.DKIMSelector != f.DKIMSelector {
				t.Errorf("%+v, %v; want %+v", again, err, f)
			}
		}
		if got != tt.want {
			t.Errorf("%s, %s: %q, want %q", tt.record, tt.conn.IP, got, tt.want)
		}
	}
}
