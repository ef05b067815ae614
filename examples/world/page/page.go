// Package page is the web page of a world: a form that sends letters, the way of each, and the mailboxes, filled by push.
//
//	GET  /                     the page: HTML, CSS and ES modules, embedded
//	GET  /api/world            domains, users, records, lines to copy
//	GET  /api/events           event: letter, event: inbox (text/event-stream): first how things are, then what changes
//	POST /api/letters          {"from","to","subject","text","wrongKey","unlisted","forged","postage"} → {"id"}
//	GET  /api/letters/{id}     one letter with its hops
//	GET  /api/mail/{user}/{id} one message of a mailbox, which is marked as seen
//	GET  /ca.pem               the certificate that everybody in the world trusts
//
// The page answers requests that name a loopback address alone, and changes nothing for pages of other origins.
package page

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/examples/world/letter"
	"github.com/mailbricks/mailbricks/examples/world/sandbox"
	"github.com/mailbricks/mailbricks/examples/world/story"
)

//go:embed static
var files embed.FS

// Limits of the page.
const (
	maxRequest  = 256 << 10
	pingEvery   = 20 * time.Second
	writeWithin = 15 * time.Second // for one event
)

// New returns the page of a world. smtp is where the world takes letters from outside, "" if it does not.
func New(w *sandbox.World, smtp string) (http.Handler, error) {
	static, err := fs.Sub(files, "static")
	if err != nil {
		return nil, err
	}
	p := &page{w: w, smtp: smtp}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(static))
	mux.HandleFunc("GET /api/world", p.world)
	mux.HandleFunc("GET /api/events", p.events)
	mux.HandleFunc("POST /api/letters", p.send)
	mux.HandleFunc("GET /api/letters/{id}", p.story)
	mux.HandleFunc("GET /api/mail/{user}/{id}", p.mail)
	mux.HandleFunc("GET /ca.pem", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = rw.Write(w.CA()) // the client went away
	})
	return guard(http.NewCrossOriginProtection().Handler(mux)), nil
}

// guard sets what protects the page, and refuses requests that name another host than this machine: their page could be
// anybody's, whose name was made to point here (DNS rebinding).
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		h := rw.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache")
		if !here(r) {
			fail(rw, http.StatusForbidden, errors.New("this page is for the machine that it runs on"))
			return
		}
		next.ServeHTTP(rw, r)
	})
}

// here reports whether a request names a loopback address, or the very address that it came in by.
func here(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		return false
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	t, ok := local.(*net.TCPAddr)
	return ip.IsLoopback() || ok && t.AddrPort().Addr().Unmap() == ip.Unmap()
}

type page struct {
	w    *sandbox.World
	smtp string
}

func (p *page) world(rw http.ResponseWriter, _ *http.Request) {
	type line struct {
		What string `json:"what"`
		Text string `json:"text"`
	}
	lines := []line{}
	for _, l := range p.w.Lines(p.smtp) {
		lines = append(lines, line{l[0], l[1]})
	}
	answer(rw, map[string]any{"domains": p.w.Domains(), "lines": lines, "dns": p.w.DNS()})
}

// A posted letter is what the form sends.
type posted struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Subject  string `json:"subject"`
	Text     string `json:"text"`
	WrongKey bool   `json:"wrongKey"`
	Unlisted bool   `json:"unlisted"`
	Forged   bool   `json:"forged"`
	Postage  bool   `json:"postage"`
}

func (p *page) send(rw http.ResponseWriter, r *http.Request) {
	if t, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); t != "application/json" {
		fail(rw, http.StatusUnsupportedMediaType, errors.New("a letter comes as application/json"))
		return
	}
	var l posted
	if err := json.NewDecoder(http.MaxBytesReader(rw, r.Body, maxRequest)).Decode(&l); err != nil {
		fail(rw, http.StatusBadRequest, errors.New("the letter cannot be read, or is too long"))
		return
	}
	if l.From == l.To {
		fail(rw, http.StatusBadRequest, errors.New("choose somebody else to write to"))
		return
	}
	file, err := letter.Compose(l.From, l.To, l.Subject, l.Text)
	if err != nil {
		fail(rw, http.StatusBadRequest, err)
		return
	}
	m, err := letter.Prepare(file)
	if err != nil {
		fail(rw, http.StatusBadRequest, err)
		return
	}
	o := sandbox.Options{WrongKey: l.WrongKey, Unlisted: l.Unlisted, Forged: l.Forged, Unpaid: !l.Postage}
	id, err := p.w.Send(m, o, l.To)
	if err != nil {
		fail(rw, http.StatusBadRequest, err)
		return
	}
	answer(rw, map[string]string{"id": id})
}

func (p *page) story(rw http.ResponseWriter, r *http.Request) {
	l, ok := p.w.Letter(r.PathValue("id"))
	if !ok {
		fail(rw, http.StatusNotFound, errors.New("this letter is no longer known"))
		return
	}
	answer(rw, l)
}

func (p *page) mail(rw http.ResponseWriter, r *http.Request) {
	m, err := p.w.Mail(r.Context(), r.PathValue("user"), r.PathValue("id"))
	if err != nil {
		fail(rw, http.StatusNotFound, err)
		return
	}
	answer(rw, m)
}

// events tells how things are, and then what changes, until the client goes.
func (p *page) events(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Content-Type", "text/event-stream")
	rw.Header().Set("Cache-Control", "no-store")
	s := &stream{rw: rw, c: http.NewResponseController(rw)}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	changes := make(chan story.Change)
	go func() {
		defer close(changes)
		for c := range p.w.Watch(ctx) {
			select {
			case changes <- c:
			case <-ctx.Done():
				return
			}
		}
	}()
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		select {
		case c, ok := <-changes:
			if !ok || p.tell(ctx, s, c) != nil {
				return
			}
		case <-ping.C:
			if s.write(": ping\n\n") != nil {
				return
			}
		}
	}
}

// tell sends what a change is about, as it is now.
func (p *page) tell(ctx context.Context, s *stream, c story.Change) error {
	switch c.Kind {
	case "letter":
		if l, ok := p.w.Letter(c.ID); ok {
			return s.event("letter", l)
		}
		return nil
	case "inbox":
		return p.inbox(ctx, s, c.ID)
	}
	for l := range p.w.Letters() {
		if err := s.event("letter", l); err != nil {
			return err
		}
	}
	for _, u := range p.w.Users() {
		if err := p.inbox(ctx, s, u); err != nil {
			return err
		}
	}
	return nil
}

func (p *page) inbox(ctx context.Context, s *stream, user string) error {
	mails, err := p.w.Mails(ctx, user)
	if err != nil {
		return err
	}
	return s.event("inbox", map[string]any{"user": user, "mails": mails})
}

// A stream writes events, each within a deadline of its own.
type stream struct {
	rw http.ResponseWriter
	c  *http.ResponseController
}

func (s *stream) event(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.write(fmt.Sprintf("event: %s\ndata: %s\n\n", name, data))
}

func (s *stream) write(text string) error {
	if err := s.c.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	if _, err := s.rw.Write([]byte(text)); err != nil {
		return err
	}
	return s.c.Flush()
}

func answer(rw http.ResponseWriter, v any) {
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(v) // the client went away
}

func fail(rw http.ResponseWriter, status int, err error) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(map[string]string{"error": err.Error()}) // the client went away
}
