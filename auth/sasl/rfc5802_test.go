package sasl

import (
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"testing"
)

// TestRFC5802 has the example of RFC 5802 §5, and TestRFC7677 that of RFC 7677 §3: both sides, message for message.
func TestRFC5802(t *testing.T) {
	vector{
		hash: crypto.SHA1, mechanism: "SCRAM-SHA-1", client: "fyko+d2lbbFgONRv9qkxdawL", server: "3rfcNHYJY1ZVvWVs7j", salt: "QSXCR+Q6sek8bf92",
		messages: [4]string{
			"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
			"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
			"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
			"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
		},
	}.run(t)
}

func TestRFC7677(t *testing.T) {
	vector{
		hash: crypto.SHA256, mechanism: "SCRAM-SHA-256", client: "rOprNGfwEbeRWgbNEkqO", server: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
		messages: [4]string{
			"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
			"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
			"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
		},
	}.run(t)
}

type vector struct {
	hash                            crypto.Hash
	mechanism, client, server, salt string
	messages                        [4]string
}

// scram returns a SCRAM that knows user with the password pencil.
func (v vector) scram(t *testing.T) SCRAM {
	t.Helper()
	salt, err := base64.StdEncoding.DecodeString(v.salt)
	if err != nil {
		t.Fatal(err)
	}
	k, err := DeriveKeys(v.hash, "pencil", salt, 4096)
	if err != nil {
		t.Fatal(err)
	}
	k.Name = "user"
	find := func(_ context.Context, user string, h crypto.Hash) (Keys, error) {
		if user != "user" || h != v.hash {
			return Keys{}, ErrCredentials
		}
		return k, nil
	}
	return SCRAM{Keys: find, SHA1: true, WithoutTLS: true, nonce: func() string { return v.server }}
}

func (v vector) run(t *testing.T) {
	t.Helper()
	e, err := New(v.scram(t).Mechanisms()...).Start(t.Context(), Conn{}, v.mechanism)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 4; i += 2 {
		got, done, err := e.Next([]byte(v.messages[i]))
		if string(got) != v.messages[i+1] || done || err != nil {
			t.Fatalf("server: %q, %v, %v; want %q", got, done, err, v.messages[i+1])
		}
	}
	if got, done, err := e.Next([]byte{}); len(got) != 0 || !done || err != nil {
		t.Fatalf("server: %q, %v, %v", got, done, err)
	}
	if want := (Identity{Name: "user", Mechanism: v.mechanism}); e.Identity() != want {
		t.Errorf("%+v", e.Identity())
	}
	if _, done, err := e.Next([]byte{}); done || err == nil {
		t.Error("the exchange goes on after its end")
	}

	c, err := ScramClient(v.mechanism, Credentials{Username: "user", Password: "pencil"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.(*scramClient).nonce = func() string { return v.client }
	name, first, err := c.Start()
	if name != v.mechanism || string(first) != v.messages[0] || err != nil {
		t.Fatalf("client: %s %q %v", name, first, err)
	}
	final, err := c.Next([]byte(v.messages[1]))
	if string(final) != v.messages[2] || err != nil {
		t.Fatalf("client: %q %v, want %q", final, err, v.messages[2])
	}
	if err := Proven(c); !errors.Is(err, ErrServer) {
		t.Errorf("believes before the server has proven itself: %v", err)
	}
	if last, err := c.Next([]byte(v.messages[3])); len(last) != 0 || last == nil || err != nil {
		t.Fatalf("client: %q %v", last, err)
	}
	if err := Proven(c); err != nil {
		t.Error(err)
	}
	if _, err := c.Next(nil); err == nil {
		t.Error("the client goes on after the end")
	}
}
