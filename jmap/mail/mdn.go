package mail

import "github.com/mailbricks/mailbricks/jmap"

// An MDN is a message disposition notification (RFC 9007 §2): what the user did with a message, and tells its sender.
type MDN struct {
	// ForEmailID is the message; "" in the result of MDN/parse where it is not known.
	ForEmailID             jmap.ID      `json:"forEmailId,omitzero"`
	Subject                *string      `json:"subject,omitzero"`
	TextBody               *string      `json:"textBody,omitzero"`
	IncludeOriginalMessage bool         `json:"includeOriginalMessage,omitzero"`
	ReportingUA            *string      `json:"reportingUA,omitzero"`
	Disposition            *Disposition `json:"disposition,omitzero"`
	// FinalRecipient is for whom it is, "rfc822; joe@example.com"; nil is the identity.
	FinalRecipient  *string           `json:"finalRecipient,omitzero"`
	ExtensionFields map[string]string `json:"extensionFields,omitzero"`
	// The server sets the others.
	MDNGateway        *string  `json:"mdnGateway,omitzero"`
	OriginalRecipient *string  `json:"originalRecipient,omitzero"`
	OriginalMessageID *string  `json:"originalMessageId,omitzero"` // with its brackets
	Error             []string `json:"error,omitzero"`
}

// A Disposition is what was done with a message, in the words of RFC 8098 §3.2.6, all in lower case.
type Disposition struct {
	ActionMode  string `json:"actionMode"`
	SendingMode string `json:"sendingMode"`
	Type        string `json:"type"`
}

// KeywordMDNSent is set on an email that an MDN was sent for, or never is to be.
const KeywordMDNSent = "$mdnsent"

// An MDNSendRequest is the arguments of MDN/send (RFC 9007 §2.1).
type MDNSendRequest struct {
	AccountID  jmap.ID         `json:"accountId"`
	IdentityID jmap.ID         `json:"identityId"`
	Send       map[jmap.ID]MDN `json:"send"` // by creation id
	// OnSuccessUpdateEmail must set KeywordMDNSent of every email: its keys are "#" and a creation id of Send.
	OnSuccessUpdateEmail map[jmap.ID]jmap.Patch `json:"onSuccessUpdateEmail"`
}

// An MDNSendResponse is the result of MDN/send. Sent has what the client did not give.
type MDNSendResponse struct {
	AccountID jmap.ID                    `json:"accountId"`
	Sent      map[jmap.ID]MDN            `json:"sent,omitzero"`
	NotSent   map[jmap.ID]*jmap.SetError `json:"notSent,omitzero"`
}

// An MDNParseRequest is the arguments of MDN/parse (RFC 9007 §2.2).
type MDNParseRequest struct {
	AccountID jmap.ID   `json:"accountId"`
	BlobIDs   []jmap.ID `json:"blobIds"`
}

// An MDNParseResponse is the result of MDN/parse.
type MDNParseResponse struct {
	AccountID   jmap.ID         `json:"accountId"`
	Parsed      map[jmap.ID]MDN `json:"parsed,omitzero"`
	NotParsable []jmap.ID       `json:"notParsable,omitzero"`
	NotFound    []jmap.ID       `json:"notFound,omitzero"`
}
