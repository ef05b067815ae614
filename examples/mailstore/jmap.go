package mailstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

var _ mail.Backend = (*Store)(nil)

// uploadLife is how long an upload lives that no email has taken up (RFC 8620 §6 asks for an hour).
const uploadLife = 24 * time.Hour

// Accounts returns the account of a user for JMAP and those that share mailboxes with him, none for an unknown user. They have the ids
// of IMAP's OBJECTID. What
// is marked \Deleted over IMAP does not exist here (RFC 8621 §4.1.1); an email that is in several mailboxes has the
// keywords of all its copies, but $seen only if all have it.
func (s *Store) Accounts(ctx context.Context, user string) ([]*mail.Account, error) {
	a, err := s.open(ctx, user)
	if errors.Is(err, imap.ErrNonexistent) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	boxes, emails, threads := jmapMailboxes{a}, jmapEmails{a}, jmapThreads{a}
	identities, submissions := a.identities(), a.submissions()
	shares, err := s.shares(ctx, a)
	if err != nil {
		return nil, err
	}
	out := &mail.Account{
		ID: jmap.ID(accountID(a.id)), Name: user,
		Mailboxes: mail.MailboxRoles{Getter: boxes, Changer: boxes, Setter: boxes},
		Threads:   mail.ThreadRoles{Getter: threads, Changer: threads},
		Emails:    mail.EmailRoles{Getter: emails, Changer: emails, Setter: emails, Querier: emails},
		Blobs:     jmapBlobs{a}, Uploads: jmapBlobs{a}, Watcher: jmapWatcher{a},
		Identities:  mail.IdentityRoles{Getter: identities, Changer: identities, Setter: identities},
		Submissions: mail.SubmissionRoles{Getter: submissions, Changer: submissions, Setter: submissions},
	}
	if s.answers != nil {
		out.Vacation = jmapVacation{a}
	}
	if s.o.Quota != (Quota{}) {
		out.Quotas = jmapQuotas{a}
	}
	return append([]*mail.Account{out}, shares...), nil
}

// A place is a point in the account's history: everything up to ModSeq, of that one only what is sorted up to id. So
// a page of changes can end anywhere.
type place struct {
	modseq modSeq
	id     int64
}

func at(m modSeq) place { return place{m, math.MaxInt64} }

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.modseq, q.modseq), cmp.Compare(p.id, q.id))
}

// state returns "ModSeq" or "ModSeq-id".
func (p place) state() jmap.State {
	s := strconv.FormatUint(uint64(p.modseq), 10)
	if p.id != math.MaxInt64 {
		s += "-" + strconv.FormatInt(p.id, 10)
	}
	return jmap.State(s)
}

func parseState(s jmap.State) (place, error) {
	m, id, within := strings.Cut(string(s), "-")
	p := at(0)
	n, err := strconv.ParseUint(m, 10, 63)
	p.modseq = modSeq(n)
	if within && err == nil {
		p.id, err = strconv.ParseInt(id, 10, 64)
	}
	if err != nil {
		return p, jmap.Errorf(jmap.CannotCalculateChanges, "unknown state")
	}
	return p, nil
}

// state reads the account's state.
func (a *account) state(c *conn) (place, error) {
	var m modSeq
	err := c.row([]any{&m}, `SELECT modseq FROM account WHERE id = ?`, a.id)
	if errors.Is(err, sql.ErrNoRows) {
		err = jmap.Errorf(jmap.AccountNotFound, "")
	}
	return at(m), err
}

// A changed is what became of a record after a state.
type changed struct {
	id      int64
	at      place // of its last change; id is that of the record
	created bool  // it was not there before
	gone    bool
}

// page sorts changes into a response of at most most ids.
func page(list []changed, since, now place, most *uint, id func(int64) string) *jmap.ChangesResponse {
	list = slices.DeleteFunc(list, func(c changed) bool { return c.at.compare(since) <= 0 || c.created && c.gone })
	slices.SortFunc(list, func(x, y changed) int { return x.at.compare(y.at) })
	out := &jmap.ChangesResponse{OldState: since.state(), NewState: now.state(), Created: []jmap.ID{}, Updated: []jmap.ID{}, Destroyed: []jmap.ID{}}
	if most != nil && uint(len(list)) > *most {
		list = list[:*most]
		out.HasMoreChanges = true
		out.NewState = since.state()
		if len(list) > 0 {
			out.NewState = list[len(list)-1].at.state()
		}
	}
	for _, c := range list {
		to := &out.Updated
		if c.gone {
			to = &out.Destroyed
		} else if c.created {
			to = &out.Created
		}
		*to = append(*to, jmap.ID(id(c.id)))
	}
	return out
}

// changesSince reads the changes of one data type of the account.
func (a *account) changesSince(ctx context.Context, r *jmap.ChangesRequest, id func(int64) string,
	read func(c *conn, since place) ([]changed, error)) (*jmap.ChangesResponse, error) {
	return a.s.changes(ctx, r, func(c *conn) (now place, horizon modSeq, err error) {
		if now, err = a.state(c); err == nil {
			err = c.row([]any{&horizon}, `SELECT horizon FROM account WHERE id = ?`, a.id)
		}
		return now, horizon, err
	}, id, read)
}

