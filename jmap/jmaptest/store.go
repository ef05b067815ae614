package jmaptest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// A Store is the mail of some users in memory. It is a mail.Backend. An account has the mailboxes Inbox, Drafts, Sent,
// Junk, Trash and Archive from the beginning, with their roles.
type Store struct {
	mu    sync.Mutex
	users map[string]*account
}

// NewStore returns a Store with an empty account for each user.
func NewStore(users ...string) *Store {
	s := &Store{users: make(map[string]*account)}
	for i, u := range users {
		a := &account{id: jmap.ID("u" + strconv.Itoa(i+1)), name: u, mailboxes: map[jmap.ID]*mailbox{}, emails: map[jmap.ID]*email{},
			threads: map[jmap.ID]*thread{}, blobs: map[jmap.ID][]byte{}, identities: map[jmap.ID]*identity{}, submissions: map[jmap.ID]*submission{}, watches: map[chan struct{}]bool{}}
		for _, name := range []string{"Inbox", "Drafts", "Sent", "Junk", "Trash", "Archive"} {
			a.newMailbox(mail.Mailbox{Name: name, Role: mail.Role(strings.ToLower(name)), IsSubscribed: true})
		}
		s.users[u] = a
	}
	return s
}

// Accounts returns the account of a user and those that are shared with the user, none for an unknown user.
func (s *Store) Accounts(_ context.Context, user string) ([]*mail.Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.users[user]
	if a == nil {
		return nil, nil
	}
	out := []*mail.Account{a.roles()}
	for _, o := range a.shared {
		r := o.roles()
		r.Shared = true
		out = append(out, r)
	}
	return out, nil
}

// Share gives a user another one's account besides the own, to read and to write. It panics for unknown users.
func (s *Store) Share(owner, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[user].shared = append(s.users[user].shared, s.users[owner])
	if s.users[owner] == nil {
		panic("jmaptest: no user " + owner)
	}
}

// Deliver puts a message into the mailbox of a role, with the keywords, and returns the email's id. It panics for an
// unknown user or role, a fault of the test.
func (s *Store) Deliver(user string, role mail.Role, at time.Time, raw []byte, keywords ...string) jmap.ID {
	s.mu.Lock()
	a := s.users[user]
	s.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, m := range a.mailboxes {
		if m.Role == role {
			a.modseq++
			defer a.notify()
			return a.newEmail(mail.EmailCreate{MailboxIDs: []jmap.ID{id}, Keywords: keywords, ReceivedAt: at}, raw).ID
		}
	}
	panic("jmaptest: no mailbox of role " + string(role))
}

// life is when a record came into being, changed and ended; a modseq each, 0 for never.
type life struct{ created, changed, gone uint64 }

type account struct {
	id     jmap.ID
	name   string
	shared []*account // by the Store's lock

	mu         sync.Mutex
	modseq     uint64
	delivered  uint64 // modseq of the newest email
	next       int
	mailboxes  map[jmap.ID]*mailbox
	emails     map[jmap.ID]*email
	threads    map[jmap.ID]*thread
	blobs      map[jmap.ID][]byte
	identities map[jmap.ID]*identity
	watches    map[chan struct{}]bool
	sent       []Sent
	limits     *limits
	vacation   vacation

	submissions map[jmap.ID]*submission
	outbox      mail.Outbox // nil: submissions are not kept
	tries       int         // at later.example
}

type mailbox struct {
	mail.Mailbox
	life
	renamed uint64 // when anything but counts changed
}

type email struct {
	mail.Record
	life
}

type thread struct {
	life
}

