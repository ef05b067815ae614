package dsn_test

import (
	"bytes"
	"fmt"
	"log"
	"net/mail"
	"time"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/dsn"
)

// Which recipients does a bounce speak of, and why did it fail?
func ExampleParse() {
	m := dsn.Message{
		To:        smtp.Path{Local: "alice", Domain: "example.com"},
		MessageID: "4711@mx.example.com",
		Date:      time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC),
		Report: dsn.Report{
			ReportingMTA: "mx.example.com",
			Recipients: []dsn.Recipient{{
				Final:      dsn.Address{Type: "rfc822", Address: "bob@example.net"},
				Action:     dsn.Failed,
				RemoteMTA:  "mx.example.net",
				Diagnostic: smtp.NewReply(550, smtp.EnhancedCode{5, 1, 1}, "No such user"),
			}},
			Original: []byte("Subject: lunch\r\n\r\nToday?\r\n"),
		},
	}
	msg, err := m.Append(nil)
	if err != nil {
		log.Fatal(err)
	}

	report, err := dsn.Parse(bytes.NewReader(msg))
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range report.Recipients {
		fmt.Printf("%s %s: %s said %s\n", r.Final.Address, r.Action, r.RemoteMTA, r.Diagnostic)
	}
	fmt.Print(report.Text)
	fmt.Printf("%s", report.Original)
	// Output:
	// bob@example.net failed: mx.example.net said 550 5.1.1 No such user
	// This is the mail system at mx.example.com.
	//
	// Your message could not be delivered to the following recipients, and will not be
	// tried again:
	//
	//   <bob@example.net>
	//     mx.example.net said: 550 5.1.1 No such user
	// Subject: lunch
}

// Has my message been read?
func ExampleParseMDN() {
	receipt := dsn.Receipt{
		To:        []*mail.Address{{Address: "alice@example.com"}},
		From:      mail.Address{Name: "Bob", Address: "bob@example.net"},
		MessageID: "4711@example.net",
		Date:      time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC),
		MDN: dsn.MDN{
			FinalRecipient:    dsn.Address{Type: "rfc822", Address: "bob@example.net"},
			OriginalMessageID: "42@example.com",
			Disposition:       dsn.Disposition{Action: dsn.ManualAction, Sending: dsn.SentManually, Type: dsn.Displayed},
		},
	}
	msg, err := receipt.Append(nil)
	if err != nil {
		log.Fatal(err)
	}

	mdn, err := dsn.ParseMDN(bytes.NewReader(msg))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(mdn.OriginalMessageID, mdn.Disposition.Type, "by", mdn.FinalRecipient.Address)
	fmt.Print(mdn.Text)
	// Output:
	// 42@example.com displayed by bob@example.net
	// Your message to bob@example.net has been displayed.
	//
	// This is no guarantee that it has been read or understood.
}
