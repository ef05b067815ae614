// Package mailstore is a durable store of mail for IMAP, POP3, JMAP and delivery at once: one directory, SQLite (pure
// Go) for everything that is short, files for long messages.
//
//	LMTP ──▶ smtp.Handler ─┐                                 ┌─▶ imap.Account ──▶ imapserver, pop3
//	APPEND, STORE, ... ────┼─▶ one writer, group commit ──▶ ─┤
//	Email/set ─────────────┘    mail.db, objects/ab/cdef…    └─▶ mail.Account ──▶ jmap/mailserver
//	                                     │
//	                                     └─ after each commit ──▶ imap.Feed ──▶ IDLE, NOTIFY, EventSource, push
//
// A Store is an imap.Backend, a mail.Backend (JMAP) and an smtp.Handler (final delivery, RFC 5321 §4.4). The same
// tables answer all of them: an EMAILID of IMAP is the id of JMAP, one counter an account is MODSEQ and JMAP state.
//
//	s, err := mailstore.Open("/var/mail/store", mailstore.Options{})
//	err = s.EnsureAccount(ctx, "alice@example.com")
//
// What was acknowledged is durable: long messages are synced with their directory before the commit, the commit is
// synced before anyone is told (SQLite in WAL mode, synchronous=FULL). Appends and changes that wait at the same time
// share one commit. After a failed sync the Store only reads. OpenMemory keeps everything in memory.
//
// Messages are parsed once, on the way in: lists over IMAP and JMAP read envelope, structure and summary from columns.
// The same bytes are kept once in the store and have one EMAILID in an account (RFC 8474 §5.1). Threads are found by
// message-ids and subject (RFC 8621 §3); a message that belongs to two joins the older one, and nothing is renamed.
//
// Mailboxes can be shared (RFC 4314): a mailbox of Ann's that Bob has rights to is "Other Users/ann@example.com/Projects" to him over
// IMAP, and what one of them changes shows while the other waits in IDLE. Flags are the mailbox's, \Seen too (RFC 4314 §5.2), and so are UIDs and
// ModSeqs; subscriptions and private annotations are each user's own. Messages count for the account that has the mailbox. A list
// has 100 entries at most besides the owner's, who has every right always. POP3 does not show others' mailboxes. Over JMAP Ann's account
// is one more account of Bob's, with the mailboxes that he may look up, myRights, and the emails in those that he may read; each
// change of a set is a step of its own, the state is one for all, and /changes can be calculated while he sees the same mailboxes, with
// the same names and rights.
//
// The database belongs to one process at a time. Here is no full-text index.
package mailstore
