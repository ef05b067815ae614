package authres_test

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	msgauth "github.com/emersion/go-msgauth/authres"

	"github.com/mailbricks/mailbricks/auth/authres"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/dmarc"
	"github.com/mailbricks/mailbricks/spf"
)

// TestAppend joins the entries of the checks of this project.
func TestAppend(t *testing.T) {
	got := string(authres.Append(nil, "mx.example.org",
		&spf.Check{Result: spf.Pass, Identity: "mailfrom", Sender: "ann@example.com", IP: netip.MustParseAddr("192.0.2.1")},
		dkim.Result{Value: dkim.Pass, Signature: dkim.Signature{Domain: "example.com", Selector: "nov", Algorithm: dkim.RSASHA256, Signature: []byte("123456")}},
		dkim.Result{Value: dkim.Fail, Err: dkim.ErrBodyHash, Signature: dkim.Signature{Domain: "a-rather-long-name.mailing-lists.example.net", Selector: "s"}},
		dmarc.Result{Value: dmarc.Pass, Domain: "example.com", Policy: dmarc.PolicyReject},
		authres.Result{Method: "X-Stamp", Version: 2, Value: "pass", Reason: "paid (20 bits)", Properties: []authres.Property{{Type: "policy", Name: "bits", Value: "20"}}}))
	want := "Authentication-Results: mx.example.org;\r\n" +
		" spf=pass smtp.mailfrom=ann@example.com;\r\n" +
		" dkim=pass header.d=example.com header.s=nov header.a=rsa-sha256\r\n header.b=\"MTIzNDU2\";\r\n" +
		" dkim=fail reason=\"body has changed\"\r\n header.d=a-rather-long-name.mailing-lists.example.net header.s=s;\r\n" +
		" dmarc=pass header.from=example.com policy.dmarc=reject;\r\n" +
		" x-stamp/2=pass reason=\"paid (20 bits)\" policy.bits=20\r\n"
	if want = strings.Replace(want, `"MTIzNDU2"`, "MTIzNDU2", 1); got != want {
		t.Errorf("got\n%s", got)
	}
	f, err := authres.Parse(value(t, []byte(got)))
	if err != nil || len(f.Results) != 5 || f.Results[2].Property("header", "s") != "s" || f.Results[2].Property("header", "x") != "" {
		t.Errorf("%+v, %v", f, err)
	}
	if got := string(authres.Append(nil, "mx.example.org")); got != "Authentication-Results: mx.example.org; none\r\n" {
		t.Errorf("%q", got)
	}
}

// verdict is an Appender that is not careful.
type verdict string

func (v verdict) AppendResult(dst []byte) []byte { return append(dst, v...) }

// TestInjection: what comes from outside ends neither its value nor its entry nor its line.
func TestInjection(t *testing.T) {
	for _, evil := range []string{
		"legit.com(.attacker.com", "legit.com'", `legit.com"`, "x; spf=pass", "x\r\n; spf=pass", "x\r\nFrom: ceo@example.com", "x\x00y", `x\`, `\"; spf=pass (`,
		"a@b; spf=pass", "(", ")", "=", "", "bücher.example", "a b@c", "\r\n\r\nbody",
	} {
		in := authres.Result{Method: "dkim", Value: "fail", Reason: evil, Properties: []authres.Property{{Type: "header", Name: "d", Value: evil}, {Type: "smtp", Name: "mailfrom", Value: "x@" + evil}}}
		f, err := authres.Parse(value(t, authres.Append(nil, "mx.example.org", in)))
		if err != nil || f.ID != "mx.example.org" || len(f.Results) != 1 {
			t.Fatalf("%q: %+v, %v", evil, f, err)
		}
		clean := strings.NewReplacer("\r", "?", "\n", "?", "\x00", "?").Replace(evil)
		r := f.Results[0]
		if r.Value != "fail" || r.Reason != clean || len(r.Properties) != 2 || r.Properties[0].Value != clean || r.Properties[1].Value != "x@"+clean {
			t.Errorf("%q became %+v", evil, r)
		}
		// In the places of keywords, where nothing can be quoted.
		in = authres.Result{Method: evil, Value: evil, Properties: []authres.Property{{Type: evil, Name: evil, Value: "v"}}}
		if f, err := authres.Parse(value(t, authres.Append(nil, "mx.example.org", in))); err != nil || len(f.Results) != 1 || f.Results[0].Properties[0].Value != "v" {
			t.Errorf("keyword %q: %+v, %v", evil, f, err)
		}
		// A check that quotes nothing may spoil its own entry, but not the header.
		value(t, authres.Append(nil, "mx.example.org", verdict("x=pass "+evil), verdict(evil)))
	}
	long := strings.Repeat("x", 2000)
	f, err := authres.Parse(value(t, authres.Append(nil, "mx.example.org", authres.Result{Method: "dkim", Value: "fail", Properties: []authres.Property{
		{Type: "header", Name: "i", Value: long + "@example.com"}, {Type: "header", Name: "d", Value: "example.com"}}})))
	if err != nil || f.Results[0].Property("header", "d") != "example.com" || f.Results[0].Property("header", "i") != "" {
		t.Errorf("a property longer than a line: %+v, %v", f, err)
	}
}

