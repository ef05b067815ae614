package dsn

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mailbricks/mailbricks/smtp"
)

// ErrNullReversePath says that a notification was to be sent to the null reverse-path: it must never be
// (RFC 5321 §4.5.5, RFC 3834 §2).
var ErrNullReversePath = errors.New("dsn: the null reverse-path is never notified")

// A Message is a notification to be sent, with MAIL FROM:<> and RCPT TO the Path of To.
type Message struct {
	Report Report
	// To is the reverse-path of the original message.
	To smtp.Path
	// From is the address of the From field; "" is mailer-daemon at the ReportingMTA.
	From string
	// MessageID is the Message-ID without its brackets. The same one twice says that the same notification came twice.
	MessageID string
	Date      time.Time
	// Subject is the Subject field; "" has one by the worst Action.
	Subject string
	// InReplyTo is the Message-ID of the original without its brackets, "" if not known (RFC 3834 §3.1.5).
	InReplyTo string
	// UTF8 writes the SMTPUTF8 forms (RFC 6533): set it if the original was sent with SMTPUTF8. The notification
	// must then be sent with SMTPUTF8 too.
	UTF8 bool
}

// Append appends the notification as a message with CRLF line endings. The error is ErrNullReversePath, or says what
// is missing: a recipient, ReportingMTA or MessageID. The result has bytes over 127 only if UTF8 is set or Original
// has them; such a message needs 8BITMIME.
func (m *Message) Append(dst []byte) ([]byte, error) {
	r := &m.Report
	switch {
	case m.To.IsNull():
		return dst, ErrNullReversePath
	case len(r.Recipients) == 0:
		return dst, errors.New("dsn: no recipient to report")
	case r.ReportingMTA == "":
		return dst, errors.New("dsn: ReportingMTA is empty")
	case m.MessageID == "":
		return dst, errors.New("dsn: MessageID is empty")
	}
	text := r.Text
	if text == "" {
		text = explain(r)
	}
	var status []byte
	status = appendStatus(status, r, m.UTF8)
	returned := r.Original
	if !r.Full {
		returned = headerOf(returned)
	}
	// A hash of all that the boundary encloses cannot stand in it.
	h := sha256.New()
	for _, part := range [][]byte{[]byte(m.MessageID), []byte(text), status, returned} {
		h.Write(part)
	}
	boundary := "=_" + hex.EncodeToString(h.Sum(nil)[:20])

	dst = m.appendHeader(dst, boundary)
	dst = append(dst, "\r\n--"+boundary+"\r\n"...)
	charset := "us-ascii"
	if m.UTF8 {
		charset = "utf-8"
	} else {
		text = ascii(text)
	}
	dst = append(dst, "Content-Type: text/plain; charset="+charset+"\r\n"...)
	dst = append(dst, transfer([]byte(text))+"\r\n"...)
	dst = appendText(dst, text)

	dst = append(dst, "\r\n--"+boundary+"\r\nContent-Type: message/"+global("delivery-status", "global-delivery-status", m.UTF8)+"\r\n"...)
	dst = append(dst, transfer(status)+"\r\n"...)
	dst = append(dst, status...)

	if len(returned) > 0 {
		kind := global("text/rfc822-headers", "message/global-headers", m.UTF8)
		if r.Full {
			kind = global("message/rfc822", "message/global", m.UTF8)
		}
		dst = append(dst, "\r\n--"+boundary+"\r\nContent-Type: "+kind+"\r\n"...)
		dst = append(dst, transfer(returned)+"\r\n"...)
		dst = append(dst, returned...)
	}
	return append(dst, "\r\n--"+boundary+"--\r\n"...), nil
}

