package mailstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mailbricks/mailbricks/imap"
)

// An account implements every role of imap.Account.
type account struct {
	s       *Store
	id      int64
	name    string // in lower case
	feed    imap.Feed
	newest  atomic.Int64 // the email that came last, -1: none, 0: not known yet
	counted sync.Map     // mailbox → counts
	fresh   freshness
}

// imap returns the account with all its roles.
func (a *account) imap() *imap.Account {
	out := &imap.Account{ID: accountID(a.id), Store: a, Watcher: &a.feed, Editor: a, Appender: a,
		Flagger: a, Expunger: a, Copier: a, Mover: a, Fuzzy: a, Changer: a, Annotator: a, Replacer: a, Authorizer: a, OtherUsers: a.s.o.OtherUsers + "/"}
	if a.s.o.Quota != (Quota{}) {
		out.Quoter = a
	}
	return imap.Enforce(out)
}

// The identities of JMAP and RFC 8474 are a letter and a number that is never used again.
func accountID(id int64) string { return "A" + strconv.FormatInt(id, 10) }
func mailboxID(id int64) string { return "F" + strconv.FormatInt(id, 10) }
func emailID(id int64) string   { return "M" + strconv.FormatInt(id, 10) }
func threadID(id int64) string  { return "T" + strconv.FormatInt(id, 10) }

// parseID returns the number of an identity, 0 if it is none of that letter.
func parseID(letter byte, id string) int64 {
	if len(id) < 2 || id[0] != letter || id[1] < '1' || id[1] > '9' {
		return 0
	}
	n, err := strconv.ParseInt(id[1:], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Mailboxes yields the mailboxes of the account, and those of others to which there is some right.
func (a *account) Mailboxes(ctx context.Context) iter.Seq2[imap.MailboxInfo, error] {
	return func(yield func(imap.MailboxInfo, error) bool) {
		var all []imap.MailboxInfo
		err := a.s.db.snapshot(ctx, func(c *conn) error {
			all = nil
			err := c.rows(func(r *sql.Rows) error {
				var b boxRow
				if err := r.Scan(b.fields()...); err != nil {
					return err
				}
				all = append(all, b.info())
				return nil
			}, `SELECT `+boxColumns+` FROM mailbox WHERE account = ? ORDER BY name`, a.id)
			if err != nil {
				return err
			}
			others, err := a.others(c)
			all = append(all, others...)
			return err
		})
		if err != nil {
			yield(imap.MailboxInfo{}, err)
			return
		}
		for _, i := range all {
			if !yield(i, nil) {
				return
			}
		}
	}
}

func (b *boxRow) info() imap.MailboxInfo {
	return imap.MailboxInfo{Name: b.name, ID: mailboxID(b.id), SpecialUse: b.special, Subscribed: b.subscribed}
}

// OpenMailbox returns the mailbox of a name.
func (a *account) OpenMailbox(ctx context.Context, name string) (imap.Mailbox, error) {
	m := &mailbox{a: a}
	err := a.s.db.read(ctx, func(c *conn) (err error) {
		m.id, _, err = a.find(c, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// SearchFuzzy implements imap.FuzzySearcher: there is no index of text, so that every message is tested.
func (a *account) SearchFuzzy(ctx context.Context, mailbox string, c *imap.SearchCriteria) ([]imap.FuzzyMatch, error) {
	m, err := a.OpenMailbox(ctx, mailbox)
	if err != nil {
		return nil, err
	}
	return imap.SearchFuzzy(ctx, m, c)
}

func noBox(err error, name string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("mailstore: mailbox %q: %w", name, imap.ErrNonexistent)
	}
	return err
}

// boxName puts INBOX in capitals, as the first level of a name too (RFC 9051 §5.1).
func boxName(name string) string {
	if len(name) >= 5 && strings.EqualFold(name[:5], "INBOX") && (len(name) == 5 || name[5] == '/') {
		return "INBOX" + name[5:]
	}
	return name
}

// HighestModSeq returns the account's counter.
func (a *account) HighestModSeq(ctx context.Context) (modSeq, error) {
	var m modSeq
	err := a.s.db.read(ctx, func(c *conn) error {
		return c.row([]any{&m}, `SELECT modseq FROM account WHERE id = ?`, a.id)
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = imap.ErrNonexistent
	}
	return m, err
}

// AccountChanges yields what happened in any mailbox.
func (a *account) AccountChanges(ctx context.Context, since modSeq) iter.Seq2[imap.AccountChange, error] {
	return func(yield func(imap.AccountChange, error) bool) {
		changes, err := a.changes(ctx, since)
		if err != nil {
			yield(imap.AccountChange{}, err)
			return
		}
		for _, c := range changes {
			out := imap.AccountChange{MailboxID: mailboxID(c.mailbox), Change: c.public(since)}
			if c.uid != 0 {
				out.EmailID, out.ThreadID = emailID(c.email), threadID(c.thread)
			}
			if !yield(out, nil) {
				return
			}
		}
	}
}

// A change is one row of message, expunged or mailbox that is newer than something. uid 0 is the mailbox itself.
type change struct {
	mailbox         int64
	uid             imap.UID
	modseq, created modSeq
	email, thread   int64
	gone            bool
}

func (c *change) public(since modSeq) imap.Change {
	return imap.Change{UID: c.uid, ModSeq: c.modseq, Added: c.created > since && !c.gone, Expunged: c.gone}
}

// changes reads all changes of the account after since at one moment, by ascending ModSeq.
func (a *account) changes(ctx context.Context, since modSeq) ([]change, error) {
	var out []change
	scan := func(gone bool) func(*sql.Rows) error {
		return func(r *sql.Rows) error {
			c := change{gone: gone}
			if err := r.Scan(&c.mailbox, &c.uid, &c.modseq, &c.created, &c.email, &c.thread); err != nil {
				return err
			}
			out = append(out, c)
			return nil
		}
	}
	err := a.s.db.snapshot(ctx, func(c *conn) error {
		out = nil
		var horizon modSeq
		if err := c.row([]any{&horizon}, `SELECT horizon FROM account WHERE id = ?`, a.id); errors.Is(err, sql.ErrNoRows) {
			return imap.ErrNonexistent
		} else if err != nil {
			return err
		}
		if since < horizon {
			return fmt.Errorf("mailstore: account changes since %d: %w", since, imap.ErrModSeqTooOld)
		}
		if err := c.rows(scan(false), `SELECT id, 0, changed, created, 0, 0 FROM mailbox WHERE account = ? AND changed > ?`, a.id, since); err != nil {
			return err
		}
		if err := c.rows(scan(false), `SELECT m.mailbox, m.uid, m.modseq, m.created, m.email, m.thread FROM mailbox b
			CROSS JOIN message m ON m.mailbox = b.id AND m.modseq > ? WHERE b.account = ? AND b.modseq > ?`, since, a.id, since); err != nil {
			return err
		}
		return c.rows(scan(true), `SELECT mailbox, uid, modseq, created, email, thread FROM expunged
			WHERE account = ? AND modseq > ?`, a.id, since)
	})
	slices.SortFunc(out, compareChanges)
	return out, err
}

func compareChanges(x, y change) int {
	return cmp.Or(cmp.Compare(x.modseq, y.modseq), cmp.Compare(x.mailbox, y.mailbox), cmp.Compare(x.uid, y.uid))
}