// TestMet reads what is met beyond the grammar.
func TestMet(t *testing.T) {
	for in, want := range map[string]authres.Result{
		"x; dmarc=pass action=none header.from=example.com;": {Method: "dmarc", Version: 1, Value: "pass", Properties: []authres.Property{{Name: "action", Value: "none"}, {Type: "header", Name: "from", Value: "example.com"}}},
		"x;; dkim=pass header.b=ab/cd+ef=":                   {Method: "dkim", Version: 1, Value: "pass", Properties: []authres.Property{{Type: "header", Name: "b", Value: "ab/cd+ef="}}},
		`x; spf=pass smtp.mailfrom="a b"@example.com`:        {Method: "spf", Version: 1, Value: "pass", Properties: []authres.Property{{Type: "smtp", Name: "mailfrom", Value: "a b@example.com"}}},
		"x; iprev=pass smtp.remote-ip=2001:db8::1":           {Method: "iprev", Version: 1, Value: "pass", Properties: []authres.Property{{Type: "smtp", Name: "remote-ip", Value: "2001:db8::1"}}},
		"x; SPF=Pass SMTP.MailFrom=Example.COM":              {Method: "spf", Version: 1, Value: "pass", Properties: []authres.Property{{Type: "smtp", Name: "mailfrom", Value: "Example.COM"}}},
		"x; dkim=pass reason=\"a\r\n b\\\"\"":                {Method: "dkim", Version: 1, Value: "pass", Reason: "a b\""},
		"x;dkim=pass(c)header.d=e.example(c)header.s=\"\"":   {Method: "dkim", Version: 1, Value: "pass", Properties: []authres.Property{{Type: "header", Name: "d", Value: "e.example"}, {Type: "header", Name: "s"}}},
		"x; none=pass":             {Method: "none", Version: 1, Value: "pass"},
		"x; dkim/1=pass (\\)(()))": {Method: "dkim", Version: 1, Value: "pass"},
	} {
		f, err := authres.Parse(in)
		if err != nil || len(f.Results) != 1 || !reflect.DeepEqual(f.Results[0], want) {
			t.Errorf("%q: %+v, %v", in, f, err)
		}
	}
}

