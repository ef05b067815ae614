package payword

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
	"github.com/mailbricks/mailbricks/hashcash/postage/postagetest"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

var (
	payerKey    = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	payerPublic = payerKey.Public().(ed25519.PublicKey)
)

func payers(_ context.Context, payer string) (ed25519.PublicKey, error) {
	if payer != "example.org" {
		return nil, errors.New("not known")
	}
	return payerPublic, nil
}

// both returns a scheme that is both sides, the domain's own name taken from the demand.
func both(words, value int, now func() time.Time, spent hashcash.SpentStore) *Scheme {
	s := &Scheme{Payer: "Example.org", Key: payerKey, Words: words, Value: value, Payers: payers, Ledger: new(MemoryLedger), Spent: spent, Now: now}
	s.Open = s.Accept
	return s
}

func TestConforms(t *testing.T) {
	postagetest.Run(t, func(_ *testing.T, now func() time.Time, spent hashcash.SpentStore) postage.Scheme {
		return both(50, 1, now, spent)
	})
}

func demand(t testing.TB, s *Scheme) postage.Demand {
	t.Helper()
	d, err := s.Quote(t.Context(), postage.Binding{Recipient: "bob@example.com", Sender: "example.org"})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func pay(t testing.TB, s *Scheme) string {
	t.Helper()
	stamp, err := s.Pay(t.Context(), demand(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return stamp
}

// TestAnyOrder: letters arrive in any order, each is taken once, and what is owed follows from the highest word.
func TestAnyOrder(t *testing.T) {
	for seed := range uint64(20) {
		s := both(40, 3, clock, &hashcash.MemoryStore{Now: clock})
		var stamps []string
		for range 30 {
			stamps = append(stamps, pay(t, s))
		}
		rng := rand.New(rand.NewPCG(seed, 0))
		rng.Shuffle(len(stamps), func(i, j int) { stamps[i], stamps[j] = stamps[j], stamps[i] })
		for _, want := range []error{nil, hashcash.ErrSpent} {
			for _, x := range stamps {
				if v, err := s.Verify(t.Context(), demand(t, s), x); !errors.Is(err, want) || err == nil && v.Amount != 3 {
					t.Fatalf("seed %d: %q: %+v, %v; want %v", seed, x, v, err, want)
				}
			}
		}
		ledger := s.Ledger.(*MemoryLedger)
		if early := ledger.Settle(noon.Unix()); len(early) != 0 {
			t.Errorf("%d chains are settled while they are good", len(early))
		}
		claims := ledger.Settle(noon.AddDate(0, 0, 29).Unix())
		if len(claims) != 1 {
			t.Fatalf("%d claims", len(claims))
		}
		c, err := ParseClaim(claims[0].Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if units, err := c.Check(payerPublic); units != 90 || err != nil || c.Commitment.Payer != "example.org" || c.Commitment.Payee != "example.com" {
			t.Errorf("%d units of %+v, %v", units, c.Commitment, err)
		}
	}
}

// TestChainIsUsedUp: a new one is opened, for each domain its own.
func TestChainIsUsedUp(t *testing.T) {
	s := both(3, 1, clock, &hashcash.MemoryStore{Now: clock})
	opened := make(map[string]int)
	s.Open = func(ctx context.Context, payee string, commitment []byte, key [32]byte) error {
		opened[payee]++
		return s.Accept(ctx, payee, commitment, key)
	}
	for i := range 14 {
		d, err := s.Quote(t.Context(), postage.Binding{Recipient: fmt.Sprintf("bob@%d.example", i%2)})
		if err != nil {
			t.Fatal(err)
		}
		stamp, err := s.Pay(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Verify(t.Context(), d, stamp); err != nil {
			t.Error(err)
		}
	}
	if len(opened) != 2 || opened["0.example"] != 3 || opened["1.example"] != 3 {
		t.Errorf("opened %v", opened)
	}
	now := noon
	s.Now = func() time.Time { return now }
	now = noon.AddDate(0, 0, 40)
	stamp := pay(t, s)
	if _, err := s.Verify(t.Context(), demand(t, s), stamp); err != nil {
		t.Errorf("after the end of the epoch: %v", err)
	}
}

// TestThief: who has seen a word cannot use it for another letter, and who knows a chain but not its key cannot make the
// recipient count.
func TestThief(t *testing.T) {
	s := both(40, 1, clock, &hashcash.MemoryStore{Now: clock})
	stamp := pay(t, s)
	d := demand(t, s)
	other := d
	other.Sender = "thief.example"
	if _, err := s.Verify(t.Context(), other, stamp); !errors.Is(err, postage.ErrBinding) {
		t.Errorf("for another letter: %v", err)
	}
	f := strings.Split(stamp, ":")
	for _, tt := range []struct {
		field int
		text  string
		want  error
	}{
		{1, strings.Repeat("A", 22), hashcash.ErrBits},
		{2, "41", hashcash.ErrBits},
		{2, "2", postage.ErrBinding},
		{2, "10001", hashcash.ErrSyntax},
		{2, "01", hashcash.ErrSyntax},
		{2, "0", hashcash.ErrSyntax},
		{2, "-1", hashcash.ErrSyntax},
		{3, strings.Repeat("A", 43), hashcash.ErrBits},
		{3, "", hashcash.ErrSyntax},
		{3, strings.Repeat("A", 42), hashcash.ErrSyntax},
		{4, strings.Repeat("A", 22), postage.ErrBinding},
		{4, strings.Repeat("A", 21) + "B", hashcash.ErrSyntax},
		{4, strings.Repeat("A", 20) + "\r\n", hashcash.ErrSyntax},
		{0, "pw2", hashcash.ErrSyntax},
		{4, "A:A", hashcash.ErrSyntax},
	} {
		g := append([]string(nil), f...)
		g[tt.field] = tt.text
		if _, err := s.Verify(t.Context(), d, strings.Join(g, ":")); !errors.Is(err, tt.want) {
			t.Errorf("field %d is %q: %v, want %v", tt.field, tt.text, err, tt.want)
		}
	}
	if _, err := s.Verify(t.Context(), d, stamp); err != nil {
		t.Error(err)
	}
}

func TestAcceptRefuses(t *testing.T) {
	s := both(5, 1, clock, &hashcash.MemoryStore{Now: clock})
	var good []byte
	s.Open = func(_ context.Context, _ string, commitment []byte, _ [32]byte) error { good = commitment; return nil }
	pay(t, s)
	var key [32]byte
	for i := range good {
		other := bytes.Clone(good)
		other[i] ^= 1
		err := s.Accept(t.Context(), "example.com", other, key)
		if !errors.Is(err, ErrSyntax) && !errors.Is(err, ErrSignature) && !errors.Is(err, ErrChain) {
			t.Fatalf("octet %d changed: %v, want a typed error", i, err)
		}
		if err := s.Accept(t.Context(), "example.com", good[:i], key); !errors.Is(err, ErrSyntax) {
			t.Fatalf("cut at %d: %v, want ErrSyntax", i, err)
		}
	}
	if err := s.Accept(t.Context(), "example.com", append(bytes.Clone(good), 0), key); !errors.Is(err, ErrSyntax) {
		t.Errorf("an octet more: %v", err)
	}
	if err := s.Accept(t.Context(), "example.net", good, key); !errors.Is(err, ErrChain) {
		t.Errorf("for another domain: %v", err)
	}
	late := both(5, 1, func() time.Time { return noon.AddDate(0, 0, 29) }, nil)
	if err := late.Accept(t.Context(), "example.com", good, key); !errors.Is(err, ErrChain) {
		t.Errorf("after its end: %v", err)
	}
	full := both(5, 1, clock, nil)
	full.Ledger = &MemoryLedger{Max: 1}
	pay(t, full)
	if err := full.Accept(t.Context(), "example.com", good, key); !errors.Is(err, hashcash.ErrStore) || !errors.Is(err, ErrFull) {
		t.Errorf("a full ledger: %v", err)
	}
	full.Ledger = nil
	if err := full.Accept(t.Context(), "example.com", good, key); !errors.Is(err, hashcash.ErrStore) {
		t.Errorf("no ledger: %v", err)
	}
	// A second opening does not set a chain back.
	if err := s.Accept(t.Context(), "example.com", good, key); err != nil {
		t.Fatal(err)
	}
	c, err := ParseCommitment(good)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Ledger.Advance(t.Context(), c.ID(), 3, Word{3}); err != nil {
		t.Fatal(err)
	}
	for _, number := range []int{1, 3} {
		if err := s.Ledger.Advance(t.Context(), c.ID(), number, Word{9}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Accept(t.Context(), "example.com", good, key); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := s.Ledger.Chain(t.Context(), c.ID()); !ok || err != nil || got.Number != 3 || got.Word != (Word{3}) {
		t.Errorf("%+v, %v, %v", got, ok, err)
	}
}

func TestPayRefuses(t *testing.T) {
	down := errors.New("the domain does not answer")
	for name, change := range map[string]func(*Scheme){
		"dear":           func(s *Scheme) { s.Price = 2 },
		"nobody to open": func(s *Scheme) { s.Open = nil },
		"no key":         func(s *Scheme) { s.Key = nil },
		"words":          func(s *Scheme) { s.Words = MaxWords + 1 },
		"value":          func(s *Scheme) { s.Value = MaxValue + 1 },
		"no name":        func(s *Scheme) { s.Payer = "" },
		"randomness":     func(s *Scheme) { s.Rand = strings.NewReader("short") },
		"down":           func(s *Scheme) { s.Open = func(context.Context, string, []byte, [32]byte) error { return down } },
	} {
		s := both(5, 1, clock, nil)
		change(s)
		want := error(nil)
		switch name {
		case "dear", "nobody to open":
			want = postage.ErrDear
		case "no key", "words", "value", "no name":
			want = ErrSyntax
		case "down":
			want = down
		}
		if stamp, err := s.Pay(t.Context(), demand(t, s)); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %q, %v; want %v", name, stamp, err, want)
		}
	}
}

func TestClaimRefuses(t *testing.T) {
	s := both(5, 2, clock, &hashcash.MemoryStore{Now: clock})
	for range 3 {
		if _, err := s.Verify(t.Context(), demand(t, s), pay(t, s)); err != nil {
			t.Fatal(err)
		}
	}
	good := s.Ledger.(*MemoryLedger).Settle(noon.AddDate(1, 0, 0).Unix())[0]
	more := good
	more.Number = 4
	less := good
	less.Number = 2
	for name, c := range map[string]Claim{"a number more": more, "a number less": less} {
		if units, err := c.Check(payerPublic); !errors.Is(err, ErrWord) {
			t.Errorf("%s: %d, %v; want ErrWord", name, units, err)
		}
	}
	for _, key := range []ed25519.PublicKey{nil, payerPublic[1:], make([]byte, ed25519.PublicKeySize)} {
		if units, err := good.Check(key); !errors.Is(err, ErrSignature) {
			t.Errorf("with key %x: %d, %v; want ErrSignature", key, units, err)
		}
	}
	wire := good.Append(nil)
	for _, number := range []uint32{0, 6, 1 << 31} {
		other := bytes.Clone(wire)
		binary.BigEndian.PutUint32(other, number)
		if _, err := ParseClaim(other); !errors.Is(err, ErrSyntax) {
			t.Errorf("number %d: %v, want ErrSyntax", number, err)
		}
	}
	for i := range wire {
		if _, err := ParseClaim(wire[:i]); !errors.Is(err, ErrSyntax) {
			t.Fatalf("cut at %d: %v, want ErrSyntax", i, err)
		}
	}
}

func FuzzParseClaim(f *testing.F) {
	c, err := sign(Commitment{Payer: "example.org", Payee: "example.com", Value: 1, Words: 3, Start: noon, End: noon.Add(time.Hour)}, payerKey)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(Claim{c, 2, Word{1}}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseClaim(b)
		if err != nil {
			if !errors.Is(err, ErrSyntax) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(c.Append(nil), b) {
			t.Fatalf("%x came back as %x", b, c.Append(nil))
		}
		if units, err := c.Check(payerPublic); err == nil && units != c.Number*c.Commitment.Value {
			t.Fatalf("%d units", units)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("pw1:3CVvBdSkLx6-VGrSyyYcFQ:1:rrqAEaFmHbh9Lbe3h7vXTVjqXjeIUi7ggQjGHiEMOS8:8wSk1R57qyIsUBvQTmuVQg")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parse(text)
		if err != nil {
			if !errors.Is(err, hashcash.ErrSyntax) {
				t.Fatal(err)
			}
			return
		}
		again := fmt.Sprintf("pw1:%s:%d:%s:%s", code.EncodeToString(s.id[:]), s.number, code.EncodeToString(s.word[:]), code.EncodeToString(s.tag))
		if again != text {
			t.Fatalf("%q came back as %q", text, again)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	s := both(MaxWords, 1, clock, &hashcash.MemoryStore{Now: clock})
	d := demand(b, s)
	i := 0
	for b.Loop() {
		b.StopTimer()
		stamp := pay(b, s)
		b.StartTimer()
		if _, err := s.Verify(b.Context(), d, stamp); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
