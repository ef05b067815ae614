package equihash

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/blake2b"

	"github.com/mailbricks/mailbricks/hashcash"
)

// MaxBits is the highest price a stamp can claim.
const MaxBits = 64

// A Stamp is a parsed stamp. Only Parse makes one.
type Stamp struct {
	N        int
	Bits     int       // claimed, beyond being a solution
	Date     time.Time // UTC, a day
	Resource string
	Ext      string // extensions, see postage.ParseExt
	Rand     string
	Counter  string
	Solution []byte // packed

	header string // the text up to the solution
}

const (
	version    = "eq1"
	dateLayout = "060102"
)

// solutionCode is strict: of two spellings of one solution, one would be another stamp.
var solutionCode = base64.RawURLEncoding.Strict()

// Parse reads a stamp: nine fields, printable ASCII, numbers without sign or leading zero, a date that exists, a solution
// of the right length. It does not check the solution. The error wraps hashcash.ErrSyntax.
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
	s := Stamp{Resource: f[4], Ext: f[5], Rand: f[6], Counter: f[7], header: text[:len(text)-len(f[8])]}
	n, okN := number(f[1], maxN)
	price, okBits := number(f[2], MaxBits)
	p, err := paramsOf(n)
	if !okN || !okBits || err != nil {
		return Stamp{}, fmt.Errorf("%w: n %q, bits %q", hashcash.ErrSyntax, f[1], f[2])
	}
	s.N, s.Bits = n, price
	if s.Date, err = time.Parse(dateLayout, f[3]); err != nil || len(f[3]) != len(dateLayout) || strings.Trim(f[3], "0123456789") != "" {
		return Stamp{}, fmt.Errorf("%w: date %q", hashcash.ErrSyntax, f[3])
	}
	if s.Resource == "" || !inAlphabet(s.Rand) || !inAlphabet(s.Counter) {
		return Stamp{}, fmt.Errorf("%w: no resource, or rand or counter outside of a-zA-Z0-9+/", hashcash.ErrSyntax)
	}
	if s.Solution, err = solutionCode.DecodeString(f[8]); err != nil || len(s.Solution) != p.size() {
		return Stamp{}, fmt.Errorf("%w: solution is not %d octets in base64url", hashcash.ErrSyntax, p.size())
	}
	return s, nil
}

// number reads a decimal number without sign or leading zero.
func number(s string, limit int) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && strconv.Itoa(n) == s && n >= 0 && n <= limit
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

func inAlphabet(s string) bool {
	return s != "" && strings.Trim(s, alphabet) == ""
}

// String returns the stamp as text.
func (s Stamp) String() string {
	if s.header == "" {
		return ""
	}
	return s.header + solutionCode.EncodeToString(s.Solution)
}

// Zeros returns the number of zero bits that the hash of the stamp begins with, 64 at most.
func (s Stamp) Zeros() int { return zeros([]byte(s.header), s.Solution) }

func zeros(header, solution []byte) int {
	sum := blake2b.Sum256(append(header[:len(header):len(header)], solution...))
	return bits.LeadingZeros64(binary.BigEndian.Uint64(sum[:]))
}

// Check checks the bits and the solution. The error wraps hashcash.ErrBits, or what Check of the package wraps.
func (s Stamp) Check() error {
	if z := s.Zeros(); z < s.Bits {
		return fmt.Errorf("%w: the hash has %d, the stamp claims %d", hashcash.ErrBits, z, s.Bits)
	}
	return Check(s.N, []byte(s.header), s.Solution)
}
