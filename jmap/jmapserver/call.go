package jmapserver

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/jmap"
)

// A Call is one method call, as its Handler sees it besides the arguments.
type Call struct {
	// User is who makes the request.
	User string
	// Credential is what the user logged in with (Server.Credential).
	Credential string
	// Name is the method's, ID the call's.
	Name, ID string
	// Using are the capabilities that the request uses.
	Using []string
	// Limits are those of the server.
	Limits jmap.Limits

	req   *request
	extra []jmap.Invocation
}

// A request is what the calls of one Request share.
type request struct {
	created map[jmap.ID]jmap.ID
	memo    map[any]any
}

// Created records that a record was created, for references to its creation id later in the request.
func (c *Call) Created(creation, id jmap.ID) { c.req.created[creation] = id }

// Resolve returns the id that "#" and a creation id stand for (RFC 8620 §5.3), and any other id as it is; false if
// there is no such creation id.
func (c *Call) Resolve(id jmap.ID) (jmap.ID, bool) {
	name, ok := strings.CutPrefix(string(id), "#")
	if !ok {
		return id, true
	}
	id, ok = c.req.created[jmap.ID(name)]
	return id, ok
}

// Respond adds another response to the call, which follows the Handler's own: that of an implicit call.
func (c *Call) Respond(name string, resp any) error {
	args, err := jmap.Marshal(resp)
	c.extra = append(c.extra, jmap.Invocation{Name: name, Args: args, ID: c.ID})
	return err
}

// Once returns what f returned for the key, the first time in this request. An error is not kept.
func Once[T any](c *Call, key any, f func() (T, error)) (T, error) {
	if v, ok := c.req.memo[key].(T); ok {
		return v, nil
	}
	v, err := f()
	if err == nil {
		c.req.memo[key] = v
	}
	return v, err
}

// run makes the calls of a request one after the other (RFC 8620 §3.10).
func (s *Server) run(ctx context.Context, user string, r *jmap.Request) ([]jmap.Invocation, map[jmap.ID]jmap.ID) {
	shared := &request{created: r.CreatedIDs, memo: make(map[any]any)}
	if shared.created == nil {
		shared.created = make(map[jmap.ID]jmap.ID)
	}
	var res jmap.Resolver
	for _, in := range r.MethodCalls {
		c := &Call{User: user, Credential: credentialOf(ctx), Name: in.Name, ID: in.ID, Using: r.Using, Limits: s.limits(), req: shared}
		args, err := s.call(ctx, c, r.Using, &res, in.Args)
		if err != nil {
			me := s.methodError(ctx, c, err)
			args, _ = jmap.Marshal(me) // three strings
			res.Responses = append(res.Responses, jmap.Invocation{Name: "error", Args: args, ID: in.ID})
			continue
		}
		res.Responses = append(res.Responses, jmap.Invocation{Name: in.Name, Args: args, ID: in.ID})
		res.Responses = append(res.Responses, c.extra...)
	}
	return res.Responses, shared.created
}

// call makes one call. A Handler that panics fails alone.
func (s *Server) call(ctx context.Context, c *Call, using []string, res *jmap.Resolver, args jmap.Raw) (out jmap.Raw, err error) {
	m, ok := s.Mux.lookup(c.Name)
	switch {
	case !ok:
		return nil, jmap.Errorf(jmap.UnknownMethod, "no method %.80q", c.Name)
	case !slices.Contains(using, m.capability):
		return nil, jmap.Errorf(jmap.UnknownMethod, "method %q needs capability %q in using", c.Name, m.capability)
	}
	args, err = res.Resolve(args)
	if err != nil {
		return nil, err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return m.call(ctx, c, args)
}

// methodError returns the answer that an error becomes.
func (s *Server) methodError(ctx context.Context, c *Call, err error) *jmap.MethodError {
	if me, ok := asMethodError(err); ok {
		return me
	}
	if ctx.Err() != nil {
		return jmap.Errorf(jmap.ServerUnavailable, "the request was given up")
	}
	s.logger().LogAttrs(ctx, slog.LevelError, "method failed", slog.String("method", c.Name), slog.String("user", c.User), slog.Any("error", err))
	return jmap.Errorf(jmap.ServerFail, "internal error")
}
