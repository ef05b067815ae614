package capability

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"
)

// A ledger is the state of a store: what an ordered list of entries adds up to. Deciding makes an entry or an error,
// applying an entry never fails, so memory and file differ in where the entries go.
type ledger struct {
	last   uint64 // highest reservation number
	used   map[ID]uint32
	recent map[rateKey][]int64 // when the last uses came, ascending
	held   map[uint64]entry
	busy   map[ID]map[uint64]bool  // counter: what is held on it
	done   map[doneKey]int64       // committed messages, with the time
	gone   map[ID]bool             // revoked by ID
	before map[string]uint32       // issuer: what has a lower epoch is revoked
	scopes map[string][]Revocation // issuer: revoked by relationship
	grants map[ID]Grant            // what tags stand for
}

type rateKey struct {
	id  ID
	per time.Duration
}

type doneKey struct {
	id     ID
	digest [32]byte
}

// An entry is one line of a file store. Numbers and times are as in Use.
type entry struct {
	Op       string      `json:"op"` // hold, commit, release, revoke, used, recent, done, grant
	Number   uint64      `json:"n,omitempty"`
	ID       ID          `json:"id,omitzero"` // done: of the grant
	Grant    packed      `json:"grant,omitzero"`
	Counters []Counter   `json:"counters,omitempty"`
	Time     int64       `json:"time,omitempty"`  // hold: until; commit and done: at
	Times    []int64     `json:"times,omitempty"` // recent
	Digest   *[32]byte   `json:"digest,omitempty"`
	Revoke   *Revocation `json:"revoke,omitempty"`
}

// packed is a grant as the fields of its block, in base64.
type packed Grant

// MarshalText implements encoding.TextMarshaler.
func (p packed) MarshalText() ([]byte, error) {
	b, err := Grant(p).MarshalBinary()
	if err != nil {
		return nil, err
	}
	return base64.RawURLEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *packed) UnmarshalText(text []byte) error {
	b, err := base64.RawURLEncoding.AppendDecode(nil, text)
	if err != nil {
		return err
	}
	return (*Grant)(p).UnmarshalBinary(b)
}

const keepDone = int64(KeepDigests / time.Second)

func (l *ledger) reset() {
	*l = ledger{used: make(map[ID]uint32), held: make(map[uint64]entry), done: make(map[doneKey]int64), gone: make(map[ID]bool),
		before: make(map[string]uint32), scopes: make(map[string][]Revocation), grants: make(map[ID]Grant), recent: make(map[rateKey][]int64), busy: make(map[ID]map[uint64]bool)}
}

// isRevoked takes as long however many were taken back by ID and epoch; by relationship it looks at those of the issuer.
func (l *ledger) isRevoked(g Grant) bool {
	return l.gone[g.ID] || g.Epoch < l.before[g.Issuer] ||
		slices.ContainsFunc(l.scopes[g.Issuer], func(r Revocation) bool { return r.Revokes(g) })
}

func (l *ledger) revoke(r Revocation) {
	switch {
	case r.ID != (ID{}):
		l.gone[r.ID] = true
		return
	case r.Before > l.before[r.Issuer]:
		l.before[r.Issuer] = r.Before
	}
	if r.Before = 0; r.Scope != "" && !slices.Contains(l.scopes[r.Issuer], r) {
		l.scopes[r.Issuer] = append(l.scopes[r.Issuer], r)
	}
}

// hold and drop keep held and busy in step.
func (l *ledger) hold(e entry) {
	l.held[e.Number] = e
	for _, c := range e.Counters {
		if l.busy[c.Key] == nil {
			l.busy[c.Key] = make(map[uint64]bool)
		}
		l.busy[c.Key][e.Number] = true
	}
}

func (l *ledger) drop(number uint64) {
	for _, c := range l.held[number].Counters {
		if delete(l.busy[c.Key], number); len(l.busy[c.Key]) == 0 {
			delete(l.busy, c.Key)
		}
	}
	delete(l.held, number)
}

// reserve decides on a use.
func (l *ledger) reserve(u Use) (entry, error) {
	if l.isRevoked(u.Grant) {
		return entry{}, ErrRevoked
	}
	now := u.Now.Unix()
	for _, c := range u.Counters {
		used := l.used[c.Key]
		if c.Per > 0 {
			used = l.within(c, now)
		}
		reserved := uint32(0)
		for n := range l.busy[c.Key] {
			if l.held[n].Time > now {
				reserved++
			}
		}
		if err := c.Allows(used, reserved); err != nil {
			return entry{}, err
		}
	}
	return entry{Op: "hold", Number: l.last + 1, Grant: packed(u.Grant), Counters: u.Counters, Time: u.Until.Unix()}, nil
}

