// Package backoff says how long to wait before the next attempt.
package backoff

import "time"

// A Schedule is a list of waits: Steps[0] after the first failure, Steps[1] after the second; the last one repeats.
// Without Steps there is no wait.
type Schedule struct {
	Steps []time.Duration
	// Jitter spreads each wait evenly over [1-Jitter, 1+Jitter] times the step, so that what failed together does
	// not come back together. 0 to 1; 0 is none.
	Jitter float64
}

// Exponential returns a Schedule that begins with first and doubles up to limit, with a Jitter of a quarter.
func Exponential(first, limit time.Duration) Schedule {
	s := Schedule{Jitter: 0.25}
	for d := max(first, 1); ; d *= 2 {
		if d >= limit || d > d*2 {
			s.Steps = append(s.Steps, limit)
			return s
		}
		s.Steps = append(s.Steps, d)
	}
}

// Delay returns the wait after the given number of failures, counted from 1. random yields numbers in [0, 1), as
// math/rand/v2.Float64 does; nil leaves the jitter out.
func (s Schedule) Delay(failures int, random func() float64) time.Duration {
	if len(s.Steps) == 0 {
		return 0
	}
	d := s.Steps[min(max(failures-1, 0), len(s.Steps)-1)]
	if random == nil || s.Jitter <= 0 {
		return d
	}
	return d + time.Duration((2*random()-1)*min(s.Jitter, 1)*float64(d))
}
