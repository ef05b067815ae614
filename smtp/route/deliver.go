package route

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/internal/address"
	"github.com/mailbricks/mailbricks/internal/spool"
	"github.com/mailbricks/mailbricks/mtasts"
	"github.com/mailbricks/mailbricks/mtasts/dane"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

// Deliver implements smtp.BatchHandler. Recipients are grouped by domain; a message to more than one domain is kept
// in memory or a temporary file meanwhile, and goes to one after another.
func (r *Router) Deliver(ctx context.Context, e smtp.Envelope, body io.Reader) (smtp.Results, error) {
	groups := group(e.Recipients)
	if len(groups) == 1 {
		return r.deliver(ctx, e, groups[0].domain, body)
	}
	results := make(smtp.Results, len(e.Recipients))
	if len(groups) == 0 {
		return results, nil
	}
	kept, err := spool.ReadAll(body, spool.Options{Max: r.MaxSize})
	if err != nil {
		if _, ok := errors.AsType[*spool.TooLargeError](err); ok {
			err = fail("several domains", "", 552, smtp.EnhancedCode{5, 3, 4}, "Message too large", err)
		}
		return nil, err
	}
	defer kept.Close()
	for _, g := range groups {
		part := e
		part.Recipients = nil
		for _, i := range g.rcpts {
			part.Recipients = append(part.Recipients, e.Recipients[i])
		}
		res, err := r.deliver(ctx, part, g.domain, kept.Reader())
		for k, i := range g.rcpts {
			if err != nil {
				results[i] = smtp.ResultOf(err)
			} else {
				results[i] = res[k]
			}
		}
	}
	return results, nil
}

// A groupOf is the recipients of one domain by index.
type groupOf struct {
	domain string
	rcpts  []int
}

func group(rcpts []smtp.Recipient) []groupOf {
	var out []groupOf
next:
	for i, rc := range rcpts {
		for k := range out {
			if sameDomain(out[k].domain, rc.To.Domain) {
				out[k].rcpts = append(out[k].rcpts, i)
				continue next
			}
		}
		out = append(out, groupOf{rc.To.Domain, []int{i}})
	}
	return out
}

func sameDomain(a, b string) bool { return strings.EqualFold(a, b) || address.EqualDomain(a, b) }

// deliver sends to recipients of one domain.
func (r *Router) deliver(ctx context.Context, e smtp.Envelope, domain string, body io.Reader) (smtp.Results, error) {
	b := &untouched{r: body}
	var results smtp.Results
	err := r.try(ctx, domain, e.From, e.Params, func(c *smtpclient.Client) (bool, error) {
		var err error
		results, err = c.Deliver(ctx, e, b)
		return b.touched, err
	})
	return results, err
}

// untouched is a body that tells whether anybody has read of it.
type untouched struct {
	r       io.Reader
	touched bool
}

func (u *untouched) Read(p []byte) (int, error) {
	u.touched = true
	return u.r.Read(p)
}

// try calls send for one host of a domain after another, until one has decided. send reports whether it is too late
// for another host.
func (r *Router) try(ctx context.Context, domain string, from smtp.Path, params smtp.MailParams, send func(*smtpclient.Client) (bool, error)) error {
	if domain == "" { // <Postmaster>
		return fail(domain, "", 550, smtp.EnhancedCode{5, 1, 2}, "Address without a domain", nil)
	}
	p, err := r.locate(ctx, domain)
	if err != nil {
		return err
	}
	policy := r.policy(ctx, p)
	var failure error
	for _, h := range p.hosts {
		decided, err := r.tryHost(ctx, p, h, policy, from, params, send)
		if decided {
			return err
		}
		r.log().Info("host did not take mail", "domain", p.domain, "host", h.name, "err", err)
		// What may change is the better answer, so that the message is tried again.
		if failure == nil || smtp.ReplyOf(failure).Permanent() {
			failure = err
		}
	}
	return failure
}

// tryHost calls send for one host, once for each of its addresses that answers and is then of no use.
func (r *Router) tryHost(ctx context.Context, p place, h host, policy *mtasts.Policy, from smtp.Path, params smtp.MailParams, send func(*smtpclient.Client) (bool, error)) (decided bool, err error) {
	config := r.Client
	config.Opened = func(conn *smtpclient.Conn) error { return r.greeted(p, conn) }
	if err := r.admit(ctx, p, h, policy, from, params, &config); err != nil {
		return false, err
	}
	records, err := r.tlsa(ctx, p, h, &config)
	if err != nil {
		return false, err
	}
	d := &hostDialer{r: r, domain: p.domain, h: h, name: h.name}
	if records != nil {
		d.name = records.Base
	}
	for {
		late, err := send(r.client(d, config))
		if err == nil {
			return true, nil
		}
		r.reportFailure(ctx, p, h, policy, records, err)
		if late || !another(err) || ctx.Err() != nil {
			return true, err
		}
		if !d.again() {
			return false, err
		}
	}
}

