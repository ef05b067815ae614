package reputation_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/reputation"
	"github.com/mailbricks/mailbricks/internal/netguard"
)

// emailID is the example of RFC 7071 §6.3.
const emailID = `{
  "application": "email-id",
  "reputons": [
    {"rater": "rep.example.net", "assertion": "spam", "email-id-identity": "dkim", "rated": "example.com", "confidence": 0.95, "rating": 0.012, "sample-size": 16938213, "updated": 1317795852},
    {"rater": "rep.example.net", "assertion": "spam", "email-id-identity": "spf", "rated": "example.com", "confidence": 0.98, "rating": 0.023, "sample-size": 16938213, "updated": 1317795852},
    {}
  ]
}`

func TestReputons(t *testing.T) {
	r, err := reputation.ParseReputons([]byte(emailID))
	if err != nil || r.Application != "email-id" || len(r.Reputons) != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	if x := r.Reputons[1]; x.Rating != 0.023 || *x.Confidence != 0.98 || *x.SampleSize != 16938213 || x.Identity != "spf" || x.Rated != "example.com" || x.NormalRating != nil {
		t.Errorf("%+v", x)
	}
	b, err := r.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := reputation.ParseReputons(b); err != nil || fmt.Sprint(len(again.Reputons), again.Reputons[0].Rating) != "2 0.012" {
		t.Errorf("%s: %+v, %v", b, again, err)
	}
	one := func(member string) string {
		return `{"application":"x","reputons":[{"rater":"r","assertion":"a","rated":"s",` + member + `}]}`
	}
	for _, s := range []string{"", "x", "[]", "{}", `{"application":"x"}`, `{"reputons":[]}`, `{"application":1,"reputons":[]}`, one(`"rating":1.1`), one(`"rating":-0.1`),
		one(`"rating":"1"`), one(`"rating":1,"confidence":2`), one(`"rating":1,"rating":0`), one(`"rating":1,"sample-size":-1`), one(`"rating":1,"expires":-5`), one(`"confidence":1`),
		`{"application":"x","reputons":[` + strings.Repeat("{},", 1000) + `{}]}`, `{"application":"` + strings.Repeat("x", 1<<20) + `","reputons":[]}`} {
		if r, err := reputation.ParseReputons([]byte(s)); !errors.Is(err, reputation.ErrReputons) {
			t.Errorf("%.80s: %+v, %v", s, r, err)
		}
	}
}

