package reputation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/internal/netguard"
)

// Limits of a service.
const (
	maxTemplates    = 64 << 10 // octets
	queryTimeout    = 10 * time.Second
	templateLife    = 24 * time.Hour // without Expires (RFC 7072 §3.2)
	minTemplateLife = time.Minute
)

// ErrUnknownApplication says that a service knows nothing of an application (RFC 7072 §3.1).
var ErrUnknownApplication = errors.New("reputation: the service does not know the application")

// A Repute asks a reputation service by RFC 7072. It is used by several goroutines at once, and must not be copied.
type Repute struct {
	// Service is the host of the service, with a port if it is not 443. Which services to believe is agreed outside.
	Service string
	// HTTP asks; nil: a client that connects to public addresses alone, within 10 seconds for each question.
	HTTP *http.Client
	// AllowHTTP asks without TLS where the templates say so, and for the templates themselves: RFC 7072 has that, and anybody
	// on the way could answer.
	AllowHTTP bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	mu        sync.Mutex
	templates []string
	until     time.Time
}

// Query asks what is said of a subject in the context of an application, for one assertion or, with "", for all. What is about
// another subject or assertion, or has expired, is left out; an empty result says that nothing is known. The error wraps
// ErrUnknownApplication, ErrReputons, or tells why the service does not answer: that is no verdict.
func (r *Repute) Query(ctx context.Context, application, subject, assertion string) ([]Reputon, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	templates, err := r.fetchTemplates(ctx)
	if err != nil {
		return nil, err
	}
	err = errors.New("reputation: no template of the service can be used")
	for _, t := range templates {
		u, ok := expand(t, map[string]string{"service": r.Service, "application": application, "subject": subject, "assertion": assertion})
		if !ok || !strings.HasPrefix(u, "https://") && !(r.AllowHTTP && strings.HasPrefix(u, "http://")) {
			continue
		}
		var list []Reputon
		if list, err = r.ask(ctx, u, application, subject, assertion); err == nil || errors.Is(err, ErrUnknownApplication) || errors.Is(err, ErrReputons) {
			return list, err
		}
	}
	return nil, err
}

func (r *Repute) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

func (r *Repute) client() *http.Client {
	if r.HTTP != nil {
		return r.HTTP
	}
	d := net.Dialer{Control: netguard.Guard{}.Control}
	return &http.Client{Transport: &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true}}
}

// get returns the body of a reply with status 200 and its type, up to a limit.
func (r *Repute) get(ctx context.Context, u, want string, limit int64) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("reputation: %w", err)
	}
	resp, err := r.client().Do(req)
	if err != nil {
		return nil, nil, fmt.Errorf("reputation: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return nil, nil, fmt.Errorf("%w: %s", ErrUnknownApplication, u)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("reputation: %s: %s", u, resp.Status)
	}
	if typ, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || typ != want {
		return nil, nil, fmt.Errorf("reputation: %s: type %.100q, want %s", u, resp.Header.Get("Content-Type"), want)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("longer than %d octets", limit)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reputation: %s: %w", u, err)
	}
	return b, resp.Header, nil
}

// fetchTemplates returns the templates, which are kept for as long as the service says.
func (r *Repute) fetchTemplates(ctx context.Context) ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now().Before(r.until) {
		return r.templates, nil
	}
	scheme := "https"
	if r.AllowHTTP {
		scheme = "http"
	}
	b, h, err := r.get(ctx, scheme+"://"+r.Service+"/.well-known/repute-template", "text/plain", maxTemplates)
	if err != nil {
		return nil, err
	}
	r.templates = r.templates[:0:0]
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" {
			r.templates = append(r.templates, line)
		}
	}
	r.until = r.now().Add(templateLife)
	if at, err := http.ParseTime(h.Get("Expires")); err == nil {
		r.until = r.now().Add(min(max(at.Sub(r.now()), minTemplateLife), 30*templateLife))
	}
	return r.templates, nil
}

func (r *Repute) ask(ctx context.Context, u, application, subject, assertion string) ([]Reputon, error) {
	b, _, err := r.get(ctx, u, MediaType, maxReply)
	if err != nil {
		return nil, err
	}
	reply, err := ParseReputons(b)
	if err != nil {
		return nil, err
	}
	var out []Reputon
	for _, x := range reply.Reputons {
		if strings.EqualFold(reply.Application, application) && strings.EqualFold(x.Rated, subject) &&
			(assertion == "" || strings.EqualFold(x.Assertion, assertion)) && x.Valid(r.now()) {
			out = append(out, x)
		}
	}
	return out, nil
}

// expand fills in a template (RFC 6570, {name} and {?name,name}), a name that is not known with nothing. Templates with other
// forms cannot be used.
func expand(t string, values map[string]string) (string, bool) {
	var out strings.Builder
	for {
		text, rest, more := strings.Cut(t, "{")
		out.WriteString(text)
		if !more {
			return out.String(), !strings.Contains(text, "}")
		}
		expr, after, ok := strings.Cut(rest, "}")
		if !ok {
			return "", false
		}
		t = after
		if names, query := strings.CutPrefix(expr, "?"); query {
			sep := byte('?')
			for name := range strings.SplitSeq(names, ",") {
				if v := values[name]; v != "" {
					out.WriteByte(sep)
					out.WriteString(name + "=" + url.QueryEscape(v))
					sep = '&'
				}
			}
			continue
		}
		if expr == "" || strings.ContainsAny(expr, "+#./;&=,!@|*:") {
			return "", false
		}
		if v := values[expr]; expr == "service" { // a host with a port stands as it is
			out.WriteString(v)
		} else {
			out.WriteString(strings.ReplaceAll(url.PathEscape(v), "+", "%2B"))
		}
	}
}

// A Service answers questions by RFC 7072, over HTTP: an http.Handler for the paths /.well-known/repute-template and those below
// /repute/.
type Service struct {
	// Lookup returns what is said of a subject in the context of an application, for one assertion or, with "", for all. The
	// error ErrUnknownApplication is told as 404, others as 503.
	Lookup func(ctx context.Context, application, subject, assertion string) ([]Reputon, error)
	// Life is for how long clients keep the template; 0: a day.
	Life time.Duration
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	if r.URL.Path == "/.well-known/repute-template" {
		scheme, life := "https", s.Life
		if r.TLS == nil {
			scheme = "http"
		}
		if life == 0 {
			life = templateLife
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Expires", time.Now().Add(life).UTC().Format(http.TimeFormat))
		_, _ = io.WriteString(w, scheme+"://{service}/repute/{application}/{subject}{?assertion}\r\n")
		return
	}
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/repute/")
	application, subject, two := strings.Cut(path, "/")
	application, err := url.PathUnescape(application)
	subject, err2 := url.PathUnescape(subject)
	if !ok || !two || err != nil || err2 != nil || application == "" || subject == "" {
		http.NotFound(w, r)
		return
	}
	list, err := s.Lookup(r.Context(), application, subject, r.URL.Query().Get("assertion"))
	switch {
	case errors.Is(err, ErrUnknownApplication):
		http.NotFound(w, r)
		return
	case err != nil:
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	b, err := Reputons{Application: application, Reputons: list}.AppendJSON(nil)
	if err != nil {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", MediaType)
	_, _ = w.Write(b)
}
