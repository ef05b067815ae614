package arc

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/mailbricks/mailbricks/internal/header"
)

// Value is the status of a chain (RFC 8617 §4.4).
type Value string

// Statuses. What cannot be looked up makes a chain fail for good (RFC 8617 §5.2.1).
const (
	None Value = "none" // there is no chain
	Pass Value = "pass"
	Fail Value = "fail"
)

// A Result is the verdict on a chain.
type Result struct {
	Value Value
	Err   error // why, nil for pass and none; an *Error
	// Sets are those of the chain, from the oldest; nil where they are not in order.
	Sets []Set
	// OldestPass is the instance of the oldest message signature that verifies, with all newer ones; 0: all do. It says
	// who changed the message last, and is told for a chain that passes.
	OldestPass int
	// RemoteIP is the host that the message came from, for the entry in Authentication-Results; whoever knows sets it.
	RemoteIP netip.Addr
	Secure   bool // all keys are secured by DNSSEC
	Steps    []Step
}

// A Step is one question of a verdict's trace.
type Step struct {
	Question string // "TXT sel._domainkey.example.com"
	Answer   string // what it is worth: "a key", or the error
	Rule     string // what followed from it
}

// Temporary reports whether a chain fails because DNS did not answer: asked again it might pass.
func (r *Result) Temporary() bool {
	_, ok := errors.AsType[*lookupError](r.Err)
	return ok
}

// A lookupError says that a key could not be looked up.
type lookupError struct{ err error }

func (e *lookupError) Error() string { return "key look-up: " + e.err.Error() }
func (e *lookupError) Unwrap() error { return e.err }

// Reason returns why in one line, "" for pass and none.
func (r *Result) Reason() string {
	if r.Err == nil {
		return ""
	}
	return strings.TrimPrefix(strings.ReplaceAll(r.Err.Error(), ": dkim: ", ": "), "arc: ")
}

// AppendResult appends the verdict as a resinfo of Authentication-Results (RFC 8617 §6, §10), without separator and
// without folding.
func (r *Result) AppendResult(dst []byte) []byte {
	dst = append(append(dst, "arc="...), r.Value...)
	switch {
	case r.Temporary(): // what the resolver says may name our own servers
		dst = append(dst, ` reason="key look-up failed"`...)
	case r.Err != nil:
		dst = header.AppendValue(append(dst, " reason="...), r.Reason())
	}
	if r.Value == Pass {
		dst = strconv.AppendInt(append(dst, " header.oldest-pass="...), int64(r.OldestPass), 10)
	}
	if r.Value != None && r.RemoteIP.IsValid() {
		dst = header.AppendProperty(append(dst, " smtp.remote-ip="...), r.RemoteIP.String())
	}
	return dst
}

// AppendComment appends what a DMARC aggregate report says where a chain has changed what was done with a message
// (RFC 8617 §7.2.2): "arc=pass as[2].d=d2.example as[2].s=s2 as[1].d=d1.example as[1].s=s1".
func (r *Result) AppendComment(dst []byte) []byte {
	dst = append(append(dst, "arc="...), r.Value...)
	for i := len(r.Sets); i > 0; i-- {
		s := r.Sets[i-1].Seal
		dst = fmt.Appendf(dst, " as[%d].d=%s as[%d].s=%s", i, s.Domain, i, s.Selector)
	}
	if r.RemoteIP.IsValid() {
		dst = fmt.Appendf(dst, " remote-ip[1]=%s", r.RemoteIP)
	}
	return dst
}
