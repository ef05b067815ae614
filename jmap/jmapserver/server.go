package jmapserver

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/mailbricks/mailbricks/jmap"
)

// A Server is an http.Handler that serves JMAP. Its fields are set before the first request.
type Server struct {
	// Mux holds the methods; required.
	Mux *Mux
	// Authenticate returns who makes a request, or an *AuthError; required. See Auth.User.
	Authenticate func(r *http.Request) (user string, err error)
	// Credential names what an authenticated request logged in with, the same for the same secret, which it does not
	// show: a PushSubscription is its maker's alone. Nil: all of a user's are the same. See Auth.Credential.
	Credential func(r *http.Request) string
	// VAPIDKey is the key by which push services know who sends (RFC 9749); "" is none, and not offered.
	VAPIDKey string
	// Accounts returns the accounts of a user, the user's own first; required.
	Accounts func(ctx context.Context, user string) ([]Account, error)
	// OpenBlob opens a blob of an account of the user's for download. A *jmap.SetError is 404. Nil: no downloads.
	OpenBlob func(ctx context.Context, user string, account, blob jmap.ID) (jmap.Blob, error)
	// Upload keeps what r has until io.EOF. A *jmap.MethodError of type AccountNotFound is 404. Nil: no uploads.
	Upload func(ctx context.Context, user string, account jmap.ID, r io.Reader) (blob jmap.ID, size int64, err error)
	// EventSource serves pushed changes to an authenticated user (RFC 8620 §7.3). Nil: 501.
	EventSource func(w http.ResponseWriter, r *http.Request, user string)
	// WebSocket serves requests and pushed changes over a WebSocket to an authenticated user (RFC 8887). Nil: 501, and
	// the Session does not offer it.
	WebSocket func(w http.ResponseWriter, r *http.Request, user string)
	// Limits are told to clients and kept; nil is jmap.DefaultLimits.
	Limits *jmap.Limits
	// BaseURL is the address of the server as clients know it, without a final slash ("https://mail.example.com").
	// "" takes it from each request, which fits where no proxy stands in front.
	BaseURL string
	// Origins are the origins whose pages may use the server besides its own ("https://app.example.com"); "*" is any.
	Origins []string
	// Logger is told of failures of the server; nil is silent.
	Logger *slog.Logger

	tickets tickets
	offers  offers

	mu   sync.Mutex
	busy map[busyKey]int
}

// An Account is one account of a user.
type Account struct {
	ID jmap.ID
	jmap.SessionAccount
}

type busyKey struct {
	user   string
	upload bool
}

// Paths below the base URL.
const (
	pathAPI         = "/jmap/api"
	pathDownload    = "/jmap/download/"
	pathUpload      = "/jmap/upload/"
	pathEventSource = "/jmap/eventsource"
	pathWebSocket   = "/jmap/ws"
	pathTicket      = "/jmap/ticket"
)

// ServeHTTP serves the paths that the package's documentation lists, and 404 for all others.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.crossOrigin(w, r) {
		return
	}
	var handle func(http.ResponseWriter, *http.Request, string)
	methods := []string{http.MethodGet, http.MethodHead}
	switch p := r.URL.Path; {
	case p == jmap.WellKnown:
		handle = s.serveSession
	case p == pathAPI:
		handle, methods = s.serveAPI, []string{http.MethodPost}
	case strings.HasPrefix(p, pathDownload):
		handle = s.serveDownload
	case strings.HasPrefix(p, pathUpload):
		handle, methods = s.serveUpload, []string{http.MethodPost}
	case p == pathEventSource:
		handle, methods = s.serveEventSource, methods[:1]
	case p == pathWebSocket:
		handle, methods = s.serveWebSocket, methods[:1]
	case p == pathTicket:
		handle, methods = s.serveTicket, []string{http.MethodPost}
	default:
		problem(w, http.StatusNotFound, "nothing is here")
		return
	}
	if !slices.Contains(methods, r.Method) {
		w.Header().Set("Allow", strings.Join(methods, ", "))
		problem(w, http.StatusMethodNotAllowed, "use "+methods[0])
		return
	}
	user, credential, err := s.user(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	handle(w, r.WithContext(context.WithValue(r.Context(), credentialKey{}, credential)), user)
}

// refuse answers a request whose user is not known.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	e, ok := errors.AsType[*AuthError](err)
	if !ok {
		e = &AuthError{Status: http.StatusServiceUnavailable, Detail: "cannot log in now", Err: err}
	}
	if e.Status >= 500 {
		s.logger().LogAttrs(r.Context(), slog.LevelError, "authentication failed", slog.Any("error", err))
	}
	for _, c := range e.Challenge {
		w.Header().Add("WWW-Authenticate", c)
	}
	problem(w, e.Status, e.Detail)
}

// crossOrigin adds the fields of CORS, answers preflights, and refuses requests that change something and come from
// the page of another origin. It reports whether the request has its answer.
func (s *Server) crossOrigin(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	anyone := slices.Contains(s.Origins, "*")
	if len(s.Origins) > 0 {
		w.Header().Add("Vary", "Origin")
	}
	if origin != "" && (anyone || slices.Contains(s.Origins, origin)) {
		if anyone {
			origin = "*"
		}
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", origin)
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST")
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID, Range")
			h.Set("Access-Control-Max-Age", "86400")
			w.WriteHeader(http.StatusNoContent)
			return true
		}
		return false
	}
	if http.NewCrossOriginProtection().Check(r) != nil {
		problem(w, http.StatusForbidden, "this origin is not allowed")
		return true
	}
	return false
}

func (s *Server) serveEventSource(w http.ResponseWriter, r *http.Request, user string) {
	if s.EventSource == nil {
		problem(w, http.StatusNotImplemented, "this server does not push changes")
		return
	}
	s.EventSource(w, r, user)
}

func (s *Server) serveWebSocket(w http.ResponseWriter, r *http.Request, user string) {
	if s.WebSocket == nil {
		problem(w, http.StatusNotImplemented, "this server has no WebSocket")
		return
	}
	s.WebSocket(w, r, user)
}

// enter counts a request of the user's, which leave ends. It reports whether there may be one more.
func (s *Server) enter(k busyKey, limit int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy == nil {
		s.busy = make(map[busyKey]int)
	}
	if s.busy[k] >= limit {
		return false
	}
	s.busy[k]++
	return true
}

func (s *Server) leave(k busyKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[k]--; s.busy[k] == 0 {
		delete(s.busy, k)
	}
}

func (s *Server) limits() jmap.Limits {
	if s.Limits == nil {
		return jmap.DefaultLimits()
	}
	return *s.Limits
}

func (s *Server) logger() *slog.Logger {
	if s.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Logger
}
