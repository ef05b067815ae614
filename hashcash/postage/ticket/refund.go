package ticket

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
)

// ErrRefund says that a refund is not good. Errors of Issuer.Refund wrap it, hashcash.ErrSpent or hashcash.ErrStore.
var ErrRefund = errors.New("ticket: no refund")

// A RefundKey is the public key of a recipient's domain for refunds.
type RefundKey = ed25519.PublicKey

// RefundPeriod is how long after the end of its key a ticket is refunded.
const RefundPeriod = 30 * 24 * time.Hour

// A refund is: token ‖ context ‖ length of origin in one octet ‖ origin ‖ signature of the recipient over refundMark ‖ all
// before it.
const refundMark = "mailbricks ticket refund 1\x00"

// Refund returns what gives the sender of a wanted letter a new ticket for the one that Verify took: signed with the
// recipient's key, redeemed by Issuer.Refund. It does not look whether the ticket was spent.
func (s *Scheme) Refund(d postage.Demand, stamp string, key ed25519.PrivateKey) ([]byte, error) {
	c, err := s.challenge(d)
	if err != nil {
		return nil, err
	}
	t, err := parseToken(stamp)
	if err != nil {
		return nil, err
	}
	if _, err := s.valid(c, t); err != nil {
		return nil, err
	}
	out := append(append(t[:len(t):len(t)], c.Context...), byte(len(c.Origin)))
	out = append(out, c.Origin...)
	return append(out, ed25519.Sign(key, append([]byte(refundMark), out...))...), nil
}

// Refund answers a request as Sign does, free of charge, against a refund, once for each ticket. The key that is asked for
// must not be worth more than that of the ticket. name is the issuer's own server name. A sender redeems a refund with a
// Scheme whose Sign calls this.
func (s *Issuer) Refund(ctx context.Context, name string, refund, req []byte) ([]byte, error) {
	k, blinded, err := s.parse(req)
	if err != nil {
		return nil, err
	}
	if s.Refunds == nil || s.Recipient == nil {
		return nil, fmt.Errorf("%w: this issuer has none", ErrRefund)
	}
	const fixed = tokenSize + contextLen + 1
	if len(refund) < fixed || len(refund) != fixed+int(refund[fixed-1])+ed25519.SignatureSize {
		return nil, fmt.Errorf("%w: %w: %d octets", ErrRefund, ErrWire, len(refund))
	}
	t := token(refund[:tokenSize])
	signed, signature := refund[:len(refund)-ed25519.SignatureSize], refund[len(refund)-ed25519.SignatureSize:]
	c := Challenge{Issuer: name, Context: refund[tokenSize : fixed-1], Origin: string(signed[fixed:])}
	until, err := s.refundable(c, &t, k)
	if err != nil {
		return nil, err
	}
	public, err := s.Recipient(ctx, c.Origin)
	if err != nil {
		return nil, fmt.Errorf("%w: key of %q: %w", ErrRefund, c.Origin, err)
	}
	if len(public) != ed25519.PublicKeySize || !ed25519.Verify(public, append([]byte(refundMark), signed...), signature) {
		return nil, fmt.Errorf("%w: not signed by %q", ErrRefund, c.Origin)
	}
	first, err := s.Refunds.Spend(ctx, spentName(&t), until)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", hashcash.ErrStore, err)
	case !first:
		return nil, hashcash.ErrSpent
	}
	return k.sign(blinded)
}

// refundable checks the ticket of a refund for a ticket of key asked, and returns until when it could be refunded.
func (s *Issuer) refundable(c Challenge, t *token, asked issuing) (until time.Time, err error) {
	digest, err := c.digest()
	if err != nil || digest != [sha256.Size]byte(t.challenge()) || t[0] != 0 || t[1] != tokenType {
		return until, fmt.Errorf("%w: ticket for another challenge", ErrRefund)
	}
	for _, k := range s.keys {
		if k.id != t.keyID() {
			continue
		}
		if k.Value < asked.Value {
			return until, fmt.Errorf("%w: ticket is worth %d, asked is %d", ErrRefund, k.Value, asked.Value)
		}
		now := time.Now
		if s.Now != nil {
			now = s.Now
		}
		if until = k.End.Add(RefundPeriod); now().After(until) {
			return until, fmt.Errorf("%w: %w: key until %s", ErrRefund, hashcash.ErrExpired, k.End.UTC().Format(time.DateOnly))
		}
		if err := k.verify(t); err != nil {
			return until, fmt.Errorf("%w: %w", ErrRefund, err)
		}
		return until, nil
	}
	return until, fmt.Errorf("%w: ticket of a key that is not the issuer's", ErrRefund)
}
