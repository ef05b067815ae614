package queue

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/smtp"
)

const (
	// maxSleep is how long Run waits at most before it asks the spool again: another process that shares it may have
	// left something.
	maxSleep = time.Minute
	// spoolPause is how long to wait after an error of the spool.
	spoolPause = 5 * time.Second
	// crowdPause is for how long a message is put off whose domain has enough to do.
	crowdPause = 5 * time.Second
	// unreadablePause is for how long a message is put off whose record cannot be read.
	unreadablePause = 24 * time.Hour
)

// Run sends what is due until ctx ends; then it goes on with the transactions under way for at most Grace, stores their
// outcome, and returns nil. It returns an error before that if the spool does not work any more (ErrReadOnly). One Run
// at a time.
//
// Each recipient's reply decides: 2yz is done; 5yz has failed; 4yz, and any error of Next that is no *smtp.Error, is
// tried again by the schedule Retry until Expire is over. When no recipient waits any more, the sender gets one
// notification of all that failed (RFC 3464); a message that takes longer than Warn gets one on the way that tells what
// failed so far and what still waits. One with a DeliverBy is given up, or its sender told, when that has passed; one with a
// Hold is not tried before that ends, and Expire and Warn count from there. Of what is due the highest Priority
// goes first. Nobody is told twice of the same, and the null reverse-path never.
func (q *Queue) Run(ctx context.Context) error {
	work, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	var wg sync.WaitGroup
	window := 4 * q.limit.total
	slots := make(chan struct{}, window) // messages read and not settled
	err := q.claims(ctx, slots, func(c Claim) {
		slots <- struct{}{}
		wg.Go(func() {
			q.process(work, c)
			<-slots
			q.poke()
		})
	})
	stop := time.AfterFunc(q.c.Grace, abort)
	defer stop.Stop()
	wg.Wait()
	return err
}

// claims claims what is due and gives it to start, until ctx ends or the spool fails for good. slots holds what was
// started and has not ended.
func (q *Queue) claims(ctx context.Context, slots chan struct{}, start func(Claim)) error {
	for {
		pause := maxSleep
		if free := cap(slots) - len(slots); free > 0 {
			now := time.Now()
			cs, next, err := q.c.Spool.Claim(ctx, now, min(free, 64))
			for _, c := range cs {
				start(c)
			}
			switch {
			case ctx.Err() != nil:
				return nil
			case errors.Is(err, ErrReadOnly), errors.Is(err, ErrClosed):
				return err
			case err != nil:
				q.log.Error("queue cannot be read", "err", err)
				pause = spoolPause
			case len(cs) > 0:
				continue
			case !next.IsZero():
				pause = min(max(next.Sub(now), 0), maxSleep)
			}
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-q.wake:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil
		}
	}
}

// process takes one message through one round.
func (q *Queue) process(ctx context.Context, c Claim) {
	r := c.Record()
	s, err := decodeState(r)
	if err != nil {
		q.counted.damaged.Add(1)
		q.log.Error("queued message put off", "id", r.ID, "err", err)
		c.Release(time.Now().Add(unreadablePause))
		return
	}
	if s.over(time.Now()) { // RFC 2852 §4.1.3: no further attempt
		q.expire(s)
		q.finish(ctx, c, s)
		return
	}
	groups := s.groups(q.c.MaxRecipients)
	if len(groups) > 0 && q.limit.crowded(groups[0].domain) {
		c.Release(time.Now().Add(crowdPause))
		return
	}
	var wg sync.WaitGroup
	outcomes := make([]outcome, len(groups))
	for i, g := range groups {
		wg.Go(func() { outcomes[i] = q.deliver(ctx, c, s, g) })
	}
	wg.Wait()
	tried := len(groups) == 0
	for _, o := range outcomes {
		if o == damaged {
			q.counted.damaged.Add(1)
			q.log.Error("queued message is damaged and set aside", "id", r.ID, "from", s.From.String())
			q.settle(ctx, c, nil)
			return
		}
		tried = tried || o == attempted
	}
	if !tried { // ctx ended first
		c.Release(time.Now())
		return
	}
	if len(groups) > 0 {
		s.Attempts++
	}
	q.finish(ctx, c, s)
}

// expire gives up what waits.
func (q *Queue) expire(s *state) {
	for i := range s.Rcpts {
		if rc := &s.Rcpts[i]; rc.State == Waiting {
			rc.State = Expired
			q.counted.expired.Add(1)
		}
	}
}

type outcome int

const (
	attempted outcome = iota
	interrupted
	damaged
)

