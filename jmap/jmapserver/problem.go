package jmapserver

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/mailbricks/mailbricks/jmap"
)

// problem answers with problem details (RFC 7807).
func problem(w http.ResponseWriter, status int, detail string) {
	writeProblem(w, &jmap.RequestError{Type: "about:blank", Status: status, Detail: detail})
}

func writeProblem(w http.ResponseWriter, e *jmap.RequestError) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, e.Status, e)
}

// tooMuch is the problem of a limit that was exceeded.
func tooMuch(w http.ResponseWriter, status int, limit, detail string) {
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	writeProblem(w, &jmap.RequestError{Type: jmap.ProblemLimit, Status: status, Limit: limit, Detail: detail})
}

// fail answers a request that failed for a reason of the server's own.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, user string, err error) {
	s.logger().LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("path", r.URL.Path), slog.String("user", user), slog.Any("error", err))
	problem(w, http.StatusInternalServerError, "internal error")
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := jmap.Marshal(v)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	writeBytes(w, status, b)
}

func writeBytes(w http.ResponseWriter, status int, b []byte) {
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json; charset=utf-8")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client has gone, or has it
}

// asMethodError finds a *jmap.MethodError.
func asMethodError(err error) (*jmap.MethodError, bool) { return errors.AsType[*jmap.MethodError](err) }
