package tlsrpt

import (
	"crypto/x509"
	"errors"
	"net/netip"
	"slices"
	"time"
)

// A Report is what one sender says about its sessions to one domain (RFC 8460 §4).
type Report struct {
	Organization string // who says so
	Contact      string // an address; its domain is the submitter
	ID           string
	Start, End   time.Time // by habit a day in UTC
	Policies     []Result
	// Problems lists what a report that was read has wrong, for people.
	Problems []string
}

// A Result is what became of the sessions under one policy.
type Result struct {
	Policy           Policy
	Success, Failure int64 // sessions
	Failures         []Failure
}

// PolicyType says what asked for TLS.
type PolicyType string

// Types of policy. Others are kept as they are read.
const (
	STS      PolicyType = "sts"
	TLSA     PolicyType = "tlsa"
	NoPolicy PolicyType = "no-policy-found"
)

// A Policy is what a sender went by (RFC 8460 §4.5).
type Policy struct {
	Type    PolicyType
	Strings []string // the lines of an MTA-STS policy, or TLSA records as text
	Domain  string   // in A-labels
	MX      []string // patterns of an MTA-STS policy
}

// ResultType says what went wrong (RFC 8460 §4.3).
type ResultType string

// Types of result. Others are kept as they are read.
const (
	StartTLSNotSupported    ResultType = "starttls-not-supported"
	CertificateHostMismatch ResultType = "certificate-host-mismatch"
	CertificateExpired      ResultType = "certificate-expired"
	CertificateNotTrusted   ResultType = "certificate-not-trusted"
	ValidationFailure       ResultType = "validation-failure"
	TLSAInvalid             ResultType = "tlsa-invalid"
	DNSSECInvalid           ResultType = "dnssec-invalid"
	DANERequired            ResultType = "dane-required"
	STSPolicyFetchError     ResultType = "sts-policy-fetch-error"
	STSPolicyInvalid        ResultType = "sts-policy-invalid"
	STSWebPKIInvalid        ResultType = "sts-webpki-invalid"
)

// A Failure is sessions that went wrong in the same way.
type Failure struct {
	Type        ResultType
	SendingIP   netip.Addr
	MXHost      string // as the MX record has it
	MXHelo      string // as the host says
	ReceivingIP netip.Addr
	Count       int64
	Info        string // a URI, for people
	Reason      string // code or text of the error
}

// Classify returns the type for an error of a TLS handshake. What is not of its certificate is ValidationFailure.
func Classify(err error) ResultType {
	if inv, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if inv.Reason == x509.Expired {
			return CertificateExpired
		}
		return CertificateNotTrusted
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return CertificateHostMismatch
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return CertificateNotTrusted
	}
	return ValidationFailure
}

// Count counts a session under a policy: one that went well, or one that failed, told by f, whose Count does not matter.
// Equal ones are counted together.
func (r *Report) Count(p Policy, f *Failure) {
	i := slices.IndexFunc(r.Policies, func(have Result) bool {
		return have.Policy.Type == p.Type && have.Policy.Domain == p.Domain && slices.Equal(have.Policy.MX, p.MX) && slices.Equal(have.Policy.Strings, p.Strings)
	})
	if i < 0 {
		i = len(r.Policies)
		r.Policies = append(r.Policies, Result{Policy: p})
	}
	res := &r.Policies[i]
	if f == nil {
		res.Success++
		return
	}
	res.Failure++
	for k := range res.Failures {
		same := *f
		same.Count = res.Failures[k].Count
		if res.Failures[k] == same {
			res.Failures[k].Count++
			return
		}
	}
	res.Failures = append(res.Failures, *f)
	res.Failures[len(res.Failures)-1].Count = 1
}
