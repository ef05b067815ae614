// Package mailserver makes the methods of JMAP for Mail (RFC 8621) of the roles in package mail.
//
//	jmapserver.Server ─ Mux ─ Mailbox/get changes query set
//	                          Thread/get changes
//	                          Email/get changes query set import
//	                             │
//	                          mail.Account: Mailboxes Threads Emails Blobs Uploads
//
// A call gets the roles of the account that it names, if the user may see it, else accountNotFound. Email/get asks the
// store for records, with their summaries where a wanted property needs one, and opens a message only for properties
// that come from nowhere else. Email/query goes to the store's Querier first; what that does not do, or a store
// without one, is done record by record.
//
// Of RFC 8621, these are not here: queryChanges, Email/copy, Email/parse, creating an Email from its properties,
// SearchSnippet, Identity, EmailSubmission, VacationResponse.
package mailserver
