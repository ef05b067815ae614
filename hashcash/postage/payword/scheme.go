package payword

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
)

// Scheme is the postage.Scheme "payword", of either side. The price is in the broker's unit, at most the value of one
// word: a letter takes one word. What a stamp is bound to is told by the Demand alone.
type Scheme struct {
	// Price is what is quoted; 0 is 1.
	Price int

	// Payer is the sender's domain, which Key signs for. Without them Pay is not possible.
	Payer string
	Key   ed25519.PrivateKey
	// Value is that of one word; 0 is 1. It is the most that is paid for a letter.
	Value int
	// Words is how many a new chain has, 1 to MaxWords; 0 is 1000. Value times Words is the most that is owed a domain for
	// one chain.
	Words int
	// Epoch is how long a new chain is good; 0 is 28 days.
	Epoch time.Duration
	// Open brings a commitment and the key of the tags to the payee's domain, over a channel that nobody else reads; there
	// it goes to Accept. Pay calls it for the first letter to a domain, and when a chain is used up.
	Open func(ctx context.Context, payee string, commitment []byte, tagKey [32]byte) error

	// Payers returns the public key of a sender's domain; an error refuses it. It is required to accept.
	Payers func(ctx context.Context, payer string) (ed25519.PublicKey, error)
	// Ledger keeps the chains that were accepted. It is required to accept and to verify.
	Ledger Ledger
	// Spent remembers the numbers of words. It is required to verify.
	Spent hashcash.SpentStore
	// Grace is the skew of clocks that is allowed on both ends of a chain's epoch; 0 is 2 days.
	Grace time.Duration

	// Rand gives chains and keys; nil is crypto/rand.
	Rand io.Reader
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	mu     sync.Mutex
	chains map[string]*spending // by payee
}

// A spending is a chain of the sender's.
type spending struct {
	Chain
	words []Word // w0 and on; Number of them after it are revealed
}

const (
	schemeName = "payword"
	version    = "pw1"
	tagSize    = 16
	maxChains  = 10_000 // of a sender; any one is forgotten beyond
)

// code is strict: of two spellings of one stamp, one would be another.
var code = base64.RawURLEncoding.Strict()

// Name implements postage.Scheme.
func (s *Scheme) Name() string { return schemeName }

// Quote implements postage.Scheme.
func (s *Scheme) Quote(_ context.Context, b postage.Binding) (postage.Demand, error) {
	d := postage.Demand{Binding: b, Scheme: schemeName, Price: max(1, s.Price)}
	_, err := payee(d)
	return d, err
}

// payee checks a demand and returns the domain of its recipient.
func payee(d postage.Demand) (string, error) {
	if err := d.Check(schemeName); err != nil {
		return "", err
	}
	domain := strings.ToLower(d.Recipient[strings.LastIndexByte(d.Recipient, '@')+1:])
	if d.Price < 1 || d.Params != "" || domain == "" || len(domain) > maxName {
		return "", fmt.Errorf("%w: price %d, parameters %q, domain %q", postage.ErrDemand, d.Price, d.Params, domain)
	}
	return domain, nil
}

