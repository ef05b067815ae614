package jmapclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
)

// Defaults of a Client.
const (
	DefaultTimeout     = time.Minute
	DefaultMaxResponse = 64 << 20
)

// A Client talks to one server as one user. It may be used by several goroutines. Its fields are set before its first
// use.
type Client struct {
	// URL is the server's address ("https://mail.example.com"), or that of its Session with its path.
	URL string
	// Auth adds the credentials to a request; see Basic and Bearer.
	Auth func(*http.Request)
	// HTTP makes the requests; nil is http.DefaultClient. Its Timeout would end downloads, uploads and events too:
	// leave it 0.
	HTTP *http.Client
	// AllowPlaintext sends credentials without TLS to other hosts than this one, which RFC 8620 §8.1 forbids.
	AllowPlaintext bool
	// Push is how Events are pushed; 0 is PushAny.
	Push Push
	// Timeout bounds a request with its response, but for downloads, uploads and events; 0 is DefaultTimeout.
	Timeout time.Duration
	// MaxResponse bounds a response in octets; 0 is DefaultMaxResponse.
	MaxResponse int64

	mu      sync.Mutex
	session *session
}

// A session is a Session with the address that it came from, to which its URLs may be relative.
type session struct {
	*jmap.Session
	base *url.URL
}

// Basic authenticates by name and password (RFC 7617).
func Basic(user, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(user, password) }
}

// Bearer authenticates by a token (RFC 6750).
func Bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

// Errors of a Client's own.
var (
	errPlaintext = errors.New("jmapclient: credentials are not sent without TLS")
	errTooLarge  = errors.New("jmapclient: response too large")
)

// Session returns the server's Session, fetched when first needed.
func (c *Client) Session(ctx context.Context) (*jmap.Session, error) {
	s, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	return s.Session, nil
}

// Account returns the user's primary account for a capability.
func (c *Client) Account(ctx context.Context, capability string) (jmap.ID, error) {
	s, err := c.current(ctx)
	if err != nil {
		return "", err
	}
	id, ok := s.PrimaryAccounts[capability]
	if !ok {
		return "", fmt.Errorf("jmapclient: the user has no account for %s", capability)
	}
	return id, nil
}

func (c *Client) current(ctx context.Context) (*session, error) {
	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	if s != nil {
		return s, nil
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, err
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = jmap.WellKnown
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	resp, err := c.do(ctx, http.MethodGet, u, nil, "")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := c.read(resp)
	if err != nil {
		return nil, err
	}
	s = &session{Session: new(jmap.Session), base: resp.Request.URL}
	if err := jmap.Unmarshal(b, s.Session); err != nil {
		return nil, fmt.Errorf("jmapclient: session of %s: %w", u.Host, err)
	}
	c.mu.Lock()
	c.session = s
	c.mu.Unlock()
	return s, nil
}

// forget makes the Session be fetched again where it is not of this state any more.
func (c *Client) forget(state jmap.State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session != nil && state != "" && c.session.State != state {
		c.session = nil
	}
}

// url resolves an address of the Session.
func (s *session) url(ref string) (*url.URL, error) {
	u, err := s.base.Parse(ref)
	if err != nil {
		return nil, fmt.Errorf("jmapclient: address in the session: %w", err)
	}
	if s.base.Scheme == "https" && u.Scheme != "https" && u.Scheme != "wss" {
		return nil, fmt.Errorf("jmapclient: address in the session: %w: %s", errPlaintext, u.Host)
	}
	return u, nil
}

// do makes one request. A status other than 2xx is a *jmap.RequestError.
func (c *Client) do(ctx context.Context, method string, u *url.URL, body io.Reader, contentType string) (*http.Response, error) {
	if err := c.safe(u); err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return c.send(r)
}

// safe reports whether credentials may be sent to an address.
func (c *Client) safe(u *url.URL) error {
	if u.Scheme != "https" && u.Scheme != "wss" && !c.AllowPlaintext && !loopback(u.Hostname()) {
		return fmt.Errorf("%w: %s", errPlaintext, u.Host)
	}
	return nil
}

func (c *Client) send(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Accept") == "" {
		r.Header.Set("Accept", "application/json")
	}
	if c.Auth != nil {
		c.Auth(r)
	}
	h := c.HTTP
	if h == nil {
		h = http.DefaultClient
	}
	resp, err := h.Do(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, refusal(resp)
}

// refusal returns the *jmap.RequestError of a response that is none.
func refusal(resp *http.Response) error {
	e := new(jmap.RequestError)
	if t, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); t == "application/problem+json" {
		if b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10)); err != nil || jmap.Unmarshal(b, e) != nil {
			e = new(jmap.RequestError)
		}
	}
	e.Status = resp.StatusCode
	if e.Type == "" {
		e.Type = "about:blank"
	}
	if e.Detail == "" {
		e.Detail = resp.Status
	}
	return e
}

func loopback(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// read reads a whole response.
func (c *Client) read(resp *http.Response) ([]byte, error) {
	limit := c.MaxResponse
	if limit == 0 {
		limit = DefaultMaxResponse
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = errTooLarge
	}
	return b, err
}

func (c *Client) timeout() time.Duration {
	if c.Timeout == 0 {
		return DefaultTimeout
	}
	return c.Timeout
}

// post posts a Request.
func (c *Client) post(ctx context.Context, r *jmap.Request) (*jmap.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	s, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	u, err := s.url(s.APIURL)
	if err != nil {
		return nil, err
	}
	b, err := jmap.Marshal(r)
	if err != nil {
		return nil, err
	}
	resp, err := c.do(ctx, http.MethodPost, u, bytes.NewReader(b), "application/json")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if b, err = c.read(resp); err != nil {
		return nil, err
	}
	out := new(jmap.Response)
	if err := jmap.Unmarshal(b, out); err != nil {
		return nil, fmt.Errorf("jmapclient: response of %s: %w", u.Host, err)
	}
	c.forget(out.SessionState)
	return out, nil
}

// Download opens a blob. The caller closes it.
func (c *Client) Download(ctx context.Context, account, blob jmap.ID, contentType, name string) (io.ReadCloser, error) {
	s, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	u, err := s.url(jmap.ExpandURL(s.DownloadURL, "accountId", string(account), "blobId", string(blob), "type", contentType, "name", name))
	if err != nil {
		return nil, err
	}
	resp, err := c.do(ctx, http.MethodGet, u, nil, "")
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// An Uploaded is what a server says of an upload (RFC 8620 §6.1).
type Uploaded struct {
	AccountID jmap.ID `json:"accountId"`
	BlobID    jmap.ID `json:"blobId"`
	Type      string  `json:"type"`
	Size      int64   `json:"size"`
}

// Upload sends what r has until io.EOF and returns its blob.
func (c *Client) Upload(ctx context.Context, account jmap.ID, contentType string, r io.Reader) (*Uploaded, error) {
	s, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	u, err := s.url(jmap.ExpandURL(s.UploadURL, "accountId", string(account)))
	if err != nil {
		return nil, err
	}
	resp, err := c.do(ctx, http.MethodPost, u, r, contentType)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := c.read(resp)
	if err != nil {
		return nil, err
	}
	out := new(Uploaded)
	return out, jmap.Unmarshal(b, out)
}

// temporary reports whether an error may be gone at the next attempt.
func temporary(err error) bool {
	if e, ok := errors.AsType[*jmap.RequestError](err); ok {
		return e.Status == http.StatusTooManyRequests || e.Status >= 500 && e.Status != http.StatusNotImplemented
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return false
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
