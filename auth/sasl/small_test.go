package sasl

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestExternal(t *testing.T) {
	a := New(External(func(_ context.Context, c Conn, user string) (string, error) {
		name := c.TLS.VerifiedChains[0][0].DNSNames[0]
		if user != "" && user != name {
			return "", ErrCredentials
		}
		return name, nil
	}))
	shown := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{DNSNames: []string{"alice"}}}}
	for _, c := range []Conn{{}, {AllowPlaintext: true}, {TLS: &tls.ConnectionState{}}, {TLS: shown}} { // a certificate that nobody has verified
		if got := a.Mechanisms(c); got != nil {
			t.Errorf("offered on %+v", c)
		}
		if _, err := a.Start(t.Context(), c, "EXTERNAL"); !errors.Is(err, ErrMechanism) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	conn := Conn{TLS: &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{shown.PeerCertificates}}}
	for user, want := range map[string]error{"": nil, "alice": nil, "bob": ErrCredentials, "al\x00ice": ErrMalformed, "\xff": ErrMalformed, strings.Repeat("x", 1025): ErrMalformed} {
		c, err := Credentials{External: true, Identity: user}.Client(a.Mechanisms(conn), conn.TLS)
		if err != nil {
			t.Fatal(err)
		}
		id, err := talk(t, a, conn, c)
		if !errors.Is(err, want) || (err == nil) != (want == nil) || err == nil && (id != Identity{Name: "alice", Mechanism: "EXTERNAL"}) {
			t.Errorf("%q: %+v, %v", user, id, err)
		}
	}
	if _, err := (Credentials{Username: "alice"}).Client([]string{"EXTERNAL"}, conn.TLS); !errors.Is(err, ErrMechanism) {
		t.Errorf("not asked for: %v", err)
	}
}

func TestAnonymous(t *testing.T) {
	var told []string
	a := New(Anonymous(func(_ context.Context, _ Conn, trace string) (string, error) {
		told = append(told, trace)
		if trace == "bad" {
			return "", ErrCredentials
		}
		return "guest", nil
	}))
	long := strings.Repeat("\u00e9", 255)
	for trace, want := range map[string]error{"": nil, "sirhc": nil, long: nil, long + "x": ErrMalformed, "a\nb": ErrMalformed, "a\x00": ErrMalformed, "\xff": ErrMalformed, "bad": ErrCredentials} {
		id, err := talk(t, a, Conn{}, AnonymousClient(trace))
		if !errors.Is(err, want) || (err == nil) != (want == nil) || err == nil && (id != Identity{Name: "guest", Mechanism: "ANONYMOUS"}) {
			t.Errorf("%q: %+v, %v", trace, id, err)
		}
	}
	if slices.Sort(told); !slices.Equal(told, []string{"", "bad", "sirhc", long}) {
		t.Errorf("told: %q", told)
	}
}

func TestXOAuth2(t *testing.T) {
	a := New(XOAuth2(func(_ context.Context, user, token string) (string, error) {
		if user != "someuser@example.com" || token != "t0ken" {
			return "", ErrCredentials
		}
		return "someuser", nil
	}))
	c, err := Credentials{Username: "someuser@example.com", Token: "t0ken"}.Client([]string{"PLAIN", "XOAUTH2"}, &tls.ConnectionState{})
	if err != nil {
		t.Fatal(err)
	}
	if _, first, _ := c.Start(); string(first) != "user=someuser@example.com\x01auth=Bearer t0ken\x01\x01" {
		t.Errorf("%q", first)
	}
	if id, err := talk(t, a, plaintext, c); err != nil || id.Name != "someuser" || id.Mechanism != "XOAUTH2" {
		t.Errorf("%+v, %v", id, err)
	}
	for response, want := range map[string]error{
		"user=someuser@example.com\x01auth=Bearer x\x01\x01":               ErrCredentials,
		"user=\x01auth=Bearer t0ken\x01\x01":                               ErrMalformed,
		"user=someuser@example.com\x01auth=Bearer \x01\x01":                ErrMalformed,
		"user=someuser@example.com\x01auth=Basic t0ken\x01\x01":            ErrMalformed,
		"user=someuser@example.com\x01auth=Bearer t0ken\x01":               ErrMalformed,
		"user=someuser@example.com\x01x=y\x01auth=Bearer t0ken\x01\x01":    ErrMalformed,
		"user=someuser@example.com\x01auth=Bearer t0ken\x01auth=x\x01\x01": ErrMalformed,
		"user=someuser@example.com\xff\x01auth=Bearer t0ken\x01\x01":       ErrMalformed,
		"": ErrMalformed,
	} {
		e, err := a.Start(t.Context(), plaintext, "XOAUTH2")
		if err != nil {
			t.Fatal(err)
		}
		challenge, done, err := e.Next([]byte(response))
		if !strings.HasPrefix(string(challenge), `{"status":"40`) || done || err != nil {
			t.Errorf("%q: %q %v %v", response, challenge, done, err)
			continue
		}
		if _, done, err = e.Next([]byte{}); done || !errors.Is(err, want) {
			t.Errorf("%q: %v %v", response, done, err)
		}
	}
}
