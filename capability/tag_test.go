package capability

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func testTags() Tags {
	return Tags{Keys: map[uint8][]byte{1: bytes.Repeat([]byte{1}, 32), 2: bytes.Repeat([]byte{2}, 32)}, Current: 2}
}

func tagged(t testing.TB, k Tags, id ID, local, domain string) string {
	t.Helper()
	s, err := k.Append(id, local, domain)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTag: what was made is read, in any case, for its mailbox alone.
func TestTag(t *testing.T) {
	k, id := testTags(), NewTagID()
	addr := tagged(t, k, id, "bob", "example.com")
	tag := strings.TrimPrefix(addr, "bob+")
	if len(tag) != TagLength || tag != strings.ToLower(tag) {
		t.Fatalf("tag %q", tag)
	}
	flip := func(i int) string { // another letter in that place
		b := []byte(addr)
		b[i] = "0v"[b2i(b[i] == '0')]
		return string(b)
	}
	bare := tagged(t, k, id, "", "example.com")
	old := k
	old.Current = 1
	oldAddr := tagged(t, old, id, "bob", "example.com")
	gone := Tags{Keys: map[uint8][]byte{1: k.Keys[1]}, Current: 1}
	dash := Tags{Keys: k.Keys, Current: 2, Separator: "--"}
	for _, tt := range []struct {
		name          string
		k             Tags
		local, domain string
		want          error
		mailbox       string
	}{
		{"as made", k, addr, "example.com", nil, "bob"},
		{"upper case", k, strings.ToUpper(addr), "EXAMPLE.COM", nil, "BOB"},
		{"final dot of the domain", k, addr, "example.com.", nil, "bob"},
		{"of the key before", k, oldAddr, "example.com", nil, "bob"},
		{"of a key taken out", gone, addr, "example.com", ErrTag, ""},
		{"alone", k, bare, "example.com", nil, ""},
		{"U-labels", k, tagged(t, k, id, "bob", "xn--bcher-kva.example"), "b\u00fccher.example", nil, "bob"},
		{"mailbox with a detail", k, tagged(t, k, id, "bob+lists", "example.com"), "example.com", nil, "bob+lists"},
		{"mailbox of a quoted string", k, tagged(t, k, id, `b o"b`, "example.com"), "example.com", nil, `b o"b`},
		{"other separator", dash, tagged(t, dash, id, "bob", "example.com"), "example.com", nil, "bob"},
		{"separator of another host", dash, addr, "example.com", ErrNoTag, ""},
		{"other domain", k, addr, "example.org", ErrTag, ""},
		{"other user", k, "carol+" + tag, "example.com", ErrTag, ""},
		{"tag alone is not that of a mailbox", k, "bob+" + bare, "example.com", ErrTag, ""},
		{"tag of a mailbox is not one alone", k, tag, "example.com", ErrNoTag, ""},
		{"separator taken away", k, "bob" + tag, "example.com", ErrNoTag, ""},
		{"separator alone", k, "+" + tag, "example.com", ErrNoTag, ""},
		{"two separators", k, "bob++" + tag, "example.com", ErrTag, ""},
		{"first letter", k, flip(4), "example.com", ErrTag, ""},
		{"a letter of the id", k, flip(8), "example.com", ErrTag, ""},
		{"last letter", k, flip(len(addr) - 1), "example.com", ErrTag, ""},
		{"cut short", k, addr[:len(addr)-1], "example.com", ErrNoTag, ""},
		{"one letter more", k, addr + "0", "example.com", ErrNoTag, ""},
		{"letter outside the alphabet", k, addr[:len(addr)-1] + "w", "example.com", ErrNoTag, ""},
		{"padding", k, addr[:len(addr)-1] + "=", "example.com", ErrNoTag, ""},
		{"line end within", k, addr[:len(addr)-1] + "\n", "example.com", ErrNoTag, ""},
		{"Kelvin sign for k", k, "bob+" + strings.Repeat("0", TagLength-3) + "\u212a", "example.com", ErrNoTag, ""},
		{"no tag", k, "bob", "example.com", ErrNoTag, ""},
		{"detail of another kind", k, "bob+lists", "example.com", ErrNoTag, ""},
		{"empty", k, "", "", ErrNoTag, ""},
		{"longer than a local part", k, strings.Repeat("b", 40) + "+" + tag, "example.com", ErrNoTag, ""},
		{"no keys", Tags{}, addr, "example.com", ErrNoTag, ""},
		{"key that is too short", Tags{Keys: map[uint8][]byte{2: make([]byte, 15)}, Current: 2}, addr, "example.com", ErrTag, ""},
	} {
		x, err := tt.k.Parse(tt.local, tt.domain)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if err == nil && (x.ID != id || x.Local != tt.mailbox) || err != nil && x != (Tagged{}) {
			t.Errorf("%s: %+v", tt.name, x)
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestTagMade: what cannot be an address is not made.
func TestTagMade(t *testing.T) {
	k, id := testTags(), NewTagID()
	if s := tagged(t, k, id, strings.Repeat("b", 31), "example.com"); len(s) != 64 {
		t.Errorf("%d octets", len(s))
	}
	for name, tt := range map[string]struct {
		k     Tags
		id    ID
		local string
	}{
		"mailbox of 32 octets": {k, id, strings.Repeat("b", 32)},
		"no id":                {k, ID{}, "bob"},
		"id of a token":        {k, ID{0: 1, 15: 1}, "bob"},
		"no key":               {Tags{}, id, "bob"},
		"key of 15 octets":     {Tags{Keys: map[uint8][]byte{0: make([]byte, 15)}}, id, "bob"},
		"current key is not":   {Tags{Keys: k.Keys, Current: 9}, id, "bob"},
	} {
		if s, err := tt.k.Append(tt.id, tt.local, "example.com"); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %q, %v", name, s, err)
		}
	}
	for _, s := range []string{fmt.Sprint(k), fmt.Sprintf("%+v %#v", k, k)} {
		if strings.Contains(s, "1 1 1") || strings.Contains(s, "0x1, 0x1") || strings.Contains(s, "\x01\x01") {
			t.Errorf("a key in %s", s)
		}
	}
}

// TestVerifyTag: what a tag allows is what its grant says.
func TestVerifyTag(t *testing.T) {
	store := NewMemoryStore(at(noon))
	v := Verifier{Store: store, Grants: store, Now: at(noon)}
	once := shop()
	once.ID, once.Uses = NewTagID(), 1
	whole := once
	whole.ID, whole.Issuer, whole.Uses = NewTagID(), "example.com", 0
	gone := whole
	gone.ID = NewTagID()
	for _, g := range []Grant{once, whole, gone} {
		if err := store.PutGrant(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Revoke(t.Context(), Revocation{ID: gone.ID}); err != nil {
		t.Fatal(err)
	}
	ok := Request{Sender: "orders@shop.example", Domain: "shop.example", Recipient: "bob@example.com"}
	other, late, carol := ok, v, ok
	other.Domain, carol.Recipient = "evil.example", "carol@example.com"
	late.Now = at(once.Expires)
	broken := v
	broken.Grants = brokenGrants{}
	for _, tt := range []struct {
		name string
		v    Verifier
		x    Tagged
		r    Request
		want error
	}{
		{"good", v, Tagged{ID: once.ID, Local: "bob"}, ok, nil},
		{"held", v, Tagged{ID: once.ID, Local: "bob"}, ok, ErrReserved},
		{"no such id", v, Tagged{ID: NewTagID(), Local: "bob"}, ok, ErrUnknown},
		{"other sender", v, Tagged{ID: whole.ID, Local: "bob"}, other, ErrScope},
		{"other mailbox", v, Tagged{ID: once.ID, Local: "carol"}, carol, ErrRecipient},
		{"any mailbox of the domain", v, Tagged{ID: whole.ID, Local: "carol"}, carol, nil},
		{"expired", late, Tagged{ID: once.ID, Local: "bob"}, ok, ErrExpired},
		{"revoked", v, Tagged{ID: gone.ID, Local: "bob"}, ok, ErrRevoked},
		{"alone, of a whole domain", v, Tagged{ID: whole.ID}, Request{Sender: ok.Sender, Domain: ok.Domain}, ErrRecipient},
		{"store down", broken, Tagged{ID: once.ID, Local: "bob"}, ok, ErrStore},
	} {
		use, err := tt.v.VerifyTag(t.Context(), tt.x, tt.r)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if err == nil && use.Grant.ID != tt.x.ID {
			t.Errorf("%s: %+v", tt.name, use)
		}
	}
}

type brokenGrants struct{ Grants }

func (brokenGrants) Grant(context.Context, ID) (Grant, error) { return Grant{}, errors.New("disk") }

func FuzzTag(f *testing.F) {
	k := testTags()
	id := ID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for _, local := range []string{"bob", "", `b"o b`, "bob+lists"} {
		s, err := k.Append(id, local, "example.com")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(s, "example.com")
		f.Add(strings.ToUpper(s), "EXAMPLE.com.")
		f.Add(s[:len(s)-1]+"0", "example.com")
	}
	f.Add("bob+lists", "example.com")
	f.Add("\u212a", "\xff")
	f.Fuzz(func(t *testing.T, local, domain string) {
		x, err := k.Parse(local, domain)
		if err != nil {
			if !errors.Is(err, ErrTag) && !errors.Is(err, ErrNoTag) || x != (Tagged{}) {
				t.Errorf("%q: %+v, %v", local, x, err)
			}
			return
		}
		k.Current = x.Key
		again, err := k.Append(x.ID, x.Local, domain)
		if err != nil || utf8.ValidString(local) && !strings.EqualFold(again, local) {
			t.Errorf("%q came back as %q, %v", local, again, err)
		}
	})
}

func BenchmarkTag(b *testing.B) {
	k := testTags()
	good, err := k.Append(NewTagID(), "bob", "example.com")
	if err != nil {
		b.Fatal(err)
	}
	for name, local := range map[string]string{"good": good, "forged": "bob+" + strings.Repeat("0", TagLength), "plain": "bob"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = k.Parse(local, "example.com")
			}
		})
	}
}

// BenchmarkMillion asks a file of ten grants and one of a million what a tag stands for, and has a use reserved and released.
// The file is as its writer makes it when it is opened; it shows what a grant takes in it.
func BenchmarkMillion(b *testing.B) {
	for name, n := range map[string]int{"ten": 10, "million": 1_000_000} {
		var l ledger
		l.reset()
		ids := make([]ID, n)
		for i := range ids {
			ids[i] = NewTagID()
			g := Grant{ID: ids[i], Issuer: "robert.smith@mail.example.com", Epoch: 12, Limits: Limits{Scope: "*.newsletters.shop.example",
				NotBefore: noon, Expires: noon.AddDate(1, 0, 0), Uses: 1000, Size: 50 << 20, Rate: Rate{10, 24 * time.Hour}, Class: Bulk}}
			if err := l.apply(entry{Op: "grant", Grant: packed(g)}); err != nil {
				b.Fatal(err)
			}
		}
		path, lines := filepath.Join(b.TempDir(), "grants"), l.lines()
		if err := os.WriteFile(path, lines, 0o600); err != nil {
			b.Fatal(err)
		}
		s, err := OpenFile(path, at(noon))
		if err != nil {
			b.Fatal(err)
		}
		v := Verifier{Store: NewMemoryStore(at(noon)), Grants: s, Now: at(noon)}
		r := Request{Sender: "a@x.newsletters.shop.example", Domain: "x.newsletters.shop.example", Recipient: "robert.smith@mail.example.com", Class: Bulk}
		b.Run(name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				use, err := v.VerifyTag(b.Context(), Tagged{ID: ids[i*7919%n], Local: "robert.smith"}, r)
				if err != nil {
					b.Fatal(err)
				}
				if err := v.Store.Release(b.Context(), use); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(lines))/float64(n), "octets/grant")
		})
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
