package page_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/examples/world/page"
	"github.com/mailbricks/mailbricks/examples/world/sandbox"
)

func start(t *testing.T) (*sandbox.World, *httptest.Server) {
	t.Helper()
	w, err := sandbox.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	h, err := page.New(w, "127.0.0.1:1025")
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return w, s
}

// ask makes a request; header holds names and values.
func ask(t *testing.T, s *httptest.Server, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if r.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func TestPage(t *testing.T) {
	_, s := start(t)
	resp, body := ask(t, s, "GET", "/", "")
	if resp.StatusCode != 200 || !strings.Contains(body, `<script type="module" src="app.js">`) {
		t.Errorf("%s %.200s", resp.Status, body)
	}
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; script-src 'self';") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") {
		t.Error(csp)
	}
	for path, kind := range map[string]string{"/app.js": "text/javascript", "/style.css": "text/css", "/icon.svg": "image/svg+xml", "/ca.pem": "application/x-pem-file", "/api/world": "application/json"} {
		resp, body := ask(t, s, "GET", path, "")
		if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), kind) || body == "" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %s %s", path, resp.Status, resp.Header.Get("Content-Type"))
		}
	}
}

// TestWorld: what the foot of the page shows.
func TestWorld(t *testing.T) {
	_, s := start(t)
	_, body := ask(t, s, "GET", "/api/world", "")
	var w struct {
		Domains []sandbox.Domain
		Lines   []struct{ What, Text string }
		DNS     string
	}
	if err := json.Unmarshal([]byte(body), &w); err != nil || len(w.Domains) != 3 || len(w.Lines) < 5 || !strings.HasPrefix(w.DNS, "127.0.0.1:") {
		t.Fatalf("%v: %s", err, body)
	}
	for _, d := range w.Domains {
		records := strings.Join(d.Records, "\n")
		for _, want := range []string{d.Name + ". MX 10 mx.", "v=spf1", "v=DMARC1; p=reject", "v=DKIM1", "v=STSv1"} {
			if !strings.Contains(records, want) {
				t.Errorf("%s: no %q in\n%s", d.Name, want, records)
			}
		}
		for _, v := range d.Services {
			if !strings.HasPrefix(v.Address, "127.0.0.1:") {
				t.Errorf("%s: %+v", d.Name, v)
			}
		}
	}
}

// TestRefused: who may not use the page, and what it does not take.
func TestRefused(t *testing.T) {
	w, s := start(t)
	const good = `{"from":"alice@harbour.example","to":"bob@meadow.example","subject":"x","text":"y"}`
	typ := []string{"Content-Type", "application/json"}
	for name, tt := range map[string]struct {
		method, path, body string
		header             []string
		status             int
	}{
		"another name":        {"GET", "/", "", []string{"Host", "evil.test"}, 403},
		"another name, api":   {"GET", "/api/world", "", []string{"Host", "evil.test:8025"}, 403},
		"another address":     {"GET", "/", "", []string{"Host", "192.0.2.1"}, 403},
		"localhost":           {"GET", "/", "", []string{"Host", "localhost:8025"}, 200},
		"IPv6":                {"GET", "/", "", []string{"Host", "[::1]:8025"}, 200},
		"another origin":      {"POST", "/api/letters", good, append([]string{"Origin", "https://evil.test"}, typ...), 403},
		"another site":        {"POST", "/api/letters", good, append([]string{"Sec-Fetch-Site", "cross-site"}, typ...), 403},
		"a form":              {"POST", "/api/letters", good, []string{"Content-Type", "text/plain"}, 415},
		"not JSON":            {"POST", "/api/letters", "{", typ, 400},
		"too long":            {"POST", "/api/letters", `{"text":"` + strings.Repeat("x", 300<<10) + `"}`, typ, 400},
		"to oneself":          {"POST", "/api/letters", `{"from":"a@b.test","to":"a@b.test"}`, typ, 400},
		"out of the world":    {"POST", "/api/letters", `{"from":"alice@harbour.example","to":"bob@elsewhere.test"}`, typ, 400},
		"injected field":      {"POST", "/api/letters", `{"from":"alice@harbour.example","to":"bob@meadow.example","subject":"x\r\nBcc: y"}`, typ, 400},
		"GET a letter's form": {"GET", "/api/letters", "", nil, 404},
		"no such letter":      {"GET", "/api/letters/w99", "", nil, 404},
		"no such user":        {"GET", "/api/mail/eve@evil.test/M1", "", nil, 404},
		"no such mail":        {"GET", "/api/mail/bob@meadow.example/M99", "", nil, 404},
		"no such file":        {"GET", "/../page.go", "", nil, 404},
		"fine":                {"POST", "/api/letters", good, typ, 200},
	} {
		if resp, body := ask(t, s, tt.method, tt.path, tt.body, tt.header...); resp.StatusCode != tt.status {
			t.Errorf("%s: %s %.200s", name, resp.Status, body)
		}
	}
	n := 0
	for range w.Letters() {
		n++
	}
	if n != 1 {
		t.Errorf("%d letters were sent", n)
	}
}

// TestEvents: first how things are, then what changes, without asking again.
func TestEvents(t *testing.T) {
	_, s := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/api/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	name, inboxes, delivered, arrived := "", 0, false, false
	for lines.Scan() && !(delivered && arrived) {
		if v, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			name = v
		}
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		switch {
		case !ok:
		case name == "inbox":
			arrived = arrived || strings.Contains(data, `"subject":"pushed"`)
			if inboxes++; inboxes == 3 {
				_, body := ask(t, s, "POST", "/api/letters", `{"from":"alice@harbour.example","to":"bob@meadow.example","subject":"pushed"}`, "Content-Type", "application/json")
				if !strings.Contains(body, `"id":"w1"`) {
					t.Fatal(body)
				}
			}
		case name == "letter":
			delivered = delivered || strings.Contains(data, `"state":"delivered"`) && strings.Contains(data, `"identical":true`)
		}
	}
	if !delivered || !arrived {
		t.Errorf("delivered %v, arrived %v: %v", delivered, arrived, lines.Err())
	}
}

// TestScripts: text of letters never becomes markup, and nothing comes from elsewhere.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("static/*")
	if err != nil || len(files) < 8 {
		t.Fatal(files, err)
	}
	markup := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|DOMParser|srcdoc`)
	away := regexp.MustCompile(`(?i)(https?:)?//[a-z0-9-]+\.[a-z]`)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(b), "http://www.w3.org/2000/svg", "")
		if m := markup.FindString(text); m != "" {
			t.Errorf("%s: %s", f, m)
		}
		if m := away.FindString(text); m != "" {
			t.Errorf("%s: %s", f, m)
		}
	}
}
