package channel

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/mail"
	"net/netip"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/internal/header"
)

// Leaked says that somebody else than the pinned sender uses the address of a channel: the pinned one, or a host that
// it trusts, has handed it on.
type Leaked struct {
	Channel Channel
	// Pinned is whom the channel belongs to, Seen the domain that was authenticated for the author, "" if none was: then
	// the author may be anybody, the pinned sender too.
	Pinned, Seen string
	// Author is the address in From, as it was claimed; MailFrom the reverse-path.
	Author, MailFrom string
	// Source is the peer's address, invalid if there was none.
	Source netip.Addr
	// Results are the values of Authentication-Results of this host.
	Results []string
	// Header is the message's header section, which a report has in it. It is the message's own: not to be changed.
	Header []byte
	At     time.Time
}

// A Report is the letter that carries a Leaked to whoever can do something about it.
type Report struct {
	// From and To are addresses, ID a Message-ID without its angle brackets, all required.
	From, To, ID string
	Date         time.Time
	// Agent is the User-Agent of the report; "" is "mailbricks/1".
	Agent string
}

// ErrReport says that a Report lacks something, or has something that cannot be in a header field.
var ErrReport = errors.New("channel: report cannot be written")

// AppendReport appends an abuse report (RFC 5965), with CRLF line ends and the header section of the message for the
// original. What of it came from outside is cleaned of what would begin another field. The letter is to be sent with the
// null reverse-path, so that no answer comes to it, and signed.
func (l Leaked) AppendReport(dst []byte, r Report) ([]byte, error) {
	for _, addr := range []string{r.From, r.To} {
		if a, err := mail.ParseAddress(addr); err != nil || a.Address != addr {
			return dst, fmt.Errorf("%w: address %.80q", ErrReport, addr)
		}
	}
	if r.Date.IsZero() || !strings.Contains(r.ID, "@") || clean(r.ID) != r.ID || strings.ContainsAny(r.ID, "<> ") {
		return dst, fmt.Errorf("%w: date or id", ErrReport)
	}
	if r.Agent == "" {
		r.Agent = "mailbricks/1"
	}
	boundary := fmt.Sprintf("=_%x", sha256.Sum256(l.Header)) // nothing that has been written knows it
	dst = fmt.Appendf(dst, "From: <%s>\r\nTo: <%s>\r\nDate: %s\r\nMessage-ID: <%s>\r\n", r.From, r.To, r.Date.Format(dateFormat), r.ID)
	dst = append(dst, "Subject: Abuse report: an address that was given to one sender is used by another\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"...)
	dst = fmt.Appendf(dst, "Content-Type: multipart/report; report-type=feedback-report;\r\n boundary=\"%s\"\r\n", boundary)
	dst = fmt.Appendf(dst, "\r\n--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n", boundary)
	dst = fmt.Appendf(dst, "The address <%s>\r\nwas given to %s and to nobody else.\r\nA message to it came from %s.\r\n",
		clean(l.Channel.Address), or(clean(l.Pinned), "one correspondent"), or(clean(l.Seen), "a sender who was not authenticated"))
	dst = fmt.Appendf(dst, "\r\n--%s\r\nContent-Type: message/feedback-report\r\n\r\n", boundary)
	dst = l.appendFields(dst, r)
	dst = fmt.Appendf(dst, "\r\n--%s\r\nContent-Type: text/rfc822-headers\r\n\r\n", boundary)
	dst = appendLines(dst, l.Header)
	return fmt.Appendf(dst, "\r\n--%s--\r\n", boundary), nil
}

const dateFormat = "Mon, 02 Jan 2006 15:04:05 -0700"

// appendFields appends the machine-readable part: the fields that RFC 5965 §3.1 requires, then those of §3.2 and §3.3.
func (l Leaked) appendFields(dst []byte, r Report) []byte {
	field := func(name, value string) {
		if value = clean(value); value != "" {
			dst = fmt.Appendf(dst, "%s: %s\r\n", name, value)
		}
	}
	field("Feedback-Type", "abuse")
	field("User-Agent", r.Agent)
	field("Version", "1")
	if !l.At.IsZero() {
		field("Arrival-Date", l.At.Format(dateFormat))
	}
	field("Original-Mail-From", "<"+l.MailFrom+">")
	field("Original-Rcpt-To", "<"+l.Channel.Address+">")
	if l.Source.IsValid() {
		field("Source-IP", l.Source.Unmap().String())
	}
	field("Reported-Domain", l.Seen)
	for _, v := range l.Results {
		field("Authentication-Results", v)
	}
	return dst
}

// appendLines appends a header section with CRLF line ends and without the empty line.
func appendLines(dst, section []byte) []byte {
	for f := range header.Fields(section) {
		for line := range strings.Lines(string(f.Raw)) {
			dst = append(append(dst, strings.TrimRight(line, "\r\n")...), "\r\n"...)
		}
	}
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

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
