package contactform_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/examples/contactform"
)

const bob = "bob@example.com"

type rig struct {
	*testing.T
	form contactform.Form
	page http.Handler
	now  time.Time
}

func newRig(t *testing.T, change func(*contactform.Form)) *rig {
	t.Helper()
	r := &rig{T: t, now: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return r.now }
	r.form = contactform.Form{Owner: bob, Name: "Bob & <Co>", Now: clock,
		Book: channel.Book{Store: channel.NewMemoryStore(), Tags: capability.Tags{Keys: map[uint8][]byte{1: capability.NewTagKey()}, Current: 1}, Now: clock}}
	if change != nil {
		change(&r.form)
	}
	var err error
	if r.page, err = r.form.Handler(); err != nil {
		t.Fatal(err)
	}
	return r
}

// post sends the form as a browser on the page does, from a network.
func (r *rig) post(network int, body string, header ...string) (int, string) {
	r.Helper()
	req := httptest.NewRequestWithContext(r.Context(), "POST", "/", strings.NewReader(body))
	req.RemoteAddr = fmt.Sprintf("198.51.100.%d:4711", network)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.page.ServeHTTP(w, req)
	return w.Code, w.Body.String()
}

func (r *rig) ask(network int, from, about string) (status int, address string) {
	r.Helper()
	status, page := r.post(network, url.Values{"from": {from}, "about": {about}}.Encode())
	if m := regexp.MustCompile(`class="given">([^<]*)<`).FindStringSubmatch(page); m != nil {
		address = strings.ReplaceAll(m[1], "&#43;", "+")
	}
	if (address != "") != (status == http.StatusOK) {
		r.Errorf("%d: %s", status, page)
	}
	return status, address
}

