package auth_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth"
	"github.com/mailbricks/mailbricks/auth/authres"
	"github.com/mailbricks/mailbricks/auth/dnstest"
)

// TestIPRev: the names of the peer are told where they are asked for, and what is asked for them is on record.
func TestIPRev(t *testing.T) {
	z, _ := world(t)
	z.MustAdd("7.2.0.192.in-addr.arpa. IN PTR mail.example.com.")
	z.Sign("in-addr.arpa")
	v := check(t, auth.Checker{ID: "mx.example.org", SecureResolver: z, IPRev: true}, from, letter)
	f, err := authres.Parse(strings.TrimPrefix(string(v.Field), "Authentication-Results:"))
	if err != nil || f.Results[len(f.Results)-1].Method != "iprev" || f.Results[len(f.Results)-1].Value != "pass" {
		t.Errorf("%s, %v", v.Field, err)
	}
	text := string(auth.AppendTrace(nil, v.Trace()))
	for _, want := range []string{"SPF\n  ? TXT example.com  (insecure)\n      v=spf1 mx -all\n", "IPREV\n", "  ? PTR 192.0.2.7  (secure)\n      mail.example.com.\n", "  => pass: mail.example.com\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	z.Fail("7.2.0.192.in-addr.arpa", dnstest.ServFail)
	if v := check(t, auth.Checker{ID: "x", Resolver: z, IPRev: true}, from, letter); v.IPRev.Result != "temperror" || v.DMARC.Value != "pass" {
		t.Errorf("%+v, DMARC %s", v.IPRev, v.DMARC.Value)
	}
	for _, c := range []struct {
		checker auth.Checker
		conn    auth.Connection
	}{{auth.Checker{ID: "x", Resolver: z}, from}, {auth.Checker{ID: "x", Resolver: z, IPRev: true}, auth.Connection{}}} {
		if v := check(t, c.checker, c.conn, letter); v.IPRev != nil {
			t.Errorf("%+v", v.IPRev)
		}
	}
}

// TestMixedScripts: an author domain that may look like another is told in A-labels, whatever it passes.
func TestMixedScripts(t *testing.T) {
	z, _ := world(t)
	for domain, want := range map[string]bool{"ex\u0430mple.com": true, "b\u00fccher.example": false} {
		v := check(t, auth.Checker{ID: "x", Resolver: z}, from, "From: a@"+domain+"\r\n\r\n")
		if got := strings.Contains(string(auth.AppendTrace(nil, v.Trace())), "  . "+v.DMARC.Domain+"\n  => the author domain mixes scripts"); got != want || !strings.HasPrefix(v.DMARC.Domain, "xn--") {
			t.Errorf("%s: %v, %s", domain, got, v.DMARC.Domain)
		}
	}
}

// TestJSON: one document, with what a stranger wrote in it as data.
func TestJSON(t *testing.T) {
	z, key := world(t)
	v := check(t, auth.Checker{ID: "mx.example.org", SecureResolver: z}, from, signed(t, key, "example.com", letter))
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		SPF, DKIM, ARC, DMARC, Reason string
		Field                         string `json:"authentication_results"`
		Signatures                    []map[string]string
		Trace                         []map[string]string
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.SPF != "pass" || got.DKIM != "pass" || got.ARC != "none" || got.DMARC != "pass" || got.Field != string(v.Field) || got.Reason == "" {
		t.Errorf("%s", text)
	}
	if len(got.Signatures) != 1 || got.Signatures[0]["domain"] != "example.com" || got.Signatures[0]["algorithm"] != "ed25519-sha256" || got.Signatures[0]["result"] != "pass" {
		t.Errorf("%s", text)
	}
	if len(got.Trace) != len(v.Trace()) || got.Trace[0]["question"] != "TXT example.com" || got.Trace[0]["dnssec"] != "insecure" {
		t.Errorf("%s", text)
	}
	evil := auth.Connection{IP: from.IP, HELO: "x\x1b[2J\r\n", MailFrom: "a\x07\n@example.com"}
	v = check(t, auth.Checker{ID: "x", Resolver: z}, evil, "From: a@\x1b[2Jb.example\r\n\r\n")
	if _, err := json.Marshal(v); err != nil {
		t.Error(err)
	}
	if trace := auth.AppendTrace(nil, v.Trace()); strings.ContainsAny(string(trace), "\x1b\x07\r") {
		t.Errorf("%q", trace)
	}
}
