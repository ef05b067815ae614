package webpush

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// An Urgency is how much a message matters to a device that would rather sleep (RFC 8030 §5.3).
type Urgency string

// The urgencies; "" is Normal.
const (
	VeryLow Urgency = "very-low"
	Low     Urgency = "low"
	Normal  Urgency = "normal"
	High    Urgency = "high"
)

// A Message is what is handed to a push service.
type Message struct {
	Body        []byte
	Encrypted   bool   // Body is what Keys.Encrypt returned
	ContentType string // "" says nothing
	// TTL is how long the service is to keep the message for a device that is away, in whole seconds.
	TTL     time.Duration
	Urgency Urgency
	// Topic lets the message replace the one that waits with the same Topic: at most 32 characters of URL-safe base64.
	Topic string
}

// A Refusal is the answer of a push service that does not take a message.
type Refusal struct {
	Status     int
	RetryAfter time.Duration // 0: not said
}

func (e *Refusal) Error() string {
	return fmt.Sprintf("webpush: the push service answers %d %s", e.Status, http.StatusText(e.Status))
}

// Gone reports whether the subscription is no more: nothing is to be sent there again.
func (e *Refusal) Gone() bool { return e.Status == http.StatusNotFound || e.Status == http.StatusGone }

// TooLarge reports whether the message was too long for the service.
func (e *Refusal) TooLarge() bool { return e.Status == http.StatusRequestEntityTooLarge }

// Retry reports whether the same message may be taken later.
func (e *Refusal) Retry() bool {
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout || e.Status >= 500
}

// A Sender hands messages to push services. Redirections are not followed.
type Sender struct {
	// Transport makes the request; required. It should refuse private addresses when it dials.
	Transport http.RoundTripper
	// Signer tells who sends; nil tells nobody.
	Signer *Signer
	// Now is nil for the system's clock.
	Now func() time.Time
}

// An AddressError says why no message is sent to a URL.
type AddressError struct{ Reason string }

func (e *AddressError) Error() string { return "webpush: push URL: " + e.Reason }

// MaxURL is the length of the longest URL in octets.
const MaxURL = 2048

// ParseURL reads the URL of a push resource: https, with a host, without a user and a fragment. The error is an
// *AddressError.
func ParseURL(s string) (*url.URL, error) {
	if len(s) > MaxURL {
		return nil, &AddressError{"too long"}
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, &AddressError{"malformed"}
	case u.Scheme != "https":
		return nil, &AddressError{"not https"}
	case u.Hostname() == "" || u.Opaque != "":
		return nil, &AddressError{"no host"}
	case u.User != nil || u.Fragment != "":
		return nil, &AddressError{"has a user or a fragment"}
	}
	return u, nil
}

// origin returns the origin of a URL (RFC 6454 §6.2): without the port where it is the scheme's.
func origin(u *url.URL) string {
	return "https://" + strings.TrimSuffix(strings.ToLower(u.Host), ":443")
}

// maxReply is how much of an answer is read.
const maxReply = 4 << 10

var errTopic = errors.New("webpush: a Topic is at most 32 characters of URL-safe base64")

// Send sends one message. The error is a *Refusal where the push service answered.
func (s *Sender) Send(ctx context.Context, address string, m *Message) error {
	u, err := ParseURL(address)
	if err != nil {
		return err
	}
	if !validTopic(m.Topic) {
		return errTopic
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(m.Body))
	if err != nil {
		return &AddressError{"malformed"}
	}
	h := r.Header
	h.Set("TTL", strconv.FormatInt(min(max(int64(m.TTL/time.Second), 0), 1<<31), 10))
	for name, value := range map[string]string{"Content-Type": m.ContentType, "Urgency": string(m.Urgency), "Topic": m.Topic} {
		if value != "" {
			h.Set(name, value)
		}
	}
	if m.Encrypted {
		h.Set("Content-Encoding", "aes128gcm")
	}
	if s.Signer != nil {
		a, err := s.Signer.Authorization(origin(u))
		if err != nil {
			return err
		}
		h.Set("Authorization", a)
	}
	resp, err := s.Transport.RoundTrip(r)
	if err != nil {
		return fmt.Errorf("webpush: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxReply) // so that the connection can be used again
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return &Refusal{resp.StatusCode, s.retryAfter(resp.Header.Get("Retry-After"))}
}

// maxRetryAfter is the longest wait that a service may ask for.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads seconds or a date (RFC 9110 §10.2.3).
func (s *Sender) retryAfter(v string) time.Duration {
	if n, err := strconv.ParseUint(v, 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	now := time.Now()
	if s.Now != nil {
		now = s.Now()
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

func validTopic(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return len(s) <= 32
}
