package mailstore

import (
	"context"
	"fmt"
)

// steps returns what makes a database of version n (PRAGMA user_version) out of one of version n-1, for n from 1 on: a
// new database goes through all of them, an old one through those that it lacks. A step that was in a release is never
// changed; what is new comes behind it.
func steps() []string {
	return []string{schema1, schema2, schema3, schema4, schema5, schema6, schema7}
}

// The schema in one look:
//
//	push (where changes of a user's accounts are sent)
//	account ─┬─ mailbox ── message (mailbox, uid) ─┐
//	         ├─ email (what messages with the same bytes share: EMAILID, thread, cached envelope) ── blob
//	         ├─ upload (bytes that no email has yet) ─────────────────────────────────────────────── blob
//	         ├─ threadref (message-id and subject → thread)
//	         ├─ identity (what the user sends as, and what has gone of it)
//	         ├─ vacation, answered (the answer that goes out by itself, and who has had it)
//	         ├─ submission (what the user sends, and what has gone of it) ─ submissionblob ───────── blob
//	         ├─ annotation (of a mailbox or the account)
//	         ├─ acl, subscription (of a mailbox: what others may do, and who of them is subscribed)
//	         └─ expunged (what has gone, up to a horizon)
//
// A number that is a JMAP or IMAP identity is never used again: AUTOINCREMENT. Dates are Unix seconds. A thread is
// named by the email that began it.
const schema1 = `
CREATE TABLE account (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	name        TEXT    NOT NULL UNIQUE,  -- lower case
	modseq      INTEGER NOT NULL,         -- of the latest change
	horizon     INTEGER NOT NULL,         -- expunges up to here are forgotten
	uidvalidity INTEGER NOT NULL,         -- the latest one given out
	gone        INTEGER NOT NULL          -- rows in expunged
) STRICT;
CREATE TABLE mailbox (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	account     INTEGER NOT NULL,
	name        TEXT    NOT NULL,
	special     TEXT    NOT NULL,
	subscribed  INTEGER NOT NULL,
	sortorder   INTEGER NOT NULL,
	uidvalidity INTEGER NOT NULL,
	uidnext     INTEGER NOT NULL,
	created     INTEGER NOT NULL,         -- modseq of its creation
	changed     INTEGER NOT NULL,         -- modseq of its last rename, subscription, ...
	modseq      INTEGER NOT NULL,         -- highest of itself and its messages
	horizon     INTEGER NOT NULL,         -- expunges up to here are forgotten
	messages    INTEGER NOT NULL,
	unseen      INTEGER NOT NULL,
	deleted     INTEGER NOT NULL,
	size        INTEGER NOT NULL,
	UNIQUE (account, name)
) STRICT;
CREATE TABLE message (
	mailbox  INTEGER NOT NULL,
	uid      INTEGER NOT NULL,
	modseq   INTEGER NOT NULL,
	created  INTEGER NOT NULL,            -- modseq when it came
	flags    INTEGER NOT NULL,            -- system flags, see flagBits
	keywords TEXT    NOT NULL,            -- the others, separated by spaces
	internal INTEGER NOT NULL,
	saved    INTEGER NOT NULL,
	size     INTEGER NOT NULL,
	email    INTEGER NOT NULL,
	thread   INTEGER NOT NULL,
	PRIMARY KEY (mailbox, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_modseq ON message (mailbox, modseq);
CREATE INDEX message_date ON message (mailbox, internal, email, thread);
CREATE INDEX message_email ON message (email);
CREATE TABLE email (
	id        INTEGER PRIMARY KEY AUTOINCREMENT,
	account   INTEGER NOT NULL,
	blob      INTEGER NOT NULL,
	thread    INTEGER NOT NULL,
	created   INTEGER NOT NULL,           -- modseq when it came, or came to light again
	envelope  BLOB    NOT NULL,           -- record.AppendEnvelope
	structure BLOB    NOT NULL,           -- record.AppendStructure
	summary   BLOB    NOT NULL,           -- mail.Summary in JSON
	UNIQUE (blob, account)
) STRICT;
CREATE INDEX email_thread ON email (thread);
CREATE TABLE blob (
	id   INTEGER PRIMARY KEY AUTOINCREMENT,
	hash BLOB    NOT NULL UNIQUE,         -- SHA-256
	size INTEGER NOT NULL,
	data BLOB                             -- NULL: in the file named by hash
) STRICT;
CREATE TABLE upload (
	blob    INTEGER NOT NULL,
	account INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	PRIMARY KEY (blob, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_expires ON upload (account, expires);
CREATE TABLE threadref (
	account INTEGER NOT NULL,
	ref     INTEGER NOT NULL,             -- hash of message-id and subject
	thread  INTEGER NOT NULL,
	PRIMARY KEY (account, ref)
) STRICT, WITHOUT ROWID;
CREATE INDEX threadref_thread ON threadref (thread);
CREATE TABLE expunged (
	account INTEGER NOT NULL,
	modseq  INTEGER NOT NULL,
	mailbox INTEGER NOT NULL,
	uid     INTEGER NOT NULL,             -- 0: the mailbox itself
	created INTEGER NOT NULL,             -- modseq when the message came
	email   INTEGER NOT NULL,
	thread  INTEGER NOT NULL,
	PRIMARY KEY (account, modseq, mailbox, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX expunged_mailbox ON expunged (mailbox, modseq);
`

