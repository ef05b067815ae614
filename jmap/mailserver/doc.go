// Package mailserver makes the methods of JMAP for Mail (RFC 8621) of the roles in package mail.
//
//	jmapserver.Server ─ Mux ─ Mailbox/get changes query queryChanges set
//	                          Thread/get changes
//	                          Email/get changes query queryChanges set copy import parse
//	                          SearchSnippet/get  Blob/copy upload get lookup (RFC 9404)
//	                          Identity/get changes set
//	                          EmailSubmission/get changes query queryChanges set
//	                          VacationResponse/get set
//	                          MDN/send parse (RFC 9007)
//	                          Quota/get changes query queryChanges (RFC 9425)
//	                             │
//	                          mail.Account: Mailboxes Threads Emails Blobs Uploads Submitter Identities Submissions Quotas Vacation
//
// A call gets the roles of the account that it names, if the user may see it, else accountNotFound. Email/get asks the
// store for records, with their summaries where a wanted property needs one, and opens a message only for properties
// that come from nowhere else. Email/query goes to the store's Querier first; what that does not do, or a store
// without one, is done record by record.
//
// Email/queryChanges takes out and puts in again every email that changed; where a result hangs on other emails of a
// thread, as with collapseThreads, those too, if the store has ThreadRoles. For mailboxes it is cannotCalculateChanges.
//
// An EmailSubmission is kept where the account has SubmissionRoles: before it is handed over, by package outbox, at once or
// when its HOLDFOR or HOLDUNTIL says; until then it can be canceled, and not destroyed. What comes of it is in its
// deliveryStatus, of reports that come back too, where the store recognizes them. Without the roles it is handed to the
// account's Submitter within the call that creates it, and ends with it (RFC 8621 §7 lets a server destroy what is sent).
// The parameters of an envelope belong to the account's SubmissionExtensions; BODY, SIZE and SMTPUTF8 are decided by the
// message, ENVID is the submission's id.
//
// Identities are the account's addresses, with what the user makes of them, and others that the user makes and may send as;
// without a store for them they are the addresses alone.
package mailserver
