package mtasts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/internal/netguard"
)

// ErrNone says that a domain has no policy.
var ErrNone = errors.New("mtasts: no policy")

// A FetchError says why a policy that a record announces could not be had.
type FetchError struct {
	Domain string
	Reason string // "status 301", "media type", "record", "connect", ...
	Err    error
}

// Error names the domain, the reason and the cause.
func (e *FetchError) Error() string {
	s := "mtasts: policy of " + e.Domain + ": " + e.Reason
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *FetchError) Unwrap() error { return e.Err }

// Resolver is what a Fetcher asks of DNS; *net.Resolver is one.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// A Cached is a policy as kept by a Cache.
type Cached struct {
	Policy  Policy
	ID      string    // of the record that announced it
	Fetched time.Time // it lives until Fetched plus Policy.MaxAge
	Retry   time.Time // before that, a failed fetch of FailedID is not repeated
	// FailedID is the record's ID that Retry is about.
	FailedID string
}

// A Cache keeps policies by domain. It is used by several goroutines at once.
type Cache interface {
	Get(ctx context.Context, domain string) (Cached, bool, error)
	Put(ctx context.Context, domain string, c Cached) error
}

// A Fetcher finds the policy of a domain.
type Fetcher struct {
	Resolver Resolver
	// Transport makes the HTTPS request; nil is NewTransport(). Redirects are not followed and nothing is cached in
	// it, whatever it is.
	Transport http.RoundTripper
	// Cache keeps policies; nil fetches each time.
	Cache Cache
	// Timeout bounds one fetch; 0 is one minute (RFC 8461 §3.3).
	Timeout time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// retryAfter is how long a failed fetch is not repeated (RFC 8461 §3.3).
const retryAfter = 5 * time.Minute

// NewTransport returns a transport that dials public addresses alone, those within allow excepted, so that a policy
// host's name leads nobody into their own network. It keeps no connections.
func NewTransport(allow ...netip.Prefix) *http.Transport {
	d := &net.Dialer{Timeout: 30 * time.Second, Control: netguard.Guard{Allow: allow}.Control}
	return &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true, TLSHandshakeTimeout: 30 * time.Second, MaxResponseHeaderBytes: MaxPolicy}
}

// Fetch returns the policy in force for a domain, in A-labels: a cached one that the record still announces, a new
// one, or a cached one that has not expired although record or policy cannot be had (RFC 8461 §3.3). ErrNone: there is
// no policy, deliver without. *FetchError: a record announces a policy, none can be had, and none is cached: deliver
// without (RFC 8461 §3.3). Another error is the Cache's.
func (f Fetcher) Fetch(ctx context.Context, domain string) (Policy, error) {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	if f.Now == nil {
		f.Now = time.Now
	}
	var old Cached
	var have bool
	if f.Cache != nil {
		var err error
		if old, have, err = f.Cache.Get(ctx, domain); err != nil {
			return Policy{}, fmt.Errorf("mtasts: cache: %w", err)
		}
	}
	now := f.Now()
	live := have && old.ID != "" && now.Before(old.Fetched.Add(old.Policy.MaxAge))
	policy, id, err := f.current(ctx, domain, old, live, now)
	switch {
	case err == nil && f.Cache != nil && !(live && id == old.ID):
		err = f.Cache.Put(ctx, domain, Cached{Policy: policy, ID: id, Fetched: now})
	case err != nil && id != "" && f.Cache != nil && (id != old.FailedID || !now.Before(old.Retry)):
		old.FailedID, old.Retry = id, now.Add(retryAfter)
		if e := f.Cache.Put(ctx, domain, old); e != nil {
			return Policy{}, fmt.Errorf("mtasts: cache: %w", e)
		}
	}
	if err != nil && live {
		return old.Policy, nil
	}
	return policy, err
}

// current returns the policy that the record announces, with the record's ID if there is one.
func (f Fetcher) current(ctx context.Context, domain string, old Cached, live bool, now time.Time) (Policy, string, error) {
	r, err := f.record(ctx, domain)
	if err != nil {
		return Policy{}, "", err
	}
	if live && r.ID == old.ID {
		return old.Policy, r.ID, nil
	}
	if r.ID == old.FailedID && now.Before(old.Retry) {
		return Policy{}, r.ID, &FetchError{Domain: domain, Reason: "failed less than five minutes ago"}
	}
	p, err := f.get(ctx, domain)
	return p, r.ID, err
}

// record looks up the one record of a domain (RFC 8461 §3.1).
func (f Fetcher) record(ctx context.Context, domain string) (Record, error) {
	txts, err := f.Resolver.LookupTXT(ctx, "_mta-sts."+domain)
	if err != nil {
		if d, ok := errors.AsType[*net.DNSError](err); ok && d.IsNotFound {
			return Record{}, ErrNone
		}
		return Record{}, &FetchError{domain, "record", err}
	}
	var found []string
	for _, txt := range txts {
		if rest, ok := strings.CutPrefix(txt, "v=STSv1"); ok && strings.HasPrefix(strings.TrimLeft(rest, " \t"), ";") {
			found = append(found, txt)
		}
	}
	if len(found) != 1 {
		return Record{}, ErrNone
	}
	r, err := ParseRecord(found[0])
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrNone, err)
	}
	return r, nil
}

// get fetches the policy: 200, text/plain, at most MaxPolicy, no redirect (RFC 8461 §3.3).
func (f Fetcher) get(ctx context.Context, domain string) (Policy, error) {
	fail := func(reason string, err error) (Policy, error) { return Policy{}, &FetchError{domain, reason, err} }
	timeout := f.Timeout
	if timeout == 0 {
		timeout = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://mta-sts."+domain+"/.well-known/mta-sts.txt", nil)
	if err != nil {
		return fail("domain", err)
	}
	transport := f.Transport
	if transport == nil {
		transport = NewTransport()
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return fail("connect", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fail(fmt.Sprint("status ", res.StatusCode), nil)
	}
	if media, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); media != "text/plain" {
		return fail("media type "+media, err)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, MaxPolicy+1))
	if err != nil {
		return fail("read", err)
	}
	p, err := ParsePolicy(text)
	if err != nil {
		return fail("policy", err)
	}
	return p, nil
}

// MemoryCache is a Cache for one process. Its zero value is ready for use.
type MemoryCache struct {
	// Max is how many domains it holds; 0 is 10,000. Over it, some other domain is forgotten.
	Max int

	mu sync.Mutex
	m  map[string]Cached
}

// Get implements Cache.
func (c *MemoryCache) Get(_ context.Context, domain string) (Cached, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.m[domain]
	return e, ok, nil
}

// Put implements Cache.
func (c *MemoryCache) Put(_ context.Context, domain string, e Cached) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := c.Max
	if limit == 0 {
		limit = 10_000
	}
	if c.m == nil {
		c.m = make(map[string]Cached)
	}
	if _, ok := c.m[domain]; !ok && len(c.m) >= limit {
		for other := range c.m {
			delete(c.m, other)
			break
		}
	}
	c.m[domain] = e
	return nil
}