func TestRefused(t *testing.T) {
	results := strings.Repeat(";a=b", authres.MaxResults+1)
	for in, want := range map[string]error{
		"":                              authres.ErrSyntax,
		"(comment)":                     authres.ErrSyntax,
		";":                             authres.ErrSyntax,
		`""; none`:                      authres.ErrSyntax,
		"dkim=pass header.d=a.example":  authres.ErrSyntax, // no authserv-id
		"x 2; none":                     authres.ErrVersion,
		"x y; none":                     authres.ErrSyntax,
		"x; none; spf=pass":             authres.ErrSyntax,
		"x; spf=pass; none":             authres.ErrSyntax,
		"x; none none":                  authres.ErrSyntax,
		"x; spf":                        authres.ErrSyntax,
		"x; spf=":                       authres.ErrSyntax,
		"x; =pass":                      authres.ErrSyntax,
		"x; spf/=pass":                  authres.ErrSyntax,
		"x; spf=pass smtp":              authres.ErrSyntax,
		"x; spf=pass smtp.":             authres.ErrSyntax,
		"x; spf=pass smtp.a":            authres.ErrSyntax,
		"x; spf=pass smtp.a=":           authres.ErrSyntax,
		"x; spf=pass smtp.a=(c)":        authres.ErrSyntax,
		`x; spf=pass smtp.a="b`:         authres.ErrSyntax,
		`x; spf=pass smtp.a="b\`:        authres.ErrSyntax,
		"x; spf=pass smtp.a=\"\x00\"":   authres.ErrSyntax,
		"x; spf=pass reason=a reason=b": authres.ErrSyntax,
		"x; spf=pass (":                 authres.ErrSyntax,
		`x; spf=pass (\`:                authres.ErrSyntax,
		`x; spf=pass (\)`:               authres.ErrSyntax,
		"x; spf=pass )":                 authres.ErrSyntax,
		"x" + results:                   authres.ErrLimit,
		"x; a=b" + strings.Repeat(" c.d=e", authres.MaxProperties+1):        authres.ErrLimit,
		"x " + strings.Repeat("(", authres.MaxDepth+1):                      authres.ErrLimit,
		"x " + strings.Repeat("(", 1e6) + strings.Repeat(")", 1e6):          authres.ErrLimit,
		"x" + strings.Repeat("; spf=pass smtp.mailfrom=a.example.com", 1e5): authres.ErrLimit,
	} {
		if f, err := authres.Parse(in); !errors.Is(err, want) {
			t.Errorf("%.60q: %.200v, %v", in, f, err)
		}
	}
	deep := strings.Repeat("(", authres.MaxDepth) + strings.Repeat(")", authres.MaxDepth)
	if _, err := authres.Parse("x " + deep + "; none"); err != nil {
		t.Error(err)
	}
}

// TestStrip takes away what claims to be ours, however it is spelt, and nothing else.
func TestStrip(t *testing.T) {
	own := []string{"mx.example.org", "bücher.example"}
	for _, v := range []string{
		" mx.example.org; dkim=pass", "mx.example.org", " MX.Example.ORG; spf=pass", "\r\n mx.example.org;\r\n spf=pass", " (hi) mx.example.org 1; none",
		" (nested (comment) \\) ) mx.example.org; none", ` "mx.example.org"; none`, ` "mx.\example.org"; none`, " mx.example.org.; none", " mx.example.org(c); none",
		" xn--bcher-kva.example; none", " XN--BCHER-KVA.example; none", " Bücher.example; none", " ｍｘ.example.org; none", " mx.exam\u00adple.org; none",
		// What does not say clearly from whom it comes.
		"", " ; none", " dkim=pass header.d=x.example", " (unclosed mx.example.org; none", " mx.example.org/1; none", " other.example mx.example.org; none",
		" =?utf-8?q?mx.example.org?=; none", ` "unclosed; none`, " a\xffb.example; none", " other.example, mx.example.org; none", " " + strings.Repeat("(", 1e5),
		" x;" + strings.Repeat(" ", authres.MaxField),
	} {
		if !authres.Claims(v, own...) {
			t.Errorf("%.60q is let through", v)
		}
		section := "A: 1\r\nauthentication-RESULTS :" + v + "\r\nB: 2\r\n\r\n"
		if got := string(authres.Strip(nil, []byte(section), own...)); got != "A: 1\r\nB: 2\r\n\r\n" {
			t.Errorf("%.60q: %.80q", v, got)
		}
	}
	for _, v := range []string{" example.org; none", " mx.example.org.example.com; none", " xmx.example.org; none", " buecher.example; none", " relay_1 1; none", " -; none"} {
		if authres.Claims(v, own...) {
			t.Errorf("%q is taken away", v)
		}
	}
	section := "ARC-Authentication-Results: i=1; mx.example.org; none\r\nX-Authentication-Results: mx.example.org; none\r\n" +
		"Authentication-Results: example.net;\n spf=pass\nno field\r\nAuthentication-Results: other.example; none"
	if got := string(authres.Strip([]byte("> "), []byte(section), own...)); got != "> "+section {
		t.Errorf("%q", got)
	}
}

// TestMsgauth: the peer reads what we write, and we what it writes.
func TestMsgauth(t *testing.T) {
	ours := authres.Append(nil, "mx.example.org", authres.Result{Method: "spf", Value: "pass", Properties: []authres.Property{{Type: "smtp", Name: "mailfrom", Value: "example.com"}}},
		authres.Result{Method: "dkim", Value: "fail", Reason: "changed", Properties: []authres.Property{{Type: "header", Name: "d", Value: "example.com"}}})
	id, results, err := msgauth.Parse(strings.ReplaceAll(value(t, ours), "\r\n", ""))
	if err != nil || id != "mx.example.org" || len(results) != 2 {
		t.Fatalf("%q, %v, %v", id, results, err)
	}
	if r, ok := results[0].(*msgauth.SPFResult); !ok || r.Value != msgauth.ResultPass || r.From != "example.com" {
		t.Errorf("%+v", results[0])
	}
	if r, ok := results[1].(*msgauth.DKIMResult); !ok || r.Value != msgauth.ResultFail || r.Domain != "example.com" || r.Reason != "changed" {
		t.Errorf("%+v", results[1])
	}
	f, err := authres.Parse(msgauth.Format(id, results))
	if err != nil || len(f.Results) != 2 || f.Results[1].Reason != "changed" || f.Results[1].Property("header", "d") != "example.com" {
		t.Errorf("%+v, %v", f, err)
	}
}

// FuzzParse: what is read can be written, and means the same then.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"example.org 1; none", "x;; dkim/1 (c) = pass reason=\"a\\\"b\" header.d=e.example policy . x = (c) \"\"", "x; dmarc=pass action=none;", "\"a;b\"; x=y z=\"\xff\t\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		first, err := authres.Parse(s)
		if err != nil {
			if !errors.Is(err, authres.ErrSyntax) && !errors.Is(err, authres.ErrLimit) && !errors.Is(err, authres.ErrVersion) {
				t.Fatal(err)
			}
			return
		}
		for _, r := range first.Results { // what does not fit in a line is left out
			if len(r.Method)+len(r.Value) > 400 || len(r.Reason) > 400 {
				return
			}
			for _, p := range r.Properties {
				if len(p.Type)+len(p.Name)+2*len(p.Value) > 800 {
					return
				}
			}
		}
		if len(first.ID) > 400 {
			return
		}
		for i, r := range first.Results {
			first.Results[i].Reason = strings.ReplaceAll(r.Reason, "\t", "?")
			for k := range r.Properties {
				r.Properties[k].Value = strings.ReplaceAll(r.Properties[k].Value, "\t", "?")
			}
			first.Results[i].Version = max(1, r.Version)
		}
		first.ID = strings.ReplaceAll(first.ID, "\t", "?")
		second, err := authres.Parse(value(t, appendField(first)))
		if err != nil || !reflect.DeepEqual(first, second) {
			t.Fatalf("%q: %+v became %+v, %v", s, first, second, err)
		}
	})
}

