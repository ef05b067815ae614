package mailrelay

import (
	"time"

	"github.com/mailbricks/mailbricks/smtp/smtpserver"
)

// maxHold is how long a user may have a message held (RFC 4865).
const maxHold = 30 * 24 * time.Hour

// MXServer returns a server of MX. It offers no AUTH: users go to Submission.
func (r *Relay) MXServer() *smtpserver.Server {
	s := r.server()
	s.Handler = r.mx
	if r.c.Gate != nil {
		s.Extensions = r.c.Gate.Extensions()
	}
	return s
}

// SubmissionServer returns a server of Submission, which demands AUTH.
func (r *Relay) SubmissionServer() *smtpserver.Server {
	s := r.server()
	s.Handler, s.Mode = r.submit, smtpserver.Submission
	s.Authenticator, s.AllowPlaintextAuth = r.c.Authenticator, r.c.AllowPlaintextAuth
	s.Extensions = []smtpserver.Extension{smtpserver.DeliverBy(0), smtpserver.FutureRelease(maxHold), smtpserver.MTPriority("", nil)}
	return s
}

func (r *Relay) server() *smtpserver.Server {
	limits := r.c.Limits
	limits.MessageSize, limits.Recipients = r.c.MaxSize, r.c.MaxRecipients
	return &smtpserver.Server{Hostname: r.c.Hostname, TLS: r.c.TLS, Limits: limits, Timeouts: r.c.Timeouts, XClient: r.c.XClient, Logger: r.c.Logger}
}
