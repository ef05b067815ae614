package policy

import (
	"fmt"
	"strconv"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/internal/header"
	"github.com/mailbricks/mailbricks/smtp"
)

// Evidence is all that is known of a message for one recipient, as plain values. The zero value knows nothing: a
// stranger without credentials.
type Evidence struct {
	// Auth says who sends.
	Auth Auth
	// Capability is what became of the capability that the message brings.
	Capability Proof
	// Address is what became of a capability that is part of the recipient's address, Missing for a plain one. A Valid one
	// is a Valid Capability too; an Invalid one closes the address.
	Address Proof
	// Postage is the value, in bits, of the best valid stamp for this recipient; 0: none.
	Postage int
	// Relation is what the recipient is to the author, or to the author's domain for a Bounce.
	Relation State
	// Risk is what the sender's reputation adds to the price, in bits; a negative number is a credit.
	Risk int
	// Bounce says that the reverse-path is null: a notification, whose sender cannot pay.
	Bounce bool
	// Exempt says that mail to this recipient must be taken whoever sends it: Postmaster (RFC 5321 §4.5.1).
	Exempt bool
	// Quarantine says that the author domain wants the message put aside (DMARC).
	Quarantine bool
	// Unavailable says that a store that might have let the message in did not answer.
	Unavailable bool
}

// Auth is what authentication found out. The results are keywords of RFC 8601, "" where nothing was asked.
type Auth struct {
	// User is the user who has logged in (RFC 4954), "" for mail from outside.
	User string
	// Domain is the author's domain if that was authenticated: by DMARC, or by an aligned DKIM signature or SPF identity
	// where the domain has no DMARC policy. "" if not.
	Domain string
	// SPF, DKIM and DMARC are the results; of several signatures the best.
	SPF, DKIM, DMARC string
}

// temporary reports whether an answer is missing that could have authenticated the author.
func (a Auth) temporary() bool {
	return a.Domain == "" && (a.SPF == "temperror" || a.DKIM == "temperror" || a.DMARC == "temperror")
}

// A Proof is the outcome of a check of a capability.
type Proof int

// Outcomes.
const (
	Missing Proof = iota // the message brings none
	Invalid              // it brings one that does not let it in
	Valid
	Deferred // it brings one that will let it in later: its rate is used up
)

// An Action is what is done with a message.
type Action int

// Actions.
const (
	Refuse     Action = iota // with Decision.Reply
	AskPostage               // refuse with Decision.Reply, which names the price
	Request                  // into the queue of requests, for the recipient to look at
	Accept
)

// String returns "refuse", "ask postage", "request" or "accept".
func (a Action) String() string {
	if a < Refuse || a > Accept {
		return fmt.Sprintf("Action(%d)", int(a))
	}
	return [...]string{"refuse", "ask postage", "request", "accept"}[a]
}

// A Class says how a message that was let in is treated. It is what DecisionField tells the store.
type Class string

// Classes.
const (
	ClassTrusted    Class = "trusted"    // straight to the inbox
	ClassOpen       Class = "open"       // to the inbox, without trust
	ClassRequest    Class = "request"    // a request for contact
	ClassQuarantine Class = "quarantine" // put aside
)

// A Note is what DecisionField tells those behind a Gate or a Verifier. It is believed only behind a border that takes away
// what others wrote.
type Note struct {
	Class Class
	// Channel is the capability that let the message in, zero if none or several.
	Channel capability.ID
	// Postage is what was paid, in bits.
	Postage int
}

