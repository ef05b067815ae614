package mail

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
)

// SubmissionRoles are the roles for the type EmailSubmission: with all of them submissions are kept, can wait, and can be
// taken back. Without them a submission is sent by the call that makes it, and forgotten.
type SubmissionRoles struct {
	// Getter returns what is kept, in the order of creation.
	Getter  jmap.Getter[jmap.NoArgs, KeptSubmission]
	Changer jmap.Changer
	// Setter keeps a submission under the id that it has, and updates by SubmissionUpdate.Apply. It may refuse with
	// overQuota, and to destroy one that is still to be handed over with forbidden; the oldest of the others may go by
	// themselves. The message and the reports that a submission names can be opened as Blobs while it is kept.
	Setter jmap.Setter[KeptSubmission, SubmissionUpdate, jmap.NoArgs, KeptSubmission]
	Outbox Outbox
}

// Kept reports whether all the roles are there.
func (r SubmissionRoles) Kept() bool {
	return r.Getter != nil && r.Changer != nil && r.Setter != nil && r.Outbox != nil
}

// An Outbox hands over what is kept; package outbox has one.
type Outbox interface {
	// Send hands over a submission, unless it is to wait, or is being handed over already, and returns it as it is then.
	// The error is a *jmap.SetError where it was refused for good, all of it.
	Send(ctx context.Context, a *Account, id jmap.ID) (*KeptSubmission, error)
	// Hold keeps a submission from being handed over until release is called; false: it is being handed over.
	Hold(id jmap.ID) (release func(), ok bool)
}

// A KeptSubmission is a submission and what is needed to send it.
type KeptSubmission struct {
	Submission EmailSubmission `json:"submission"` // with its Envelope
	// BlobID is the message while it is to be handed over, MessageID its Message-ID.
	BlobID    jmap.ID `json:"blobId,omitzero"`
	MessageID string  `json:"messageId,omitzero"`
	// NextAttempt is when it is to be handed over; zero: never again.
	NextAttempt jmap.UTCDate `json:"nextAttempt,omitzero"`
	Failures    int          `json:"failures,omitzero"`
}

// Waiting returns the indexes of the recipients to whom the message is still to be handed over.
func (k *KeptSubmission) Waiting() []int {
	var out []int
	for i, to := range k.Submission.Envelope.RcptTo {
		if s, ok := k.Submission.DeliveryStatus[to.Email]; !ok || s.Delivered == DeliveryQueued {
			out = append(out, i)
		}
	}
	return out
}

// A SubmissionUpdate is what changes of a KeptSubmission: one of these.
type SubmissionUpdate struct {
	Cancel  bool
	Attempt *SubmissionAttempt
	Report  *SubmissionReport
}

// A SubmissionAttempt is what came of handing a message over.
type SubmissionAttempt struct {
	Status map[string]DeliveryStatus // by recipient
	Next   time.Time                 // zero: there is no other attempt
}

// A SubmissionReport is what a DSN or an MDN that came back says of a submission.
type SubmissionReport struct {
	BlobID     jmap.ID // the report as it came
	MDN        bool
	Recipients []ReportedRecipient
}

// A ReportedRecipient is one recipient of a SubmissionReport.
type ReportedRecipient struct {
	Address   string
	SMTPReply string    // "": not told
	Delivered Delivered // DeliveryYes, DeliveryNo, or "" for what says neither
	Displayed bool
}

// Limits of what reports, which come from anybody who has seen the message, add to a submission.
const (
	MaxReports   = 100 // of either kind
	maxSMTPReply = 512 // octets
)

// Apply changes k, or returns a *jmap.SetError: CannotUnsend to cancel what has been handed over to somebody, and
// NotFound for a report that says nothing about k.
func (u SubmissionUpdate) Apply(k *KeptSubmission) error {
	s := &k.Submission
	switch {
	case u.Cancel:
		if s.UndoStatus == UndoFinal {
			return &jmap.SetError{Type: jmap.SetCannotUnsend}
		}
		s.UndoStatus = UndoCanceled
		for _, to := range s.Envelope.RcptTo {
			k.setStatus(to.Email, DeliveryStatus{SMTPReply: "554 5.7.0 Canceled before it was sent", Delivered: DeliveryNo})
		}
		k.done()
	case u.Attempt != nil:
		taken := false
		for to, status := range u.Attempt.Status {
			taken = taken || status.Taken()
			k.setStatus(to, status)
		}
		k.NextAttempt = jmap.UTCDate{Time: u.Attempt.Next}
		if k.NextAttempt.IsZero() {
			k.done()
		} else {
			k.Failures++
		}
		if taken || k.NextAttempt.IsZero() {
			s.UndoStatus = UndoFinal
		}
	case u.Report != nil:
		return k.report(u.Report)
	}
	return nil
}

