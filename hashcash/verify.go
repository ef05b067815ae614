package hashcash

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Why a Verifier refuses a stamp, besides ErrSyntax and ErrResource. ErrStore is temporary: try again later.
var (
	ErrBits    = errors.New("hashcash: insufficient bits")
	ErrExpired = errors.New("hashcash: expired")
	ErrFuture  = errors.New("hashcash: dated in the future")
	ErrSpent   = errors.New("hashcash: spent")
	ErrStore   = errors.New("hashcash: store of spent stamps is not available")
)

// A SpentStore remembers spent stamps. Package spenttest has the suite that an implementation passes.
//
// Rules:
//   - Spend is one atomic test-and-set: of any number of calls with the same stamp, at once and in any process that
//     shares the store, exactly one returns true.
//   - When it returns true the stamp is as durable as the store is.
//   - It may forget a stamp once expires has passed, and not before. A store that is full returns an error.
//   - An error says nothing of the stamp: the caller tries again later.
type SpentStore interface {
	Spend(ctx context.Context, stamp string, expires time.Time) (first bool, err error)
}

// A Verifier checks stamps. Cheap tests come first; the SpentStore is asked last, and only for stamps that are
// otherwise valid, so that nobody can fill it for free.
type Verifier struct {
	// Bits is the price; 0 is DefaultBits. A stamp's claim counts, not its luck.
	Bits int
	// Expiry is how long a stamp lives from its date; 0 is 28 days.
	Expiry time.Duration
	// Grace is the skew of clocks that is allowed on both ends; 0 is 2 days.
	Grace time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Spent remembers. It is required unless AllowReplay is set.
	Spent SpentStore
	// AllowReplay makes the same stamp good for any number of letters. hashcash.org's rules forbid that.
	AllowReplay bool
}

// Verify checks text as a stamp for resource, the envelope recipient; ASCII case does not matter. The error wraps one
// of ErrSyntax, ErrBits, ErrExpired, ErrFuture, ErrResource, ErrSpent, ErrStore. A nil error means that the stamp was
// valid and is spent now.
func (v Verifier) Verify(ctx context.Context, text, resource string) (Stamp, error) {
	s, err := Parse(text)
	if err != nil {
		return Stamp{}, err
	}
	if v.Bits == 0 {
		v.Bits = DefaultBits
	}
	if v.Expiry == 0 {
		v.Expiry = 28 * 24 * time.Hour
	}
	if v.Grace == 0 {
		v.Grace = 2 * 24 * time.Hour
	}
	now := time.Now
	if v.Now != nil {
		now = v.Now
	}
	if s.Version == 1 && s.Bits < v.Bits {
		return s, fmt.Errorf("%w: claims %d of %d", ErrBits, s.Bits, v.Bits)
	}
	expires := s.Date.Add(v.Expiry + v.Grace)
	switch t := now(); {
	case t.After(expires):
		return s, fmt.Errorf("%w: of %s", ErrExpired, s.Date.Format(time.DateOnly))
	case t.Before(s.Date.Add(-v.Grace)):
		return s, fmt.Errorf("%w: of %s", ErrFuture, s.Date.Format(time.DateOnly))
	}
	if !strings.EqualFold(s.Resource, resource) {
		return s, fmt.Errorf("%w: stamp is for %q, not %q", ErrResource, s.Resource, resource)
	}
	if value := s.Value(); value < v.Bits {
		return s, fmt.Errorf("%w: the hash has %d, the price is %d", ErrBits, s.Zeros(), v.Bits)
	}
	if v.AllowReplay {
		return s, nil
	}
	if v.Spent == nil {
		return s, fmt.Errorf("%w: none is configured", ErrStore)
	}
	first, err := v.Spent.Spend(ctx, text, expires)
	switch {
	case err != nil:
		return s, fmt.Errorf("%w: %w", ErrStore, err)
	case !first:
		return s, ErrSpent
	}
	return s, nil
}