// ParseNote parses the value of DecisionField. Tags that are not known are skipped; the error is for what is no list of tags, has
// no class of this package, or a malformed tag.
func ParseNote(value string) (Note, error) {
	tags, err := header.ParseTags(value)
	if err != nil {
		return Note{}, fmt.Errorf("policy: %s: %w", DecisionField, err)
	}
	var n Note
	class, _ := tags.Get("class")
	switch n.Class = Class(class); n.Class {
	case ClassTrusted, ClassOpen, ClassRequest, ClassQuarantine:
	default:
		return Note{}, fmt.Errorf("policy: %s: class %.40q", DecisionField, class)
	}
	if id, ok := tags.Get("channel"); ok {
		if n.Channel, err = capability.ParseID(id); err != nil {
			return Note{}, fmt.Errorf("policy: %s: channel: %w", DecisionField, err)
		}
	}
	if bits, ok := tags.Get("postage"); ok {
		n.Postage, err = strconv.Atoi(bits)
		if err != nil || strconv.Itoa(n.Postage) != bits || n.Postage < 1 || n.Postage > maxPrice {
			return Note{}, fmt.Errorf("policy: %s: postage %.40q", DecisionField, bits)
		}
	}
	return n, nil
}

// appendField appends DecisionField.
func (n Note) appendField(dst []byte) []byte {
	dst = fmt.Appendf(dst, "%s: class=%s", DecisionField, n.Class)
	if n.Channel != (capability.ID{}) {
		dst = fmt.Appendf(dst, "; channel=%s", n.Channel)
	}
	if n.Postage > 0 {
		dst = fmt.Appendf(dst, "; postage=%d", n.Postage)
	}
	return append(dst, "\r\n"...)
}

// A Decision is what Rules make of Evidence.
type Decision struct {
	Action Action
	// Class is that of Accept and Request.
	Class Class
	// Bits is the price that was asked, for AskPostage, and that was paid, for Request.
	Bits int
	// Reply is what the peer is told, for Refuse and AskPostage.
	Reply smtp.Reply
	// Reason is for logs and people.
	Reason string
}

// Rules turn Evidence into a Decision. The zero value is Strict.
type Rules struct {
	// Bits is the postage for first contact, 0: hashcash.DefaultBits. Negative: postage is not taken; only a capability
	// or an acquaintance lets a message in.
	Bits int
	// Surcharge is what an author who is not authenticated pays beyond Bits, in bits; 0: 8. Negative: nothing.
	Surcharge int
	// AllowUnauthenticated takes mail whose author's domain is not authenticated, as RFC 7372 §3 leaves to the receiver.
	AllowUnauthenticated bool
	// AllowUnknown takes mail from unknown senders without postage, in ClassOpen.
	AllowUnknown bool
}

// Strict returns the rules of a host that wants to know who writes: mail without an authenticated author is refused with
// the codes of RFC 7372, unknown authors are asked for postage.
func Strict() Rules { return Rules{} }

// Transitional returns the rules of a host among others that do not authenticate yet: their mail pays more.
func Transitional() Rules { return Rules{AllowUnauthenticated: true} }

// Open returns rules that refuse only blocked senders: a capability or an acquaintance makes mail trusted, and
// everything else comes in as ClassOpen.
func Open() Rules { return Rules{AllowUnauthenticated: true, AllowUnknown: true} }

// maxPrice is the highest price that is ever asked, in bits.
const maxPrice = 48

const (
	unknownSender = "Unknown sender, capability not established"
	tryAgain      = "Cannot decide now, try again later"
)

// Price returns the postage in bits for an unknown sender: 0 for one whose credit covers it, negative where postage is
// not taken.
func (r Rules) Price(a Auth, risk int) int {
	switch {
	case r.Bits < 0:
		return -1
	case r.Bits == 0:
		r.Bits = hashcash.DefaultBits
	}
	if r.Surcharge == 0 {
		r.Surcharge = 8
	}
	price := r.Bits + risk
	if a.Domain == "" {
		price += max(0, r.Surcharge)
	}
	return max(0, min(price, maxPrice))
}

// Decide is a pure function: the same Evidence gives the same Decision.
func (r Rules) Decide(e Evidence) Decision {
	d := r.decide(e)
	if e.Quarantine && (d.Action == Accept || d.Action == Request) {
		d.Class = ClassQuarantine
	}
	return d
}

