package postage

import (
	"context"
	"fmt"

	"github.com/mailbricks/mailbricks/hashcash"
)

// Hashcash is the Scheme "hashcash": stamps of package hashcash, a price in bits. A binding to the sender and the message
// stands in the extension field, where verifiers that do not know it leave it alone.
type Hashcash struct {
	// Bits is the price that is quoted, 1 to 64; 0 is hashcash.DefaultBits.
	Bits int
	// MaxBits is the highest price that is paid; 0 is 26, negative nothing.
	MaxBits int
	// Minter mints; its Bits are not used.
	Minter hashcash.Minter
	// Verifier checks; its Bits are not used. Its Spent must be set to verify, unless it allows replay.
	Verifier hashcash.Verifier
}

const hashcashName = "hashcash"

// Name implements Scheme.
func (h *Hashcash) Name() string { return hashcashName }

// Quote implements Scheme.
func (h *Hashcash) Quote(_ context.Context, b Binding) (Demand, error) {
	d := Demand{Binding: b, Scheme: hashcashName, Price: h.Bits}
	if d.Price == 0 {
		d.Price = hashcash.DefaultBits
	}
	return d, checkBits(d)
}

func checkBits(d Demand) error {
	if err := d.Check(hashcashName); err != nil {
		return err
	}
	if d.Price < 1 || d.Price > 64 || d.Params != "" {
		return fmt.Errorf("%w: %d bits, parameters %q", ErrDemand, d.Price, d.Params)
	}
	return nil
}

// Pay implements Scheme.
func (h *Hashcash) Pay(ctx context.Context, d Demand) (string, error) {
	if err := checkBits(d); err != nil {
		return "", err
	}
	limit := h.MaxBits
	if limit == 0 {
		limit = 26
	}
	if d.Price > limit {
		return "", fmt.Errorf("%w: %d bits, the limit is %d", ErrDear, d.Price, max(0, limit))
	}
	ext, err := d.Ext()
	if err != nil {
		return "", err
	}
	m := h.Minter
	m.Bits = d.Price
	s, err := m.Mint(ctx, d.Recipient, ext)
	return s.String(), err
}

// Verify implements Scheme.
func (h *Hashcash) Verify(ctx context.Context, d Demand, stamp string) (Value, error) {
	if err := checkBits(d); err != nil {
		return Value{}, err
	}
	s, err := hashcash.Parse(stamp)
	if err != nil {
		return Value{}, err
	}
	bound, err := ParseExt(s.Resource, s.Ext)
	if err != nil {
		return Value{}, err
	}
	if err := bound.Meets(d.Binding); err != nil {
		return Value{}, err
	}
	v := h.Verifier
	v.Bits, v.AllowReplay = d.Price, v.AllowReplay || d.Probe
	if s, err = v.Verify(ctx, stamp, d.Recipient); err != nil {
		return Value{}, err
	}
	return Value{Amount: s.Value(), Unit: "bits", Bound: bound}, nil
}
