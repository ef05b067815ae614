package capability

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

// oneKey knows the key of every issuer.
type oneKey struct{ public ed25519.PublicKey }

func (k oneKey) PublicKey(_ context.Context, issuer string, key uint8) (ed25519.PublicKey, error) {
	switch {
	case issuer == "unknown@example.com" || key != 0:
		return nil, fmt.Errorf("%w: %s", ErrIssuer, issuer)
	case issuer == "down@example.com":
		return nil, errors.New("DNS is down")
	}
	return k.public, nil
}

func private() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) }

func issue(t testing.TB, g Grant) Token {
	t.Helper()
	tok, err := Issue(g, private())
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func shop() Grant {
	return Grant{ID: ID{1}, Issuer: "bob@example.com", Limits: Limits{Scope: "shop.example", Expires: noon.AddDate(0, 0, 30), Uses: 5, Size: 1 << 20}}
}

func TestRoundTrip(t *testing.T) {
	tok := issue(t, shop())
	narrow, err := tok.Attenuate(Limits{Uses: 2, Scope: "Orders@Shop.example"})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []Token{tok, narrow, tok.Seal(), narrow.Seal()} {
		got, err := ParseToken(x.String())
		if err != nil {
			t.Fatal(err)
		}
		if got.Grant() != x.Grant() || got.String() != x.String() || got.Sealed() != x.Sealed() {
			t.Errorf("%+v came back as %+v", x.Grant(), got.Grant())
		}
		if err := got.verify(private().Public().(ed25519.PublicKey)); err != nil {
			t.Error(err)
		}
	}
	if g := narrow.Grant(); g.Uses != 2 || g.Scope != "orders@shop.example" || g.Expires != noon.AddDate(0, 0, 30) || g.Size != 1<<20 {
		t.Errorf("narrowed: %+v", g)
	}
}

func TestVerify(t *testing.T) {
	ok := Request{Sender: "orders@shop.example", Domain: "shop.example", Recipient: "bob@example.com", Size: 1000}
	with := func(change func(*Grant)) Grant { g := shop(); change(&g); return g }
	req := func(change func(*Request)) Request { r := ok; change(&r); return r }
	for _, tt := range []struct {
		name string
		g    Grant
		r    Request
		now  time.Time
		want error
	}{
		{"good", shop(), ok, noon, nil},
		{"recipient in another case", shop(), req(func(r *Request) { r.Recipient = "Bob@EXAMPLE.com" }), noon, nil},
		{"domain in another case, final dot", shop(), req(func(r *Request) { r.Domain = "SHOP.EXAMPLE." }), noon, nil},
		{"other recipient", shop(), req(func(r *Request) { r.Recipient = "carol@example.com" }), noon, ErrRecipient},
		{"domain issuer", with(func(g *Grant) { g.Issuer = "example.com" }), ok, noon, nil},
		{"domain issuer, other domain", with(func(g *Grant) { g.Issuer = "example.org" }), ok, noon, ErrRecipient},
		{"domain issuer, subdomain", with(func(g *Grant) { g.Issuer = "com" }), ok, noon, ErrRecipient},
		{"prefixed domain", shop(), req(func(r *Request) { r.Domain = "evilshop.example" }), noon, ErrScope},
		{"domain as prefix", shop(), req(func(r *Request) { r.Domain = "shop.example.evil.com" }), noon, ErrScope},
		{"subdomain is not the domain", shop(), req(func(r *Request) { r.Domain = "a.shop.example" }), noon, ErrScope},
		{"claimed, not authenticated", shop(), req(func(r *Request) { r.Domain = "" }), noon, ErrScope},
		{"authenticated for another", shop(), req(func(r *Request) { r.Domain = "esp.example" }), noon, ErrScope},
		{"NUL in the domain", shop(), req(func(r *Request) { r.Domain = "shop.example\x00.evil.com" }), noon, ErrScope},
		{"subdomains", with(func(g *Grant) { g.Scope = "*.shop.example" }), req(func(r *Request) { r.Domain = "a.b.shop.example" }), noon, nil},
		{"subdomains, the domain itself", with(func(g *Grant) { g.Scope = "*.shop.example" }), ok, noon, ErrScope},
		{"subdomains, prefixed", with(func(g *Grant) { g.Scope = "*.shop.example" }), req(func(r *Request) { r.Domain = "evilshop.example" }), noon, ErrScope},
		{"address", with(func(g *Grant) { g.Scope = "orders@shop.example" }), ok, noon, nil},
		{"other address", with(func(g *Grant) { g.Scope = "ads@shop.example" }), ok, noon, ErrScope},
		{"address without its domain", with(func(g *Grant) { g.Scope = "orders@shop.example" }), req(func(r *Request) { r.Domain = "evil.example" }), noon, ErrScope},
		{"for whoever holds it", with(func(g *Grant) { g.Scope = "" }), req(func(r *Request) { r.Domain, r.Sender = "", "" }), noon, nil},
		{"last second", shop(), ok, noon.AddDate(0, 0, 30).Add(-time.Second), nil},
		{"expired", shop(), ok, noon.AddDate(0, 0, 30), ErrExpired},
		{"not yet", with(func(g *Grant) { g.NotBefore = noon }), ok, noon.Add(-time.Second), ErrNotYet},
		{"too big", shop(), req(func(r *Request) { r.Size = 1<<20 + 1 }), noon, ErrTooBig},
		{"unknown issuer", with(func(g *Grant) { g.Issuer = "unknown@example.com" }), req(func(r *Request) { r.Recipient = "unknown@example.com" }), noon, ErrIssuer},
		{"unknown key", with(func(g *Grant) { g.Key = 7 }), ok, noon, ErrIssuer},
		{"keys not reachable", with(func(g *Grant) { g.Issuer = "down@example.com" }), req(func(r *Request) { r.Recipient = "down@example.com" }), noon, ErrStore},
	} {
		v := Verifier{Keys: oneKey{private().Public().(ed25519.PublicKey)}, Store: NewMemoryStore(at(tt.now)), Now: at(tt.now)}
		if _, err := v.Verify(t.Context(), issue(t, tt.g), tt.r); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	other := ed25519.NewKeyFromSeed([]byte(strings.Repeat("x", 32)))
	v := Verifier{Keys: oneKey{other.Public().(ed25519.PublicKey)}, Store: NewMemoryStore(nil), Now: at(noon)}
	if _, err := v.Verify(t.Context(), issue(t, shop()), ok); !errors.Is(err, ErrSignature) {
		t.Errorf("another key: %v", err)
	}
	if _, err := v.Verify(t.Context(), Token{}, ok); !errors.Is(err, ErrSyntax) {
		t.Errorf("no token: %v", err)
	}
}

// TestHandedOn: what a holder hands on is counted by itself and within what the holder has.
func TestHandedOn(t *testing.T) {
	v := Verifier{Keys: oneKey{private().Public().(ed25519.PublicKey)}, Store: NewMemoryStore(at(noon)), Now: at(noon)}
	whole := issue(t, shop()) // five uses
	part, err := whole.Attenuate(Limits{Uses: 2})
	if err != nil {
		t.Fatal(err)
	}
	message := byte(0)
	use := func(tok Token) error {
		r, err := v.Verify(t.Context(), tok, Request{Sender: "orders@shop.example", Domain: "shop.example", Recipient: "bob@example.com"})
		if err != nil {
			return err
		}
		message++
		return v.Store.Commit(t.Context(), r, [32]byte{message})
	}
	for i, step := range []struct {
		tok  Token
		want error
	}{{whole, nil}, {whole, nil}, {part, nil}, {part.Seal(), nil}, {part, ErrUsedUp}, {whole, nil}, {whole, ErrUsedUp}} {
		if err := use(step.tok); !errors.Is(err, step.want) {
			t.Errorf("use %d: %v, want %v", i, err, step.want)
		}
	}
}

// TestForged takes a narrowed token apart and puts it together in every way that is not its own.
func TestForged(t *testing.T) {
	key := private().Public().(ed25519.PublicKey)
	tok := issue(t, shop())
	narrow, err := tok.Attenuate(Limits{Uses: 2})
	if err != nil {
		t.Fatal(err)
	}
	narrower, err := narrow.Attenuate(Limits{Uses: 1})
	if err != nil {
		t.Fatal(err)
	}
	foreign := issue(t, Grant{ID: ID{2}, Issuer: "bob@example.com"})
	foreignNarrow, err := foreign.Attenuate(Limits{Uses: 1})
	if err != nil {
		t.Fatal(err)
	}
	change := func(x Token, f func(*Token)) Token {
		x.blocks = slices.Clone(x.blocks)
		f(&x)
		return x
	}
	for name, x := range map[string]Token{
		"last block dropped":       change(narrow, func(x *Token) { x.blocks = x.blocks[:1] }),
		"middle block dropped":     change(narrower, func(x *Token) { x.blocks = []block{x.blocks[0], x.blocks[2]} }),
		"blocks in another order":  change(narrower, func(x *Token) { x.blocks[1], x.blocks[2] = x.blocks[2], x.blocks[1] }),
		"block of another token":   change(narrow, func(x *Token) { x.blocks[1] = foreignNarrow.blocks[1] }),
		"another token's first":    change(narrow, func(x *Token) { x.blocks[0] = foreign.blocks[0] }),
		"seal of another chain":    change(narrow.Seal(), func(x *Token) { x.seal = tok.Seal().seal }),
		"last dropped and sealed":  change(narrow, func(x *Token) { x.blocks = x.blocks[:1]; *x = x.Seal() }),
		"signature of zero octets": change(tok, func(x *Token) { x.blocks[0].sig = make([]byte, 64) }),
	} {
		if err := x.verify(key); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Every single bit of a token matters.
	octets := narrow.Seal().Append(nil)
	for i := range len(octets) * 8 {
		b := slices.Clone(octets)
		b[i/8] ^= 1 << (i % 8)
		x, err := ParseToken(encode(b))
		if err == nil {
			err = x.verify(key)
		}
		if err == nil {
			t.Errorf("bit %d of octet %d does not matter", i%8, i/8)
		}
	}
}

func encode(b []byte) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var s strings.Builder
	for i := 0; i < len(b)*8; i += 6 {
		v := 0
		for k := range 6 {
			v <<= 1
			if j := i + k; j < len(b)*8 && b[j/8]&(0x80>>(j%8)) != 0 {
				v |= 1
			}
		}
		s.WriteByte(digits[v])
	}
	return s.String()
}

func TestWidened(t *testing.T) {
	tok := issue(t, shop())
	for name, l := range map[string]Limits{
		"uses":         {Uses: 6},
		"expiry":       {Expires: noon.AddDate(0, 0, 31)},
		"size":         {Size: 1<<20 + 1},
		"scope":        {Scope: "example"},
		"subdomains":   {Scope: "*.shop.example"},
		"other domain": {Scope: "a@evilshop.example"},
	} {
		if _, err := tok.Attenuate(l); !errors.Is(err, ErrWidened) {
			t.Errorf("%s: %v", name, err)
		}
		// Forced into the token by a holder who does not ask: refused when parsed.
		forced := tok
		if err := forced.add(block{payload: appendBlock(nil, Grant{Limits: l})}, ed25519.NewKeyFromSeed(tok.seed)); err != nil {
			t.Fatal(err)
		}
		if _, err := ParseToken(forced.String()); !errors.Is(err, ErrWidened) {
			t.Errorf("%s, forced: %v", name, err)
		}
	}
	if _, err := tok.Seal().Attenuate(Limits{Uses: 1}); !errors.Is(err, ErrSyntax) {
		t.Errorf("sealed: %v", err)
	}
	x := tok
	var err error
	for range MaxBlocks - 1 {
		if x, err = x.Attenuate(Limits{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err = x.Attenuate(Limits{}); !errors.Is(err, ErrSyntax) {
		t.Errorf("more than %d blocks: %v", MaxBlocks, err)
	}
}

// TestNeverWidens: whatever is added to a token, by its holder's own hand or by Attenuate, whoever it lets in the grant lets
// in too.
func TestNeverWidens(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	pick := func(s []string) string { return s[rng.IntN(len(s))] }
	scopes := []string{"", "example", "shop.example", "*.example", "*.shop.example", "a@shop.example", "b@x.shop.example", "evilshop.example"}
	classes := []Class{0, Personal, Transactional, Bulk}
	rates := []Rate{{}, {Count: 1, Per: time.Hour}, {Count: 2, Per: time.Hour}, {Count: 1, Per: 24 * time.Hour}}
	limits := func() Limits {
		l := Limits{Scope: pick(scopes), Class: classes[rng.IntN(len(classes))], Rate: rates[rng.IntN(len(rates))], Uses: uint32(rng.IntN(3)), Size: uint64(rng.IntN(3))}
		if rng.IntN(2) == 0 {
			l.NotBefore = noon.Add(time.Duration(rng.IntN(3)) * time.Second)
		}
		if rng.IntN(2) == 0 {
			l.Expires = noon.Add(time.Duration(rng.IntN(3)+1) * time.Second)
		}
		return l
	}
	var now time.Time
	admits := func(tok Token, r Request, letters int) (n int) {
		t.Helper()
		v := Verifier{Keys: OneKey(private().Public().(ed25519.PublicKey)), Store: NewMemoryStore(nil), Now: func() time.Time { return now }}
		v.Store = NewMemoryStore(v.Now)
		for i := range letters {
			use, err := v.Verify(t.Context(), tok, r)
			if err != nil {
				continue
			}
			if err := v.Store.Commit(t.Context(), use, [32]byte{byte(i)}); err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	narrowed, refused, let := 0, 0, 0
	for range 250 {
		root := issue(t, Grant{ID: NewID(), Issuer: "bob@example.com", Limits: limits()})
		tok := root
		for range 3 {
			l := limits()
			next, err := tok.Attenuate(l)
			if err != nil { // by force then
				forced := tok
				if err := forced.add(block{payload: appendBlock(nil, Grant{Limits: l})}, ed25519.NewKeyFromSeed(tok.seed)); err != nil {
					t.Fatal(err)
				}
				if next, err = ParseToken(forced.String()); err != nil {
					refused++
					continue
				}
			}
			narrowed++
			tok = next
		}
		for range 8 {
			sender := pick([]string{"a@shop.example", "b@x.shop.example", "c@example", "d@evilshop.example"})
			_, domain, _ := strings.Cut(sender, "@")
			r := Request{Sender: sender, Domain: domain, Recipient: "bob@example.com", Size: uint64(rng.IntN(4)), Class: classes[rng.IntN(len(classes))]}
			now = noon.Add(time.Duration(rng.IntN(4)) * time.Second)
			inside, outside := admits(tok, r, 3), admits(root, r, 3)
			if inside > outside {
				t.Fatalf("%+v lets %d letters of %+v in, and narrowed to %+v it lets %d", root.Grant(), outside, r, tok.Grant(), inside)
			}
			let += inside
		}
	}
	if narrowed < 100 || refused < 100 || let < 100 {
		t.Errorf("%d narrowings, %d refused, %d letters let in: too few to tell", narrowed, refused, let)
	}
}

func TestMalformed(t *testing.T) {
	good := issue(t, shop()).Append(nil)
	cut := func(n int) []byte { return good[:n] }
	with := func(i int, c byte) []byte { b := slices.Clone(good); b[i] = c; return b }
	for name, b := range map[string][]byte{
		"empty": {}, "version": with(0, 2), "no blocks": with(1, 0), "too many blocks": with(1, MaxBlocks+1), "more blocks than there are": with(1, 2),
		"cut": cut(len(good) - 1), "cut in the block": cut(40), "longer": append(slices.Clone(good), 0), "proof": with(len(good)-33, 2),
		"unknown field": with(3, 200), "field order": with(3, 9), "field length": with(4, 255),
	} {
		if _, err := ParseToken(encode(b)); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, s := range []string{"AQ==", "A Q", "\x00", strings.Repeat("A", 4000)} {
		if _, err := ParseToken(s); !errors.Is(err, ErrSyntax) {
			t.Errorf("%.20q: %v", s, err)
		}
	}
	for _, g := range []Grant{{Issuer: "no domain"}, {Issuer: "@example.com"}, {Issuer: ""}, {Issuer: "*.example.com"}, {Issuer: "a@b..c"},
		{Issuer: "bob@example.com", Limits: Limits{Scope: "a b"}}, {Issuer: "bob@example.com", Limits: Limits{Scope: "*.*.x"}}} {
		if _, err := Issue(g, private()); !errors.Is(err, ErrSyntax) {
			t.Errorf("%+v: %v", g, err)
		}
	}
	for _, s := range []string{"", "x", ID{1}.String() + "0", strings.Repeat("v", 26), strings.Repeat("!", 26)} {
		if _, err := ParseID(s); !errors.Is(err, ErrSyntax) {
			t.Errorf("id %q: %v", s, err)
		}
	}
	if id, err := ParseID(strings.ToUpper(ID{1, 2, 3}.String())); err != nil || id != (ID{1, 2, 3}) {
		t.Errorf("%v, %v", id, err)
	}
}

func FuzzParseToken(f *testing.F) {
	tok := issue(f, shop())
	narrow, err := tok.Attenuate(Limits{Uses: 1, Scope: "a@shop.example"})
	if err != nil {
		f.Fatal(err)
	}
	for _, x := range []Token{tok, narrow, narrow.Seal()} {
		f.Add(x.String())
	}
	f.Fuzz(func(t *testing.T, s string) {
		x, err := ParseToken(s)
		if err != nil {
			if !errors.Is(err, ErrSyntax) && !errors.Is(err, ErrWidened) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if x.String() != s {
			t.Fatalf("%q has a second form %q", s, x)
		}
	})
}

// BenchmarkVerify checks a token, from its text on, with each form of the last block, beside as many Ed25519
// verifications of messages of that length as it has signatures. An open token costs the making of a key more.
func BenchmarkVerify(b *testing.B) {
	tok := issue(b, Grant{ID: ID{1}, Issuer: "bob@example.com", Limits: Limits{Scope: "shop.example", Expires: noon, Uses: 9}})
	narrow, err := tok.Attenuate(Limits{Scope: "orders@shop.example", Uses: 1})
	if err != nil {
		b.Fatal(err)
	}
	whole, err := tok.AttenuateSealed(Limits{Scope: "orders@shop.example", Uses: 1})
	if err != nil {
		b.Fatal(err)
	}
	public := private().Public().(ed25519.PublicKey)
	message := make([]byte, 150)
	sig := ed25519.Sign(private(), message)
	for _, bb := range []struct {
		name  string
		tok   Token
		floor int
	}{{"issued", tok, 1}, {"issued, then sealed", tok.Seal(), 2}, {"narrowed", narrow, 2}, {"narrowed and sealed", whole, 2}, {"narrowed, then sealed", narrow.Seal(), 3}} {
		b.Run(bb.name, func(b *testing.B) {
			s := bb.tok.String()
			var ours, floor time.Duration
			b.ReportAllocs()
			for b.Loop() {
				start := time.Now()
				x, err := ParseToken(s)
				if err != nil {
					b.Fatal(err)
				}
				if err := x.verify(public); err != nil {
					b.Fatal(err)
				}
				middle := time.Now()
				for range bb.floor {
					ed25519.Verify(public, message, sig)
				}
				ours, floor = ours+middle.Sub(start), floor+time.Since(middle)
			}
			b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N), "ns/check")
			b.ReportMetric(float64(ours)/float64(floor), "x-floor")
			b.ReportMetric(float64(bb.floor), "signatures")
		})
	}
}
