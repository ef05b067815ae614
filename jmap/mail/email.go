package mail

import "github.com/mailbricks/mailbricks/jmap"

// An Email is a message in the store (RFC 8621 §4). From a server it has the properties that were asked for.
type Email struct {
	jmap.Selection `json:"-"`

	// Metadata (RFC 8621 §4.1.1).
	ID         jmap.ID          `json:"id,omitzero"`
	BlobID     jmap.ID          `json:"blobId,omitzero"`
	ThreadID   jmap.ID          `json:"threadId,omitzero"`
	MailboxIDs map[jmap.ID]bool `json:"mailboxIds,omitzero"`
	Keywords   map[string]bool  `json:"keywords,omitzero"`
	Size       int64            `json:"size,omitzero"`
	ReceivedAt jmap.UTCDate     `json:"receivedAt,omitzero"`

	// Header fields (§4.1.3); nil is null: no such field.
	Headers    []EmailHeader `json:"headers,omitzero"`
	MessageID  []string      `json:"messageId,omitzero"` // without angle brackets
	InReplyTo  []string      `json:"inReplyTo,omitzero"`
	References []string      `json:"references,omitzero"`
	Sender     []Address     `json:"sender,omitzero"`
	From       []Address     `json:"from,omitzero"`
	To         []Address     `json:"to,omitzero"`
	Cc         []Address     `json:"cc,omitzero"`
	Bcc        []Address     `json:"bcc,omitzero"`
	ReplyTo    []Address     `json:"replyTo,omitzero"`
	Subject    *string       `json:"subject,omitzero"`
	SentAt     jmap.Date     `json:"sentAt,omitzero"`

	// Body (§4.1.4).
	BodyStructure *BodyPart            `json:"bodyStructure,omitzero"`
	BodyValues    map[string]BodyValue `json:"bodyValues,omitzero"` // by part id
	TextBody      []BodyPart           `json:"textBody,omitzero"`
	HTMLBody      []BodyPart           `json:"htmlBody,omitzero"`
	Attachments   []BodyPart           `json:"attachments,omitzero"`
	HasAttachment bool                 `json:"hasAttachment,omitzero"`
	Preview       string               `json:"preview,omitzero"` // at most 256 characters

	// Extra are the properties "header:NAME…" by the name that was asked for.
	Extra map[string]jmap.Raw `json:",embed"`
}

// An Address is a mailbox of an address list (RFC 8621 §4.1.2.3).
type Address struct {
	Name  jmap.NullString `json:"name"`
	Email string          `json:"email"`
}

// AppendJSON implements jmap.Appender.
func (a Address) AppendJSON(dst []byte) ([]byte, error) {
	dst, err := a.Name.AppendJSON(append(dst, `{"name":`...))
	if err != nil {
		return nil, err
	}
	if dst, err = jmap.AppendString(append(dst, `,"email":`...), a.Email); err != nil {
		return nil, err
	}
	return append(dst, '}'), nil
}

// An AddressGroup is a group of addresses, or addresses outside of any (§4.1.2.4).
type AddressGroup struct {
	Name      *string   `json:"name"` // nil: no group
	Addresses []Address `json:"addresses"`
}

// An EmailHeader is one header field with its raw value (§4.1.3).
type EmailHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// AppendJSON implements jmap.Appender.
func (h EmailHeader) AppendJSON(dst []byte) ([]byte, error) {
	dst, err := jmap.AppendString(append(dst, `{"name":`...), h.Name)
	if err != nil {
		return nil, err
	}
	if dst, err = jmap.AppendString(append(dst, `,"value":`...), h.Value); err != nil {
		return nil, err
	}
	return append(dst, '}'), nil
}

// A BodyPart is a MIME entity (RFC 8621 §4.1.4).
type BodyPart struct {
	jmap.Selection `json:"-"`

	PartID      jmap.NullString `json:"partId,omitzero"` // "" (null) for a multipart
	BlobID      jmap.NullString `json:"blobId,omitzero"` // "" (null) for a multipart
	Size        int64           `json:"size,omitzero"`   // decoded octets
	Headers     []EmailHeader   `json:"headers,omitzero"`
	Name        jmap.NullString `json:"name,omitzero"`
	Type        string          `json:"type,omitzero"` // lower case, no parameters
	Charset     jmap.NullString `json:"charset,omitzero"`
	Disposition jmap.NullString `json:"disposition,omitzero"`
	CID         jmap.NullString `json:"cid,omitzero"` // without angle brackets
	Language    []string        `json:"language,omitzero"`
	Location    jmap.NullString `json:"location,omitzero"`
	SubParts    []BodyPart      `json:"subParts,omitzero"`

	// Extra are the properties "header:NAME…".
	Extra map[string]jmap.Raw `json:",embed"`
}