func (r Rules) decide(e Evidence) Decision {
	known := e.Relation == Known && (e.Auth.Domain != "" || e.Bounce && r.AllowUnauthenticated)
	switch {
	case e.Capability == Deferred && e.Address != Missing:
		return later()
	case e.Address == Invalid && (e.Unavailable || e.Auth.temporary()):
		return refusal(451, smtp.EnhancedCode{4, 7, 1}, tryAgain, "a store or DNS does not answer, and the address may be open")
	case e.Address == Invalid:
		return refusal(550, smtp.EnhancedCode{5, 7, 1}, unknownSender, "the address is closed to this sender")
	case e.Exempt:
		return let(Accept, ClassOpen, "recipient takes all mail")
	case e.Auth.User != "":
		return let(Accept, ClassTrusted, "user of this host")
	case e.Relation == Blocked:
		return refusal(550, smtp.EnhancedCode{5, 7, 1}, unknownSender, "blocked by the recipient")
	case e.Capability == Valid:
		return let(Accept, ClassTrusted, "capability")
	case known && !e.Bounce:
		return let(Accept, ClassTrusted, "the recipient has written to this author")
	case known && e.Auth.Domain != "":
		return let(Accept, ClassOpen, "notification from a domain that the recipient has written to")
	case e.Unavailable:
		return refusal(451, smtp.EnhancedCode{4, 7, 1}, tryAgain, "a store does not answer")
	case e.Capability == Deferred:
		return later()
	case e.Auth.Domain == "" && !r.AllowUnauthenticated:
		return unauthenticated(e.Auth)
	case r.AllowUnknown:
		return let(Accept, ClassOpen, "everybody may write")
	case known:
		return let(Request, ClassRequest, "notification that claims to be from a domain that the recipient has written to")
	}
	return r.postage(e)
}

// postage decides about a stranger.
func (r Rules) postage(e Evidence) Decision {
	price := r.Price(e.Auth, e.Risk)
	switch {
	case price < 0:
		return refusal(550, smtp.EnhancedCode{5, 7, 1}, unknownSender, "unknown, and postage is not taken")
	case price == 0:
		return let(Request, ClassRequest, "unknown, of good reputation")
	case e.Postage >= price:
		d := let(Request, ClassRequest, "unknown, has paid")
		d.Bits = price
		return d
	case e.Auth.temporary():
		return refusal(451, smtp.EnhancedCode{4, 7, 0}, tryAgain, "DNS did not answer, and the price hangs on it")
	}
	d := refusal(550, smtp.EnhancedCode{5, 7, 1}, unknownSender, "unknown")
	d.Action, d.Bits = AskPostage, price
	if e.Postage > 0 {
		d.Reason = "unknown, has paid too little"
	}
	return d
}

// unauthenticated refuses with the codes of RFC 7372 §3.
func unauthenticated(a Auth) Decision {
	const why = "author not authenticated"
	switch {
	case a.SPF == "temperror" && a.DKIM != "temperror" && a.DMARC != "temperror":
		return refusal(451, smtp.EnhancedCode{4, 7, 24}, "SPF validation error", why)
	case a.temporary():
		return refusal(451, smtp.EnhancedCode{4, 7, 0}, tryAgain, why)
	case a.DKIM == "pass":
		return refusal(550, smtp.EnhancedCode{5, 7, 22}, "No valid author-matched DKIM signature found", why)
	case a.SPF == "fail" && a.DKIM == "":
		return refusal(550, smtp.EnhancedCode{5, 7, 23}, "SPF validation failed", why)
	case a.SPF == "fail":
		return refusal(550, smtp.EnhancedCode{5, 7, 26}, "Multiple authentication checks failed", why)
	}
	return refusal(550, smtp.EnhancedCode{5, 7, 20}, "No passing DKIM signature found", why)
}

func later() Decision {
	return refusal(450, smtp.EnhancedCode{4, 7, 1}, "Too many messages for now, try again later", "the rate of the capability is used up")
}

func let(a Action, c Class, why string) Decision { return Decision{Action: a, Class: c, Reason: why} }

func refusal(code int, enhanced smtp.EnhancedCode, text, why string) Decision {
	return Decision{Action: Refuse, Reply: smtp.NewReply(code, enhanced, text), Reason: why}
}
