package hashcash

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultBits is what Minter and Verifier work with when told 0.
const DefaultBits = 20

// ErrResource says that a resource cannot stand in a stamp, or is not the one that was asked for.
var ErrResource = errors.New("hashcash: resource")

// ErrKernel says that this processor cannot run a kernel, or that there is none of that name.
var ErrKernel = errors.New("hashcash: no kernel")

// A Minter mints stamps of version 1. Its zero value mints stamps of DefaultBits on all cores. Under a given Rand and
// Now the stamp is always the same, whatever Workers and Kernel are.
type Minter struct {
	// Bits is the price, 1 to 64; 0 is DefaultBits.
	Bits int
	// Workers is the number of goroutines that search; 0 is one a core. They end before Mint returns.
	Workers int
	// Kernel is one of Kernels, the inner loop of the search; "" is the fastest. It makes no difference to the stamp.
	Kernel string
	// Rand gives the random text; nil is crypto/rand.
	Rand io.Reader
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Progress, if not nil, is called by Mint about every Interval.
	Progress func(Progress)
	// Interval is at least 1 ms; 0 is 200 ms.
	Interval time.Duration
}

// Progress is how far a search has come.
type Progress struct {
	Attempts uint64
	Rate     float64       // attempts a second
	Chance   float64       // probability of being done by now
	P50, P90 time.Duration // to go: half, 90 % of searches end within; the same from first to last
}

// Mint searches a stamp for resource, an address, which is put in lower case. ext is the extension field, mostly
// empty. The counter has as many digits as make the stamp 52 octets long, or 116, or 180 and so on: there the search is fast. An error is ErrResource (a colon, white space, or octets outside of ASCII), ErrKernel, that of Rand, or ctx's; a search
// ends within a few milliseconds of ctx.
func (m Minter) Mint(ctx context.Context, resource, ext string) (Stamp, error) {
	m = m.withDefaults()
	if m.Bits < 0 || m.Bits > 64 {
		return Stamp{}, fmt.Errorf("hashcash: %d bits are not 1 to 64", m.Bits)
	}
	for _, f := range []string{resource, ext} {
		for i := range len(f) {
			if c := f[i]; c <= ' ' || c > '~' || c == ':' {
				return Stamp{}, fmt.Errorf("%w: %q has %q, which cannot stand in a stamp", ErrResource, f, c)
			}
		}
	}
	scan := kernelNamed(m.Kernel)
	if scan == nil {
		return Stamp{}, fmt.Errorf("%w %q: there are %s", ErrKernel, m.Kernel, strings.Join(Kernels(), ", "))
	}
	if resource == "" {
		return Stamp{}, fmt.Errorf("%w: empty", ErrResource)
	}
	var salt [16]byte
	if _, err := io.ReadFull(m.Rand, salt[:]); err != nil {
		return Stamp{}, fmt.Errorf("hashcash: random text: %w", err)
	}
	for i := range salt {
		salt[i] = alphabet[salt[i]%64]
	}
	prefix := fmt.Sprintf("1:%d:%s:%s:%s:%s:", m.Bits, m.Now().UTC().Format(dateLayouts[6]), strings.ToLower(resource), ext, salt)
	// Twelve bits more than the price: a search that runs dry has probability e^-4096.
	digits := max(4, (m.Bits+12+5)/6)
	digits += (64 + 4*(firstRound+1) - (len(prefix)+digits)%64) % 64 // the last four into word 12
	if len(prefix)+digits > MaxLength {
		return Stamp{}, fmt.Errorf("%w: stamp longer than %d octets", ErrResource, MaxLength)
	}
	counter, err := m.search(ctx, []byte(prefix), digits, scan)
	if err != nil {
		return Stamp{}, err
	}
	text := make([]byte, len(prefix)+digits)
	copy(text, prefix)
	putCounter(text[len(prefix):], counter)
	return Parse(string(text))
}

func (m Minter) withDefaults() Minter {
	if m.Bits == 0 {
		m.Bits = DefaultBits
	}
	if m.Rand == nil {
		m.Rand = rand.Reader
	}
	if m.Now == nil {
		m.Now = time.Now
	}
	if m.Workers <= 0 {
		m.Workers = runtime.GOMAXPROCS(0)
	}
	if m.Interval <= 0 {
		m.Interval = 200 * time.Millisecond
	}
	return m
}

// chunk is how many counters a worker tries between two looks at the others.
const chunk = 4 * scanTries

// search returns the least counter that does it: chunks are handed out in order, and a worker that has found one
// keeps the others from going on to later chunks only.
func (m Minter) search(ctx context.Context, prefix []byte, digits int, scan func(*tail, *spread) int) (uint64, error) {
	var next, done atomic.Uint64 // chunks handed out; attempts made
	var best atomic.Uint64
	best.Store(math.MaxUint64)
	table := newSpread()
	var wg sync.WaitGroup
	for range m.Workers {
		wg.Go(func() {
			s := newScanner(prefix, digits, m.Bits, table)
			for ctx.Err() == nil {
				first := (next.Add(1) - 1) * chunk
				if first > best.Load() {
					return
				}
				if c, ok := s.chunk(scan, first); ok {
					for old := best.Load(); c < old && !best.CompareAndSwap(old, c); old = best.Load() {
					}
				}
				done.Add(chunk)
			}
		})
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	m.report(finished, &done)
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return best.Load(), nil
}

// report calls Progress until finished.
func (m Minter) report(finished <-chan struct{}, done *atomic.Uint64) {
	if m.Progress == nil {
		<-finished
		return
	}
	start := time.Now()
	tick := time.NewTicker(m.Interval)
	defer tick.Stop()
	e := EstimateBits(m.Bits)
	for {
		select {
		case <-finished:
			return
		case <-tick.C:
			n := done.Load()
			if n == 0 {
				continue
			}
			rate := float64(n) / time.Since(start).Seconds()
			togo := func(attempts float64) time.Duration {
				return time.Duration(min(attempts/rate*float64(time.Second), math.MaxInt64/2))
			}
			m.Progress(Progress{Attempts: n, Rate: rate, Chance: Chance(m.Bits, n), P50: togo(e.P50), P90: togo(e.P90)})
		}
	}
}

// putCounter writes c in base 64, the last digit first to change.
func putCounter(dst []byte, c uint64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = alphabet[c&63]
		c >>= 6
	}
}
