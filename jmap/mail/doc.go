// Package mail holds the types of JMAP for Mail (RFC 8621) and the roles of a store of mail.
//
//	Account          one user's mail, roles as fields; nil is absent
//	  Mailboxes        Get  Changes  Set
//	  Threads          Get  Changes
//	  Emails           Get → Record: what is known without reading the message
//	                   Changes  Set  Query
//	  Blobs            bytes, in ranges
//	  Submitter        sends, as one of Addresses
//	  Identities       Get  Changes  Set
//	  Vacation         the answer that goes out by itself
//	  Quotas           what the account holds and may hold (RFC 9425)
//
// Package mailserver makes the methods of RFC 8621 of these roles: it reads bytes through Blobs only for properties
// that a Record and its Summary do not have, so a list view never parses a message. A store that computes a Summary
// at delivery and keeps its JSON gives it back here.
//
// A VacationResponse makes the Answer to a message that was delivered, or says why there is none (RFC 3834).
//
// A Composer goes the other way: from the properties of an Email to a message.
//
// The types Mailbox, Thread, Email and their parts are those of the wire, the same for client and server.
package mail
