package equihash

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
)

// DefaultN is what Scheme quotes when told 0.
const DefaultN = 120

// Scheme is the postage.Scheme "equihash". The price is in bits beyond one solution, 0 to MaxBits; the parameters are
// "n=120". One stamp is solved at a time, on one core.
type Scheme struct {
	// N is what is quoted and the least that is taken; 0 is DefaultN. Pay takes any.
	N int
	// Bits is the price that is quoted; 0 is one solution.
	Bits int
	// MaxBits is the highest price that is paid; 0 is 8, a few minutes. Negative: nothing is paid.
	MaxBits int
	// Rand gives the random text; nil is crypto/rand.
	Rand io.Reader
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Expiry is how long a stamp lives from its date; 0 is 28 days.
	Expiry time.Duration
	// Grace is the skew of clocks that is allowed on both ends; 0 is 2 days.
	Grace time.Duration
	// Spent remembers stamps. It is required to verify, unless AllowReplay is set.
	Spent hashcash.SpentStore
	// AllowReplay makes the same stamp good for any number of letters.
	AllowReplay bool
	// Progress, if not nil, is called by Pay after each run with the number of runs; two solutions come of one on average.
	Progress func(runs int)

	mu     sync.Mutex
	solver Solver
}

const (
	schemeName  = "equihash"
	paramN      = "n="
	defaultMost = 8
)

// Name implements postage.Scheme.
func (s *Scheme) Name() string { return schemeName }

// Quote implements postage.Scheme.
func (s *Scheme) Quote(_ context.Context, b postage.Binding) (postage.Demand, error) {
	d := postage.Demand{Binding: b, Scheme: schemeName, Price: s.Bits, Params: paramN + strconv.Itoa(s.n())}
	_, err := checkDemand(d)
	return d, err
}

func (s *Scheme) n() int {
	if s.N == 0 {
		return DefaultN
	}
	return s.N
}

// checkDemand returns n.
func checkDemand(d postage.Demand) (int, error) {
	if err := d.Check(schemeName); err != nil {
		return 0, err
	}
	text, ok := strings.CutPrefix(d.Params, paramN)
	n, isNumber := number(text, maxN)
	if _, err := paramsOf(n); !ok || !isNumber || err != nil || d.Price < 0 || d.Price > MaxBits {
		return 0, fmt.Errorf("%w: %d bits, parameters %q", postage.ErrDemand, d.Price, d.Params)
	}
	return n, nil
}

func (s *Scheme) now() time.Time {
	if s.Now == nil {
		return time.Now().UTC()
	}
	return s.Now().UTC()
}

