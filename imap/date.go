package imap

import (
	"strings"
	"time"
)

// Layouts of RFC 9051 §9, date-time and date. A date-time's day is padded with a space.
const (
	dateTimeLayout = "_2-Jan-2006 15:04:05 -0700"
	dateLayout     = "2-Jan-2006"
)

// ParseDateTime reads a date-time, without its quotes: 17-Jul-1996 02:44:25 -0700. A day of one digit is padded with
// a space, or with a zero, as many clients do.
func ParseDateTime(s string) (time.Time, error) {
	if len(s) != len(dateTimeLayout) {
		return time.Time{}, &SyntaxError{Want: `a date-time as in "17-Jul-1996 02:44:25 -0700"`}
	}
	t, err := time.Parse(dateTimeLayout, s)
	if err != nil || t.Year() == 0 {
		return time.Time{}, &SyntaxError{Want: `a date-time as in "17-Jul-1996 02:44:25 -0700"`}
	}
	return t, nil
}

// AppendDateTime appends a date-time in quotes. A year that four digits cannot hold becomes the nearest that they can.
func AppendDateTime(dst []byte, t time.Time) []byte {
	switch y := t.Year(); {
	case y < 1:
		t = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	case y > 9999:
		t = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	if _, offset := t.Zone(); offset%60 != 0 {
		t = t.UTC()
	}
	dst = append(dst, '"')
	dst = t.AppendFormat(dst, dateTimeLayout)
	return append(dst, '"')
}

// DateTime reads a date-time in its quotes.
func (d *Decoder) DateTime() time.Time {
	start := d.pos
	s := d.Quoted()
	if d.err != nil {
		return time.Time{}
	}
	t, err := ParseDateTime(s)
	if err != nil {
		d.Fail(&SyntaxError{Offset: start, Want: `a date-time as in "17-Jul-1996 02:44:25 -0700"`})
	}
	return t
}

// ParseDate reads a date as SEARCH has it, without quotes: 1-Feb-1994. It is the beginning of that day in UTC.
func ParseDate(s string) (time.Time, error) {
	t, err := time.Parse(dateLayout, s)
	if err != nil || t.Year() == 0 || strings.ContainsAny(s, " +") {
		return time.Time{}, &SyntaxError{Want: "a date as in 1-Feb-1994"}
	}
	return t, nil
}

// AppendDate appends a date as SEARCH has it.
func AppendDate(dst []byte, t time.Time) []byte { return t.AppendFormat(dst, dateLayout) }

// Date reads a date, quoted or not.
func (d *Decoder) Date() time.Time {
	start := d.pos
	s := d.Astring()
	if d.err != nil {
		return time.Time{}
	}
	t, err := ParseDate(s)
	if err != nil {
		d.Fail(&SyntaxError{Offset: start, Want: "a date as in 1-Feb-1994"})
	}
	return t
}
