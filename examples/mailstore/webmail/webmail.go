package webmail

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

//go:embed static
var files embed.FS

// Limits of the page.
const (
	maxRequest  = 4 << 10
	maxBody     = 2 << 20 // octets of an HTML body; what is beyond is not shown
	maxPictures = 4 << 20 // octets of the pictures in a body, together
	maxWaiting  = 256     // bodies that nobody has fetched
	waitFor     = 30 * time.Second
)

// New returns the page, and s for all paths that are not the page's. s may not be changed any more.
func New(s *jmapserver.Server) (http.Handler, error) {
	static, err := fs.Sub(files, "static")
	if err != nil {
		return nil, err
	}
	p := &page{s: s, waiting: make(map[string]body)}
	mux := http.NewServeMux()
	mux.Handle("/", s)
	mux.Handle("GET /{$}", http.FileServerFS(static))
	names, err := fs.Glob(static, "*.*")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if name != "index.html" {
			mux.Handle("GET /"+name, http.FileServerFS(static))
		}
	}
	mux.Handle("POST /webmail/body", http.NewCrossOriginProtection().Handler(http.HandlerFunc(p.make)))
	mux.HandleFunc("GET /webmail/body/{key}", p.show)
	return guard(mux), nil
}

// guard sets what protects the page.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/jmap/") && r.URL.Path != jmap.WellKnown {
			h := w.Header()
			h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; "+
				"form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'")
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("X-Frame-Options", "DENY")
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("Cross-Origin-Resource-Policy", "same-origin")
			h.Set("Cross-Origin-Opener-Policy", "same-origin")
			h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
			h.Set("Cache-Control", "no-cache")
		}
		next.ServeHTTP(w, r)
	})
}

// A page shows HTML bodies of mail.
type page struct {
	s *jmapserver.Server

	mu      sync.Mutex
	waiting map[string]body // by the key in their URL
}

// A body is shown once, or nobody fetches it in time.
type body struct {
	html   string
	images bool
	until  time.Time
}

// A wanted is a request for a body.
type wanted struct {
	AccountID jmap.ID `json:"accountId"`
	EmailID   jmap.ID `json:"emailId"`
	Images    bool    `json:"images"` // those from elsewhere too
	Text      bool    `json:"text"`   // its text is wanted, to be quoted, and no frame
}

// A made is where a body is, or its text.
type made struct {
	URL    string `json:"url,omitzero"`
	Remote int    `json:"remote"` // pictures from elsewhere that it has
	Lines  int    `json:"lines"`  // about how many it takes: a frame cannot tell its height
	Text   string `json:"text,omitzero"`
}

var errGone = errors.New("no such message, or it has no HTML")

