package dane

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Why a host is not the one that the DNS names. They are found with errors.Is.
var (
	ErrNoMatch = errors.New("dane: no TLSA record names the certificate")
	ErrName    = errors.New("dane: certificate is for another name")
	ErrChain   = errors.New("dane: certificate does not lead to the authority that a TLSA record names")
	ErrNoTLSA  = errors.New("dane: no TLSA record is usable")
)

// A VerifyError says of which host a certificate was refused.
type VerifyError struct {
	Base string
	Err  error // wraps ErrNoMatch, ErrName, ErrChain or ErrNoTLSA
}

// Error names the host and the cause.
func (e *VerifyError) Error() string {
	return "dane: " + e.Base + ": " + strings.TrimPrefix(e.Err.Error(), "dane: ")
}

// Unwrap returns the cause.
func (e *VerifyError) Unwrap() error { return e.Err }

// Verify checks the certificates that a host has shown (RFC 7672 §3.2): a nil error is a host that a record names. It has
// the shape of tls.Config.VerifyConnection. The error is a *VerifyError. A policy that does not authenticate takes nobody;
// such a host is spoken to without Verify.
func (p *Policy) Verify(state tls.ConnectionState) error {
	chain := state.PeerCertificates
	records := p.usable()
	switch {
	case len(records) == 0:
		return &VerifyError{p.Base, ErrNoTLSA}
	case len(chain) == 0:
		return &VerifyError{p.Base, ErrNoMatch}
	}
	// RFC 7672 §3.1.1: neither name nor date of a certificate that is named itself count.
	if slices.ContainsFunc(records, func(r Record) bool { return r.Usage == EE && r.Matches(chain[0]) }) {
		return nil
	}
	err := ErrNoMatch
	for _, r := range records {
		if r.Usage != TA {
			continue
		}
		for _, root := range r.anchors(chain) {
			if err = p.under(root, chain); err == nil {
				return nil
			}
		}
	}
	return &VerifyError{p.Base, err}
}

// anchors returns the certificates that a record of usage 2 names: of the chain, and the one that it holds itself.
func (r Record) anchors(chain []*x509.Certificate) []*x509.Certificate {
	var out []*x509.Certificate
	for _, c := range chain {
		if r.Matches(c) {
			out = append(out, c)
		}
	}
	if len(out) == 0 && r.Matching == Full && r.Selector == Cert {
		if c, err := x509.ParseCertificate(r.Data); err == nil {
			out = append(out, c)
		}
	}
	return out
}

// under checks that the host's certificate is valid now, for one of its names, and leads to an authority (RFC 7672
// §3.1.2).
func (p *Policy) under(root *x509.Certificate, chain []*x509.Certificate) error {
	o := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool()}
	o.Roots.AddCert(root)
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := chain[0].Verify(o); err != nil {
		return fmt.Errorf("%w: %w", ErrChain, err)
	}
	if !slices.ContainsFunc(p.Names, func(n string) bool { return hasName(chain[0], n) }) {
		return fmt.Errorf("%w than %s", ErrName, strings.Join(p.Names, ", "))
	}
	return nil
}

// hasName reports whether a certificate is for a host (RFC 7672 §3.2.3). The common name counts where there is no other.
func hasName(c *x509.Certificate, host string) bool {
	if len(c.DNSNames) > 0 {
		return c.VerifyHostname(host) == nil
	}
	cn := canonical(c.Subject.CommonName)
	if rest, ok := strings.CutPrefix(cn, "*."); ok {
		_, parent, dot := strings.Cut(host, ".")
		return dot && parent == rest && rest != ""
	}
	return cn != "" && cn == host
}

// TLSConfig returns a copy of a configuration (nil: the default one) that says Base in SNI and lets Verify decide. Where
// nothing is usable, it takes any certificate (RFC 7672 §2.2).
func (p *Policy) TLSConfig(c *tls.Config) *tls.Config {
	if c == nil {
		c = &tls.Config{}
	}
	c = c.Clone()
	c.ServerName = p.Base
	c.InsecureSkipVerify = true // the authorities of this host are not asked: Verify is
	c.VerifyConnection = nil
	if p.Authenticates() {
		c.VerifyConnection = p.Verify
	}
	return c
}
