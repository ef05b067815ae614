package capability

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"
)

// Keys finds an issuer's public key. ErrIssuer: there is none, for good. Another error is temporary.
type Keys interface {
	PublicKey(ctx context.Context, issuer string, key uint8) (ed25519.PublicKey, error)
}

// A Store keeps count of uses and of what was taken back. Package granttest has the suite that an implementation
// passes.
//
// Rules:
//   - Each call is atomic, also between processes that share the store, and durable when it returns.
//   - Uses that are reserved count like uses: of two deliveries on a single use, the second gets ErrReserved until the
//     first has come to its end, then ErrUsedUp or its turn.
//   - A Counter with Per counts what was committed in the time Per before Use.Now, and what is reserved: one above its Max gets
//     ErrRate where the committed ones suffice, else ErrReserved.
//   - A reservation that nobody commits or releases lapses at Use.Until.
//   - Commit is idempotent by digest: the same message, delivered again because a reply was lost, is not counted
//     twice. A revocation since Reserve makes Commit fail with ErrRevoked; a reservation that has lapsed or was
//     released, with ErrReserved.
//   - What was revoked gives ErrRevoked from then on.
type Store interface {
	Reserve(ctx context.Context, u Use) (Reservation, error)
	Commit(ctx context.Context, r Reservation, digest [32]byte) error
	Release(ctx context.Context, r Reservation) error
	Revoke(ctx context.Context, r Revocation) error
}

// Status tells what an issuer says of its grants elsewhere than in the Store. ErrRevoked and ErrIssuer are for good;
// another error is temporary.
type Status interface {
	Status(ctx context.Context, g Grant) error
}

// Grants knows the grants that tags stand for.
type Grants interface {
	// Grant returns the grant of an ID, also where it has expired or was revoked. ErrUnknown: there is none, for good.
	Grant(ctx context.Context, id ID) (Grant, error)
}

// GrantStore keeps them. Each call is atomic and durable when it returns. It may be one thing with a Store, as in the
// stores of this package; granttest.RunGrants has the suite.
type GrantStore interface {
	Grants
	// PutGrant keeps a grant, in place of one with that ID. ErrSyntax: see Grant.Check.
	PutGrant(ctx context.Context, g Grant) error
}

// A Use is one message on a grant.
type Use struct {
	Grant    Grant
	Counters []Counter
	// Now is the time of the request, Until when the reservation lapses.
	Now, Until time.Time
}

// A Counter limits the uses that share a Key: in all, or with Per in any time of that length. The two are counted apart. A
// Key belongs to one grant: no Counter of another has it.
type Counter struct {
	Key ID
	Max uint32
	Per time.Duration `json:",omitempty"`
}

// Allows decides on one use more, beside so many that are committed (with Per: in that time) and so many that are reserved:
// nil, ErrUsedUp, ErrRate or ErrReserved.
func (c Counter) Allows(committed, reserved uint32) error {
	switch {
	case committed >= c.Max && c.Per > 0:
		return ErrRate
	case committed >= c.Max:
		return ErrUsedUp
	case reserved >= c.Max-committed:
		return ErrReserved
	}
	return nil
}

// KeepDigests is how long a Store remembers what was committed, for the idempotency of Commit: longer than any queue tries.
const KeepDigests = 14 * 24 * time.Hour

// A Reservation is one use held for a delivery under way.
type Reservation struct {
	Grant  Grant
	Number uint64 // the store's
}

// A Revocation takes grants back: the one with that ID, or all of an Issuer with an Epoch below Before, or all of an
// Issuer whose scope is within Scope ("example.com" takes those of its addresses too).
type Revocation struct {
	ID     ID
	Issuer string
	Before uint32
	Scope  string
}

// Revokes reports whether r takes g back. Names are in lower case.
func (r Revocation) Revokes(g Grant) bool {
	if r.ID != (ID{}) {
		return r.ID == g.ID
	}
	if r.Issuer != g.Issuer {
		return false
	}
	return g.Epoch < r.Before || r.Scope != "" && g.Scope != "" && scopeWithin(g.Scope, r.Scope)
}

// A Request is a message that asks to be let in.
type Request struct {
	// Sender is the envelope's or author's address, Domain the domain that was authenticated for it, "" if none.
	Sender, Domain string
	// Recipient is the envelope recipient.
	Recipient string
	// Size is the message's size in octets, 0 if not known yet.
	Size uint64
	// Class is the class of the message, 0 if not known yet.
	Class Class
	// Pending says that it is not known yet who sends: the scope is not looked at, and the caller asks Grant.Admits
	// before the message is let in. So does a server at RCPT, which learns the author's domain at the end of the header.
	Pending bool
}

