// Package contactform is a page that gives each visitor a channel in place of an address: whoever reads the page learns
// nothing that a list of addresses could use.
//
//	visitor:  ann@example.org, about a boat            POST /
//	page:     write to bob+0f9kq...@example.com        for ann@example.org alone, one letter, seven days
//
// The page is HTML and a style sheet, without scripts or cookies. What another site has a browser send here is refused
// (net/http.CrossOriginProtection); how much a visitor sends, how often one network asks and how many channels wait for
// their first letter is limited. Nothing is sent to the address that a visitor names, so nobody can have mail sent to others.
package contactform

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/smtp"
)

// Form is what the page gives.
type Form struct {
	// Book makes the channels, Owner is whose they are. Both are needed.
	Book  channel.Book
	Owner string
	// Name is what the page calls the owner; "": "us".
	Name string
	// Life is how long a channel lives, 0: 7 days; Uses how many letters it takes, 0: one.
	Life time.Duration
	Uses uint32
	// Waiting is how many channels may wait for their first letter at a time; 0: 100. More visitors are told to come again.
	Waiting int
	// PerHour is how often one IPv4 address or IPv6 /64 may ask in an hour; 0: 5.
	PerHour int
	// Logger is told of channels that are made, and of a store that fails; nil is silent.
	Logger *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Limits of what a visitor sends.
const (
	maxBody     = 4 << 10
	maxAbout    = 100      // letters
	maxNetworks = 10_000   // that are counted in an hour
	notePrefix  = "form: " // by which the channels of the page are known
)

//go:embed page.html style.css
var files embed.FS

// Handler returns the page, at "/" and "/style.css".
func (f Form) Handler() (http.Handler, error) {
	if _, err := smtp.ParseMailbox(f.Owner); err != nil || f.Book.Store == nil {
		return nil, errors.Join(errors.New("contactform: a Form needs a Book and an Owner"), err)
	}
	if f.Name == "" {
		f.Name = "us"
	}
	if f.Life == 0 {
		f.Life = 7 * 24 * time.Hour
	}
	if f.Uses == 0 {
		f.Uses = 1
	}
	if f.Waiting == 0 {
		f.Waiting = 100
	}
	if f.PerHour == 0 {
		f.PerHour = 5
	}
	if f.Logger == nil {
		f.Logger = slog.New(slog.DiscardHandler)
	}
	if f.Now == nil {
		f.Now = time.Now
	}
	t, err := template.ParseFS(files, "page.html")
	if err != nil {
		return nil, err
	}
	p := &page{Form: f, template: t}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { p.show(w, http.StatusOK, view{}) })
	mux.HandleFunc("POST /{$}", p.ask)
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, "style.css") })
	return http.NewCrossOriginProtection().Handler(guard(mux)), nil
}

// guard sets what protects the page.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

type page struct {
	Form
	template *template.Template

	making sync.Mutex // one channel at a time, so that limits hold

	mu    sync.Mutex
	hour  time.Time
	asked map[netip.Prefix]int
}

// view is what the page shows.
type view struct {
	Name         string
	From, About  string // as they were sent, for another try
	Problem      string
	Given        string // the address; "": the form
	Uses         uint32
	Until        time.Time
	MaxAbout     int
	ProblemField string // "from": it is about the address
}

func (p *page) show(w http.ResponseWriter, status int, v view) {
	v.Name, v.MaxAbout, v.Uses = p.Name, maxAbout, p.Uses
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = p.template.Execute(w, v) // the visitor went away
}

// ask takes the form.
func (p *page) ask(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		p.show(w, http.StatusBadRequest, view{Problem: "That was more than this form takes. Please be short."})
		return
	}
	v := view{From: strings.TrimSpace(r.PostForm.Get("from")), About: plain(r.PostForm.Get("about"))}
	from, err := smtp.ParseMailbox(v.From)
	if err != nil || len(v.From) > 254 {
		v.Problem, v.ProblemField = "That is not an address that mail can come from.", "from"
		p.show(w, http.StatusBadRequest, v)
		return
	}
	if !p.admit(r.RemoteAddr) {
		w.Header().Set("Retry-After", "3600")
		v.Problem = "Too many have asked from where you are. Please come again in an hour."
		p.show(w, http.StatusTooManyRequests, v)
		return
	}
	c, err := p.give(r.Context(), from.Address(), v.About)
	switch {
	case errors.Is(err, capability.ErrSyntax), errors.Is(err, channel.ErrChannel):
		v.Problem, v.ProblemField = "That is not an address that mail can come from.", "from"
		p.show(w, http.StatusBadRequest, v)
	case errors.Is(err, errBusy):
		w.Header().Set("Retry-After", "3600")
		v.Problem = "Too many have asked. Please come again later."
		p.show(w, http.StatusServiceUnavailable, v)
	case err != nil:
		p.Logger.Error("contact form", "err", err)
		v.Problem = "This does not work right now. Please come again later."
		p.show(w, http.StatusServiceUnavailable, v)
	default:
		v.Given, v.Until = c.Address, c.Expires
		p.show(w, http.StatusOK, v)
	}
}

var errBusy = errors.New("contactform: too many channels wait")

// give returns a channel for a visitor: the one that waits for that address, else a new one.
func (p *page) give(ctx context.Context, from, about string) (channel.Channel, error) {
	p.making.Lock()
	defer p.making.Unlock()
	waiting, now := 0, p.Now()
	for c, err := range p.Book.Store.List(ctx, p.Owner) {
		if err != nil {
			return channel.Channel{}, err
		}
		if c.Uses > 0 || !strings.HasPrefix(c.Note, notePrefix) || c.Usable(now) != nil {
			continue
		}
		if strings.EqualFold(c.Peer, from) {
			return c, nil
		}
		waiting++
	}
	if waiting >= p.Waiting {
		return channel.Channel{}, errBusy
	}
	c, err := p.Book.New(ctx, channel.Channel{Owner: p.Owner, Note: notePrefix + about, Peer: from, Exact: true, Max: p.Uses, Expires: now.Add(p.Life)})
	if err == nil {
		p.Logger.Info("channel given", "owner", p.Owner, "to", c.Peer, "id", c.ID)
	}
	return c, err
}

// admit counts one who asks.
func (p *page) admit(remote string) bool {
	addr, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	ip, bits := addr.Addr().Unmap(), 32
	if ip.Is6() {
		bits = 64
	}
	network, err := ip.WithZone("").Prefix(bits)
	if err != nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.Now(); now.Sub(p.hour) >= time.Hour || now.Before(p.hour) {
		p.hour, p.asked = now, make(map[netip.Prefix]int)
	}
	if n := p.asked[network]; n >= p.PerHour || n == 0 && len(p.asked) >= maxNetworks {
		return false
	}
	p.asked[network]++
	return true
}

// plain returns a text in one line that shows what it is: what cannot be seen is taken out, and it is cut at maxAbout.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	letters := []rune(strings.Join(strings.Fields(s), " "))
	return string(letters[:min(len(letters), maxAbout)])
}
