package reputation

import (
	"context"
	"math"
	"strings"
	"sync"
	"time"
)

// Local is what was seen of senders here: how many letters of each, and how many of them were bad, counted so that what is long
// ago weighs less. It is used by several goroutines at once, and lost with the process.
type Local struct {
	// HalfLife is after how long a letter counts half; 0: 30 days.
	HalfLife time.Duration
	// Subjects is how many are remembered; 0: 100,000. Beyond it those that weigh little make room.
	Subjects int
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	mu   sync.Mutex
	seen map[string]tally
}

// A tally is what was seen of a subject, as it weighed at a time.
type tally struct {
	all, bad float64
	at       time.Time
}

func (l *Local) halfLife() time.Duration {
	if l.HalfLife == 0 {
		return 30 * 24 * time.Hour
	}
	return l.HalfLife
}

func (l *Local) now() time.Time {
	if l.Now == nil {
		return time.Now()
	}
	return l.Now()
}

// age returns what t weighs at a time.
func (l *Local) age(t tally, at time.Time) tally {
	k := math.Exp2(-max(0, float64(at.Sub(t.at))/float64(l.halfLife())))
	return tally{t.all * k, t.bad * k, at}
}

// Count takes in a letter of a subject, a domain or an address that was authenticated: what is not lets anybody spoil the name of
// another.
func (l *Local) Count(subject string, bad bool) {
	subject = strings.ToLower(subject)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	t, known := l.seen[subject]
	if !known {
		l.makeRoom(now)
	}
	t = l.age(t, now)
	if t.all++; bad {
		t.bad++
	}
	l.seen[subject] = t
}

// makeRoom forgets the one of some that weighs least, where there are too many.
func (l *Local) makeRoom(now time.Time) {
	limit := l.Subjects
	if limit <= 0 {
		limit = 100_000
	}
	if l.seen == nil {
		l.seen = make(map[string]tally)
	}
	if len(l.seen) < limit {
		return
	}
	least, weight, looked := "", math.Inf(1), 0
	for s, t := range l.seen { // in no order
		if w := l.age(t, now).all; w < weight {
			least, weight = s, w
		}
		if looked++; looked == 16 {
			break
		}
	}
	delete(l.seen, least)
}

// Rating returns which part of the letters of a subject were bad, 0 to 1, and how many letters that rests on, as they weigh now.
func (l *Local) Rating(subject string) (bad, letters float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, ok := l.seen[strings.ToLower(subject)]
	if !ok {
		return 0, 0
	}
	t = l.age(t, l.now())
	return t.bad / t.all, t.all
}

// Lookup is the field of a Service that tells others: in the application EmailID, the assertion Spam, by rater.
func (l *Local) Lookup(rater string) func(ctx context.Context, application, subject, assertion string) ([]Reputon, error) {
	return func(_ context.Context, application, subject, assertion string) ([]Reputon, error) {
		if !strings.EqualFold(application, EmailID) {
			return nil, ErrUnknownApplication
		}
		bad, letters := l.Rating(subject)
		size := uint64(letters)
		if size == 0 || assertion != "" && !strings.EqualFold(assertion, Spam) {
			return nil, nil
		}
		now := l.now()
		// Of the young there is little to tell, and it changes soon (RFC 7071 §5).
		life := min(time.Duration(size)*time.Minute, 24*time.Hour)
		return []Reputon{{Rater: rater, Assertion: Spam, Rated: subject, Rating: math.Round(bad*1000) / 1000, SampleSize: &size,
			Generated: now.Unix(), Expires: now.Add(life).Unix()}}, nil
	}
}
