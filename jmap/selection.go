package jmap

import (
	"reflect"
	"slices"
	"strings"
)

// A Selection in the type of a record, embedded, says which of its properties are written, and in which order: those,
// null where they are nil, and no others. The zero Selection leaves it to the fields' tags.
type Selection struct{ fields []selected }

// A selected is one property: a field of the struct, or a key of its embedded map.
type selected struct {
	name  string
	index int // of the struct's field
	key   bool
}

// selector is what embeds a Selection.
type selector interface{ selection() Selection }

func (s Selection) selection() Selection { return s }

// SetSelection sets the Selection of the record that embeds s.
func (s *Selection) SetSelection(v Selection) { *s = v }

// IsZero reports whether s selects nothing in particular.
func (s Selection) IsZero() bool { return s.fields == nil }

// Without returns s without some properties, even id.
func (s Selection) Without(names ...string) Selection {
	out := Selection{fields: make([]selected, 0, len(s.fields))}
	for _, f := range s.fields {
		if !slices.Contains(names, f.name) {
			out.fields = append(out.fields, f)
		}
	}
	return out
}

// Null returns s with some of its properties written as null, whatever their values.
func (s Selection) Null(names ...string) Selection {
	out := Selection{fields: slices.Clone(s.fields)}
	for i := range out.fields {
		if slices.Contains(names, out.fields[i].name) {
			out.fields[i].index = -1
		}
	}
	return out
}

// Has reports whether s selects the property.
func (s Selection) Has(name string) bool {
	for i := range s.fields {
		if s.fields[i].name == name {
			return true
		}
	}
	return false
}

// Properties returns the properties of the struct T in the order of its fields.
func Properties[T any]() []string {
	var out []string
	t := reflect.TypeFor[T]()
	for field := range t.Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" && name != "-" {
			out = append(out, name)
		}
	}
	return out
}

// Select returns the Selection of properties of the struct T: its fields by the names of their json tags, and names
// that dynamic allows (nil: none), which are keys of its embedded map[string]Raw. Property id comes first, always. The
// error is a *MethodError of type InvalidArguments that names the first unknown property.
func Select[T any](properties []string, dynamic func(name string) error) (Selection, error) {
	t := reflect.TypeFor[T]()
	byName := make(map[string]int, t.NumField())
	embedded := -1
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		switch {
		case name == "" && options == "embed":
			embedded = i
		case name != "" && name != "-":
			byName[name] = i
		}
	}
	s := Selection{fields: make([]selected, 0, len(properties)+1)}
	if i, ok := byName["id"]; ok {
		s.fields = append(s.fields, selected{name: "id", index: i})
	}
	for _, p := range properties {
		if s.Has(p) {
			continue
		}
		if i, ok := byName[p]; ok {
			s.fields = append(s.fields, selected{name: p, index: i})
			continue
		}
		if embedded < 0 || dynamic == nil {
			return Selection{}, Errorf(InvalidArguments, "unknown property %.80q", p)
		}
		if err := dynamic(p); err != nil {
			return Selection{}, Errorf(InvalidArguments, "property %.80q: %v", p, err)
		}
		s.fields = append(s.fields, selected{name: p, index: embedded, key: true})
	}
	return s, nil
}
