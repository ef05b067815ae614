package mbound

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/hashcash"
)

// MaxBits is the highest price a stamp can claim.
const MaxBits = 40

// A Stamp is a parsed stamp. Only Parse makes one.
type Stamp struct {
	Table    int // 2^Table words
	Steps    int
	Bits     int       // claimed
	Date     time.Time // UTC, a day
	Resource string
	Ext      string // extensions, see postage.ParseExt
	Rand     string
	Counter  string

	text string
}

const (
	version    = "mb1"
	dateLayout = "060102"
	alphabet   = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
)

// Parse reads a stamp: nine fields, printable ASCII, numbers without sign or leading zero and within the limits, a date
// that exists. It does not walk. The error wraps hashcash.ErrSyntax.
func Parse(text string) (Stamp, error) {
	if len(text) > hashcash.MaxLength {
		return Stamp{}, fmt.Errorf("%w: longer than %d octets", hashcash.ErrSyntax, hashcash.MaxLength)
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return Stamp{}, fmt.Errorf("%w: octet %#x at %d", hashcash.ErrSyntax, text[i], i)
		}
	}
	f := strings.Split(text, ":")
	if len(f) != 9 || f[0] != version {
		return Stamp{}, fmt.Errorf("%w: not nine fields, the first of them %s", hashcash.ErrSyntax, version)
	}
	s := Stamp{Resource: f[5], Ext: f[6], Rand: f[7], Counter: f[8], text: text}
	for i, n := range []struct {
		to          *int
		least, most int
	}{{&s.Table, MinTable, MaxTable}, {&s.Steps, 1, MaxSteps}, {&s.Bits, 1, MaxBits}} {
		var ok bool
		if *n.to, ok = number(f[1+i], n.least, n.most); !ok {
			return Stamp{}, fmt.Errorf("%w: %q is not %d to %d", hashcash.ErrSyntax, f[1+i], n.least, n.most)
		}
	}
	var err error
	if s.Date, err = time.Parse(dateLayout, f[4]); err != nil || len(f[4]) != len(dateLayout) || strings.Trim(f[4], "0123456789") != "" {
		return Stamp{}, fmt.Errorf("%w: date %q", hashcash.ErrSyntax, f[4])
	}
	if s.Resource == "" || !inAlphabet(s.Rand) || !inAlphabet(s.Counter) {
		return Stamp{}, fmt.Errorf("%w: no resource, or rand or counter outside of a-zA-Z0-9+/", hashcash.ErrSyntax)
	}
	return s, nil
}

// String returns the stamp as text.
func (s Stamp) String() string { return s.text }

// number reads a decimal number without sign or leading zero.
func number(s string, least, most int) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && strconv.Itoa(n) == s && n >= least && n <= most
}

func inAlphabet(s string) bool { return s != "" && strings.Trim(s, alphabet) == "" }

// digits writes a number in base 64.
func digits(n uint64) string {
	text := string(alphabet[n&63])
	for n >>= 6; n > 0; n >>= 6 {
		text = string(alphabet[n&63]) + text
	}
	return text
}
