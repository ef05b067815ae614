package mailstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mailbricks/mailbricks/examples/mailstore/objects"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// What a caller decides on, besides the errors of package imap.
var (
	// ErrClosed says that the Store is closed.
	ErrClosed = errors.New("mailstore: closed")
	// ErrFull says that the disk is full. What failed has changed nothing; it may succeed later.
	ErrFull = errors.New("mailstore: disk full")
	// ErrInUse says that another process, or another Store of this one, has the directory open.
	ErrInUse = errors.New("mailstore: directory is in use")
)

// Options are the options of a Store. The zero value is ready for use.
type Options struct {
	// MaxMessage is the most octets of one message; default 64 MiB. Beyond it: imap.ErrTooBig.
	MaxMessage int64
	// MaxUpload is the most octets of one upload over JMAP, which may be more than a message; default 64 MiB, or
	// MaxMessage where that is more.
	MaxUpload int64
	// Inline is the most octets of a message that is kept in the database, default 64 KiB. Longer ones are files.
	Inline int
	// MaxExpunged is how many expunges of an account are remembered, default 100,000. A client that has been away for
	// longer reads its mailboxes anew (imap.ErrModSeqTooOld).
	MaxExpunged int
	// Readers is the number of connections that read at once, default 4 for each processor, 16 at most.
	Readers int
	// Quota is what every account may hold.
	Quota Quota
	// Answers sends what users' VacationResponses answer (RFC 8621 §8) to what is delivered by Mail; nil: they have none.
	Answers mail.Submitter
	// Cache is about how many octets of memory are for what is read again: the lists of messages (160 octets each) of
	// mailboxes, envelopes, short messages. Default 64 MiB. One list is always kept, however long.
	Cache int64
	// OtherUsers is the first level of the names that others' mailboxes have over IMAP, default "Other Users". A mailbox of the
	// user's own with such a name cannot be reached there.
	OtherUsers string
	// Now is the clock of dates; default time.Now.
	Now func() time.Time
	// Logger receives what nobody is told otherwise: a failing disk, a stray file. nil is silent.
	Logger *slog.Logger
}

// A Store is the mail of any number of accounts in one directory. It is used by many goroutines at once.
type Store struct {
	o       Options
	db      *db
	objects *objects.Dir // nil in memory
	unlock  func() error // gives the directory back
	log     *slog.Logger
	cache   *cache
	states  sync.Map // mailbox → *boxState
	shared  sharedBoxes
	sharing atomic.Bool // there are some
	answers *answers    // nil without Options.Answers

	mu       sync.Mutex
	accounts map[int64]*account
	ids      map[string]int64 // of accounts by their names; there is no end to an account
	close    func() error
}

var _ imap.Backend = (*Store)(nil)

// Open opens the store in a directory, which it makes where it is absent. One process has it open at a time; what
// was acknowledged before a crash is there.
func Open(dir string, o Options) (*Store, error) {
	s := newStore(o)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("mailstore: %w", err)
	}
	var err error
	if s.unlock, err = lockDir(dir); err != nil {
		return nil, err
	}
	if s.objects, err = objects.Open(filepath.Join(dir, "objects")); err != nil {
		s.unlock()
		return nil, err
	}
	if s.db, err = openDB(dir, "FULL", s.o.Readers); err != nil {
		s.unlock()
		return nil, err
	}
	if err := s.sweep(); err != nil {
		s.db.pool.Close()
		s.unlock()
		return nil, err
	}
	if err := s.start(); err != nil {
		s.unlock()
		return nil, err
	}
	return s, nil
}

// start begins to write.
func (s *Store) start() error {
	if err := s.db.read(context.Background(), s.shared.load); err != nil {
		s.db.pool.Close()
		return err
	}
	s.sharing.Store(len(s.shared) > 0)
	s.db.start(s)
	s.answers = newAnswers(s.o.Answers, s.log)
	return nil
}

// OpenMemory opens an empty store that lives in memory alone, messages of any size included, and ends with Close. It
// is SQLite in memory over a single connection: for tests and demonstrations.
func OpenMemory(o Options) (*Store, error) {
	s := newStore(o)
	var err error
	if s.db, err = openDB("", "OFF", 1); err != nil {
		return nil, err
	}
	if err := s.start(); err != nil {
		return nil, err
	}
	return s, nil
}

func newStore(o Options) *Store {
	o.MaxMessage = cmp.Or(o.MaxMessage, 64<<20)
	o.MaxUpload = cmp.Or(o.MaxUpload, max(o.MaxMessage, 64<<20))
	o.Inline = cmp.Or(o.Inline, 64<<10)
	o.MaxExpunged = cmp.Or(o.MaxExpunged, 100_000)
	o.Readers = cmp.Or(o.Readers, min(4*runtime.GOMAXPROCS(0), 16))
	o.Cache = cmp.Or(o.Cache, 64<<20)
	o.OtherUsers = cmp.Or(o.OtherUsers, "Other Users")
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Store{o: o, log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)), accounts: make(map[int64]*account), ids: make(map[string]int64), cache: newCache(o.Cache),
		unlock: func() error { return nil }}
	s.close = sync.OnceValue(s.shut)
	return s
}

// lockDir takes the directory by an exclusive transaction in a database of its own, which ends with the process, and
// returns what gives it back.
func lockDir(dir string) (unlock func() error, err error) {
	l, err := sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.ToSlash(filepath.Join(dir, "lock"))}).EscapedPath()+"?_txlock=exclusive")
	if err != nil {
		return nil, fmt.Errorf("mailstore: %w", err)
	}
	tx, err := l.Begin()
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("%w: %s: %w", ErrInUse, dir, err)
	}
	return func() error { return errors.Join(tx.Rollback(), l.Close()) }, nil
}