func (a *account) roles() *mail.Account {
	m, e, t, s := mailboxes{a}, emails{a}, threads{a}, submissions{a}
	out := &mail.Account{
		Vacation:   vacations{a},
		ID:         a.id,
		Name:       a.name,
		Mailboxes:  mail.MailboxRoles{Getter: m, Changer: m, Setter: m},
		Threads:    mail.ThreadRoles{Getter: t, Changer: t},
		Emails:     mail.EmailRoles{Getter: e, Changer: e, Setter: e},
		Blobs:      a,
		Uploads:    a,
		Watcher:    a,
		Submitter:  submitter{a},
		Addresses:  []string{a.name},
		Identities: mail.IdentityRoles{Getter: identities{a}, Changer: identities{a}, Setter: identities{a}},

		SubmissionExtensions: map[string][]string{"DSN": nil, "SIZE": {"100000"}},
		Submissions:          mail.SubmissionRoles{Getter: s, Changer: s, Setter: s, Outbox: a.outbox},
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.limits != nil {
		out.Quotas = quotas{a}
	}
	return out
}

func (a *account) newID(prefix string) jmap.ID {
	a.next++
	return jmap.ID(prefix + strconv.Itoa(a.next))
}

func (a *account) newMailbox(m mail.Mailbox) *mailbox {
	a.modseq++
	m.ID, m.SortOrder, m.MyRights = a.newID("m"), mail.DefaultSortOrder, mail.AllRights()
	out := &mailbox{Mailbox: m, life: life{created: a.modseq, changed: a.modseq}, renamed: a.modseq}
	a.mailboxes[m.ID] = out
	return out
}

// newEmail adds a message at the account's modseq.
func (a *account) newEmail(c mail.EmailCreate, raw []byte) *email {
	if c.ReceivedAt.IsZero() {
		c.ReceivedAt = time.Now()
	}
	sum := sha256.Sum256(raw)
	blob := jmap.ID("B" + hex.EncodeToString(sum[:16]))
	a.blobs[blob] = raw
	e := &email{life: life{created: a.modseq, changed: a.modseq}, Record: mail.Record{ID: a.newID("e"), BlobID: blob,
		MailboxIDs: slices.Clone(c.MailboxIDs), Size: int64(len(raw)), ReceivedAt: c.ReceivedAt.UTC().Truncate(time.Second), Summary: mail.Summarize(raw)}}
	for _, k := range c.Keywords {
		e.Keywords = append(e.Keywords, strings.ToLower(k))
	}
	e.ThreadID = a.threadOf(e.Summary)
	a.emails[e.ID], a.delivered = e, a.modseq
	a.touch(e)
	return e
}

// threadOf returns the thread that a message belongs to by its references, or a new one.
func (a *account) threadOf(s *mail.Summary) jmap.ID {
	ids := slices.Concat(s.MessageID, s.InReplyTo, s.References)
	for _, e := range a.emails {
		for _, id := range slices.Concat(e.Summary.MessageID, e.Summary.References) {
			if e.gone == 0 && slices.Contains(ids, id) {
				a.threads[e.ThreadID].changed = a.modseq
				return e.ThreadID
			}
		}
	}
	id := a.newID("t")
	a.threads[id] = &thread{life{created: a.modseq, changed: a.modseq}}
	return id
}

// touch marks the mailboxes of an email as changed.
func (a *account) touch(e *email) {
	for _, id := range e.MailboxIDs {
		if m := a.mailboxes[id]; m != nil {
			m.changed = a.modseq
		}
	}
}

func (a *account) state() jmap.State { return jmap.State(strconv.FormatUint(a.modseq, 10)) }

func (a *account) notify() {
	for w := range a.watches {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// Watch is jmap.Watcher's.
func (a *account) Watch(ctx context.Context) <-chan struct{} {
	w := make(chan struct{}, 1)
	a.mu.Lock()
	a.watches[w] = true
	a.mu.Unlock()
	context.AfterFunc(ctx, func() {
		a.mu.Lock()
		delete(a.watches, w)
		a.mu.Unlock()
	})
	return w
}

// States is jmap.Watcher's.
func (a *account) States(context.Context) (map[string]jmap.State, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return map[string]jmap.State{"Mailbox": a.state(), "Thread": a.state(), "Email": a.state(), "Identity": a.state(), "EmailSubmission": a.state(), "VacationResponse": a.vacation.state(), mail.EmailDelivery: jmap.State(strconv.FormatUint(a.delivered, 10))}, nil
}

type blob struct{ *bytes.Reader }

func (blob) Close() error { return nil }

// OpenBlob is mail.Blobs'.
func (a *account) OpenBlob(_ context.Context, id jmap.ID) (jmap.Blob, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b, ok := a.blobs[id]
	if !ok {
		return nil, &jmap.SetError{Type: jmap.SetBlobNotFound, NotFound: []jmap.ID{id}}
	}
	return blob{bytes.NewReader(b)}, nil
}

// Upload is mail.Uploader's.
func (a *account) Upload(_ context.Context, r io.Reader) (jmap.ID, int64, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return "", 0, err
	}
	sum := sha256.Sum256(b)
	id := jmap.ID("B" + hex.EncodeToString(sum[:16]))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.blobs[id] = b
	return id, int64(len(b)), nil
}

// get picks the wanted ids, or all that have not gone, in their order.
func get[T any](ids []jmap.ID, all map[jmap.ID]T, lives func(T) life, add func(jmap.ID, T)) (notFound []jmap.ID) {
	if ids == nil {
		for id, v := range all {
			if lives(v).gone == 0 {
				ids = append(ids, id)
			}
		}
		slices.SortFunc(ids, func(a, b jmap.ID) int { return number(a) - number(b) })
	}
	for _, id := range ids {
		if v, ok := all[id]; ok && lives(v).gone == 0 {
			add(id, v)
		} else {
			notFound = append(notFound, id)
		}
	}
	return notFound
}

func number(id jmap.ID) int {
	n, _ := strconv.Atoi(string(id[1:]))
	return n
}

// A place is a point in an account's history: all up to modseq, of that one only the records up to a number. So a page
// of changes can end anywhere.
type place struct {
	modseq uint64
	number int
}

func (p place) after(q place) bool {
	return p.modseq > q.modseq || p.modseq == q.modseq && p.number > q.number
}

// parsePlace reads a state: a modseq, and a number where the state is within one.
func parsePlace(s jmap.State) (place, bool) {
	m, n, within := strings.Cut(string(s), "-")
	modseq, err := strconv.ParseUint(m, 10, 64)
	p := place{modseq, math.MaxInt}
	if err == nil && within {
		p.number, err = strconv.Atoi(n)
	}
	return p, err == nil
}

// changes answers Foo/changes from the lives of all records there ever were.
func changes[T any](a *account, r *jmap.ChangesRequest, all map[jmap.ID]T, lives func(T) life) (*jmap.ChangesResponse, error) {
	since, ok := parsePlace(r.SinceState)
	if !ok || since.modseq > a.modseq {
		return nil, jmap.Errorf(jmap.CannotCalculateChanges, "unknown state")
	}
	type change struct {
		id jmap.ID
		life
		at place
	}
	created := func(c change) bool { return place{c.created, number(c.id)}.after(since) }
	var list []change
	for id, v := range all {
		l := lives(v)
		c := change{id, l, place{max(l.changed, l.gone), number(id)}}
		if c.at.after(since) && (l.gone == 0 || !created(c)) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(x, y change) int {
		if y.at.after(x.at) {
			return -1
		}
		return 1
	})
	out := &jmap.ChangesResponse{NewState: a.state()}
	if r.MaxChanges != nil && *r.MaxChanges > 0 && uint(len(list)) > *r.MaxChanges {
		list = list[:*r.MaxChanges]
		last := list[len(list)-1].at
		out.HasMoreChanges = true
		out.NewState = jmap.State(strconv.FormatUint(last.modseq, 10) + "-" + strconv.Itoa(last.number))
	}
	for _, c := range list {
		switch {
		case c.gone != 0:
			out.Destroyed = append(out.Destroyed, c.id)
		case created(c):
			out.Created = append(out.Created, c.id)
		default:
			out.Updated = append(out.Updated, c.id)
		}
	}
	return out, nil
}
