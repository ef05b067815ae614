package tlsrpt_test

import (
	"fmt"
	"strings"

	"github.com/mailbricks/mailbricks/mtasts/tlsrpt"
)

// What did others see when they sent mail to me?
func ExampleRead() {
	const came = `{"organization-name":"Example Net","date-range":{"start-datetime":"2026-05-01T00:00:00Z","end-datetime":"2026-05-01T23:59:59Z"},
		"contact-info":"tls@example.net","report-id":"20260501","policies":[{"policy":{"policy-type":"sts","policy-domain":"example.com","mx-host":["*.example.com"]},
		"summary":{"total-successful-session-count":5326,"total-failure-session-count":100},
		"failure-details":[{"result-type":"certificate-expired","receiving-mx-hostname":"mx1.example.com","failed-session-count":100}]}]}`
	report, err := tlsrpt.Read(strings.NewReader(came)) // or ReadMessage, for the mail that carried it
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range report.Policies {
		fmt.Printf("%s, by %s: %d sessions to %s, %d failed\n", report.Start.Format("2 Jan"), report.Organization, p.Success+p.Failure, p.Policy.Domain, p.Failure)
		for _, f := range p.Failures {
			fmt.Printf("  %d at %s: %s\n", f.Count, f.MXHost, f.Type)
		}
	}
	// Output:
	// 1 May, by Example Net: 5426 sessions to example.com, 100 failed
	//   100 at mx1.example.com: certificate-expired
}

// What to publish, to be told.
func ExampleRecord_Append() {
	r := tlsrpt.Record{RUA: []string{"mailto:tls@example.com"}}
	txt, err := r.Append(nil)
	fmt.Printf("_smtp._tls.example.com. TXT %q %v\n", txt, err)
	// Output: _smtp._tls.example.com. TXT "v=TLSRPTv1; rua=mailto:tls@example.com" <nil>
}
