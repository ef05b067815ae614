package sasl

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"
)

// A TokenChecker says whose bearer token it is (RFC 6750). username is the user the client asked for, "" if it did not
// say; name is the user whose mail it is. The error is ErrCredentials for a token that is wrong, expired or not that
// user's; any other error is a temporary failure.
type TokenChecker func(ctx context.Context, username, token string) (name string, err error)

// Bearer is the OAUTHBEARER mechanism (RFC 7628).
func Bearer(check TokenChecker) Mechanism {
	return Mechanism{Name: "OAUTHBEARER", Plaintext: true, Start: func(ctx context.Context, _ Conn) (Exchange, error) {
		return &bearerExchange{ctx: ctx, check: check}, nil
	}}
}

// XOAuth2 is the XOAUTH2 mechanism, which came before OAUTHBEARER and which large providers and old clients know instead.
func XOAuth2(check TokenChecker) Mechanism {
	return Mechanism{Name: "XOAUTH2", Plaintext: true, Start: func(ctx context.Context, _ Conn) (Exchange, error) {
		return &bearerExchange{ctx: ctx, check: check, x: true}, nil
	}}
}

type bearerExchange struct {
	ctx   context.Context
	check TokenChecker
	x     bool  // XOAUTH2
	fail  error // told after the client has answered the error message
	over  bool
	id    Identity
}

func (e *bearerExchange) Identity() Identity { return e.id }

// Next implements go-sasl's Server. A failure is first told as JSON, which the client answers with one octet 0x01 (RFC
// 7628 §3.2.3).
func (e *bearerExchange) Next(response []byte) ([]byte, bool, error) {
	switch {
	case e.over:
		return nil, false, ErrMalformed
	case e.fail != nil:
		e.over = true
		return nil, false, e.fail
	case response == nil:
		return []byte{}, false, nil
	}
	mechanism, parse, malformed, wrong := "OAUTHBEARER", parseBearer, `{"status":"invalid_request"}`, `{"status":"invalid_token"}`
	if e.x {
		mechanism, parse, malformed, wrong = "XOAUTH2", parseXOAuth2, `{"status":"400","schemes":"Bearer"}`, `{"status":"401","schemes":"Bearer"}`
	}
	user, token, ok := parse(string(response))
	if !ok {
		e.fail = ErrMalformed
		return []byte(malformed), false, nil
	}
	e.id = Identity{Name: user, Mechanism: mechanism}
	name, err := e.check(e.ctx, user, token)
	if errors.Is(err, ErrCredentials) {
		e.fail = err
		return []byte(wrong), false, nil
	}
	e.over = true
	if err != nil {
		return nil, false, err
	}
	e.id.Name = name
	return nil, true, nil
}

// parseBearer parses the client's response: a GS2 header and pairs separated by 0x01 (RFC 7628 §3.1).
func parseBearer(s string) (user, token string, ok bool) {
	if !utf8.ValidString(s) || len(s) > 8*maxField {
		return "", "", false
	}
	header, rest, ok := strings.Cut(s, "\x01")
	body, ended := strings.CutSuffix(rest, "\x01\x01")
	if !ok || !ended {
		return "", "", false
	}
	// gs2-header = "n,[a=authzid],": no channel binding, no nonstd flag.
	authz, n := strings.CutPrefix(header, "n,")
	authz, comma := strings.CutSuffix(authz, ",")
	if !n || !comma {
		return "", "", false
	}
	if authz != "" {
		name, a := strings.CutPrefix(authz, "a=")
		if user, ok = gs2Name(name); !a || !ok {
			return "", "", false
		}
	}
	for pair := range strings.SplitSeq(body, "\x01") {
		key, value, found := strings.Cut(pair, "=")
		if !found {
			return "", "", false
		}
		if key != "auth" {
			continue
		}
		scheme, t, _ := strings.Cut(value, " ")
		if token != "" || !strings.EqualFold(scheme, "Bearer") {
			return "", "", false
		}
		token = strings.TrimSpace(t)
	}
	return user, token, token != ""
}

// parseXOAuth2 parses user=NAME 0x01 auth=Bearer TOKEN 0x01 0x01.
func parseXOAuth2(s string) (user, token string, ok bool) {
	if !utf8.ValidString(s) || len(s) > 8*maxField {
		return "", "", false
	}
	user, rest, ok1 := strings.Cut(s, "\x01")
	user, ok2 := strings.CutPrefix(user, "user=")
	auth, ok3 := strings.CutSuffix(rest, "\x01\x01")
	auth, ok4 := strings.CutPrefix(auth, "auth=")
	scheme, token, _ := strings.Cut(auth, " ")
	token = strings.TrimSpace(token)
	ok = ok1 && ok2 && ok3 && ok4 && user != "" && token != "" && strings.EqualFold(scheme, "Bearer") && !strings.Contains(auth, "\x01")
	return user, token, ok
}

// gs2Name decodes a saslname: "=2C" is a comma, "=3D" an equals sign (RFC 5801 §4).
func gs2Name(s string) (string, bool) {
	out := strings.NewReplacer("=2C", ",", "=3D", "=").Replace(s)
	stray := strings.Count(s, "=") != strings.Count(s, "=2C")+strings.Count(s, "=3D")
	return out, out != "" && !stray && !strings.Contains(s, ",")
}
