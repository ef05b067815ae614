package imap

// A Flag is a system flag with its backslash, or a keyword (RFC 9051 §2.3.2). Comparison ignores ASCII case.
type Flag string

// System flags.
const (
	FlagSeen     Flag = `\Seen`
	FlagAnswered Flag = `\Answered`
	FlagFlagged  Flag = `\Flagged`
	FlagDeleted  Flag = `\Deleted`
	FlagDraft    Flag = `\Draft`
)

// An Envelope is the ENVELOPE of a message (RFC 9051 §7.5.2). Text is as in the header field, with encoded words,
// unfolded.
type Envelope struct {
	Date      string
	Subject   string
	From      []Address
	Sender    []Address
	ReplyTo   []Address
	To        []Address
	Cc        []Address
	Bcc       []Address
	InReplyTo string
	MessageID string
}

// An Address is one address of an Envelope. A group starts with Host "" and its name in Mailbox, and ends with
// Mailbox and Host "".
type Address struct {
	Name    string
	Mailbox string
	Host    string
}

// A BodyStructure is the BODYSTRUCTURE of a message or of one part (RFC 9051 §7.5.2).
type BodyStructure struct {
	Type, Subtype string // upper case
	Params        []BodyParam
	ID            string
	Description   string
	Encoding      string // upper case, "7BIT" if absent
	Size          int64  // octets
	Lines         int64  // text and message/rfc822
	MD5           string
	Disposition   string // "" if absent
	DispParams    []BodyParam
	Language      []string
	Location      string

	// Parts of a multipart; never empty for one.
	Parts []BodyStructure
	// Envelope and Message of message/rfc822 and message/global.
	Envelope *Envelope
	Message  *BodyStructure
}

// A BodyParam is one parameter of a Content-Type or Content-Disposition.
type BodyParam struct {
	Name, Value string
}
