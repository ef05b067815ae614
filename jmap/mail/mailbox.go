package mail

import "github.com/mailbricks/mailbricks/jmap"

// A Mailbox is a named set of emails (RFC 8621 §2).
type Mailbox struct {
	jmap.Selection `json:"-"`

	ID       jmap.ID  `json:"id,omitzero"`
	Name     string   `json:"name,omitzero"` // one level, not a path
	ParentID *jmap.ID `json:"parentId,omitzero"`
	Role     Role     `json:"role,omitzero"`
	// SortOrder is DefaultSortOrder where nobody set another.
	SortOrder     uint           `json:"sortOrder,omitzero"`
	TotalEmails   uint           `json:"totalEmails,omitzero"`
	UnreadEmails  uint           `json:"unreadEmails,omitzero"`
	TotalThreads  uint           `json:"totalThreads,omitzero"`
	UnreadThreads uint           `json:"unreadThreads,omitzero"`
	MyRights      *MailboxRights `json:"myRights,omitzero"`
	IsSubscribed  bool           `json:"isSubscribed,omitzero"`
}

// DefaultSortOrder is what existing clients expect of a mailbox that nobody sorted.
const DefaultSortOrder = 10

// MailboxRights are what the user may do (RFC 8621 §2).
type MailboxRights struct {
	MayReadItems   bool `json:"mayReadItems"`
	MayAddItems    bool `json:"mayAddItems"`
	MayRemoveItems bool `json:"mayRemoveItems"`
	MaySetSeen     bool `json:"maySetSeen"`
	MaySetKeywords bool `json:"maySetKeywords"`
	MayCreateChild bool `json:"mayCreateChild"`
	MayRename      bool `json:"mayRename"`
	MayDelete      bool `json:"mayDelete"`
	MaySubmit      bool `json:"maySubmit"`
}

// AllRights are the rights of a user in a mailbox of his own.
func AllRights() *MailboxRights {
	return &MailboxRights{true, true, true, true, true, true, true, true, true}
}

// A Role is what a mailbox is for: the name of its IMAP attribute in lower case ("drafts"), "inbox", or "" for none,
// which is null in JSON.
type Role = jmap.NullString

// MailboxQueryArgs are the arguments of Mailbox/query that RFC 8621 §2.3 adds.
type MailboxQueryArgs struct {
	SortAsTree   bool `json:"sortAsTree,omitzero"`
	FilterAsTree bool `json:"filterAsTree,omitzero"`
}

// A MailboxCondition is the FilterCondition of Mailbox/query (RFC 8621 §2.3).
type MailboxCondition struct {
	// ParentID and Role: null looks for mailboxes without.
	ParentID     jmap.Optional[jmap.ID] `json:"parentId,omitzero"`
	Role         jmap.Optional[string]  `json:"role,omitzero"`
	Name         string                 `json:"name,omitzero"`
	HasAnyRole   *bool                  `json:"hasAnyRole,omitzero"`
	IsSubscribed *bool                  `json:"isSubscribed,omitzero"`
}

// MailboxSetArgs are the arguments of Mailbox/set that RFC 8621 §2.5 adds.
type MailboxSetArgs struct {
	// OnDestroyRemoveEmails removes the emails of a destroyed mailbox from it, and destroys those in no other. Else a
	// mailbox with emails is not destroyed.
	OnDestroyRemoveEmails bool `json:"onDestroyRemoveEmails,omitzero"`
}

// A MailboxChangesResponse is the result of Mailbox/changes (RFC 8621 §2.2).
type MailboxChangesResponse struct {
	jmap.ChangesResponse
	// UpdatedProperties are the only ones that changed of the updated mailboxes; nil (null): any.
	UpdatedProperties jmap.NullList[string] `json:"updatedProperties"`
}

// A Thread is emails that belong together (RFC 8621 §3).
type Thread struct {
	jmap.Selection `json:"-"`

	ID       jmap.ID   `json:"id"`
	EmailIDs []jmap.ID `json:"emailIds"` // oldest first, by receivedAt
}
