package jmap

import (
	"errors"
	"fmt"
)

// A Filter is a FilterOperator over Conditions, or one condition (RFC 8620 §5.5).
type Filter[C any] struct {
	// Operator is AND, OR or NOT (none of them); "" for a condition.
	Operator   FilterOperator
	Conditions []Filter[C]
	// Condition is set where Operator is "".
	Condition *C
}

// A FilterOperator joins filters.
type FilterOperator string

// Filter operators. And of nothing is true, Or of nothing is false, Not of nothing is true.
const (
	And FilterOperator = "AND"
	Or  FilterOperator = "OR"
	Not FilterOperator = "NOT"
)

// Limits of a filter that is decoded.
const (
	MaxFilterDepth      = 32
	MaxFilterConditions = 1000
)

// Where returns a Filter of one condition.
func Where[C any](c C) *Filter[C] { return &Filter[C]{Condition: &c} }

// Match evaluates f, with match for its conditions. The nil Filter matches everything. An error ends the evaluation.
func (f *Filter[C]) Match(match func(*C) (bool, error)) (bool, error) {
	if f == nil {
		return true, nil
	}
	if f.Operator == "" {
		if f.Condition == nil {
			return true, nil
		}
		return match(f.Condition)
	}
	for i := range f.Conditions {
		ok, err := f.Conditions[i].Match(match)
		switch {
		case err != nil:
			return false, err
		case f.Operator == And && !ok:
			return false, nil
		case f.Operator == Or && ok:
			return true, nil
		case f.Operator == Not && ok:
			return false, nil
		}
	}
	return f.Operator != Or, nil
}

// All calls yield for every condition of f until it returns false.
func (f *Filter[C]) All(yield func(*C) bool) { f.each(yield) }

func (f *Filter[C]) each(yield func(*C) bool) bool {
	if f == nil {
		return true
	}
	if f.Operator == "" {
		return f.Condition == nil || yield(f.Condition)
	}
	for i := range f.Conditions {
		if !f.Conditions[i].each(yield) {
			return false
		}
	}
	return true
}

// MarshalJSON writes the operator or the condition.
func (f Filter[C]) MarshalJSON() ([]byte, error) {
	if f.Operator == "" {
		if f.Condition == nil {
			return []byte("{}"), nil
		}
		return Marshal(f.Condition)
	}
	return Marshal(struct {
		Operator   FilterOperator `json:"operator"`
		Conditions []Filter[C]    `json:"conditions"`
	}{f.Operator, f.Conditions})
}

// errFilter says that a filter is nested too deep, has too many conditions, or an unknown operator.
var errFilter = errors.New("jmap: filter")

// UnmarshalJSON reads a filter of at most MaxFilterDepth levels and MaxFilterConditions conditions.
func (f *Filter[C]) UnmarshalJSON(b []byte) error {
	budget := MaxFilterConditions
	return f.parse(b, MaxFilterDepth, &budget)
}

func (f *Filter[C]) parse(b Raw, depth int, budget *int) error {
	if *budget--; *budget < 0 {
		return fmt.Errorf("%w: more than %d conditions", errFilter, MaxFilterConditions)
	}
	if depth == 0 {
		return fmt.Errorf("%w: nested deeper than %d", errFilter, MaxFilterDepth)
	}
	ms, err := b.members()
	if err != nil {
		return err
	}
	var op FilterOperator
	var conditions Raw
	for _, m := range ms {
		switch m.name {
		case "operator":
			if err := Unmarshal(m.value, &op); err != nil {
				return err
			}
		case "conditions":
			conditions = m.value
		}
	}
	switch op {
	case "":
		*f = Filter[C]{Condition: new(C)}
		return unmarshalStrict(b, f.Condition)
	case And, Or, Not:
	default:
		return fmt.Errorf("%w: unknown operator %.20q", errFilter, op)
	}
	*f = Filter[C]{Operator: op}
	list, err := conditions.elements()
	if err != nil {
		return err
	}
	for _, c := range list {
		var sub Filter[C]
		if err := sub.parse(c, depth-1, budget); err != nil {
			return err
		}
		f.Conditions = append(f.Conditions, sub)
	}
	return nil
}