// policy returns the MTA-STS policy in force, nil for none.
func (r *Router) policy(ctx context.Context, p place) *mtasts.Policy {
	if r.STS == nil || strings.HasPrefix(p.domain, "[") {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, lookupTime+time.Minute)
	defer cancel()
	policy, err := r.STS.Fetch(within, p.domain)
	switch {
	case err == nil && policy.Mode != mtasts.ModeNone:
		return &policy
	case err != nil && !errors.Is(err, mtasts.ErrNone):
		r.log().Warn("MTA-STS policy cannot be had", "domain", p.domain, "err", err)
		r.report(ctx, Report{Domain: p.domain, Err: err})
	}
	return nil
}

func (r *Router) report(ctx context.Context, rep Report) {
	if r.Report != nil {
		r.Report(ctx, rep)
	}
}

// reportFailure reports a connection that was not made.
func (r *Router) reportFailure(ctx context.Context, p place, h host, policy *mtasts.Policy, records *dane.Policy, err error) {
	if ce, ok := errors.AsType[*smtpclient.Error](err); !ok || ce.Op != "STARTTLS" && ce.Op != "TLS" {
		return
	}
	switch {
	case records != nil:
		r.report(ctx, Report{Domain: p.domain, Host: h.name, DANE: records, Err: err})
	case policy != nil:
		r.report(ctx, Report{Domain: p.domain, Host: h.name, Policy: *policy, Err: err})
	}
}

// admit decides whether a host may have the mail, and how it must be spoken to.
func (r *Router) admit(ctx context.Context, p place, h host, policy *mtasts.Policy, from smtp.Path, params smtp.MailParams, c *smtpclient.Config) error {
	match := policy != nil && policy.Match(h.name)
	if params.RequireTLS && !from.IsNull() && p.mx && !p.secure && !match { // RFC 8689 §4.2.1
		return fail(p.domain, h.name, 550, smtp.EnhancedCode{5, 7, 10}, "Encryption needed: nothing vouches for "+h.name, nil)
	}
	if policy == nil {
		return nil
	}
	if !match {
		err := fail(p.domain, h.name, 451, smtp.EnhancedCode{4, 7, 5}, "Host "+h.name+" is not in the MTA-STS policy of "+p.domain, nil)
		r.report(ctx, Report{Domain: p.domain, Host: h.name, Policy: *policy, Err: err})
		if policy.Mode == mtasts.ModeEnforce { // RFC 8461 §5.1
			return err
		}
		return nil
	}
	if policy.Mode == mtasts.ModeEnforce {
		c.TLS, c.Verify, c.VerifyID = smtpclient.Required, nil, ""
	}
	opened := c.Opened
	c.Opened = func(conn *smtpclient.Conn) error {
		r.report(ctx, Report{Domain: p.domain, Host: h.name, Policy: *policy, Err: r.checkTLS(conn, h)})
		return opened(conn)
	}
	return nil
}

// greeted refuses a host that calls itself as this one does: the mail would come back.
func (r *Router) greeted(p place, conn *smtpclient.Conn) error {
	if r.Client.Hostname != "" && address.EqualDomain(conn.Name(), r.Client.Hostname) {
		return loop(p.domain)
	}
	if r.Client.Opened != nil {
		return r.Client.Opened(conn)
	}
	return nil
}

// checkTLS says what an MTA-STS policy in testing mode finds wrong with a connection (RFC 8461 §5.2). In enforce mode
// there is nothing left to find.
func (r *Router) checkTLS(conn *smtpclient.Conn, h host) error {
	state := conn.TLS()
	if state == nil {
		return smtpclient.ErrNoTLS
	}
	if len(state.VerifiedChains) > 0 {
		return nil
	}
	if r.Client.TLSConfig == nil {
		return smtpclient.VerifyPKIX(*state, h.name, nil)
	}
	return smtpclient.VerifyPKIX(*state, h.name, r.Client.TLSConfig.RootCAs)
}

// another reports whether the next host should be tried after err.
func another(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok { // the host's address, or a loop
		return smtp.ReplyOf(e).Code != 554
	}
	e, ok := errors.AsType[*smtpclient.Error](err)
	if !ok {
		return false
	}
	switch e.Op {
	case "connect", "STARTTLS", "TLS", "AUTH":
		return true
	case "greeting", "EHLO":
		return !e.Reply.Permanent()
	}
	if e.Reply.Code != 0 {
		return e.Reply.Code == 421
	}
	reply := smtp.ReplyOf(err)
	switch reply.Enhanced {
	case smtp.EnhancedCode{4, 4, 2}, smtp.EnhancedCode{5, 7, 10}, smtp.EnhancedCode{5, 7, 30}: // RFC 8689 §4.2.1
		return true
	}
	return false
}