func (s *Scheme) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// Pay implements postage.Scheme. An error of Open is returned as it is.
func (s *Scheme) Pay(ctx context.Context, d postage.Demand) (string, error) {
	domain, err := payee(d)
	if err != nil {
		return "", err
	}
	if value := max(1, s.Value); d.Price > value || s.Open == nil {
		return "", fmt.Errorf("%w: price %d, a word is worth %d", postage.ErrDear, d.Price, value)
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.chains[domain]
	if c == nil || c.Number == c.Commitment.Words || !s.now().Before(c.Commitment.End) {
		if c, err = s.begin(ctx, domain); err != nil {
			return "", err
		}
	}
	c.Number++
	word, id := c.words[c.Number], c.Commitment.ID()
	tag := tagOf(c.Key, c.Number, d.Binding)
	return strings.Join([]string{version, code.EncodeToString(id[:]), strconv.Itoa(c.Number), code.EncodeToString(word[:]), code.EncodeToString(tag)}, ":"), nil
}

// begin opens a new chain.
func (s *Scheme) begin(ctx context.Context, domain string) (*spending, error) {
	source := s.Rand
	if source == nil {
		source = rand.Reader
	}
	n := s.Words
	if n == 0 {
		n = 1000
	}
	if n < 1 || n > MaxWords || len(s.Key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("%w: %d words, a key of %d octets", ErrSyntax, n, len(s.Key))
	}
	epoch := s.Epoch
	if epoch == 0 {
		epoch = 28 * 24 * time.Hour
	}
	c := &spending{words: make([]Word, n+1)}
	if _, err := io.ReadFull(source, c.words[n][:]); err != nil {
		return nil, fmt.Errorf("payword: chain: %w", err)
	}
	if _, err := io.ReadFull(source, c.Key[:]); err != nil {
		return nil, fmt.Errorf("payword: key of tags: %w", err)
	}
	for i := n; i > 0; i-- {
		c.words[i-1] = c.words[i].back(1)
	}
	now := s.now()
	var err error
	c.Commitment, err = sign(Commitment{Payer: strings.ToLower(s.Payer), Payee: domain, Value: max(1, s.Value), Words: n, Start: now, End: now.Add(epoch), Root: c.words[0]}, s.Key)
	if err != nil {
		return nil, err
	}
	if err := s.Open(ctx, domain, c.Commitment.Append(nil), c.Key); err != nil {
		return nil, err
	}
	if s.chains == nil {
		s.chains = make(map[string]*spending)
	}
	for old := range s.chains { // what is left of a chain that is forgotten is not owed
		if len(s.chains) < maxChains {
			break
		}
		delete(s.chains, old)
	}
	s.chains[domain] = c
	return c, nil
}

// Accept takes a new chain: signed by its payer, for payee, one of the domains that mail is taken for. The error wraps
// ErrSyntax, ErrSignature, ErrChain, or hashcash.ErrStore, which is temporary.
func (s *Scheme) Accept(ctx context.Context, payee string, commitment []byte, tagKey [32]byte) error {
	c, err := ParseCommitment(commitment)
	if err != nil {
		return err
	}
	if !strings.EqualFold(c.Payee, payee) || s.now().After(c.End) || s.Payers == nil {
		return fmt.Errorf("%w: of %q for %q until %s", ErrChain, c.Payer, c.Payee, c.End)
	}
	public, err := s.Payers(ctx, c.Payer)
	if err != nil {
		return fmt.Errorf("%w: key of %q: %w", ErrChain, c.Payer, err)
	}
	if err := c.Verify(public); err != nil {
		return err
	}
	if s.Ledger == nil {
		return fmt.Errorf("%w: no ledger is configured", hashcash.ErrStore)
	}
	if err := s.Ledger.Open(ctx, Chain{Commitment: c, Key: tagKey, Word: c.Root}); err != nil {
		return fmt.Errorf("%w: %w", hashcash.ErrStore, err)
	}
	return nil
}

// tagOf binds a word to a letter.
func tagOf(key [32]byte, number int, b postage.Binding) []byte {
	h := hmac.New(sha256.New, key[:])
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(number)))
	for _, part := range []string{strings.ToLower(b.Recipient), strings.ToLower(b.Sender), string(b.Digest[:])} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		io.WriteString(h, part)
	}
	return h.Sum(nil)[:tagSize]
}

// A stamp is what Pay returns.
type stamp struct {
	id     ID
	number int
	word   Word
	tag    []byte
}

// parse reads a stamp. The error wraps hashcash.ErrSyntax.
func parse(text string) (s stamp, err error) {
	f := strings.SplitN(text, ":", 6)
	if len(text) > hashcash.MaxLength || len(f) != 5 || f[0] != version {
		return s, fmt.Errorf("%w: not five fields, the first of them %s", hashcash.ErrSyntax, version)
	}
	s.number, err = strconv.Atoi(f[2])
	if err != nil || strconv.Itoa(s.number) != f[2] || s.number < 1 || s.number > MaxWords {
		return s, fmt.Errorf("%w: number %q", hashcash.ErrSyntax, f[2])
	}
	s.tag = make([]byte, tagSize)
	for i, dst := range map[int][]byte{1: s.id[:], 3: s.word[:], 4: s.tag} {
		b, err := code.DecodeString(f[i])
		if err != nil || len(b) != len(dst) || len(f[i]) != code.EncodedLen(len(dst)) {
			return s, fmt.Errorf("%w: field %d is not %d octets in base64url", hashcash.ErrSyntax, i+1, len(dst))
		}
		copy(dst, b)
	}
	return s, nil
}

