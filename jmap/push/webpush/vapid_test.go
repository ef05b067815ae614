package webpush

import (
	"strings"
	"testing"
	"time"
)

// The field of RFC 8292 §2.4, good until 2016-01-23T04:36:08Z.
const exampleVAPID = "vapid t=eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA, k=BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"

const exampleKey = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"

func TestRFC8292(t *testing.T) {
	expires := time.Date(2016, 1, 23, 4, 36, 8, 0, time.UTC)
	for _, tt := range []struct {
		field, origin string
		now           time.Time
		reason        string // "": good
	}{
		{exampleVAPID, "https://push.example.net", expires, ""},
		{strings.ToUpper(exampleVAPID[:5]) + exampleVAPID[5:], "https://push.example.net", expires.Add(-24 * time.Hour), ""},
		{exampleVAPID, "https://push.example.net", expires.Add(time.Second), "expired"},
		{exampleVAPID, "https://push.example.net", expires.Add(-24*time.Hour - time.Second), "good for too long"},
		{exampleVAPID, "https://push.example.org", expires, "for another origin"},
		{strings.Replace(exampleVAPID, "i3CY", "i3CZ", 1), "https://push.example.net", expires, errSignature.Error()},
		{strings.Replace(exampleVAPID, exampleKey, receiverPublic, 1), "https://push.example.net", expires, errSignature.Error()},
		{strings.Replace(exampleVAPID, exampleKey, "", 1), "https://push.example.net", expires, "no key"},
		{strings.Replace(exampleVAPID, "t=", "u=", 1), "https://push.example.net", expires, errJWT.Error()},
		{strings.Replace(exampleVAPID, "vapid", "Bearer", 1), "https://push.example.net", expires, "not vapid"},
		{"", "https://push.example.net", expires, "not vapid"},
	} {
		key, err := Verify(tt.field, tt.origin, tt.now)
		if tt.reason == "" && (err != nil || key != exampleKey) || tt.reason != "" && (err == nil || err.(*TokenError).Reason != tt.reason) {
			t.Errorf("%.40s at %v for %s: %v, %v", tt.field, tt.now, tt.origin, key, err)
		}
	}
}

// TestAlgorithm: a token that says none, or another algorithm, is none.
func TestAlgorithm(t *testing.T) {
	for _, head := range []string{`{"alg":"none"}`, `{"alg":"HS256"}`, `{"alg":"ES256","crit":["x"]}`, `x`} {
		field := strings.Replace(exampleVAPID, encode([]byte(joseHeader)), encode([]byte(head)), 1)
		if _, err := Verify(field, "https://push.example.net", time.Unix(1453523768, 0)); err == nil || err.(*TokenError).Reason != errJWT.Error() {
			t.Errorf("%s: %v", head, err)
		}
	}
}

// TestSigner: what is signed verifies, is used for hours, for its origin alone, and is made anew before it ends.
func TestSigner(t *testing.T) {
	key, err := GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1453523768, 0)
	s := &Signer{Key: key, Subject: "mailto:push@example.com", Now: func() time.Time { return now }}
	public, err := s.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	sign := func(origin string) string {
		field, err := s.Authorization(origin)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Verify(field, origin, now); err != nil || got != public {
			t.Fatalf("%s, %v", got, err)
		}
		return field
	}
	first, other := sign("https://a.example"), sign("https://b.example:8443")
	if first == other {
		t.Error("one token for two origins")
	}
	now = now.Add(tokenLife - tokenMargin - time.Second)
	if sign("https://a.example") != first {
		t.Error("a new token before its time")
	}
	now = now.Add(time.Second)
	if sign("https://a.example") == first {
		t.Error("the token is about to end")
	}
	text, err := FormatKey(key)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseKey(text)
	if err != nil || !again.Equal(key) {
		t.Errorf("%v, %v", again, err)
	}
	for _, bad := range []string{"", text[:40], strings.Repeat("A", 43), strings.Repeat("_", 42) + "8"} {
		if _, err := ParseKey(bad); err == nil {
			t.Errorf("key %q", bad)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(exampleVAPID)
	f.Add(`vapid k="` + exampleKey + `",t=..`)
	f.Fuzz(func(t *testing.T, s string) {
		if key, err := Verify(s, "https://push.example.net", time.Unix(1453523768, 0)); err == nil && key != exampleKey {
			t.Errorf("%q proves %s", s, key)
		}
	})
}
