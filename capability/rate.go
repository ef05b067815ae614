package capability

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Limits of a Rate.
const (
	// MaxRateCount is the most messages of a Rate: a store remembers when each of them came.
	MaxRateCount = 1000
	// MaxRatePeriod is the longest time of a Rate, about 194 days.
	MaxRatePeriod = (1<<24 - 1) * time.Second
)

// A Rate is so many messages in any time of that length, not in one of the calendar. The zero value is no limit.
type Rate struct {
	// Count is up to MaxRateCount.
	Count uint32
	// Per is whole seconds, up to MaxRatePeriod.
	Per time.Duration
}

// String returns "10/24h0m0s", or "" for no limit.
func (r Rate) String() string {
	if r == (Rate{}) {
		return ""
	}
	return fmt.Sprintf("%d/%s", r.Count, r.Per)
}

// ParseRate reads what String returns; the time is that of time.ParseDuration. The error wraps ErrSyntax.
func ParseRate(s string) (Rate, error) {
	if s == "" {
		return Rate{}, nil
	}
	count, per, _ := strings.Cut(s, "/")
	n, err := strconv.ParseUint(count, 10, 32)
	if err != nil {
		return Rate{}, errSyntax("rate %q", s)
	}
	r := Rate{Count: uint32(n)}
	if r.Per, err = time.ParseDuration(per); err != nil || !r.valid() || r == (Rate{}) {
		return Rate{}, errSyntax("rate %q", s)
	}
	return r, nil
}

// MarshalText implements encoding.TextMarshaler.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Rate) UnmarshalText(b []byte) (err error) {
	*r, err = ParseRate(string(b))
	return err
}

func (r Rate) valid() bool {
	return r == (Rate{}) || r.Count > 0 && r.Count <= MaxRateCount && r.Per > 0 && r.Per <= MaxRatePeriod && r.Per%time.Second == 0
}

// within reports whether what keeps to r keeps to outer: as many times r as it takes to cover outer's time.
func (r Rate) within(outer Rate) bool {
	switch {
	case outer == (Rate{}):
		return true
	case r == (Rate{}) || r.Per <= 0:
		return false
	}
	return (int64(outer.Per)+int64(r.Per)-1)/int64(r.Per)*int64(r.Count) <= int64(outer.Count)
}

// number returns the form of a rate in a block: the count, then 24 bits of seconds.
func (r Rate) number() uint64 { return uint64(r.Count)<<24 | uint64(r.Per/time.Second) }

func rateOf(n uint64) Rate {
	return Rate{Count: uint32(n >> 24), Per: time.Duration(n&(1<<24-1)) * time.Second}
}

// A Class is a kind of mail. A grant for one lets in the quieter ones too: who may send a bill may answer a question.
type Class uint8

// Classes, from the quietest. What a message is, is for the one who asks to say: see Request.Class.
const (
	Personal      Class = iota + 1 // from one to another
	Transactional                  // what a business tells one customer: an order, a password
	Bulk                           // the same to many: lists, newsletters
)

var classNames = [...]string{"", "personal", "transactional", "bulk"}

// String returns "personal", "transactional", "bulk", or "" for any.
func (c Class) String() string {
	if int(c) >= len(classNames) {
		return fmt.Sprintf("Class(%d)", uint8(c))
	}
	return classNames[c]
}

// ParseClass reads what String returns. The error wraps ErrSyntax.
func ParseClass(s string) (Class, error) {
	for c, name := range classNames {
		if s == name {
			return Class(c), nil
		}
	}
	return 0, errSyntax("class %q", s)
}

// MarshalText implements encoding.TextMarshaler.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Class) UnmarshalText(b []byte) (err error) {
	*c, err = ParseClass(string(b))
	return err
}

// check reports what cannot be written.
func (l Limits) check() error {
	switch {
	case !l.Rate.valid():
		return errSyntax("rate of %d in %s", l.Rate.Count, l.Rate.Per)
	case l.Class > Bulk:
		return errSyntax("class %d", l.Class)
	}
	return nil
}
