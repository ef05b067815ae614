package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"iter"
	"log/slog"
	"math"
	mrand "math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mailbricks/mailbricks/internal/backoff"
	"github.com/mailbricks/mailbricks/smtp"
)

// Config says what a Queue works with. Spool, Next and Hostname are needed, the rest has defaults.
type Config struct {
	// Spool keeps the messages.
	Spool Spool
	// Next takes the mail on. Its replies decide: see Run.
	Next smtp.Handler
	// Hostname is the name of this host in notifications and their Message-IDs.
	Hostname string

	// Retry is how long to wait after the first, second, ... round that left a recipient waiting; the last one
	// repeats. Default: 5, 10, 20, 40, 80, 160 minutes, then 4 hours.
	Retry []time.Duration
	// Jitter spreads each wait over 1±Jitter times its length; default 0.1, negative none.
	Jitter float64
	// Expire is how long a message is tried, default 5 days (RFC 5321 §4.5.4.1).
	Expire time.Duration
	// Warn is after how long the sender is told of recipients that still wait; default 4 hours, negative never.
	Warn time.Duration
	// Concurrency is how many transactions run at once, default 100; PerDomain, how many of them to one domain,
	// default 10.
	Concurrency, PerDomain int
	// MaxRecipients is how many recipients go into one transaction, default 100 (RFC 5321 §4.5.3.1.8).
	MaxRecipients int
	// MaxSize is the longest message taken in bytes, default 100 MiB; negative is no limit.
	MaxSize int64
	// MaxHeld is how many messages of one user, or from one address without login, wait for a Hold to end, default 100;
	// MaxHeldAll, how many of all, default 10,000 (RFC 4865 §6). Negative takes none.
	MaxHeld, MaxHeldAll int
	// MaxReturn is the longest message that a notification returns whole where the sender asked for it (RET=FULL);
	// of longer ones it returns the header. Default 1 MiB.
	MaxReturn int64
	// Grace is how long Run goes on with transactions under way once its context has ended, default 3 s.
	Grace time.Duration
	// Logger is told what becomes of each message; nil is silent.
	Logger *slog.Logger
}

func def[T int | int64 | float64 | time.Duration](v, d T) T {
	if v == 0 {
		return d
	}
	return v
}

// A Queue takes mail as an smtp.Handler, and sends it on while Run runs. Its methods may be called by several
// goroutines at once.
type Queue struct {
	c       Config
	retry   backoff.Schedule
	log     *slog.Logger
	limit   *limiter
	holds   holds
	wake    chan struct{} // something may be due
	counted counters
}

// New returns a Queue. It panics if Spool, Next or Hostname is missing from c.
func New(c Config) *Queue {
	if c.Spool == nil || c.Next == nil || c.Hostname == "" {
		panic("queue: Config needs Spool, Next and Hostname")
	}
	q := &Queue{c: c, log: c.Logger, wake: make(chan struct{}, 1)}
	if q.log == nil {
		q.log = slog.New(slog.DiscardHandler)
	}
	q.retry = backoff.Schedule{Steps: c.Retry, Jitter: max(0, def(c.Jitter, 0.1))}
	if len(c.Retry) == 0 {
		q.retry.Steps = backoff.Exponential(5*time.Minute, 4*time.Hour).Steps
	}
	q.c.Expire = def(c.Expire, 5*24*time.Hour)
	q.c.Warn = def(c.Warn, 4*time.Hour)
	q.c.MaxRecipients = max(1, def(c.MaxRecipients, 100))
	q.c.MaxReturn = def(c.MaxReturn, 1<<20)
	q.c.Grace = def(c.Grace, 3*time.Second)
	if q.c.MaxSize = def(c.MaxSize, 100<<20); q.c.MaxSize < 0 {
		q.c.MaxSize = math.MaxInt64
	}
	q.holds = holds{each: def(c.MaxHeld, 100), all: def(c.MaxHeldAll, 10_000)}
	q.limit = newLimiter(max(1, def(c.Concurrency, 100)), max(1, def(c.PerDomain, 10)))
	return q
}

// Mail implements smtp.Handler. The message is durable when Data returns; its Results tell the ID in the queue.
func (q *Queue) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	if p.Size > q.c.MaxSize {
		return nil, tooLarge()
	}
	t := &transaction{q: q, begun: time.Now(), s: state{Version: stateVersion, From: from, Params: p, Hello: peer.Hello}}
	if release := p.Hold.Release(t.begun); release.After(t.begun) {
		t.s.Owner, t.s.Release = owner(peer), release
		if err := q.holds.take(ctx, q.c.Spool, t.s.Owner, release); err != nil {
			return nil, err
		}
		t.counted = true
	}
	return t, nil
}

func tooLarge() error {
	return smtp.NewError(552, smtp.EnhancedCode{5, 3, 4}, "Message too large")
}

type transaction struct {
	q       *Queue
	begun   time.Time
	s       state
	counted bool // as held, and not stored yet
}

func (t *transaction) Rcpt(_ context.Context, to smtp.Path, p smtp.RcptParams) error {
	t.s.Rcpts = append(t.s.Rcpts, recipient{To: to, Params: p, State: Waiting})
	return nil
}

