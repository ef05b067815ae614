package policy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/mailbricks/mailbricks/auth/authres"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/dmarc"
	"github.com/mailbricks/mailbricks/internal/header"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/spf"
)

// A Verifier checks who a message is from: SPF, DKIM and DMARC. It stands where mail comes in from strangers.
type Verifier struct {
	// ID is the authserv-id, by habit the name of this host (RFC 8601 §2.5); it must be set. Fields that a message
	// brings with this name, or with one of OtherIDs, are forged and are taken away.
	ID       string
	OtherIDs []string
	// Resolver is asked; *net.Resolver is one. SecureResolver, if not nil, is asked for keys instead and tells their
	// DNSSEC state.
	Resolver       spf.Resolver
	SecureResolver dkim.SecureResolver
	// Timeout bounds the questions of each check; 0: 30 s.
	Timeout time.Duration
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
	Peer  *smtp.Peer
	From  smtp.Path
	SPF   *spf.Check
	DKIM  []dkim.Result // none: the message has no signature
	DMARC dmarc.Result
	// Field is the Authentication-Results field, with its final CRLF.
	Field []byte
	// Refusal is what the peer is told; nil: the message is handed on.
	Refusal *smtp.Error
	// Quarantine says that the author domain wants the message to be put aside; DecisionField tells the store.
	Quarantine bool
}

// DecisionField is the field that tells those behind what was decided about a message, as a tag list of RFC 6376 §3.2:
// class=quarantine. There is none where there is nothing to tell. Those that a message brings are taken away.
const DecisionField = "Mailbricks-Decision"

// verifierSize is how much a Verifier may add to a message, for SIZE.
const verifierSize = 16 << 10

const defaultTimeout = 30 * time.Second

// Handler returns a Handler in front of next that verifies. MAIL and RCPT go to next at once, so that it can refuse
// them; SPF is asked for at MAIL, keys when the header is there, DMARC at the end. A message that passes is handed on
// with Authentication-Results on top. One that its author domain wants rejected gets 550 5.7.1, as does one with several
// authors; where DNS did not answer and the answer matters, 451 4.7.0. next then sees no Data.
func (v Verifier) Handler(next smtp.Handler) smtp.Handler {
	if v.Timeout == 0 {
		v.Timeout = defaultTimeout
	}
	return verifier{v, next}
}

type verifier struct {
	Verifier
	next smtp.Handler
}

func (v verifier) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	if v.ID == "" || v.Resolver == nil {
		return nil, errors.New("policy: a Verifier needs an ID and a Resolver")
	}
	tx, err := v.next.Mail(ctx, peer, from, grown(p, verifierSize))
	if err != nil {
		return nil, err
	}
	// The check outlives this call and ends with the transaction at the latest.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), v.Timeout)
	t := &verifying{Transaction: tx, v: v.Verifier, peer: peer, from: from, spf: make(chan *spf.Check, 1), cancel: cancel}
	go func() {
		t.spf <- spf.Verify(ctx, v.Resolver, request(peer, from), spf.Options{Receiver: v.ID, Now: v.Now})
	}()
	return t, nil
}

func request(peer *smtp.Peer, from smtp.Path) spf.Request {
	r := spf.Request{IP: peer.IP(), HELO: peer.Hello}
	if !from.IsNull() {
		r.MailFrom = from.Local + "@" + from.Domain
	}
	return r
}

// A verifying is a transaction whose message is verified.
type verifying struct {
	smtp.Transaction
	v      Verifier
	peer   *smtp.Peer
	from   smtp.Path
	spf    chan *spf.Check // one, from the goroutine of Mail
	cancel context.CancelFunc
	asked  *spf.Check // what was received from spf
}

// Close ends SPF's questions too.
func (t *verifying) Close() error {
	t.cancel()
	t.sender()
	return t.Transaction.Close()
}

// sender waits for SPF.
func (t *verifying) sender() *spf.Check {
	if t.asked == nil {
		t.asked = <-t.spf
	}
	return t.asked
}

func (t *verifying) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	var keys *dkim.Verification
	asking, cancel := context.WithTimeout(ctx, t.v.Timeout)
	defer cancel()
	m, err := readMessage(body, t.v.Limits, func(section []byte) (io.Writer, error) {
		v := dkim.Verifier{Resolver: t.v.Resolver, SecureResolver: t.v.SecureResolver, Now: t.v.Now}
		keys = v.Begin(asking, section)
		return keys, nil
	})
	if keys != nil {
		defer keys.Close()
	}
	if err != nil {
		return nil, err
	}
	defer m.Close()
	r := &Report{Peer: t.peer, From: t.from, DKIM: keys.Results(), SPF: t.sender()}
	r.DMARC = t.author(ctx, m.header, r)
	r.Field = r.field(t.v.ID)
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

// author evaluates DMARC.
func (t *verifying) author(ctx context.Context, section []byte, r *Report) dmarc.Result {
	ctx, cancel := context.WithTimeout(ctx, t.v.Timeout)
	defer cancel()
	m := dmarc.Message{From: fieldValues(section, "From")}
	if r.SPF.Result == spf.Pass && r.SPF.Identity == "mailfrom" { // RFC 9989 §4.4.2: HELO does not count
		m.SPF = r.SPF.Domain
	}
	for _, s := range r.DKIM {
		if s.Value == dkim.Pass {
			m.DKIM = append(m.DKIM, s.Signature.Domain)
		}
	}
	return dmarc.Verify(ctx, t.v.Resolver, m)
}

// field writes Authentication-Results. Signatures that were not looked at, because there are too many, are told once.
func (r *Report) field(id string) []byte {
	entries := []authres.Appender{r.SPF}
	unchecked := false
	for _, s := range r.DKIM {
		many := errors.Is(s.Err, dkim.ErrTooMany)
		if !many || !unchecked {
			entries = append(entries, s)
		}
		unchecked = unchecked || many
	}
	if len(r.DKIM) == 0 {
		entries = append(entries, authres.Result{Method: "dkim", Value: "none"})
	}
	return authres.Append(nil, id, append(entries, r.DMARC)...)
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
	case r.DMARC.Value == dmarc.TempError:
		return refuse(451, smtp.EnhancedCode{4, 7, 0}, again, r.DMARC.Err), false
	case wanted != dmarc.PolicyNone && r.undecided():
		return refuse(451, smtp.EnhancedCode{4, 7, 0}, again, nil), false
	case wanted == dmarc.PolicyReject:
		return refuse(550, smtp.EnhancedCode{5, 7, 1}, "Rejected by the DMARC policy of "+r.DMARC.PolicyDomain, nil), false
	}
	return nil, wanted == dmarc.PolicyQuarantine
}

// undecided reports whether one more answer of DNS could have authenticated the message.
func (r *Report) undecided() bool {
	if r.SPF.Result == spf.TempError && r.SPF.Identity == "mailfrom" {
		return true
	}
	for _, s := range r.DKIM {
		if s.Value == dkim.TempError {
			return true
		}
	}
	return false
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
