package ticket

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"time"

	"github.com/cloudflare/circl/blindsign/blindrsa"

	"github.com/mailbricks/mailbricks/hashcash"
)

// ErrRequest says that an issuer does not take a request: over HTTP that is status 422 (RFC 9578 §6.2).
var ErrRequest = errors.New("ticket: request not taken")

// An Issuer signs tickets without seeing them. It is safe for concurrent use.
type Issuer struct {
	// Charge takes value from whoever asks, as ctx tells; its error refuses the signature and is returned. nil: free.
	Charge func(ctx context.Context, value int) error
	// Refunds remembers the tickets whose refund was used; nil: there are no refunds.
	Refunds hashcash.SpentStore
	// Recipient returns the key with which the recipients of a domain sign refunds; nil: there are none.
	Recipient func(ctx context.Context, origin string) (RefundKey, error)

	// Now is the clock; nil is time.Now.
	Now func() time.Time

	keys []issuing
}

type issuing struct {
	*Key
	signer blindrsa.Signer
}

// Add makes the issuer sign with a key. Two keys whose identifiers end with the same octet cannot be told apart in
// requests and are refused.
func (s *Issuer) Add(private *rsa.PrivateKey, k *Key) error {
	if !private.PublicKey.Equal(k.public) {
		return fmt.Errorf("%w: private key of another public one", ErrWire)
	}
	for _, old := range s.keys {
		if old.id[len(old.id)-1] == k.id[len(k.id)-1] {
			return fmt.Errorf("%w: the key's identifier ends as that of another key does; make another", ErrWire)
		}
	}
	s.keys = append(s.keys, issuing{k, blindrsa.NewSigner(private)})
	return nil
}

// parse returns the key that a request asks for, and what is to be signed.
func (s *Issuer) parse(req []byte) (issuing, []byte, error) {
	if len(req) != reqSize || req[0] != 0 || req[1] != tokenType {
		return issuing{}, nil, fmt.Errorf("%w: not %d octets of type %d", ErrRequest, reqSize, tokenType)
	}
	for _, k := range s.keys {
		if k.id[len(k.id)-1] == req[2] {
			return k, req[3:], nil
		}
	}
	return issuing{}, nil, fmt.Errorf("%w: no key whose identifier ends with %#x", ErrRequest, req[2])
}

// Sign answers a request (RFC 9578 §6.2). The error wraps ErrRequest, or is that of Charge.
func (s *Issuer) Sign(ctx context.Context, req []byte) ([]byte, error) {
	k, blinded, err := s.parse(req)
	if err != nil {
		return nil, err
	}
	if s.Charge != nil {
		if err := s.Charge(ctx, k.Value); err != nil {
			return nil, err
		}
	}
	return k.sign(blinded)
}

func (k issuing) sign(blinded []byte) ([]byte, error) {
	out, err := k.signer.BlindSign(blinded)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return out, nil
}
