package jmap

// A NullString is a string that is null in JSON where it is empty.
type NullString string

// MarshalJSON writes null for "".
func (s NullString) MarshalJSON() ([]byte, error) { return s.AppendJSON(nil) }

// UnmarshalJSON reads a string, or null as "".
func (s *NullString) UnmarshalJSON(b []byte) error { return Unmarshal(b, (*string)(s)) }

// An Optional is a value that may be absent, or null.
type Optional[T any] struct {
	Set   bool // not absent
	Value *T   // nil: null
}

// IsZero reports whether o is absent.
func (o Optional[T]) IsZero() bool { return !o.Set }

// MarshalJSON writes the value, or null.
func (o Optional[T]) MarshalJSON() ([]byte, error) { return Marshal(o.Value) }

// UnmarshalJSON reads a value, or null.
func (o *Optional[T]) UnmarshalJSON(b []byte) error {
	o.Set, o.Value = true, nil
	return Unmarshal(b, &o.Value)
}

// A NullList is a list that is null in JSON where it is nil.
type NullList[T any] []T

// MarshalJSON writes null for nil.
func (l NullList[T]) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("null"), nil
	}
	return Marshal([]T(l))
}

// UnmarshalJSON reads a list, or null as nil.
func (l *NullList[T]) UnmarshalJSON(b []byte) error { return Unmarshal(b, (*[]T)(l)) }
