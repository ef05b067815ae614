package main

import (
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/dnstest"
)

// TestARC seals a message twice, the second time with what verify found out, and breaks it.
func TestARC(t *testing.T) {
	f := newFiles(t)
	zone := []string{"-zone", f.path("zone")}
	seal := func(name string) string {
		return must(t, append(append([]string{"arcseal", "-domain", "example.com", "-selector", "ed", "-key", f.path("ed.pem"), "-authserv-id", "mx.example.com"}, zone...), f.path(name))...)
	}
	f.write("one.eml", seal("rsa.eml"))
	verdict := parse[map[string]any](t, must(t, append(append([]string{"verify", "-json", "-authserv-id", "mx.example.com"}, zone...), f.path("one.eml"))...))
	if verdict["arc"] != "pass" || verdict["dmarc"] != "pass" || !strings.Contains(verdict["authentication_results"].(string), " arc=pass header.oldest-pass=0") {
		t.Errorf("%v", verdict)
	}
	one := seal("rsa.eml")
	f.write("seen.eml", verdict["authentication_results"].(string)+one)
	f.write("two.eml", seal("seen.eml"))
	f.write("none.eml", letter)
	f.write("changed.eml", strings.Replace(seal("seen.eml"), "Hello", "Hallo", 1))
	for name, tt := range map[string]struct {
		want   arcJSON
		status int
	}{
		"one.eml":     {arcJSON{"pass", 1, ""}, 0},
		"two.eml":     {arcJSON{"pass", 2, ""}, 0},
		"none.eml":    {arcJSON{"none", 0, ""}, 1},
		"changed.eml": {arcJSON{"fail", 2, "message signature: body has changed (i=2)"}, 1},
	} {
		out, status, err := mailcheck(t, append(append([]string{"arc", "-json"}, zone...), f.path(name))...)
		if got := parse[arcJSON](t, out); got != tt.want || status != tt.status {
			t.Errorf("%s: %s, status %d, %v", name, out, status, err)
		}
	}
	text := must(t, append(append([]string{"arc"}, zone...), f.path("two.eml"))...)
	for _, want := range []string{"pass\n  i=2 d=example.com s=ed cv=pass\n      mx.example.com; ", "dkim=pass header.d=example.com", "\n  ? TXT ed._domainkey.example.com\n", "=> seal i=1 of example.com verifies\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	// A key that cannot be asked for is no reason to seal a chain as broken.
	z, err := dnstest.ParseFile(f.path("zone"))
	if err != nil {
		t.Fatal(err)
	}
	z.Fail("ed._domainkey.example.com", dnstest.ServFail)
	server, err := z.Serve("")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	zone = []string{"-resolver", server.Addr()}
	if out, status, _ := mailcheck(t, append(append([]string{"arc", "-json"}, zone...), f.path("two.eml"))...); status != 3 || parse[arcJSON](t, out).Result != "fail" {
		t.Errorf("status %d, %s", status, out)
	}
	if out, status, err := mailcheck(t, append(append([]string{"arcseal", "-domain", "example.com", "-selector", "ed", "-key", f.path("ed.pem")}, zone...), f.path("two.eml"))...); status != 3 || out != "" {
		t.Errorf("status %d, %v, %s", status, err, out)
	}
}
