package mbound

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
)

// DefaultBits is the price that Scheme quotes when told 0.
const DefaultBits = 12

// Scheme is the postage.Scheme "mbound". The price is in bits, 1 to MaxBits; the parameters are "table=22,steps=2048".
// It is safe for concurrent use; a stamp is searched on one core.
type Scheme struct {
	// Table is required.
	Table *Table
	// Steps of a walk, that are quoted and taken; 0 is DefaultSteps.
	Steps int
	// Bits is the price that is quoted; 0 is DefaultBits.
	Bits int
	// MaxBits is the highest price that is paid; 0 is 16. Negative: nothing is paid.
	MaxBits int
	// Rand gives the random text; nil is crypto/rand.
	Rand io.Reader
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Expiry is how long a stamp lives from its date; 0 is 28 days.
	Expiry time.Duration
	// Grace is the skew of clocks that is allowed on both ends; 0 is 2 days.
	Grace time.Duration
	// Spent remembers stamps. It is required to verify.
	Spent hashcash.SpentStore
}

const schemeName = "mbound"

// Name implements postage.Scheme.
func (s *Scheme) Name() string { return schemeName }

// Quote implements postage.Scheme.
func (s *Scheme) Quote(_ context.Context, b postage.Binding) (postage.Demand, error) {
	d := postage.Demand{Binding: b, Scheme: schemeName, Price: s.Bits, Params: s.params()}
	if d.Price == 0 {
		d.Price = DefaultBits
	}
	return d, s.check(d)
}

func (s *Scheme) steps() int {
	if s.Steps == 0 {
		return DefaultSteps
	}
	return s.Steps
}

func (s *Scheme) params() string {
	if s.Table == nil {
		return ""
	}
	return "table=" + strconv.Itoa(s.Table.size) + ",steps=" + strconv.Itoa(s.steps())
}

// check refuses demands for another table or other walks too: there is one Table.
func (s *Scheme) check(d postage.Demand) error {
	if err := d.Check(schemeName); err != nil {
		return err
	}
	if s.Table == nil || d.Params != s.params() || s.steps() < 1 || s.steps() > MaxSteps || d.Price < 1 || d.Price > MaxBits {
		return fmt.Errorf("%w: %d bits, parameters %q", postage.ErrDemand, d.Price, d.Params)
	}
	return nil
}

func (s *Scheme) now() time.Time {
	if s.Now == nil {
		return time.Now().UTC()
	}
	return s.Now().UTC()
}

// Pay implements postage.Scheme. A recipient whose address has a colon, white space or octets outside of ASCII is
// hashcash.ErrResource.
func (s *Scheme) Pay(ctx context.Context, d postage.Demand) (string, error) {
	if err := s.check(d); err != nil {
		return "", err
	}
	most := s.MaxBits
	if most == 0 {
		most = 16
	}
	if d.Price > most {
		return "", fmt.Errorf("%w: %d bits, the limit is %d", postage.ErrDear, d.Price, max(most, 0))
	}
	for i := range len(d.Recipient) {
		if c := d.Recipient[i]; c <= ' ' || c > '~' || c == ':' {
			return "", fmt.Errorf("%w: %q has %q, which cannot stand in a stamp", hashcash.ErrResource, d.Recipient, c)
		}
	}
	ext, err := d.Ext()
	if err != nil {
		return "", err
	}
	source := s.Rand
	if source == nil {
		source = rand.Reader
	}
	var salt [16]byte
	if _, err := io.ReadFull(source, salt[:]); err != nil {
		return "", fmt.Errorf("mbound: random text: %w", err)
	}
	for i := range salt {
		salt[i] = alphabet[salt[i]%64]
	}
	prefix := fmt.Sprintf("%s:%d:%d:%d:%s:%s:%s:%s:", version, s.Table.size, s.steps(), d.Price, s.now().Format(dateLayout), strings.ToLower(d.Recipient), ext, salt)
	if len(prefix)+11 > hashcash.MaxLength {
		return "", fmt.Errorf("%w: stamp longer than %d octets", hashcash.ErrResource, hashcash.MaxLength)
	}
	for trial := uint64(0); ; trial++ {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if stamp := prefix + digits(trial); s.Table.walk(stamp, s.steps()) >= d.Price {
			return stamp, nil
		}
	}
}

// Verify implements postage.Scheme.
func (s *Scheme) Verify(ctx context.Context, d postage.Demand, stamp string) (postage.Value, error) {
	if err := s.check(d); err != nil {
		return postage.Value{}, err
	}
	t, err := Parse(stamp)
	if err != nil {
		return postage.Value{}, err
	}
	expires, err := s.dated(t)
	if err != nil {
		return postage.Value{}, err
	}
	if !strings.EqualFold(t.Resource, d.Recipient) {
		return postage.Value{}, fmt.Errorf("%w: stamp is for %q, not %q", hashcash.ErrResource, t.Resource, d.Recipient)
	}
	bound, err := postage.ParseExt(t.Resource, t.Ext)
	if err != nil {
		return postage.Value{}, err
	}
	if err := bound.Meets(d.Binding); err != nil {
		return postage.Value{}, err
	}
	if t.Table != s.Table.size || t.Steps != s.steps() || t.Bits < d.Price {
		return postage.Value{}, fmt.Errorf("%w: %d bits in %d steps over 2^%d words, the price is %d with %s", hashcash.ErrBits, t.Bits, t.Steps, t.Table, d.Price, d.Params)
	}
	if z := s.Table.walk(stamp, t.Steps); z < t.Bits {
		return postage.Value{}, fmt.Errorf("%w: the walk has %d, the stamp claims %d", hashcash.ErrBits, z, t.Bits)
	}
	value := postage.Value{Amount: t.Bits, Unit: "bits", Bound: bound}
	if d.Probe {
		return value, nil
	}
	if s.Spent == nil {
		return postage.Value{}, fmt.Errorf("%w: none is configured", hashcash.ErrStore)
	}
	first, err := s.Spent.Spend(ctx, stamp, expires)
	switch {
	case err != nil:
		return postage.Value{}, fmt.Errorf("%w: %w", hashcash.ErrStore, err)
	case !first:
		return postage.Value{}, hashcash.ErrSpent
	}
	return value, nil
}

// dated checks the date and returns when the stamp expires.
func (s *Scheme) dated(t Stamp) (time.Time, error) {
	expiry, grace := s.Expiry, s.Grace
	if expiry == 0 {
		expiry = 28 * 24 * time.Hour
	}
	if grace == 0 {
		grace = 2 * 24 * time.Hour
	}
	expires := t.Date.Add(expiry + grace)
	switch now := s.now(); {
	case now.After(expires):
		return expires, fmt.Errorf("%w: of %s", hashcash.ErrExpired, t.Date.Format(time.DateOnly))
	case now.Before(t.Date.Add(-grace)):
		return expires, fmt.Errorf("%w: of %s", hashcash.ErrFuture, t.Date.Format(time.DateOnly))
	}
	return expires, nil
}
