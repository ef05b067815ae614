package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
)

// A Backend opens the mail of one user. imapserver, pop3 and every other way to read share one.
type Backend interface {
	// OpenAccount returns the account of an authenticated user. The Account is used by several goroutines and by
	// several sessions at once; it may be shared. ErrNonexistent: no such user.
	OpenAccount(ctx context.Context, user string) (*Account, error)
}

// An Account is one user's mail: what every backend offers, and roles that may be absent (nil). A wrapper copies the
// struct and replaces what it wraps, so that nothing vanishes. The advertised capabilities follow from the non-nil
// roles, once per login.
//
// Messages are named by UID; sequence numbers live in a server's session only. One ModSeq counter serves the whole
// account and grows with every change of any mailbox.
type Account struct {
	// ID is the account's stable identity (a JMAP account id).
	ID string
	// Store and Watcher are required.
	Store   Store
	Watcher Watcher

	Editor   Editor   // CREATE, DELETE, RENAME, SUBSCRIBE
	Appender Appender // APPEND and delivery
	Flagger  Flagger  // STORE
	Expunger Expunger // EXPUNGE
	Copier   Copier   // COPY
	Mover    Mover    // MOVE
	Searcher Searcher // an index that narrows SEARCH
	Changer  Changer  // changes of the whole account (JMAP, NOTIFY)
	Quoter   Quoter   // GETQUOTA

	Fuzzy FuzzySearcher // the key FUZZY of SEARCH

	QuotaSetter QuotaSetter // SETQUOTA, beside a Quoter
	Annotator   Annotator   // GETMETADATA, SETMETADATA
	Replacer    Replacer    // REPLACE

	// Authorizer is there where mailboxes have access control lists: MYRIGHTS, GETACL, SETACL, LISTRIGHTS.
	Authorizer Authorizer
	// OtherUsers is what the names of other users' mailboxes begin with, a "/" at its end: behind it come the name of the user, a
	// "/" and the mailbox's name there (RFC 2342 §5). "": there are none. They need an Authorizer; see Enforce.
	OtherUsers string
}

// IsOther reports whether a mailbox is another user's, by its name.
func (a *Account) IsOther(mailbox string) bool {
	return a.OtherUsers != "" && strings.HasPrefix(mailbox, a.OtherUsers)
}

// RightsTo returns the user's rights to a mailbox as listed.
func (a *Account) RightsTo(m *MailboxInfo) Rights {
	if a.IsOther(m.Name) {
		return m.Rights
	}
	return AllRights
}

// Check reports what an Account lacks, and roles that contradict each other. Servers ask at each login.
func (a *Account) Check() error {
	switch {
	case a.Store == nil || a.Watcher == nil:
		return errors.New("imap: an account without Store or Watcher")
	case a.QuotaSetter != nil && a.Quoter == nil:
		return errors.New("imap: an account with a QuotaSetter and no Quoter")
	case a.OtherUsers != "" && a.Authorizer == nil:
		return errors.New("imap: an account with OtherUsers and no Authorizer")
	case a.OtherUsers != "" && (len(a.OtherUsers) == 1 || !strings.HasSuffix(a.OtherUsers, "/")):
		return fmt.Errorf("imap: OtherUsers %q is not a name with a / behind it", a.OtherUsers)
	}
	return nil
}

// Store is the least that a backend offers, together with Mailbox.
type Store interface {
	// Mailboxes yields every mailbox, INBOX among them, in no particular order. Patterns are the server's work.
	Mailboxes(ctx context.Context) iter.Seq2[MailboxInfo, error]
	// OpenMailbox returns the mailbox named name ("INBOX" in any case). ErrNonexistent: there is none.
	OpenMailbox(ctx context.Context, name string) (Mailbox, error)
}

// A Mailbox reads one mailbox. It holds no state of a session and needs no closing; it is used by several goroutines
// at once. Every method sees what was committed before it was called, and what any of them has shown before: Messages
// called after Status is not behind its HighestModSeq. A mailbox that has been deleted since gives ErrNonexistent.
type Mailbox interface {
	// Status returns counters and identities, as of one moment.
	Status(ctx context.Context) (MailboxStatus, error)
	// Messages yields the messages of the set that exist, by ascending UID, with the wanted fields filled in. It
	// costs O(messages), not O(range). No lock and no transaction is held while it yields. The yielded *Message and
	// what it points to belong to the caller, who must not change what the pointers share.
	Messages(ctx context.Context, uids UIDSet, want Fields) iter.Seq2[*Message, error]
	// Body opens the message's bytes as stored, with CRLF line endings. ErrNonexistent: it has gone.
	Body(ctx context.Context, uid UID) (Body, error)
	// Changes yields, by ascending ModSeq, each message once that was added, changed or expunged after since.
	// ErrModSeqTooOld: expunges that far back are forgotten; read the mailbox anew.
	Changes(ctx context.Context, since ModSeq) iter.Seq2[Change, error]
}

