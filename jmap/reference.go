package jmap

import (
	"slices"
	"strings"
)

// A ResultReference names part of the response to an earlier call of the same request (RFC 8620 §3.7). It is the value
// of an argument whose name starts with "#".
type ResultReference struct {
	ResultOf string `json:"resultOf"` // the call's id
	Name     string `json:"name"`     // its response's name
	Path     string `json:"path"`     // a Pointer into its arguments
}

// MaxReferenceBytes is how much text the result references of one request may bring in together: calls that double
// what an earlier one returned end there.
const MaxReferenceBytes = 16 << 20

// A Resolver resolves the result references of one request.
type Resolver struct {
	// Responses are those so far.
	Responses []Invocation
	used      int
}

// Resolve returns args with every "#name" replaced by its value under "name". The error is a *MethodError:
// InvalidResultReference, or InvalidArguments where a name is there in both forms.
func (r *Resolver) Resolve(args Raw) (Raw, error) {
	if !strings.Contains(string(args), `"#`) {
		return args, nil
	}
	ms, err := args.members()
	if err != nil {
		return nil, Errorf(InvalidArguments, "arguments are not an object")
	}
	names := make(map[string]bool, len(ms))
	for _, m := range ms {
		names[m.name] = true
	}
	for i, m := range ms {
		name, ok := strings.CutPrefix(m.name, "#")
		if !ok {
			continue
		}
		if names[name] {
			return nil, Errorf(InvalidArguments, "both %.80q and %.80q are given", name, m.name)
		}
		v, err := r.lookup(m.value)
		if err != nil {
			return nil, err
		}
		if r.used += len(v); r.used > MaxReferenceBytes {
			return nil, Errorf(InvalidResultReference, "result references of this request exceed %d octets", MaxReferenceBytes)
		}
		ms[i] = member{name: name, value: v}
	}
	return appendObject(nil, ms)
}

func (r *Resolver) lookup(v Raw) (Raw, error) {
	var ref ResultReference
	if err := Unmarshal(v, &ref); err != nil {
		return nil, Errorf(InvalidResultReference, "not a ResultReference")
	}
	for i := range r.Responses {
		in := &r.Responses[i]
		if in.ID != ref.ResultOf {
			continue
		}
		if in.Name != ref.Name {
			return nil, Errorf(InvalidResultReference, "the response to call %.80q is %.80q, not %.80q", ref.ResultOf, in.Name, ref.Name)
		}
		p, err := ParsePointer(ref.Path)
		if err != nil {
			return nil, Errorf(InvalidResultReference, "path %.80q is no JSON pointer", ref.Path)
		}
		got, err := p.Eval(in.Args)
		if err != nil {
			return nil, Errorf(InvalidResultReference, "path %.80q points to nothing", ref.Path)
		}
		return got, nil
	}
	return nil, Errorf(InvalidResultReference, "no earlier call %.80q", ref.ResultOf)
}

// Replace returns the arguments with one taken from an earlier result: "name" goes, "#name" comes.
func (r ResultReference) Replace(args Raw, name string) (Raw, error) {
	ms, err := args.members()
	if err != nil {
		return nil, err
	}
	v, err := Marshal(r)
	if err != nil {
		return nil, err
	}
	ms = slices.DeleteFunc(ms, func(m member) bool { return m.name == name })
	return appendObject(nil, append(ms, member{name: "#" + name, value: v}))
}
