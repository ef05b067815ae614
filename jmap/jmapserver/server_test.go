package jmapserver_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
)

const todoCapability = "https://example.com/todo"

type todo struct {
	jmap.Selection `json:"-"`

	ID    jmap.ID `json:"id"`
	Title string  `json:"title"`
	Next  *string `json:"next"`
}

type todos struct{ fail error }

func (s todos) Get(_ context.Context, r *jmap.GetRequest[jmap.NoArgs]) (*jmap.GetResponse[todo], error) {
	if s.fail != nil {
		return nil, s.fail
	}
	out := &jmap.GetResponse[todo]{State: "s1"}
	ids := r.IDs
	if ids == nil {
		ids = []jmap.ID{"t1", "t2"}
	}
	for _, id := range ids {
		if id != "t1" && id != "t2" {
			out.NotFound = append(out.NotFound, id)
			continue
		}
		out.List = append(out.List, todo{ID: id, Title: "do " + string(id)})
	}
	return out, nil
}

type blob struct{ *bytes.Reader }

func (blob) Close() error { return nil }

func newServer(t testing.TB) *jmapserver.Server {
	m := new(jmapserver.Mux)
	jmapserver.RegisterGet(m, todoCapability, "Todo", func(_ context.Context, _ *jmapserver.Call, a jmap.ID) (jmap.Getter[jmap.NoArgs, todo], error) {
		switch a {
		case "A":
			return todos{}, nil
		case "broken":
			return todos{fail: errors.New("secret: disk on fire")}, nil
		case "panics":
			panic("secret")
		}
		return nil, jmap.Errorf(jmap.AccountNotFound, "")
	})
	jmapserver.RegisterChanges(m, todoCapability, "Todo", func(context.Context, *jmapserver.Call, jmap.ID) (jmap.Changer, error) { return nil, nil })
	limits := jmap.DefaultLimits()
	limits.MaxSizeRequest = 100_000
	limits.MaxSizeUpload = 1000
	limits.MaxObjectsInGet = 10
	return &jmapserver.Server{
		Mux:    m,
		Limits: &limits,
		Authenticate: func(r *http.Request) (string, error) {
			return "alice", nil
		},
		Accounts: func(_ context.Context, user string) ([]jmapserver.Account, error) {
			return []jmapserver.Account{{"A", jmap.SessionAccount{Name: user, IsPersonal: true,
				AccountCapabilities: map[string]jmap.Raw{todoCapability: jmap.Raw("{}")}}}}, nil
		},
		OpenBlob: func(_ context.Context, _ string, account, id jmap.ID) (jmap.Blob, error) {
			if account != "A" || id != "B1" {
				return nil, &jmap.SetError{Type: jmap.SetBlobNotFound}
			}
			return blob{bytes.NewReader([]byte("<script>alert(1)</script>"))}, nil
		},
		Upload: func(_ context.Context, _ string, account jmap.ID, r io.Reader) (jmap.ID, int64, error) {
			if account != "A" {
				return "", 0, jmap.Errorf(jmap.AccountNotFound, "")
			}
			n, err := io.Copy(io.Discard, r)
			return "B2", n, err
		},
	}
}

