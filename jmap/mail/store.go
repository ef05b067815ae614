package mail

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
)

// A Backend opens the mail that one user may see.
type Backend interface {
	// Accounts returns the accounts of an authenticated user, the user's own first. They are used by several
	// goroutines at once and may be shared. It is called for every request, so it should be cheap.
	Accounts(ctx context.Context, user string) ([]*Account, error)
}

// EmailDelivery is the name under which a Watcher's States tell of new emails alone (RFC 8621 §1.5): that state changes
// with every email that is added, and should not with any other change.
const EmailDelivery = "EmailDelivery"

// An Account is one user's mail: roles as fields, nil where absent. A wrapper copies the struct and replaces what it
// wraps. Mailboxes.Getter, Emails.Getter and Blobs are required.
type Account struct {
	// ID is stable, and the same over IMAP (imap.Account.ID).
	ID jmap.ID
	// Name is shown to the user: the mail address.
	Name string
	// Shared says that it is another user's.
	Shared   bool
	ReadOnly bool

	Mailboxes MailboxRoles
	Threads   ThreadRoles
	Emails    EmailRoles
	Blobs     Blobs
	Uploads   Uploader
	Watcher   jmap.Watcher
	Quotas    Quoter
	Vacation  Vacationer

	// Submitter sends mail; Addresses are what the user may send as, the usual one first, each an Identity;
	// "*@example.com" is any address there.
	Submitter  Submitter
	Addresses  []string
	Identities IdentityRoles
	// SubmissionExtensions are those of ESMTP whose parameters the Submitter passes on, with their EHLO keywords and
	// arguments: {"DSN": nil, "SIZE": ["1000000"]}.
	SubmissionExtensions map[string][]string
	Submissions          SubmissionRoles
}

// MailboxRoles are the roles for the type Mailbox.
type MailboxRoles struct {
	// Getter returns whole mailboxes, whatever properties are asked for. Their ids are the MAILBOXID of IMAP.
	Getter  jmap.Getter[jmap.NoArgs, Mailbox]
	Changer MailboxChanger
	Setter  jmap.Setter[Mailbox, MailboxUpdate, MailboxSetArgs, Mailbox]
}

// ThreadRoles are the roles for the type Thread. Without a Getter, threads are found among all records.
type ThreadRoles struct {
	Getter jmap.Getter[jmap.NoArgs, Thread]
	// Changer has the states of EmailRoles.Changer.
	Changer jmap.Changer
}

// EmailRoles are the roles for the type Email.
type EmailRoles struct {
	Getter  jmap.Getter[EmailWant, Record]
	Changer jmap.Changer
	Setter  jmap.Setter[EmailCreate, EmailUpdate, jmap.NoArgs, Record]
	// Querier may answer some filters and sorts; the others are evaluated over all records. Its QueryState is a state
	// for Changer: one whose result is the same.
	Querier jmap.Querier[EmailCondition, Comparator, EmailQueryArgs]
}

// IdentityRoles are the roles for the type Identity: what a user has made of the account's Addresses, and Identities
// besides. Without them Identities are the Addresses and cannot be set.
type IdentityRoles struct {
	// Getter returns what was kept; MayDelete is left to the server.
	Getter  jmap.Getter[jmap.NoArgs, Identity]
	Changer jmap.Changer
	// Setter keeps Identities. The ids that it gives do not begin with the letter I, which is for those of Addresses.
	Setter jmap.Setter[Identity, IdentityUpdate, jmap.NoArgs, Identity]
}

// MailboxChanger reads what changed in the set of mailboxes.
type MailboxChanger interface {
	// Changes is as jmap.Changer has it, with what RFC 8621 §2.2 adds.
	Changes(ctx context.Context, r *jmap.ChangesRequest) (*MailboxChangesResponse, error)
}

// Blobs reads the bytes that ids of blobs stand for. A Record's BlobID is one.
type Blobs interface {
	// OpenBlob returns a *jmap.SetError of type BlobNotFound where this account has no such blob: knowing an id is
	// no right to read.
	OpenBlob(ctx context.Context, id jmap.ID) (jmap.Blob, error)
}

// An Uploader keeps bytes that no record has yet, for an hour at least (RFC 8620 §6).
type Uploader interface {
	// Upload reads r to io.EOF and returns the id of its bytes and their number.
	Upload(ctx context.Context, r io.Reader) (id jmap.ID, size int64, err error)
}

// EmailWant says which costly parts of a Record are wanted. An implementation may fill in more.
type EmailWant struct {
	Summary bool
}

// A Record is what a store knows of an email without reading the message. MailboxIDs, Keywords, Size and ReceivedAt
// are always filled in.
type Record struct {
	ID         jmap.ID // EMAILID of IMAP: the same message keeps it in every mailbox
	BlobID     jmap.ID
	ThreadID   jmap.ID
	MailboxIDs []jmap.ID
	Keywords   []string // see Keyword
	Size       int64    // octets
	ReceivedAt time.Time
	// Summary is nil where the store has none: the message is then read. It is shared and does not change.
	Summary *Summary
}

// EmailCreate is a message to add, in every mailbox at once.
type EmailCreate struct {
	MailboxIDs []jmap.ID
	Keywords   []string
	ReceivedAt time.Time // zero: now
	Size       int64     // octets of Body
	Body       io.Reader // read once
}

// EmailUpdate is what changes of an email besides its bytes.
type EmailUpdate struct {
	Keywords  SetUpdate[string]
	Mailboxes SetUpdate[jmap.ID]
}

// A SetUpdate changes a set of strings.
type SetUpdate[T ~string] struct {
	// Replace says that the members with true are all that there are to be. Else those with true are added and those
	// with false removed.
	Replace bool
	Members map[T]bool
}

// Apply returns what a set becomes, in ascending order. The result is new.
func (u SetUpdate[T]) Apply(set []T) []T {
	var out []T
	for _, m := range set {
		if _, ok := u.Members[m]; !ok && !u.Replace {
			out = append(out, m)
		}
	}
	for m, on := range u.Members {
		if on {
			out = append(out, m)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// IsZero reports whether u changes nothing.
func (u SetUpdate[T]) IsZero() bool { return !u.Replace && len(u.Members) == 0 }

// MailboxUpdate is what changes of a mailbox; nil and absent are left alone.
type MailboxUpdate struct {
	Name         *string
	ParentID     jmap.Optional[jmap.ID] // null moves it to the top
	Role         *Role                  // "" for none
	SortOrder    *uint
	IsSubscribed *bool
}
