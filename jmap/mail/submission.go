package mail

import (
	"context"
	"io"

	"github.com/mailbricks/mailbricks/jmap"
)

// An Identity is what a user may send as (RFC 8621 §6).
type Identity struct {
	jmap.Selection `json:"-"`

	ID            jmap.ID   `json:"id,omitzero"`
	Name          string    `json:"name,omitzero"`
	Email         string    `json:"email,omitzero"` // "*@example.com" is any address there
	ReplyTo       []Address `json:"replyTo,omitzero"`
	Bcc           []Address `json:"bcc,omitzero"`
	TextSignature string    `json:"textSignature,omitzero"`
	HTMLSignature string    `json:"htmlSignature,omitzero"`
	MayDelete     bool      `json:"mayDelete,omitzero"`
}

// IdentityUpdate is what changes of an Identity; nil and absent are left alone.
type IdentityUpdate struct {
	// Make says that an Identity that is not kept yet is to be, under the id of the update; else it is not found.
	Make          bool
	Name          *string
	ReplyTo, Bcc  jmap.Optional[[]Address]
	TextSignature *string
	HTMLSignature *string
}

// Apply changes an Identity.
func (u IdentityUpdate) Apply(i *Identity) {
	for _, s := range []struct{ to, from *string }{{&i.Name, u.Name}, {&i.TextSignature, u.TextSignature}, {&i.HTMLSignature, u.HTMLSignature}} {
		if s.from != nil {
			*s.to = *s.from
		}
	}
	for _, l := range []struct {
		to   *[]Address
		from jmap.Optional[[]Address]
	}{{&i.ReplyTo, u.ReplyTo}, {&i.Bcc, u.Bcc}} {
		if l.from.Set {
			*l.to = nil
			if l.from.Value != nil {
				*l.to = *l.from.Value
			}
		}
	}
}

// An EmailSubmission is an email on its way (RFC 8621 §7).
type EmailSubmission struct {
	jmap.Selection `json:"-"`

	ID         jmap.ID      `json:"id,omitzero"`
	IdentityID jmap.ID      `json:"identityId,omitzero"`
	EmailID    jmap.ID      `json:"emailId,omitzero"`
	ThreadID   jmap.ID      `json:"threadId,omitzero"`
	Envelope   *Envelope    `json:"envelope,omitzero"` // nil: of the fields of the message
	SendAt     jmap.UTCDate `json:"sendAt,omitzero"`
	UndoStatus UndoStatus   `json:"undoStatus,omitzero"`
	// DeliveryStatus is by recipient.
	DeliveryStatus map[string]DeliveryStatus `json:"deliveryStatus,omitzero"`
	DSNBlobIDs     []jmap.ID                 `json:"dsnBlobIds,omitzero"`
	MDNBlobIDs     []jmap.ID                 `json:"mdnBlobIds,omitzero"`
}

// An UndoStatus says whether a submission can be taken back.
type UndoStatus string

// The values of an UndoStatus.
const (
	UndoPending  UndoStatus = "pending"
	UndoFinal    UndoStatus = "final"
	UndoCanceled UndoStatus = "canceled"
)

// An Envelope is from where a message comes and to whom it goes.
type Envelope struct {
	MailFrom EnvelopeAddress   `json:"mailFrom"`
	RcptTo   []EnvelopeAddress `json:"rcptTo"`
}

// An EnvelopeAddress is an address with its ESMTP parameters; a nil value is a parameter without one.
type EnvelopeAddress struct {
	Email      string             `json:"email"`
	Parameters map[string]*string `json:"parameters"`
}

// A DeliveryStatus is what became of a submission for one recipient.
type DeliveryStatus struct {
	SMTPReply string    `json:"smtpReply"` // the reply to RCPT or DATA, lines joined
	Delivered Delivered `json:"delivered"`
	Displayed string    `json:"displayed"` // "unknown" or "yes"
}

// Taken reports whether the message was handed over to somebody.
func (s DeliveryStatus) Taken() bool {
	return s.Delivered == DeliveryUnknown || s.Delivered == DeliveryYes
}

// A Delivered says how far a message has come.
type Delivered string

// The values of a Delivered.
const (
	DeliveryQueued  Delivered = "queued"  // here
	DeliveryYes     Delivered = "yes"     // in the recipient's mailbox
	DeliveryNo      Delivered = "no"      // for good
	DeliveryUnknown Delivered = "unknown" // handed over to another host
)

// An EmailSubmissionSetArgs is what RFC 8621 §7.5 adds to the arguments of EmailSubmission/set. Keys are ids, or "#" and
// creation ids of the same call.
type EmailSubmissionSetArgs struct {
	OnSuccessUpdateEmail  map[jmap.ID]jmap.Patch `json:"onSuccessUpdateEmail,omitzero"`
	OnSuccessDestroyEmail []jmap.ID              `json:"onSuccessDestroyEmail,omitzero"`
}

// A Submission is a message that is sent.
type Submission struct {
	From string   // "": the null reverse-path
	To   []string // at least one, all different
	Size int64    // octets of Body
	Body io.Reader

	// ID is that of the EmailSubmission, for ENVID (RFC 8621 §7); "": it is none.
	ID jmap.ID
	// MailParameters and, in the order of To, RcptParameters are those that the Submitter passes on, as EnvelopeAddress has
	// them; nil: none.
	MailParameters map[string]*string
	RcptParameters []map[string]*string
}

// A Submitter sends mail of an account's: a queue, or a smarthost. Package jmap/mail knows nothing of SMTP's clients.
type Submitter interface {
	// Check returns a *jmap.SetError where the addresses or parameters of a message, which has no Body here, are not in
	// order: InvalidRecipients, ForbiddenMailFrom, InvalidProperties.
	Check(ctx context.Context, s *Submission) error
	// Submit hands the message over and returns what became of it for each of the To, in their order: DeliveryQueued where
	// another attempt may do better. What was taken is not lost. An error means that it was handed over to nobody; a
	// *jmap.SetError is told as it is, any other one may pass.
	Submit(ctx context.Context, s *Submission) ([]DeliveryStatus, error)
}
