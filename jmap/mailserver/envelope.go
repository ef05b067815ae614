package mailserver

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/jmap/outbox"
)

// Limits of a submission.
const (
	maxRecipients   = 1000
	maxParameters   = 20             // of an address
	maxDelayedSend  = 30 * 24 * 3600 // seconds
	maxParameterLen = 4096           // octets of a name and its value
	never           = 100 * 365 * 24 * time.Hour
)

// envelope returns the envelope that was given, or that of the fields of the message, and checks it (RFC 8621 §7).
func envelope(r *mail.EmailSubmission, p *mail.Parsed, identity string) (*mail.Envelope, error) {
	m := p.Summary()
	env := r.Envelope
	var bad []string
	if len(m.From) == 0 || env == nil && len(m.Sender) == 0 && (len(m.From) > 1 || fields(p, "From") > 1) {
		bad = append(bad, "from")
	}
	if env == nil && (len(m.Sender) > 1 || fields(p, "Sender") > 1) {
		bad = append(bad, "sender")
	}
	if m.SentAt.IsZero() {
		bad = append(bad, "sentAt")
	}
	if bad != nil {
		return nil, &jmap.SetError{Type: jmap.SetInvalidEmail, Properties: bad}
	}
	for _, f := range m.From {
		if !isFrom(f.Email, identity) {
			return nil, &jmap.SetError{Type: jmap.SetForbiddenFrom}
		}
	}
	if env == nil {
		from := slices.Concat(m.Sender, m.From)[0].Email
		if !isFrom(from, identity) {
			from = identity
		}
		env = &mail.Envelope{MailFrom: mail.EnvelopeAddress{Email: from}}
		for _, a := range slices.Concat(m.To, m.Cc, m.Bcc) {
			env.RcptTo = append(env.RcptTo, mail.EnvelopeAddress{Email: a.Email})
		}
	}
	if !isFrom(env.MailFrom.Email, identity) || !isAddress(env.MailFrom.Email) {
		return nil, &jmap.SetError{Type: jmap.SetForbiddenMailFrom}
	}
	return recipients(env)
}

// recipients checks the recipients of an envelope, and returns it with each of them once.
func recipients(env *mail.Envelope) (*mail.Envelope, error) {
	out := &mail.Envelope{MailFrom: env.MailFrom}
	var bad []string
	seen := make(map[string]bool)
	for _, to := range env.RcptTo {
		if !isAddress(to.Email) {
			bad = append(bad, to.Email)
		}
		if !seen[to.Email] {
			out.RcptTo = append(out.RcptTo, to)
		}
		seen[to.Email] = true
	}
	switch {
	case bad != nil:
		return nil, &jmap.SetError{Type: jmap.SetInvalidRecipients, InvalidRecipients: bad}
	case len(out.RcptTo) == 0:
		return nil, &jmap.SetError{Type: jmap.SetNoRecipients}
	case len(out.RcptTo) > maxRecipients:
		return nil, &jmap.SetError{Type: jmap.SetTooManyRecipients, MaxRecipients: maxRecipients}
	}
	return out, nil
}

// fields counts the header fields of a name.
func fields(p *mail.Parsed, name string) int {
	n := 0
	for _, f := range p.Header() {
		if strings.EqualFold(f.Name, name) {
			n++
		}
	}
	return n
}

// isFrom reports whether an address is that of an identity.
func isFrom(address, identity string) bool {
	if domain, ok := strings.CutPrefix(identity, "*@"); ok {
		i := strings.LastIndexByte(address, '@')
		return i > 0 && strings.EqualFold(address[i+1:], domain) && isAddress(address)
	}
	return strings.EqualFold(address, identity)
}

// isAddress reports whether s may be an address in an envelope; the Submitter knows its grammar.
func isAddress(s string) bool {
	i := strings.LastIndexByte(s, '@')
	return i > 0 && i < len(s)-1 && !strings.ContainsFunc(s, func(c rune) bool { return c < 0x20 || c == 0x7f || c == '<' || c == '>' })
}

