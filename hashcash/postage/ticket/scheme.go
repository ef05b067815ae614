package ticket

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cloudflare/circl/blindsign/blindrsa"

	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
)

// ErrSignature says that a ticket was not signed by the issuer.
var ErrSignature = errors.New("ticket: not signed by the issuer")

// Scheme is the postage.Scheme "ticket". The price is in the issuer's unit; the parameters are "issuer=issuer.example".
// A stamp is worth the value of its key. What a stamp is bound to is told by the Demand alone.
type Scheme struct {
	// Issuer is the server name of the issuer.
	Issuer string
	// Keys are the issuer's. Pay takes the one of the least value that is enough and whose epoch is now, of several the one
	// that ends last.
	Keys []*Key
	// Price is what is quoted; 0 is 1.
	Price int
	// MaxPrice is the highest price that is paid; 0 is 1, negative nothing.
	MaxPrice int
	// Sign asks the issuer: Issuer.Sign, or an HTTP request to one (RFC 9578 §6.1). nil: Pay is not possible.
	Sign func(ctx context.Context, request []byte) (response []byte, err error)
	// Rand gives nonces, salts and blinds; nil is crypto/rand.
	Rand io.Reader
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Grace is how long after a key's end its tickets are still taken, and how long before its start; 0 is 2 days.
	Grace time.Duration
	// Spent remembers the nonces. It is required to verify.
	Spent hashcash.SpentStore
}

const (
	schemeName  = "ticket"
	paramIssuer = "issuer="
)

// Name implements postage.Scheme.
func (s *Scheme) Name() string { return schemeName }

// Quote implements postage.Scheme.
func (s *Scheme) Quote(_ context.Context, b postage.Binding) (postage.Demand, error) {
	d := postage.Demand{Binding: b, Scheme: schemeName, Price: max(s.Price, 1), Params: paramIssuer + s.Issuer}
	_, err := s.challenge(d)
	return d, err
}

// challenge returns what a ticket for d is bound to.
func (s *Scheme) challenge(d postage.Demand) (Challenge, error) {
	if err := d.Check(schemeName); err != nil {
		return Challenge{}, err
	}
	if d.Price < 1 || d.Params != paramIssuer+s.Issuer {
		return Challenge{}, fmt.Errorf("%w: price %d, parameters %q", postage.ErrDemand, d.Price, d.Params)
	}
	recipient := strings.ToLower(d.Recipient)
	h := sha256.New()
	for _, part := range []string{recipient, strings.ToLower(d.Sender), string(d.Digest[:])} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		io.WriteString(h, part)
	}
	c := Challenge{Issuer: s.Issuer, Context: h.Sum(nil), Origin: recipient[strings.LastIndexByte(recipient, '@')+1:]}
	if _, err := c.digest(); err != nil {
		return Challenge{}, fmt.Errorf("%w: %w", postage.ErrDemand, err)
	}
	return c, nil
}