// deliver sends a message to one group and puts down the results.
func (q *Queue) deliver(ctx context.Context, c Claim, s *state, g group) outcome {
	if q.limit.acquire(ctx, g.domain, s.Params.Priority) != nil {
		return interrupted
	}
	defer q.limit.release(g.domain)
	var results smtp.Results
	body, err := c.Open(ctx)
	if err == nil {
		defer body.Close()
		in := &limitReader{r: body, left: math.MaxInt64}
		e := s.envelope(time.Now())
		if b, ok := body.(interface{ Size() int64 }); ok {
			e.Params.Size = b.Size()
		}
		for _, i := range g.rcpts {
			e.Recipients = append(e.Recipients, smtp.Recipient{To: s.Rcpts[i].To, Params: s.Rcpts[i].Params})
		}
		results, err = smtp.Deliver(ctx, q.c.Next, e, in)
		if errors.Is(in.err, ErrCorrupt) {
			return damaged
		}
	}
	switch {
	case errors.Is(err, ErrCorrupt):
		return damaged
	case err != nil && ctx.Err() != nil:
		return interrupted
	case err == nil && len(results) != len(g.rcpts):
		err = errors.New("queue: Next gave another number of results")
	}
	if err != nil {
		results = slices.Repeat(smtp.Results{smtp.ResultOf(err)}, len(g.rcpts))
		q.log.Warn("delivery failed", "id", c.Record().ID, "domain", g.domain, "err", err)
	}
	now, stopped := time.Now(), ctx.Err() != nil
	result := attempted
	if stopped {
		result = interrupted
	}
	for k, i := range g.rcpts {
		if code := results[k].Reply.Code; stopped && code/100 != 2 && code/100 != 5 {
			continue // not the next hop's word, but ours
		}
		result = attempted
		rc := &s.Rcpts[i]
		rc.Last, rc.At = results[k], now
		if code := rc.Last.Reply.Code; code/100 != 2 && code/100 != 4 && code/100 != 5 {
			rc.Last.Reply = smtp.ReplyOf(io.ErrUnexpectedEOF) // no answer is a temporary failure
		}
		switch rc.Last.Reply.Code / 100 {
		case 2:
			rc.State = Done
			q.counted.delivered.Add(1)
		case 5:
			rc.State = Failed
			q.counted.failed.Add(1)
		default:
			q.counted.deferred.Add(1)
			if !now.Before(s.begin().Add(q.c.Expire)) {
				rc.State = Expired
				q.counted.expired.Add(1)
			}
		}
		q.log.Info("tried", "id", c.Record().ID, "to", rc.To.String(), "state", string(rc.State), "reply", rc.Last.Reply.String(), "host", rc.Last.RemoteMTA)
	}
	return result
}

// finish stores the notification that is due, and then the new state.
func (q *Queue) finish(ctx context.Context, c Claim, s *state) {
	id := c.Record().ID
	now := time.Now()
	if err := q.notify(ctx, c, s, now); err != nil {
		q.log.Error("notification not stored", "id", id, "err", err)
		q.settleState(ctx, c, s, now.Add(time.Minute))
		return
	}
	if !s.waiting() {
		q.settle(ctx, c, nil)
		return
	}
	due := now.Add(q.retry.Delay(s.Attempts, random))
	if end := s.begin().Add(q.c.Expire); now.Before(end) && due.After(end) {
		due = end // the last attempt
	}
	if end := s.deliverBy(); now.Before(end) && due.After(end) {
		due = end
	}
	q.settleState(ctx, c, s, due)
}

func (q *Queue) settleState(ctx context.Context, c Claim, s *state, due time.Time) {
	r, err := s.record(c.Record().ID, due)
	if err != nil { // all of it came from JSON
		q.log.Error("state not stored", "id", c.Record().ID, "err", err)
		c.Release(due)
		return
	}
	q.settle(ctx, c, &r)
}

// settle ends a claim. What was delivered must not be delivered again because the disk is full for a while: it tries
// until the spool takes it, fails for good, or ctx ends.
func (q *Queue) settle(ctx context.Context, c Claim, r *Record) {
	for {
		err := c.Settle(context.WithoutCancel(ctx), r)
		if err == nil {
			return
		}
		q.log.Error("state not stored", "id", c.Record().ID, "err", err)
		if errors.Is(err, ErrReadOnly) || errors.Is(err, ErrClosed) {
			return
		}
		select {
		case <-time.After(spoolPause):
		case <-ctx.Done():
			return
		}
	}
}
