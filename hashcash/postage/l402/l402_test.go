package l402

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
	"github.com/mailbricks/mailbricks/hashcash/postage/postagetest"
)

var (
	noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	root = bytes.Repeat([]byte{7}, rootSize)
)

func clock() time.Time { return noon }

func newScheme(now func() time.Time, spent hashcash.SpentStore) (*Scheme, *Node) {
	n := &Node{Credit: 100}
	return &Scheme{Root: root, Invoicer: n, Payer: n, Now: now, Spent: spent}, n
}

func TestConforms(t *testing.T) {
	postagetest.Run(t, func(_ *testing.T, now func() time.Time, spent hashcash.SpentStore) postage.Scheme {
		s, _ := newScheme(now, spent)
		return s
	})
}

// TestMacaroon holds the signatures that the README of libmacaroons shows.
func TestMacaroon(t *testing.T) {
	m := NewMacaroon([]byte("this is our super secret key; only we should know it"), []byte("we used our secret key"))
	if got := hex.EncodeToString(m.Signature[:]); got != "e3d9e02908526c4c0039ae15114115d97fdd68bf2ba379b342aaf0f617d0552f" {
		t.Errorf("signature %s", got)
	}
	m = m.Add("account = 3735928559")
	if got := hex.EncodeToString(m.Signature[:]); got != "1efe4763f290dbce0c1d08477367e11f4eee456a64933cf662d79772dbb82128" {
		t.Errorf("with a caveat: signature %s", got)
	}
	m = m.Add("time < 2020-01-01T00:00")
	m = m.Add("email = alice@example.org")
	if got := hex.EncodeToString(m.Signature[:]); got != "ddf553e46083e55b8d71ab822be3d8fcf21d6bf19c40d617bb9fb438934474b6" {
		t.Errorf("with three caveats: signature %s", got)
	}
	back, err := ParseMacaroon(m.Append(nil))
	if err != nil || !slices.Equal(back.Caveats, m.Caveats) || !back.Valid([]byte("this is our super secret key; only we should know it")) || back.Valid(root) {
		t.Errorf("%+v, %v", back, err)
	}
}