// Verify implements postage.Scheme. A chain that is not known, or a word that is not of it, is hashcash.ErrBits, which
// wraps ErrChain or ErrWord.
func (s *Scheme) Verify(ctx context.Context, d postage.Demand, text string) (postage.Value, error) {
	domain, err := payee(d)
	if err != nil {
		return postage.Value{}, err
	}
	p, err := parse(text)
	if err != nil {
		return postage.Value{}, err
	}
	if s.Ledger == nil || s.Spent == nil {
		return postage.Value{}, fmt.Errorf("%w: none is configured", hashcash.ErrStore)
	}
	c, ok, err := s.Ledger.Chain(ctx, p.id)
	if err != nil {
		return postage.Value{}, fmt.Errorf("%w: %w", hashcash.ErrStore, err)
	}
	if !ok {
		return postage.Value{}, fmt.Errorf("%w: %w", hashcash.ErrBits, ErrChain)
	}
	expires, err := s.valid(c, d, domain, p)
	if err != nil {
		return postage.Value{}, err
	}
	value := postage.Value{Amount: c.Commitment.Value, Unit: "units owed by " + c.Commitment.Payer, Bound: d.Binding}
	if d.Probe {
		return value, nil
	}
	first, err := s.Spent.Spend(ctx, fmt.Sprintf("%s:%s:%d", version, code.EncodeToString(p.id[:]), p.number), expires)
	if err == nil && first {
		err = s.Ledger.Advance(ctx, p.id, p.number, p.word)
	}
	switch {
	case err != nil:
		return postage.Value{}, fmt.Errorf("%w: %w", hashcash.ErrStore, err)
	case !first:
		return postage.Value{}, hashcash.ErrSpent
	}
	return value, nil
}

// valid checks a stamp of a chain, the hashes last: only who knows the key of the tags can make us count.
func (s *Scheme) valid(c Chain, d postage.Demand, domain string, p stamp) (expires time.Time, err error) {
	grace := s.Grace
	if grace == 0 {
		grace = 2 * 24 * time.Hour
	}
	expires = c.Commitment.End.Add(grace)
	switch now := s.now(); {
	case now.After(expires):
		return expires, fmt.Errorf("%w: chain until %s", hashcash.ErrExpired, c.Commitment.End.Format(time.DateOnly))
	case now.Before(c.Commitment.Start.Add(-grace)):
		return expires, fmt.Errorf("%w: chain of %s", hashcash.ErrFuture, c.Commitment.Start.Format(time.DateOnly))
	case c.Commitment.Payee != domain:
		return expires, fmt.Errorf("%w: chain is for %q", hashcash.ErrResource, c.Commitment.Payee)
	case c.Commitment.Value < d.Price:
		return expires, fmt.Errorf("%w: a word is worth %d, the price is %d", hashcash.ErrBits, c.Commitment.Value, d.Price)
	case p.number > c.Commitment.Words:
		return expires, fmt.Errorf("%w: %w: number %d of %d", hashcash.ErrBits, ErrWord, p.number, c.Commitment.Words)
	case !hmac.Equal(p.tag, tagOf(c.Key, p.number, d.Binding)):
		return expires, fmt.Errorf("%w: the tag", postage.ErrBinding)
	}
	below, above := c.Word, p.word // the higher one leads to the lower
	n := p.number - c.Number
	if n < 0 {
		below, above, n = above, below, -n
	}
	if above.back(n) != below {
		return expires, fmt.Errorf("%w: %w", hashcash.ErrBits, ErrWord)
	}
	return expires, nil
}
