package jmapserver

import (
	"context"
	"errors"

	"github.com/mailbricks/mailbricks/jmap"
)

// A Handler answers one method call. A *jmap.MethodError becomes the answer as it is; any other error becomes
// serverFail, and its text is logged, not told.
type Handler[Req, Resp any] func(ctx context.Context, c *Call, r *Req) (*Resp, error)

// A Mux is methods by their names. The zero Mux has Core/echo.
type Mux struct {
	methods map[string]method
}

type method struct {
	capability string
	call       func(ctx context.Context, c *Call, args jmap.Raw) (jmap.Raw, error)
}

// Register adds a method. A request may call it if its using names the capability. It panics if name is taken, which
// is a fault of the program. All is registered before the first request.
func Register[Req, Resp any](m *Mux, capability, name string, h Handler[Req, Resp]) {
	if _, ok := m.lookup(name); ok {
		panic("jmapserver: method " + name + " registered twice")
	}
	if m.methods == nil {
		m.methods = make(map[string]method)
	}
	m.methods[name] = method{capability, func(ctx context.Context, c *Call, args jmap.Raw) (jmap.Raw, error) {
		req := new(Req)
		if err := jmap.Unmarshal(args, req); err != nil {
			if e, ok := errors.AsType[*jmap.TypeError](err); ok {
				return nil, jmap.Errorf(jmap.InvalidArguments, "argument %.80q is not of its type", e.Path)
			}
			return nil, err
		}
		resp, err := h(ctx, c, req)
		if err != nil {
			return nil, err
		}
		return jmap.Marshal(resp)
	}}
}

func (m *Mux) lookup(name string) (method, bool) {
	if name == "Core/echo" {
		return method{jmap.CapabilityCore, echo}, true
	}
	me, ok := m.methods[name]
	return me, ok
}

// echo is Core/echo (RFC 8620 §4).
func echo(_ context.Context, _ *Call, args jmap.Raw) (jmap.Raw, error) { return args, nil }

// capabilities returns those that have a method, and core.
func (m *Mux) capabilities() map[string]bool {
	out := map[string]bool{jmap.CapabilityCore: true}
	for _, me := range m.methods {
		out[me.capability] = true
	}
	return out
}
