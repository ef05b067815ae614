package policy

import (
	"context"
	"errors"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/smtp"
)

// arrive makes a guest of a forward-path: with a tag, of the mailbox that it leads to, and with a use reserved. The error
// is an *smtp.Error.
func (t *gating) arrive(ctx context.Context, to smtp.Path) (*guest, error) {
	r := &guest{to: to, address: canonical(to.Address())}
	if t.g.Capabilities.Grants == nil || t.g.Capabilities.Store == nil {
		return r, nil
	}
	x, err := t.g.Tags.Parse(to.Local, to.Domain)
	if errors.Is(err, capability.ErrNoTag) {
		return r, nil
	}
	if err != nil {
		return nil, refuse(550, smtp.EnhancedCode{5, 1, 1}, "No such user here", err)
	}
	r.tagged = true
	q := capability.Request{Sender: canonical(t.from.Address()), Pending: true}
	if r.to.Local = x.Local; x.Local != "" {
		r.address = canonical(r.to.Address())
		q.Recipient = r.address
	}
	use, err := t.g.Capabilities.VerifyTag(ctx, x, q)
	if err == nil && x.Local == "" {
		if r.to, err = smtp.ParseMailbox(use.Grant.Issuer); err == nil {
			r.address = canonical(r.to.Address())
		} else {
			r.use = &use
			t.release(r)
			err = capability.ErrRecipient
		}
	}
	if err != nil {
		r.to, r.address = to, canonical(to.Address())
		t.doubt(r, err)
		r.evidence.Address = Invalid
		return r, nil
	}
	r.use, r.evidence.Capability, r.evidence.Address = &use, Valid, Valid
	return r, nil
}

// written returns the parameters of RCPT for a mailbox whose address was written with a tag: notifications name the
// address that the sender knows (RFC 3461 §5.2.1).
func written(to smtp.Path, p smtp.RcptParams, tagged bool) smtp.RcptParams {
	if tagged && p.Original == "" && !to.NeedsUTF8() {
		p.OriginalType, p.Original = "rfc822", to.Address()
	}
	return p
}
