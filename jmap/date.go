package jmap

import (
	"errors"
	"time"
)

// A Date is a date-time with its offset (RFC 8620 §1.4), a UTCDate one in UTC. Fractions of a second are written only
// where there are any.
type Date struct{ time.Time }

// A UTCDate is a Date in UTC.
type UTCDate struct{ time.Time }

var errDate = errors.New("jmap: not a date")

// MarshalJSON writes RFC 3339, the zero Date as null.
func (d Date) MarshalJSON() ([]byte, error) { return d.AppendJSON(nil) }

// UnmarshalJSON reads RFC 3339 with upper case letters; null is the zero Date.
func (d *Date) UnmarshalJSON(b []byte) (err error) {
	d.Time, err = parseDate(b)
	return err
}

// MarshalJSON writes RFC 3339 in UTC, the zero UTCDate as null.
func (d UTCDate) MarshalJSON() ([]byte, error) { return d.AppendJSON(nil) }

// UnmarshalJSON reads RFC 3339 that ends with Z; null is the zero UTCDate.
func (d *UTCDate) UnmarshalJSON(b []byte) error {
	t, err := parseDate(b)
	if err == nil && len(b) > 2 && b[0] == '"' && b[len(b)-2] != 'Z' {
		return errDate
	}
	d.Time = t
	return err
}

func parseDate(b []byte) (time.Time, error) {
	if string(b) == "null" {
		return time.Time{}, nil
	}
	if len(b) < 2 || b[0] != '"' {
		return time.Time{}, errDate
	}
	t, err := time.Parse(time.RFC3339Nano, string(b[1:len(b)-1]))
	if err != nil {
		return time.Time{}, errDate
	}
	return t, nil
}