// Admits reports whether the grant lets r in at that time, as far as the grant itself tells: nil, ErrRecipient, ErrScope,
// ErrNotYet, ErrExpired, ErrTooBig or ErrClass. Signatures, uses and revocations are a Verifier's.
func (g Grant) Admits(r Request, at time.Time) error {
	switch {
	case !issuedFor(g.Issuer, r.Recipient):
		return ErrRecipient
	case !r.Pending && !inScope(g.Scope, r.Sender, r.Domain):
		return ErrScope
	case !g.NotBefore.IsZero() && at.Before(g.NotBefore):
		return ErrNotYet
	case !g.Expires.IsZero() && !at.Before(g.Expires):
		return ErrExpired
	case g.Size != 0 && r.Size > g.Size:
		return ErrTooBig
	case g.Class != 0 && r.Class > g.Class:
		return ErrClass
	}
	return nil
}

// OneKey is the Keys of a host that signs the grants of all its users with one key. For whom a grant speaks is settled
// by its issuer, who must be the recipient.
type OneKey ed25519.PublicKey

// PublicKey implements Keys.
func (k OneKey) PublicKey(context.Context, string, uint8) (ed25519.PublicKey, error) {
	return ed25519.PublicKey(k), nil
}

// A Verifier checks tokens: form and limits, then signatures, then the Store.
type Verifier struct {
	Keys  Keys
	Store Store
	// Status, if not nil, is asked whether a token's issuer has taken it back, beside Store; package grantdns has one.
	Status Status
	// Grants knows what tags stand for, for VerifyTag.
	Grants Grants
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Hold is how long a reservation lives; 0 is 15 minutes.
	Hold time.Duration
}

// Verify checks a token for a request and reserves a use; Store.Commit or Store.Release ends the reservation. The
// error wraps one of the sentinels of this package.
func (v Verifier) Verify(ctx context.Context, t Token, r Request) (Reservation, error) {
	g, at := t.Grant(), v.now()
	if len(t.blocks) == 0 {
		return Reservation{}, errSyntax("empty token")
	}
	if err := g.Admits(r, at); err != nil {
		return Reservation{}, err
	}
	key, err := v.Keys.PublicKey(ctx, g.Issuer, g.Key)
	switch {
	case errors.Is(err, ErrIssuer):
		return Reservation{}, err
	case err != nil:
		return Reservation{}, fmt.Errorf("%w: %w", ErrStore, err)
	}
	if err := t.verify(key); err != nil {
		return Reservation{}, err
	}
	if v.Status != nil {
		if err := v.Status.Status(ctx, g); errors.Is(err, ErrRevoked) || errors.Is(err, ErrIssuer) {
			return Reservation{}, err
		} else if err != nil {
			return Reservation{}, fmt.Errorf("%w: %w", ErrStore, err)
		}
	}
	return v.reserve(ctx, g, t.counters(), at)
}

// VerifyTag is Verify for the capability in an address. x is what Tags.Parse returned; r.Recipient is the mailbox
// without its tag, or "" for a tag alone: then the mailbox is the grant's Issuer.
func (v Verifier) VerifyTag(ctx context.Context, x Tagged, r Request) (Reservation, error) {
	g, err := v.Grants.Grant(ctx, x.ID)
	switch {
	case errors.Is(err, ErrUnknown):
		return Reservation{}, err
	case err != nil:
		return Reservation{}, fmt.Errorf("%w: %w", ErrStore, err)
	case r.Recipient == "" && x.Local == "":
		r.Recipient = g.Issuer
	}
	at := v.now()
	if err := g.Admits(r, at); err != nil {
		return Reservation{}, err
	}
	return v.reserve(ctx, g, g.appendCounters(nil, g.ID), at)
}

func (v Verifier) now() time.Time {
	if v.Now == nil {
		return time.Now()
	}
	return v.Now()
}

func (v Verifier) reserve(ctx context.Context, g Grant, counters []Counter, at time.Time) (Reservation, error) {
	if v.Hold == 0 {
		v.Hold = 15 * time.Minute
	}
	return v.Store.Reserve(ctx, Use{Grant: g, Counters: counters, Now: at, Until: at.Add(v.Hold)})
}
