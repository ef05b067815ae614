package dsn

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/smtp"
)

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// TestRFC3464Examples parses the examples of RFC 3464 appendix E (line breaks mended).
func TestRFC3464Examples(t *testing.T) {
	edt := time.FixedZone("", -4*3600)
	tests := []struct {
		name, msg string
		want      Report
	}{
		{"simple", `Date: Thu, 7 Jul 1994 17:16:05 -0400
From: Mail Delivery Subsystem <MAILER-DAEMON@CS.UTK.EDU>
Subject: Returned mail: Cannot send message for 5 days
To: <owner-info-mime@cs.utk.edu>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
       boundary="RAA14128.773615765/CS.UTK.EDU"

--RAA14128.773615765/CS.UTK.EDU

The original message was received at Sat, 2 Jul 1994 17:10:28 -0400
from root@localhost
--RAA14128.773615765/CS.UTK.EDU
content-type: message/delivery-status

Reporting-MTA: dns; cs.utk.edu

Original-Recipient: rfc822;louisl@larry.slip.umd.edu
Final-Recipient: rfc822;louisl@larry.slip.umd.edu
Action: failed
Status: 4.0.0
Diagnostic-Code: smtp; 426 connection timed out
Last-Attempt-Date: Thu, 7 Jul 1994 17:15:49 -0400

--RAA14128.773615765/CS.UTK.EDU
content-type: message/rfc822

[original message goes here]

--RAA14128.773615765/CS.UTK.EDU--
`, Report{
			ReportingMTA: "cs.utk.edu",
			Recipients: []Recipient{{
				Original:    Address{"rfc822", "louisl@larry.slip.umd.edu"},
				Final:       Address{"rfc822", "louisl@larry.slip.umd.edu"},
				Action:      Failed,
				Status:      smtp.EnhancedCode{4, 0, 0},
				Diagnostic:  smtp.Reply{Code: 426, Lines: []string{"connection timed out"}},
				LastAttempt: time.Date(1994, 7, 7, 17, 15, 49, 0, edt),
			}},
			Text:     "The original message was received at Sat, 2 Jul 1994 17:10:28 -0400\nfrom root@localhost",
			Original: []byte("[original message goes here]\r\n"),
			Full:     true,
		}},
		{"multi-recipient", `From: Mail Delivery Subsystem <MAILER-DAEMON@CS.UTK.EDU>
Subject: Returned mail: User unknown
To: <owner-ups-mib@CS.UTK.EDU>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
       boundary="JAA13167.773673707/CS.UTK.EDU"

--JAA13167.773673707/CS.UTK.EDU
content-type: text/plain; charset=us-ascii

<wsnell@sdcc13.ucsd.edu> (unrecoverable error)

--JAA13167.773673707/CS.UTK.EDU
content-type: message/delivery-status

Reporting-MTA: dns; cs.utk.edu

Original-Recipient: rfc822;arathib@vnet.ibm.com
Final-Recipient: rfc822;arathib@vnet.ibm.com
Action: failed
Status: 5.0.0 (permanent failure)
Diagnostic-Code: smtp;  550 'arathib@vnet.IBM.COM' is not a
 registered gateway user
Remote-MTA: dns; vnet.ibm.com

Original-Recipient: rfc822;johnh@hpnjld.njd.hp.com
Final-Recipient: rfc822;johnh@hpnjld.njd.hp.com
Action: delayed
Status: 4.0.0 (hpnjld.njd.jp.com: host name lookup failure)

--JAA13167.773673707/CS.UTK.EDU--
`, Report{
			ReportingMTA: "cs.utk.edu",
			Recipients: []Recipient{
				{
					Original:   Address{"rfc822", "arathib@vnet.ibm.com"},
					Final:      Address{"rfc822", "arathib@vnet.ibm.com"},
					Action:     Failed,
					Status:     smtp.EnhancedCode{5, 0, 0},
					Diagnostic: smtp.Reply{Code: 550, Lines: []string{"'arathib@vnet.IBM.COM' is not a registered gateway user"}},
					RemoteMTA:  "vnet.ibm.com",
				},
				{
					Original: Address{"rfc822", "johnh@hpnjld.njd.hp.com"},
					Final:    Address{"rfc822", "johnh@hpnjld.njd.hp.com"},
					Action:   Delayed,
					Status:   smtp.EnhancedCode{4, 0, 0},
				},
			},
			Text: "<wsnell@sdcc13.ucsd.edu> (unrecoverable error)\n",
		}},
		{"gateway", `MIME-version: 1.0
content-type: multipart/report;
    report-type=delivery-status;
    boundary="84229080704991.122306.SYS30"

--84229080704991.122306.SYS30
content-type: text/plain

Invalid address - nair_s
--84229080704991.122306.SYS30
content-type: message/delivery-status

Reporting-MTA: mailbus; SYS30

Final-Recipient: unknown; nair_s
Status: 5.0.0 (unknown permanent failure)
Action: failed

--84229080704991.122306.SYS30--
`, Report{
			ReportingMTA: "mailbus; SYS30",
			Recipients:   []Recipient{{Final: Address{"unknown", "nair_s"}, Action: Failed, Status: smtp.EnhancedCode{5, 0, 0}}},
			Text:         "Invalid address - nair_s",
		}},
		{"delayed", `MIME-Version: 1.0
content-type: multipart/report; report-type=delivery-status;
       boundary=foobar

--foobar
content-type: text/plain

Please quote the Q-ID in any queries regarding this mail.
--foobar
content-type: message/delivery-status

Reporting-MTA: dns; sun2.nsfnet-relay.ac.uk

Final-Recipient: rfc822;thomas@de-montfort.ac.uk
Status: 4.0.0 (unknown temporary failure)
Action: delayed

--foobar--
`, Report{
			ReportingMTA: "sun2.nsfnet-relay.ac.uk",
			Recipients:   []Recipient{{Final: Address{"rfc822", "thomas@de-montfort.ac.uk"}, Action: Delayed, Status: smtp.EnhancedCode{4, 0, 0}}},
			Text:         "Please quote the Q-ID in any queries regarding this mail.",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(strings.NewReader(crlf(tt.msg)))
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range got.Recipients {
				if w := tt.want.Recipients[i].LastAttempt; w.Equal(r.LastAttempt) {
					got.Recipients[i].LastAttempt = w // the same instant, whatever its Location
				}
			}
			if !reflect.DeepEqual(*got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", *got, tt.want)
			}
		})
	}
}