func do(h http.Handler, method, path, body string, header ...string) *http.Response {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func text(r *http.Response) string {
	b, _ := io.ReadAll(r.Body)
	return string(b)
}

// calls posts method calls and returns the responses without their frame.
func calls(t *testing.T, h http.Handler, list string) string {
	t.Helper()
	r := do(h, "POST", "/jmap/api", `{"using":["urn:ietf:params:jmap:core","`+todoCapability+`"],"methodCalls":`+list+`}`)
	got := text(r)
	if r.StatusCode != 200 {
		t.Fatalf("status %d: %s", r.StatusCode, got)
	}
	got = strings.TrimPrefix(got, `{"methodResponses":`)
	got, _, _ = strings.Cut(got, `,"sessionState":`)
	return got
}

func TestCalls(t *testing.T) {
	h := newServer(t)
	for _, c := range []struct{ name, calls, want string }{
		{"RFC 8620 §4", `[["Core/echo",{"hello":true,"high":5},"b3ff"]]`, `[["Core/echo",{"hello":true,"high":5},"b3ff"]]`},
		{"all", `[["Todo/get",{"accountId":"A","ids":null},"0"]]`,
			`[["Todo/get",{"accountId":"A","state":"s1","list":[{"id":"t1","title":"do t1","next":null},{"id":"t2","title":"do t2","next":null}],"notFound":[]},"0"]]`},
		{"none", `[["Todo/get",{"accountId":"A","ids":[]},"0"]]`, `[["Todo/get",{"accountId":"A","state":"s1","list":[],"notFound":[]},"0"]]`},
		{"repeated and missing", `[["Todo/get",{"accountId":"A","ids":["t2","x","t2","x"],"properties":["title"]},"0"]]`,
			`[["Todo/get",{"accountId":"A","state":"s1","list":[{"id":"t2","title":"do t2"}],"notFound":["x"]},"0"]]`},
		{"reference", `[["Core/echo",{"x":[{"y":"t1"}]},"0"],["Todo/get",{"accountId":"A","#ids":{"resultOf":"0","name":"Core/echo","path":"/x/*/y"},"properties":[]},"1"]]`,
			`[["Core/echo",{"x":[{"y":"t1"}]},"0"],["Todo/get",{"accountId":"A","state":"s1","list":[{"id":"t1"}],"notFound":[]},"1"]]`},
		{"unknown property", `[["Todo/get",{"accountId":"A","properties":["nope"]},"0"]]`,
			`[["error",{"type":"invalidArguments","description":"unknown property \"nope\""},"0"]]`},
		{"an error stops its call only", `[["Nope/get",{},"0"],["Core/echo",{},"1"]]`,
			`[["error",{"type":"unknownMethod","description":"no method \"Nope/get\""},"0"],["Core/echo",{},"1"]]`},
		{"wrong type", `[["Todo/get",{"accountId":"A","ids":"t1"},"0"]]`, `[["error",{"type":"invalidArguments","description":"argument \"/ids\" is not of its type"},"0"]]`},
		{"foreign account", `[["Todo/get",{"accountId":"B","ids":[]},"0"]]`, `[["error",{"type":"accountNotFound"},"0"]]`},
		{"store fails", `[["Todo/get",{"accountId":"broken"},"0"]]`, `[["error",{"type":"serverFail","description":"internal error"},"0"]]`},
		{"method panics", `[["Todo/get",{"accountId":"panics"},"0"],["Core/echo",{},"1"]]`, `[["error",{"type":"serverFail","description":"internal error"},"0"],["Core/echo",{},"1"]]`},
		{"too many ids", `[["Todo/get",{"accountId":"A","ids":["1","2","3","4","5","6","7","8","9","10","11"]},"0"]]`, `[["error",{"type":"requestTooLarge","description":"more than 10 ids"},"0"]]`},
		{"huge id", `[["Todo/get",{"accountId":"A","ids":["` + strings.Repeat("x", 300) + `"]},"0"]]`,
			`[["error",{"type":"invalidArguments","description":"ids: \"` + strings.Repeat("x", 80) + `\" is not an id"},"0"]]`},
		{"maxChanges 0", `[["Todo/changes",{"accountId":"A","sinceState":"1","maxChanges":0},"0"]]`, `[["error",{"type":"invalidArguments","description":"maxChanges must be above 0"},"0"]]`},
		{"no history", `[["Todo/changes",{"accountId":"A","sinceState":"1"},"0"]]`, `[["error",{"type":"cannotCalculateChanges","description":"this server keeps no history"},"0"]]`},
		{"reference to itself", `[["Core/echo",{"#a":{"resultOf":"0","name":"Core/echo","path":""}},"0"]]`, `[["error",{"type":"invalidResultReference","description":"no earlier call \"0\""},"0"]]`},
		{"reference to an error", `[["Nope",{},"0"],["Core/echo",{"#a":{"resultOf":"0","name":"Nope","path":""}},"1"]]`,
			`[["error",{"type":"unknownMethod","description":"no method \"Nope\""},"0"],["error",{"type":"invalidResultReference","description":"the response to call \"0\" is \"error\", not \"Nope\""},"1"]]`},
	} {
		if got := calls(t, h, c.calls); got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
	got := text(do(h, "POST", "/jmap/api", `{"using":["urn:ietf:params:jmap:core"],"methodCalls":[["Todo/get",{},"0"]],"createdIds":{"k":"x"}}`))
	if !strings.Contains(got, `unknownMethod`) || !strings.Contains(got, todoCapability) || !strings.Contains(got, `"createdIds":{"k":"x"}`) {
		t.Errorf("capability not in using: %s", got)
	}
}

func TestRequestErrors(t *testing.T) {
	h := newServer(t)
	many := `{"using":[],"methodCalls":[` + strings.Repeat(`["Core/echo",{},"0"],`, 9999) + `["Core/echo",{},"0"]]}`
	h.Limits.MaxSizeRequest = int64(len(many))
	for _, c := range []struct {
		name, body, header string
		status             int
		want               string
	}{
		{"bad JSON", `{`, "application/json", 400, `"type":"urn:ietf:params:jmap:error:notJSON"`},
		{"deep JSON", strings.Repeat(`[`, 50_000), "application/json", 400, `error:notJSON`},
		{"not a request", `{}`, "application/json; charset=utf-8", 400, `error:notRequest`},
		{"other type", `{"using":[],"methodCalls":[]}`, "text/plain", 400, `error:notJSON`},
		{"no type", `{"using":[],"methodCalls":[]}`, "", 400, `error:notJSON`},
		{"unknown capability", `{"using":["https://example.com/apis/foobar"],"methodCalls":[]}`, "application/json", 400, `error:unknownCapability`},
		{"10,000 calls", many, "application/json", 400, `"limit":"maxCallsInRequest"`},
		{"large", many + " ", "application/json", 400, `"limit":"maxSizeRequest"`},
	} {
		r := do(h, "POST", "/jmap/api", c.body, "Content-Type", c.header)
		if got := text(r); r.StatusCode != c.status || !strings.Contains(got, c.want) || r.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", c.name, r.StatusCode, got)
		}
	}
	if r := do(h, "GET", "/jmap/api", ""); r.StatusCode != 405 || r.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %d", r.StatusCode)
	}
	if r := do(h, "GET", "/jmap/nope", ""); r.StatusCode != 404 {
		t.Errorf("unknown path: %d", r.StatusCode)
	}
	if r := do(h, "GET", "/jmap/eventsource?types=*", ""); r.StatusCode != 501 {
		t.Errorf("no push: %d", r.StatusCode)
	}
}

