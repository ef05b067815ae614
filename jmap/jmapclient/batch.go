package jmapclient

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/mailbricks/mailbricks/jmap"
)

// A Batch is method calls that are made in their order: in one request, or in several where they are more than the
// Session allows in one (maxCallsInRequest, maxSizeRequest). Results and creation ids are then carried over.
type Batch struct {
	client    *Client
	using     []string
	calls     []call
	responses map[string]jmap.Invocation // the first to each call, by its id
	created   map[jmap.ID]jmap.ID
	err       error
}

// A call is a method call with what it takes from earlier ones.
type call struct {
	jmap.Invocation
	refs []Reference
}

// Batch begins a request that uses the capabilities; jmap.CapabilityCore need not be named.
func (c *Client) Batch(using ...string) *Batch {
	if !slices.Contains(using, jmap.CapabilityCore) {
		using = append([]string{jmap.CapabilityCore}, using...)
	}
	return &Batch{client: c, using: using}
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
	typ      reflect.Type // of what the path points to; nil: not known
	err      error
}

// Add adds a call. Arguments named by refs are taken from earlier calls of the same Batch; what r has for them is left
// out. An error, such as arguments that are no JSON or a reference of another type than its argument, is that of Do.
func Add[Resp, Req any](b *Batch, name string, r Req, refs ...Reference) *Call[Resp] {
	c := &Call[Resp]{b: b, name: name, id: strconv.Itoa(len(b.calls))}
	args, err := jmap.Marshal(r)
	for _, ref := range refs {
		if err == nil {
			err = ref.check(b, reflect.TypeFor[Req]())
		}
	}
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("jmapclient: %s: %w", name, err)
	}
	b.calls = append(b.calls, call{jmap.Invocation{Name: name, Args: args, ID: c.id}, refs})
	return c
}

// Ref returns a Reference: the argument of the later call is what path (a JSON pointer with "*") points to in the
// response to c. A path that no Resp has, or whose values the argument does not take, is found before anything is sent.
func (c *Call[Resp]) Ref(argument, path string) Reference {
	r := Reference{argument: argument, b: c.b, ref: jmap.ResultReference{ResultOf: c.id, Name: c.name, Path: path}}
	p, err := jmap.ParsePointer(path)
	if err == nil {
		r.typ, err = typeAt(reflect.TypeFor[Resp](), p)
	}
	if err != nil {
		r.err = fmt.Errorf("reference to %s of %s: %w", path, c.name, err)
	}
	return r
}

var errOtherBatch = errors.New("reference to a call of another batch")

// check finds what can be known to be wrong about a reference in the arguments of a call.
func (r *Reference) check(b *Batch, req reflect.Type) error {
	if r.err != nil {
		return r.err
	}
	if r.b != b {
		return errOtherBatch
	}
	want, err := typeAt(req, jmap.Pointer{r.argument})
	if err == nil && !fits(r.typ, want) {
		err = fmt.Errorf("reference to %s of %s: it has %s, argument %s takes %s", r.ref.Path, r.ref.Name, r.typ, r.argument, want)
	}
	return err
}

// Do makes the calls. Its error is that of a request as a whole, and of all calls that were not answered; each call
// that was has its own.
func (b *Batch) Do(ctx context.Context) error {
	if b.err != nil || b.responses != nil {
		return b.err
	}
	var limits jmap.Limits
	if limits, b.err = b.client.limits(ctx); b.err != nil {
		return b.err
	}
	b.responses = make(map[string]jmap.Invocation, len(b.calls))
	for from := 0; from < len(b.calls) && b.err == nil; {
		from, b.err = b.request(ctx, from, &limits)
	}
	return b.err
}

// request makes the calls from one on that fit one request and returns the index of the next.
func (b *Batch) request(ctx context.Context, from int, limits *jmap.Limits) (next int, err error) {
	r := jmap.Request{Using: b.using, CreatedIDs: b.created}
	size := int64(256) // of all but the calls
	for id, made := range b.created {
		size += int64(len(id) + len(made) + 6)
	}
	for next = from; next < len(b.calls); next++ {
		c := &b.calls[next]
		args, err := b.arguments(c, from)
		if e, ok := errors.AsType[*jmap.MethodError](err); ok {
			text, err := jmap.Marshal(e)
			if err != nil {
				return next, err
			}
			b.responses[c.ID] = jmap.Invocation{Name: "error", Args: text, ID: c.ID}
			continue
		}
		if err != nil {
			return next, fmt.Errorf("jmapclient: %s: %w", c.Name, err)
		}
		size += int64(len(args) + len(c.Name) + len(c.ID) + 8)
		if n := len(r.MethodCalls); n > 0 && (limits.MaxCallsInRequest > 0 && n >= limits.MaxCallsInRequest || limits.MaxSizeRequest > 0 && size > limits.MaxSizeRequest) {
			break
		}
		r.MethodCalls = append(r.MethodCalls, jmap.Invocation{Name: c.Name, Args: args, ID: c.ID})
	}
	if len(r.MethodCalls) == 0 {
		return next, nil
	}
	if next < len(b.calls) && r.CreatedIDs == nil {
		r.CreatedIDs = make(map[jmap.ID]jmap.ID) // asks the server to tell
	}
	resp, err := b.client.post(ctx, &r)
	if err != nil {
		return next, err
	}
	b.created = resp.CreatedIDs
	for _, in := range resp.MethodResponses {
		if _, ok := b.responses[in.ID]; !ok {
			b.responses[in.ID] = in
		}
	}
	return next, nil
}

// arguments returns those of a call in a request that begins with call first: what it takes from earlier requests is
// put in, what it takes from this one is left to the server. A *jmap.MethodError is the call's answer.
func (b *Batch) arguments(c *call, first int) (jmap.Raw, error) {
	args, err := c.Args, error(nil)
	old := jmap.Resolver{}
	for _, ref := range c.refs {
		if in, ok := b.responses[ref.ref.ResultOf]; ok && err == nil {
			old.Responses = append(old.Responses, in)
			args, err = ref.ref.Replace(args, ref.argument)
		}
	}
	if err == nil && old.Responses != nil {
		args, err = old.Resolve(args)
	}
	for _, ref := range c.refs {
		if _, ok := b.responses[ref.ref.ResultOf]; !ok && err == nil {
			args, err = ref.ref.Replace(args, ref.argument)
		}
	}
	return args, err
}

var errNotDone = errors.New("jmapclient: the batch has not been done")

// Result returns the response to the call after Do. The error is a *jmap.MethodError where the call failed.
func (c *Call[Resp]) Result() (*Resp, error) {
	in, ok := c.b.responses[c.id]
	switch {
	case ok:
		out := new(Resp)
		if err := in.Decode(c.name, out); err != nil {
			return nil, err
		}
		return out, nil
	case c.b.err != nil:
		return nil, c.b.err
	case c.b.responses == nil:
		return nil, errNotDone
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
