package report

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/internal/header"
	"github.com/mailbricks/mailbricks/smtp/message"
)

// A Failure is a failure report about one message, or several alike (RFC 6591, RFC 9991 §4).
type Failure struct {
	UserAgent string // what made the report
	// AuthFailure is what failed: "dmarc", or one of "adsp", "bodyhash", "revoked", "signature", "spf".
	AuthFailure string
	// Alignment is the mechanisms that authenticated no aligned domain, "dkim" and "spf"; nil: none failed, or it is not
	// told (RFC 9991 §4).
	Alignment []string
	// Delivery is what was done: "delivered", "spam", "policy", "reject" or "other".
	Delivery        string
	Incidents       int // messages that this stands for; 0: not told, so one
	Arrival         time.Time
	SourceIP        netip.Addr
	MailFrom        string   // without brackets
	RcptTo          []string // without brackets
	EnvelopeID      string
	ReportedDomains []string
	Results         []string // values of Authentication-Results fields
	// DKIMDomain, DKIMIdentity and DKIMSelector are d=, i= and s= of the signature; SPFDNS the SPF records.
	DKIMDomain, DKIMIdentity, DKIMSelector string
	SPFDNS                                 []string
	// Original is the message, or its header alone if HeaderOnly; what of it is told is the reporter's choice.
	Original   []byte
	HeaderOnly bool
	// Problems lists what a report that was read has wrong, for people.
	Problems []string
}

// MaxFields is how many fields of a failure report are read.
const MaxFields = 200

// ReadFailure reads the failure report that a message carries. Errors are ErrNoReport, also for a report that is text for
// people alone, ErrLimit, or r's.
func ReadFailure(r io.Reader) (*Failure, error) {
	m, err := readMail(r)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(m.Parts, func(p message.Part) bool {
		t := p.ContentType()
		return t.Type == "message" && t.Subtype == "feedback-report"
	})
	if i < 0 {
		return nil, ErrNoReport
	}
	text, err := io.ReadAll(io.LimitReader(body(&m.Parts[i]), MaxMessage))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReport, err)
	}
	f := &Failure{}
	n := 0
	for field := range header.Fields(bytes.TrimLeft(text, "\r\n")) {
		if n++; n > MaxFields {
			return nil, fmt.Errorf("%w: more than %d fields", ErrLimit, MaxFields)
		}
		if len(field.Name) > 0 {
			f.set(strings.ToLower(string(field.Name)), string(message.AppendUnfolded(nil, field.Value)))
		}
	}
	for _, p := range m.Parts[i+1:] {
		switch t := p.ContentType(); t.Type + "/" + t.Subtype {
		case "message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers":
			f.HeaderOnly = strings.HasSuffix(t.Subtype, "-headers")
			if f.Original, err = io.ReadAll(body(&p)); err != nil {
				f.problem("the message: %v", err)
			}
			return f, nil
		}
	}
	return f, nil
}

func (f *Failure) problem(format string, args ...any) {
	if len(f.Problems) < maxProblems {
		f.Problems = append(f.Problems, fmt.Sprintf(format, args...))
	}
}

// set takes one field (RFC 5965 §3, RFC 6591 §3, RFC 9991 §4).
func (f *Failure) set(name, value string) {
	address := func() string { return strings.TrimSuffix(strings.TrimPrefix(value, "<"), ">") }
	switch name {
	case "feedback-type":
		if !strings.EqualFold(value, "auth-failure") {
			f.problem("Feedback-Type is %.40q", value)
		}
	case "user-agent":
		f.UserAgent = value
	case "auth-failure":
		f.AuthFailure = strings.ToLower(value)
	case "identity-alignment":
		for m := range strings.SplitSeq(strings.ToLower(value), ",") {
			if m = strings.TrimSpace(m); m != "none" && m != "" && len(f.Alignment) < 10 {
				f.Alignment = append(f.Alignment, m)
			}
		}
	case "delivery-result":
		f.Delivery = strings.ToLower(value)
	case "incidents":
		var err error
		if f.Incidents, err = strconv.Atoi(value); err != nil || f.Incidents < 0 {
			f.problem("Incidents is %.40q", value)
			f.Incidents = 0
		}
	case "arrival-date", "received-date":
		var err error
		if f.Arrival, err = parseDate(value); err != nil {
			f.problem("%s is %.60q", name, value)
		}
	case "source-ip":
		var err error
		if f.SourceIP, err = netip.ParseAddr(value); err != nil {
			f.problem("Source-IP is %.60q", value)
		}
	case "original-mail-from":
		f.MailFrom = address()
	case "original-rcpt-to":
		f.RcptTo = append(f.RcptTo, address())
	case "original-envelope-id":
		f.EnvelopeID = value
	case "reported-domain":
		f.ReportedDomains = append(f.ReportedDomains, value)
	case "authentication-results":
		f.Results = append(f.Results, value)
	case "dkim-domain":
		f.DKIMDomain = value
	case "dkim-identity":
		f.DKIMIdentity = value
	case "dkim-selector":
		f.DKIMSelector = value
	case "spf-dns":
		f.SPFDNS = append(f.SPFDNS, value)
	}
}