func (r *rig) channels() (out []channel.Channel) {
	r.Helper()
	for c, err := range r.form.Book.Store.List(r.Context(), bob) {
		if err != nil {
			r.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

// TestGiven: what the page gives takes one letter of the visitor, and nobody else's.
func TestGiven(t *testing.T) {
	r := newRig(t, nil)
	status, address := r.ask(1, "Ann@Example.ORG", " A\tboat \u202e\x00 ")
	if status != http.StatusOK || !strings.HasPrefix(address, "bob+") {
		t.Fatal(status, address)
	}
	c, err := r.form.Book.Find(t.Context(), address)
	if err != nil || c.Note != "form: A boat" || c.Max != 1 || !c.Expires.Equal(r.now.Add(7*24*time.Hour)) || c.Peer != "ann@example.org" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, tt := range []struct {
		sender channel.Sender
		want   error
	}{
		{channel.Sender{Address: "ann@example.org"}, channel.ErrUnauthenticated},
		{channel.Sender{Address: "eve@example.org", Domain: "example.org"}, channel.ErrLeaked},
		{channel.Sender{Address: "ann@example.org", Domain: "example.org"}, nil},
	} {
		if _, err := r.form.Book.Admit(t.Context(), c.ID, tt.sender, true); !errors.Is(err, tt.want) {
			t.Errorf("%+v: %v", tt.sender, err)
		}
	}
	if _, again := r.ask(2, "ann@example.org", "sent twice"); again != address {
		t.Errorf("%s, then %s", address, again)
	}
	if err := r.form.Book.Used(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	if _, next := r.ask(3, "ann@example.org", "used up"); next == address || next == "" {
		t.Errorf("%s, then %s", address, next)
	}
}

// TestForm: the page itself, and what protects it.
func TestForm(t *testing.T) {
	r := newRig(t, nil)
	w := httptest.NewRecorder()
	r.page.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
	page := w.Body.String()
	if w.Code != http.StatusOK || !strings.Contains(page, "<h1>Write to Bob &amp; &lt;Co&gt;</h1>") || strings.Contains(page, "<script") || strings.Contains(page, bob) || strings.Contains(page, "style=") {
		t.Errorf("%d %s", w.Code, page)
	}
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || len(w.Result().Cookies()) != 0 {
		t.Errorf("%v", w.Header())
	}
	for path, want := range map[string]int{"/style.css": http.StatusOK, "/page.html": http.StatusNotFound, "/x": http.StatusNotFound} {
		w := httptest.NewRecorder()
		r.page.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		if w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestAttacks: what makes no channel.
func TestAttacks(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		header     []string
		status     int
		says       string
	}{
		{"another site", "from=ann@example.org", []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden, ""},
		{"a sub-domain's site", "from=ann@example.org", []string{"Sec-Fetch-Site", "same-site"}, http.StatusForbidden, ""},
		{"another origin, an old browser", "from=ann@example.org", []string{"Sec-Fetch-Site", "", "Origin", "https://evil.example"}, http.StatusForbidden, ""},
		{"no address", "about=x", nil, http.StatusBadRequest, `role="alert"`},
		{"not an address", "from=ann", nil, http.StatusBadRequest, `aria-invalid="true"`},
		{"two addresses", "from=ann@example.org,eve@example.org", nil, http.StatusBadRequest, ""},
		{"a field to be", "from=ann@example.org%0d%0aBcc:+eve@example.org", nil, http.StatusBadRequest, ""},
		{"markup", "from=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", nil, http.StatusBadRequest, `value="&#34;&gt;&lt;script&gt;`},
		{"too long an address", "from=" + strings.Repeat("a", 60) + "@" + strings.Repeat("b.", 120) + "example", nil, http.StatusBadRequest, ""},
		{"more than is read", "from=ann@example.org&about=" + strings.Repeat("x", 5000), nil, http.StatusBadRequest, "more than this form takes"},
		{"broken escape", "from=%zz", nil, http.StatusBadRequest, ""},
		{"in the URL", "", nil, http.StatusBadRequest, ""},
	} {
		r := newRig(t, nil)
		status, page := r.post(1, tt.body, tt.header...)
		if status != tt.status || !strings.Contains(page, tt.says) || strings.Contains(page, "<script") || len(r.channels()) != 0 {
			t.Errorf("%s: %d, %d channels, %s", tt.name, status, len(r.channels()), page)
		}
	}
}

// TestLimits: how many are given, and to whom how many.
func TestLimits(t *testing.T) {
	r := newRig(t, func(f *contactform.Form) { f.PerHour, f.Waiting = 2, 4 })
	want := func(network int, from string, status int) {
		t.Helper()
		if got, _ := r.ask(network, from, ""); got != status {
			t.Errorf("%s: %d, not %d", from, got, status)
		}
	}
	want(1, "a@example.org", http.StatusOK)
	want(1, "b@example.org", http.StatusOK)
	want(1, "c@example.org", http.StatusTooManyRequests)
	want(2, "c@example.org", http.StatusOK)
	r.now = r.now.Add(time.Hour)
	want(1, "d@example.org", http.StatusOK)
	want(1, "e@example.org", http.StatusServiceUnavailable) // four wait
	want(2, "d@example.org", http.StatusOK)                 // no new one
	r.now = r.now.Add(7 * 24 * time.Hour)
	want(1, "e@example.org", http.StatusOK) // the others have expired
	if n := len(r.channels()); n != 5 {
		t.Errorf("%d channels", n)
	}
	broken := newRig(t, func(f *contactform.Form) { f.Book.Store = down{} })
	if status, page := broken.post(1, "from=ann@example.org"); status != http.StatusServiceUnavailable || strings.Contains(page, "disk") {
		t.Errorf("%d %s", status, page)
	}
}

// down is a store that fails.
type down struct{ channel.Store }

func (down) List(context.Context, string) iter.Seq2[channel.Channel, error] {
	return func(yield func(channel.Channel, error) bool) { yield(channel.Channel{}, errors.New("disk")) }
}

func TestConfig(t *testing.T) {
	for _, f := range []contactform.Form{{}, {Owner: bob}, {Owner: "bob", Book: channel.Book{Store: channel.NewMemoryStore()}}} {
		if _, err := f.Handler(); err == nil {
			t.Errorf("%+v is taken", f)
		}
	}
}

// How do I put the form on my site? It is an http.Handler.
func Example() {
	book := channel.Book{Store: channel.NewMemoryStore(), Tags: capability.Tags{Keys: map[uint8][]byte{1: capability.NewTagKey()}, Current: 1}}
	form, err := contactform.Form{Book: book, Owner: bob, Name: "Bob"}.Handler()
	if err != nil {
		fmt.Println(err)
		return
	}
	site := http.NewServeMux()
	site.Handle("/contact/", http.StripPrefix("/contact", form))
	s := httptest.NewServer(site)
	defer s.Close()
	resp, err := http.PostForm(s.URL+"/contact/", url.Values{"from": {"ann@example.org"}, "about": {"a boat"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	for c, err := range book.Store.List(context.Background(), bob) {
		fmt.Println(resp.StatusCode, c.Peer, c.Note, c.Max, err)
	}
	// Output: 200 ann@example.org form: a boat 1 <nil>
}
