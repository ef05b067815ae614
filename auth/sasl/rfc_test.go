package sasl

import (
	"context"
	"encoding/base64"
	"errors"
	"testing"
)

var plaintext = Conn{AllowPlaintext: true}

// RFC 4616 §4.
func TestRFC4616(t *testing.T) {
	check := func(_ context.Context, user, pass string) (string, error) {
		if user == "tim" && pass == "tanstaaftanstaaf" || user == "Kurt" && pass == "xipj3plmq" {
			return user, nil
		}
		return "", ErrCredentials
	}
	a := New(Plain(check))
	for _, tt := range []struct {
		response string
		name     string
		err      error
	}{
		{"\x00tim\x00tanstaaftanstaaf", "tim", nil},
		{"Ursel\x00Kurt\x00xipj3plmq", "", ErrCredentials}, // not permitted to act as Ursel
		{"Kurt\x00Kurt\x00xipj3plmq", "Kurt", nil},
		{"\x00tim\x00wrong", "", ErrCredentials},
		{"\x00tim\x00", "", ErrMalformed},
		{"\x00\x00tanstaaftanstaaf", "", ErrMalformed},
		{"tim\x00tanstaaftanstaaf", "", ErrMalformed},
		{"\x00tim\x00a\x00b", "", ErrMalformed},
		{"\x00tim\x00\xff", "", ErrMalformed},
		{"", "", ErrMalformed},
		{"\x00tim\x00" + string(make([]byte, 2000)), "", ErrMalformed},
	} {
		e, err := a.Start(t.Context(), plaintext, "PLAIN")
		if err != nil {
			t.Fatal(err)
		}
		if challenge, done, err := e.Next(nil); done || err != nil || challenge == nil || len(challenge) != 0 {
			t.Fatalf("initial challenge %q %v %v", challenge, done, err)
		}
		_, done, err := e.Next([]byte(tt.response))
		if !errors.Is(err, tt.err) || done != (tt.err == nil) || done && e.Identity().Name != tt.name {
			t.Errorf("%q: done %v, %+v, %v", tt.response, done, e.Identity(), err)
		}
		if _, done, err := e.Next([]byte("\x00tim\x00tanstaaftanstaaf")); done || err == nil {
			t.Errorf("%q: the exchange goes on after its end", tt.response)
		}
	}
}

// RFC 7628 §4.1 and §4.3.
func TestRFC7628(t *testing.T) {
	const token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
	decode := func(s string) []byte {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	a := New(Bearer(func(_ context.Context, user, tok string) (string, error) {
		if user != "user@example.com" || tok != token {
			return "", ErrCredentials
		}
		return "user", nil
	}))
	ok := decode("bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB")
	e, err := a.Start(t.Context(), plaintext, "OAUTHBEARER")
	if err != nil {
		t.Fatal(err)
	}
	if _, done, err := e.Next(ok); !done || err != nil || e.Identity().Name != "user" {
		t.Fatalf("%v %v %+v", done, err, e.Identity())
	}
	for _, bad := range []struct {
		response, challenge string
		err                 error
	}{
		{"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer x\x01\x01", `{"status":"invalid_token"}`, ErrCredentials},
		{"n,,\x01auth=Bearer " + token + "\x01\x01", `{"status":"invalid_token"}`, ErrCredentials},
		{"n,,\x01auth=\x01\x01", `{"status":"invalid_request"}`, ErrMalformed},
		{"n,,\x01auth=Basic x\x01\x01", `{"status":"invalid_request"}`, ErrMalformed},
		{"n,,\x01auth=Bearer x\x01auth=Bearer y\x01\x01", `{"status":"invalid_request"}`, ErrMalformed},
		{"y,,\x01auth=Bearer x\x01\x01", `{"status":"invalid_request"}`, ErrMalformed},
		{"n,a=a=b,\x01auth=Bearer x\x01\x01", `{"status":"invalid_request"}`, ErrMalformed},
		{"n,a=,\x01auth=Bearer x\x01\x01", `{"status":"invalid_request"}`, ErrMalformed},
		{"n,a=user@example.com,\x01auth=Bearer " + token, `{"status":"invalid_request"}`, ErrMalformed},
		{"n,,\x01auth\x01\x01", `{"status":"invalid_request"}`, ErrMalformed},
		{"\x01", `{"status":"invalid_request"}`, ErrMalformed},
		{"", `{"status":"invalid_request"}`, ErrMalformed},
	} {
		e, err := a.Start(t.Context(), plaintext, "OAUTHBEARER")
		if err != nil {
			t.Fatal(err)
		}
		challenge, done, err := e.Next([]byte(bad.response))
		if string(challenge) != bad.challenge || done || err != nil {
			t.Errorf("%q: %q %v %v", bad.response, challenge, done, err)
			continue
		}
		if _, done, err = e.Next([]byte{1}); done || !errors.Is(err, bad.err) {
			t.Errorf("%q: %v %v", bad.response, done, err)
		}
		if _, done, err = e.Next(ok); done || err == nil {
			t.Errorf("%q: the exchange goes on after its end", bad.response)
		}
	}
}
