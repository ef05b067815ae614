package jmap

import (
	"errors"
	"fmt"
	"slices"
)

// An Invocation is one method call or one response to it (RFC 8620 §3.2).
type Invocation struct {
	Name string
	Args Raw    // an object
	ID   string // of the call
}

// MarshalJSON writes the tuple.
func (in Invocation) MarshalJSON() ([]byte, error) { return in.append(nil) }

func (in Invocation) append(dst []byte) ([]byte, error) {
	dst, err := AppendString(append(dst, '['), in.Name)
	if err != nil {
		return nil, err
	}
	dst = append(append(append(dst, ','), in.Args...), ',')
	if dst, err = AppendString(dst, in.ID); err != nil {
		return nil, err
	}
	return append(dst, ']'), nil
}

var errInvocation = errors.New("jmap: an invocation is [name, {arguments}, id]")

// UnmarshalJSON reads the tuple.
func (in *Invocation) UnmarshalJSON(b []byte) error {
	list, err := Raw(b).elements()
	if err != nil || len(list) != 3 || list[0].kind() != '"' || list[1].kind() != '{' || list[2].kind() != '"' {
		return errInvocation
	}
	if err := Unmarshal(list[0], &in.Name); err != nil {
		return err
	}
	in.Args = append(Raw(nil), list[1]...)
	return Unmarshal(list[2], &in.ID)
}

// A Request is what a client posts (RFC 8620 §3.3).
type Request struct {
	Using       []string     `json:"using"`
	MethodCalls []Invocation `json:"methodCalls"`
	// CreatedIDs are creation ids and what they became; nil: not given.
	CreatedIDs map[ID]ID `json:"createdIds,omitzero"`
}

// ParseRequest parses a Request. The error is a *RequestError of type ProblemNotJSON or ProblemNotRequest.
func ParseRequest(b []byte) (*Request, error) {
	r := new(Request)
	if err := Unmarshal(b, r); err != nil {
		if e, ok := errors.AsType[*SyntaxError](err); ok {
			return nil, &RequestError{Type: ProblemNotJSON, Status: 400, Detail: e.Error()}
		}
		return nil, &RequestError{Type: ProblemNotRequest, Status: 400, Detail: err.Error()}
	}
	if r.Using == nil || r.MethodCalls == nil {
		return nil, &RequestError{Type: ProblemNotRequest, Status: 400, Detail: "using or methodCalls is missing"}
	}
	return r, nil
}

// A Response is what a server answers (RFC 8620 §3.4).
type Response struct {
	MethodResponses []Invocation `json:"methodResponses"`
	// CreatedIDs are there if the Request had some.
	CreatedIDs   map[ID]ID `json:"createdIds,omitzero"`
	SessionState State     `json:"sessionState"`
}

// AppendJSON appends r, whose arguments are known to be JSON.
func (r *Response) AppendJSON(dst []byte) ([]byte, error) {
	size := 100
	for _, in := range r.MethodResponses {
		size += len(in.Name) + len(in.Args) + len(in.ID) + 10
	}
	dst = append(slices.Grow(dst, size), `{"methodResponses":[`...)
	var err error
	for i, in := range r.MethodResponses {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = in.append(dst); err != nil {
			return nil, err
		}
	}
	dst = append(dst, ']')
	if r.CreatedIDs != nil {
		ids, err := Marshal(r.CreatedIDs)
		if err != nil {
			return nil, err
		}
		dst = append(append(dst, `,"createdIds":`...), ids...)
	}
	state, err := Marshal(r.SessionState)
	if err != nil {
		return nil, err
	}
	dst = append(append(dst, `,"sessionState":`...), state...)
	return append(dst, '}'), nil
}

// Decode decodes the arguments of a response named name into v. A response named error gives its *MethodError.
func (in Invocation) Decode(name string, v any) error {
	if in.Name == "error" {
		e := new(MethodError)
		if err := Unmarshal(in.Args, e); err != nil {
			return fmt.Errorf("jmap: call %q: %w", in.ID, err)
		}
		return e
	}
	if in.Name != name {
		return fmt.Errorf("jmap: call %q: response %q instead of %q", in.ID, in.Name, name)
	}
	if err := Unmarshal(in.Args, v); err != nil {
		return fmt.Errorf("jmap: %s, call %q: %w", name, in.ID, err)
	}
	return nil
}
