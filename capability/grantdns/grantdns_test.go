package grantdns_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/auth/resolver"
	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/grantdns"
)

func private(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

func public(b byte) ed25519.PublicKey { return private(b).Public().(ed25519.PublicKey) }

const bob = "bob@example.com"

// zone is DNS with the records that publish writes.
type zone struct {
	*testing.T
	*dnstest.Zone
}

func newZone(t *testing.T) zone {
	z := zone{t, dnstest.New()}
	z.MustAdd("example.com. 300 IN SOA ns.example.com. hostmaster.example.com. 1 3600 600 86400 300")
	z.Sign("example.com")
	return z
}

func (z zone) key(issuer string, number uint8, k grantdns.Key) {
	z.Helper()
	line, err := grantdns.Publisher{}.AppendKey(nil, issuer, number, k)
	if err != nil {
		z.Fatal(err)
	}
	z.MustAdd(string(line))
}

func (z zone) grant(g capability.Grant, s grantdns.Status) {
	z.Helper()
	line, err := grantdns.Publisher{}.AppendGrant(nil, g, s)
	if err != nil {
		z.Fatal(err)
	}
	z.MustAdd(string(line))
}

func token(t *testing.T, key ed25519.PrivateKey, change func(*capability.Grant)) capability.Token {
	t.Helper()
	g := capability.Grant{ID: capability.ID{7}, Issuer: bob, Epoch: 2, Limits: capability.Limits{Scope: "shop.example"}}
	if change != nil {
		change(&g)
	}
	tok, err := capability.Issue(g, key)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func verify(t *testing.T, l grantdns.Lookup, insecure bool, tok capability.Token) error {
	t.Helper()
	r := grantdns.Resolver{Lookup: l, AllowInsecure: insecure}
	v := capability.Verifier{Keys: r, Status: r, Store: capability.NewMemoryStore(nil)}
	_, err := v.Verify(t.Context(), tok, capability.Request{Sender: "orders@shop.example", Domain: "shop.example", Recipient: bob})
	return err
}

// TestVerify: what a token is worth, by what is in DNS.
func TestVerify(t *testing.T) {
	domainKey := func(z zone) { z.key("example.com", 0, grantdns.Key{Public: public(1)}) }
	mine := capability.Grant{ID: capability.ID{7}, Issuer: bob}
	name := func(issuer string) string {
		s, err := grantdns.KeyName(issuer, 0)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	grantName, err := grantdns.GrantName(mine)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name     string
		setup    func(z zone)
		insecure bool
		want     error
	}{
		{"the domain's key", domainKey, false, nil},
		{"the mailbox's own key", func(z zone) { z.key(bob, 0, grantdns.Key{Public: public(1)}) }, false, nil},
		{"the mailbox's own key is another", func(z zone) { domainKey(z); z.key(bob, 0, grantdns.Key{Public: public(2)}) }, false, capability.ErrSignature},
		{"the mailbox's own key was taken back", func(z zone) { domainKey(z); z.key(bob, 0, grantdns.Key{}) }, false, capability.ErrIssuer},
		{"the domain's key is another", func(z zone) { z.key("example.com", 0, grantdns.Key{Public: public(2)}) }, false, capability.ErrSignature},
		{"key of another number", func(z zone) { z.key("example.com", 1, grantdns.Key{Public: public(1)}) }, false, capability.ErrIssuer},
		{"key of the domain above", func(z zone) { z.key("com", 0, grantdns.Key{Public: public(1)}); z.Sign("com") }, false, capability.ErrIssuer},
		{"no key", func(zone) {}, false, capability.ErrIssuer},
		{"two keys", func(z zone) { domainKey(z); z.key("example.com", 0, grantdns.Key{Public: public(2)}) }, false, capability.ErrIssuer},
		{"records of others beside it", func(z zone) { domainKey(z); z.AddTXT(name("example.com"), "v=spf1 -all") }, false, nil},
		{"a record that cannot be read", func(z zone) { z.AddTXT(name("example.com"), "v=MCAP1; p=AAAA") }, false, capability.ErrIssuer},
		{"zone not signed", func(z zone) { domainKey(z); z.Unsign("example.com") }, false, grantdns.ErrInsecure},
		{"zone not signed, and that is taken", func(z zone) { domainKey(z); z.Unsign("example.com") }, true, nil},
		{"SERVFAIL, as for a forged answer", func(z zone) { domainKey(z); z.Fail(name("example.com"), dnstest.ServFail) }, false, capability.ErrStore},
		{"SERVFAIL for the mailbox alone", func(z zone) { domainKey(z); z.Fail(name(bob), dnstest.ServFail) }, false, capability.ErrStore},
		{"SERVFAIL for the grant", func(z zone) { domainKey(z); z.Fail(grantName, dnstest.ServFail) }, false, capability.ErrStore},
		{"epoch reached", func(z zone) { z.key("example.com", 0, grantdns.Key{Public: public(1), Epoch: 2}) }, false, nil},
		{"epoch passed", func(z zone) { z.key("example.com", 0, grantdns.Key{Public: public(1), Epoch: 3}) }, false, capability.ErrRevoked},
		{"grant revoked", func(z zone) { domainKey(z); z.grant(mine, grantdns.Revoked) }, false, capability.ErrRevoked},
		{"another grant revoked", func(z zone) {
			domainKey(z)
			z.grant(capability.Grant{ID: capability.ID{8}, Issuer: bob}, grantdns.Revoked)
		}, false, nil},
		{"grant live", func(z zone) { domainKey(z); z.grant(mine, grantdns.Live) }, false, nil},
		{"listed and live", func(z zone) {
			z.key("example.com", 0, grantdns.Key{Public: public(1), Listed: true})
			z.grant(mine, grantdns.Live)
		}, false, nil},
		{"listed, and not there", func(z zone) { z.key("example.com", 0, grantdns.Key{Public: public(1), Listed: true}) }, false, capability.ErrRevoked},
		{"live and revoked", func(z zone) { domainKey(z); z.grant(mine, grantdns.Live); z.grant(mine, grantdns.Revoked) }, false, capability.ErrIssuer},
		{"absence of a revocation that may be forged", func(z zone) { domainKey(z); z.Unsign("example.com"); z.Sign(name("example.com")); z.Sign(name(bob)) }, false, grantdns.ErrInsecure},
	} {
		z := newZone(t)
		tt.setup(z)
		if err := verify(t, z, tt.insecure, token(t, private(1), nil)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// TestCached: over a resolver that keeps answers, a grant that is taken back is gone after MaxTTL at the latest.
func TestCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t)
		z.key("example.com", 0, grantdns.Key{Public: public(1)})
		r := resolver.New(z, resolver.Options{TrustAD: true, MaxTTL: grantdns.MaxTTL, MaxNegativeTTL: grantdns.MaxTTL})
		asked := 0
		z.Observe(func(string, string) { asked++ })
		tok := token(t, private(1), nil)
		if err := verify(t, r, false, tok); err != nil {
			t.Fatal(err)
		}
		z.grant(tok.Grant(), grantdns.Revoked)
		before := asked
		time.Sleep(grantdns.MaxTTL - time.Second)
		if err := verify(t, r, false, tok); err != nil || asked != before {
			t.Errorf("in the cache: %v, %d questions", err, asked-before)
		}
		time.Sleep(time.Second)
		if err := verify(t, r, false, tok); !errors.Is(err, capability.ErrRevoked) {
			t.Errorf("after MaxTTL: %v", err)
		}
		distrusting := resolver.New(z, resolver.Options{})
		if err := verify(t, distrusting, false, tok); !errors.Is(err, grantdns.ErrInsecure) {
			t.Errorf("over a resolver that is not trusted: %v", err)
		}
	})
}

// TestNames: names are the same for one issuer however it is written, fit, and tell no address.
func TestNames(t *testing.T) {
	one, err := grantdns.KeyName("Bob@B\u00fccher.example.", 12)
	if err != nil {
		t.Fatal(err)
	}
	two, err := grantdns.KeyName("bob@xn--bcher-kva.example", 12)
	if err != nil || one != two || !strings.HasPrefix(one, "12.") || !strings.HasSuffix(one, "._mailcap.xn--bcher-kva.example") {
		t.Errorf("%s, %s, %v", one, two, err)
	}
	if strings.Contains(one, "bob") || len(strings.Split(one, ".")[1]) != 32 {
		t.Error(one)
	}
	if got, err := grantdns.KeyName("Example.com", 0); err != nil || got != "0._mailcap.example.com" {
		t.Errorf("%s, %v", got, err)
	}
	id := capability.NewID()
	got, err := grantdns.GrantName(capability.Grant{ID: id, Issuer: bob})
	if err != nil || strings.Contains(got, id.String()) || strings.Contains(got, "bob") || !strings.HasSuffix(got, "._grant._mailcap.example.com") {
		t.Errorf("%s, %v", got, err)
	}
	for _, issuer := range []string{"", "@example.com", "bob@", "bob@exa mple.com", "a@b\nc.example", "bob@[192.0.2.1]", "bob@" + strings.Repeat("a.", 110) + "example"} {
		if name, err := grantdns.KeyName(issuer, 0); !errors.Is(err, grantdns.ErrName) {
			t.Errorf("%q: %s, %v", issuer, name, err)
		}
	}
}

// TestRecords: what is taken for a record, and what it says.
func TestRecords(t *testing.T) {
	p := strings.TrimPrefix(string(grantdns.Key{Public: public(1)}.Append(nil)), "v=MCAP1; k=ed25519; ")
	for _, tt := range []struct {
		txt  string
		want error
		key  grantdns.Key
	}{
		{"v=MCAP1; k=ed25519; " + p, nil, grantdns.Key{Public: public(1)}},
		{"v = MCAP1 ;" + p + ";e=4294967295; g=listed; new=x;", nil, grantdns.Key{Public: public(1), Epoch: 1<<32 - 1, Listed: true}},
		{"v=MCAP1; p=", nil, grantdns.Key{}},
		{"v=MCAP1", grantdns.ErrRecord, grantdns.Key{}},
		{"v=MCAP1; k=rsa; " + p, grantdns.ErrRecord, grantdns.Key{}},
		{"v=MCAP1; " + p + "; " + p, grantdns.ErrRecord, grantdns.Key{}},
		{"v=MCAP1; p=AAAA", grantdns.ErrRecord, grantdns.Key{}},
		{"v=MCAP1; " + p + "; e=01", grantdns.ErrRecord, grantdns.Key{}},
		{"v=MCAP1; " + p + "; e=4294967296", grantdns.ErrRecord, grantdns.Key{}},
		{"v=MCAP1; " + p + "; e=-1", grantdns.ErrRecord, grantdns.Key{}},
		{"v=MCAP1; " + p + "; g=some", grantdns.ErrRecord, grantdns.Key{}},
		{"v=MCAP1; " + p + "; x=" + strings.Repeat("y", 1024), grantdns.ErrRecord, grantdns.Key{}},
		{"v=MCAP2; " + p, grantdns.ErrOther, grantdns.Key{}},
		{p + "; v=MCAP1", grantdns.ErrOther, grantdns.Key{}},
		{"v=mcap1; " + p, grantdns.ErrOther, grantdns.Key{}},
		{"", grantdns.ErrOther, grantdns.Key{}},
	} {
		got, err := grantdns.ParseKey(tt.txt)
		if !errors.Is(err, tt.want) || !got.Public.Equal(tt.key.Public) || got.Epoch != tt.key.Epoch || got.Listed != tt.key.Listed {
			t.Errorf("%q: %+v, %v", tt.txt, got, err)
		}
	}
	for txt, want := range map[string]error{"v=MCAP1; s=live": nil, "v=MCAP1; s=revoked; x=y": nil, "v=MCAP1": grantdns.ErrRecord, "v=MCAP1; s=dead": grantdns.ErrRecord, "s=live": grantdns.ErrOther} {
		if s, err := grantdns.ParseStatus(txt); !errors.Is(err, want) {
			t.Errorf("%q: %s, %v", txt, s, err)
		}
	}
}

// TestPublisher: no line lives longer than MaxTTL, and nothing is written that cannot be read.
func TestPublisher(t *testing.T) {
	for ttl, want := range map[time.Duration]string{0: " 300 IN", -time.Hour: " 300 IN", time.Hour: " 300 IN", time.Minute: " 60 IN", time.Millisecond: " 300 IN"} {
		line, err := grantdns.Publisher{TTL: ttl}.AppendKey(nil, bob, 0, grantdns.Key{Public: public(1)})
		if err != nil || !strings.Contains(string(line), want) {
			t.Errorf("%v: %s, %v", ttl, line, err)
		}
	}
	p := grantdns.Publisher{}
	if line, err := p.AppendKey([]byte("x"), bob, 0, grantdns.Key{Public: make([]byte, 31)}); !errors.Is(err, grantdns.ErrRecord) || string(line) != "x" {
		t.Errorf("%s, %v", line, err)
	}
	if line, err := p.AppendGrant([]byte("x"), capability.Grant{Issuer: bob}, "dead\"\nx"); !errors.Is(err, grantdns.ErrRecord) || string(line) != "x" {
		t.Errorf("%s, %v", line, err)
	}
	if _, err := p.AppendGrant(nil, capability.Grant{}, grantdns.Live); !errors.Is(err, grantdns.ErrName) {
		t.Error(err)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add("v=MCAP1; k=ed25519; p=" + strings.Repeat("A", 43) + "=; e=3; g=listed")
	f.Add("v=MCAP1; s=revoked")
	f.Add("v=MCAP1;;p==")
	f.Fuzz(func(t *testing.T, txt string) {
		if k, err := grantdns.ParseKey(txt); err == nil {
			again, err := grantdns.ParseKey(string(k.Append(nil)))
			if err != nil || fmt.Sprint(again) != fmt.Sprint(k) {
				t.Errorf("%+v came back as %+v, %v", k, again, err)
			}
		} else if !errors.Is(err, grantdns.ErrRecord) && !errors.Is(err, grantdns.ErrOther) {
			t.Error(err)
		}
		if s, err := grantdns.ParseStatus(txt); err == nil && s != grantdns.Live && s != grantdns.Revoked {
			t.Errorf("%q", s)
		}
	})
}

func FuzzName(f *testing.F) {
	f.Add("Bob@Example.com")
	f.Add("b@c.\x00")
	f.Fuzz(func(t *testing.T, issuer string) {
		name, err := grantdns.KeyName(issuer, 255)
		if err != nil {
			return
		}
		line, err := grantdns.Publisher{}.AppendKey(nil, issuer, 255, grantdns.Key{})
		if err != nil || !strings.HasPrefix(string(line), name+". 300 IN TXT \"") || strings.Count(string(line), "\n") != 1 {
			t.Errorf("%q: %q, %v", issuer, line, err)
		}
		if err := dnstest.New().Add(string(line)); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	})
}