// changes reads changes by read, which gets where it begins. history says what the state is, and up to which ModSeq what has
// gone is forgotten.
func (s *Store) changes(ctx context.Context, r *jmap.ChangesRequest, history func(*conn) (now place, horizon modSeq, err error),
	id func(int64) string, read func(c *conn, since place) ([]changed, error)) (*jmap.ChangesResponse, error) {
	since, err := parseState(r.SinceState)
	if err != nil {
		return nil, err
	}
	var out *jmap.ChangesResponse
	err = s.db.snapshot(ctx, func(c *conn) error {
		now, horizon, err := history(c)
		if err != nil {
			return err
		}
		if since.modseq < horizon || since.modseq > now.modseq {
			return jmap.Errorf(jmap.CannotCalculateChanges, "state %s is unknown or too old", r.SinceState)
		}
		list, err := read(c, since)
		out = page(list, since, now, r.MaxChanges, id)
		out.OldState = r.SinceState
		return err
	})
	return out, err
}

// from returns the highest ModSeq whose changes cannot come after p.
func (p place) from() modSeq {
	if p.id == math.MaxInt64 {
		return p.modseq
	}
	return p.modseq - 1
}

// jmapBlobs reads and takes up bytes. A blob is named by its row: the letter B and a number.
type jmapBlobs struct{ *account }

func blobID(id int64) string { return "B" + strconv.FormatInt(id, 10) }

// OpenBlob opens bytes that an email, an upload or a submission of the account has.
func (a jmapBlobs) OpenBlob(ctx context.Context, id jmap.ID) (jmap.Blob, error) {
	n := parseID('B', string(id))
	return a.s.body(ctx, func(c *conn, dest []any) error {
		err := c.row(dest, `SELECT hash, size, data IS NULL, data FROM blob WHERE id = ? AND (
			EXISTS (SELECT 1 FROM email WHERE blob = blob.id AND account = ?) OR
			EXISTS (SELECT 1 FROM upload WHERE blob = blob.id AND account = ?) OR
			EXISTS (SELECT 1 FROM submissionblob WHERE blob = blob.id AND account = ?))`, n, a.id, a.id, a.id)
		if errors.Is(err, sql.ErrNoRows) {
			return &jmap.SetError{Type: jmap.SetBlobNotFound, NotFound: []jmap.ID{id}}
		}
		return err
	})
}

// Upload keeps bytes for a day.
func (a jmapBlobs) Upload(ctx context.Context, r io.Reader) (jmap.ID, int64, error) {
	x := &incoming{Draft: a.s.draftOf(a.s.o.MaxUpload)}
	defer x.Close()
	if _, err := x.ReadFrom(r); err != nil {
		return "", 0, tooBig(err)
	}
	if err := x.Keep(); err != nil {
		return "", 0, diskError(err)
	}
	var id int64
	now := a.s.o.Now()
	err := a.s.db.write(ctx, func(t *tx) (err error) {
		if id, _, err = t.blob(x); err != nil {
			return err
		}
		if err := t.exec(`INSERT INTO upload (blob, account, expires) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET expires = excluded.expires`,
			id, a.id, now.Add(uploadLife).Unix()); err != nil {
			return err
		}
		return t.dropUploads(a.id, now)
	})
	return jmap.ID(blobID(id)), x.Size(), err
}

// dropUploads forgets the uploads of an account that have expired.
func (t *tx) dropUploads(account int64, now time.Time) error {
	old, err := t.numbers(`SELECT blob FROM upload WHERE account = ? AND expires < ?`, account, now.Unix())
	for _, b := range old {
		if err == nil {
			err = t.exec(`DELETE FROM upload WHERE account = ? AND blob = ?`, account, b)
		}
		if err == nil {
			err = t.dropBlob(b)
		}
	}
	return err
}

// jmapWatcher tells of changes by the feed of IMAP.
type jmapWatcher struct{ *account }

// Watch subscribes to the feed; what it would tell of mailboxes is not asked for.
func (a jmapWatcher) Watch(ctx context.Context) <-chan struct{} { return a.feed.Watch(ctx).Ready() }

// States returns the states of the data types, which share the account's counter, and the newest email as that of
// EmailDelivery.
func (a jmapWatcher) States(ctx context.Context) (map[string]jmap.State, error) {
	var s, identities, submissions, vacation place
	var newest int64
	err := a.s.db.read(ctx, func(c *conn) (err error) {
		if newest = a.newest.Load(); newest == 0 {
			if err := c.row([]any{&newest}, `SELECT coalesce(max(id), -1) FROM email WHERE account = ?`, a.id); err != nil {
				return err
			}
			a.newest.CompareAndSwap(0, newest)
		}
		if identities, err = a.identities().state(c); err != nil {
			return err
		}
		if vacation, err = jmapVacation(a).state(c); err != nil {
			return err
		}
		if submissions, err = a.submissions().state(c); err != nil {
			return err
		}
		s, err = a.state(c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return map[string]jmap.State{"Mailbox": s.state(), "Email": s.state(), "Thread": s.state(), "Identity": identities.state(), "EmailSubmission": submissions.state(), "VacationResponse": vacation.state(), mail.EmailDelivery: jmap.State(strconv.FormatInt(newest, 10))}, nil
}

// accountOf checks IfInState and returns the account's row.
func (t *tx) inState(a *account, want *jmap.State) (*accountRow, error) {
	row, err := t.account(a.id)
	if err != nil {
		return nil, err
	}
	if want != nil && *want != at(row.modseq).state() {
		return nil, jmap.Errorf(jmap.StateMismatch, "the state is %s", at(row.modseq).state())
	}
	return row, nil
}

// refusal sorts an error: a *jmap.SetError is one record's, anything else ends the call.
func refusal(err error) (*jmap.SetError, error) {
	if e, ok := errors.AsType[*jmap.SetError](err); ok {
		return e, nil
	}
	return nil, err
}

func invalid(property, format string, args ...any) error {
	return &jmap.SetError{Type: jmap.SetInvalidProperties, Properties: []string{property}, Description: fmt.Sprintf(format, args...)}
}