func TestConcurrentRequests(t *testing.T) {
	h := newServer(t)
	h.Limits.MaxConcurrentRequests = 1
	inside, release := make(chan bool), make(chan bool)
	jmapserver.Register(h.Mux, jmap.CapabilityCore, "Wait", func(context.Context, *jmapserver.Call, *jmap.NoArgs) (*jmap.NoArgs, error) {
		inside <- true
		<-release
		return &jmap.NoArgs{}, nil
	})
	const body = `{"using":["urn:ietf:params:jmap:core"],"methodCalls":[["Wait",{},"0"]]}`
	done := make(chan int)
	go func() { done <- do(h, "POST", "/jmap/api", body).StatusCode }()
	<-inside
	r := do(h, "POST", "/jmap/api", body)
	if got := text(r); r.StatusCode != 429 || !strings.Contains(got, `"limit":"maxConcurrentRequests"`) {
		t.Errorf("second: %d %s", r.StatusCode, got)
	}
	close(release)
	if s := <-done; s != 200 {
		t.Errorf("first: %d", s)
	}
}

func TestSession(t *testing.T) {
	h := newServer(t)
	r := do(h, "GET", "http://mail.example.com/.well-known/jmap", "")
	var s jmap.Session
	if err := jmap.Unmarshal([]byte(text(r)), &s); err != nil {
		t.Fatal(err)
	}
	if s.APIURL != "http://mail.example.com/jmap/api" || s.Username != "alice" || s.PrimaryAccounts[todoCapability] != "A" || s.State == "" ||
		string(s.Capabilities[todoCapability]) != "{}" || !strings.Contains(string(s.Capabilities[jmap.CapabilityCore]), `"maxObjectsInGet":10`) {
		t.Errorf("%+v", s)
	}
	for _, v := range []string{"{types}", "{closeafter}", "{ping}"} {
		if !strings.Contains(s.EventSourceURL, v) {
			t.Errorf("eventSourceUrl %s", s.EventSourceURL)
		}
	}
	if !strings.Contains(r.Header.Get("Cache-Control"), "no-store") {
		t.Errorf("Cache-Control %q", r.Header.Get("Cache-Control"))
	}
	h.BaseURL = "https://proxy.example.com"
	if got := text(do(h, "GET", "/.well-known/jmap", "")); !strings.Contains(got, `"apiUrl":"https://proxy.example.com/jmap/api"`) {
		t.Errorf("base: %s", got)
	}
}

