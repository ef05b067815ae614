package route

import (
	"errors"
	"strings"

	"github.com/mailbricks/mailbricks/mtasts"
	"github.com/mailbricks/mailbricks/mtasts/dane"
	"github.com/mailbricks/mailbricks/mtasts/tlsrpt"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

// Count counts what became of a connection in a report about its domain (RFC 8460 §4). What is no matter of TLS is not
// counted: a host that could not be reached, an answer that DNS did not give about MX.
func (rep Report) Count(to *tlsrpt.Report) {
	p := tlsrpt.Policy{Type: tlsrpt.NoPolicy, Domain: rep.Domain}
	switch {
	case rep.DANE != nil:
		p.Type = tlsrpt.TLSA
		for _, r := range rep.DANE.Records {
			p.Strings = append(p.Strings, r.String())
		}
	case rep.Policy.Mode != "":
		p.Type, p.MX = tlsrpt.STS, rep.Policy.MX
		p.Strings = strings.Split(strings.TrimRight(string(rep.Policy.Append(nil)), "\r\n"), "\r\n")
	}
	if rep.Err == nil {
		to.Count(p, nil)
		return
	}
	to.Count(p, &tlsrpt.Failure{Type: rep.resultType(), MXHost: rep.Host, Reason: reason(rep.Err)})
}

// resultType says what went wrong (RFC 8460 §4.3).
func (rep Report) resultType() tlsrpt.ResultType {
	err := rep.Err
	fetch, isFetch := errors.AsType[*mtasts.FetchError](err)
	_, noRecords := errors.AsType[*dane.LookupError](err)
	switch {
	case noRecords:
		return tlsrpt.DNSSECInvalid
	case isFetch && tlsrpt.Classify(err) != tlsrpt.ValidationFailure:
		return tlsrpt.STSWebPKIInvalid
	case isFetch && errors.Is(fetch, mtasts.ErrSyntax):
		return tlsrpt.STSPolicyInvalid
	case isFetch:
		return tlsrpt.STSPolicyFetchError
	case errors.Is(err, smtpclient.ErrNoTLS):
		return tlsrpt.StartTLSNotSupported
	case errors.Is(err, dane.ErrName):
		return tlsrpt.CertificateHostMismatch
	case errors.Is(err, dane.ErrChain) && tlsrpt.Classify(err) == tlsrpt.CertificateExpired:
		return tlsrpt.CertificateExpired
	case errors.Is(err, dane.ErrChain):
		return tlsrpt.CertificateNotTrusted
	}
	if ce, ok := errors.AsType[*smtpclient.Error](err); ok && ce.Op == "STARTTLS" && ce.Reply.Code != 0 { // refused
		return tlsrpt.StartTLSNotSupported
	}
	return tlsrpt.Classify(err)
}

// reason is the text of an error, without what is our own affair.
func reason(err error) string {
	s := err.Error()
	if i := strings.LastIndex(s, ": tls: "); i >= 0 {
		s = s[i+2:]
	}
	return s[:min(len(s), 200)]
}
