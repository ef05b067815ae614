package jmapclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/mailbricks/mailbricks/jmap"
)

// A Batch is method calls that make one request.
type Batch struct {
	client *Client
	req    jmap.Request
	resp   *jmap.Response
	err    error
}

// Batch begins a request that uses the capabilities; jmap.CapabilityCore need not be named.
func (c *Client) Batch(using ...string) *Batch {
	if !slices.Contains(using, jmap.CapabilityCore) {
		using = append([]string{jmap.CapabilityCore}, using...)
	}
	return &Batch{client: c, req: jmap.Request{Using: using, MethodCalls: []jmap.Invocation{}}}
}

// A Call is one method call of a Batch, whose response is a Resp.
type Call[Resp any] struct {
	b        *Batch
	name, id string
}

// A Reference takes an argument from the response to an earlier call (RFC 8620 §3.7).
type Reference struct {
	argument string
	b        *Batch
	ref      jmap.ResultReference
}

// Add adds a call. Arguments named by refs are taken from earlier calls of the same Batch; what r has for them is left
// out. An error, such as arguments that are no JSON, is that of Do.
func Add[Resp, Req any](b *Batch, name string, r Req, refs ...Reference) *Call[Resp] {
	c := &Call[Resp]{b: b, name: name, id: strconv.Itoa(len(b.req.MethodCalls))}
	args, err := jmap.Marshal(r)
	for _, ref := range refs {
		if err == nil && ref.b != b {
			err = errors.New("reference to a call of another batch")
		}
		if err == nil {
			args, err = ref.ref.Replace(args, ref.argument)
		}
	}
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("jmapclient: %s: %w", name, err)
	}
	b.req.MethodCalls = append(b.req.MethodCalls, jmap.Invocation{Name: name, Args: args, ID: c.id})
	return c
}

// Ref returns a Reference: the argument of the later call is what path (a JSON pointer with "*") points to in the
// response to c.
func (c *Call[Resp]) Ref(argument, path string) Reference {
	return Reference{argument, c.b, jmap.ResultReference{ResultOf: c.id, Name: c.name, Path: path}}
}

// Do makes the calls. Its error is that of the request as a whole; each call has its own.
func (b *Batch) Do(ctx context.Context) error {
	if b.err != nil {
		return b.err
	}
	b.resp, b.err = b.client.post(ctx, &b.req)
	return b.err
}

var errNotDone = errors.New("jmapclient: the batch has not been done")

// Result returns the response to the call after Do. The error is a *jmap.MethodError where the call failed.
func (c *Call[Resp]) Result() (*Resp, error) {
	switch {
	case c.b.err != nil:
		return nil, c.b.err
	case c.b.resp == nil:
		return nil, errNotDone
	}
	for _, in := range c.b.resp.MethodResponses {
		if in.ID != c.id {
			continue
		}
		out := new(Resp)
		if err := in.Decode(c.name, out); err != nil {
			return nil, err
		}
		return out, nil
	}
	return nil, fmt.Errorf("jmapclient: the server did not answer call %s of %s", c.id, c.name)
}

// Do makes one call in a request of its own.
func Do[Resp, Req any](ctx context.Context, c *Client, capability, name string, r Req) (*Resp, error) {
	b := c.Batch(capability)
	call := Add[Resp](b, name, r)
	if err := b.Do(ctx); err != nil {
		return nil, err
	}
	return call.Result()
}