// A BodyValue is the text of a part (RFC 8621 §4.1.4).
type BodyValue struct {
	Value             string `json:"value"`
	IsEncodingProblem bool   `json:"isEncodingProblem"`
	IsTruncated       bool   `json:"isTruncated"`
}

// EmailGetArgs are the arguments of Email/get that RFC 8621 §4.2 adds.
type EmailGetArgs struct {
	BodyProperties      []string `json:"bodyProperties,omitzero"`
	FetchTextBodyValues bool     `json:"fetchTextBodyValues,omitzero"`
	FetchHTMLBodyValues bool     `json:"fetchHTMLBodyValues,omitzero"`
	FetchAllBodyValues  bool     `json:"fetchAllBodyValues,omitzero"`
	// MaxBodyValueBytes bounds each value in octets of UTF-8; 0 is no bound.
	MaxBodyValueBytes uint `json:"maxBodyValueBytes,omitzero"`
}

// DefaultProperties are those of Email/get without properties (RFC 8621 §4.2).
func DefaultProperties() []string {
	return []string{"id", "blobId", "threadId", "mailboxIds", "keywords", "size", "receivedAt", "messageId", "inReplyTo",
		"references", "sender", "from", "to", "cc", "bcc", "replyTo", "subject", "sentAt", "hasAttachment", "preview",
		"bodyValues", "textBody", "htmlBody", "attachments"}
}

// DefaultBodyProperties are those of Email/get without bodyProperties (RFC 8621 §4.2).
func DefaultBodyProperties() []string {
	return []string{"partId", "blobId", "size", "name", "type", "charset", "disposition", "cid", "language", "location"}
}

// EmailQueryArgs are the arguments of Email/query that RFC 8621 §4.4 adds.
type EmailQueryArgs struct {
	// CollapseThreads leaves only the first email of each thread in the result.
	CollapseThreads bool `json:"collapseThreads,omitzero"`
}

// An EmailCondition is the FilterCondition of Email/query (RFC 8621 §4.4.1); all that is given must hold.
type EmailCondition struct {
	InMailbox               jmap.ID      `json:"inMailbox,omitzero"`
	InMailboxOtherThan      []jmap.ID    `json:"inMailboxOtherThan,omitzero"`
	Before                  jmap.UTCDate `json:"before,omitzero"`
	After                   jmap.UTCDate `json:"after,omitzero"`
	MinSize                 uint         `json:"minSize,omitzero"`
	MaxSize                 *uint        `json:"maxSize,omitzero"` // exclusive
	AllInThreadHaveKeyword  string       `json:"allInThreadHaveKeyword,omitzero"`
	SomeInThreadHaveKeyword string       `json:"someInThreadHaveKeyword,omitzero"`
	NoneInThreadHaveKeyword string       `json:"noneInThreadHaveKeyword,omitzero"`
	HasKeyword              string       `json:"hasKeyword,omitzero"`
	NotKeyword              string       `json:"notKeyword,omitzero"`
	HasAttachment           *bool        `json:"hasAttachment,omitzero"`
	Text                    string       `json:"text,omitzero"`
	From                    string       `json:"from,omitzero"`
	To                      string       `json:"to,omitzero"`
	Cc                      string       `json:"cc,omitzero"`
	Bcc                     string       `json:"bcc,omitzero"`
	Subject                 string       `json:"subject,omitzero"`
	Body                    string       `json:"body,omitzero"`
	Header                  []string     `json:"header,omitzero"` // name, or name and text
}

// A Comparator is one step of a sort (RFC 8620 §5.5, RFC 8621 §4.4.2).
type Comparator struct {
	Property string `json:"property"`
	// IsAscending is nil for true.
	IsAscending *bool  `json:"isAscending,omitzero"`
	Collation   string `json:"collation,omitzero"`
	// Keyword belongs to the properties that look for one.
	Keyword string `json:"keyword,omitzero"`
}

// Descending reports whether c sorts from high to low.
func (c Comparator) Descending() bool { return c.IsAscending != nil && !*c.IsAscending }

// A SearchSnippet shows why an email was found (RFC 8621 §5): HTML with the matches in mark elements, and "" (null)
// where there is none.
type SearchSnippet struct {
	EmailID jmap.ID         `json:"emailId"`
	Subject jmap.NullString `json:"subject"`
	Preview jmap.NullString `json:"preview"` // at most 255 octets
}