// A Body is the stored bytes of one message, read in ranges.
type Body interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Watcher is the change feed of an account, the one that IDLE, NOTIFY, JMAP push, and POP3 share. The notice of a change
// is there before the method that made it returns, so that a session tells its client of its own changes at once; a
// rename and the end of a mailbox are changes too.
type Watcher interface {
	// Watch subscribes from now on, until ctx ends. See Feed for an implementation in memory.
	Watch(ctx context.Context) *Watch
}

// Changer reads the changes of a whole account.
type Changer interface {
	// AccountChanges yields, by ascending ModSeq, what happened in any mailbox after since. ErrModSeqTooOld as for
	// Mailbox.Changes.
	AccountChanges(ctx context.Context, since ModSeq) iter.Seq2[AccountChange, error]
	// HighestModSeq returns the account's counter.
	HighestModSeq(ctx context.Context) (ModSeq, error)
}

// Editor changes the set of mailboxes. Names are in UTF-8 with "/" between levels.
type Editor interface {
	// Create makes a mailbox and, where absent, those above it. ErrExists: it is there. ErrInvalidName.
	Create(ctx context.Context, name string, o CreateOptions) (MailboxInfo, error)
	// Delete removes a mailbox and its messages. INBOX and one with children cannot be: ErrCannot.
	Delete(ctx context.Context, name string) error
	// Rename renames a mailbox and those below it. Renaming INBOX moves its messages (RFC 9051 §6.3.6).
	Rename(ctx context.Context, from, to string) error
	// Subscribe sets or clears the subscription.
	Subscribe(ctx context.Context, name string, on bool) error
}

// Appender adds messages.
type Appender interface {
	// Append adds the messages, all or none, and returns when they are durable. Bodies are read once, to io.EOF, and
	// stored as they are. ErrNonexistent: no such mailbox (NO [TRYCREATE]); ErrTooBig; ErrOverQuota. Without messages it changes
	// nothing, and the error says whether there is a mailbox that takes some.
	Append(ctx context.Context, mailbox string, msgs []AppendMessage) (Appended, error)
}

// Flagger changes flags.
type Flagger interface {
	// StoreFlags applies one change to the messages of the set that exist, durably and in one step. Messages whose
	// ModSeq is above unchangedSince are left alone and returned in Modified; NoUnchangedSince turns that test off.
	StoreFlags(ctx context.Context, mailbox string, uids UIDSet, c FlagChange, unchangedSince ModSeq) (Stored, error)
}

// Expunger removes messages for good.
type Expunger interface {
	// Expunge removes the messages of the set that have \Deleted (RFC 4315 §2.1; a set of everything is EXPUNGE).
	// With force the flag does not matter. It returns what has gone.
	Expunge(ctx context.Context, mailbox string, uids UIDSet, force bool) (UIDSet, error)
}

// Copier copies messages into another mailbox of the account, all or none.
type Copier interface {
	// Copy returns ErrNonexistent where the destination is absent (NO [TRYCREATE]). Flags whose Right is in drop are not copied.
	Copy(ctx context.Context, from string, uids UIDSet, to string, drop Rights) (Copied, error)
}

// Mover moves messages in one step (RFC 6851).
type Mover interface {
	// Move has the arguments and errors of Copy.
	Move(ctx context.Context, from string, uids UIDSet, to string, drop Rights) (Copied, error)
}

// Replacer puts a message in the place of another (RFC 8508).
type Replacer interface {
	// Replace adds m to the mailbox to and removes the message uid of from, in one step: both durably or neither. Errors are
	// those of Append, ErrNoMessage where there is no message uid, and ErrNonexistent for from as well.
	Replace(ctx context.Context, from string, uid UID, to string, m AppendMessage) (Appended, error)
}

// Authorizer says what may be done with mailboxes, and lets it be said (RFC 4314). A user's own mailboxes are his without limit; their
// lists are about others. The obsolete rights are in none of the sets of rights. A change of them is told in the feeds of those who
// win or lose some. A new mailbox gets the list of the one above it; a rename leaves lists as they are.
type Authorizer interface {
	// Rights returns the user's rights, 0 for none. ErrNonexistent.
	Rights(ctx context.Context, mailbox string) (Rights, error)
	// ACL returns the list of a mailbox, that of its owner first, then by identifier. ErrNonexistent.
	ACL(ctx context.Context, mailbox string) ([]ACLEntry, error)
	// SetACL changes the rights of an identifier, durably: an entry without rights is none. ErrNonexistent; ErrCannot: it is the
	// owner's; ErrTooMany: the list would have more entries than it may.
	SetACL(ctx context.Context, mailbox, identifier string, c RightsChange) error
	// GrantableRights returns what an identifier can have. ErrNonexistent: of the mailbox; the identifier may be nobody's.
	GrantableRights(ctx context.Context, mailbox, identifier string) (GrantableRights, error)
}