// FuzzAppend: no value from outside changes anything but itself.
func FuzzAppend(f *testing.F) {
	f.Add("dkim", "pass", "why; spf=pass", "a@b\r\nX: y")
	f.Add("a b", "", "(", `"\`)
	f.Fuzz(func(t *testing.T, method, val, reason, prop string) {
		if len(method)+len(val) > 400 || len(reason) > 400 || len(prop) > 400 {
			return
		}
		in := authres.Result{Method: method, Value: val, Reason: reason, Properties: []authres.Property{{Type: method, Name: val, Value: prop}, {Type: "x", Name: "y", Value: "z"}}}
		got, err := authres.Parse(value(t, authres.Append(nil, "mx.example.org", in, in)))
		if err != nil || got.ID != "mx.example.org" || len(got.Results) != 2 {
			t.Fatalf("%+v, %v", got, err)
		}
		r := got.Results[1]
		if r.Reason != cleaned(reason) || r.Properties[0].Value != cleaned(prop) || r.Property("x", "y") != "z" {
			t.Fatalf("%+v became %+v", in, r)
		}
	})
}

// cleaned is what a value may become: control characters are replaced.
func cleaned(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c == 0x7f {
			b[i] = '?'
		}
	}
	return string(b)
}

func FuzzStrip(f *testing.F) {
	f.Add([]byte("A: 1\r\nAuthentication-Results: mx.example.org; none\r\n\r\nbody"), "mx.example.org")
	f.Fuzz(func(t *testing.T, section []byte, id string) {
		once := authres.Strip(nil, section, id)
		if twice := authres.Strip(nil, once, id); string(once) != string(twice) {
			t.Fatalf("%q, then %q", once, twice)
		}
		if len(id) < 400 && !authres.Claims(value(t, authres.Append(nil, id)), id) {
			t.Fatalf("our own field with id %q is let through", id)
		}
	})
}

func TestCut(t *testing.T) {
	for value, want := range map[string][2]string{
		" mx.example; spf=pass smtp.mailfrom=a@b;\r\n dkim=pass (a; b) header.d=c ": {"mx.example", "spf=pass smtp.mailfrom=a@b;\r\n dkim=pass (a; b) header.d=c"},
		"mx.example (x;y) 1; ;dmarc=fail;":                                          {"mx.example", "dmarc=fail"},
		"mx.example; none":                                                          {"mx.example", ""},
		"mx.example":                                                                {"mx.example", ""},
		"\"mx;example\"; a=b reason=\"c;d\"":                                        {"mx;example", "a=b reason=\"c;d\""},
	} {
		id, results, err := authres.Cut(value)
		if err != nil || id != want[0] || results != want[1] {
			t.Errorf("%q: %q, %q, %v", value, id, results, err)
		}
	}
	if _, _, err := authres.Cut("; spf=pass"); !errors.Is(err, authres.ErrSyntax) {
		t.Error(err)
	}
}
