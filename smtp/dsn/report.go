package dsn

import (
	"time"

	"github.com/mailbricks/mailbricks/smtp"
)

// An Action is what the reporting host did (RFC 3464 §2.3.3).
type Action string

// Actions.
const (
	Failed    Action = "failed"    // given up
	Delayed   Action = "delayed"   // not yet, still trying
	Delivered Action = "delivered" // in the mailbox
	Relayed   Action = "relayed"   // handed to a host that sends no notifications (RFC 3461 §5.2.2)
	Expanded  Action = "expanded"  // delivered to a list of several
)

// Wanted reports whether a recipient with the given NOTIFY parameter is to be notified of a. Without NOTIFY failures
// and delays are reported (RFC 3461 §4.1).
func (a Action) Wanted(notify smtp.DSNNotify) bool {
	if notify == 0 {
		notify = smtp.NotifyFailure | smtp.NotifyDelay
	}
	if notify&smtp.NotifyNever != 0 {
		return false
	}
	switch a {
	case Failed:
		return notify&smtp.NotifyFailure != 0
	case Delayed:
		return notify&smtp.NotifyDelay != 0
	default:
		return notify&smtp.NotifySuccess != 0
	}
}

// An Address is a typed address: "rfc822" and the plain form of an SMTP mailbox, or "utf-8" (RFC 6533 §3) decoded.
type Address struct {
	Type, Address string
}

// A Report is the machine-readable content of a notification, with the text and the returned message around it.
type Report struct {
	// ReportingMTA is the host that reports, as Reporting-MTA: dns; HOST. MTAs of other types keep their type:
	// "mailbus; SYS30".
	ReportingMTA string
	// EnvelopeID is the ENVID the sender gave (RFC 3461 §4.4), "" if none.
	EnvelopeID string
	// ReceivedFrom is the host the message came from, as for ReportingMTA, "" if not told.
	ReceivedFrom string
	// Arrival is when the reporting host got the message; zero if not told.
	Arrival time.Time
	// DeliverBy is until when it was to be delivered (RFC 2852 §5); zero if not told.
	DeliverBy time.Time
	// FutureRelease is how the sender asked to have it held (RFC 4865 §5.1.2), as smtp.Hold.String gives it; "" if not told.
	FutureRelease string
	// Recipients has one entry for each recipient that is reported, at least one.
	Recipients []Recipient
	// Text is the explanation for people. When building, "" lets Message.Append write one.
	Text string
	// Original is the returned message, or its header: as given to Append, as found by Parse.
	Original []byte
	// Full says that Original is the message to be returned whole; else only its header is.
	Full bool
}

// A Recipient is the state of one recipient (RFC 3464 §2.3).
type Recipient struct {
	// Original is the address as the sender gave it (ORCPT), the zero Address if not known.
	Original Address
	// Final is the address as this host used it.
	Final  Address
	Action Action
	// Status is the enhanced status code. When building, the zero value takes one from Diagnostic, or 4.0.0, 5.0.0,
	// 2.0.0 by Action.
	Status smtp.EnhancedCode
	// RemoteMTA is the host that gave Diagnostic, as for Report.ReportingMTA; "" if it was this one.
	RemoteMTA string
	// Diagnostic is the SMTP reply that led to Action. A parsed diagnostic of another type than smtp has Code 0 and
	// keeps its type in the text. The zero Reply is none.
	Diagnostic smtp.Reply
	// LastAttempt is when this host last tried; zero if not told.
	LastAttempt time.Time
	// RetryUntil is when it will give up, for Delayed; zero if not told.
	RetryUntil time.Time
}

// status returns the status code to write for r.
func (r *Recipient) status() smtp.EnhancedCode {
	class := 2
	switch r.Action {
	case Failed:
		class = 5
	case Delayed:
		class = 4
	}
	for _, c := range []smtp.EnhancedCode{r.Status, r.Diagnostic.Enhanced} {
		// A message that was given up after 4yz replies keeps the temporary code (RFC 3464 §2.3.4, appendix E).
		if c != (smtp.EnhancedCode{}) && (c[0] == class || class == 5 && c[0] == 4) {
			return c
		}
	}
	if class == 5 && r.Diagnostic.Temporary() {
		class = 4
	}
	return smtp.EnhancedCode{class, 0, 0}
}