// parseDate parses a date of RFC 5322 §3.3.
func parseDate(s string) (time.Time, error) {
	if i := strings.IndexByte(s, '('); i >= 0 {
		s = s[:i]
	}
	s = strings.Join(strings.Fields(s), " ")
	var t time.Time
	var err error
	for _, layout := range []string{"Mon, 2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04 -0700", "Mon, 2 Jan 2006 15:04:05 MST"} {
		if t, err = time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return t, err
}

// AppendMail appends a message that carries the report (RFC 6591 §3, RFC 9991 §4), with CRLF line ends. What of it came
// from outside is cleaned of what would begin another field. The message is to pass DMARC: sign it.
func (f *Failure) AppendMail(dst []byte, m Mail) ([]byte, error) {
	if err := m.check(); err != nil {
		return dst, err
	}
	const boundary = "=_failure"
	if bytes.Contains(f.Original, []byte("--"+boundary)) {
		return dst, fmt.Errorf("%w: the message has our boundary in it", ErrMail)
	}
	about := "a message"
	if len(f.ReportedDomains) > 0 {
		about = clean(f.ReportedDomains[0])
	}
	dst = m.append(dst)
	dst = fmt.Appendf(dst, "Subject: DMARC failure report for %s\r\nAuto-Submitted: auto-generated\r\n", about)
	dst = fmt.Appendf(dst, "Content-Type: multipart/report; report-type=feedback-report; boundary=\"%s\"\r\n\r\n--%s\r\n", boundary, boundary)
	dst = fmt.Appendf(dst, "Content-Type: text/plain; charset=us-ascii\r\n\r\nA message that says it is from %s did not pass DMARC.\r\n\r\n--%s\r\n", about, boundary)
	dst = append(dst, "Content-Type: message/feedback-report\r\n\r\n"...)
	dst = f.appendFields(dst)
	kind := "message/rfc822"
	if f.HeaderOnly {
		kind = "text/rfc822-headers"
	}
	if len(f.Original) > 0 {
		dst = fmt.Appendf(dst, "\r\n--%s\r\nContent-Type: %s\r\n\r\n", boundary, kind)
		dst = append(dst, f.Original...)
	}
	return fmt.Appendf(dst, "\r\n--%s--\r\n", boundary), nil
}

func (f *Failure) appendFields(dst []byte) []byte {
	field := func(name, value string) {
		if value != "" {
			dst = fmt.Appendf(dst, "%s: %s\r\n", name, clean(value))
		}
	}
	all := func(name string, values []string) {
		for _, v := range values {
			field(name, v)
		}
	}
	field("Feedback-Type", "auth-failure")
	field("User-Agent", or(f.UserAgent, "mailbricks/1"))
	field("Version", "1")
	field("Auth-Failure", or(f.AuthFailure, "dmarc"))
	field("Identity-Alignment", or(strings.Join(f.Alignment, ", "), "none"))
	field("Delivery-Result", f.Delivery)
	if f.Incidents > 0 {
		field("Incidents", strconv.Itoa(f.Incidents))
	}
	if !f.Arrival.IsZero() {
		field("Arrival-Date", f.Arrival.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	}
	if f.SourceIP.IsValid() {
		field("Source-IP", f.SourceIP.Unmap().String())
	}
	dst = fmt.Appendf(dst, "Original-Mail-From: <%s>\r\n", clean(f.MailFrom))
	for _, to := range f.RcptTo {
		dst = fmt.Appendf(dst, "Original-Rcpt-To: <%s>\r\n", clean(to))
	}
	field("Original-Envelope-Id", f.EnvelopeID)
	all("Reported-Domain", f.ReportedDomains)
	all("Authentication-Results", f.Results)
	field("DKIM-Domain", f.DKIMDomain)
	field("DKIM-Identity", f.DKIMIdentity)
	field("DKIM-Selector", f.DKIMSelector)
	all("SPF-DNS", f.SPFDNS)
	return dst
}

// clean returns a text that stays in its line: control characters become "?", and it is no longer than a line can be.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.Join(strings.Fields(s), " "))
	return s[:min(len(s), 900)]
}