// Close waits for what is being read and written, and closes the Store. Everything after it fails with ErrClosed;
// a Body that is open can be read on.
func (s *Store) Close() error { return s.close() }

func (s *Store) shut() error {
	s.answers.close()
	return errors.Join(s.db.close(), s.unlock())
}

// EnsureAccount makes the account of a user, with INBOX and the mailboxes Drafts, Sent, Junk, Trash and Archive,
// unless there is one. name is a mail address, or a local part for every domain; case is ignored.
func (s *Store) EnsureAccount(ctx context.Context, name string) error {
	name = foldName(name)
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("mailstore: %q cannot be the name of an account", name)
	}
	return s.db.write(ctx, func(t *tx) error {
		var id int64
		if err := t.row([]any{&id}, `SELECT id FROM account WHERE name = ?`, name); !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		id, err := t.insert(`INSERT INTO account (name, modseq, horizon, uidvalidity, gone) VALUES (?, 0, 0, 0, 0)`, name)
		if err != nil {
			return err
		}
		a, err := t.account(id)
		if err != nil {
			return err
		}
		m := t.next(a)
		for _, b := range []struct{ name, special string }{{"INBOX", ""}, {"Drafts", `\Drafts`}, {"Sent", `\Sent`},
			{"Junk", `\Junk`}, {"Trash", `\Trash`}, {"Archive", `\Archive`}} {
			if _, err := t.create(a, m, b.name, b.special, s.o.Now()); err != nil {
				return err
			}
		}
		return nil
	})
}

// Names yields the names of all accounts in alphabetical order.
func (s *Store) Names(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var names []string
		err := s.db.read(ctx, func(c *conn) error {
			return c.rows(func(r *sql.Rows) error {
				names = append(names, "")
				return r.Scan(&names[len(names)-1])
			}, `SELECT name FROM account ORDER BY name`)
		})
		for _, n := range names {
			if !yield(n, nil) {
				return
			}
		}
		if err != nil {
			yield("", err)
		}
	}
}

// OpenAccount opens the account of a user; case is ignored. imap.ErrNonexistent: there is none.
func (s *Store) OpenAccount(ctx context.Context, user string) (*imap.Account, error) {
	a, err := s.open(ctx, user)
	if err != nil {
		return nil, err
	}
	return a.imap(), nil
}

// open returns the account of the first name that has one.
func (s *Store) open(ctx context.Context, names ...string) (*account, error) {
	select {
	case <-s.db.closing:
		return nil, ErrClosed
	default:
	}
	for _, n := range names {
		n = foldName(n)
		s.mu.Lock()
		id, ok := s.ids[n]
		s.mu.Unlock()
		if ok {
			return s.account(id, n), nil
		}
		err := s.db.read(ctx, func(c *conn) error { return c.row([]any{&id}, `SELECT id FROM account WHERE name = ?`, n) })
		if errors.Is(err, sql.ErrNoRows) {
			continue
		} else if err != nil {
			return nil, err
		}
		s.mu.Lock()
		s.ids[n] = id
		s.mu.Unlock()
		return s.account(id, n), nil
	}
	return nil, fmt.Errorf("mailstore: account %q: %w", names, imap.ErrNonexistent)
}

func foldName(name string) string { return strings.ToLower(name) }

// account returns the account in use of an id.
func (s *Store) account(id int64, name string) *account {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.accounts[id]
	if !ok {
		a = &account{s: s, id: id, name: name}
		s.accounts[id] = a
	}
	return a
}

// inUse returns the account in use of an id, or nil.
func (s *Store) inUse(id int64) *account {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accounts[id]
}

// tell publishes in the feed of an account, if that is in use.
func (s *Store) tell(account int64, n imap.Notice) {
	if a := s.inUse(account); a != nil {
		a.feed.Publish(n)
	}
}

// committed tells the feeds and removes the files that a transaction left without owner.
func (s *Store) committed(t *tx) {
	for account, email := range t.arrived {
		if a := s.inUse(account); a != nil {
			a.newest.Store(email)
		}
	}
	for n, m := range t.notices {
		s.changed(n.mailbox, m, t.boxes[n.mailbox])
		s.tell(n.account, imap.Notice{MailboxID: mailboxID(n.mailbox), ModSeq: m, Entries: t.shared[n.mailbox]})
	}
	s.publish(t)
	for account, m := range t.told {
		s.tell(account, imap.Notice{ModSeq: m})
	}
	for n, entries := range t.private {
		x := imap.Notice{Entries: entries}
		if n.mailbox != 0 {
			b := t.boxes[n.mailbox]
			x.MailboxID, x.ModSeq, x.Other = mailboxID(b.id), b.modseq, b.account != n.account
		}
		s.tell(n.account, x)
	}
	if s.objects == nil {
		return
	}
	for _, h := range t.dropped {
		if _, err := s.objects.Remove(h); err != nil {
			s.log.Error("a message file could not be removed", "error", err)
		}
	}
}

// sweep removes files that no blob has: those of messages that were never acknowledged.
func (s *Store) sweep() error {
	return s.objects.Each(func(h objects.Hash, _ int64) error {
		return s.db.read(context.Background(), func(c *conn) error {
			var one int
			err := c.row([]any{&one}, `SELECT 1 FROM blob WHERE hash = ?`, h[:])
			if errors.Is(err, sql.ErrNoRows) {
				_, err = s.objects.Remove(h)
			}
			if errors.Is(err, fs.ErrPermission) {
				s.log.Error("a stray message file cannot be removed", "error", err)
				return nil
			}
			return err
		})
	})
}