func (s *Scheme) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// Pay implements postage.Scheme: it buys one ticket. An error of Sign is returned as it is.
func (s *Scheme) Pay(ctx context.Context, d postage.Demand) (string, error) {
	c, err := s.challenge(d)
	if err != nil {
		return "", err
	}
	limit := s.MaxPrice
	if limit == 0 {
		limit = 1
	}
	now := s.now()
	var key *Key
	for _, k := range s.Keys {
		if k.Value < d.Price || now.Before(k.Start) || !now.Before(k.End) {
			continue
		}
		if key == nil || k.Value < key.Value || k.Value == key.Value && k.End.After(key.End) {
			key = k
		}
	}
	if d.Price > limit || key == nil || key.Value > limit || s.Sign == nil {
		return "", fmt.Errorf("%w: price %d, the limit is %d, and so must be a key of the issuer whose epoch is now", postage.ErrDear, d.Price, max(0, limit))
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	t, err := s.buy(c, key, func(req []byte) ([]byte, error) { return s.Sign(ctx, req) })
	if err != nil {
		return "", err
	}
	return t.String(), nil
}

// buy has a new ticket signed.
func (s *Scheme) buy(c Challenge, key *Key, sign func([]byte) ([]byte, error)) (*token, error) {
	source := s.Rand
	if source == nil {
		source = rand.Reader
	}
	digest, err := c.digest()
	if err != nil {
		return nil, err
	}
	var t token
	binary.BigEndian.PutUint16(t[:], tokenType)
	if _, err := io.ReadFull(source, t.nonce()); err != nil {
		return nil, fmt.Errorf("ticket: nonce: %w", err)
	}
	copy(t.challenge(), digest[:])
	id := key.ID()
	copy(t[66:], id[:])
	client, err := blindrsa.NewClient(blindrsa.SHA384PSSDeterministic, key.public)
	if err != nil {
		return nil, fmt.Errorf("ticket: %w", err)
	}
	blinded, state, err := client.Blind(source, t.input())
	if err != nil {
		return nil, fmt.Errorf("ticket: %w", err)
	}
	response, err := sign(request(id, blinded))
	if err != nil {
		return nil, err
	}
	if len(response) != modulus {
		return nil, fmt.Errorf("%w: response of %d octets", ErrWire, len(response))
	}
	signature, err := client.Finalize(state, response)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	copy(t.signature(), signature)
	return &t, nil
}

// Verify implements postage.Scheme. A ticket that is not the issuer's is hashcash.ErrBits, which wraps ErrSignature, and so
// is one of a key that is not known.
func (s *Scheme) Verify(ctx context.Context, d postage.Demand, stamp string) (postage.Value, error) {
	c, err := s.challenge(d)
	if err != nil {
		return postage.Value{}, err
	}
	t, err := parseToken(stamp)
	if err != nil {
		return postage.Value{}, err
	}
	key, err := s.valid(c, t)
	if err != nil {
		return postage.Value{}, err
	}
	if key.Value < d.Price {
		return postage.Value{}, fmt.Errorf("%w: worth %d, the price is %d", hashcash.ErrBits, key.Value, d.Price)
	}
	value := postage.Value{Amount: key.Value, Unit: "tickets of " + s.Issuer, Bound: d.Binding}
	if d.Probe {
		return value, nil
	}
	if s.Spent == nil {
		return postage.Value{}, fmt.Errorf("%w: none is configured", hashcash.ErrStore)
	}
	first, err := s.Spent.Spend(ctx, spentName(t), key.End.Add(s.grace()))
	switch {
	case err != nil:
		return postage.Value{}, fmt.Errorf("%w: %w", hashcash.ErrStore, err)
	case !first:
		return postage.Value{}, hashcash.ErrSpent
	}
	return value, nil
}

// spentName is that of a nonce: two signatures of one nonce are the same ticket.
func spentName(t *token) string { return "ticket:" + ticketCode.EncodeToString(t.nonce()) }

func (s *Scheme) grace() time.Duration {
	if s.Grace == 0 {
		return 2 * 24 * time.Hour
	}
	return s.Grace
}

// valid checks all but value and nonce, the signature last.
func (s *Scheme) valid(c Challenge, t *token) (*Key, error) {
	var key *Key
	for _, k := range s.Keys {
		if k.id == t.keyID() {
			key = k
		}
	}
	if key == nil {
		return nil, fmt.Errorf("%w: %w: no such key", hashcash.ErrBits, ErrSignature)
	}
	switch now := s.now(); {
	case now.Before(key.Start.Add(-s.grace())):
		return nil, fmt.Errorf("%w: key of %s", hashcash.ErrFuture, key.Start.UTC().Format(time.DateOnly))
	case now.After(key.End.Add(s.grace())):
		return nil, fmt.Errorf("%w: key until %s", hashcash.ErrExpired, key.End.UTC().Format(time.DateOnly))
	}
	digest, err := c.digest()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(digest[:], t.challenge()) {
		return nil, fmt.Errorf("%w: the challenge", postage.ErrBinding)
	}
	if err := key.verify(t); err != nil {
		return nil, fmt.Errorf("%w: %w", hashcash.ErrBits, err)
	}
	return key, nil
}

// verify checks the signature (RFC 9578 §6.4).
func (k *Key) verify(t *token) error {
	sum := sha512.Sum384(t.input())
	err := rsa.VerifyPSS(k.public, crypto.SHA384, sum[:], t.signature(), &rsa.PSSOptions{SaltLength: sha512.Size384})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return nil
}
