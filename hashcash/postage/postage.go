package postage

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Why a Scheme refuses, besides the errors of package hashcash, which mean the same in every scheme: ErrSyntax, ErrBits,
// ErrExpired, ErrFuture, ErrResource (another recipient), ErrSpent, and ErrStore, which is temporary.
var (
	// ErrDemand says that a Demand is of another scheme, or not one that the scheme can make.
	ErrDemand = errors.New("postage: not a demand of this scheme")
	// ErrDear says that the price is above what the payer is ready to pay.
	ErrDear = errors.New("postage: too dear")
	// ErrBinding says that a stamp is not bound to the sender or the message that the Demand names.
	ErrBinding = errors.New("postage: stamp is bound to something else")
)

// A Binding is what a stamp is made for.
type Binding struct {
	Recipient string   // address of the envelope; required
	Sender    string   // domain; "" is any
	Digest    [32]byte // of the message, of what both sides agree to hash; zero is any
}

// A Demand is what a recipient asks for.
type Demand struct {
	Binding
	Scheme string // Name of the scheme
	Price  int    // in the scheme's unit
	Params string // what else the scheme must know, in its own words
	// Probe makes Verify look at a stamp without spending it, for a first look while it is not sure yet that the letter is
	// taken. No store is asked, so the stamp may have been spent before.
	Probe bool
}

// A Value is what a valid stamp is worth.
type Value struct {
	Amount int     // at least the price
	Unit   string  // of Amount: "bits"
	Bound  Binding // what the stamp is bound to, which may be more than was asked
}

// A Scheme is one way to pay. Package postagetest has the suite that an implementation passes.
//
// Rules:
//   - Pay returns ErrDemand for a Demand that is not the scheme's, ErrDear for a price above the payer's limit, and ends
//     soon after ctx does.
//   - Verify looks at everything else before it spends the stamp, which is one atomic step: of any number of calls with
//     the same stamp exactly one succeeds. A stamp that was not valid is not spent by the attempt.
//   - A store that fails is hashcash.ErrStore, never a valid stamp.
type Scheme interface {
	// Name is one word of letters, digits and hyphens.
	Name() string
	// Quote says what a stamp for b costs.
	Quote(ctx context.Context, b Binding) (Demand, error)
	// Pay makes a stamp that meets d, of printable ASCII without white space, at most hashcash.MaxLength octets.
	Pay(ctx context.Context, d Demand) (stamp string, err error)
	// Verify checks a stamp and spends it, unless the Demand is a Probe.
	Verify(ctx context.Context, d Demand, stamp string) (Value, error)
}

// Check returns ErrDemand unless d is of the named scheme and names a recipient. It is for implementations.
func (d Demand) Check(scheme string) error {
	if d.Scheme != scheme {
		return fmt.Errorf("%w: it is of %q, not %s", ErrDemand, d.Scheme, scheme)
	}
	if d.Recipient == "" {
		return fmt.Errorf("%w: no recipient", ErrDemand)
	}
	return nil
}

// Meets returns ErrBinding unless b is the sender and the message of d, as far as d names them. The recipient is not
// looked at. It is for implementations.
func (b Binding) Meets(d Binding) error {
	if d.Sender != "" && !strings.EqualFold(b.Sender, d.Sender) {
		return fmt.Errorf("%w: to sender %q, not %q", ErrBinding, b.Sender, d.Sender)
	}
	if d.Digest != ([32]byte{}) && b.Digest != d.Digest {
		return fmt.Errorf("%w: to another message", ErrBinding)
	}
	return nil
}
