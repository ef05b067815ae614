package dkim

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/internal/header"
)

// DefaultMaxSignatures is how many signatures of a message are checked unless told otherwise.
const DefaultMaxSignatures = 8

// A Verifier verifies messages. It is used by several goroutines at once.
type Verifier struct {
	// Resolver looks up keys. SecureResolver, if not nil, is asked instead and tells the DNSSEC state.
	Resolver       Resolver
	SecureResolver SecureResolver
	// MaxSignatures is how many signatures are checked, the lowest ones in the header, which are the oldest; 0 is
	// DefaultMaxSignatures. The others get Neutral with ErrTooMany.
	MaxSignatures int
	// Now is the clock; nil is time.Now. Skew is how far t= and x= may be off; 0 is five minutes.
	Now  func() time.Time
	Skew time.Duration
	// AllowPartial accepts signatures with l=, to which anything may have been added (RFC 6376 §8.2).
	AllowPartial bool
	// AllowTesting accepts keys in testing mode, which RFC 6376 §3.6.1 wants treated as if there were no signature.
	AllowTesting bool
}

// A Verification is one message being verified. Write takes the body; then Results tells. It is used by one goroutine.
type Verification struct {
	v       Verifier
	extra   int // signatures beyond the limit, above those that are checked
	checks  []check
	hashes  []*sharedHash
	lookups []*keyLookup
	mine    *keyLookup // if not nil, Results does this one itself, with ctx

	ctx    context.Context
	cancel context.CancelFunc // of the look-ups that run beside the body; nil: there are none
	wg     sync.WaitGroup     // of these
}

// A check is one signature being checked.
type check struct {
	res   Result
	field int               // which one of the header
	sum   [sha256.Size]byte // of the header fields
	body  *sharedHash
	key   *keyLookup // nil: decided already
}

type keyLookup struct {
	question string // "TXT " and the name
	txts     []string
	secure   bool
	err      error
}

func (l *keyLookup) ask(ctx context.Context, r Resolver, sr SecureResolver) {
	l.txts, l.secure, l.err = lookupTXT(ctx, r, sr, strings.TrimPrefix(l.question, "TXT "))
}

// A sharedHash is the hash of a body for all signatures with the same canonicalisation and length.
type sharedHash struct {
	canon  Canonicalization
	length int64
	BodyHash
	sum []byte
}

// Begin takes the header section of a message, with or without its empty line, and starts to look up keys. ctx bounds
// the look-ups. Close must be called in the end.
func (v Verifier) Begin(ctx context.Context, headerSection []byte) *Verification {
	return v.begin(ctx, headerSection, false)
}

// begin is Begin. Where the body is at hand already, nothing is won by asking for the first key beside it: that is left
// to Results, and a goroutine is saved.
func (v Verifier) begin(ctx context.Context, headerSection []byte, atHand bool) *Verification {
	if v.MaxSignatures == 0 {
		v.MaxSignatures = DefaultMaxSignatures
	}
	if v.Skew == 0 {
		v.Skew = 5 * time.Minute
	}
	if v.Now == nil {
		v.Now = time.Now
	}
	c := &Verification{v: v, ctx: ctx}
	index := newFieldIndex(headerSection)
	signatures := index.count("DKIM-Signature")
	if signatures == 0 {
		return c
	}
	c.extra = max(0, signatures-v.MaxSignatures)
	c.checks = make([]check, signatures-c.extra)
	for at, k := index.find("DKIM-Signature"), len(c.checks)-1; k >= 0; at, k = index.above[at], k-1 {
		c.checks[k].field = int(at)
	}
	for i := range c.checks {
		c.start(&c.checks[i], index, atHand)
	}
	return c
}

