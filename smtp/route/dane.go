package route

import (
	"context"
	"crypto/tls"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/mtasts/dane"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

// tlsa looks up the TLSA records of a host and has the connection follow them (RFC 7672 §2.2). They decide about its
// certificate in place of an MTA-STS policy (RFC 8461 §2), whose list of hosts counts all the same. nil: DANE does not
// apply. With an error the host must not have the mail now.
func (r *Router) tlsa(ctx context.Context, p place, h host, c *smtpclient.Config) (*dane.Policy, error) {
	if r.DANE == nil || h.addr.IsValid() {
		return nil, nil
	}
	q := dane.Host{Name: h.name, Port: def(r.Port, DefaultPort)}
	if p.mx && p.secure { // else the MX record may be anybody's, and the host's own name alone counts
		q.NextHop = []string{p.domain}
	}
	within, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	records, err := dane.Lookup(within, r.DANE, q)
	if err != nil {
		err := fail(p.domain, h.name, 451, smtp.EnhancedCode{4, 4, 3}, "TLSA of "+h.name+" cannot be looked up", err)
		r.report(ctx, Report{Domain: p.domain, Host: h.name, Err: err})
		return nil, err
	}
	if records == nil {
		return nil, nil
	}
	if q.NextHop != nil && slices.ContainsFunc(records.Records, func(r dane.Record) bool { return r.Usage == dane.TA }) {
		// RFC 7672 §3.2.2: where the domain is an alias, the name behind it is one of the host's too. It is seen where that has
		// an address.
		if name, secure, err := r.DANE.LookupCNAMESecure(within, p.domain+"."); err == nil && secure {
			if name = strings.ToLower(strings.TrimSuffix(name, ".")); !slices.Contains(records.Names, name) {
				records.Names = append(records.Names, name)
			}
		}
	}
	switch {
	case records.Authenticates():
		c.TLS, c.Verify, c.VerifyID = smtpclient.Required, records.Verify, records.ID()
	case c.TLS != smtpclient.Required: // TLS, with whatever certificate
		c.TLS, c.Verify, c.VerifyID = smtpclient.Required, anyCertificate, "any"
	}
	opened := c.Opened
	c.Opened = func(conn *smtpclient.Conn) error {
		r.report(ctx, Report{Domain: p.domain, Host: h.name, DANE: records})
		return opened(conn)
	}
	return records, nil
}

func anyCertificate(tls.ConnectionState) error { return nil }
