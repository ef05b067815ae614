package push

import (
	"crypto/sha256"
	"time"
)

// A rate bounds what is sent to URLs that nobody has verified.
type rate struct {
	urls  map[[sha256.Size]byte]time.Time // when a URL was last sent to
	users map[string][]time.Time          // when subscriptions of a user's were made, in the last hour
}

// allow counts a new subscription, or reports that it may not be now.
func (r *rate) allow(now time.Time, user, url string) bool {
	if r.urls == nil {
		r.urls, r.users = make(map[[sha256.Size]byte]time.Time), make(map[string][]time.Time)
	}
	for k, t := range r.urls {
		if now.Sub(t) >= verifyEvery {
			delete(r.urls, k)
		}
	}
	for k, times := range r.users {
		for len(times) > 0 && now.Sub(times[0]) >= time.Hour {
			times = times[1:]
		}
		if r.users[k] = times; len(times) == 0 {
			delete(r.users, k)
		}
	}
	k := sha256.Sum256([]byte(url))
	if _, recent := r.urls[k]; recent || len(r.users[user]) >= createHourly {
		return false
	}
	r.urls[k], r.users[user] = now, append(r.users[user], now)
	return true
}