// start does what can be done before the body, and has the key looked up.
func (c *Verification) start(k *check, index *fieldIndex, atHand bool) {
	var err error
	if k.res.Signature, err = ParseSignature(index.value(k.field)); err != nil {
		k.end(PermError, err)
		return
	}
	if c.v.refuse(k) {
		return
	}
	sig := &k.res.Signature
	k.sum, k.res.Added = index.hash(sig, k.field, sig.HeaderCanon.AppendUnsigned(nil, index.raw(k.field)))
	k.body = c.bodyHash(sig.BodyCanon, sig.Length)
	question := "TXT " + keyName(sig.Selector, sig.Domain)
	for _, l := range c.lookups {
		if l.question == question {
			k.key = l
			return
		}
	}
	k.key = &keyLookup{question: question}
	c.lookups = append(c.lookups, k.key)
	if atHand && c.mine == nil {
		c.mine = k.key
		return
	}
	if c.cancel == nil {
		c.ctx, c.cancel = context.WithCancel(c.ctx)
	}
	ctx, l := c.ctx, k.key
	c.wg.Go(func() { l.ask(ctx, c.v.Resolver, c.v.SecureResolver) })
}

func (k *check) end(v Value, err error) { k.res.Value, k.res.Err = v, err }

// refuse decides what needs neither key nor body.
func (v Verifier) refuse(k *check) bool {
	sig, now := k.res.Signature, v.Now()
	switch {
	case sig.Algorithm != RSASHA256 && sig.Algorithm != Ed25519SHA256: // rsa-sha1 too: RFC 8301 §3.1
		k.end(PermError, fmt.Errorf("%w: %.40q", ErrAlgorithm, sig.Algorithm))
	case len(sig.BodyHash) != sha256.Size:
		k.end(PermError, errSignature("bh= of %d octets", len(sig.BodyHash)))
	case !sig.Expires.IsZero() && now.After(sig.Expires.Add(v.Skew)):
		k.end(Fail, ErrExpired)
	case !sig.Time.IsZero() && sig.Time.After(now.Add(v.Skew)):
		k.end(Fail, ErrFuture)
	default:
		return false
	}
	return true
}

func (c *Verification) bodyHash(canon Canonicalization, length int64) *sharedHash {
	for _, h := range c.hashes {
		if h.canon == canon && h.length == length {
			return h
		}
	}
	h := &sharedHash{canon: canon, length: length}
	h.init(canon, sha256.New(), length)
	c.hashes = append(c.hashes, h)
	return h
}

// Write takes the next piece of the body, with CRLF line ends. It never fails.
func (c *Verification) Write(p []byte) (int, error) {
	for _, h := range c.hashes {
		h.BodyHash.Write(p)
	}
	return len(p), nil
}

// Close ends the key look-ups. After Results it does nothing.
func (c *Verification) Close() error {
	if c.cancel != nil {
		c.cancel()
	}
	c.wg.Wait()
	return nil
}

// Results ends the body, waits for the keys, and returns one Result a signature, from the top of the header down.
func (c *Verification) Results() []Result {
	if c.mine != nil {
		c.mine.ask(c.ctx, c.v.Resolver, c.v.SecureResolver)
		c.mine = nil
	}
	c.wg.Wait()
	_ = c.Close() // never an error
	for _, h := range c.hashes {
		if h.sum == nil {
			h.sum = h.Sum()
		}
	}
	out := make([]Result, c.extra, c.extra+len(c.checks))
	for i := range out {
		out[i].Value, out[i].Err = Neutral, ErrTooMany
	}
	for i := range c.checks {
		k := &c.checks[i]
		if k.key != nil {
			c.finish(k)
		}
		out = append(out, k.res)
	}
	return out
}

// finish decides with key and body, and writes the trace.
func (c *Verification) finish(k *check) {
	k.res.Secure = k.key.secure
	k.res.Body = k.body.check(&k.res.Signature)
	step := Step{Question: k.key.question}
	if err := k.key.err; err != nil {
		step.Answer = strings.TrimPrefix(err.Error(), "dkim: ")
	} else {
		step.Answer = strings.Join(k.key.txts, "\n")
	}
	k.end(c.decide(k))
	if step.Rule = string(k.res.Value); k.res.Err != nil {
		step.Rule += ": " + k.res.Reason()
	}
	k.res.Steps = append(k.res.Steps, step)
	k.key = nil
}