func FuzzReputons(f *testing.F) {
	f.Add([]byte(emailID))
	f.Add([]byte(`{"application":"","reputons":[{"rater":"","assertion":"","rated":"","rating":1e-9}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := reputation.ParseReputons(b)
		if err != nil {
			return
		}
		again, err := r.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := reputation.ParseReputons(again); err != nil || len(back.Reputons) != len(r.Reputons) {
			t.Fatalf("%s: %v", again, err)
		}
	})
}

// A clock is a time that a test moves.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

// TestLocal: what is long ago weighs less, and the number of subjects is bounded.
func TestLocal(t *testing.T) {
	c := &clock{time.Unix(1_800_000_000, 0)}
	l := &reputation.Local{HalfLife: 24 * time.Hour, Subjects: 100, Now: c.now}
	want := func(subject, want string) {
		t.Helper()
		bad, letters := l.Rating(subject)
		if got := fmt.Sprintf("%.3f of %.2f", bad, letters); got != want {
			t.Errorf("%s: %s, want %s", subject, got, want)
		}
	}
	want("a.example", "0.000 of 0.00")
	for i := range 8 {
		l.Count("A.example", i < 4)
	}
	want("a.example", "0.500 of 8.00")
	c.t = c.t.Add(24 * time.Hour)
	want("a.example", "0.500 of 4.00")
	for range 4 {
		l.Count("a.example", false)
	}
	want("A.EXAMPLE", "0.250 of 8.00")
	c.t = c.t.Add(-time.Hour) // a clock that is put back adds no weight
	want("a.example", "0.250 of 8.00")
	c.t = c.t.Add(time.Hour)
	for i := range 10_000 {
		l.Count(fmt.Sprint(i, ".example"), true)
	}
	left := 0
	for i := range 10_000 {
		if _, n := l.Rating(fmt.Sprint(i, ".example")); n > 0 {
			left++
		}
	}
	if left > 100 {
		t.Errorf("%d subjects are remembered", left)
	}
	if _, n := l.Rating("a.example"); n != 8 {
		t.Errorf("who has sent more made room: %v", n)
	}
}

// TestQuery asks a Service over TLS, as another host would.
func TestQuery(t *testing.T) {
	c := &clock{time.Now()}
	l := &reputation.Local{Now: c.now}
	for i := range 10 {
		l.Count("a+b@example.com/x?y#z%", i == 0)
	}
	service := &reputation.Service{Lookup: l.Lookup("rep.example.net")}
	asked := map[string]int{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked[strings.SplitN(r.URL.Path, "/", 3)[1]]++
		service.ServeHTTP(w, r)
	}))
	defer server.Close()
	r := &reputation.Repute{Service: server.Listener.Addr().String(), HTTP: server.Client(), Now: c.now}
	list, err := r.Query(t.Context(), reputation.EmailID, "a+b@example.com/x?y#z%", reputation.Spam)
	if err != nil || len(list) != 1 || list[0].Rating != 0.1 || *list[0].SampleSize != 10 || list[0].Rater != "rep.example.net" {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, q := range [][2]string{{"a+b@example.com/x?y#z%", reputation.Fraud}, {"nobody.example", ""}} {
		if list, err := r.Query(t.Context(), reputation.EmailID, q[0], q[1]); err != nil || len(list) != 0 {
			t.Errorf("%v: %+v, %v", q, list, err)
		}
	}
	if _, err := r.Query(t.Context(), "baseball", "x", ""); !errors.Is(err, reputation.ErrUnknownApplication) {
		t.Errorf("another application: %v", err)
	}
	if asked[".well-known"] != 1 {
		t.Errorf("the template was asked for %d times", asked[".well-known"])
	}
	c.t = c.t.Add(25 * time.Hour)
	if _, err := r.Query(t.Context(), reputation.EmailID, "x", ""); err != nil || asked[".well-known"] != 2 {
		t.Errorf("after a day: %v, asked %d times", err, asked[".well-known"])
	}
	guarded := &reputation.Repute{Service: r.Service}
	if _, err := guarded.Query(t.Context(), reputation.EmailID, "x", ""); !errors.As(err, new(*netguard.RefusedError)) {
		t.Errorf("a service within one's own network: %v", err)
	}
}

// TestHostileService: what a service says is bounded, and nothing of it is a verdict unless it fits the question.
func TestHostileService(t *testing.T) {
	reply := func(typ, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/.well-known/") {
				w.Header().Set("Content-Type", "text/plain")
				fmt.Fprint(w, "ftp://{service}/x\r\nhttp://{+service}/\r\n\r\nhttp://{service}/{application}/{subject}/{assertion}\r\n")
				return
			}
			w.Header().Set("Content-Type", typ)
			fmt.Fprint(w, body)
		}
	}
	rep := func(application, rated, assertion, more string) string {
		return fmt.Sprintf(`{"application":%q,"reputons":[{"rater":"r","assertion":%q,"rated":%q,"rating":1%s}]}`, application, assertion, rated, more)
	}
	for _, tt := range []struct {
		name    string
		handler http.Handler
		want    string // number of reputons, or part of the error
	}{
		{"good", reply(reputation.MediaType, rep("email-id", "Example.com", "SPAM", "")), "1"},
		{"another subject", reply(reputation.MediaType, rep("email-id", "example.org", "spam", "")), "0"},
		{"another assertion", reply(reputation.MediaType, rep("email-id", "example.com", "fraud", "")), "0"},
		{"another application", reply(reputation.MediaType, rep("baseball", "example.com", "spam", "")), "0"},
		{"expired", reply(reputation.MediaType, rep("email-id", "example.com", "spam", `,"expires":1`)), "0"},
		{"another type", reply("text/html", rep("email-id", "example.com", "spam", "")), "type"},
		{"too long", reply(reputation.MediaType, strings.Repeat(" ", 2<<20)), "longer than"},
		{"not JSON", reply(reputation.MediaType, "<html>"), "malformed"},
		{"no template", http.NotFoundHandler(), "does not know"},
		{"failing", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) }), "500"},
	} {
		server := httptest.NewServer(tt.handler)
		r := &reputation.Repute{Service: server.Listener.Addr().String(), HTTP: server.Client(), AllowHTTP: true}
		list, err := r.Query(context.Background(), reputation.EmailID, "example.com", reputation.Spam)
		got := fmt.Sprint(len(list))
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, tt.want) || err != nil && len(list) > 0 {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if strict := (&reputation.Repute{Service: r.Service, HTTP: r.HTTP}); tt.name == "good" {
			if list, err := strict.Query(context.Background(), reputation.EmailID, "example.com", ""); err == nil {
				t.Errorf("without TLS: %+v", list)
			}
		}
		server.Close()
	}
}

// A host counts what it sees of domains that were authenticated, and tells others; another one asks it.
func ExampleRepute() {
	seen := &reputation.Local{}
	for i := range 20 {
		seen.Count("bulk.example", i%2 == 0)
	}
	server := httptest.NewTLSServer(&reputation.Service{Lookup: seen.Lookup("mx.example.net")})
	defer server.Close()

	service := &reputation.Repute{Service: server.Listener.Addr().String(), HTTP: server.Client()} // leave HTTP out for one on the Internet
	list, err := service.Query(context.Background(), reputation.EmailID, "bulk.example", reputation.Spam)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range list {
		fmt.Printf("%s says of %s: %s %.1f, after %d letters\n", r.Rater, r.Rated, r.Assertion, r.Rating, *r.SampleSize)
	}
	// Output: mx.example.net says of bulk.example: spam 0.5, after 19 letters
}