// Searcher narrows a search through an index.
type Searcher interface {
	// Search returns messages that may match. With exact they do; else the set is a superset, which the server tests
	// message by message. A criterion that the index knows nothing of: every message, not exact. What matches is what
	// SearchCriteria.Match says, texts compared by i;unicode-casemap: servers promise it (I18NLEVEL=1, RFC 5255 §4.3), and an index
	// that compares in another way returns more.
	Search(ctx context.Context, mailbox string, c *SearchCriteria) (uids UIDSet, exact bool, err error)
}

// Fields is the set of fields that a caller wants of a Message. UID is always filled in.
type Fields uint16

// Fields of a Message.
const (
	FieldFlags Fields = 1 << iota
	FieldInternalDate
	FieldSize
	FieldModSeq
	FieldSaveDate
	FieldIDs // EmailID and ThreadID
	FieldEnvelope
	FieldStructure
)

// A Message is one message as listed: the wanted fields, the others zero.
type Message struct {
	UID          UID
	ModSeq       ModSeq
	Flags        []Flag // without \Recent
	InternalDate time.Time
	SaveDate     time.Time
	Size         int64  // octets of the body as stored
	EmailID      string // RFC 8474; the same bytes keep it across mailboxes
	ThreadID     string // RFC 8474, "" where the backend has none
	Envelope     *Envelope
	Structure    *BodyStructure
	Relevancy    int // of a FuzzyMatch, set by who sorts by it; else 0
}

// MailboxInfo is a mailbox as listed.
type MailboxInfo struct {
	Name       string // UTF-8, levels separated by "/"; INBOX in capitals
	ID         string // RFC 8474 MAILBOXID
	SpecialUse string // RFC 6154 attribute with its backslash, or ""
	Subscribed bool
	NoSelect   bool // exists only as a parent of others, or cannot be read by the user
	// Rights are the user's to a mailbox below Account.OtherUsers; for others they are not looked at.
	Rights Rights
}

// MailboxStatus is a mailbox's counters.
type MailboxStatus struct {
	MailboxInfo
	UIDValidity   uint32
	UIDNext       UID
	HighestModSeq ModSeq // of this mailbox
	Messages      int
	Unseen        int
	Deleted       int
	Size          int64 // sum of the sizes
	DeletedSize   int64 // of those with \Deleted (RFC 9208 §4.1.4); a backend need not fill it in, a server counts where asked
}

// A Change is one message that changed.
type Change struct {
	UID      UID
	ModSeq   ModSeq
	Added    bool // it did not exist at since
	Expunged bool
}

// An AccountChange is a Change with its place. A change of the mailbox itself has UID 0.
type AccountChange struct {
	MailboxID string
	EmailID   string // "" for a change of the mailbox itself
	ThreadID  string
	Change
}

// CreateOptions are the options of Editor.Create.
type CreateOptions struct {
	SpecialUse string // RFC 6154 attribute with its backslash, or ""
}

// An AppendMessage is one message to add.
type AppendMessage struct {
	Flags        []Flag
	InternalDate time.Time // zero: now
	Size         int64     // octets of Body, or -1 if not known
	Body         io.Reader
}

// Appended is the result of Append.
type Appended struct {
	UIDValidity uint32
	UIDs        []UID // one a message, ascending
	EmailIDs    []string
	ModSeq      ModSeq
}

// Copied is the result of Copy and Move. From[i] became To[i].
type Copied struct {
	UIDValidity uint32 // of the destination
	From, To    []UID
}

// Stored is the result of StoreFlags.
type Stored struct {
	ModSeq   ModSeq // that the changed messages now have; 0 if none changed
	Changed  UIDSet // whose flags are different now
	Modified UIDSet // left alone because of unchangedSince
}

// A FlagChange says what StoreFlags does.
type FlagChange struct {
	Op    FlagOp
	Flags []Flag
	Keep  Rights // flags whose Right is one of these stay as they are
}

// FlagOp is FLAGS, +FLAGS or -FLAGS.
type FlagOp uint8

// Flag operations.
const (
	FlagsSet    FlagOp = iota // FLAGS
	FlagsAdd                  // +FLAGS
	FlagsRemove               // -FLAGS
)

// NoUnchangedSince is the unchangedSince of StoreFlags that tests nothing.
const NoUnchangedSince = ^ModSeq(0)

// What a server decides on. A backend wraps them.
var (
	ErrNonexistent  = errors.New("imap: no such mailbox or message")
	ErrExists       = errors.New("imap: mailbox exists already")
	ErrInvalidName  = errors.New("imap: invalid mailbox name")
	ErrCannot       = errors.New("imap: not possible for this mailbox")
	ErrModSeqTooOld = errors.New("imap: changes since that modseq are forgotten")
	ErrTooBig       = errors.New("imap: message too big")
	ErrOverQuota    = errors.New("imap: over quota")
	ErrReadOnly     = errors.New("imap: read-only")
	ErrNoPermission = errors.New("imap: no permission")
	ErrTooMany      = errors.New("imap: too many")
	ErrNoMessage    = errors.New("imap: no such message")
)
