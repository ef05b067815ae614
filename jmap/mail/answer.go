package mail

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mailbricks/mailbricks/jmap"
)

// AnswerPeriod is how long a sender who was answered is not answered again (RFC 3834 §2). Who answers keeps account of it.
const AnswerPeriod = 7 * 24 * time.Hour

// An Arrival is a message that was delivered to a user.
type Arrival struct {
	// From is the reverse-path of its envelope, where an answer goes; "" is the null one.
	From string
	// Header is its header; what follows is not looked at.
	Header []byte
	At     time.Time
	// As is whom it was delivered to, under the name that the user goes by: From of the answer.
	As Address
	// Own are all other addresses of the user.
	Own []string
}

// A NoAnswer says why a message is not answered.
type NoAnswer string

// The reasons of a NoAnswer, all of RFC 3834 §2 but NotActive.
const (
	NotActive    NoAnswer = "no vacation response is active"
	NullPath     NoAnswer = "the reverse-path is null or no address"
	OwnMail      NoAnswer = "it is the user's own"
	FromProgram  NoAnswer = "its sender is a program"
	Automatic    NoAnswer = "it was submitted automatically"
	FromList     NoAnswer = "it came over a mailing list"
	Bulk         NoAnswer = "it was sent to many"
	NotAddressed NoAnswer = "no field for recipients has an address of the user"
)

func (n NoAnswer) Error() string { return "jmap: no answer: " + string(n) }

// maxSubject is how much is told again of a subject, in octets, maxReferences how many messages of a conversation, and
// maxHeader how much of a header is looked at.
const (
	maxHeader     = 256 << 10
	maxSubject    = 200
	maxReferences = 20
)

// Answer returns the message that answers an Arrival, to be sent to a.From alone with MAIL FROM:<> (RFC 3834 §3.3) and
// not more than once in AnswerPeriod. The error is a NoAnswer, or says why the message cannot be composed.
func (v *VacationResponse) Answer(a *Arrival) ([]byte, error) {
	if !v.Active(a.At) {
		return nil, NotActive
	}
	own := append([]string{a.As.Email}, a.Own...)
	header, _, _ := bytes.Cut(a.Header[:min(len(a.Header), maxHeader)], []byte("\r\n\r\n"))
	p := Parse(append(bytes.Clone(header), "\r\n\r\n"...), "")
	if reason := refuse(a.From, own, p.Header()); reason != "" {
		return nil, reason
	}
	s := p.Summary()
	e := map[string]any{"from": []Address{a.As}, "to": []Address{{Email: a.From}}, "subject": v.subject(s),
		"sentAt": jmap.Date{Time: a.At}, "header:Auto-Submitted": " auto-replied"}
	if ids := references(s); len(s.MessageID) == 1 && len(ids) > 0 {
		e["inReplyTo"], e["references"] = ids[len(ids)-1:], ids
	}
	e["textBody"], e["bodyValues"] = []BodyPart{{PartID: "t", Type: "text/plain"}}, map[string]BodyValue{"t": {Value: v.text(a)}}
	if v.HTMLBody != nil {
		e["htmlBody"] = []BodyPart{{PartID: "h", Type: "text/html"}}
		e["bodyValues"] = map[string]BodyValue{"t": {Value: v.text(a)}, "h": {Value: *v.HTMLBody}}
	}
	raw, err := jmap.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("jmap: answer: %w", err)
	}
	out, err := (&Composer{Now: a.At}).Compose(raw)
	if err != nil {
		return nil, fmt.Errorf("jmap: answer: %w", err)
	}
	return out, nil
}

// subject returns the user's, or "Auto: " and that of the message (RFC 3834 §3.1.5).
func (v *VacationResponse) subject(of *Summary) string {
	if v.Subject != nil {
		return *v.Subject
	}
	if of.Subject == nil || strings.TrimSpace(*of.Subject) == "" {
		return "Auto: your message"
	}
	s := strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(*of.Subject, "?"))
	if len(s) > maxSubject {
		n := maxSubject
		for !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n] + "…"
	}
	return "Auto: " + strings.TrimSpace(s)
}

// text returns the user's, or that of the HTML, or one of ours.
func (v *VacationResponse) text(a *Arrival) string {
	switch {
	case v.TextBody != nil:
		return *v.TextBody
	case v.HTMLBody != nil:
		return strings.TrimSpace(htmlText(*v.HTMLBody)) + "\n"
	}
	return "Your message to " + a.As.Email + " has arrived. It may not be read for some time.\n"
}

// references returns those of an answer (RFC 5322 §3.6.4): the conversation, its first message and the latest ones.
func references(of *Summary) []string {
	ids := of.References
	if len(ids) == 0 && len(of.InReplyTo) == 1 {
		ids = of.InReplyTo
	}
	ids = slices.DeleteFunc(slices.Concat(ids, of.MessageID), func(id string) bool {
		return id == "" || len(id) > 900 || strings.ContainsAny(id, "<> \t") || !cleanValue(id) || !utf8.ValidString(id)
	})
	if n := len(ids); n > maxReferences {
		ids = append(ids[:1:1], ids[n-maxReferences+1:]...)
	}
	return ids
}

// refuse returns why a message is not answered, "" if it may be.
func refuse(from string, own []string, header []EmailHeader) NoAnswer {
	i := strings.LastIndexByte(from, '@')
	isOwn := func(address string) bool {
		return slices.ContainsFunc(own, func(o string) bool { return strings.EqualFold(o, address) })
	}
	switch {
	case i <= 0 || i == len(from)-1 || !cleanValue(from) || !cleanText(from):
		return NullPath
	case isOwn(from):
		return OwnMail
	case ofProgram(strings.ToLower(from[:i])):
		return FromProgram
	}
	addressed := false
	for _, f := range header {
		name, value := strings.ToLower(f.Name), f.Value
		word, _, _ := strings.Cut(value, ";")
		word = strings.ToLower(strings.TrimSpace(uncommented(word)))
		switch {
		case name == "auto-submitted" && word != "no",
			name == "content-type" && word == "multipart/report",
			name == "x-auto-response-suppress" && word != "none":
			return Automatic
		case strings.HasPrefix(name, "list-"):
			return FromList
		case name == "precedence" && (word == "bulk" || word == "list" || word == "junk"):
			return Bulk
		}
		switch strings.TrimPrefix(name, "resent-") {
		case "to", "cc", "bcc":
			addressed = addressed || slices.ContainsFunc(ParseAddresses(value), func(a Address) bool { return isOwn(a.Email) })
		}
	}
	if !addressed {
		return NotAddressed
	}
	return ""
}

// ofProgram reports whether a local part, in lower case, is one that programs send from.
func ofProgram(local string) bool {
	for _, p := range []string{"owner-", "bounce", "noreply", "no-reply", "donotreply", "do-not-reply"} {
		if strings.HasPrefix(local, p) {
			return true
		}
	}
	for _, s := range []string{"-owner", "-request", "-bounces", "-bounce", "-noreply"} {
		if strings.HasSuffix(local, s) {
			return true
		}
	}
	return slices.Contains([]string{"mailer-daemon", "listserv", "majordomo", "postmaster"}, local)
}

// uncommented drops what stands in parentheses.
func uncommented(s string) string {
	var b strings.Builder
	depth := 0
	for _, c := range s {
		switch {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth == 0:
			b.WriteRune(c)
		}
	}
	return b.String()
}
