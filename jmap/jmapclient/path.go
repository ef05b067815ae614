package jmapclient

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/mailbricks/mailbricks/jmap"
)

// typeAt returns the type of what path points to in a t, nil where only the server knows. "*" maps through a slice,
// what it finds flattened.
func typeAt(t reflect.Type, path jmap.Pointer) (reflect.Type, error) {
	if len(path) == 0 || t == nil {
		return t, nil
	}
	token, rest := path[0], path[1:]
	switch t.Kind() {
	case reflect.Pointer:
		return typeAt(t.Elem(), path)
	case reflect.Interface:
		return nil, nil
	case reflect.Map:
		return typeAt(t.Elem(), rest)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return nil, nil // JSON as text
		}
		at, err := typeAt(t.Elem(), rest)
		switch {
		case err != nil || at == nil || token != "*":
			return at, err
		case at.Kind() == reflect.Slice:
			return at, nil
		}
		return reflect.SliceOf(at), nil
	case reflect.Struct:
		field, ok := member(t, token)
		if !ok {
			return nil, fmt.Errorf("%s has no property %q", t, token)
		}
		return typeAt(field, rest)
	}
	return nil, fmt.Errorf("%s has no properties", t)
}

// member returns the type of a property of a struct, nil where it is one of those that only the server knows.
func member(t reflect.Type, name string) (reflect.Type, bool) {
	open := reflect.PointerTo(t).Implements(reflect.TypeFor[interface{ UnmarshalJSON([]byte) error }]())
	for field := range t.Fields() {
		tag, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case tag == name:
			return field.Type, true
		case tag != "" || options != "embed":
		case field.Type.Kind() == reflect.Struct:
			if at, ok := member(field.Type, name); ok {
				return at, true
			}
		default:
			open = true
		}
	}
	return nil, open
}

// fits reports whether a value of one type can stand where the other is wanted; nil fits all.
func fits(from, to reflect.Type) bool {
	for from != nil && from.Kind() == reflect.Pointer {
		from = from.Elem()
	}
	for to != nil && to.Kind() == reflect.Pointer {
		to = to.Elem()
	}
	if from == nil || to == nil || from == to {
		return true
	}
	if from.Kind() == reflect.Slice && to.Kind() == reflect.Slice {
		return fits(from.Elem(), to.Elem())
	}
	if number(from) && number(to) {
		return true
	}
	text := reflect.TypeFor[string]()
	return from == text && to.Kind() == reflect.String || to == text && from.Kind() == reflect.String
}

func number(t reflect.Type) bool { return t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64 }
