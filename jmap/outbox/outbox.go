package outbox

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/internal/backoff"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// A Queue knows what is to be handed over, of all accounts.
type Queue interface {
	// Due returns the submissions that have a NextAttempt, at most most, those with the earliest first.
	Due(ctx context.Context, most int) ([]Due, error)
}

// A Due is a submission that is to be handed over.
type Due struct {
	User string // as mail.Backend.Accounts takes it
	ID   jmap.ID
	At   time.Time
}

// Limits of a Box.
const (
	// GiveUpAfter is how long after its SendAt a submission is tried; then its recipients are told to be refused.
	GiveUpAfter = 3 * 24 * time.Hour
	// handOver is how long one attempt may take.
	handOver = 10 * time.Minute
	// batch is how many of a Queue are looked at at once.
	batch = 100
	// recovery is how long a Box waits after an error of its store.
	recovery = time.Minute
)

// retries is when to try again: after a minute, then later and later, up to every hour.
func retries() backoff.Schedule { return backoff.Exponential(time.Minute, time.Hour) }

// A Box is a mail.Outbox over a Queue. It is used by many goroutines at once.
type Box struct {
	queue    Queue
	accounts mail.Backend
	log      *slog.Logger

	wake chan struct{}
	end  context.CancelFunc
	done chan struct{}

	mu   sync.Mutex
	held map[jmap.ID]bool
}

// New starts the Box's goroutine, which ends with Close. accounts have their Submitters; log may be nil.
func New(q Queue, accounts mail.Backend, log *slog.Logger) *Box {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, end := context.WithCancel(context.Background())
	b := &Box{queue: q, accounts: accounts, log: log, wake: make(chan struct{}, 1), end: end, done: make(chan struct{}), held: make(map[jmap.ID]bool)}
	go b.run(ctx)
	return b
}

// Close ends the goroutine, which gives up what it is handing over: that is tried again by the next Box.
func (b *Box) Close() {
	b.end()
	<-b.done
}

// Hold is mail.Outbox's.
func (b *Box) Hold(id jmap.ID) (release func(), ok bool) {
	if !b.take(id) {
		return nil, false
	}
	return sync.OnceFunc(func() {
		b.let(id)
		b.changed()
	}), true
}

// take holds a submission, let ends that.
func (b *Box) take(id jmap.ID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held[id] {
		return false
	}
	b.held[id] = true
	return true
}

func (b *Box) let(id jmap.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.held, id)
}

// changed makes the goroutine look at the Queue.
func (b *Box) changed() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Send is mail.Outbox's. The client's going away does not end it.
func (b *Box) Send(ctx context.Context, a *mail.Account, id jmap.ID) (*mail.KeptSubmission, error) {
	ctx = context.WithoutCancel(ctx)
	release, ok := b.Hold(id)
	if !ok {
		return get(ctx, a, id)
	}
	defer release()
	return b.attempt(ctx, a, id)
}

