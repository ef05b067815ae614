package policy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/mailbricks/mailbricks/auth"
	"github.com/mailbricks/mailbricks/auth/authres"
	"github.com/mailbricks/mailbricks/dmarc"
	"github.com/mailbricks/mailbricks/internal/header"
	"github.com/mailbricks/mailbricks/smtp"
)

// A Verifier checks who a message is from: SPF, DKIM and DMARC. It stands where mail comes in from strangers.
type Verifier struct {
	// ID is the authserv-id, by habit the name of this host (RFC 8601 §2.5); it must be set. Fields that a message
	// brings with this name, or with one of OtherIDs, are forged and are taken away.
	ID       string
	OtherIDs []string
	// Resolver is asked; *net.Resolver is one. SecureResolver, if not nil, is asked instead and tells the DNSSEC state.
	Resolver       auth.Resolver
	SecureResolver auth.SecureResolver
	// Budget bounds what is asked about a message, and for how long.
	Budget auth.Budget
	// ReportOnly hands on whatever the verdict: the author domain's policy is not obeyed (RFC 9989 §5.4 leaves that to
	// the receiver). The fields are added all the same.
	ReportOnly bool
	// Limits are those of a message.
	Limits Limits
	// Report, if not nil, is told of each message before it is handed on or refused.
	Report func(ctx context.Context, r *Report)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// A Report is what was found out about a message, and what followed.
type Report struct {
	Peer *smtp.Peer
	From smtp.Path
	// Verdict has the results, the Authentication-Results field, and the questions and rules that led there.
	auth.Verdict
	// Refusal is what the peer is told; nil: the message is handed on.
	Refusal *smtp.Error
	// Quarantine says that the author domain wants the message to be put aside; DecisionField tells the store.
	Quarantine bool
}

// DecisionField is the field that tells those behind what was decided about a message, as a tag list of RFC 6376 §3.2 that
// ParseNote reads: class=quarantine. A Verifier writes none where there is nothing to tell. Those that a message brings are
// taken away.
const DecisionField = "Mailbricks-Decision"

// verifierSize is how much a Verifier may add to a message, for SIZE.
const verifierSize = 16 << 10

// Handler returns a Handler in front of next that verifies. MAIL and RCPT go to next at once, so that it can refuse
// them; SPF is asked for at MAIL, keys when the header is there, DMARC at the end. A message that passes is handed on
// with Authentication-Results on top. One that its author domain wants rejected gets 550 5.7.1, as does one with several
// authors; where DNS did not answer and the answer matters, 451 4.7.0. next then sees no Data.
func (v Verifier) Handler(next smtp.Handler) smtp.Handler {
	return verifier{v, next}
}

type verifier struct {
	Verifier
	next smtp.Handler
}

func (v verifier) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	if v.ID == "" || v.Resolver == nil && v.SecureResolver == nil {
		return nil, errors.New("policy: a Verifier needs an ID and a Resolver")
	}
	tx, err := v.next.Mail(ctx, peer, from, grown(p, verifierSize))
	if err != nil {
		return nil, err
	}
	conn := auth.Connection{IP: peer.IP(), HELO: peer.Hello}
	if !from.IsNull() {
		conn.MailFrom = from.Local + "@" + from.Domain
	}
	c := auth.Checker{ID: v.ID, Resolver: v.Resolver, SecureResolver: v.SecureResolver, Budget: v.Budget, Now: v.Now}
	// The check outlives this call and ends with the transaction at the latest.
	return &verifying{Transaction: tx, v: v.Verifier, peer: peer, from: from, check: c.Begin(context.WithoutCancel(ctx), conn)}, nil
}

// A verifying is a transaction whose message is verified.
type verifying struct {
	smtp.Transaction
	v     Verifier
	peer  *smtp.Peer
	from  smtp.Path
	check *auth.Check
}

// Close ends the questions too.
func (t *verifying) Close() error {
	_ = t.check.Close()
	return t.Transaction.Close()
}

func (t *verifying) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	m, err := readMessage(body, t.v.Limits, func(section []byte) (io.Writer, error) {
		t.check.Header(ctx, section)
		return t.check, nil
	})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	r := &Report{Peer: t.peer, From: t.from, Verdict: *t.check.Verdict()}
	if !t.v.ReportOnly {
		r.Refusal, r.Quarantine = r.judge()
	}
	if t.v.Report != nil {
		t.v.Report(ctx, r)
	}
	if r.Refusal != nil {
		return nil, r.Refusal
	}
	top := bytes.Clone(r.Field)
	if r.Quarantine {
		top = append(top, DecisionField+": class=quarantine\r\n"...)
	}
	return t.Transaction.Data(ctx, m.reader(top, t.v.strip(m.header)))
}

// judge says what is done with a message. DMARC alone refuses: SPF and DKIM tell who a message is from, not whether it
// is wanted.
func (r *Report) judge() (refusal *smtp.Error, quarantine bool) {
	const again = "DNS did not answer, try again"
	if _, ok := errors.AsType[*dmarc.AuthorError](r.DMARC.Err); ok { // RFC 9989 §11.5
		return refuse(550, smtp.EnhancedCode{5, 7, 1}, "Message must have one author domain: "+r.DMARC.Reason, r.DMARC.Err), false
	}
	wanted := r.DMARC.Disposition()
	switch {
	case r.DMARC.Value == dmarc.TempError || wanted != dmarc.PolicyNone && r.Undecided():
		return refuse(451, smtp.EnhancedCode{4, 7, 0}, again, r.DMARC.Err), false
	case wanted == dmarc.PolicyReject:
		return refuse(550, smtp.EnhancedCode{5, 7, 1}, "Rejected by the DMARC policy of "+r.DMARC.PolicyDomain, nil), false
	}
	return nil, wanted == dmarc.PolicyQuarantine
}

// strip takes away what only this host may say.
func (v Verifier) strip(section []byte) []byte {
	out := make([]byte, 0, len(section))
	n := 0
	for f := range header.Fields(section) {
		n += len(f.Raw)
		if !f.Is(DecisionField) {
			out = append(out, f.Raw...)
		}
	}
	out = append(out, section[n:]...)
	return authres.Strip(nil, out, append([]string{v.ID}, v.OtherIDs...)...)
}
