package nats

import (
	"bytes"
	"slices"
	"time"

	"github.com/mailbricks/mailbricks/capability"
)

// MaxDigests is how many committed messages of one grant a GrantStore remembers, for the idempotency of Commit.
const MaxDigests = 1000

// A tally is what is counted of one grant. Times are Unix seconds.
type tally struct {
	Last    uint64   `json:"last,omitempty"` // highest number of a reservation
	Revoked bool     `json:"revoked,omitempty"`
	Held    []held   `json:"held,omitempty"`
	Used    []used   `json:"used,omitempty"`
	Digests []digest `json:"digests,omitempty"` // by time
}

type held struct {
	Number   uint64               `json:"n"`
	Until    int64                `json:"until"`
	Grant    []byte               `json:"grant"`
	Counters []capability.Counter `json:"counters,omitempty"`
}

// used is what was committed on a counter: how often, or when, ascending.
type used struct {
	Key   capability.ID `json:"key"`
	Per   time.Duration `json:"per,omitempty"`
	Count uint32        `json:"n,omitempty"`
	At    []int64       `json:"at,omitempty"`
}

type digest struct {
	Sum []byte `json:"sum"` // the first half
	At  int64  `json:"at"`
}

func (t *tally) reserve(u capability.Use, grant []byte) (uint64, error) {
	if t.Revoked {
		return 0, capability.ErrRevoked
	}
	now := u.Now.Unix()
	for _, c := range u.Counters {
		committed, reserved := uint32(0), uint32(0)
		if i := t.find(c); i >= 0 {
			committed = t.Used[i].Count
			for _, at := range t.Used[i].At {
				if at > now-seconds(c.Per) {
					committed++
				}
			}
		}
		for _, h := range t.Held {
			if h.Until > now && slices.ContainsFunc(h.Counters, func(x capability.Counter) bool { return x.Key == c.Key }) {
				reserved++
			}
		}
		if err := c.Allows(committed, reserved); err != nil {
			return 0, err
		}
	}
	t.Held = slices.DeleteFunc(t.Held, func(h held) bool { return h.Until < now-seconds(capability.KeepDigests) })
	t.Last++
	t.Held = append(t.Held, held{Number: t.Last, Until: u.Until.Unix(), Grant: grant, Counters: u.Counters})
	return t.Last, nil
}

// holds returns a reservation that has not lapsed, or ErrReserved.
func (t *tally) holds(number uint64, now int64) (held, error) {
	i := slices.IndexFunc(t.Held, func(h held) bool { return h.Number == number && h.Until > now })
	if i < 0 {
		return held{}, capability.ErrReserved
	}
	return t.Held[i], nil
}

// release ends a reservation, and reports whether there was one.
func (t *tally) release(number uint64) bool {
	n := len(t.Held)
	t.Held = slices.DeleteFunc(t.Held, func(h held) bool { return h.Number == number })
	return len(t.Held) < n
}

func (t *tally) committed(sum [32]byte) bool {
	return slices.ContainsFunc(t.Digests, func(d digest) bool { return bytes.Equal(d.Sum, sum[:16]) })
}

// commit turns a reservation into a use.
func (t *tally) commit(h held, sum [32]byte, now int64) {
	for _, c := range h.Counters {
		i := t.find(c)
		if i < 0 {
			i = len(t.Used)
			t.Used = append(t.Used, used{Key: c.Key, Per: c.Per})
		}
		u := &t.Used[i]
		if c.Per == 0 {
			u.Count++
			continue
		}
		u.At = append(u.At, now)
		slices.Sort(u.At) // clocks of several processes
		u.At = slices.DeleteFunc(u.At, func(at int64) bool { return at <= now-seconds(c.Per) })
		u.At = u.At[max(0, len(u.At)-capability.MaxRateCount):]
	}
	t.Digests = slices.DeleteFunc(t.Digests, func(d digest) bool { return d.At < now-seconds(capability.KeepDigests) })
	t.Digests = append(t.Digests[max(0, len(t.Digests)+1-MaxDigests):], digest{sum[:16], now})
	t.release(h.Number)
}

func (t *tally) find(c capability.Counter) int {
	return slices.IndexFunc(t.Used, func(u used) bool { return u.Key == c.Key && u.Per == c.Per })
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
