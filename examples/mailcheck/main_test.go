package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/mtasts"
)

// mailcheck runs the program and returns what it prints and its exit status.
func mailcheck(t *testing.T, args ...string) (stdout string, status int, err error) {
	t.Helper()
	var out, usage bytes.Buffer
	err = run(t.Context(), args, &out, &usage)
	if errors.Is(err, flag.ErrHelp) {
		return usage.String(), cli.StatusDone, err
	}
	return out.String(), cli.Status(err), err
}

// must is mailcheck for what has to work.
func must(t *testing.T, args ...string) string {
	t.Helper()
	out, status, err := mailcheck(t, args...)
	if status != cli.StatusDone {
		t.Fatalf("%q: status %d, %v\n%s", args, status, err, out)
	}
	return out
}

func parse[T any](t *testing.T, text string) (v T) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&v); err != nil || d.More() {
		t.Errorf("not one JSON document: %v in %s", err, text)
	}
	return v
}

const letter = "From: Ann <ann@example.com>\nTo: bob@example.org\nSubject: a letter\n\nHello\n. \nBob"

// files is a folder with a letter, two keys and a zone.
type files struct {
	t   *testing.T
	dir string
}

func (f files) path(name string) string { return filepath.Join(f.dir, name) }

func (f files) write(name, text string) string {
	f.t.Helper()
	if err := os.WriteFile(f.path(name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return f.path(name)
}

func newFiles(t *testing.T) files {
	f := files{t, t.TempDir()}
	f.write("letter.eml", letter)
	zone := ""
	for name, kind := range map[string]string{"ed": "ed25519", "rsa": "rsa2048"} {
		key := f.path(name + ".pem")
		must(t, "keygen", "-type", kind, "-out", key)
		text := must(t, "records", "-domain", "example.com", "-selector", name, "-key", key, "-mx", "mail.example.com", "-ip", "192.0.2.1", "-ip", "2001:db8::1")
		if zone == "" {
			zone = text
		} else {
			for line := range strings.Lines(text) {
				if strings.Contains(line, "_domainkey") {
					zone += line
				}
			}
		}
		f.write(name+".eml", must(t, "sign", "-domain", "example.com", "-selector", name, "-key", key, f.path("letter.eml")))
	}
	f.write("zone", zone+`
other.example. IN TXT "v=spf1 -all exp=why.other.example"
why.other.example. IN TXT "%{i} is none of ours"
broken.example. IN TXT "v=spf1 ip4:300.1.1.1"
`)
	return f
}

func TestVerify(t *testing.T) {
	f := newFiles(t)
	zone := f.path("zone")
	f.write("changed.eml", strings.Replace(must(t, "sign", "-domain", "example.com", "-selector", "ed", "-key", f.path("ed.pem"), f.path("letter.eml")), "Hello", "Hallo", 1))
	f.write("arc.eml", "ARC-Seal: i=1; cv=none\n"+letter)
	f.write("noauthor.eml", "Subject: x\n\nFrom: ann@example.com\n")
	f.write("lf.eml", strings.ReplaceAll(must(t, "sign", "-domain", "example.com", "-selector", "rsa", "-key", f.path("rsa.pem"), f.path("letter.eml")), "\r", ""))
	type verdict struct{ SPF, DKIM, ARC, DMARC string }
	for name, tt := range map[string]struct {
		file   string
		conn   []string
		want   verdict
		status int
	}{
		"signed":        {"ed.eml", nil, verdict{"none", "pass", "none", "pass"}, 0},
		"RSA, LF":       {"lf.eml", nil, verdict{"none", "pass", "none", "pass"}, 0},
		"SPF":           {"letter.eml", []string{"-ip", "192.0.2.1", "-from", "ann@example.com"}, verdict{"pass", "none", "none", "pass"}, 0},
		"SPF, IPv6":     {"letter.eml", []string{"-ip", "2001:db8::1", "-helo", "mail.example.com", "-from", "<ann@example.com>"}, verdict{"pass", "none", "none", "pass"}, 0},
		"both":          {"rsa.eml", []string{"-ip", "192.0.2.1", "-from", "ann@example.com"}, verdict{"pass", "pass", "none", "pass"}, 0},
		"wrong address": {"letter.eml", []string{"-ip", "192.0.2.2", "-from", "ann@example.com"}, verdict{"fail", "none", "none", "fail"}, 1},
		"changed":       {"changed.eml", nil, verdict{"none", "fail", "none", "fail"}, 1},
		"ARC":           {"arc.eml", nil, verdict{"none", "none", "fail", "fail"}, 1},
		"no author":     {"noauthor.eml", []string{"-ip", "192.0.2.1", "-from", "ann@example.com"}, verdict{"pass", "none", "none", "none"}, 1},
	} {
		args := append(append([]string{"verify", "-json", "-zone", zone, "-authserv-id", "mx.example.org"}, tt.conn...), f.path(tt.file))
		out, status, err := mailcheck(t, args...)
		got := parse[struct {
			verdict
			Field string `json:"authentication_results"`
			Trace []map[string]string
		}](t, out)
		if got.verdict != tt.want || status != tt.status {
			t.Errorf("%s: %+v, status %d, %v", name, got, status, err)
		}
		if !strings.HasPrefix(got.Field, "Authentication-Results: mx.example.org;") || !strings.Contains(got.Field, "dmarc="+tt.want.DMARC) || len(got.Trace) < 3 {
			t.Errorf("%s: %s", name, out)
		}
	}
	text := must(t, "verify", "-zone", zone, "-ip", "192.0.2.1", "-from", "ann@example.com", f.path("ed.eml"))
	for _, want := range []string{"Authentication-Results: localhost;\n spf=pass", "\nSPF\n  ? TXT example.com  (insecure)\n      v=spf1 mx", "\nDKIM\n  ? TXT ed._domainkey.example.com",
		"\nDMARC\n  ? TXT _dmarc.example.com  (insecure)\n      v=DMARC1; p=reject\n", "=> pass: DKIM of example.com is aligned"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

func TestSPF(t *testing.T) {
	f := newFiles(t)
	for name, tt := range map[string]struct {
		args   []string
		want   spfJSON
		status int
	}{
		"pass":        {[]string{"-ip", "192.0.2.1", "-helo", "x", "-from", "ann@example.com"}, spfJSON{"pass", "mx", "", 1, ""}, 0},
		"HELO":        {[]string{"-ip", "192.0.2.1", "-helo", "example.com"}, spfJSON{"pass", "mx", "", 1, ""}, 0},
		"fail":        {[]string{"-ip", "192.0.2.9", "-helo", "x", "-from", "ann@example.com"}, spfJSON{"fail", "-all", "", 1, ""}, 1},
		"explanation": {[]string{"-ip", "192.0.2.9", "-from", "a@other.example"}, spfJSON{"fail", "-all", "192.0.2.9 is none of ours", 0, ""}, 1},
		"none":        {[]string{"-ip", "192.0.2.9", "-from", "a@no.example"}, spfJSON{"none", "default", "", 0, ""}, 1},
	} {
		out, status, err := mailcheck(t, append([]string{"spf", "-json", "-zone", f.path("zone")}, tt.args...)...)
		if got := parse[spfJSON](t, out); status != tt.status || got.Result != tt.want.Result || got.Explanation != tt.want.Explanation || got.Queries != tt.want.Queries ||
			tt.want.Result != "none" && got.Mechanism != tt.want.Mechanism || got.Error != "" {
			t.Errorf("%s: %s, status %d, %v", name, out, status, err)
		}
	}
	out, status, _ := mailcheck(t, "spf", "-json", "-zone", f.path("zone"), "-ip", "192.0.2.9", "-from", "a@broken.example")
	if got := parse[spfJSON](t, out); status != 1 || got.Result != "permerror" || !strings.Contains(got.Error, "ip4:300.1.1.1") {
		t.Errorf("%s, status %d", out, status)
	}
	text := must(t, "spf", "-zone", f.path("zone"), "-ip", "192.0.2.1", "-from", "ann@example.com")
	if !strings.HasPrefix(text, "Received-SPF: pass ") || !strings.Contains(text, "? MX example.com") || strings.Contains(text, "DMARC") {
		t.Error(text)
	}
}

func TestDKIM(t *testing.T) {
	f := newFiles(t)
	two, err := os.ReadFile(f.path("ed.eml"))
	if err != nil {
		t.Fatal(err)
	}
	f.write("once.eml", string(two))
	f.write("two.eml", must(t, "sign", "-domain", "example.com", "-selector", "rsa", "-key", f.path("rsa.pem"), "-headers", "from:subject", "-canon", "simple/simple", f.path("once.eml")))
	type signatures struct{ Signatures []signatureJSON }
	got := parse[signatures](t, must(t, "dkim", "-json", "-zone", f.path("zone"), f.path("two.eml")))
	want := []signatureJSON{{"example.com", "rsa", "rsa-sha256", "pass", ""}, {"example.com", "ed", "ed25519-sha256", "pass", ""}}
	if len(got.Signatures) != 2 || got.Signatures[0] != want[0] || got.Signatures[1] != want[1] {
		t.Errorf("%+v", got)
	}
	out, status, _ := mailcheck(t, "dkim", "-json", "-zone", f.write("empty", ""), f.path("ed.eml"))
	if got := parse[signatures](t, out); status != 1 || got.Signatures[0].Result != "permerror" || got.Signatures[0].Reason != "no key record" {
		t.Errorf("%s, status %d", out, status)
	}
	out, status, _ = mailcheck(t, "dkim", "-json", "-zone", f.path("zone"), f.path("letter.eml"))
	if status != 1 || out != `{"signatures":[]}`+"\n" {
		t.Errorf("%s, status %d", out, status)
	}
	if text := must(t, "dkim", "-zone", f.path("zone"), f.path("two.eml")); strings.Count(text, "pass\n  d=example.com s=") != 2 || !strings.Contains(text, "h=from:subject") || !strings.Contains(text, "? TXT ed._domainkey.example.com") {
		t.Error(text)
	}
}

// TestSign: what is signed is the message as it travels, and nothing of it changes.
func TestSign(t *testing.T) {
	f := newFiles(t)
	got, err := os.ReadFile(f.path("ed.eml"))
	if want := strings.ReplaceAll(letter, "\n", "\r\n") + "\r\n"; err != nil || !strings.HasPrefix(string(got), "DKIM-Signature: ") || !strings.HasSuffix(string(got), "\r\n"+want) {
		t.Errorf("%q, %v", got, err)
	}
	info, err := os.Stat(f.path("ed.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, status, err := mailcheck(t, "keygen", "-out", f.path("ed.pem")); status != 1 || !strings.Contains(err.Error(), "remove it or name another") {
		t.Errorf("a key is overwritten: %v", err)
	}
}

// TestResolver asks a real DNS server, which is then not there.
func TestResolver(t *testing.T) {
	f := newFiles(t)
	zone, err := dnstest.ParseFile(f.path("zone"))
	if err != nil {
		t.Fatal(err)
	}
	zone.Sign("example.com")
	zone.Fail("ed._domainkey.example.com", dnstest.ServFail)
	server, err := zone.Serve("")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	args := []string{"-json", "-resolver", server.Addr()}
	out := must(t, append(append([]string{"verify"}, args...), f.path("rsa.eml"))...)
	if !strings.Contains(out, `"dnssec":"secure"`) || !strings.Contains(out, `"dmarc":"pass"`) {
		t.Error(out)
	}
	must(t, append(append([]string{"dkim"}, args...), f.path("rsa.eml"))...)
	for _, command := range []string{"verify", "dkim"} {
		out, status, _ := mailcheck(t, append(append([]string{command}, args...), f.path("ed.eml"))...)
		if status != 3 || !strings.Contains(out, "temperror") {
			t.Errorf("%s: status %d, %s", command, status, out)
		}
	}
	zone.Fail("example.com", dnstest.ServFail)
	out, status, _ := mailcheck(t, append([]string{"spf", "-ip", "192.0.2.1", "-from", "a@example.com"}, args...)...)
	if got := parse[spfJSON](t, out); status != 3 || got.Result != "temperror" || got.Error == "" {
		t.Errorf("status %d, %s", status, out)
	}
	if out, status, _ := mailcheck(t, append(append([]string{"domain"}, args...), "example.com")...); status != 3 || !strings.Contains(out, `"undecided"`) {
		t.Errorf("status %d, %s", status, out)
	}
}

func TestDomain(t *testing.T) {
	f := newFiles(t)
	f.write("zone2", must(t, "records", "-domain", "example.com", "-selector", "s", "-key", f.path("ed.pem"), "-mx", "mail.example.com", "-ip", "192.0.2.1")+
		"_mta-sts.example.com. IN TXT \"v=STSv1; id=1\"\n_smtp._tls.example.com. IN TXT \"v=TLSRPTv1; rua=mailto:tls@example.com\"\n"+
		`bad.example. IN TXT "v=spf1 +all"
bad.example. IN MX 10 nowhere.bad.example.
_dmarc.bad.example. IN TXT "v=DMARC1; p=maybe"
_mta-sts.bad.example. IN TXT "v=STSv1; id=a-b"
_smtp._tls.bad.example. IN TXT "v=TLSRPTv1; rua=ftp://bad.example"
_25._tcp.nowhere.bad.example. IN TLSA 3 1 1 00
s._domainkey.bad.example. IN TXT "v=DKIM1; p="
loop.example. IN TXT "v=spf1 redirect=loop.example"
wide.example. IN TXT "v=spf1 ip4:10.0.0.0/15 ip4:192.0.2.0/24 -all"
`)
	type result struct {
		Domain string
		Checks []finding
	}
	for domain, want := range map[string]struct {
		text   string
		status int
	}{
		"example.com":  {"MX ok,SPF ok,DKIM ok,DMARC ok,MTA-STS ok,TLSRPT ok,DANE absent", 0},
		"bad.example":  {"MX wrong,SPF wrong,DKIM wrong,DMARC wrong,MTA-STS wrong,TLSRPT wrong,DANE wrong", 1},
		"loop.example": {"MX missing,SPF wrong,DKIM missing,DMARC missing,MTA-STS missing,TLSRPT missing,DANE absent", 1},
		"no.example":   {"MX missing,SPF missing,DKIM missing,DMARC missing,MTA-STS missing,TLSRPT missing,DANE absent", 1},
	} {
		out, status, err := mailcheck(t, "domain", "-json", "-zone", f.path("zone2"), "-selector", "s", domain)
		got := parse[result](t, out)
		var text []string
		for _, c := range got.Checks {
			text = append(text, c.Name+" "+c.Status)
			if c.Status == "wrong" && (len(c.Problems) == 0 || c.Problems[0].Mend == "") {
				t.Errorf("%s: %+v", domain, c)
			}
		}
		if s := strings.Join(text, ","); s != want.text || status != want.status || got.Domain != domain {
			t.Errorf("%s: %s, status %d, %v", domain, s, status, err)
		}
	}
	if out, status, _ := mailcheck(t, "domain", "-zone", f.path("zone2"), "wide.example"); status != 1 || !strings.Contains(out, "! 131328 IPv4 addresses may send") {
		t.Errorf("status %d, %s", status, out)
	}
	if out, status, _ := mailcheck(t, "domain", "-zone", f.path("zone2"), "bad.example"); status != 1 || !strings.Contains(out, "! anybody may send: +all\n") {
		t.Errorf("status %d, %s", status, out)
	}
}

// TestDomainPolicy: the policy of MTA-STS has to be there, and to have the MX hosts.
func TestDomainPolicy(t *testing.T) {
	zone := dnstest.New()
	zone.AddTXT("_mta-sts.example.com", "v=STSv1; id=1")
	zone.AddMX("example.com", 10, "mail.example.com")
	policy := mtasts.Policy{Mode: mtasts.ModeEnforce, MX: []string{"mail.example.com"}, MaxAge: time.Hour}
	other := mtasts.Policy{Mode: mtasts.ModeTesting, MX: []string{"*.example.net"}, MaxAge: time.Hour}
	for name, tt := range map[string]struct {
		policy mtasts.Policy
		err    error
		want   string
	}{
		"good":   {policy, nil, "ok"},
		"other":  {other, nil, "wrong"},
		"none":   {mtasts.Policy{Mode: mtasts.ModeNone}, nil, "ok"},
		"absent": {mtasts.Policy{}, &mtasts.FetchError{Domain: "example.com", Reason: "status 404"}, "wrong"},
	} {
		f := domainMTASTS(t.Context(), zone, "example.com", func(context.Context, string) (mtasts.Policy, error) { return tt.policy, tt.err })
		if f.Status != tt.want {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestUsage(t *testing.T) {
	f := newFiles(t)
	zone, key, file := f.path("zone"), f.path("ed.pem"), f.path("letter.eml")
	for _, args := range [][]string{
		nil, {"prove"}, {"-x"}, {"verify"}, {"verify", "-zone", zone}, {"verify", "-zone", zone, "a", "b"}, {"verify", "-zone", zone, "-ip", "1.2.3", file},
		{"verify", "-zone", zone, "-resolver", "127.0.0.1:53", file}, {"verify", "-resolver", "localhost", file}, {"dkim", "-zone", zone},
		{"spf", "-zone", zone}, {"spf", "-zone", zone, "-ip", "192.0.2.1"}, {"spf", "-zone", zone, "-from", "a@example.com"}, {"spf", "-zone", zone, "x"},
		{"sign", "-domain", "example.com", "-selector", "s", file}, {"sign", "-domain", "example.com", "-selector", "s", "-key", key},
		{"sign", "-domain", "example.com", "-selector", "s", "-key", key, "-canon", "loose", file},
		{"keygen"}, {"keygen", "-type", "dsa", "-out", f.path("new")}, {"records", "-domain", "example.com", "-selector", "s"},
		{"records", "-domain", "example.com", "-selector", "s", "-key", key, "-ip", "x"}, {"records", "-domain", "exa mple", "-selector", "s", "-key", key},
		{"records", "-domain", "example.com", "-selector", "s", "-key", key, "-policy", "maybe"},
		{"domain", "-zone", zone}, {"report"}, {"report", file, file},
	} {
		if out, status, err := mailcheck(t, args...); status != cli.StatusUsage || out != "" {
			t.Errorf("%q: status %d, %v, %q", args, status, err, out)
		}
	}
	for _, args := range [][]string{
		{"verify", "-zone", zone, f.path("absent")}, {"dkim", "-zone", zone, f.path("absent")}, {"verify", "-zone", f.path("absent"), file}, {"dkim", "-zone", file, file},
		{"sign", "-domain", "example.com", "-selector", "s", "-key", file, file}, {"sign", "-domain", "example.com", "-selector", "s", "-key", f.path("absent"), file},
		{"sign", "-domain", "example.com", "-selector", "s", "-key", key, "-headers", "subject", file}, {"sign", "-domain", "x", "-selector", "s", "-key", key, file},
		{"verify", "-zone", zone, f.dir}, {"report", f.path("absent")}, {"report", file}, {"report", f.path("ed.pem")}, {"arc", "-zone", zone, f.path("absent")},
	} {
		if out, status, err := mailcheck(t, args...); status != cli.StatusFailed || out != "" || err.Error() == "" {
			t.Errorf("%q: status %d, %v, %q", args, status, err, out)
		}
	}
	for _, args := range [][]string{{"-h"}, {"verify", "-h"}, {"spf", "-h"}, {"sign", "-h"}, {"domain", "-h"}} {
		if out, _, err := mailcheck(t, args...); !errors.Is(err, flag.ErrHelp) || !strings.Contains(out, "mailcheck verify -ip") {
			t.Errorf("%q: %v, %q", args, err, out)
		}
	}
}
