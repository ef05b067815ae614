// Package imapserver serves IMAP over an imap.Backend: IMAP4rev2 (RFC 9051) and IMAP4rev1 (RFC 3501) at once.
//
//	S: * OK [CAPABILITY IMAP4rev2 IMAP4rev1 LITERAL+ ...]   Server.ServeConn: one session, one goroutine
//	C: a LOGIN alice secret                                 sasl.Login(Authenticator)
//	S: a OK [CAPABILITY ... MOVE ...] logged in             Backend.OpenAccount; capabilities from its roles
//	C: b SELECT INBOX                                       Watcher.Watch, Mailbox.Status, Mailbox.Messages
//	S: * 2 EXISTS
//	C: c UID FETCH 1:* (FLAGS BODY.PEEK[])                  Mailbox.Messages, Mailbox.Body, sent as it is read
//	C: d IDLE                                               Watch.Ready → Mailbox.Changes
//	S: * 3 EXISTS
//
// Sequence numbers live in the session alone; the backend knows UIDs. What another session does is told at the end of
// a command, and while IDLE lasts as it happens; messages are renumbered after commands only that allow it, never after
// FETCH, STORE and SEARCH.
//
// Done: everything of RFC 3501 and of RFC 9051, apart from what is listed below; STARTTLS and implicit TLS, SASL-IR (RFC
// 4959), LITERAL+ (RFC 7888), ID (RFC 2971), ENABLE (RFC 5161), IDLE (RFC 2177), COMPRESS (RFC 4978), UNAUTHENTICATE (RFC
// 8437), NAMESPACE (RFC 2342), UNSELECT (RFC 3691), UIDPLUS (RFC 4315), MOVE (RFC 6851), MULTIAPPEND (RFC 3502), REPLACE (RFC
// 8508), CATENATE (RFC 4469), ESEARCH (RFC 4731), SEARCHRES (RFC 5182), WITHIN (RFC 5032), SORT and THREAD (RFC 5256), SORT=DISPLAY (RFC 5957),
// ESORT, CONTEXT=SEARCH and CONTEXT=SORT (RFC 5267), MULTISEARCH (RFC 7377), LIST-EXTENDED (RFC 5258), LIST-STATUS (RFC 5819), SPECIAL-USE (RFC 6154), STATUS=SIZE (RFC 8438), the
// FETCH side of BINARY (RFC 3516), APPENDLIMIT (RFC 7889), CONDSTORE and QRESYNC (RFC 7162), OBJECTID (RFC 8474), SAVEDATE
// (RFC 8514), PREVIEW (RFC 8970), PARTIAL (RFC 9394), UIDONLY (RFC 9586), JMAPACCESS (RFC 9698), UTF8=ACCEPT (RFC 9755),
// QUOTA (RFC 9208), METADATA (RFC 5464), ACL (RFC 4314), LIST-MYRIGHTS (RFC 8440), MESSAGELIMIT and SAVELIMIT (RFC 9738, see Limits), UIDBATCHES (RFC 10022), NOTIFY (RFC 5465), INPROGRESS (RFC 9585, of SEARCH, SORT and THREAD), LANGUAGE
// (RFC 5255 §3, of a server that speaks English), I18NLEVEL=1 (RFC 5255 §4: SEARCH, SORT and THREAD compare by i;unicode-casemap),
// SEARCH=FUZZY (RFC 6203, where the account has a FuzzySearcher; the relevancy of several keys FUZZY is the mean of theirs).
//
// Server.Extensions are commands, items of FETCH and STATUS and keys of SEARCH that this package does not know: see Extension.
//
// NOTIFY tells between commands; INBOXES is PERSONAL, for mail may be delivered anywhere. It has no events about annotations of
// messages. Changes of METADATA are told by NOTIFY alone.
//
// A search with UPDATE costs what has changed: those messages are tested again, and no others. Sequence sets and "$" among its keys
// are what they were when the command came (RFC 5267 §4.3); a range of UIDs from a message that there is to "*" goes on to new
// ones. UPDATE is refused with NOUPDATE beyond Limits.Contexts and Limits.ContextMessages, the latter even later, when a SORT has
// come to find too much; and where results change without a change of the mailbox: with OLDER, YOUNGER, FUZZY and keys of
// Extensions. After a NOTIFY without messages of the selected mailbox nothing is told of them. CONTEXT changes nothing.
//
// ESEARCH looks in one mailbox after the other, Limits.SearchMailboxes at most. Sequence numbers and "*" among its keys mean those of
// each mailbox, and are not kept up to date; "$", SAVE and keys of Extensions are for the selected one alone. UPDATE keeps up with the
// selected one, which has to be among those searched.
//
// With Limits.Messages an ESEARCH in several mailboxes fails after so many messages, when it has told what it found before; a search of
// part of the messages is not kept up to date.
//
// Not done: I18NLEVEL=2
// (RFC 5255 §4.4). Rights are enforced by the Backend (imap.Enforce), not here. Subscriptions are to mailboxes that
// exist, as the backend has them: \NonExistent is never told. There is no \Recent: RFC 9051
// has dropped it, and IMAP4rev1 clients are told that there are 0. UNAUTHENTICATE under COMPRESS ends the connection.
//
// A part of a message (BODY[1.2], BINARY[...]) is found by reading the message into memory; a whole message, its header
// and its text are sent from the ranges of imap.Body.
package imapserver
