package dkim

import (
	"encoding/base64"
	"errors"

	"github.com/mailbricks/mailbricks/internal/header"
)

// Value is a result keyword (RFC 8601 §2.7.1).
type Value string

// Results. A message without signatures has no Result at all; Authentication-Results says none then.
const (
	Pass      Value = "pass"      // signature and body verify
	Fail      Value = "fail"      // one of them does not, or the signature has expired
	Policy    Value = "policy"    // verifies, but is not accepted: l=, a key in testing mode
	Neutral   Value = "neutral"   // not looked at: over the limit, or an algorithm that is not supported
	TempError Value = "temperror" // the key could not be looked up
	PermError Value = "permerror" // the signature or its key is malformed, or there is no key
)

// Why a signature that is well-formed, with a key, is not accepted. They are found with errors.Is in Result.Err, beside
// ErrSignature and those of LookupKey.
var (
	ErrBodyHash  = errors.New("dkim: body has changed")
	ErrVerify    = errors.New("dkim: signature does not verify")
	ErrExpired   = errors.New("dkim: signature has expired")
	ErrFuture    = errors.New("dkim: signature is dated in the future")
	ErrPartial   = errors.New("dkim: signature covers a part of the body only (l=)")
	ErrTesting   = errors.New("dkim: key is in testing mode (t=y)")
	ErrAlgorithm = errors.New("dkim: algorithm is not accepted")
	ErrTooMany   = errors.New("dkim: too many signatures, this one was not checked")
)

// Check is the outcome of one of the two checks of a signature.
type Check uint8

// Outcomes.
const (
	Unchecked Check = iota
	Good
	Bad
)

// A Result is the verdict on one signature.
type Result struct {
	Value     Value
	Err       error // why, nil for pass
	Signature Signature
	// Body and Header tell the two checks apart: whether the body has its hash, and whether the signature over header
	// and body hash verifies.
	Body, Header Check
	// Added are the names in h=, in lower case, of which the message has more fields than the signature covers. RFC 6376
	// §8.15 lets that pass; who shows such a field must not show it as signed.
	Added   []string
	KeyBits int
	Testing bool // t=y
	Secure  bool // DNSSEC state of the key
	Steps   []Step
}

// A Step is one question of a verdict's trace.
type Step struct {
	Question string // "TXT sel._domainkey.example.com"
	Answer   string // the records, one a line, or the error
	Rule     string // what followed from it
}

// Reason returns why in one line, "" for pass.
func (r Result) Reason() string {
	if r.Err == nil {
		return ""
	}
	const prefix = "dkim: "
	s := r.Err.Error()
	if len(s) > len(prefix) && s[:len(prefix)] == prefix {
		s = s[len(prefix):]
	}
	return s
}

// AppendResult appends the verdict as a resinfo of Authentication-Results (RFC 8601 §2.2), without separator and
// without folding.
func (r Result) AppendResult(dst []byte) []byte {
	dst = append(append(dst, "dkim="...), r.Value...)
	switch {
	case r.Value == TempError: // what the resolver says may name our own servers
		dst = append(dst, ` reason="key look-up failed"`...)
	case r.Err != nil:
		dst = header.AppendValue(append(dst, " reason="...), r.Reason())
	}
	property := func(name, value string) {
		if value != "" {
			dst = header.AppendProperty(append(append(dst, " header."...), name...), value)
		}
	}
	property("d=", r.Signature.Domain)
	property("i=", r.Signature.Identity)
	property("s=", r.Signature.Selector)
	property("a=", string(r.Signature.Algorithm))
	if n := len(r.Signature.Signature); n > 0 { // RFC 6008: enough of b= to tell signatures apart
		property("b=", base64.StdEncoding.EncodeToString(r.Signature.Signature[:min(6, n)]))
	}
	return dst
}