// parameters checks those of an envelope: each belongs to an extension that the account offers, or to the server. It
// returns how long the message is to wait (RFC 4865).
func parameters(ctx context.Context, a *mail.Account, s *mail.EmailSubmission, now time.Time) (wait time.Duration, err error) {
	for i, x := range append([]mail.EnvelopeAddress{s.Envelope.MailFrom}, s.Envelope.RcptTo...) {
		if len(x.Parameters) > maxParameters {
			return 0, invalid("too many parameters", "envelope")
		}
		seen, holds := make(map[string]bool), 0
		for name, v := range x.Parameters {
			upper := strings.ToUpper(name)
			if seen[upper] || len(name) > maxParameterLen || v != nil && len(*v) > maxParameterLen {
				return 0, invalid("a parameter that is given twice, or too long", "envelope")
			}
			seen[upper] = true
			if i == 0 && outbox.Timing(name) && a.Submissions.Kept() {
				var ok bool
				if wait, ok = hold(upper, v, now); !ok {
					return 0, invalid("not a time to wait for, or too far away", "envelope")
				}
				holds++
				continue
			}
			if !offered(a, upper, i > 0) {
				return 0, invalid("unknown parameter "+strconv.QuoteToASCII(name), "envelope")
			}
		}
		if holds > 1 {
			return 0, invalid("HOLDFOR and HOLDUNTIL", "envelope")
		}
	}
	all := make([]int, len(s.Envelope.RcptTo))
	for i := range all {
		all[i] = i
	}
	return wait, a.Submitter.Check(ctx, outbox.Message(s, all))
}

// hold returns how long HOLDFOR=SECONDS or HOLDUNTIL=DATE-TIME ask to wait (RFC 4865 §3).
func hold(name string, v *string, now time.Time) (time.Duration, bool) {
	if v == nil {
		return 0, false
	}
	wait := never
	if name == "HOLDFOR" {
		if n, err := strconv.ParseUint(*v, 10, 32); err == nil && n > 0 && len(*v) <= 9 {
			wait = time.Duration(n) * time.Second
		}
	} else if t, err := time.Parse(time.RFC3339, *v); err == nil {
		wait = max(t.Sub(now), 0)
	}
	return wait, wait <= maxDelayedSend*time.Second
}

// offered reports whether a parameter of MAIL, or of RCPT, belongs to an extension of the account's. What the server decides
// itself may be given, and is left to it; the parameter of an extension that is not known here has its keyword, or that
// without the X.
func offered(a *mail.Account, name string, rcpt bool) bool {
	has := func(keyword string) bool {
		for k := range a.SubmissionExtensions {
			if strings.EqualFold(k, keyword) {
				return true
			}
		}
		return false
	}
	switch name {
	case "SIZE", "BODY", "SMTPUTF8":
		return !rcpt
	case "HOLDFOR", "HOLDUNTIL", "AUTH":
		return false
	case "RET", "ENVID":
		return !rcpt && has("DSN")
	case "NOTIFY", "ORCPT":
		return rcpt && has("DSN")
	case "BY":
		return !rcpt && has("DELIVERBY")
	}
	return has(name) || has("X"+name)
}

// A submissionCapability is what an account can send (RFC 8621 §1.3.2).
type submissionCapability struct {
	MaxDelayedSend       uint                `json:"maxDelayedSend"`
	SubmissionExtensions map[string][]string `json:"submissionExtensions"`
}

func submissionCapabilityOf(a *mail.Account) submissionCapability {
	c := submissionCapability{SubmissionExtensions: make(map[string][]string)}
	for name, args := range a.SubmissionExtensions {
		c.SubmissionExtensions[name] = append([]string{}, args...)
	}
	if a.Submissions.Kept() {
		c.MaxDelayedSend = maxDelayedSend
		c.SubmissionExtensions["FUTURERELEASE"] = []string{}
	}
	return c
}

// maxSize returns the longest message that an account sends, in octets: the argument of its extension SIZE, if that is less
// than what can be handed over at all.
func maxSize(a *mail.Account) int64 {
	most := int64(maxMessage)
	if args := a.SubmissionExtensions["SIZE"]; len(args) > 0 {
		if n, err := strconv.ParseInt(args[0], 10, 64); err == nil && n > 0 {
			most = min(most, n)
		}
	}
	return most
}
