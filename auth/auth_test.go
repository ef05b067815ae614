package auth_test

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/auth"
	"github.com/mailbricks/mailbricks/auth/authres"
	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/dmarc"
	"github.com/mailbricks/mailbricks/spf"
)

const letter = "From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: a letter\r\n\r\nHello\r\n"

var from = auth.Connection{IP: netip.MustParseAddr("192.0.2.7"), HELO: "mail.example.com", MailFrom: "ann@example.com"}

// world is a zone where example.com has everything, and its key.
func world(t testing.TB) (*dnstest.Zone, crypto.Signer) {
	t.Helper()
	z := dnstest.New()
	z.AddTXT("example.com", "v=spf1 mx -all")
	z.AddMX("example.com", 10, "mail.example.com")
	z.AddAddr("mail.example.com", from.IP)
	z.AddTXT("_dmarc.example.com", "v=DMARC1; p=reject")
	key, err := dkim.GenerateKey(dkim.Ed25519SHA256)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := dkim.AppendRecord(nil, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	z.AddTXT("s._domainkey.example.com", string(rec))
	return z, key
}

func signed(t testing.TB, key crypto.Signer, domain, message string) string {
	t.Helper()
	f, err := dkim.Sign(strings.NewReader(message), dkim.Signer{Domain: domain, Selector: "s", Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return string(f) + message
}

func check(t testing.TB, c auth.Checker, conn auth.Connection, message string) *auth.Verdict {
	t.Helper()
	v, err := c.Check(t.Context(), conn, strings.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func keywords(v *auth.Verdict) string {
	return fmt.Sprint(v.SPF.Result, " ", v.DKIMResult(), " ", v.DMARC.Value)
}

func TestCheck(t *testing.T) {
	z, key := world(t)
	good := signed(t, key, "example.com", letter)
	z.AddTXT("slow.example", "v=spf1 include:void.example -all")
	z.AddTXT("_dmarc.slow.example", "v=DMARC1; p=reject")
	z.Fail("void.example", dnstest.ServFail)
	elsewhere := auth.Connection{IP: netip.MustParseAddr("198.51.100.1"), HELO: "x.example", MailFrom: "eve@example.net"}
	for name, tt := range map[string]struct {
		conn      auth.Connection
		message   string
		want      string
		undecided bool
	}{
		"all":             {from, good, "pass pass pass", false},
		"SPF alone":       {from, letter, "pass none pass", false},
		"DKIM alone":      {elsewhere, good, "none pass pass", false},
		"nothing":         {elsewhere, letter, "none none fail", false},
		"changed":         {elsewhere, good + "PS\r\n", "none fail fail", false},
		"no connection":   {auth.Connection{}, good, "none pass pass", false},
		"one good of two": {elsewhere, strings.Replace(good, "; b=", "; b=AAAA", 1)[:strings.Index(good, "From:")+4] + good, "none pass pass", false},
		"HELO alone":      {auth.Connection{IP: from.IP, HELO: "example.com"}, letter, "pass none fail", false},
		"no header":       {from, "", "pass none none", false},
		"two authors":     {from, "From: eve@example.net\r\n" + good, "pass fail permerror", false},
		"SPF not known":   {auth.Connection{IP: from.IP, HELO: "x.example", MailFrom: "a@slow.example"}, strings.Replace(letter, "example.com", "slow.example", 1), "temperror none fail", true},
	} {
		v := check(t, auth.Checker{ID: "mx.example.org", Resolver: z}, tt.conn, tt.message)
		if got := keywords(v); got != tt.want || v.Undecided() != tt.undecided {
			t.Errorf("%s: %s, undecided %v", name, got, v.Undecided())
		}
		if !strings.HasPrefix(string(v.Field), "Authentication-Results: mx.example.org;\r\n spf="+string(v.SPF.Result)) ||
			!strings.Contains(string(v.Field), "\r\n dmarc="+string(v.DMARC.Value)) || !strings.Contains(string(v.Field), "\r\n dkim=") {
			t.Errorf("%s: %q", name, v.Field)
		}
	}
}

// TestAuthors: there is one author domain that every reader sees, or the message is refused.
func TestAuthors(t *testing.T) {
	z, _ := world(t)
	for header, want := range map[string]dmarc.Value{
		"From: ann@example.com\r\n":                                                  dmarc.Pass,
		"from:ann@example.com\r\n":                                                   dmarc.Pass,
		"From : ann@example.com\r\n":                                                 dmarc.Pass,
		"From\t:\r\n ann@example.com\r\n":                                            dmarc.Pass,
		"From: ann@example.com\n":                                                    dmarc.Pass,
		"Subject: x\r\n From: eve@evil.example\r\nFrom: ann@example.com\r\n":         dmarc.Pass, // folded
		"X-From: eve@evil.example\r\nFrom: ann@example.com\r\n":                      dmarc.Pass,
		"From ann@example.com Tue Nov 24 10:00:00 2026\r\nFrom: ann@example.com\r\n": dmarc.Pass,
		" From: eve@evil.example\r\nFrom: ann@example.com\r\n":                       dmarc.PermError,
		"\tFrom: ann@example.com\r\n":                                                dmarc.PermError,
		"From\x00: eve@evil.example\r\nFrom: ann@example.com\r\n":                    dmarc.PermError,
		"From: ann@example.com\r\nFrom\x00: eve@evil.example\r\n":                    dmarc.PermError,
		"From\xc2\xa0: eve@evil.example\r\nFrom: ann@example.com\r\n":                dmarc.PermError,
		"\xef\xbb\xbfFrom: eve@evil.example\r\nFrom: ann@example.com\r\n":            dmarc.PermError,
		"Fr om: eve@evil.example\r\nFrom: ann@example.com\r\n":                       dmarc.PermError,
		"Subject: x\rFrom: eve@evil.example\r\nFrom: ann@example.com\r\n":            dmarc.PermError,
		"Subject: x\r\rFrom : eve@evil.example\r\nFrom: ann@example.com\r\n":         dmarc.PermError,
		"From: ann@example.com\rFrom: eve@evil.example\r\n":                          dmarc.PermError,
		"From: ann@example.com\r\nFROM: ann@example.com\r\n":                         dmarc.PermError,
		"From: ann@example.com, eve@evil.example\r\n":                                dmarc.PermError,
		"From: ann@example.com\x00.evil.example\r\n":                                 dmarc.PermError,
		"From:\r\n":                        dmarc.PermError,
		"From: undisclosed:;\r\n":          dmarc.None,
		"Sender: ann@example.com\r\n":      dmarc.None,
		"Resent-From: ann@example.com\r\n": dmarc.None,
	} {
		if v := check(t, auth.Checker{ID: "x", Resolver: z}, from, header+"\r\nFrom: body@example.net\r\n"); v.DMARC.Value != want {
			t.Errorf("%q: %s, %s; want %s", header, v.DMARC.Value, v.DMARC.Reason, want)
		}
	}
}

// TestTrace: each question once, its answer and DNSSEC state, and what followed.
func TestTrace(t *testing.T) {
	z, key := world(t)
	z.Sign("example.com")
	z.Unsign("_dmarc.example.com")
	z.AddTXT("_dmarc.example.com", "something else")
	asked := map[string]int{}
	var mu sync.Mutex
	z.Observe(func(name, qtype string) {
		mu.Lock()
		defer mu.Unlock()
		asked[qtype+" "+name]++
	})
	m := signed(t, key, "example.com", letter)
	v := check(t, auth.Checker{ID: "mx.example.org", SecureResolver: z}, from, signed(t, key, "example.com", m))
	if got := keywords(v); got != "pass pass pass" {
		t.Fatal(got)
	}
	for q, n := range asked {
		if n != 1 {
			t.Errorf("%s was asked %d times", q, n)
		}
	}
	if len(v.Questions) != len(asked) {
		t.Errorf("%d questions on record, %d asked: %v", len(v.Questions), len(asked), v.Questions)
	}
	got := map[string]auth.Question{}
	for _, q := range v.Questions {
		got[q.String()] = q
	}
	for name, tt := range map[string]struct {
		answer string
		state  auth.DNSSEC
		check  string
	}{
		"TXT example.com":        {"v=spf1 mx -all", auth.Secure, "spf"},
		"MX example.com":         {"10 mail.example.com.", auth.Secure, "spf"},
		"A mail.example.com":     {"192.0.2.7", auth.Secure, "spf"},
		"TXT _dmarc.example.com": {"v=DMARC1; p=reject|something else", auth.Insecure, "dmarc"},
		"TXT _dmarc.com":         {"", auth.Insecure, "dmarc"},
	} {
		q := got[name]
		if strings.Join(q.Answer, "|") != tt.answer || q.DNSSEC != tt.state || !slices.Equal(q.Checks, []string{tt.check}) || (q.Err == nil) != (tt.answer != "") {
			t.Errorf("%s: %+v", name, q)
		}
	}
	if !v.Secure("spf") || !v.Secure("dkim") || v.Secure("dmarc") || v.Secure("arc") || !v.DKIM[0].Secure {
		t.Error("DNSSEC state of the checks")
	}
	var text []string
	for _, s := range v.Trace() {
		text = append(text, strings.Join([]string{s.Check, s.Question, s.DNSSEC.String(), s.Rule}, "|"))
	}
	for _, want := range []string{"spf|TXT example.com|secure|", "spf|||matches: pass", "spf|||pass: mx", "dkim|TXT s._domainkey.example.com|secure|pass",
		"dmarc|TXT _dmarc.example.com|insecure|", "dmarc|||pass: DKIM of example.com is aligned with example.com"} {
		if !slices.Contains(text, want) {
			t.Errorf("no step %q in\n%s", want, strings.Join(text, "\n"))
		}
	}
	unknown := check(t, auth.Checker{ID: "x", Resolver: z}, from, letter)
	if q := unknown.Questions[0]; q.DNSSEC != auth.Unknown || unknown.Secure("spf") {
		t.Errorf("%+v", q)
	}
}

// TestSplits: the verdict does not depend on how the body is cut.
func TestSplits(t *testing.T) {
	z, key := world(t)
	m := signed(t, key, "example.com", letter+strings.Repeat("a line  with spaces \r\n\r\n", 50)+"\r\n\r\n")
	c := auth.Checker{ID: "mx.example.org", Resolver: z}
	want := check(t, c, from, m)
	for name, r := range map[string]io.Reader{"octets": iotest.OneByteReader(strings.NewReader(m)), "halves": iotest.HalfReader(strings.NewReader(m)), "with EOF": iotest.DataErrReader(strings.NewReader(m))} {
		v, err := c.Check(t.Context(), from, r)
		if err != nil || string(v.Field) != string(want.Field) || keywords(v) != "pass pass pass" {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
}

// TestBudget: what one message may make us ask is bounded, for all checks together, and SPF leaves something over.
func TestBudget(t *testing.T) {
	z, key := world(t)
	many := []string{"v=spf1"}
	for i := range 10 {
		many = append(many, fmt.Sprintf("mx:m%d.many.example", i))
		for j := range 10 {
			z.AddMX(fmt.Sprintf("m%d.many.example", i), 10, fmt.Sprintf("h%d.m%d.many.example", j, i))
			z.AddAddr(fmt.Sprintf("h%d.m%d.many.example", j, i), netip.MustParseAddr("203.0.113.1"))
		}
	}
	z.AddTXT("many.example", strings.Join(many, " ")+" -all exp=why.many.example")
	z.AddTXT("why.many.example", "no")
	conn := auth.Connection{IP: from.IP, HELO: "x.example", MailFrom: "a@many.example"}
	m := signed(t, key, "example.com", letter)
	asked := func(v *auth.Verdict, check string) (n int) {
		for _, q := range v.Questions {
			if slices.Contains(q.Checks, check) {
				n++
			}
		}
		return n
	}
	// The default is enough for the most that RFC 7208 allows.
	v := check(t, auth.Checker{ID: "x", Resolver: z}, conn, m)
	if got := keywords(v); got != "fail pass pass" || asked(v, "spf") != 112 || v.SPF.Explanation != "no" {
		t.Errorf("%s, %d questions by SPF: %v", got, asked(v, "spf"), v.SPF.Err)
	}
	// A small one ends SPF, and leaves the quarter for the others.
	v = check(t, auth.Checker{ID: "x", Resolver: z, Budget: auth.Budget{Queries: 16}}, conn, m)
	over, ok := errors.AsType[*auth.BudgetError](v.SPF.Err)
	if got := keywords(v); got != "permerror pass pass" || asked(v, "spf") != 12 || !ok || over.Queries != 12 || over.Check != "spf" {
		t.Errorf("%s, %d questions by SPF: %v", got, asked(v, "spf"), v.SPF.Err)
	}
	if e, ok := errors.AsType[*spf.Error](v.SPF.Err); !ok || e.Code != spf.CodeLookups || !strings.Contains(string(v.Field), "over the budget of 12") {
		t.Errorf("%v, %q", v.SPF.Err, v.Field)
	}
	// With none at all, keys and policy are not known, which is not a fail.
	v = check(t, auth.Checker{ID: "x", Resolver: z, Budget: auth.Budget{Queries: -1}}, from, m)
	if got := keywords(v); got != "permerror temperror temperror" || len(v.Questions) != 0 || !v.Undecided() {
		t.Errorf("%s, %v", got, v.Questions)
	}
	for _, err := range []error{v.DKIM[0].Err, v.DMARC.Err} {
		if _, ok := errors.AsType[*auth.BudgetError](err); !ok {
			t.Error(err)
		}
	}
	// Signatures.
	v = check(t, auth.Checker{ID: "x", Resolver: z, Budget: auth.Budget{Signatures: 1}}, from, m[:strings.Index(m, "From:")]+m[:strings.Index(m, "From:")]+m)
	if len(v.DKIM) != 3 || !errors.Is(v.DKIM[0].Err, dkim.ErrTooMany) || v.DKIM[2].Value != dkim.Pass || strings.Count(string(v.Field), " dkim=") != 2 {
		t.Errorf("%q", v.Field)
	}
}

// TestNoAnswer: a failure has no DNSSEC state, and what the resolver says of itself does not leave the house.
func TestNoAnswer(t *testing.T) {
	z, key := world(t)
	z.Sign("example.com")
	for _, name := range []string{"example.com", "s._domainkey.example.com", "_dmarc.example.com"} {
		z.Fail(name, dnstest.ServFail)
	}
	v := check(t, auth.Checker{ID: "mx.example.org", SecureResolver: z}, from, signed(t, key, "example.com", letter))
	if got := keywords(v); got != "temperror temperror temperror" || v.Secure("spf") || !v.Undecided() {
		t.Error(got)
	}
	for _, q := range v.Questions {
		if q.Err == nil || q.DNSSEC != auth.Unknown || strings.Contains(string(v.Field), q.Err.Error()) {
			t.Errorf("%+v in %s", q, v.Field)
		}
	}
	if strings.Contains(string(v.SPF.AppendReceived(nil, "mx.example.org")), "lookup") {
		t.Errorf("%s", v.SPF.AppendReceived(nil, "mx.example.org"))
	}
}

// silent never answers.
type silent struct{ *dnstest.Zone }

func (silent) LookupTXT(ctx context.Context, _ string) ([]string, error) {
	<-ctx.Done()
	return nil, &net.DNSError{Err: "no answer", IsTimeout: true}
}

// TestSilence: a DNS that never answers holds a message for a bounded time, an abandoned one not at all.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, key := world(t)
		c := auth.Checker{ID: "x", Resolver: silent{dnstest.New()}, Budget: auth.Budget{Time: 5 * time.Second}}
		start := time.Now()
		v := check(t, c, from, signed(t, key, "example.com", letter))
		if d := time.Since(start); keywords(v) != "temperror temperror temperror" || d > 10*time.Second {
			t.Errorf("%s after %v", keywords(v), d)
		}
		start = time.Now()
		for _, stage := range []func(*auth.Check){func(*auth.Check) {}, func(k *auth.Check) { k.Header(t.Context(), []byte(letter)) }} {
			k := c.Begin(t.Context(), from)
			stage(k)
			if err := k.Close(); err != nil || time.Since(start) != 0 {
				t.Errorf("%v, after %v", err, time.Since(start))
			}
		} // synctest finds a goroutine that is left
	})
}

func TestOrder(t *testing.T) {
	z, key := world(t)
	c := auth.Checker{ID: "x", Resolver: z}
	k := c.Begin(t.Context(), from)
	defer k.Close()
	if _, err := io.WriteString(k, "body"); err == nil {
		t.Error("a body before the header")
	}
	section, body, _ := strings.Cut(signed(t, key, "example.com", letter), "\r\n\r\n")
	k.Header(t.Context(), []byte(section+"\r\n"))
	if _, err := io.WriteString(k, body); err != nil {
		t.Error(err)
	}
	if v := k.Verdict(); keywords(v) != "pass pass pass" || k.Verdict() != v {
		t.Error(keywords(v))
	}
	broken := errors.New("broken")
	for _, r := range []io.Reader{iotest.ErrReader(broken), io.MultiReader(strings.NewReader(letter), iotest.ErrReader(broken))} {
		if _, err := c.Check(t.Context(), from, r); !errors.Is(err, broken) {
			t.Error(err)
		}
	}
	none := auth.Checker{}.Begin(t.Context(), auth.Connection{})
	defer none.Close()
	if v := none.Verdict(); v.DMARC.Value != dmarc.None {
		t.Error(keywords(v))
	}
}

// FuzzCheck: whatever a stranger writes, the field says what the verdict says, and nothing else.
func FuzzCheck(f *testing.F) {
	z, key := world(f)
	f.Add(signed(f, key, "example.com", letter), "mail.example.com", "ann@example.com")
	f.Add("From: a@b, c@d\r\nDKIM-Signature: v=1; d=x(y; s=\"; b=;\r\n\r\n", "a\r\nb", "a\"b;c@d(e")
	f.Fuzz(func(t *testing.T, message, helo, mailFrom string) {
		v := check(t, auth.Checker{ID: "mx.example.org", Resolver: z}, auth.Connection{IP: from.IP, HELO: helo, MailFrom: mailFrom}, message)
		value, ok := strings.CutPrefix(string(v.Field), authres.Name+":")
		field, err := authres.Parse(strings.TrimSuffix(value, "\r\n"))
		if !ok || err != nil || field.ID != "mx.example.org" || len(field.Results) < 3 {
			t.Fatalf("%q: %+v, %v", v.Field, field, err)
		}
		first, last := field.Results[0], field.Results[len(field.Results)-1]
		if first.Method != "spf" || first.Value != string(v.SPF.Result) || last.Method != "dmarc" || last.Value != string(v.DMARC.Value) {
			t.Fatalf("%q", v.Field)
		}
		for _, r := range field.Results[1 : len(field.Results)-1] {
			if r.Method != "dkim" {
				t.Fatalf("%q", v.Field)
			}
		}
	})
}

// A program that wants to know who a message is from.
func ExampleChecker() {
	zone := dnstest.New()
	zone.AddTXT("example.com", "v=spf1 ip4:192.0.2.0/24 -all")
	zone.AddTXT("_dmarc.example.com", "v=DMARC1; p=reject")

	c := auth.Checker{ID: "mx.example.org", Resolver: zone}
	conn := auth.Connection{IP: netip.MustParseAddr("192.0.2.7"), HELO: "mail.example.com", MailFrom: "ann@example.com"}
	v, err := c.Check(context.Background(), conn, strings.NewReader("From: Ann <ann@example.com>\r\n\r\nHello\r\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(strings.ReplaceAll(string(v.Field), "\r", ""))
	for _, s := range v.Trace() {
		if s.Question != "" {
			fmt.Println(s.Check, "asks", s.Question, "=", s.Answer)
		}
		if s.Rule != "" {
			fmt.Println(s.Check, s.Rule)
		}
	}
	// Output:
	// Authentication-Results: mx.example.org;
	//  spf=pass smtp.mailfrom=ann@example.com;
	//  dkim=none;
	//  dmarc=pass header.from=example.com policy.dmarc=reject
	// spf asks TXT example.com = v=spf1 ip4:192.0.2.0/24 -all
	// spf matches: pass
	// spf pass: ip4:192.0.2.0/24
	// dkim none: the message has no signature
	// dmarc asks TXT _dmarc.example.com = v=DMARC1; p=reject
	// dmarc asks TXT _dmarc.com = none
	// dmarc pass: SPF of example.com is aligned with example.com
}