// TestCaveats: caveats can be added, not taken away, changed or moved; each must hold; one that is not known does not.
func TestCaveats(t *testing.T) {
	s, _ := newScheme(clock, &hashcash.MemoryStore{Now: clock})
	b := postage.Binding{Recipient: "bob@example.com"}
	d, err := s.Quote(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	stamp, err := s.Pay(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	text, secret, _ := strings.Cut(stamp, ":")
	good, err := decode(text)
	if err != nil {
		t.Fatal(err)
	}
	change := func(f func(m *Macaroon)) Macaroon {
		m := good
		m.Caveats = slices.Clone(m.Caveats)
		f(&m)
		return m
	}
	for name, tt := range map[string]struct {
		m    Macaroon
		want error
	}{
		"last dropped": {change(func(m *Macaroon) { m.Caveats = m.Caveats[:3] }), hashcash.ErrBits},
		"all dropped":  {change(func(m *Macaroon) { m.Caveats = nil }), hashcash.ErrBits},
		"moved":        {change(func(m *Macaroon) { m.Caveats[0], m.Caveats[1] = m.Caveats[1], m.Caveats[0] }), hashcash.ErrBits},
		"value raised": {change(func(m *Macaroon) { m.Caveats[1] = "value=9" }), hashcash.ErrBits},
		"other root":   {change(func(m *Macaroon) { *m = NewMacaroon(make([]byte, rootSize), m.ID) }), hashcash.ErrBits},
		"not known":    {good.Add("colour=red"), postage.ErrBinding},
		"no number":    {good.Add("end=soon"), postage.ErrBinding},
		"below 0":      {good.Add("end=-1"), postage.ErrBinding},
		"ended":        {good.Add("end=1"), hashcash.ErrExpired},
		"not begun":    {good.Add("start=1099511627776"), hashcash.ErrFuture},
		"worth less":   {good.Add("value=0"), hashcash.ErrBits},
		"for another":  {good.Add("for=" + bound(postage.Binding{Recipient: "eve@example.com"})), postage.ErrBinding},
		"bare":         {NewMacaroon(root, good.ID), postage.ErrBinding},
	} {
		if _, err := s.Verify(t.Context(), d, code.EncodeToString(tt.m.Append(nil))+":"+secret); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	// A holder's own caveats make no second stamp, and do not raise the value.
	v, err := s.Verify(t.Context(), d, code.EncodeToString(good.Add("end=1099511627776").Add("value=5").Append(nil))+":"+secret)
	if err != nil || v.Amount != 1 {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := s.Verify(t.Context(), d, stamp); !errors.Is(err, hashcash.ErrSpent) {
		t.Errorf("%v, want ErrSpent", err)
	}
}

// TestStateless: the recipient needs nothing of its quote, and a macaroon without the payment is worth nothing.
func TestStateless(t *testing.T) {
	s, _ := newScheme(clock, &hashcash.MemoryStore{Now: clock})
	b := postage.Binding{Recipient: "bob@example.com"}
	d, err := s.Quote(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	stamp, err := s.Pay(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.Quote(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	unpaid, _, err := parseChallenge(other.Params)
	if err != nil {
		t.Fatal(err)
	}
	_, secret, _ := strings.Cut(stamp, ":")
	if _, err := s.Verify(t.Context(), other, unpaid+":"+secret); !errors.Is(err, hashcash.ErrBits) {
		t.Errorf("paid by another's payment: %v, want ErrBits", err)
	}
	again := &Scheme{Root: root, Now: clock, Spent: s.Spent}
	if _, err := again.Verify(t.Context(), postage.Demand{Scheme: "l402", Price: 1, Binding: b}, stamp); err != nil {
		t.Error(err)
	}
}

func TestRefuses(t *testing.T) {
	s, n := newScheme(clock, nil)
	b := postage.Binding{Recipient: "bob@example.com"}
	d, err := s.Quote(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(s *Scheme, d *postage.Demand)
		want   error
	}{
		"dear":    {func(_ *Scheme, d *postage.Demand) { d.Price = 2 }, postage.ErrDear},
		"nothing": {func(s *Scheme, _ *postage.Demand) { s.MaxPrice = -1 }, postage.ErrDear},
		"no node": {func(s *Scheme, _ *postage.Demand) { s.Payer = nil }, postage.ErrDear},
		"other invoice": {func(_ *Scheme, d *postage.Demand) {
			d.Params = strings.Replace(d.Params, "test-invoice-1", "test-invoice-2", 1)
		}, ErrInvoice},
		"quote in it": {func(_ *Scheme, d *postage.Demand) { d.Params = strings.Replace(d.Params, "test-", `te"st-`, 1) }, postage.ErrDemand},
		"long invoice": {func(_ *Scheme, d *postage.Demand) {
			d.Params = strings.Replace(d.Params, "test-", strings.Repeat("x", 2048), 1)
		}, postage.ErrDemand},
		"no macaroon": {func(_ *Scheme, d *postage.Demand) { d.Params = `macaroon="", invoice="x"` }, postage.ErrDemand},
		"empty":       {func(_ *Scheme, d *postage.Demand) { d.Params = "" }, postage.ErrDemand},
	} {
		s2, d2 := *s, d
		tt.change(&s2, &d2)
		if stamp, err := s2.Pay(t.Context(), d2); !errors.Is(err, tt.want) {
			t.Errorf("%s: %q, %v; want %v", name, stamp, err, tt.want)
		}
	}
	n.Credit = 0
	if _, err := s.Pay(t.Context(), d); !errors.Is(err, ErrCredit) {
		t.Errorf("%v, want ErrCredit", err)
	}
	// An invoice for more than the price that the demand tells.
	n.Credit = 100
	invoice, _, err := n.Invoice(t.Context(), 50)
	if err != nil {
		t.Fatal(err)
	}
	macaroon, _, _ := parseChallenge(d.Params)
	d.Params = challenge(macaroon, invoice)
	if _, err := s.Pay(t.Context(), d); !errors.Is(err, ErrCredit) || n.Credit != 100 {
		t.Errorf("%v, credit %d; want ErrCredit", err, n.Credit)
	}
	for name, s := range map[string]*Scheme{"no node": {Root: root}, "short root": {Root: root[1:], Invoicer: n}, "no root": {Invoicer: n}} {
		if _, err := s.Quote(t.Context(), b); !errors.Is(err, postage.ErrDemand) {
			t.Errorf("%s: %v, want ErrDemand", name, err)
		}
	}
	down := errors.New("node down")
	s.Invoicer = invoicerFunc(func() error { return down })
	if _, err := s.Quote(t.Context(), b); !errors.Is(err, down) {
		t.Errorf("%v, want the node's", err)
	}
	for range maxPending + 1 {
		if _, _, err = n.Invoice(t.Context(), 1); err != nil {
			break
		}
	}
	if err == nil {
		t.Error("a node without limit")
	}
}

type invoicerFunc func() error

func (f invoicerFunc) Invoice(context.Context, int) (invoice string, hash [32]byte, err error) {
	return "", hash, f()
}

func TestParseMacaroonRefuses(t *testing.T) {
	good := NewMacaroon(root, []byte("id")).Add("a=1").Append(nil)
	for i := range good {
		if m, err := ParseMacaroon(good[:i]); !errors.Is(err, ErrMacaroon) {
			t.Fatalf("cut at %d: %+v, %v; want ErrMacaroon", i, m, err)
		}
	}
	many := NewMacaroon(root, []byte("id"))
	for range maxCaveats + 1 {
		many = many.Add("a=1")
	}
	for name, b := range map[string][]byte{
		"version":     append([]byte{1}, good[1:]...),
		"location":    append([]byte{2, 1, 1, 'x'}, good[1:]...),
		"more":        append(bytes.Clone(good), 0),
		"many":        many.Append(nil),
		"long":        NewMacaroon(root, make([]byte, maxField+1)).Append(nil),
		"long length": append([]byte{2, 2, 0x82, 0}, good[3:]...),
		"huge length": {2, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
	} {
		if m, err := ParseMacaroon(b); !errors.Is(err, ErrMacaroon) {
			t.Errorf("%s: %+v, %v; want ErrMacaroon", name, m, err)
		}
	}
}

func FuzzParseMacaroon(f *testing.F) {
	f.Add(NewMacaroon(root, make([]byte, idSize)).Add("a=1").Append(nil))
	f.Add([]byte{2, 2, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMacaroon(b)
		if err != nil {
			if !errors.Is(err, ErrMacaroon) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(m.Append(nil), b) {
			t.Fatalf("%x came back as %x", b, m.Append(nil))
		}
	})
}

func FuzzVerify(f *testing.F) {
	s, _ := newScheme(clock, &hashcash.MemoryStore{Now: clock})
	b := postage.Binding{Recipient: "bob@example.com"}
	d, err := s.Quote(f.Context(), b)
	if err != nil {
		f.Fatal(err)
	}
	macaroon, _, _ := parseChallenge(d.Params)
	f.Add(macaroon + ":" + strings.Repeat("0", 64))
	f.Add("AgIAAAA=:" + strings.Repeat("0", 64))
	f.Fuzz(func(t *testing.T, stamp string) {
		if _, err := s.Verify(t.Context(), d, stamp); !errors.Is(err, hashcash.ErrSyntax) && !errors.Is(err, hashcash.ErrBits) {
			t.Fatalf("%q: %v", stamp, err)
		}
	})
}
