package mailstore

import (
	"bytes"
	"database/sql"
	"fmt"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/smtp/dsn"
)

// A cameBack is a DSN or MDN and what it is about: a submission by its id, which is the ENVID that it was sent with and
// which nobody can guess, or by the Message-ID.
type cameBack struct {
	submission string
	messageID  string
	mail.SubmissionReport
}

// reportOf returns the report that a message is, nil if it is none.
func reportOf(x *incoming) (*cameBack, error) {
	raw, release, err := x.Bytes()
	if err != nil {
		return nil, err
	}
	defer release()
	header := raw[:min(len(raw), dsn.MaxHeader)]
	if end := bytes.Index(header, []byte("\r\n\r\n")); end >= 0 {
		header = header[:end]
	}
	if !bytes.Contains(bytes.ToLower(header), []byte("multipart/report")) {
		return nil, nil
	}
	if d, err := dsn.Parse(bytes.NewReader(raw)); err == nil && d.EnvelopeID != "" {
		return delivered(d), nil
	}
	if m, err := dsn.ParseMDN(bytes.NewReader(raw)); err == nil && m.OriginalMessageID != "" {
		return displayed(m), nil
	}
	return nil, nil
}

// delivered is what a DSN says.
func delivered(d *dsn.Report) *cameBack {
	out := &cameBack{submission: d.EnvelopeID}
	for _, r := range d.Recipients {
		x := mail.ReportedRecipient{Address: address(r.Original, r.Final)}
		if r.Diagnostic.Code != 0 {
			x.SMTPReply = r.Diagnostic.String()
		} else if r.Status[0] != 0 { // RFC 8621 §7: a synthetic reply
			x.SMTPReply = fmt.Sprintf("%d50 %d.%d.%d %s", r.Status[0], r.Status[0], r.Status[1], r.Status[2], r.Action)
		}
		switch r.Action {
		case dsn.Delivered:
			x.Delivered = mail.DeliveryYes
		case dsn.Failed:
			x.Delivered = mail.DeliveryNo
		}
		out.Recipients = append(out.Recipients, x)
	}
	return out
}

// displayed is what an MDN says.
func displayed(m *dsn.MDN) *cameBack {
	out := &cameBack{messageID: m.OriginalMessageID}
	out.MDN = true
	out.Recipients = []mail.ReportedRecipient{{Address: address(m.OriginalRecipient, m.FinalRecipient), Displayed: m.Disposition.Type == dsn.Displayed}}
	return out
}

// address is the one that the sender used, if that is told.
func address(original, final dsn.Address) string {
	if original.Address != "" {
		return original.Address
	}
	return final.Address
}

// report takes in a report that has come to an account as an email. Where it is about nothing that the account has sent, it is
// an email and nothing else.
func (t *tx) report(a *account, row *accountRow, email int64, back *cameBack) error {
	s := submissionSet{ledgerTx{a.submissions().ledger, t, row}}
	names := []string{back.submission}
	if back.submission == "" {
		names = nil
		if err := t.rows(func(r *sql.Rows) error {
			names = append(names, "")
			return r.Scan(&names[len(names)-1])
		}, `SELECT name FROM submission WHERE account = ? AND message = ? AND value IS NOT NULL ORDER BY id DESC LIMIT 10`, a.id, back.messageID); err != nil {
			return err
		}
	}
	var blob int64
	if err := t.row([]any{&blob}, `SELECT blob FROM email WHERE id = ?`, email); err != nil {
		return err
	}
	r := back.SubmissionReport
	r.BlobID = jmap.ID(blobID(blob))
	for _, name := range names {
		if _, err := refusal(s.update(jmap.ID(name), mail.SubmissionUpdate{Report: &r})); err != nil {
			return err
		}
	}
	return nil
}
