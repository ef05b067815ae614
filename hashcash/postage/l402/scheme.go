package l402

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
)

// Scheme is the postage.Scheme "l402", of either side. The price is in the units of the node. A Demand has an invoice of
// its own in its parameters, which is paid once; to verify, the parameters may be left out. What a stamp is bound to is
// told by the Demand alone.
type Scheme struct {
	// Root is the recipient's secret, 32 octets, that macaroons are made and verified with.
	Root []byte
	// Invoicer is the recipient's node. It is required to quote.
	Invoicer Invoicer
	// Price is what is quoted; 0 is 1.
	Price int
	// Epoch is how long a stamp is good; 0 is 28 days.
	Epoch time.Duration
	// Grace is the skew of clocks that is allowed on both ends; 0 is 2 days.
	Grace time.Duration
	// Spent remembers payment hashes. It is required to verify.
	Spent hashcash.SpentStore

	// Payer is the sender's node. Without it Pay is not possible.
	Payer Payer
	// MaxPrice is the highest price that is paid; 0 is 1, negative nothing.
	MaxPrice int

	// Rand gives token ids; nil is crypto/rand.
	Rand io.Reader
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

const (
	schemeName = "l402"
	rootSize   = 32
	idSize     = 2 + sha256.Size + 32 // version, payment hash, token id
	maxInvoice = 2048
)

// code is strict: of two spellings of one macaroon, one would be another.
var code = base64.StdEncoding.Strict()

// Name implements postage.Scheme.
func (s *Scheme) Name() string { return schemeName }

func (s *Scheme) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// Quote implements postage.Scheme: it asks the node for an invoice. An error of the node is returned as it is.
func (s *Scheme) Quote(ctx context.Context, b postage.Binding) (postage.Demand, error) {
	d := postage.Demand{Binding: b, Scheme: schemeName, Price: max(1, s.Price)}
	if err := d.Check(schemeName); err != nil {
		return d, err
	}
	if s.Invoicer == nil || len(s.Root) != rootSize {
		return d, fmt.Errorf("%w: no node, or a root that is not %d octets", postage.ErrDemand, rootSize)
	}
	invoice, hash, err := s.Invoicer.Invoice(ctx, d.Price)
	if err != nil {
		return d, err
	}
	source := s.Rand
	if source == nil {
		source = rand.Reader
	}
	id := make([]byte, idSize)
	copy(id[2:], hash[:])
	if _, err := io.ReadFull(source, id[2+len(hash):]); err != nil {
		return d, fmt.Errorf("l402: token id: %w", err)
	}
	epoch := s.Epoch
	if epoch == 0 {
		epoch = 28 * 24 * time.Hour
	}
	now := s.now()
	m := NewMacaroon(s.Root, id).Add("for=" + bound(b)).Add("value=" + strconv.Itoa(d.Price)).
		Add("start=" + strconv.FormatInt(now.Unix(), 10)).Add("end=" + strconv.FormatInt(now.Add(epoch).Unix(), 10))
	d.Params = challenge(code.EncodeToString(m.Append(nil)), invoice)
	_, _, err = parseChallenge(d.Params)
	return d, err
}

// bound is the hash of a binding.
func bound(b postage.Binding) string {
	h := sha256.New()
	for _, part := range []string{strings.ToLower(b.Recipient), strings.ToLower(b.Sender), string(b.Digest[:])} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		io.WriteString(h, part)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func challenge(macaroon, invoice string) string {
	return `macaroon="` + macaroon + `", invoice="` + invoice + `"`
}

// parseChallenge reads the parameters of a demand. The error wraps postage.ErrDemand.
func parseChallenge(params string) (macaroon, invoice string, err error) {
	macaroon, rest, ok := strings.Cut(strings.TrimPrefix(params, `macaroon="`), `", invoice="`)
	invoice = strings.TrimSuffix(rest, `"`)
	if !ok || params != challenge(macaroon, invoice) || len(invoice) > maxInvoice || len(macaroon) > hashcash.MaxLength ||
		strings.ContainsFunc(invoice, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
		return "", "", fmt.Errorf("%w: parameters %q", postage.ErrDemand, params)
	}
	if _, err := decode(macaroon); err != nil {
		return "", "", fmt.Errorf("%w: %w", postage.ErrDemand, err)
	}
	return macaroon, invoice, nil
}

// decode reads a macaroon in base64. The error wraps ErrMacaroon.
func decode(text string) (Macaroon, error) {
	b, err := code.DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return Macaroon{}, fmt.Errorf("%w: not base64", ErrMacaroon)
	}
	m, err := ParseMacaroon(b)
	if err == nil && (len(m.ID) != idSize || m.ID[0] != 0 || m.ID[1] != 0) {
		err = fmt.Errorf("%w: identifier of another version", ErrMacaroon)
	}
	return m, err
}

// Pay implements postage.Scheme. An error of the node is returned as it is. Once an invoice is paid, ctx does not matter.
func (s *Scheme) Pay(ctx context.Context, d postage.Demand) (string, error) {
	if err := d.Check(schemeName); err != nil {
		return "", err
	}
	macaroon, invoice, err := parseChallenge(d.Params)
	if err != nil {
		return "", err
	}
	if d.Price < 1 {
		return "", fmt.Errorf("%w: price %d", postage.ErrDemand, d.Price)
	}
	limit := s.MaxPrice
	if limit == 0 {
		limit = 1
	}
	if d.Price > limit || s.Payer == nil {
		return "", fmt.Errorf("%w: %d, the limit is %d", postage.ErrDear, d.Price, max(0, limit))
	}
	if len(macaroon)+1+2*sha256.Size > hashcash.MaxLength {
		return "", fmt.Errorf("%w: a stamp of it would be longer than %d octets", postage.ErrDemand, hashcash.MaxLength)
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	preimage, err := s.Payer.Pay(ctx, invoice, d.Price)
	if err != nil {
		return "", err
	}
	return macaroon + ":" + hex.EncodeToString(preimage[:]), nil
}

// parse reads a stamp. The error wraps hashcash.ErrSyntax.
func parse(stamp string) (m Macaroon, preimage [32]byte, err error) {
	macaroon, secret, ok := strings.Cut(stamp, ":")
	if !ok || len(stamp) > hashcash.MaxLength || len(secret) != 2*len(preimage) || strings.ToLower(secret) != secret {
		return m, preimage, fmt.Errorf("%w: not a macaroon, a colon and %d octets in hexadecimal", hashcash.ErrSyntax, len(preimage))
	}
	if _, err := hex.Decode(preimage[:], []byte(secret)); err != nil {
		return m, preimage, fmt.Errorf("%w: preimage: %w", hashcash.ErrSyntax, err)
	}
	if m, err = decode(macaroon); err != nil {
		return m, preimage, fmt.Errorf("%w: %w", hashcash.ErrSyntax, err)
	}
	return m, preimage, nil
}

// Verify implements postage.Scheme. A macaroon that is not the recipient's, or a preimage of another payment, is
// hashcash.ErrBits: nothing was paid.
func (s *Scheme) Verify(ctx context.Context, d postage.Demand, stamp string) (postage.Value, error) {
	if err := d.Check(schemeName); err != nil {
		return postage.Value{}, err
	}
	if d.Params != "" {
		if _, _, err := parseChallenge(d.Params); err != nil {
			return postage.Value{}, err
		}
	}
	if d.Price < 1 || len(s.Root) != rootSize {
		return postage.Value{}, fmt.Errorf("%w: price %d, a root of %d octets", postage.ErrDemand, d.Price, len(s.Root))
	}
	m, preimage, err := parse(stamp)
	if err != nil {
		return postage.Value{}, err
	}
	if !m.Valid(s.Root) {
		return postage.Value{}, fmt.Errorf("%w: macaroon of somebody else", hashcash.ErrBits)
	}
	hash := sha256.Sum256(preimage[:])
	if string(hash[:]) != string(m.ID[2:2+len(hash)]) {
		return postage.Value{}, fmt.Errorf("%w: preimage of another payment", hashcash.ErrBits)
	}
	value, expires, err := s.holds(m, d)
	if err != nil {
		return postage.Value{}, err
	}
	paid := postage.Value{Amount: value, Unit: "units", Bound: d.Binding}
	if d.Probe {
		return paid, nil
	}
	if s.Spent == nil {
		return postage.Value{}, fmt.Errorf("%w: none is configured", hashcash.ErrStore)
	}
	first, err := s.Spent.Spend(ctx, "l402:"+hex.EncodeToString(hash[:]), expires)
	switch {
	case err != nil:
		return postage.Value{}, fmt.Errorf("%w: %w", hashcash.ErrStore, err)
	case !first:
		return postage.Value{}, hashcash.ErrSpent
	}
	return paid, nil
}

// holds checks all caveats: those that Quote adds must be there, may come again, and must hold each time. One that is not
// known is not held.
func (s *Scheme) holds(m Macaroon, d postage.Demand) (value int, expires time.Time, err error) {
	grace := s.Grace
	if grace == 0 {
		grace = 2 * 24 * time.Hour
	}
	now := s.now()
	seen := make(map[string]bool)
	for _, c := range m.Caveats {
		name, text, _ := strings.Cut(c, "=")
		n, numberErr := strconv.ParseInt(text, 10, 64)
		if name != "for" && (numberErr != nil || n < 0 || n > 1<<40) {
			return 0, expires, fmt.Errorf("%w: caveat %q", postage.ErrBinding, c)
		}
		at := time.Unix(n, 0)
		switch name {
		case "for":
			if text != bound(d.Binding) {
				return 0, expires, fmt.Errorf("%w: caveat %q", postage.ErrBinding, c)
			}
		case "value":
			if int(n) < d.Price {
				return 0, expires, fmt.Errorf("%w: %d paid, the price is %d", hashcash.ErrBits, n, d.Price)
			}
			if value == 0 || int(n) < value {
				value = int(n)
			}
		case "start":
			if now.Before(at.Add(-grace)) {
				return 0, expires, fmt.Errorf("%w: of %s", hashcash.ErrFuture, at.UTC().Format(time.DateOnly))
			}
		case "end":
			if now.After(at.Add(grace)) {
				return 0, expires, fmt.Errorf("%w: until %s", hashcash.ErrExpired, at.UTC().Format(time.DateOnly))
			}
			// The payment hash is remembered until the first end, that of Quote: without later ones the stamp is as good.
			if !seen[name] {
				expires = at.Add(grace)
			}
		default:
			return 0, expires, fmt.Errorf("%w: caveat %q is not known", postage.ErrBinding, c)
		}
		seen[name] = true
	}
	for _, name := range []string{"for", "value", "start", "end"} {
		if !seen[name] {
			return 0, expires, fmt.Errorf("%w: no caveat %q", postage.ErrBinding, name)
		}
	}
	return value, expires, nil
}
