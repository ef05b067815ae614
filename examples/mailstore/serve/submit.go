package serve

import (
	"context"
	"fmt"
	"strings"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/smtp"
)

// A submitting backend gives accounts a way to send: a next hop.
type submitting struct {
	mail.Backend
	next smtp.Handler
	host string
}

// Submitter returns what sends to a next hop: mailstore.Options.Answers, for one.
func Submitter(next smtp.Handler) mail.Submitter { return submitting{next: next} }

// Accounts returns the accounts of a user, who may send as the name of his own.
func (b submitting) Accounts(ctx context.Context, user string) ([]*mail.Account, error) {
	list, err := b.Backend.Accounts(ctx, user)
	if err != nil {
		return nil, err
	}
	out := make([]*mail.Account, len(list))
	for i, a := range list {
		if a.Shared {
			out[i] = a
			continue
		}
		own := *a
		address := a.Name
		if !strings.Contains(address, "@") {
			address += "@" + b.host
		}
		own.Submitter, own.Addresses = b, []string{address}
		out[i] = &own
	}
	return out, nil
}

// Submit is mail.Submitter's.
func (b submitting) Submit(ctx context.Context, m *mail.Submission) ([]mail.DeliveryStatus, error) {
	from, err := smtp.Path{}, error(nil)
	if m.From != "" {
		from, err = smtp.ParseMailbox(m.From)
	}
	if err != nil {
		return nil, &jmap.SetError{Type: jmap.SetForbiddenMailFrom, Description: "not an address"}
	}
	e := smtp.Envelope{From: from, Params: smtp.MailParams{Size: m.Size, UTF8: from.NeedsUTF8()}}
	var bad []string
	for _, a := range m.To {
		to, err := smtp.ParseMailbox(a)
		if err != nil {
			bad = append(bad, a)
		}
		e.Params.UTF8 = e.Params.UTF8 || to.NeedsUTF8()
		e.Recipients = append(e.Recipients, smtp.Recipient{To: to})
	}
	if bad != nil {
		return nil, &jmap.SetError{Type: jmap.SetInvalidRecipients, InvalidRecipients: bad}
	}
	results, err := smtp.Deliver(ctx, b.next, e, m.Body)
	if err != nil {
		return nil, fmt.Errorf("serve: submit: %w", err)
	}
	out := make([]mail.DeliveryStatus, len(results))
	for i, r := range results {
		out[i] = mail.DeliveryStatus{SMTPReply: r.Reply.String(), Delivered: mail.DeliveryUnknown, Displayed: "unknown"}
		if !r.Reply.OK() {
			out[i].Delivered = mail.DeliveryNo
			bad = append(bad, m.To[i])
		}
	}
	if len(bad) == len(m.To) { // nobody got it: nothing was sent
		return nil, &jmap.SetError{Type: jmap.SetInvalidRecipients, InvalidRecipients: bad, Description: results[0].Reply.String()}
	}
	return out, nil
}