func (m *Message) appendHeader(dst []byte, boundary string) []byte {
	from, subject := m.From, m.Subject
	if from == "" {
		from = "mailer-daemon@" + m.Report.ReportingMTA
	}
	if subject == "" {
		subject = subjectOf(m.Report.Recipients)
	}
	dst = appendField(dst, "Date", m.Date.Format(dateLayout), m.UTF8)
	dst = appendField(dst, "From", "Mail Delivery System <"+from+">", m.UTF8)
	dst = appendField(dst, "To", m.To.String(), m.UTF8)
	dst = appendField(dst, "Subject", subject, m.UTF8)
	dst = appendField(dst, "Message-ID", "<"+m.MessageID+">", m.UTF8)
	if m.InReplyTo != "" {
		dst = appendField(dst, "In-Reply-To", "<"+m.InReplyTo+">", m.UTF8)
		dst = appendField(dst, "References", "<"+m.InReplyTo+">", m.UTF8)
	}
	dst = append(dst, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"...)
	return append(dst, "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\""+boundary+"\"\r\n"...)
}

const dateLayout = "Mon, 02 Jan 2006 15:04:05 -0700"

// appendStatus appends the fields of message/delivery-status (RFC 3464 §2.1).
func appendStatus(dst []byte, r *Report, utf8Form bool) []byte {
	field := func(name, value string) {
		if value != "" {
			dst = appendField(dst, name, value, utf8Form)
		}
	}
	date := func(name string, t time.Time) {
		if !t.IsZero() {
			field(name, t.Format(dateLayout))
		}
	}
	field("Original-Envelope-Id", r.EnvelopeID)
	field("Reporting-MTA", mta(r.ReportingMTA))
	field("Received-From-MTA", mta(r.ReceivedFrom))
	date("Arrival-Date", r.Arrival)
	date("Deliver-By-Date", r.DeliverBy)
	field("Future-Release-Request", r.FutureRelease)
	for i := range r.Recipients {
		rc := &r.Recipients[i]
		dst = append(dst, "\r\n"...)
		field("Original-Recipient", rc.Original.encode(utf8Form))
		field("Final-Recipient", rc.Final.encode(utf8Form))
		field("Action", string(rc.Action))
		field("Status", rc.status().String())
		field("Remote-MTA", mta(rc.RemoteMTA))
		if rc.Diagnostic.Code != 0 {
			field("Diagnostic-Code", "smtp; "+rc.Diagnostic.String())
		} else {
			field("Diagnostic-Code", rc.Diagnostic.Text())
		}
		date("Last-Attempt-Date", rc.LastAttempt)
		date("Will-Retry-Until", rc.RetryUntil)
	}
	return dst
}

func mta(name string) string {
	if name == "" || strings.Contains(name, ";") {
		return name
	}
	return "dns; " + name
}

func global(plain, utf8Form string, is bool) string {
	if is {
		return utf8Form
	}
	return plain
}

// transfer returns the Content-Transfer-Encoding field that b needs, or "".
func transfer(b []byte) string {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return "Content-Transfer-Encoding: 8bit\r\n"
		}
	}
	return ""
}

// headerOf returns the header of a message without the empty line that ends it.
func headerOf(msg []byte) []byte {
	if bytes.HasPrefix(msg, []byte("\r\n")) {
		return nil
	}
	if i := bytes.Index(msg, []byte("\r\n\r\n")); i >= 0 {
		return msg[:i+2]
	}
	return msg
}

// subjectOf tells the worst that happened.
func subjectOf(rs []Recipient) string {
	subject := "Delivery notification: your message was delivered"
	for i := range rs {
		switch rs[i].Action {
		case Failed:
			return "Undelivered mail returned to sender"
		case Delayed:
			subject = "Delayed mail: still being retried"
		}
	}
	return subject
}

// oneLine makes line ends into spaces.
func oneLine(s string) string { return strings.NewReplacer("\r", " ", "\n", " ").Replace(s) }

// explain writes the text for people.
func explain(r *Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "This is the mail system at %s.\n", r.ReportingMTA)
	for _, group := range []struct {
		action Action
		intro  string
	}{
		{Failed, "Your message could not be delivered to the following recipients, and will not be\ntried again:"},
		{Delayed, "Your message has not been delivered yet to the following recipients. You need not\nsend it again:"},
		{Delivered, "Your message was delivered to:"},
		{Relayed, "Your message was handed to the next mail system, which sends no notifications, for:"},
		{Expanded, "Your message was delivered to a list, for:"},
	} {
		intro := group.intro
		for i := range r.Recipients {
			rc := &r.Recipients[i]
			if rc.Action != group.action {
				continue
			}
			if intro != "" {
				b.WriteString("\n" + intro + "\n")
				intro = ""
			}
			fmt.Fprintf(&b, "\n  <%s>\n", oneLine(rc.Final.Address))
			if t := rc.Diagnostic.Text(); t != "" {
				who := ""
				if rc.RemoteMTA != "" {
					who = oneLine(rc.RemoteMTA) + " said: "
				}
				fmt.Fprintf(&b, "    %s%s\n", who, oneLine(rc.Diagnostic.String()))
			}
			if rc.Action == Delayed && !rc.RetryUntil.IsZero() {
				fmt.Fprintf(&b, "    It will be tried until %s.\n", rc.RetryUntil.Format(dateLayout))
			}
		}
	}
	return b.String()
}