func (k *KeptSubmission) done() { k.NextAttempt, k.BlobID = jmap.UTCDate{}, "" }

// setStatus changes what is known of a recipient; whoever has seen the old map keeps it.
func (k *KeptSubmission) setStatus(to string, status DeliveryStatus) {
	m := make(map[string]DeliveryStatus, len(k.Submission.Envelope.RcptTo))
	maps.Copy(m, k.Submission.DeliveryStatus)
	status.SMTPReply = strings.ToValidUTF8(status.SMTPReply[:min(len(status.SMTPReply), maxSMTPReply)], "")
	if status.Displayed == "" {
		status.Displayed = "unknown"
	}
	m[to] = status
	k.Submission.DeliveryStatus = m
}

// report takes in what a report says of recipients of k: what is final stays (RFC 8621 §7), and so does what was never
// handed over.
func (k *KeptSubmission) report(r *SubmissionReport) error {
	list := &k.Submission.DSNBlobIDs
	if r.MDN {
		list = &k.Submission.MDNBlobIDs
	}
	if slices.Contains(*list, r.BlobID) || len(*list) >= MaxReports {
		return &jmap.SetError{Type: jmap.SetNotFound}
	}
	concerned := false
	for _, x := range r.Recipients {
		for _, to := range k.Submission.Envelope.RcptTo {
			old, ok := k.Submission.DeliveryStatus[to.Email]
			if !ok || !strings.EqualFold(to.Email, x.Address) || old.Delivered == DeliveryQueued || k.Submission.UndoStatus == UndoCanceled {
				continue
			}
			concerned = true
			status := old
			if status.Delivered == DeliveryUnknown && !r.MDN {
				if x.Delivered == DeliveryYes || x.Delivered == DeliveryNo {
					status.Delivered = x.Delivered
				}
				if x.SMTPReply != "" {
					status.SMTPReply = x.SMTPReply
				}
			}
			if r.MDN && x.Displayed {
				status.Displayed = "yes"
			}
			if status != old {
				k.setStatus(to.Email, status)
			}
		}
	}
	if !concerned {
		return &jmap.SetError{Type: jmap.SetNotFound}
	}
	*list = append(slices.Clone(*list), r.BlobID)
	return nil
}

// Blobs returns the blobs that k names.
func (k *KeptSubmission) Blobs() []jmap.ID {
	out := slices.Concat(k.Submission.DSNBlobIDs, k.Submission.MDNBlobIDs)
	if k.BlobID != "" {
		out = append(out, k.BlobID)
	}
	return out
}

// A SubmissionCondition is a FilterCondition of EmailSubmission/query (RFC 8621 §7.3); nil and absent match all.
type SubmissionCondition struct {
	IdentityIDs []jmap.ID    `json:"identityIds,omitzero"`
	EmailIDs    []jmap.ID    `json:"emailIds,omitzero"`
	ThreadIDs   []jmap.ID    `json:"threadIds,omitzero"`
	UndoStatus  UndoStatus   `json:"undoStatus,omitzero"`
	Before      jmap.UTCDate `json:"before,omitzero"`
	After       jmap.UTCDate `json:"after,omitzero"`
}

// Match reports whether a submission meets the condition.
func (c *SubmissionCondition) Match(s *EmailSubmission) bool {
	in := func(ids []jmap.ID, id jmap.ID) bool { return ids == nil || slices.Contains(ids, id) }
	return in(c.IdentityIDs, s.IdentityID) && in(c.EmailIDs, s.EmailID) && in(c.ThreadIDs, s.ThreadID) &&
		(c.UndoStatus == "" || c.UndoStatus == s.UndoStatus) &&
		(c.Before.IsZero() || s.SendAt.Before(c.Before.Time)) && (c.After.IsZero() || !s.SendAt.Before(c.After.Time))
}
