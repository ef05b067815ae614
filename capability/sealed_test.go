package capability

import (
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestSizes measures tokens with every limit set: at most 200 octets unattenuated, at most 112 more a block.
func TestSizes(t *testing.T) {
	full := func(issuer, scope string) Grant {
		return Grant{ID: NewID(), Issuer: issuer, Limits: Limits{Scope: scope, Expires: noon.AddDate(30, 0, 0), Uses: 100, Size: 50 << 20}}
	}
	sealed := func(issuer, scope string) int {
		tok, err := IssueSealed(full(issuer, scope), private())
		if err != nil {
			t.Fatal(err)
		}
		return len(tok.Append(nil))
	}
	open := func(issuer, scope string) int { return len(issue(t, full(issuer, scope)).Append(nil)) }
	for _, tt := range []struct {
		name string
		got  int
	}{
		{"30 octets of names", open("bob@example.com", "mail.shop.test1")},
		{"30 octets, subdomains", open("a@b.example", "*.mail.shop.example")},
		{"95 octets, sealed", sealed(strings.Repeat("b", 36)+"@example.com", strings.Repeat("s", 35)+"@example.com")},
	} {
		t.Logf("%s: %d octets", tt.name, tt.got)
		if tt.got > 200 {
			t.Errorf("%s: %d octets", tt.name, tt.got)
		}
	}
	tok := issue(t, full("bob@example.com", "shop.example"))
	for n := 2; n <= MaxBlocks; n++ {
		next, err := tok.Attenuate(Limits{Expires: noon.AddDate(10, 0, -n), Uses: uint32(100 - n), Size: uint64(50<<20 - n)})
		if err != nil {
			t.Fatal(err)
		}
		if more := len(next.Append(nil)) - len(tok.Append(nil)); more > 112 {
			t.Errorf("block %d: %d octets more", n, more)
		}
		tok = next
	}
	if n := len(tok.Seal().Append(nil)); n > MaxToken {
		t.Errorf("%d blocks: %d octets", MaxBlocks, n)
	}
	scoped, err := issue(t, shop()).AttenuateSealed(Limits{Scope: "orders@shop.example", Expires: noon, Uses: 1, Size: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if more := len(scoped.Append(nil)) - len(issue(t, shop()).Append(nil)); more > 112 {
		t.Errorf("a sealed block with a scope: %d octets more", more)
	}
}

// TestSealedAtIssue: what has no next key is whole, cannot be added to, and is not read as what has one.
func TestSealedAtIssue(t *testing.T) {
	public := private().Public().(ed25519.PublicKey)
	one, err := IssueSealed(shop(), private())
	if err != nil {
		t.Fatal(err)
	}
	two, err := issue(t, shop()).AttenuateSealed(Limits{Uses: 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, tok := range map[string]Token{"one block": one, "two": two} {
		got, err := ParseToken(tok.String())
		if err != nil || got.Grant() != tok.Grant() || !got.Sealed() || got.String() != tok.String() || got.Seal().String() != tok.String() {
			t.Fatalf("%s: %+v, %v", name, got, err)
		}
		if err := got.verify(public); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(got.counters()) != len(tok.blocks) {
			t.Errorf("%s: %d counters", name, len(got.counters()))
		}
		for _, f := range []func(Limits) (Token, error){got.Attenuate, got.AttenuateSealed} {
			if _, err := f(Limits{Uses: 1}); !errors.Is(err, ErrSyntax) {
				t.Errorf("%s: narrowed, %v", name, err)
			}
		}
		b := tok.Append(nil)
		for i := range b { // no octet is free
			forged := slices.Clone(b)
			forged[i] ^= 1
			if x, err := ParseToken(encode(forged)); err == nil && x.verify(public) == nil {
				t.Errorf("%s: octet %d is free", name, i)
			}
		}
		for why, forged := range map[string][]byte{
			"cut short": b[:len(b)-1], "more after it": append(slices.Clone(b), 0), "a seed after it": append(slices.Clone(b), make([]byte, 33)...),
			"as if there were a next key":  append(append([]byte{1, b[1] &^ endFlag}, b[2:]...), make([]byte, 33)...),
			"a block after the last one":   append([]byte{1, b[1] + 1}, append(slices.Clone(b[2:]), b[2:]...)...),
			"next key read as more fields": asEnd(issue(t, shop())),
		} {
			if x, err := ParseToken(encode(forged)); err == nil && x.verify(public) == nil {
				t.Errorf("%s: %s is taken", name, why)
			}
		}
	}
	// The last octets of a sealed block are not taken for a key, nor is an open block taken for a sealed one.
	open := issue(t, shop())
	open.blocks[0].end, open.seed = true, nil
	if err := open.verify(public); !errors.Is(err, ErrSignature) {
		t.Error(err)
	}
	one.blocks[0].end, one.seed = false, make([]byte, 32)
	if err := one.verify(public); !errors.Is(err, ErrSignature) {
		t.Error(err)
	}
}

// asEnd returns an open token of one block with the mark of a sealed one.
func asEnd(tok Token) []byte {
	b := tok.Append(nil)
	b[1] |= endFlag
	return b[:len(b)-33]
}