// Pay implements postage.Scheme. A recipient whose address has a colon, white space or octets outside of ASCII is
// hashcash.ErrResource.
func (s *Scheme) Pay(ctx context.Context, d postage.Demand) (string, error) {
	n, err := checkDemand(d)
	if err != nil {
		return "", err
	}
	most := s.MaxBits
	if most == 0 {
		most = defaultMost
	}
	if d.Price > most {
		return "", fmt.Errorf("%w: %d bits, the limit is %d", postage.ErrDear, d.Price, max(most, 0))
	}
	for i := range len(d.Recipient) {
		if c := d.Recipient[i]; c <= ' ' || c > '~' || c == ':' {
			return "", fmt.Errorf("%w: %q has %q, which cannot stand in a stamp", hashcash.ErrResource, d.Recipient, c)
		}
	}
	ext, err := d.Ext()
	if err != nil {
		return "", err
	}
	p, _ := paramsOf(n)
	var salt [16]byte
	source := s.Rand
	if source == nil {
		source = rand.Reader
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := io.ReadFull(source, salt[:]); err != nil {
		return "", fmt.Errorf("equihash: random text: %w", err)
	}
	for i := range salt {
		salt[i] = alphabet[salt[i]%64]
	}
	prefix := fmt.Sprintf("%s:%d:%d:%s:%s:%s:%s:", version, n, d.Price, s.now().Format(dateLayout), strings.ToLower(d.Recipient), ext, salt)
	const counter = 8 // digits at most, and a colon
	if len(prefix)+counter+1+solutionCode.EncodedLen(p.size()) > hashcash.MaxLength {
		return "", fmt.Errorf("%w: stamp longer than %d octets", hashcash.ErrResource, hashcash.MaxLength)
	}
	return s.search(ctx, n, d.Price, prefix)
}

// search runs the solver until a solution has its bits.
func (s *Scheme) search(ctx context.Context, n, price int, prefix string) (string, error) {
	for run := 0; ; run++ {
		header := prefix + digits(run) + ":"
		solutions, err := s.solver.Solve(ctx, n, []byte(header))
		if err != nil {
			return "", err
		}
		if s.Progress != nil {
			s.Progress(run + 1)
		}
		for _, x := range solutions {
			if zeros([]byte(header), x) >= price {
				return header + solutionCode.EncodeToString(x), nil
			}
		}
	}
}

// digits writes a number in base 64.
func digits(n int) string {
	text := string(alphabet[n&63])
	for n >>= 6; n > 0; n >>= 6 {
		text = string(alphabet[n&63]) + text
	}
	return text
}

// Verify implements postage.Scheme. A solution that is none is hashcash.ErrBits, which wraps what Check says.
func (s *Scheme) Verify(ctx context.Context, d postage.Demand, stamp string) (postage.Value, error) {
	n, err := checkDemand(d)
	if err != nil {
		return postage.Value{}, err
	}
	t, err := Parse(stamp)
	if err != nil {
		return postage.Value{}, err
	}
	expires, err := s.dated(t)
	if err != nil {
		return postage.Value{}, err
	}
	if !strings.EqualFold(t.Resource, d.Recipient) {
		return postage.Value{}, fmt.Errorf("%w: stamp is for %q, not %q", hashcash.ErrResource, t.Resource, d.Recipient)
	}
	bound, err := postage.ParseExt(t.Resource, t.Ext)
	if err != nil {
		return postage.Value{}, err
	}
	if err := bound.Meets(d.Binding); err != nil {
		return postage.Value{}, err
	}
	if least := max(n, s.n()); t.N < least || t.Bits < d.Price {
		return postage.Value{}, fmt.Errorf("%w: n=%d and %d bits, the price is n=%d and %d", hashcash.ErrBits, t.N, t.Bits, least, d.Price)
	}
	if err := t.Check(); err != nil {
		return postage.Value{}, fmt.Errorf("%w: %w", hashcash.ErrBits, err)
	}
	value := postage.Value{Amount: t.Bits, Unit: "bits", Bound: bound}
	if s.AllowReplay || d.Probe {
		return value, nil
	}
	if s.Spent == nil {
		return postage.Value{}, fmt.Errorf("%w: none is configured", hashcash.ErrStore)
	}
	first, err := s.Spent.Spend(ctx, stamp, expires)
	switch {
	case err != nil:
		return postage.Value{}, fmt.Errorf("%w: %w", hashcash.ErrStore, err)
	case !first:
		return postage.Value{}, hashcash.ErrSpent
	}
	return value, nil
}

// dated checks the date and returns when the stamp expires.
func (s *Scheme) dated(t Stamp) (time.Time, error) {
	expiry, grace := s.Expiry, s.Grace
	if expiry == 0 {
		expiry = 28 * 24 * time.Hour
	}
	if grace == 0 {
		grace = 2 * 24 * time.Hour
	}
	expires := t.Date.Add(expiry + grace)
	switch now := s.now(); {
	case now.After(expires):
		return expires, fmt.Errorf("%w: of %s", hashcash.ErrExpired, t.Date.Format(time.DateOnly))
	case now.Before(t.Date.Add(-grace)):
		return expires, fmt.Errorf("%w: of %s", hashcash.ErrFuture, t.Date.Format(time.DateOnly))
	}
	return expires, nil
}
