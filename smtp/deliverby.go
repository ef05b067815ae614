package smtp

import (
	"strconv"
	"strings"
	"time"
)

// DeliverBy is the BY parameter of MAIL (RFC 2852 §4): how much time there is to deliver the message. The zero value is
// none.
type DeliverBy struct {
	// After is the by-time, in whole seconds on the wire, counted from the MAIL command; at most 999,999,999 s either way. It
	// is negative once the time has passed, which DeliverReturn does not allow.
	After time.Duration
	// Mode says what to do when the time has passed; "": the parameter was not given.
	Mode DeliverMode
	// Trace asks for a "relayed" notification from each host on the way.
	Trace bool
}

// DeliverMode is the by-mode of DeliverBy.
type DeliverMode string

// Modes of DeliverBy.
const (
	DeliverNotify DeliverMode = "N" // tell the sender, and go on
	DeliverReturn DeliverMode = "R" // give up and return the message; never to a host without DELIVERBY
)

// Remaining returns what is left of d once elapsed has gone by, for the next host (RFC 2852 §4.1.4).
func (d DeliverBy) Remaining(elapsed time.Duration) DeliverBy {
	if d.Mode != "" {
		d.After = max(d.After-elapsed, -maxByTime)
	}
	return d
}

const maxByTime = 999_999_999 * time.Second

// parseDeliverBy parses a by-value: [-+]1*9DIGIT ";" ("N" / "R") ["T"].
func parseDeliverBy(v string) (d DeliverBy, ok bool) {
	number, mode, ok := strings.Cut(v, ";")
	digits := strings.TrimPrefix(strings.TrimPrefix(number, "+"), "-")
	if !ok || len(number)-len(digits) > 1 || !isDigits(digits) || len(digits) > 9 {
		return d, false
	}
	n, err := strconv.Atoi(digits)
	if number[0] == '-' {
		n = -n
	}
	mode = strings.ToUpper(mode)
	mode, d.Trace = strings.CutSuffix(mode, "T")
	d.After, d.Mode = time.Duration(n)*time.Second, DeliverMode(mode)
	return d, err == nil && d.valid()
}

func (d DeliverBy) valid() bool {
	switch d.Mode {
	case DeliverReturn:
		return d.After >= time.Second && d.After <= maxByTime
	case DeliverNotify:
		return d.After >= -maxByTime && d.After <= maxByTime
	}
	return d == DeliverBy{}
}

func appendDeliverBy(dst []byte, d DeliverBy) []byte {
	dst = strconv.AppendInt(append(dst, " BY="...), int64(d.After/time.Second), 10)
	dst = append(append(dst, ';'), d.Mode...)
	if d.Trace {
		dst = append(dst, 'T')
	}
	return dst
}

// Hold is the HOLDFOR or the HOLDUNTIL parameter of MAIL (RFC 4865 §3): the message is not to be sent on before. At most
// one of the two is set. The zero value is none.
type Hold struct {
	// For is in whole seconds on the wire, at most 999,999,999 s, counted from when the message was taken.
	For time.Duration `json:",omitempty"`
	// Until is in UTC and whole seconds on the wire.
	Until time.Time `json:",omitzero"`
}

// Release returns until when a message that was taken at a time is held; the zero Time for no Hold.
func (h Hold) Release(taken time.Time) time.Time {
	if h.For > 0 {
		return taken.Add(h.For)
	}
	return h.Until
}

// String returns h as the Future-Release-Request field of a notification has it (RFC 4865 §5.1.2), "" for none.
func (h Hold) String() string {
	switch {
	case h.For > 0:
		return "for;" + strconv.FormatInt(seconds(h.For), 10)
	case !h.Until.IsZero():
		return "until;" + h.until()
	}
	return ""
}

// seconds rounds up: a message is never sent too early.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

func (h Hold) until() string {
	return h.Until.Add(time.Second - 1).UTC().Truncate(time.Second).Format("2006-01-02T15:04:05Z")
}

func (h Hold) valid() bool {
	return h == Hold{} || h.Until.IsZero() && h.For > 0 && h.For <= maxByTime || h.For == 0 && h.Until.UTC().Year() < 10000
}

// set stores one of the two parameters.
func (h *Hold) set(keyword, v string) bool {
	if *h != (Hold{}) { // RFC 4865 §4.2: not both
		return false
	}
	if keyword == "HOLDFOR" {
		n, err := strconv.Atoi(v)
		h.For = time.Duration(n) * time.Second
		return err == nil && isDigits(v) && len(v) <= 9 && n > 0
	}
	t, err := time.Parse("2006-01-02T15:04:05Z", strings.ToUpper(v))
	h.Until = t
	return err == nil && !t.IsZero()
}

func appendHold(dst []byte, h Hold) []byte {
	switch {
	case h.For > 0:
		dst = strconv.AppendInt(append(dst, " HOLDFOR="...), seconds(h.For), 10)
	case !h.Until.IsZero():
		dst = append(append(dst, " HOLDUNTIL="...), h.until()...)
	}
	return dst
}

// parsePriority parses a priority-value (RFC 6710 §7): "0", or one digit with or without "-".
func parsePriority(v string) (n int, ok bool) {
	digit := strings.TrimPrefix(v, "-")
	if len(digit) != 1 || !isDigits(digit) || v == "-0" {
		return 0, false
	}
	n = int(digit[0] - '0')
	if len(v) == 2 {
		n = -n
	}
	return n, true
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
