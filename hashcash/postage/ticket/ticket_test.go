package ticket

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudflare/circl/blindsign/blindrsa"

	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
	"github.com/mailbricks/mailbricks/hashcash/postage/postagetest"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

// privateKeys are two keys, made once, whose identifiers do not end alike.
var privateKeys = sync.OnceValue(func() (out [2]*rsa.PrivateKey) {
	var last [2]byte
	for i := 0; i < len(out); {
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		k, err := NewKey(&private.PublicKey, 1, noon, noon.Add(1))
		if err != nil {
			panic(err)
		}
		if last[i] = k.id[31]; i == 0 || last[0] != last[1] {
			out[i] = private
			i++
		}
	}
	return out
})

// newIssuer has keys of the values 1 and 5, good for four weeks around noon.
func newIssuer(t testing.TB) (*Issuer, []*Key) {
	t.Helper()
	s := &Issuer{Now: clock}
	var keys []*Key
	for i, value := range []int{1, 5} {
		private := privateKeys()[i]
		k, err := NewKey(&private.PublicKey, value, noon.AddDate(0, 0, -7), noon.AddDate(0, 0, 21))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Add(private, k); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	return s, keys
}

const issuerName = "issuer.example"

func newScheme(t testing.TB) (*Issuer, *Scheme) {
	issuer, keys := newIssuer(t)
	return issuer, &Scheme{Issuer: issuerName, Keys: keys, Sign: issuer.Sign, Now: clock, Spent: &hashcash.MemoryStore{Now: clock}}
}

func TestConforms(t *testing.T) {
	issuer, keys := newIssuer(t)
	postagetest.Run(t, func(_ *testing.T, now func() time.Time, spent hashcash.SpentStore) postage.Scheme {
		return &Scheme{Issuer: issuerName, Keys: keys[:1], Sign: issuer.Sign, Now: now, Spent: spent}
	})
}

// buy returns a demand and a ticket for it.
func buy(t testing.TB, s *Scheme) (postage.Demand, string) {
	t.Helper()
	d, err := s.Quote(t.Context(), postage.Binding{Recipient: "Bob@Example.com", Sender: "example.org", Digest: [32]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	stamp, err := s.Pay(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return d, stamp
}

func TestPrices(t *testing.T) {
	issuer, s := newScheme(t)
	charged := 0
	issuer.Charge = func(_ context.Context, value int) error { charged += value; return nil }
	for _, tt := range []struct{ price, limit, value int }{{0, 0, 1}, {1, 5, 1}, {2, 5, 5}, {5, 5, 5}, {2, 4, 0}, {6, 9, 0}, {1, -1, 0}} {
		charged = 0
		s.Price, s.MaxPrice = tt.price, tt.limit
		d, err := s.Quote(t.Context(), postage.Binding{Recipient: "bob@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		stamp, err := s.Pay(t.Context(), d)
		if tt.value == 0 {
			if !errors.Is(err, postage.ErrDear) || charged != 0 {
				t.Errorf("%+v: %v, charged %d; want ErrDear", tt, err, charged)
			}
			continue
		}
		if err != nil || charged != tt.value {
			t.Errorf("%+v: %v, charged %d", tt, err, charged)
		}
		if v, err := s.Verify(t.Context(), d, stamp); err != nil || v.Amount != tt.value {
			t.Errorf("%+v: %+v, %v", tt, v, err)
		}
	}
	broke := errors.New("no credit")
	issuer.Charge = func(context.Context, int) error { return broke }
	s.Price, s.MaxPrice = 1, 1
	d, _ := s.Quote(t.Context(), postage.Binding{Recipient: "bob@example.com"})
	if _, err := s.Pay(t.Context(), d); !errors.Is(err, broke) {
		t.Errorf("%v, want the issuer's", err)
	}
}

// TestNonceIsSpent: another signature of the same nonce is the same ticket.
func TestNonceIsSpent(t *testing.T) {
	issuer, s := newScheme(t)
	d, stamp := buy(t, s)
	first, err := parseToken(stamp)
	if err != nil {
		t.Fatal(err)
	}
	client, err := blindrsa.NewClient(blindrsa.SHA384PSSDeterministic, s.Keys[0].public)
	if err != nil {
		t.Fatal(err)
	}
	blinded, state, err := client.Blind(rand.Reader, first.input())
	if err != nil {
		t.Fatal(err)
	}
	response, err := issuer.Sign(t.Context(), request(s.Keys[0].ID(), blinded))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := client.Finalize(state, response)
	if err != nil {
		t.Fatal(err)
	}
	second := *first
	copy(second.signature(), signature)
	if second == *first {
		t.Fatal("the same signature twice")
	}
	if _, err := s.Verify(t.Context(), d, stamp); err != nil {
		t.Error(err)
	}
	if _, err := s.Verify(t.Context(), d, second.String()); !errors.Is(err, hashcash.ErrSpent) {
		t.Errorf("%v, want ErrSpent", err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	_, s := newScheme(t)
	d, stamp := buy(t, s)
	stranger := *s
	stranger.Keys = nil
	if _, err := stranger.Verify(t.Context(), d, stamp); !errors.Is(err, hashcash.ErrBits) || !errors.Is(err, ErrSignature) {
		t.Errorf("a key that is not known: %v", err)
	}
	dear := d
	dear.Price = 2
	if _, err := s.Verify(t.Context(), dear, stamp); !errors.Is(err, hashcash.ErrBits) {
		t.Errorf("worth 1 of 2: %v", err)
	}
	for offset, want := range map[time.Duration]error{
		-9*24*time.Hour - time.Second: hashcash.ErrFuture, -9 * 24 * time.Hour: nil,
		23 * 24 * time.Hour: nil, 23*24*time.Hour + time.Second: hashcash.ErrExpired,
	} {
		other := *s
		other.Spent = &hashcash.MemoryStore{Now: clock}
		other.Now = func() time.Time { return noon.Add(offset) }
		if _, err := other.Verify(t.Context(), d, stamp); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", offset, err, want)
		}
	}
	for _, text := range []string{"", stamp[1:], stamp + "A", stamp[:471] + "\n", "\r\n" + stamp[2:], "AAEA" + stamp[4:], strings.Repeat("=", 472)} {
		if _, err := s.Verify(t.Context(), d, text); !errors.Is(err, hashcash.ErrSyntax) {
			t.Errorf("%q: %v, want ErrSyntax", text, err)
		}
	}
	cheat := *s
	cheat.Sign = func(context.Context, []byte) ([]byte, error) { return make([]byte, modulus), nil }
	if stamp, err := cheat.Pay(t.Context(), d); !errors.Is(err, ErrSignature) {
		t.Errorf("an issuer that signs with zeros: %q, %v", stamp, err)
	}
	cheat.Sign = func(context.Context, []byte) ([]byte, error) { return make([]byte, 5), nil }
	if stamp, err := cheat.Pay(t.Context(), d); !errors.Is(err, ErrWire) {
		t.Errorf("a short response: %q, %v", stamp, err)
	}
	cheat.Rand = strings.NewReader("short")
	if stamp, err := cheat.Pay(t.Context(), d); err == nil {
		t.Errorf("no randomness: %q", stamp)
	}
}

func TestSignRefuses(t *testing.T) {
	issuer, keys := newIssuer(t)
	good := request(keys[0].ID(), make([]byte, modulus))
	other := byte(0)
	for other == keys[0].id[31] || other == keys[1].id[31] {
		other++
	}
	for name, req := range map[string][]byte{
		"empty": nil, "short": good[1:], "long": append(bytes.Clone(good), 0),
		"type":     append([]byte{0, 1}, good[2:]...),
		"key":      append([]byte{0, 2, other}, good[3:]...),
		"modulus":  request(keys[0].ID(), keys[0].public.N.Bytes()),
		"above it": request(keys[0].ID(), bytes.Repeat([]byte{0xff}, modulus)),
	} {
		if out, err := issuer.Sign(t.Context(), req); !errors.Is(err, ErrRequest) {
			t.Errorf("%s: %x, %v; want ErrRequest", name, out, err)
		}
	}
	if err := issuer.Add(privateKeys()[0], keys[0]); !errors.Is(err, ErrWire) {
		t.Errorf("a key twice: %v", err)
	}
	if err := issuer.Add(privateKeys()[1], keys[0]); !errors.Is(err, ErrWire) {
		t.Errorf("a key of another: %v", err)
	}
}

// TestUnlinkable: from its log of requests and responses the issuer cannot tell which of them a ticket came from. For
// each entry there is a blinding, and just one, with which it would have led to this very ticket; blindings are random, so
// each entry is as likely as any other.
func TestUnlinkable(t *testing.T) {
	issuer, s := newScheme(t)
	type entry struct{ request, response []byte }
	var log []entry
	s.Sign = func(ctx context.Context, req []byte) ([]byte, error) {
		resp, err := issuer.Sign(ctx, req)
		log = append(log, entry{req, resp})
		return resp, err
	}
	var stamps []string
	for range 8 {
		_, stamp := buy(t, s)
		stamps = append(stamps, stamp)
	}
	n, e := s.Keys[0].public.N, big.NewInt(int64(s.Keys[0].public.E))
	for _, stamp := range stamps {
		tok, err := parseToken(stamp)
		if err != nil {
			t.Fatal(err)
		}
		signature := new(big.Int).SetBytes(tok.signature())
		encoded := new(big.Int).Exp(signature, e, n) // the message that was signed
		inverse := new(big.Int).ModInverse(signature, n)
		for i, l := range log {
			if len(l.request) != reqSize || !bytes.Equal(l.request[:3], log[0].request[:3]) {
				t.Fatalf("entry %d begins with %x", i, l.request[:3])
			}
			blind := new(big.Int).Mul(new(big.Int).SetBytes(l.response), inverse)
			blind.Mod(blind, n)
			blinded := new(big.Int).Exp(blind, e, n)
			blinded.Mul(blinded, encoded).Mod(blinded, n)
			if blinded.Cmp(new(big.Int).SetBytes(l.request[3:])) != 0 {
				t.Errorf("entry %d cannot have led to a ticket", i)
			}
		}
	}
}

func TestRefund(t *testing.T) {
	issuer, s := newScheme(t)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issuer.Refunds = &hashcash.MemoryStore{Now: clock}
	issuer.Recipient = func(_ context.Context, origin string) (RefundKey, error) {
		if origin != "example.com" {
			return nil, errors.New("not known")
		}
		return public, nil
	}
	d, stamp := buy(t, s)
	refund, err := s.Refund(d, stamp, private)
	if err != nil {
		t.Fatal(err)
	}
	redeem := func(refund []byte) (string, error) {
		free := *s
		free.Sign = func(ctx context.Context, req []byte) ([]byte, error) {
			return issuer.Refund(ctx, issuerName, refund, req)
		}
		return free.Pay(t.Context(), d)
	}
	for i := range refund {
		other := bytes.Clone(refund)
		other[i] ^= 1
		if _, err := redeem(other); !errors.Is(err, ErrRefund) {
			t.Fatalf("octet %d changed: %v, want ErrRefund", i, err)
		}
	}
	for _, other := range [][]byte{nil, refund[:300], refund[:len(refund)-1], append(bytes.Clone(refund), 0)} {
		if _, err := redeem(other); !errors.Is(err, ErrRefund) || !errors.Is(err, ErrWire) {
			t.Errorf("%d octets: %v, want ErrRefund", len(other), err)
		}
	}
	again, err := redeem(refund)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := redeem(refund); !errors.Is(err, hashcash.ErrSpent) {
		t.Errorf("twice: %v, want ErrSpent", err)
	}
	for _, x := range []string{stamp, again} {
		if _, err := s.Verify(t.Context(), d, x); err != nil {
			t.Error(err)
		}
	}
	_, forger, _ := ed25519.GenerateKey(rand.Reader)
	_, stamp = buy(t, s)
	forged, err := s.Refund(d, stamp, forger)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := redeem(forged); !errors.Is(err, ErrRefund) {
		t.Errorf("signed by another: %v, want ErrRefund", err)
	}
	good, err := s.Refund(d, stamp, private)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := issuer.Refund(t.Context(), issuerName, good, request(s.Keys[1].ID(), make([]byte, modulus))); !errors.Is(err, ErrRefund) {
		t.Errorf("a ticket of 1 given back as one of 5: %v, want ErrRefund", err)
	}
	for offset, want := range map[time.Duration]error{51 * 24 * time.Hour: hashcash.ErrSpent, 51*24*time.Hour + time.Second: hashcash.ErrExpired} {
		issuer.Now = func() time.Time { return noon.Add(offset) }
		if _, err := redeem(refund); !errors.Is(err, want) {
			t.Errorf("after %s: %v, want %v", offset, err, want)
		}
	}
	issuer.Refunds = nil
	if _, err := redeem(refund); !errors.Is(err, ErrRefund) {
		t.Errorf("an issuer without refunds: %v, want ErrRefund", err)
	}
}

func FuzzParseChallenge(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseChallenge(b)
		if err != nil {
			if !errors.Is(err, ErrWire) {
				t.Fatal(err)
			}
			return
		}
		if again, err := c.Append(nil); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x: %+v, again %x, %v", b, c, again, err)
		}
	})
}

func FuzzVerify(f *testing.F) {
	issuer, s := newScheme(f)
	_ = issuer
	d, stamp := buy(f, s)
	f.Add(stamp)
	f.Add(strings.Repeat("A", 472))
	f.Fuzz(func(t *testing.T, text string) {
		_, err := s.Verify(t.Context(), d, text)
		for _, want := range []error{hashcash.ErrSyntax, hashcash.ErrBits, hashcash.ErrSpent, postage.ErrBinding} {
			if errors.Is(err, want) {
				return
			}
		}
		if text != stamp {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

// BenchmarkVerify is beside the RSA verification alone.
func BenchmarkVerify(b *testing.B) {
	_, s := newScheme(b)
	d, stamp := buy(b, s)
	b.Run("ticket", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c, err := s.challenge(d)
			if err != nil {
				b.Fatal(err)
			}
			t, err := parseToken(stamp)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := s.valid(c, t); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("rsa", func(b *testing.B) {
		t, err := parseToken(stamp)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if err := s.Keys[0].verify(t); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSign(b *testing.B) {
	issuer, keys := newIssuer(b)
	req := request(keys[0].ID(), append([]byte{0}, bytes.Repeat([]byte{7}, modulus-1)...))
	for b.Loop() {
		if _, err := issuer.Sign(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
}
