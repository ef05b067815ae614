package jmapserver_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/push"
)

type noService struct{}

func (noService) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 201, Body: http.NoBody}, nil
}

// TestPushSubscription goes through RFC 8620 §7.2.1 and §7.2.2 over HTTP, with two tokens of one user.
func TestPushSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := push.OpenWebPush(t.Context(), push.WebPushConfig{Store: new(push.Memory), Transport: noService{},
			Watchers: func(context.Context, string) (map[jmap.ID]jmap.Watcher, error) { return nil, nil }})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		auth := &jmapserver.Auth{AllowPlaintext: true, Token: func(_ context.Context, token string) (string, error) {
			if token != "one" && token != "two" {
				return "", sasl.ErrCredentials
			}
			return "alice", nil
		}}
		mux := new(jmapserver.Mux)
		jmapserver.RegisterPush(mux, p)
		s := &jmapserver.Server{Mux: mux, Authenticate: auth.User, Credential: auth.Credential, VAPIDKey: "BKey",
			Accounts: func(context.Context, string) ([]jmapserver.Account, error) { return nil, nil }}
		do := func(token, method, calls string) string {
			r := httptest.NewRequest(method, "/jmap/api", strings.NewReader(`{"using":["urn:ietf:params:jmap:core"],"methodCalls":`+calls+`}`))
			if method == "GET" {
				r = httptest.NewRequest(method, jmap.WellKnown, nil)
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			return w.Body.String()
		}
		expect := func(token, calls string, want ...string) string {
			t.Helper()
			got := do(token, "POST", calls)
			for _, w := range want {
				if !regexp.MustCompile(w).MatchString(got) {
					t.Errorf("%s: %s, want %s", calls, got, w)
				}
			}
			return got
		}
		const get = `[["PushSubscription/get",{"ids":null},"0"]]`
		expect("one", get, `\["PushSubscription/get",\{"list":\[\],"notFound":\[\]\},"0"\]`)
		made := expect("one", `[["PushSubscription/set",{"create":{"4f29":{"deviceClientId":"a889-ffea-910","url":"https://example.com/push/?device=X8980fc","types":null}}},"0"],
			["PushSubscription/set",{"update":{"#4f29":{"types":["Email"]}}},"1"]]`,
			`"created":\{"4f29":\{"id":"\w+","expires":"[^"]+Z"\}\}`, `"updated":\{"\w+":null\}`)
		if strings.Contains(made, "oldState") || strings.Contains(made, "newState") || strings.Contains(made, "accountId") {
			t.Errorf("an account or a state: %s", made)
		}
		id := regexp.MustCompile(`"id":"(\w+)"`).FindStringSubmatch(made)[1]
		list := expect("one", get, `"list":\[\{"id":"`+id+`","deviceClientId":"a889-ffea-910","verificationCode":null,"expires":"[^"]+","types":\["Email"\]\}\]`)
		if strings.Contains(list, "example.com") {
			t.Errorf("the URL is told: %s", list)
		}
		expect("two", get, `"list":\[\]`)
		expect("two", `[["PushSubscription/set",{"destroy":["`+id+`"]},"0"]]`, `"notDestroyed":\{"`+id+`":\{"type":"notFound"`)
		for _, property := range []string{"url", "keys"} {
			expect("one", `[["PushSubscription/get",{"ids":null,"properties":["id","`+property+`"]},"0"]]`, `"error",\{"type":"forbidden"`)
		}
		expect("one", `[["PushSubscription/get",{"ids":null,"properties":["expires"]},"0"]]`, `"list":\[\{"id":"`+id+`","expires":"[^"]+"\}\]`)
		expect("one", `[["PushSubscription/get",{"ids":null,"properties":["secret"]},"0"]]`, `invalidArguments`)
		expect("one", `[["PushSubscription/set",{"destroy":["`+id+`","#none"]},"0"]]`, `"destroyed":\["`+id+`"\]`, `"notDestroyed":\{"#none"`)
		if session := do("one", "GET", ""); !strings.Contains(session, `"urn:ietf:params:jmap:webpush-vapid":{"applicationServerKey":"BKey"}`) {
			t.Error(session)
		}
	})
}

func TestCredential(t *testing.T) {
	key := []byte("a secret key of thirty-two octets")
	auth := &jmapserver.Auth{CredentialKey: key}
	seen := make(map[string]bool)
	for _, field := range []string{"Bearer one", "Bearer two", "Basic YTpi", "Basic YTpj", "Basic YTpi"} { // a:b and a:c
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", field)
		seen[auth.Credential(r)] = true
	}
	if len(seen) != 4 || !seen[jmapserver.PasswordCredential(key, "b")] || !seen[jmapserver.PasswordCredential(key, "c")] || !seen[jmapserver.TokenCredential("two")] {
		t.Errorf("%v", seen)
	}
	if jmapserver.PasswordCredential(key, "b") == jmapserver.PasswordCredential([]byte("another"), "b") || jmapserver.PasswordCredential(nil, "b") != jmapserver.PasswordCredential(nil, "c") {
		t.Error("the key makes no difference")
	}
}
