package jmapserver

import (
	"context"
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
	body, ok := s.readRequest(w, r, limits)
	if !ok {
		return
	}
	resp, err := s.answer(r.Context(), user, body)
	if e, ok := errors.AsType[*jmap.RequestError](err); ok {
		writeProblem(w, e)
		return
	}
	if err != nil {
		s.fail(w, r, user, err)
		return
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

// Answer answers a Request that came another way than by POST, such as over a WebSocket. The error is a
// *jmap.RequestError where the client is at fault.
func (s *Server) Answer(ctx context.Context, user string, body []byte) (*jmap.Response, error) {
	limits := s.limits()
	k := busyKey{user: user}
	switch {
	case !s.enter(k, limits.MaxConcurrentRequests):
		return nil, limitError("maxConcurrentRequests", "too many requests at a time")
	case int64(len(body)) > limits.MaxSizeRequest:
		s.leave(k)
		return nil, limitError("maxSizeRequest", "the request is larger than the server is willing to process")
	}
	defer s.leave(k)
	return s.answer(ctx, user, body)
}

func limitError(limit, detail string) *jmap.RequestError {
	return &jmap.RequestError{Type: jmap.ProblemLimit, Status: http.StatusBadRequest, Limit: limit, Detail: detail}
}

// answer makes the calls of a Request that is counted.
func (s *Server) answer(ctx context.Context, user string, body []byte) (*jmap.Response, error) {
	req, err := jmap.ParseRequest(body)
	if err != nil {
		return nil, err
	}
	if len(req.MethodCalls) > s.limits().MaxCallsInRequest {
		return nil, limitError("maxCallsInRequest", "too many method calls in one request")
	}
	session, err := s.session(ctx, user)
	if err != nil {
		return nil, err
	}
	for _, c := range req.Using {
		if _, ok := session.Capabilities[c]; !ok {
			if len(c) > 80 {
				c = c[:80]
			}
			return nil, &jmap.RequestError{Type: jmap.ProblemUnknownCapability, Status: 400, Detail: "unknown capability " + c}
		}
	}
	given := req.CreatedIDs != nil
	resp := &jmap.Response{SessionState: session.State}
	var created map[jmap.ID]jmap.ID
	resp.MethodResponses, created = s.run(ctx, user, req)
	if given {
		resp.CreatedIDs = created
	}
	return resp, nil
}

// readRequest reads the body of a Request, or answers why not.
func (s *Server) readRequest(w http.ResponseWriter, r *http.Request, limits jmap.Limits) ([]byte, bool) {
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
	return b, true
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