// Annotations of mailboxes (RFC 5464), and of the account: mailbox 0.
const schema2 = `
CREATE TABLE annotation (
	account INTEGER NOT NULL,
	mailbox INTEGER NOT NULL,
	entry   TEXT    NOT NULL,             -- in lower case
	value   BLOB    NOT NULL,
	PRIMARY KEY (account, mailbox, entry)
) STRICT, WITHOUT ROWID;
`

// Identities (RFC 8621 §6). Every change has a ModSeq of its own. What the user made of an address of the account has the
// negative of its number as id; what is the user's own, the ModSeq of its creation.
const schema3 = `
CREATE TABLE identity (
	account INTEGER NOT NULL,
	id      INTEGER NOT NULL,
	created INTEGER NOT NULL,             -- modseq
	changed INTEGER NOT NULL,             -- modseq
	value   BLOB,                         -- mail.Identity in JSON; NULL: has gone
	PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_changed ON identity (account, changed);
`

// Access control lists of mailboxes (RFC 4314), without their owners, and subscriptions to others' mailboxes.
const schema4 = `
CREATE TABLE acl (
	mailbox    INTEGER NOT NULL,
	identifier TEXT    NOT NULL,          -- lower case
	rights     TEXT    NOT NULL,          -- as on the wire
	PRIMARY KEY (mailbox, identifier)
) STRICT, WITHOUT ROWID;
CREATE INDEX acl_identifier ON acl (identifier);
CREATE TABLE subscription (
	mailbox INTEGER NOT NULL,
	account INTEGER NOT NULL,
	PRIMARY KEY (mailbox, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX annotation_mailbox ON annotation (mailbox);
`

// Vacation responses (RFC 8621 §8), and the senders who were answered.
const schema5 = `
CREATE TABLE vacation (
	account INTEGER PRIMARY KEY,
	changed INTEGER NOT NULL,             -- modseq
	value   BLOB    NOT NULL              -- mail.VacationResponse in JSON
) STRICT;
CREATE TABLE answered (
	account INTEGER NOT NULL,
	sender  TEXT    NOT NULL,             -- lower case
	at      INTEGER NOT NULL,
	PRIMARY KEY (account, sender)
) STRICT, WITHOUT ROWID;
`

// Push subscriptions (RFC 8620 §7.2) by the names of their users. Values hold secrets.
const schema6 = `
CREATE TABLE push (
	user  TEXT NOT NULL,
	id    TEXT NOT NULL,
	value BLOB NOT NULL,                  -- push.Subscription in JSON
	PRIMARY KEY (user, id)
) STRICT, WITHOUT ROWID;
`

// Submissions (RFC 8621 §7), as identities are kept. A row's id is the ModSeq of its creation.
const schema7 = `
CREATE TABLE submission (
	account INTEGER NOT NULL,
	id      INTEGER NOT NULL,
	name    TEXT    NOT NULL,             -- id of JMAP
	changed INTEGER NOT NULL,             -- modseq
	sent    INTEGER NOT NULL,             -- sendAt
	due     INTEGER,                      -- the next attempt; NULL: none
	message TEXT    NOT NULL,             -- Message-ID, '' if there is none
	value   BLOB,                         -- mail.KeptSubmission in JSON; NULL: has gone
	PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX submission_name ON submission (account, name);
CREATE INDEX submission_changed ON submission (account, changed);
CREATE INDEX submission_message ON submission (account, message);
CREATE INDEX submission_due ON submission (due) WHERE due IS NOT NULL;
CREATE TABLE submissionblob (
	blob       INTEGER NOT NULL,          -- the message that is to be sent, or a report
	account    INTEGER NOT NULL,
	submission INTEGER NOT NULL,
	PRIMARY KEY (blob, account, submission)
) STRICT, WITHOUT ROWID;
`

// A VersionError says that a database was made by a newer version of this package.
type VersionError struct{ Have, Known int }

func (e *VersionError) Error() string {
	return fmt.Sprintf("mailstore: the database has schema version %d, this program knows those up to %d", e.Have, e.Known)
}

// migrate takes a database through the steps that it lacks, all of them in one transaction or none.
func migrate(c *conn, steps []string) (err error) {
	if err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			c.exec("ROLLBACK") // fails where SQLite has rolled back by itself
		}
	}()
	var have int
	if err := c.row([]any{&have}, "PRAGMA user_version"); err != nil {
		return err
	}
	if have > len(steps) {
		return &VersionError{have, len(steps)}
	}
	for n, step := range steps[have:] {
		if _, err := c.c.ExecContext(context.Background(), fmt.Sprintf("%s; PRAGMA user_version = %d", step, have+n+1)); err != nil {
			return fmt.Errorf("mailstore: migration to schema version %d: %w", have+n+1, dbError(err))
		}
	}
	return c.exec("COMMIT")
}