func TestDownload(t *testing.T) {
	h := newServer(t)
	r := do(h, "GET", "/jmap/download/A/B1/a%2Fb%20%C3%BC%22.html?type=text%2Fhtml", "")
	want := map[string]string{
		"Content-Type":            "text/html",
		"Content-Disposition":     "attachment; filename*=utf-8''a_b%20%C3%BC%22.html",
		"X-Content-Type-Options":  "nosniff",
		"Content-Security-Policy": "sandbox; default-src 'none'",
		"Etag":                    `"B1"`,
		"Cache-Control":           "private, immutable, max-age=31536000",
		"Content-Length":          "25",
	}
	for k, v := range want {
		if r.Header.Get(k) != v {
			t.Errorf("%s: %q, want %q", k, r.Header.Get(k), v)
		}
	}
	if got := text(r); r.StatusCode != 200 || got != "<script>alert(1)</script>" {
		t.Errorf("%d %s", r.StatusCode, got)
	}
	r = do(h, "GET", "/jmap/download/A/B1/x?type=nonsense", "", "Range", "bytes=1-6")
	if got := text(r); r.StatusCode != 206 || got != "script" || r.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("range: %d %s %s", r.StatusCode, got, r.Header)
	}
	if r := do(h, "GET", "/jmap/download/A/B1/x", "", "If-None-Match", `"B1"`); r.StatusCode != 304 {
		t.Errorf("If-None-Match: %d", r.StatusCode)
	}
	for _, p := range []string{"/jmap/download/B/B1/x", "/jmap/download/A/B9/x", "/jmap/download/A/B1", "/jmap/download/A/B1/x/y", "/jmap/download/A/..%2FB1/x", "/jmap/download///"} {
		if r := do(h, "GET", p, ""); r.StatusCode != 404 {
			t.Errorf("%s: %d", p, r.StatusCode)
		}
	}
	if r := do(h, "GET", "/jmap/download/A/B1/x%0d%0aSet-Cookie:%20a?type=text/plain%0d%0aX:1", ""); r.StatusCode != 200 ||
		strings.ContainsAny(fmt.Sprint(r.Header["Content-Disposition"], r.Header["Content-Type"]), "\r\n") || r.Header.Get("Set-Cookie") != "" {
		t.Errorf("injection: %d %v", r.StatusCode, r.Header)
	}
}

func TestUpload(t *testing.T) {
	h := newServer(t)
	r := do(h, "POST", "/jmap/upload/A", "hello", "Content-Type", "image/png")
	if got, want := text(r), `{"accountId":"A","blobId":"B2","type":"image/png","size":5}`; r.StatusCode != 201 || got != want {
		t.Errorf("%d %s", r.StatusCode, got)
	}
	if r := do(h, "POST", "/jmap/upload/B", "hello"); r.StatusCode != 404 {
		t.Errorf("foreign account: %d", r.StatusCode)
	}
	r = do(h, "POST", "/jmap/upload/A", strings.Repeat("x", 1001))
	if got := text(r); r.StatusCode != 413 || !strings.Contains(got, `"limit":"maxSizeUpload"`) {
		t.Errorf("large: %d %s", r.StatusCode, got)
	}
	q := httptest.NewRequest("POST", "/jmap/upload/A", io.MultiReader(strings.NewReader(strings.Repeat("x", 1001)))) // no length
	w := httptest.NewRecorder()
	h.ServeHTTP(w, q)
	if w.Code != 413 {
		t.Errorf("large, chunked: %d", w.Code)
	}
}

