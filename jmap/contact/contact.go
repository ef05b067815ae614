// Package contact holds the types of a JMAP capability of this project's own: who may write to a user, and who asks to. It
// is to smtp/policy and capability/channel what package mail is to a store of mail. There is no RFC.
//
//	Grant      a correspondent: known, and what they were given; or blocked            get changes set
//	Channel    an address for one correspondent, see package channel                   get changes set
//	Request    an email from somebody unknown that waits to be decided on              get changes query set
//
//	["Request/query", {"accountId": "a"}, "0"]                                         {"ids": ["M1"]}
//	["Request/set", {"accountId": "a", "update": {"M1": {"decision": "accept"}}}, "1"]
//	["Channel/set", {"accountId": "a", "create": {"n": {"note": "shoes"}}}, "2"]       {"created": {"n": {"id": …, "address": "bob+0f9kq…@example.com"}}}
//	["Channel/set", {"accountId": "a", "update": {"C1": {"state": "disconnected"}}}, "3"]
//	["Grant/set", {"accountId": "a", "destroy": ["G1"]}, "4"]
//
// Changes of these types are not pushed. Package contactserver makes the methods of the roles here.
package contact

import (
	"context"

	"github.com/mailbricks/mailbricks/jmap"
)

// Capability is the capability; its value in a Session is {}.
const Capability = "https://github.com/mailbricks/mailbricks/jmap/contact"

// MaxRecords is how many records of a type an account shows.
const MaxRecords = 10_000

// A State says what a correspondent is.
type State string

// States.
const (
	Known   State = "known"   // may write
	Blocked State = "blocked" // may not, paid or not
)

// A Grant is what a user has with one correspondent. To destroy it takes everything back: a stranger again. To create one
// lets a correspondent write who has not been written to.
type Grant struct {
	jmap.Selection `json:"-"`

	ID jmap.ID `json:"id,omitzero"`
	// Correspondent is an address; it is set at creation.
	Correspondent string `json:"correspondent,omitzero"`
	State         State  `json:"state,omitzero"`
	// Capability is the id of the capability that the correspondent was offered, "" if none; the server sets it.
	Capability jmap.NullString `json:"capability,omitzero"`
}

// A Channel is an address for one correspondent. There is no way back from disconnected, and nothing to destroy.
type Channel struct {
	jmap.Selection `json:"-"`

	ID jmap.ID `json:"id,omitzero"`
	// Address is what the correspondent is given; the server makes it.
	Address string `json:"address,omitzero"`
	// Note is the user's own, up to 500 octets.
	Note string `json:"note,omitzero"`
	// Peer is who may be the first to write: an address, a domain, "*.domain"; "" is anybody. It is set at creation, as are
	// Exact, which pins an address and not a domain, and MaxUses, 0 for any number.
	Peer    jmap.NullString `json:"peer,omitzero"`
	Exact   bool            `json:"exact,omitzero"`
	MaxUses uint32          `json:"maxUses,omitzero"`
	// State is open, paused or disconnected.
	State string `json:"state,omitzero"`
	// Expires is null for a channel without end.
	Expires jmap.UTCDate `json:"expires,omitzero"`
	// Pinned is whom the channel belongs to, LastUse when they wrote last, Leaks how many messages of others were refused. The
	// server sets these.
	Pinned  jmap.NullString `json:"pinned,omitzero"`
	Created jmap.UTCDate    `json:"created,omitzero"`
	LastUse jmap.UTCDate    `json:"lastUse,omitzero"`
	Uses    uint32          `json:"uses,omitzero"`
	Leaks   uint32          `json:"leaks,omitzero"`
}

// A Decision is what becomes of a request.
type Decision string

// Decisions. The email leaves the queue.
const (
	Accept  Decision = "accept"  // to the inbox, and its author may write
	Decline Decision = "decline" // to the trash
	Block   Decision = "block"   // to the trash, and its author may not write any more
)

// A Request is an email that waits for a decision. Its id is that of the Email.
type Request struct {
	jmap.Selection `json:"-"`

	ID         jmap.ID         `json:"id,omitzero"`
	From       string          `json:"from,omitzero"` // address of the first author
	Name       jmap.NullString `json:"name,omitzero"` // as the author has it
	Subject    jmap.NullString `json:"subject,omitzero"`
	Preview    string          `json:"preview,omitzero"`
	ReceivedAt jmap.UTCDate    `json:"receivedAt,omitzero"`
	// Decision is null; it is what is set.
	Decision jmap.NullString `json:"decision,omitzero"`
}

// Records are the records of one type in an account. An error that is a *jmap.SetError refuses the one record.
type Records[T any] interface {
	// List returns all, in the order in which they are shown, the first MaxRecords.
	List(ctx context.Context) ([]T, error)
	// Create makes one of what a client may set, and returns it whole.
	Create(ctx context.Context, r T) (T, error)
	// Update changes one. Of now, what a client may not set is as it was.
	Update(ctx context.Context, old, now T) error
	// Destroy ends one.
	Destroy(ctx context.Context, r T) error
}

// An Account is one user's: roles as fields, nil where absent.
type Account struct {
	// ID is that of the account of mail, where there is one.
	ID       jmap.ID
	Grants   Records[Grant]
	Channels Records[Channel]
	Requests Records[Request]
}

// A Backend opens the accounts that a user may see.
type Backend interface {
	// Accounts returns them. It is called for every request, so it should be cheap.
	Accounts(ctx context.Context, user string) ([]Account, error)
}