// make makes a body ready for a frame, whose request nobody can authenticate: the URL is the secret.
func (p *page) make(w http.ResponseWriter, r *http.Request) {
	user, err := p.s.Authenticate(r)
	if err != nil {
		status := http.StatusServiceUnavailable
		if e, ok := errors.AsType[*jmapserver.AuthError](err); ok {
			status = e.Status
		}
		http.Error(w, "not logged in", status)
		return
	}
	var want wanted
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") || jmap.Unmarshal(b, &want) != nil {
		http.Error(w, "accountId, emailId and images are wanted as JSON", http.StatusBadRequest)
		return
	}
	email, err := p.email(r.Context(), user, &want)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	c := &cleaner{images: want.Images}
	left := int64(maxPictures)
	c.picture = func(cid string) string { return p.picture(r.Context(), user, &want, email, cid, &left) }
	var text strings.Builder
	for i := range email.HTMLBody {
		part := &email.HTMLBody[i]
		if value, ok := email.BodyValues[string(part.PartID)]; ok && part.Type == "text/html" {
			text.WriteString(c.clean(value.Value))
		}
	}
	out := made{Remote: c.remote}
	plain, lines := plainText(text.String())
	out.Lines = lines
	if want.Text {
		out.Text = plain
	} else if key := p.keep(body{text.String(), want.Images, time.Now().Add(waitFor)}); key != "" {
		out.URL = "/webmail/body/" + key
	} else {
		http.Error(w, "too many bodies wait to be shown", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = jmap.MarshalWrite(w, out) // the client went away
}

// email reads what makes up the HTML body of a message.
func (p *page) email(ctx context.Context, user string, want *wanted) (*mail.Email, error) {
	args, err := jmap.Marshal(jmap.GetRequest[mail.EmailGetArgs]{AccountID: want.AccountID, IDs: []jmap.ID{want.EmailID},
		Properties: []string{"htmlBody", "bodyValues", "bodyStructure"}, Args: mail.EmailGetArgs{FetchHTMLBodyValues: true, MaxBodyValueBytes: maxBody}})
	if err != nil {
		return nil, err
	}
	request, err := jmap.Marshal(jmap.Request{Using: []string{jmap.CapabilityCore, jmap.CapabilityMail},
		MethodCalls: []jmap.Invocation{{Name: "Email/get", Args: args, ID: "0"}}})
	if err != nil {
		return nil, err
	}
	resp, err := p.s.Answer(ctx, user, request)
	if err != nil {
		return nil, err
	}
	var got jmap.GetResponse[mail.Email]
	if err := resp.MethodResponses[0].Decode("Email/get", &got); err != nil || len(got.List) != 1 {
		return nil, errGone
	}
	return &got.List[0], nil
}

// picture returns a picture of the message as a data: URL, while there is room left.
func (p *page) picture(ctx context.Context, user string, want *wanted, email *mail.Email, cid string, left *int64) string {
	part := find(email.BodyStructure, cid)
	if part == nil || p.s.OpenBlob == nil || part.Size > *left {
		return ""
	}
	blob, err := p.s.OpenBlob(ctx, user, want.AccountID, jmap.ID(part.BlobID))
	if err != nil {
		return ""
	}
	defer blob.Close()
	if *left -= blob.Size(); *left < 0 {
		return ""
	}
	b, err := io.ReadAll(io.NewSectionReader(blob, 0, blob.Size()))
	if err != nil {
		return ""
	}
	return "data:" + part.Type + ";base64," + base64.StdEncoding.EncodeToString(b)
}

// find finds a picture by its Content-ID, of the types that hold nothing but pictures.
func find(part *mail.BodyPart, cid string) *mail.BodyPart {
	if part == nil {
		return nil
	}
	switch part.Type {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
		if string(part.CID) == cid {
			return part
		}
	}
	for i := range part.SubParts {
		if found := find(&part.SubParts[i], cid); found != nil {
			return found
		}
	}
	return nil
}

// keep keeps a body and returns its key, "" where too many wait.
func (p *page) keep(b body) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for key, old := range p.waiting {
		if now.After(old.until) {
			delete(p.waiting, key)
		}
	}
	if len(p.waiting) >= maxWaiting {
		return ""
	}
	key := rand.Text()
	p.waiting[key] = b
	return key
}

// show serves a body, once.
func (p *page) show(w http.ResponseWriter, r *http.Request) {
	key := r.PathValue("key")
	p.mu.Lock()
	b, ok := p.waiting[key]
	delete(p.waiting, key)
	p.mu.Unlock()
	if !ok || time.Now().After(b.until) {
		http.NotFound(w, r)
		return
	}
	pictures := "data:"
	if b.images {
		pictures += " https: http:"
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src "+pictures+
		"; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox")
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, frameHead+b.html) // the client went away
}

// frameHead is what stands before a body. Mail is made to be read on white.
const frameHead = `<!doctype html><html lang=""><meta charset="utf-8"><title>Message</title><meta name="viewport" content="width=device-width"><style>
:root { color-scheme: light; background: #fff; color: #111; font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
body { margin: 12px }
img { max-width: 100%; height: auto }
table { max-width: 100% }
pre { white-space: pre-wrap }
.address { color: #666; font-size: 85% }
summary { color: #555; font-size: 90%; cursor: pointer }
details > blockquote { margin: 8px 0; padding-left: 12px; border-left: 3px solid #ccc }
</style>`
