package jmapserver

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
)

// How long a client may take to send a request, and to take what is sent, besides a second for every minRate octets.
const (
	bodyTimeout = time.Minute
	minRate     = 16 << 10
)

// serveAPI serves RFC 8620 §3.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request, user string) {
	limits := s.limits()
	k := busyKey{user: user}
	if !s.enter(k, limits.MaxConcurrentRequests) {
		tooMuch(w, http.StatusTooManyRequests, "maxConcurrentRequests", "too many requests at a time")
		return
	}
	defer s.leave(k)
	req, ok := s.readRequest(w, r, limits)
	if !ok {
		return
	}
	session, err := s.session(r.Context(), user)
	if err != nil {
		s.fail(w, r, user, err)
		return
	}
	for _, c := range req.Using {
		if _, ok := session.Capabilities[c]; !ok {
			if len(c) > 80 {
				c = c[:80]
			}
			writeProblem(w, &jmap.RequestError{Type: jmap.ProblemUnknownCapability, Status: 400, Detail: "unknown capability " + c})
			return
		}
	}
	given := req.CreatedIDs != nil
	resp := jmap.Response{SessionState: session.State}
	var created map[jmap.ID]jmap.ID
	resp.MethodResponses, created = s.run(r.Context(), user, req)
	if given {
		resp.CreatedIDs = created
	}
	b, err := resp.AppendJSON(nil)
	if err != nil {
		s.fail(w, r, user, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeDeadline(w, int64(len(b)))
	writeBytes(w, http.StatusOK, b)
}

// readRequest reads the Request, or answers why not.
func (s *Server) readRequest(w http.ResponseWriter, r *http.Request, limits jmap.Limits) (*jmap.Request, bool) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		writeProblem(w, &jmap.RequestError{Type: jmap.ProblemNotJSON, Status: 400, Detail: "Content-Type must be application/json"})
		return nil, false
	}
	readDeadline(w, time.Now().Add(bodyTimeout))
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limits.MaxSizeRequest))
	readDeadline(w, time.Time{})
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			tooMuch(w, http.StatusBadRequest, "maxSizeRequest", "the request is larger than the server is willing to process")
		} else {
			problem(w, http.StatusRequestTimeout, "the request did not arrive whole")
		}
		return nil, false
	}
	req, err := jmap.ParseRequest(b)
	if err != nil {
		if e, ok := errors.AsType[*jmap.RequestError](err); ok {
			writeProblem(w, e)
		} else {
			problem(w, http.StatusBadRequest, "not a request")
		}
		return nil, false
	}
	if len(req.MethodCalls) > limits.MaxCallsInRequest {
		tooMuch(w, http.StatusBadRequest, "maxCallsInRequest", "too many method calls in one request")
		return nil, false
	}
	return req, true
}

// readDeadline sets the deadline of the body; where the server below has none, its own limits hold.
func readDeadline(w http.ResponseWriter, t time.Time) {
	_ = http.NewResponseController(w).SetReadDeadline(t)
}

// writeDeadline bounds the time for size octets.
func writeDeadline(w http.ResponseWriter, size int64) {
	d := bodyTimeout + time.Duration(size/minRate)*time.Second
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d))
}
