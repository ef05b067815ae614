package arc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/internal/header"
)

// DefaultMaxKeys is how many different keys of a chain are looked up unless told otherwise.
const DefaultMaxKeys = 20

// A Verifier validates chains. It is used by several goroutines at once.
type Verifier struct {
	// Resolver looks up keys. SecureResolver, if not nil, is asked instead and tells the DNSSEC state.
	Resolver       dkim.Resolver
	SecureResolver dkim.SecureResolver
	// MaxKeys is how many different keys are looked up, those of the newest sets first; 0 is DefaultMaxKeys. A chain
	// whose seals need more fails.
	MaxKeys int
	// Now is the clock; nil is time.Now. Skew is how far t= and x= of the newest message signature may be off; 0 is five
	// minutes.
	Now  func() time.Time
	Skew time.Duration
	// AllowPartial accepts message signatures with l=, to which anything may have been added (RFC 6376 §8.2).
	AllowPartial bool
}

// A Validation is one message whose chain is being validated. Write takes the body; then Result tells. It is used by one
// goroutine.
type Validation struct {
	v      Verifier
	chain  *chain
	cancel context.CancelFunc
	wg     sync.WaitGroup
	keys   map[string]*key
	order  []string // names of keys in the order asked
	body   *dkim.Verification
	own    bool // body is ours to end
	header *dkim.Header
	same   []func() dkim.Check // nil: a message signature that does not count
	result *Result
}

type key struct {
	rec    dkim.Record
	secure bool
	err    error
}

func keyName(s *dkim.Signature) string { return s.Selector + "._domainkey." + s.Domain }

// Begin takes the header section of a message, with or without its empty line, and starts to look up keys once the
// chain is known to be complete and in order. ctx bounds the look-ups. shared is a verification of the same message's
// DKIM signatures before its first Write, which then hashes the body for both: it alone is written to, and Result is
// called after its Results. Without it Write takes the body. Close must be called in the end.
func (v Verifier) Begin(ctx context.Context, section []byte, shared *dkim.Verification) *Validation {
	if v.MaxKeys == 0 {
		v.MaxKeys = DefaultMaxKeys
	}
	if v.Skew == 0 {
		v.Skew = 5 * time.Minute
	}
	if v.Now == nil {
		v.Now = time.Now
	}
	ctx, cancel := context.WithCancel(ctx)
	c := &Validation{v: v, cancel: cancel, chain: &chain{}, keys: map[string]*key{}, body: shared}
	if sealed(section) {
		section = bytes.Clone(section) // it is read until Result
		c.chain = collect(section)
	}
	if c.own = shared == nil; c.own {
		c.body = dkim.Verifier{}.Begin(ctx, nil)
	}
	if c.result = c.early(); c.result != nil {
		return c
	}
	c.header, c.same = dkim.NewHeader(section), make([]func() dkim.Check, len(c.chain.sets))
	for i := len(c.chain.sets) - 1; i >= 0; i-- {
		s := &c.chain.sets[i]
		c.look(ctx, &s.Message, s.err == nil && i == len(c.chain.sets)-1)
		c.look(ctx, &s.Seal, true)
		if s.err == nil && (s.Message.Length < 0 || v.AllowPartial && i == len(c.chain.sets)-1) {
			c.same[i] = c.body.Share(&s.Message)
		}
	}
	for i := range c.chain.sets { // what is left of the look-ups is for the older message signatures
		c.look(ctx, &c.chain.sets[i].Message, c.same[i] != nil)
	}
	return c
}

// early returns the verdict that needs neither keys nor body, nil if there is none (RFC 8617 §5.2 steps 1 to 3).
func (c *Validation) early() *Result {
	n := len(c.chain.sets)
	switch {
	case c.chain.fields == 0:
		return &Result{Value: None}
	case n > 0 && c.chain.sets[n-1].CV == Fail:
		return &Result{Value: Fail, Err: &Error{n, ErrMarked}}
	case c.chain.err != nil:
		return &Result{Value: Fail, Err: c.chain.err}
	}
	newest := &c.chain.sets[n-1]
	if err := c.v.refuse(newest); err != nil {
		return &Result{Value: Fail, Err: &Error{n, fmt.Errorf("%w: %w", ErrMessage, err)}, Sets: c.chain.sets}
	}
	return nil
}

// refuse decides what is wrong with the newest message signature as it stands.
func (v Verifier) refuse(s *Set) error {
	sig, now := &s.Message, v.Now()
	switch {
	case s.err != nil:
		return s.err
	case sig.Algorithm != dkim.RSASHA256 && sig.Algorithm != dkim.Ed25519SHA256:
		return fmt.Errorf("%w: %.40q", dkim.ErrAlgorithm, sig.Algorithm)
	case slices.ContainsFunc(sig.Headers, func(h string) bool { return strings.EqualFold(h, SealName) }): // RFC 8617 §4.1.2
		return fmt.Errorf("%w: it covers %s", dkim.ErrSignature, SealName)
	case sig.Length >= 0 && !v.AllowPartial:
		return dkim.ErrPartial
	case !sig.Expires.IsZero() && now.After(sig.Expires.Add(v.Skew)):
		return dkim.ErrExpired
	case !sig.Time.IsZero() && sig.Time.After(now.Add(v.Skew)):
		return dkim.ErrFuture
	}
	return nil
}

