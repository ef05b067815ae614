package route

import (
	"context"
	"io"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

// Mail implements smtp.Handler. The host is chosen by the first recipient that one can be found for; recipients of other
// domains are told 452 4.5.3, and come in transactions of their own. From then on the Transaction is that of the host.
func (r *Router) Mail(_ context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	return &transaction{r: r, peer: peer, from: from, p: p}, nil
}

type transaction struct {
	r      *Router
	peer   *smtp.Peer
	from   smtp.Path
	p      smtp.MailParams
	domain string
	tx     smtp.Transaction // nil before there is a host
}

func (t *transaction) Rcpt(ctx context.Context, to smtp.Path, p smtp.RcptParams) error {
	if t.tx != nil {
		if !sameDomain(t.domain, to.Domain) {
			return fail(to.Domain, "", 452, smtp.EnhancedCode{4, 5, 3}, "One domain a transaction", nil)
		}
		return t.tx.Rcpt(ctx, to, p)
	}
	return t.r.try(ctx, to.Domain, t.from, t.p, func(c *smtpclient.Client) (bool, error) {
		tx, err := c.Mail(ctx, t.peer, t.from, t.p)
		if err != nil {
			return false, err
		}
		if err = tx.Rcpt(ctx, to, p); err != nil && another(err) {
			_ = tx.Close()
			return false, err
		}
		t.tx, t.domain = tx, to.Domain
		return true, err
	})
}

func (t *transaction) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	if t.tx == nil {
		return nil, smtp.NewError(554, smtp.EnhancedCode{5, 5, 1}, "No valid recipients")
	}
	return t.tx.Data(ctx, body)
}

func (t *transaction) Close() error {
	if t.tx == nil {
		return nil
	}
	return t.tx.Close()
}
