package report_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/dmarc"
	"github.com/mailbricks/mailbricks/dmarc/report"
)

// Who sends mail in my name, and does it pass?
func ExampleRead() {
	const came = `<?xml version="1.0"?><feedback><report_metadata><org_name>Example Net</org_name><report_id>1</report_id>
		<date_range><begin>1777593600</begin><end>1777679999</end></date_range></report_metadata><policy_published><domain>example.com</domain><p>none</p></policy_published>
		<record><row><source_ip>192.0.2.1</source_ip><count>123</count><policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>
		<identifiers><header_from>example.com</header_from></identifiers><auth_results></auth_results></record></feedback>`
	a, err := report.Read(strings.NewReader(came)) // or ReadMail, for the mail that carried it
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(a.Organization, "about", a.Policy.Domain)
	for _, r := range a.Records {
		fmt.Println(r.Count, "messages from", r.SourceIP, "DKIM", r.DKIM, "SPF", r.SPF)
	}
	// Output:
	// Example Net about example.com
	// 123 messages from 192.0.2.1 DKIM pass SPF fail
}

// Write a report, record by record, into gzip.
func ExampleWriter() {
	day := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	head := &report.Aggregate{Organization: "Example Net", Contact: "dmarc@example.net", ID: "1", Begin: day, End: day.Add(24*time.Hour - time.Second),
		Policy: report.Published{Domain: "example.com", Discovery: "treewalk", P: dmarc.PolicyReject}}
	var file bytes.Buffer
	gz := gzip.NewWriter(&file)
	w, err := report.NewWriter(gz, head)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := w.Write(report.Record{SourceIP: netip.MustParseAddr("192.0.2.1"), Count: 7, Disposition: "pass", DKIM: dmarc.Pass, SPF: dmarc.Fail, HeaderFrom: "example.com"}); err != nil {
		fmt.Println(err)
		return
	}
	if err := w.Close(); err != nil {
		fmt.Println(err)
		return
	}
	if err := gz.Close(); err != nil {
		fmt.Println(err)
		return
	}
	a, err := report.Read(&file)
	fmt.Println(a.Records[0].Count, err, head.Filename("example.net"))
	// Output: 7 <nil> example.net!example.com!1777593600!1777679999.xml.gz
}

// May reports about example.com go where its record wants them?
func ExampleDestinations() {
	zone := dnstest.New() // or net.DefaultResolver
	zone.AddTXT("_dmarc.example.com", "v=DMARC1; p=none; rua=mailto:agg@example.com,mailto:d@service.example,mailto:x@victim.example")
	zone.AddTXT("*._report._dmarc.service.example", "v=DMARC1")
	record, err := dmarc.ParseRecord("v=DMARC1; p=none; rua=mailto:agg@example.com,mailto:d@service.example,mailto:x@victim.example")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range report.Destinations(context.Background(), zone, "example.com", record.RUA, false) {
		fmt.Println(d.Addresses, d.Err)
	}
	// Output:
	// [agg@example.com] <nil>
	// [d@service.example] <nil>
	// [] report: domain has not said that it takes these reports: no record example.com._report._dmarc.victim.example
}
