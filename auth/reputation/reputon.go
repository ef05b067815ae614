package reputation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// EmailID is the application whose subjects are the domains and addresses of mail (RFC 7073).
const EmailID = "email-id"

// Assertions of EmailID (RFC 7073 §3.1). A rating of 1 says that what is sent always is that, 0 that it never is.
const (
	Abusive          = "abusive"
	Fraud            = "fraud"
	InvalidRecipient = "invalid-recipients"
	Malware          = "malware"
	Spam             = "spam"
)

// A Reputon is what somebody says of a subject (RFC 7071 §3.1).
type Reputon struct {
	Rater     string  `json:"rater"`
	Assertion string  `json:"assertion"`
	Rated     string  `json:"rated"`
	Rating    float64 `json:"rating"` // 0 to 1
	// Confidence and NormalRating are 0 to 1; nil: not told.
	Confidence   *float64 `json:"confidence,omitzero"`
	NormalRating *float64 `json:"normal-rating,omitzero"`
	SampleSize   *uint64  `json:"sample-size,omitzero"`
	Generated    int64    `json:"generated,omitzero"` // Unix seconds, 0: not told
	Expires      int64    `json:"expires,omitzero"`   // Unix seconds, 0: not told
	// Identity is how the subject was used: "dkim", "spf", ... (RFC 7073 §3.2); "": not told.
	Identity string `json:"email-id-identity,omitzero"`
}

// Valid reports whether the reputon may be used at a time (RFC 7071 §5).
func (r Reputon) Valid(at time.Time) bool { return r.Expires == 0 || at.Unix() < r.Expires }

// Reputons is a reply: what is said in the context of one application (RFC 7071 §6).
type Reputons struct {
	Application string    `json:"application"`
	Reputons    []Reputon `json:"reputons"`
}

// MediaType is that of Reputons.
const MediaType = "application/reputon+json"

// Limits of a reply.
const (
	maxReply    = 1 << 20 // octets
	maxReputons = 1000
)

// ErrReputons says that a reply breaks the grammar; it is wrapped with the place.
var ErrReputons = errors.New("reputation: malformed reputons")

// ParseReputons parses a reply of up to 1 MiB. Empty reputons, which say that nothing is known, are left out; members that are not
// known are passed over. The error wraps ErrReputons.
func ParseReputons(b []byte) (Reputons, error) {
	bad := func(format string, args ...any) (Reputons, error) {
		return Reputons{}, fmt.Errorf("%w: "+format, append([]any{ErrReputons}, args...)...)
	}
	if len(b) > maxReply {
		return bad("longer than %d octets", maxReply)
	}
	whole, err := members(b)
	if err != nil {
		return bad("%w", err)
	}
	var out Reputons
	var list []json.RawMessage
	if whole["application"] == nil || whole["reputons"] == nil {
		return bad("no application or no reputons")
	}
	if err := errors.Join(json.Unmarshal(whole["application"], &out.Application), json.Unmarshal(whole["reputons"], &list)); err != nil {
		return bad("%w", err)
	}
	if len(list) > maxReputons {
		return bad("more than %d reputons", maxReputons)
	}
	for i, v := range list {
		m, err := members(v)
		if err != nil {
			return bad("reputon %d: %w", i, err)
		}
		if len(m) == 0 {
			continue
		}
		r, err := parseReputon(m)
		if err != nil {
			return bad("reputon %d: %w", i, err)
		}
		out.Reputons = append(out.Reputons, r)
	}
	return out, nil
}

func parseReputon(m map[string]json.RawMessage) (r Reputon, err error) {
	for _, f := range []struct {
		name string
		to   any
		must bool
	}{{"rater", &r.Rater, true}, {"assertion", &r.Assertion, true}, {"rated", &r.Rated, true}, {"rating", &r.Rating, true}, {"confidence", &r.Confidence, false},
		{"normal-rating", &r.NormalRating, false}, {"sample-size", &r.SampleSize, false}, {"generated", &r.Generated, false}, {"expires", &r.Expires, false},
		{"email-id-identity", &r.Identity, false}} {
		switch v := m[f.name]; {
		case v == nil && f.must:
			return r, fmt.Errorf("no %s", f.name)
		case v == nil:
		case string(v) == "null":
			return r, fmt.Errorf("%s is null", f.name)
		default:
			if err := json.Unmarshal(v, f.to); err != nil {
				return r, fmt.Errorf("%s: %w", f.name, err)
			}
		}
	}
	for _, n := range []*float64{&r.Rating, r.Confidence, r.NormalRating} {
		if n != nil && !(*n >= 0 && *n <= 1) {
			return r, fmt.Errorf("%v is not between 0 and 1", *n)
		}
	}
	if r.Generated < 0 || r.Expires < 0 {
		return r, errors.New("a time before 1970")
	}
	return r, nil
}

// members returns those of an object, in which each name stands once: others may read another one (RFC 7071 §6.2.2).
func members(b []byte) (map[string]json.RawMessage, error) {
	if !json.Valid(b) {
		return nil, errors.New("not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not an object")
	}
	out := make(map[string]json.RawMessage)
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("%.40q stands there twice", name)
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
		out[name] = v
	}
	return out, nil
}

// AppendJSON appends the reply.
func (r Reputons) AppendJSON(dst []byte) ([]byte, error) {
	if r.Reputons == nil {
		r.Reputons = []Reputon{}
	}
	b, err := json.Marshal(r)
	if err != nil {
		return dst, fmt.Errorf("reputation: %w", err)
	}
	return append(dst, b...), nil
}
