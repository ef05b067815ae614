package webpush

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

func unbase(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.NewReplacer(" ", "", "\n", "", "\t", "").Replace(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The contents of RFC 8188 §3.1 and §3.2, and the body of RFC 8291 §5.
const (
	walrus  = `I1BsxtFttlv3u_Oo94xnmwAAEAAA-NAVub2qFgBEuQKRapoZu-IxkIva3MEB1PD-ly8Thjg`
	records = `uNCkWiNYzKTnBN9ji3-qWAAAABkCYTHOG8chz_gnvgOqdGYovxyjuqRyJFjEDyoF1Fvkj6hQPdPHI51OEUKEpgz3SsLWIqS_uA`
	melon   = `DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN`

	walrusKey  = "yqdlZ-tYemfogSmv7Ws5PQ"
	recordsKey = "BO3ZVPxUlnLORbVGMpbT1Q"
)

// The keys of RFC 8291 §5.
const (
	receiverPrivate = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
	receiverPublic  = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
	senderPrivate   = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
	authSecret      = "BTBZMqHH6r4Tts7J_aSIgg"
	wantMelon       = "When I grow up, I want to be a watermelon"
)

func TestRFC8188(t *testing.T) {
	for _, tt := range []struct{ content, key, id string }{{walrus, walrusKey, ""}, {records, recordsKey, "a1"}} {
		content := unbase(t, tt.content)
		h, _, err := ParseHeader(content)
		if err != nil || string(h.KeyID) != tt.id {
			t.Errorf("%+v, %v", h, err)
		}
		got, err := Open(nil, unbase(t, tt.key), content)
		if err != nil || string(got) != "I am the walrus" {
			t.Errorf("%q, %v", got, err)
		}
	}
	content := unbase(t, walrus)
	h, _, _ := ParseHeader(content)
	got, err := Seal(nil, unbase(t, walrusKey), h, []byte("I am the walrus"))
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%x, %v", got, err)
	}
}

func TestRFC8291(t *testing.T) {
	k, err := ParseKeys(receiverPublic, authSecret)
	if err != nil {
		t.Fatal(err)
	}
	salt := unbase(t, melon)[:saltLength]
	got, err := k.Encrypt(bytes.NewReader(append(unbase(t, senderPrivate), salt...)), []byte(wantMelon))
	if err != nil || !bytes.Equal(got, unbase(t, melon)) {
		t.Errorf("%x, %v", got, err)
	}
	r, err := ParseReceiver(receiverPrivate, authSecret)
	if err != nil {
		t.Fatal(err)
	}
	if p, a := r.Keys().Strings(); p != receiverPublic || a != authSecret {
		t.Error(p, a)
	}
	if p, a := r.Secrets(); p != receiverPrivate || a != authSecret {
		t.Error(p, a)
	}
	if got, err := r.Decrypt(got); err != nil || string(got) != wantMelon {
		t.Errorf("%q, %v", got, err)
	}
}

// TestSeal: what was sealed opens, for each number of records; cut off at a record's end, or with records changed over,
// it does not.
func TestSeal(t *testing.T) {
	key := unbase(t, walrusKey)
	for size := uint32(minRecord); size < 40; size++ {
		for n := range 60 {
			h := Header{RecordSize: size, KeyID: []byte("k")}
			plaintext := bytes.Repeat([]byte{0, 1, 2}, n)[:n]
			content, err := Seal(nil, key, h, plaintext)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Open([]byte("x"), key, content)
			if err != nil || string(got) != "x"+string(plaintext) {
				t.Fatalf("record size %d, %d octets: %x, %v", size, n, got, err)
			}
			_, rest, _ := ParseHeader(content)
			if len(rest) <= int(size) {
				continue
			}
			head := len(content) - len(rest)
			if _, err := Open(nil, key, content[:head+int(size)]); !errors.Is(err, ErrDecrypt) {
				t.Fatalf("cut off after a record: %v", err)
			}
			if len(rest) >= 2*int(size) {
				swapped := append([]byte(nil), content[:head]...)
				swapped = append(append(swapped, rest[size:2*size]...), rest[:size]...)
				if _, err := Open(nil, key, append(swapped, rest[2*size:]...)); !errors.Is(err, ErrDecrypt) {
					t.Fatalf("records changed over: %v", err)
				}
			}
		}
	}
	if _, err := Seal(nil, key, Header{RecordSize: minRecord - 1}, nil); err == nil {
		t.Error("a record of 17 octets")
	}
}

// TestDecryptRefuses: every changed bit, every cut, another's keys, and a message of several records.
func TestDecryptRefuses(t *testing.T) {
	r, err := ParseReceiver(receiverPrivate, authSecret)
	if err != nil {
		t.Fatal(err)
	}
	body := unbase(t, melon)
	for i := range body {
		if i >= saltLength && i < saltLength+2 {
			continue // a larger record size changes nothing: there is one record
		}
		for _, bit := range []byte{1, 0x80} {
			b := bytes.Clone(body)
			b[i] ^= bit
			if got, err := r.Decrypt(b); !errors.Is(err, ErrDecrypt) && string(got) != wantMelon {
				t.Errorf("octet %d: %q, %v", i, got, err)
			} else if err == nil && (i < saltLength || i > saltLength+3) {
				t.Errorf("octet %d changed, and nobody noticed", i)
			}
		}
		if _, err := r.Decrypt(body[:i]); !errors.Is(err, ErrDecrypt) {
			t.Errorf("%d octets: %v", i, err)
		}
	}
	other, err := NewReceiver(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Decrypt(body); !errors.Is(err, ErrDecrypt) {
		t.Error(err)
	}
	if _, err := r.Decrypt(append(body, make([]byte, MaxBody)...)); !errors.Is(err, ErrDecrypt) {
		t.Error(err)
	}
}

func TestLongest(t *testing.T) {
	r, err := NewReceiver(nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := r.Keys().Encrypt(nil, make([]byte, MaxPlaintext))
	if err != nil || len(body) != MaxBody || MaxPlaintext != 3993 {
		t.Errorf("%d octets of %d, %v", len(body), MaxPlaintext, err)
	}
	if got, err := r.Decrypt(body); err != nil || len(got) != MaxPlaintext {
		t.Errorf("%d octets, %v", len(got), err)
	}
	_, err = r.Keys().Encrypt(nil, make([]byte, MaxPlaintext+1))
	if e, ok := errors.AsType[*SizeError](err); !ok || e.Size != MaxPlaintext+1 {
		t.Error(err)
	}
}

func TestParseKeys(t *testing.T) {
	for _, tt := range []struct{ p256dh, auth, key string }{
		{receiverPublic, authSecret, ""},
		{receiverPublic + "=", authSecret + "==", ""},
		{"", authSecret, "p256dh"},
		{receiverPublic[:80], authSecret, "p256dh"},
		{"A" + receiverPublic[1:], authSecret, "p256dh"},                           // not uncompressed
		{receiverPublic[:60] + "AAAA" + receiverPublic[64:], authSecret, "p256dh"}, // not on the curve
		{strings.ReplaceAll(receiverPublic, "-", "+"), authSecret, "p256dh"},
		{receiverPublic, "", "auth"},
		{receiverPublic, authSecret + "AA", "auth"},
		{receiverPublic, strings.Repeat("A", 1<<20), "auth"},
	} {
		_, err := ParseKeys(tt.p256dh, tt.auth)
		e, ok := errors.AsType[*KeyError](err)
		if (tt.key == "") != (err == nil) || ok && e.Key != tt.key {
			t.Errorf("%.90q %.30q: %v", tt.p256dh, tt.auth, err)
		}
	}
}

func FuzzDecrypt(f *testing.F) {
	for _, s := range []string{walrus, records, melon, ""} {
		f.Add(unbase(f, s))
	}
	r, err := ParseReceiver(receiverPrivate, authSecret)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := r.Decrypt(b); err == nil && len(got) > MaxPlaintext {
			t.Errorf("%d octets", len(got))
		}
		h, rest, err := ParseHeader(b)
		if err != nil {
			return
		}
		if again, err := h.Append(nil); err != nil || !bytes.Equal(append(again, rest...), b) {
			t.Errorf("%x, %v", again, err)
		}
		_, _ = Open(nil, []byte(walrusKey), b)
	})
}

func FuzzParseKeys(f *testing.F) {
	f.Add(receiverPublic, authSecret)
	f.Add(receiverPublic+"==", "")
	f.Fuzz(func(t *testing.T, p256dh, auth string) {
		k, err := ParseKeys(p256dh, auth)
		if err != nil {
			return
		}
		if p, a := k.Strings(); p != strings.TrimRight(p256dh, "=") || a != strings.TrimRight(auth, "=") {
			t.Errorf("%q %q", p, a)
		}
		if _, err := k.Encrypt(nil, nil); err != nil {
			t.Error(err)
		}
	})
}