// decide returns the verdict on a signature whose body is hashed and whose key has been asked for.
func (c *Verification) decide(k *check) (Value, error) {
	sig := &k.res.Signature
	rec, err := k.key.record()
	switch {
	case err != nil && permanent(err):
		return PermError, err
	case err != nil:
		return TempError, fmt.Errorf("dkim: key look-up: %w", err)
	}
	k.res.Testing = rec.Testing
	if err := rec.suits(sig); err != nil {
		return PermError, err
	}
	switch pub := rec.Key.(type) {
	case *rsa.PublicKey:
		k.res.KeyBits = pub.N.BitLen()
	case ed25519.PublicKey:
		k.res.KeyBits = 8 * len(pub)
	}
	k.res.Header = verdict(rec.verify(sig, k.sum[:]))
	switch {
	case k.res.Body == Bad:
		return Fail, ErrBodyHash
	case k.res.Header == Bad:
		return Fail, ErrVerify
	case sig.Length >= 0 && !c.v.AllowPartial:
		return Policy, ErrPartial
	case rec.Testing && !c.v.AllowTesting:
		return Policy, ErrTesting
	}
	return Pass, nil
}

func verdict(good bool) Check {
	if good {
		return Good
	}
	return Bad
}

// permanent reports whether a look-up ended with an answer.
func permanent(err error) bool {
	return slices.ContainsFunc([]error{ErrNoKey, ErrKey, ErrRevoked, ErrKeyTooSmall, ErrKeyTooBig}, func(e error) bool { return errors.Is(err, e) })
}

// suits checks that a key is for this signature (RFC 6376 §3.6.1, §6.1.2).
func (r Record) suits(s *Signature) error {
	switch r.Key.(type) {
	case *rsa.PublicKey:
		if s.Algorithm != RSASHA256 {
			return fmt.Errorf("%w: RSA key for %s", ErrUnsuitable, s.Algorithm)
		}
	case ed25519.PublicKey:
		if s.Algorithm != Ed25519SHA256 {
			return fmt.Errorf("%w: Ed25519 key for %s", ErrUnsuitable, s.Algorithm)
		}
	}
	if r.Hashes != nil && !slices.Contains(r.Hashes, "sha256") {
		return fmt.Errorf("%w: h=%s", ErrUnsuitable, strings.Join(r.Hashes, ":"))
	}
	if r.Services != nil && !slices.Contains(r.Services, "email") && !slices.Contains(r.Services, "*") {
		return fmt.Errorf("%w: s=%s", ErrUnsuitable, strings.Join(r.Services, ":"))
	}
	if r.Strict && s.Identity != "" && !strings.EqualFold(s.Identity[strings.LastIndexByte(s.Identity, '@')+1:], s.Domain) {
		return fmt.Errorf("%w: t=s, and i= is below d=", ErrUnsuitable)
	}
	return nil
}

// withCRLF returns a field with CRLF line ends.
func withCRLF(raw []byte) []byte {
	if bytes.Count(raw, []byte("\n")) == bytes.Count(raw, []byte("\r\n")) && bytes.HasSuffix(raw, []byte("\n")) {
		return raw
	}
	raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	return append(bytes.ReplaceAll(bytes.TrimSuffix(raw, []byte("\n")), []byte("\n"), []byte("\r\n")), "\r\n"...)
}

// Verify verifies a whole message: one Result a signature, none for a message without. Lines of r end with CRLF; for
// a message with LF alone, as in a file, put a CRLFReader in front. The error is r's, or for a header section over 1 MiB.
func (v Verifier) Verify(ctx context.Context, r io.Reader) ([]Result, error) {
	section, body, err := header.Split(r)
	if err != nil {
		return nil, fmt.Errorf("dkim: read: %w", err)
	}
	c := v.begin(ctx, section, body.AtHand())
	defer c.Close()
	if _, err := body.WriteTo(c); err != nil {
		return nil, fmt.Errorf("dkim: read: %w", err)
	}
	return c.Results(), nil
}