// within counts the uses of a counter in the time that it is about.
func (l *ledger) within(c Counter, now int64) (n uint32) {
	times := l.recent[rateKey{c.Key, c.Per}]
	for i := len(times) - 1; i >= 0 && times[i] > now-int64(c.Per/time.Second); i-- {
		n++
	}
	return n
}

// count takes in a use. What is older than any time that it could matter in is forgotten.
func (l *ledger) count(c Counter, at int64) {
	if c.Per == 0 {
		l.used[c.Key]++
		return
	}
	key := rateKey{c.Key, c.Per}
	times := append(l.recent[key], at)
	slices.Sort(times) // clocks of several processes
	old := 0
	for times[old] <= at-int64(c.Per/time.Second) || len(times)-old > MaxRateCount {
		old++
	}
	l.recent[key] = slices.Delete(times, 0, old)
}

// commit decides on the end of a delivery; entry.Op is "" where there is nothing to write.
func (l *ledger) commit(r Reservation, digest [32]byte, now time.Time) (entry, error) {
	if _, ok := l.done[doneKey{r.Grant.ID, digest}]; ok {
		if _, ok := l.held[r.Number]; ok {
			return entry{Op: "release", Number: r.Number}, nil
		}
		return entry{}, nil
	}
	h, ok := l.held[r.Number]
	switch {
	case !ok || h.Time <= now.Unix() || h.Grant.ID != r.Grant.ID:
		return entry{}, ErrReserved
	case l.isRevoked(Grant(h.Grant)):
		return entry{}, ErrRevoked
	}
	return entry{Op: "commit", Number: r.Number, Digest: &digest, Time: now.Unix()}, nil
}

// apply takes in one entry.
func (l *ledger) apply(e entry) error {
	l.last = max(l.last, e.Number)
	switch e.Op {
	case "hold":
		if e.Number%1024 == 0 {
			for n, h := range l.held { // those that lapsed long ago
				if h.Time < e.Time-keepDone {
					l.drop(n)
				}
			}
		}
		l.hold(e)
	case "commit":
		h, ok := l.held[e.Number]
		if !ok || e.Digest == nil {
			return errors.New("commit of no reservation")
		}
		l.drop(e.Number)
		for _, c := range h.Counters {
			l.count(c, e.Time)
		}
		l.done[doneKey{h.Grant.ID, *e.Digest}] = e.Time
		if len(l.done)%1024 == 0 {
			maps.DeleteFunc(l.done, func(_ doneKey, at int64) bool { return at < e.Time-keepDone })
		}
	case "release":
		l.drop(e.Number)
	case "revoke":
		if e.Revoke == nil {
			return errors.New("revoke of nothing")
		}
		l.revoke(*e.Revoke)
	case "used":
		for _, c := range e.Counters {
			l.used[c.Key] = c.Max
		}
	case "recent":
		for _, c := range e.Counters {
			l.recent[rateKey{c.Key, c.Per}] = e.Times
		}
	case "grant":
		if e.Grant.ID == (ID{}) || e.Grant.Issuer == "" {
			return errors.New("grant of nothing")
		}
		l.grants[e.Grant.ID] = Grant(e.Grant)
	case "done":
		if e.Digest == nil {
			return errors.New("done without digest")
		}
		l.done[doneKey{e.ID, *e.Digest}] = e.Time
	default:
		return errors.New("unknown entry " + e.Op)
	}
	return nil
}

// lines returns entries that add up to the ledger.
func (l *ledger) lines() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	put := func(e entry) { _ = enc.Encode(e) } // a buffer takes everything
	for key, n := range l.used {
		put(entry{Op: "used", Counters: []Counter{{Key: key, Max: n}}})
	}
	for key, times := range l.recent {
		put(entry{Op: "recent", Counters: []Counter{{Key: key.id, Per: key.per}}, Times: times})
	}
	for key, at := range l.done {
		put(entry{Op: "done", ID: key.id, Digest: &key.digest, Time: at})
	}
	for id := range l.gone {
		put(entry{Op: "revoke", Revoke: &Revocation{ID: id}})
	}
	for issuer, epoch := range l.before {
		put(entry{Op: "revoke", Revoke: &Revocation{Issuer: issuer, Before: epoch}})
	}
	for _, list := range l.scopes {
		for _, r := range list {
			put(entry{Op: "revoke", Revoke: &r})
		}
	}
	for _, g := range l.grants {
		put(entry{Op: "grant", Grant: packed(g)})
	}
	put(entry{Op: "release", Number: l.last}) // numbers go on from here
	for _, n := range slices.Sorted(maps.Keys(l.held)) {
		put(l.held[n])
	}
	return b.Bytes()
}
