package hashcash

import (
	"crypto/sha1" // the hash of the format
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Limits of the grammar.
const (
	// MaxLength is the longest stamp that Parse takes, in octets.
	MaxLength = 512
	// MaxBits is the length of the hash.
	MaxBits = 160
)

// ErrSyntax says that a text is no stamp. It is wrapped by what Parse returns, which names the field.
var ErrSyntax = errors.New("hashcash: not a stamp")

// A Stamp is a parsed stamp. Only Parse and Minter make one.
type Stamp struct {
	Version  int       // 0 or 1
	Bits     int       // claimed bits; 0 in version 0
	Date     time.Time // UTC, rounded down to the given width
	Resource string
	Ext      string // version 1: extensions, uninterpreted
	Rand     string // version 0: rand and counter together
	Counter  string

	text string
}

// String returns the stamp as it is hashed.
func (s Stamp) String() string { return s.text }

// Zeros returns the number of zero bits that the stamp's SHA-1 begins with.
func (s Stamp) Zeros() int { return zeros([]byte(s.text)) }

// Value returns what the stamp is worth in bits: version 1 its claim if the hash bears it out, else 0, because luck
// beyond the claim was not worked for; version 0 its zero bits.
func (s Stamp) Value() int {
	z := s.Zeros()
	switch {
	case s.Version == 0:
		return z
	case z >= s.Bits:
		return s.Bits
	}
	return 0
}

// Parse reads a stamp of version 0 or 1. It is strict: seven fields, bits without sign or leading zero, a date that
// exists, the alphabet of rand and counter. The error wraps ErrSyntax.
func Parse(text string) (Stamp, error) {
	if len(text) > MaxLength {
		return Stamp{}, fmt.Errorf("%w: longer than %d octets", ErrSyntax, MaxLength)
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return Stamp{}, fmt.Errorf("%w: octet %#x at %d", ErrSyntax, text[i], i)
		}
	}
	f, n := split(text)
	s := Stamp{text: text}
	var date string
	switch {
	case f[0] == "1" && n == 7:
		s.Version, s.Resource, s.Ext, s.Rand, s.Counter = 1, f[3], f[4], f[5], f[6]
		claim, err := strconv.Atoi(f[1])
		if err != nil || strconv.Itoa(claim) != f[1] || claim < 0 || claim > MaxBits {
			return Stamp{}, fmt.Errorf("%w: bits %q", ErrSyntax, f[1])
		}
		s.Bits, date = claim, f[2]
		if !inAlphabet(s.Rand) || !inAlphabet(s.Counter) {
			return Stamp{}, fmt.Errorf("%w: rand or counter outside of a-zA-Z0-9+/=", ErrSyntax)
		}
	case f[0] == "0" && n == 4:
		date, s.Resource, s.Rand = f[1], f[2], f[3]
	case f[0] == "0" || f[0] == "1":
		return Stamp{}, fmt.Errorf("%w: %d fields in version %s", ErrSyntax, n, f[0])
	default:
		return Stamp{}, fmt.Errorf("%w: version %q", ErrSyntax, f[0])
	}
	if s.Resource == "" {
		return Stamp{}, fmt.Errorf("%w: no resource", ErrSyntax)
	}
	var err error
	if s.Date, err = parseDate(date); err != nil {
		return Stamp{}, err
	}
	return s, nil
}

// split returns the fields of a stamp, the first seven of them, and how many there are.
func split(text string) (f [7]string, n int) {
	for ; ; n++ {
		field, rest, more := strings.Cut(text, ":")
		if n < len(f) {
			f[n] = field
		}
		if !more {
			return f, n + 1
		}
		text = rest
	}
}

// dateLayouts by width.
var dateLayouts = [...]string{6: "060102", 10: "0601021504", 12: "060102150405"}

func parseDate(s string) (time.Time, error) {
	if len(s) >= len(dateLayouts) || dateLayouts[len(s)] == "" {
		return time.Time{}, fmt.Errorf("%w: date %q is not YYMMDD, YYMMDDhhmm or YYMMDDhhmmss", ErrSyntax, s)
	}
	var n [6]int // year, month, day, hour, minute, second
	for i := range len(s) {
		c := s[i] - '0'
		if c > 9 {
			return time.Time{}, fmt.Errorf("%w: date %q", ErrSyntax, s)
		}
		n[i/2] = 10*n[i/2] + int(c)
	}
	// A two-digit year is one from 1969 to 2068: 99 was long ago.
	year := 2000 + n[0]
	if n[0] >= 69 {
		year -= 100
	}
	t := time.Date(year, time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC)
	if n[1] < 1 || n[1] > 12 || t.Day() != n[2] || n[3] > 23 || n[4] > 59 || n[5] > 59 {
		return time.Time{}, fmt.Errorf("%w: date %q", ErrSyntax, s)
	}
	return t, nil
}

// alphabet is that of rand and counter, in the order in which counters count.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

func inAlphabet(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '+' && c != '/' && c != '=' {
			return false
		}
	}
	return true
}

// zeros counts the leading zero bits of the SHA-1 of b.
func zeros(b []byte) int {
	sum := sha1.Sum(b)
	n := bits.LeadingZeros64(binary.BigEndian.Uint64(sum[:]))
	if n == 64 {
		n += bits.LeadingZeros64(binary.BigEndian.Uint64(sum[8:]))
	}
	if n == 128 {
		n += bits.LeadingZeros32(binary.BigEndian.Uint32(sum[16:]))
	}
	return n
}