func TestCORS(t *testing.T) {
	h := newServer(t)
	preflight := []string{"Origin", "https://app.example.com", "Access-Control-Request-Method", "POST", "Sec-Fetch-Site", "cross-site"}
	const body = `{"using":[],"methodCalls":[]}`
	if r := do(h, "OPTIONS", "/jmap/api", "", preflight...); r.StatusCode == 204 || r.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("no origins allowed: %d %v", r.StatusCode, r.Header)
	}
	if r := do(h, "POST", "/jmap/api", body, "Origin", "https://app.example.com", "Sec-Fetch-Site", "cross-site"); r.StatusCode != 403 {
		t.Errorf("cross-site POST: %d", r.StatusCode)
	}
	if r := do(h, "POST", "/jmap/api", body, "Sec-Fetch-Site", "same-origin"); r.StatusCode != 200 {
		t.Errorf("same-origin POST: %d", r.StatusCode)
	}
	h.Origins = []string{"https://app.example.com"}
	r := do(h, "OPTIONS", "/jmap/api", "", preflight...)
	if r.StatusCode != 204 || r.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" || r.Header.Get("Vary") != "Origin" ||
		r.Header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("preflight: %d %v", r.StatusCode, r.Header)
	}
	if r := do(h, "POST", "/jmap/api", body, "Origin", "https://evil.example.com", "Sec-Fetch-Site", "cross-site"); r.StatusCode != 403 {
		t.Errorf("other origin: %d", r.StatusCode)
	}
}

// passwords is an Authenticator that knows one user.
type passwords struct{}

func (passwords) Mechanisms(sasl.Conn) []string { return []string{"PLAIN"} }
func (passwords) Start(_ context.Context, c sasl.Conn, mechanism string) (sasl.Exchange, error) {
	if c.Service != "jmap" || mechanism != "PLAIN" {
		return nil, sasl.ErrMechanism
	}
	return &plain{}, nil
}

type plain struct{}

func (*plain) Next(b []byte) ([]byte, bool, error) {
	switch string(b) {
	case "\x00alice\x00geheim":
		return nil, true, nil
	case "\x00locked\x00":
		return nil, false, sasl.ErrLocked
	case "\x00broken\x00":
		return nil, false, errors.New("database is away")
	}
	return nil, false, sasl.ErrCredentials
}
func (*plain) Identity() sasl.Identity { return sasl.Identity{Name: "alice"} }

func TestAuth(t *testing.T) {
	a := jmapserver.Auth{SASL: passwords{}, Token: func(_ context.Context, token string) (string, error) {
		if token != "t0ken" {
			return "", sasl.ErrCredentials
		}
		return "bob", nil
	}}
	basic := func(name, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(name, password) }
	}
	bearer := func(v string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", v) }
	}
	for _, c := range []struct {
		name   string
		set    func(*http.Request)
		plain  bool
		user   string
		status int
	}{
		{"basic", basic("alice", "geheim"), false, "alice", 0},
		{"basic without TLS", basic("alice", "geheim"), true, "", 403},
		{"wrong password", basic("alice", "x"), false, "", 401},
		{"NUL", basic("alice\x00", "geheim"), false, "", 401},
		{"locked", basic("locked", ""), false, "", 429},
		{"broken", basic("broken", ""), false, "", 503},
		{"bearer", bearer("bearer t0ken"), false, "bob", 0},
		{"bearer without TLS", bearer("Bearer t0ken"), true, "", 403},
		{"wrong token", bearer("Bearer token"), false, "", 401},
		{"nothing", func(*http.Request) {}, false, "", 401},
		{"unknown scheme", bearer("Digest x"), false, "", 401},
		{"not base64", bearer("Basic !"), false, "", 401},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if !c.plain {
			r.TLS = &tls.ConnectionState{}
		}
		c.set(r)
		user, err := a.User(r)
		e, _ := errors.AsType[*jmapserver.AuthError](err)
		if user != c.user || (err != nil) != (c.status != 0) || e != nil && e.Status != c.status {
			t.Errorf("%s: %q, %v", c.name, user, err)
		}
	}
	h := newServer(t)
	h.Authenticate = a.User
	r := httptest.NewRequest("GET", "https://mail.example.com/.well-known/jmap", nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if got := w.Result().Header["Www-Authenticate"]; w.Code != 401 || len(got) != 2 || got[0] != `Basic realm="mail", charset="UTF-8"` {
		t.Errorf("%d %q", w.Code, got)
	}
}
