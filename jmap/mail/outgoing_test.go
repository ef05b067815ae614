package mail_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

func sent(status map[string]mail.Delivered) *mail.KeptSubmission {
	k := &mail.KeptSubmission{BlobID: "B1", Submission: mail.EmailSubmission{UndoStatus: mail.UndoFinal, Envelope: &mail.Envelope{}, DeliveryStatus: map[string]mail.DeliveryStatus{}}}
	for to, d := range status {
		k.Submission.Envelope.RcptTo = append(k.Submission.Envelope.RcptTo, mail.EnvelopeAddress{Email: to})
		k.Submission.DeliveryStatus[to] = mail.DeliveryStatus{SMTPReply: "250 ok", Delivered: d, Displayed: "unknown"}
	}
	return k
}

// RFC 8621 §7: what a report can change, and what it cannot.
func TestReports(t *testing.T) {
	for name, x := range map[string]struct {
		was  mail.Delivered
		r    mail.ReportedRecipient
		mdn  bool
		want string // delivered, displayed, reply; "" the report is not taken
	}{
		"failed":             {mail.DeliveryUnknown, mail.ReportedRecipient{Address: "BOB@example.com", Delivered: mail.DeliveryNo, SMTPReply: "550 no"}, false, "no unknown 550 no"},
		"delivered":          {mail.DeliveryUnknown, mail.ReportedRecipient{Address: "bob@example.com", Delivered: mail.DeliveryYes}, false, "yes unknown 250 ok"},
		"delayed":            {mail.DeliveryUnknown, mail.ReportedRecipient{Address: "bob@example.com", SMTPReply: "450 later"}, false, "unknown unknown 450 later"},
		"failed, yet there":  {mail.DeliveryYes, mail.ReportedRecipient{Address: "bob@example.com", Delivered: mail.DeliveryNo, SMTPReply: "550 no"}, false, "yes unknown 250 ok"},
		"there, yet failed":  {mail.DeliveryNo, mail.ReportedRecipient{Address: "bob@example.com", Delivered: mail.DeliveryYes, SMTPReply: "250 yes"}, false, "no unknown 250 ok"},
		"not sent yet":       {mail.DeliveryQueued, mail.ReportedRecipient{Address: "bob@example.com", Delivered: mail.DeliveryNo}, false, ""},
		"somebody else":      {mail.DeliveryUnknown, mail.ReportedRecipient{Address: "eve@example.com", Delivered: mail.DeliveryNo}, false, ""},
		"displayed":          {mail.DeliveryUnknown, mail.ReportedRecipient{Address: "bob@example.com", Displayed: true, Delivered: mail.DeliveryNo, SMTPReply: "x"}, true, "unknown yes 250 ok"},
		"deleted unread":     {mail.DeliveryYes, mail.ReportedRecipient{Address: "bob@example.com"}, true, "yes unknown 250 ok"},
		"displayed to a spy": {mail.DeliveryUnknown, mail.ReportedRecipient{Address: "eve@example.com", Displayed: true}, true, ""},
		"not displayed, DSN": {mail.DeliveryUnknown, mail.ReportedRecipient{Address: "bob@example.com", Displayed: true}, false, "unknown unknown 250 ok"},
	} {
		k := sent(map[string]mail.Delivered{"bob@example.com": x.was})
		err := mail.SubmissionUpdate{Report: &mail.SubmissionReport{BlobID: "B9", MDN: x.mdn, Recipients: []mail.ReportedRecipient{x.r}}}.Apply(k)
		s := k.Submission.DeliveryStatus["bob@example.com"]
		got := string(s.Delivered) + " " + s.Displayed + " " + s.SMTPReply
		n := len(k.Submission.DSNBlobIDs) + len(k.Submission.MDNBlobIDs)
		if x.want == "" && (err == nil || n != 0) || x.want != "" && (err != nil || n != 1 || got != x.want || (len(k.Submission.MDNBlobIDs) == 1) != x.mdn) {
			t.Errorf("%s: %s, %d reports, %v; want %q", name, got, n, err, x.want)
		}
	}
}

func TestReportsBounded(t *testing.T) {
	k := sent(map[string]mail.Delivered{"bob@example.com": mail.DeliveryUnknown})
	for i := range mail.MaxReports + 5 {
		r := &mail.SubmissionReport{BlobID: jmap.ID("B" + strconv.Itoa(i)), Recipients: []mail.ReportedRecipient{{Address: "bob@example.com", SMTPReply: strings.Repeat("é", 10_000)}}}
		err := mail.SubmissionUpdate{Report: r}.Apply(k)
		if again := (mail.SubmissionUpdate{Report: r}.Apply(k)); again == nil || (err == nil) != (i < mail.MaxReports) {
			t.Fatalf("report %d: %v, again %v", i, err, again)
		}
	}
	if s := k.Submission.DeliveryStatus["bob@example.com"].SMTPReply; len(s) > 512 || len(k.Submission.DSNBlobIDs) != mail.MaxReports {
		t.Errorf("%d octets, %d reports", len(s), len(k.Submission.DSNBlobIDs))
	}
}

// An attempt that somebody's server took makes a submission final, though others are still waited for.
func TestAttempts(t *testing.T) {
	next := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	k := sent(map[string]mail.Delivered{"a@b": mail.DeliveryQueued, "c@d": mail.DeliveryQueued})
	k.Submission.UndoStatus = mail.UndoPending
	seen := k.Submission.DeliveryStatus
	try := func(d mail.Delivered, next time.Time) {
		if err := (mail.SubmissionUpdate{Attempt: &mail.SubmissionAttempt{Status: map[string]mail.DeliveryStatus{"a@b": {Delivered: d}}, Next: next}}).Apply(k); err != nil {
			t.Fatal(err)
		}
	}
	try(mail.DeliveryQueued, next)
	if k.Submission.UndoStatus != mail.UndoPending || k.Failures != 1 || len(k.Waiting()) != 2 {
		t.Errorf("nobody took it: %+v", k)
	}
	try(mail.DeliveryUnknown, next)
	if k.Submission.UndoStatus != mail.UndoFinal || k.NextAttempt.IsZero() || len(k.Waiting()) != 1 || k.BlobID == "" || seen["a@b"].Delivered != mail.DeliveryQueued {
		t.Errorf("one took it: %+v", k)
	}
	if err := (mail.SubmissionUpdate{Cancel: true}).Apply(k); err == nil {
		t.Error("canceled what one has")
	}
	try(mail.DeliveryUnknown, time.Time{})
	if !k.NextAttempt.IsZero() || k.BlobID != "" {
		t.Errorf("no more attempts: %+v", k)
	}
}
