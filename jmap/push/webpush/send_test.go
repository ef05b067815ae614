package webpush

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSend(t *testing.T) {
	key, err := GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	answer, header := 201, http.Header{}
	var got *http.Request
	s := &Sender{Signer: &Signer{Key: key, Now: clock}, Now: clock, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		got = r
		return &http.Response{StatusCode: answer, Header: header, Body: io.NopCloser(strings.NewReader(strings.Repeat("x", 1<<20)))}, nil
	})}
	m := &Message{Body: []byte("secret"), Encrypted: true, ContentType: "application/json", TTL: time.Minute, Urgency: High, Topic: "upd"}
	if err := s.Send(t.Context(), "https://Push.Example:443/x?y=z", m); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"TTL": "60", "Urgency": "high", "Topic": "upd", "Content-Encoding": "aes128gcm", "Content-Type": "application/json"} {
		if v := got.Header.Get(name); v != want {
			t.Errorf("%s: %q", name, v)
		}
	}
	if _, err := Verify(got.Header.Get("Authorization"), "https://push.example", now); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct {
		status          int
		after           string
		want            time.Duration
		gone, big, next bool
	}{
		{301, "", 0, false, false, false}, // not followed
		{403, "", 0, false, false, false},
		{404, "", 0, true, false, false},
		{410, "", 0, true, false, false},
		{413, "", 0, false, true, false},
		{429, "120", 2 * time.Minute, false, false, true},
		{429, "Sun, 01 Nov 2026 00:00:30 GMT", 30 * time.Second, false, false, true},
		{429, "Sat, 31 Oct 2026 00:00:30 GMT", 0, false, false, true},
		{503, "4000000", 24 * time.Hour, false, false, true},
		{503, "soon", 0, false, false, true},
		{500, "-1", 0, false, false, true},
	} {
		answer, header = tt.status, http.Header{"Location": {"https://127.0.0.1/"}, "Retry-After": {tt.after}}
		e, ok := errors.AsType[*Refusal](s.Send(t.Context(), "https://push.example/x", m))
		if !ok || e.Status != tt.status || e.RetryAfter != tt.want || e.Gone() != tt.gone || e.TooLarge() != tt.big || e.Retry() != tt.next {
			t.Errorf("%+v: %+v", tt, e)
		}
	}
}

func TestAddress(t *testing.T) {
	s := &Sender{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		t.Errorf("%s was asked for", r.URL)
		return nil, errors.New("no")
	})}
	for _, bad := range []string{"", "http://push.example/", "HTTP://push.example/", "https:push.example", "https:///x", "https://:443/", "https://u:p@push.example/",
		"https://push.example/#f", "file:///etc/passwd", "https://push.example/\r\nX: y", "https://push.example/" + strings.Repeat("x", MaxURL)} {
		if _, ok := errors.AsType[*AddressError](s.Send(t.Context(), bad, &Message{})); !ok {
			t.Errorf("%.80q is taken", bad)
		}
	}
	for _, topic := range []string{"a b", "a\r\nb", strings.Repeat("x", 33), "ä"} {
		if s.Send(t.Context(), "https://push.example/", &Message{Topic: topic}) == nil {
			t.Errorf("topic %q is taken", topic)
		}
	}
}