// run hands over what is due, until ctx ends.
func (b *Box) run(ctx context.Context) {
	defer close(b.done)
	for ctx.Err() == nil {
		timer := time.NewTimer(b.round(ctx))
		select {
		case <-ctx.Done():
		case <-b.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// forever is a wait that only a wake-up ends.
const forever = 1<<63 - 1

// round hands over what is due and returns how long it is until the next.
func (b *Box) round(ctx context.Context) time.Duration {
	for {
		list, err := b.queue.Due(ctx, batch)
		if err != nil {
			if ctx.Err() == nil {
				b.log.LogAttrs(ctx, slog.LevelError, "outbox", slog.Any("error", err))
			}
			return recovery
		}
		sent, most := 0, time.Duration(forever)
		for _, d := range list {
			if wait := time.Until(d.At); wait > 0 {
				most = min(most, wait)
				break
			}
			if !b.take(d.ID) {
				continue // who holds it wakes this goroutine
			}
			err := b.due(ctx, d)
			b.let(d.ID)
			if ctx.Err() != nil {
				return 0
			}
			if err != nil {
				b.log.LogAttrs(ctx, slog.LevelError, "outbox", slog.String("user", d.User), slog.String("id", string(d.ID)), slog.Any("error", err))
				most = min(most, recovery)
				continue
			}
			sent++
		}
		if sent == 0 {
			return most
		}
	}
}

// due hands over one submission of the Queue.
func (b *Box) due(ctx context.Context, d Due) error {
	list, err := b.accounts.Accounts(ctx, d.User)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errors.New("outbox: the account has gone")
	}
	_, err = b.attempt(ctx, list[0], d.ID)
	if _, refused := errors.AsType[*jmap.SetError](err); refused {
		return nil // its deliveryStatus tells
	}
	return err
}

// get reads a submission.
func get(ctx context.Context, a *mail.Account, id jmap.ID) (*mail.KeptSubmission, error) {
	got, err := a.Submissions.Getter.Get(ctx, &jmap.GetRequest[jmap.NoArgs]{AccountID: a.ID, IDs: []jmap.ID{id}})
	if err != nil {
		return nil, err
	}
	if len(got.List) == 0 {
		return nil, &jmap.SetError{Type: jmap.SetNotFound}
	}
	return &got.List[0], nil
}

// attempt hands over a submission that is held, if its time has come, and keeps what came of it.
func (b *Box) attempt(ctx context.Context, a *mail.Account, id jmap.ID) (*mail.KeptSubmission, error) {
	k, err := get(ctx, a, id)
	if err != nil || k.NextAttempt.IsZero() || time.Until(k.NextAttempt.Time) > 0 {
		return k, err
	}
	waiting := k.Waiting()
	within, cancel := context.WithTimeout(ctx, handOver)
	status, err := HandOver(within, a, &k.Submission, k.BlobID, waiting)
	cancel()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	refused, isRefused := errors.AsType[*jmap.SetError](err)
	if err != nil && !isRefused {
		b.log.LogAttrs(ctx, slog.LevelWarn, "outbox: not handed over", slog.String("id", string(id)), slog.Any("error", err))
	}
	made := &mail.SubmissionAttempt{Status: make(map[string]mail.DeliveryStatus)}
	again := false
	came := make([]mail.DeliveryStatus, 0, len(waiting))
	for n, i := range waiting {
		var s mail.DeliveryStatus
		switch {
		case isRefused:
			s = mail.DeliveryStatus{SMTPReply: "554 5.7.1 " + refused.Error(), Delivered: mail.DeliveryNo}
		case err != nil:
			s = mail.DeliveryStatus{SMTPReply: "451 4.4.1 The next host did not take it", Delivered: mail.DeliveryQueued}
		default:
			s = status[n]
		}
		if s.Delivered == mail.DeliveryQueued && time.Since(k.Submission.SendAt.Time) > GiveUpAfter {
			s = mail.DeliveryStatus{SMTPReply: "554 5.4.7 Given up; the last reply was: " + s.SMTPReply, Delivered: mail.DeliveryNo}
		}
		again = again || s.Delivered == mail.DeliveryQueued
		came = append(came, s)
		made.Status[k.Submission.Envelope.RcptTo[i].Email] = s
	}
	if again {
		made.Next = time.Now().Add(retries().Delay(k.Failures+1, rand.Float64)).Truncate(time.Second)
	}
	if err := keep(ctx, a, id, mail.SubmissionUpdate{Attempt: made}); err != nil {
		return nil, err
	}
	if refused == nil && len(waiting) == len(k.Submission.Envelope.RcptTo) {
		refused = Refused(&k.Submission, came)
	}
	if refused != nil {
		return nil, refused
	}
	return get(ctx, a, id)
}

// keep updates one submission.
func keep(ctx context.Context, a *mail.Account, id jmap.ID, u mail.SubmissionUpdate) error {
	out, err := a.Submissions.Setter.Set(ctx, &jmap.SetRequest[mail.KeptSubmission, mail.SubmissionUpdate, jmap.NoArgs]{AccountID: a.ID,
		Update: map[jmap.ID]mail.SubmissionUpdate{id: u}})
	if err != nil {
		return err
	}
	if e := out.NotUpdated[id]; e != nil {
		return e
	}
	return nil
}