func (t *transaction) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	id, err := t.q.store(ctx, newID(), &t.s, t.begun, body)
	if err != nil {
		return nil, err
	}
	t.counted = false // until it is released
	return smtp.SameResult(len(t.s.Rcpts), smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "Queued as "+id)), nil
}

func (t *transaction) Close() error {
	if t.counted {
		t.q.holds.give(t.s.Owner, t.s.Release)
	}
	return nil
}

// newID returns an ID that sorts by time.
func newID() string {
	return strconv.FormatInt(time.Now().UnixMicro(), 36) + "-" + strings.ToLower(rand.Text()[:8])
}

// store puts a message whose MAIL came at begun into the spool, due at once or when its Hold ends.
func (q *Queue) store(ctx context.Context, id string, s *state, begun time.Time, body io.Reader) (string, error) {
	now := time.Now()
	s.Arrival = begun // a DeliverBy counts from there
	due := now
	if s.Release.After(now) {
		due = s.Release
	}
	r, err := s.record(id, due)
	if err != nil {
		return "", err
	}
	in := &limitReader{r: body, left: q.c.MaxSize}
	if err := q.c.Spool.Put(ctx, r, in); err != nil {
		switch {
		case in.err != nil: // the message did not come whole: the server knows what to say
			return "", in.err
		case errors.Is(err, syscall.ENOSPC):
			return "", &smtp.Error{Reply: smtp.NewReply(452, smtp.EnhancedCode{4, 3, 1}, "Insufficient system storage"), Err: err}
		case errors.Is(err, ErrReadOnly), errors.Is(err, ErrClosed):
			return "", &smtp.Error{Reply: smtp.NewReply(451, smtp.EnhancedCode{4, 3, 2}, "System not accepting messages"), Err: err}
		}
		return "", err
	}
	q.counted.accepted.Add(1)
	q.log.Info("queued", "id", id, "from", s.From.String(), "recipients", len(s.Rcpts), "size", in.n)
	q.poke()
	return id, nil
}

// poke tells Run that something may be due.
func (q *Queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// A limitReader refuses what is longer than left, and remembers why it failed.
type limitReader struct {
	r    io.Reader
	left int64
	n    int64
	err  error
}

func (l *limitReader) Read(p []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	n, err := l.r.Read(p)
	l.n += int64(n)
	if int64(n) > l.left {
		l.err = tooLarge()
		return 0, l.err
	}
	l.left -= int64(n)
	if err != nil && err != io.EOF {
		l.err = err
	}
	return n, err
}

// A Message is what List tells of a queued message.
type Message struct {
	ID         string
	From       smtp.Path
	Arrival    time.Time
	Due        time.Time // of the next attempt
	Attempts   int       // rounds so far
	Recipients []RecipientStatus
}

// A RecipientStatus is the state of one recipient of a queued message.
type RecipientStatus struct {
	To    smtp.Path
	State RecipientState
	// Last is the last result, with the zero Reply before the first attempt; At is when it came.
	Last smtp.Result
	At   time.Time
}

// List yields every message in the queue, in no order. A record that cannot be read yields an error and the ID.
func (q *Queue) List(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for r, err := range q.c.Spool.List(ctx) {
			m := Message{ID: r.ID, Due: r.Due}
			var s *state
			if err == nil {
				s, err = decodeState(r)
			}
			if err == nil {
				m.From, m.Arrival, m.Attempts = s.From, s.Arrival, s.Attempts
				for _, rc := range s.Rcpts {
					m.Recipients = append(m.Recipients, RecipientStatus{To: rc.To, State: rc.State, Last: rc.Last, At: rc.At})
				}
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

// Retry has messages tried now: those with the given IDs, or all if there are none. It returns how many were waiting;
// those under way are not counted.
func (q *Queue) Retry(ctx context.Context, ids ...string) (int, error) {
	n, err := q.c.Spool.Retry(ctx, time.Now(), ids...)
	q.poke()
	return n, err
}

// Stats is a snapshot of what a Queue has done since New. All but Accepted, Notified, Damaged and Active count
// recipients.
type Stats struct {
	Accepted  uint64 // messages taken, notifications included
	Delivered uint64 // taken by the next hop
	Deferred  uint64 // attempts that left the recipient waiting
	Failed    uint64 // refused for good
	Expired   uint64 // tried for too long
	Notified  uint64 // notifications stored for senders
	Damaged   uint64 // messages found unreadable
	Active    int    // transactions under way
}

type counters struct {
	accepted, delivered, deferred, failed, expired, notified, damaged atomic.Uint64
}

// Stats returns a snapshot.
func (q *Queue) Stats() Stats {
	c := &q.counted
	return Stats{
		Accepted: c.accepted.Load(), Delivered: c.delivered.Load(), Deferred: c.deferred.Load(), Failed: c.failed.Load(),
		Expired: c.expired.Load(), Notified: c.notified.Load(), Damaged: c.damaged.Load(), Active: q.limit.running(),
	}
}

// random is the source of jitter.
func random() float64 { return mrand.Float64() }