// look starts to look up the key of a signature that counts, once.
func (c *Validation) look(ctx context.Context, s *dkim.Signature, counts bool) {
	name := keyName(s)
	if !counts || c.keys[name] != nil {
		return
	}
	k := &key{}
	c.keys[name] = k
	if len(c.order) == c.v.MaxKeys {
		k.err = fmt.Errorf("%w: %d", ErrKeys, c.v.MaxKeys)
		return
	}
	c.order = append(c.order, name)
	c.wg.Go(func() {
		k.rec, k.secure, k.err = dkim.LookupKey(ctx, c.v.Resolver, c.v.SecureResolver, s.Selector, s.Domain)
	})
}

// Write takes the next piece of the body, with CRLF line ends. It never fails. With a shared verification it does
// nothing.
func (c *Validation) Write(p []byte) (int, error) {
	if c.own {
		return c.body.Write(p)
	}
	return len(p), nil
}

// Close ends the key look-ups. After Result it does nothing.
func (c *Validation) Close() error {
	c.cancel()
	c.wg.Wait()
	if c.own {
		return c.body.Close()
	}
	return nil
}

// Result ends the body, waits for the keys and returns the verdict.
func (c *Validation) Result() *Result {
	c.wg.Wait()
	if c.own {
		c.body.Results()
	}
	c.cancel()
	if c.result == nil {
		c.result = c.decide()
	}
	return c.result
}

// decide is RFC 8617 §5.2 steps 4 to 7.
func (c *Validation) decide() *Result {
	sets := c.chain.sets
	r := &Result{Value: Fail, Sets: sets, Secure: true}
	for _, name := range c.order {
		k := c.keys[name]
		r.Secure = r.Secure && k.secure
		answer := "a key"
		if k.err != nil {
			answer = strings.TrimPrefix(k.err.Error(), "dkim: ")
		}
		r.Steps = append(r.Steps, Step{Question: "TXT " + name, Answer: answer})
	}
	rule := func(format string, args ...any) { r.Steps = append(r.Steps, Step{Rule: fmt.Sprintf(format, args...)}) }
	n := len(sets)
	if err := c.message(n - 1); err != nil {
		r.Err = &Error{n, fmt.Errorf("%w: %w", ErrMessage, err)}
		return r
	}
	rule("message signature i=%d of %s verifies", n, sets[n-1].Message.Domain)
	for i := n - 1; i > 0 && r.OldestPass == 0; i-- {
		if err := c.message(i - 1); err != nil {
			r.OldestPass = i + 1
			rule("message signature i=%d of %s does not: the message was changed after it", i, sets[i-1].Message.Domain)
		}
	}
	for i := n; i > 0; i-- {
		s := &sets[i-1]
		if err := c.verify(&s.Seal, sealSum(sets[:i])); err != nil {
			r.Err = &Error{i, fmt.Errorf("%w: %w", ErrSeal, err)}
			return r
		}
		rule("seal i=%d of %s verifies", i, s.Seal.Domain)
	}
	r.Value = Pass
	return r
}

// message checks a message signature, numbered from 0.
func (c *Validation) message(i int) error {
	if c.same[i] == nil {
		return dkim.ErrPartial
	}
	if c.same[i]() != dkim.Good {
		return dkim.ErrBodyHash
	}
	s := &c.chain.sets[i]
	sum, _ := c.header.Sum(&s.Message, s.raw[message])
	return c.verify(&s.Message, sum)
}

func (c *Validation) verify(s *dkim.Signature, sum [sha256.Size]byte) error {
	k := c.keys[keyName(s)]
	if k == nil {
		return ErrKeys
	}
	if k.err != nil {
		if !permanent(k.err) {
			return &lookupError{k.err}
		}
		return k.err
	}
	return k.rec.Verify(s, sum[:])
}

// permanent reports whether a look-up ended with an answer.
func permanent(err error) bool {
	return slices.ContainsFunc([]error{dkim.ErrNoKey, dkim.ErrKey, dkim.ErrRevoked, dkim.ErrKeyTooSmall, dkim.ErrKeyTooBig, ErrKeys},
		func(e error) bool { return errors.Is(err, e) })
}

// sealSum returns the hash that the seal of the last set signs (RFC 8617 §5.1.1).
func sealSum(sets []Set) (sum [sha256.Size]byte) {
	h := sha256.New()
	var buf []byte
	for i, s := range sets {
		for kind, raw := range s.raw {
			if kind == seal && i == len(sets)-1 {
				buf = dkim.Relaxed.AppendUnsigned(buf[:0], raw)
			} else {
				buf = dkim.Relaxed.AppendField(buf[:0], raw)
			}
			h.Write(buf)
		}
	}
	h.Sum(sum[:0])
	return sum
}

// Verify validates the chain of a whole message. Lines of r end with CRLF; for a message with LF alone, as in a file,
// put a dkim.NewCRLFReader in front. The error is r's, or for a header section over 1 MiB.
func (v Verifier) Verify(ctx context.Context, r io.Reader) (*Result, error) {
	section, body, err := header.Split(r)
	if err != nil {
		return nil, fmt.Errorf("arc: read: %w", err)
	}
	c := v.Begin(ctx, section, nil)
	defer c.Close()
	if _, err := body.WriteTo(c); err != nil {
		return nil, fmt.Errorf("arc: read: %w", err)
	}
	return c.Result(), nil
}
