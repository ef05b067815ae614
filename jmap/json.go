package jmap

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The one file that knows which JSON package there is.

// Raw is one JSON value as text.
type Raw []byte

// MarshalJSON returns r, or null where it is nil.
func (r Raw) MarshalJSON() ([]byte, error) {
	if r == nil {
		return []byte("null"), nil
	}
	return r, nil
}

// UnmarshalJSON keeps a copy of b.
func (r *Raw) UnmarshalJSON(b []byte) error {
	*r = bytes.Clone(b)
	return nil
}

// Marshal returns v as JSON. Maps are written in a fixed order.
func Marshal(v any) (Raw, error) {
	if a, ok := v.(Appender); ok {
		return a.AppendJSON(nil)
	}
	return json.Marshal(v, marshalOptions())
}

// AppendString appends s as a JSON string. The error says that s is not UTF-8.
func AppendString(dst []byte, s string) ([]byte, error) { return jsontext.AppendQuote(dst, s) }

// appendNulls appends v with nil lists as null.
func appendNulls(dst []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v, marshalOptions(), json.FormatNilSliceAsNull(true))
	return append(dst, b...), err
}

// MarshalWrite writes v as JSON.
func MarshalWrite(w io.Writer, v any) error {
	return json.MarshalWrite(w, v, marshalOptions())
}

// Unmarshal parses I-JSON into v. Unknown members are ignored (RFC 8620 §3.3). The error is a *SyntaxError where b is
// not I-JSON, else a *TypeError.
func Unmarshal(b []byte, v any) error { return unmarshal(b, v) }

// unmarshalStrict is Unmarshal that refuses unknown members.
func unmarshalStrict(b []byte, v any) error { return unmarshal(b, v, json.RejectUnknownMembers(true)) }

func unmarshal(b []byte, v any, o ...json.Options) error {
	err := json.Unmarshal(b, v, o...)
	if err == nil {
		return nil
	}
	if !jsontext.Value(b).IsValid() {
		return &SyntaxError{err: err}
	}
	if e, ok := errors.AsType[*TypeError](err); ok {
		return e // of a part, found by a type's own decoder
	}
	e := &TypeError{err: err}
	if s, ok := errors.AsType[*json.SemanticError](err); ok {
		e.Path = string(s.JSONPointer)
	}
	return e
}

// A TypeError says that a value is I-JSON, but not what is wanted there.
type TypeError struct {
	Path string // JSON pointer to the value, within what was decoded
	err  error
}

func (e *TypeError) Error() string { return "jmap: wrong type of value at " + strconv.Quote(e.Path) }

// Unwrap returns the parser's error.
func (e *TypeError) Unwrap() error { return e.err }

// A SyntaxError says that a text is not I-JSON (RFC 7493).
type SyntaxError struct{ err error }

func (e *SyntaxError) Error() string { return "jmap: not I-JSON: " + e.err.Error() }

// Unwrap returns the parser's error.
func (e *SyntaxError) Unwrap() error { return e.err }

// A kind is the first character of a JSON value; any number has '0'.
type kind byte

func (r Raw) kind() kind { return kind(jsontext.Value(r).Kind()) }

// A member is one name and value of an object.
type member struct {
	name  string
	value Raw
}

var errKind = errors.New("jmap: not the expected kind of JSON value")

// members splits an object, whose values alias r.
func (r Raw) members() ([]member, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(r))
	if d.PeekKind() != '{' {
		return nil, errKind
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	var out []member
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		m := member{name: name.String()}
		if m.value, err = next(d, r); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// elements splits an array, whose elements alias r.
func (r Raw) elements() ([]Raw, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(r))
	if d.PeekKind() != '[' {
		return nil, errKind
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	var out []Raw
	for d.PeekKind() != ']' {
		v, err := next(d, r)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// next reads one value of d, which decodes r.
func next(d *jsontext.Decoder, r Raw) (Raw, error) {
	v, err := d.ReadValue()
	if err != nil {
		return nil, err
	}
	end := int(d.InputOffset())
	return r[end-len(v) : end : end], nil
}

// appendObject appends the members as one object.
func appendObject(dst []byte, ms []member) ([]byte, error) {
	dst = append(dst, '{')
	for i, m := range ms {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = jsontext.AppendQuote(dst, m.name); err != nil {
			return nil, err
		}
		dst = append(append(dst, ':'), m.value...)
	}
	return append(dst, '}'), nil
}

// marshalOptions are those of everything that is written.
func marshalOptions() json.Options {
	return json.JoinOptions(json.Deterministic(true), json.WithMarshalers(json.MarshalToFunc(marshalSelected)))
}

// marshalSelected writes a record with the properties of its Selection.
func marshalSelected(e *jsontext.Encoder, r selector) error {
	sel := r.selection()
	if sel.IsZero() {
		return errors.ErrUnsupported
	}
	v := reflect.Indirect(reflect.ValueOf(r))
	if !v.CanAddr() {
		p := reflect.New(v.Type())
		p.Elem().Set(v)
		v = p.Elem()
	}
	b, err := appendSelected(e.AvailableBuffer(), v, sel)
	if err != nil {
		return err
	}
	return e.WriteValue(b)
}
