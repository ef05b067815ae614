// Package postagetest is the conformance suite for implementations of postage.Scheme.
//
//	func TestScheme(t *testing.T) {
//		postagetest.Run(t, func(t *testing.T, now func() time.Time, spent hashcash.SpentStore) postage.Scheme {
//			return &Scheme{Now: now, Spent: spent, Rand: postagetest.Rand()}
//		})
//	}
package postagetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
)

// Open returns a scheme that quotes a small price, of 12 bits' worth of luck or more so that no chance change of a stamp
// is another stamp, with this clock and store.
type Open func(t *testing.T, now func() time.Time, spent hashcash.SpentStore) postage.Scheme

// Rand returns randomness that is always the same.
func Rand() io.Reader { return rand.NewChaCha8([32]byte{1}) }

// typed are the errors that Verify wraps.
var typed = []error{hashcash.ErrSyntax, hashcash.ErrBits, hashcash.ErrExpired, hashcash.ErrFuture, hashcash.ErrResource, hashcash.ErrSpent,
	hashcash.ErrStore, postage.ErrDemand, postage.ErrBinding}

// suite is one scheme under test.
type suite struct {
	open  Open
	start time.Time
}

// Run tests the schemes that open makes.
func Run(t *testing.T, open Open) {
	s := suite{open, time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	t.Run("pays once", s.once)
	t.Run("bound", s.bound)
	t.Run("foreign demands", s.foreign)
	t.Run("changed stamps", s.changed)
	t.Run("a hundred at once", s.parallel)
	t.Run("store down", s.down)
	t.Run("time", s.time)
	t.Run("context", s.context)
}

func (s suite) fixed() time.Time { return s.start }

// binding is to a recipient, a sender and a message.
func binding() postage.Binding {
	return postage.Binding{Recipient: "bob@example.com", Sender: "example.org", Digest: sha256.Sum256([]byte("Hello."))}
}

// pay returns a scheme, its demand for b, and a stamp.
func (s suite) pay(t *testing.T, now func() time.Time, spent hashcash.SpentStore, b postage.Binding) (postage.Scheme, postage.Demand, string) {
	t.Helper()
	scheme := s.open(t, now, spent)
	d, err := scheme.Quote(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	if d.Scheme != scheme.Name() || d.Binding != b {
		t.Errorf("Quote of %s for %v: %+v", scheme.Name(), b, d)
	}
	stamp, err := scheme.Pay(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return scheme, d, stamp
}

// verify wants an error that wraps one of want; nil is none.
func verify(t *testing.T, scheme postage.Scheme, d postage.Demand, stamp string, want ...error) postage.Value {
	t.Helper()
	v, err := scheme.Verify(t.Context(), d, stamp)
	if !slices.ContainsFunc(want, func(w error) bool { return errors.Is(err, w) }) {
		t.Errorf("Verify(%+v, %q): %v, want %v", d, stamp, err, want)
	}
	return v
}

func (s suite) once(t *testing.T) {
	for _, b := range []postage.Binding{binding(), {Recipient: "bob@example.com"}} {
		scheme, d, stamp := s.pay(t, s.fixed, &hashcash.MemoryStore{Now: s.fixed}, b)
		if len(stamp) == 0 || len(stamp) > hashcash.MaxLength || strings.ContainsFunc(stamp, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("%q is no line of up to %d printable octets", stamp, hashcash.MaxLength)
		}
		probe := d
		probe.Probe = true
		look := verify(t, scheme, probe, stamp, nil)
		v := verify(t, scheme, d, stamp, nil)
		if look != v {
			t.Errorf("a look says %+v, the check %+v", look, v)
		}
		if v.Amount < d.Price || v.Unit == "" || !strings.EqualFold(v.Bound.Recipient, b.Recipient) || v.Bound.Meets(b) != nil {
			t.Errorf("%+v for %+v", v, d)
		}
		verify(t, scheme, d, stamp, hashcash.ErrSpent)
	}
}

func (s suite) bound(t *testing.T) {
	scheme, d, stamp := s.pay(t, s.fixed, &hashcash.MemoryStore{Now: s.fixed}, binding())
	other := d
	other.Recipient = "eve@example.com"
	verify(t, scheme, other, stamp, hashcash.ErrResource, postage.ErrBinding) // a hash does not tell which of them
	other = d
	other.Sender = "example.net"
	verify(t, scheme, other, stamp, postage.ErrBinding)
	other = d
	other.Digest[31] ^= 1
	verify(t, scheme, other, stamp, postage.ErrBinding)
	other = d
	other.Price++
	if _, err := scheme.Verify(t.Context(), other, stamp); err == nil {
		t.Error("a stamp that is too cheap is valid")
	}
	verify(t, scheme, d, stamp, nil) // none of that has spent it

	scheme, d, stamp = s.pay(t, s.fixed, &hashcash.MemoryStore{Now: s.fixed}, postage.Binding{Recipient: "bob@example.com"})
	for _, b := range []postage.Binding{{Sender: "example.org"}, {Digest: [32]byte{1}}} {
		other := d
		other.Sender, other.Digest = b.Sender, b.Digest
		verify(t, scheme, other, stamp, postage.ErrBinding)
	}
}

func (s suite) foreign(t *testing.T) {
	scheme, d, stamp := s.pay(t, s.fixed, &hashcash.MemoryStore{Now: s.fixed}, binding())
	for name, change := range map[string]func(*postage.Demand){
		"scheme":       func(d *postage.Demand) { d.Scheme = "gold" },
		"no recipient": func(d *postage.Demand) { d.Recipient = "" },
		"price":        func(d *postage.Demand) { d.Price = -1 },
		"parameters":   func(d *postage.Demand) { d.Params = "such as nobody knows" },
	} {
		other := d
		change(&other)
		if _, err := scheme.Pay(t.Context(), other); !errors.Is(err, postage.ErrDemand) {
			t.Errorf("%s: Pay: %v, want ErrDemand", name, err)
		}
		if _, err := scheme.Verify(t.Context(), other, stamp); !errors.Is(err, postage.ErrDemand) {
			t.Errorf("%s: Verify: %v, want ErrDemand", name, err)
		}
	}
	dear := d
	dear.Price += 40
	if _, err := scheme.Pay(t.Context(), dear); !errors.Is(err, postage.ErrDear) && !errors.Is(err, postage.ErrDemand) {
		t.Errorf("a price of %d is paid: %v", dear.Price, err)
	}
}

// changed: a stamp of which any octet is changed is not valid.
func (s suite) changed(t *testing.T) {
	scheme, d, stamp := s.pay(t, s.fixed, &hashcash.MemoryStore{Now: s.fixed}, binding())
	refuse := func(text string) {
		t.Helper()
		_, err := scheme.Verify(t.Context(), d, text)
		for _, e := range typed {
			if errors.Is(err, e) {
				return
			}
		}
		t.Errorf("%q: %v, want a typed error", text, err)
	}
	for i := range len(stamp) {
		for _, c := range []byte{stamp[i] ^ 1, stamp[i] ^ 0x20, stamp[i] ^ 0x80} {
			refuse(stamp[:i] + string([]byte{c}) + stamp[i+1:])
		}
		refuse(stamp[:i])
	}
	refuse(" " + stamp)
	refuse(stamp + "\n")
	refuse(stamp + "A")
	refuse(strings.Repeat(stamp, 1000))
	verify(t, scheme, d, stamp, nil)
}

func (s suite) parallel(t *testing.T) {
	scheme, d, stamp := s.pay(t, s.fixed, &hashcash.MemoryStore{Now: s.fixed}, binding())
	var valid atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			_, err := scheme.Verify(t.Context(), d, stamp)
			if err == nil {
				valid.Add(1)
			} else if !errors.Is(err, hashcash.ErrSpent) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := valid.Load(); n != 1 {
		t.Errorf("%d of 100 are valid", n)
	}
}

type failing struct{}

func (failing) Spend(context.Context, string, time.Time) (bool, error) {
	return false, errors.New("the store is down")
}

func (s suite) down(t *testing.T) {
	scheme, d, stamp := s.pay(t, s.fixed, failing{}, binding())
	verify(t, scheme, d, stamp, hashcash.ErrStore)
	scheme, d, stamp = s.pay(t, s.fixed, nil, binding())
	verify(t, scheme, d, stamp, hashcash.ErrStore)
}

func (s suite) time(t *testing.T) {
	now := s.start
	clock := func() time.Time { return now }
	scheme, d, stamp := s.pay(t, clock, &hashcash.MemoryStore{Now: clock}, binding())
	now = s.start.AddDate(-1, 0, 0)
	verify(t, scheme, d, stamp, hashcash.ErrFuture)
	now = s.start.AddDate(1, 0, 0)
	verify(t, scheme, d, stamp, hashcash.ErrExpired)
	now = s.start.AddDate(0, 0, 1)
	verify(t, scheme, d, stamp, nil)
}

func (s suite) context(t *testing.T) {
	scheme, d, _ := s.pay(t, s.fixed, &hashcash.MemoryStore{Now: s.fixed}, binding())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if stamp, err := scheme.Pay(ctx, d); !errors.Is(err, context.Canceled) || stamp != "" {
		t.Errorf("Pay with an ended context: %q, %v", stamp, err)
	}
}
