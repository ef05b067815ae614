package arc_test

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/mailbricks/mailbricks/auth/arc"
	"github.com/mailbricks/mailbricks/auth/authres"
	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/dkim"
)

const letter = "From: Ann <ann@example.com>\r\nTo: list@lists.example\r\nSubject: a letter\r\n\r\nHello\r\n"

// hosts are sealers h1.example to hN.example with keys in a zone.
type hosts struct {
	t    testing.TB
	zone *dnstest.Zone
	keys map[dkim.Algorithm]crypto.Signer
}

func newHosts(t testing.TB) *hosts {
	h := &hosts{t, dnstest.New(), map[dkim.Algorithm]crypto.Signer{}}
	for _, a := range []dkim.Algorithm{dkim.RSASHA256, dkim.Ed25519SHA256} {
		key, err := dkim.GenerateKey(a)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := dkim.AppendRecord(nil, key.Public())
		if err != nil {
			t.Fatal(err)
		}
		h.keys[a] = key
		for i := range 52 {
			h.zone.AddTXT(fmt.Sprintf("%s._domainkey.h%d.example", a[:3], i), string(rec))
		}
	}
	return h
}

func (h *hosts) sealer(i int, a dkim.Algorithm) arc.Sealer {
	return arc.Sealer{Domain: fmt.Sprintf("h%d.example", i), Selector: string(a[:3]), Key: h.keys[a], ID: fmt.Sprintf("mx.h%d.example", i)}
}

// seal adds a set, with the status that the message has.
func (h *hosts) seal(i int, m string) string {
	h.t.Helper()
	fields, err := h.sealer(i, dkim.Ed25519SHA256).Seal(strings.NewReader(m), h.verify(m).Value, authres.Result{Method: "dkim", Value: "pass"})
	if err != nil {
		h.t.Fatal(err)
	}
	return string(fields) + m
}

func (h *hosts) verifier() arc.Verifier { return arc.Verifier{Resolver: h.zone, MaxKeys: 60} }

func (h *hosts) verify(m string) *arc.Result {
	h.t.Helper()
	r, err := h.verifier().Verify(h.t.Context(), strings.NewReader(m))
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// TestChain seals a message on its way over many hosts, one of which changes it.
func TestChain(t *testing.T) {
	h := newHosts(t)
	m := letter
	for i := 1; i <= 4; i++ {
		m = h.seal(i, m)
		r := h.verify(m)
		if r.Value != arc.Pass || len(r.Sets) != i || r.OldestPass != 0 || r.Sets[i-1].Seal.Domain != fmt.Sprintf("h%d.example", i) || !strings.HasPrefix(r.Sets[0].Results, "mx.h1.example;") {
			t.Fatalf("%d sets: %+v", i, r)
		}
	}
	// A list takes the message in, changes it, and seals what leaves.
	in := h.seal(2, h.seal(1, letter))
	out := strings.Replace(in, "Hello\r\n", "Hello\r\n--\r\nthe list\r\n", 1)
	fields, err := h.sealer(3, dkim.RSASHA256).Seal(strings.NewReader(out), h.verify(in).Value)
	if err != nil {
		t.Fatal(err)
	}
	r := h.verify(string(fields) + out)
	if r.Value != arc.Pass || r.OldestPass != 3 || string(r.AppendResult(nil)) != "arc=pass header.oldest-pass=3" {
		t.Errorf("%s, %v, oldest %d", r.Value, r.Err, r.OldestPass)
	}
	if got := string(r.AppendComment(nil)); got != "arc=pass as[3].d=h3.example as[3].s=rsa as[2].d=h2.example as[2].s=ed2 as[1].d=h1.example as[1].s=ed2" {
		t.Error(got)
	}
	// A chain that fails is sealed as such, and then no more.
	bad := h.seal(4, out)
	if r := h.verify(bad); r.Value != arc.Fail || !errors.Is(r.Err, arc.ErrMarked) || !strings.Contains(bad, "cv=fail") {
		t.Errorf("%s, %v", r.Value, r.Err)
	}
	if again := h.seal(5, bad); again != bad {
		t.Error("a chain marked as broken was sealed")
	}
}

// TestFull: 50 sets, not one more.
func TestFull(t *testing.T) {
	h := newHosts(t)
	m := letter
	for i := 1; i <= arc.MaxSets; i++ {
		fields, err := h.sealer(i, dkim.Ed25519SHA256).Seal(strings.NewReader(m), map[bool]arc.Value{true: arc.None, false: arc.Pass}[i == 1])
		if err != nil {
			t.Fatal(err)
		}
		m = string(fields) + m
	}
	if r := h.verify(m); r.Value != arc.Pass {
		t.Errorf("%s, %v", r.Value, r.Err)
	}
	if _, err := h.sealer(51, dkim.Ed25519SHA256).Seal(strings.NewReader(m), arc.Pass); !errors.Is(err, arc.ErrFull) {
		t.Error(err)
	}
	var mu sync.Mutex
	asked := 0
	h.zone.Observe(func(string, string) { mu.Lock(); asked++; mu.Unlock() })
	v := arc.Verifier{Resolver: h.zone}
	if r, err := v.Verify(t.Context(), strings.NewReader(m)); err != nil || r.Value != arc.Fail || !errors.Is(r.Err, arc.ErrKeys) || asked > arc.DefaultMaxKeys {
		t.Errorf("%v, %v, %d questions", r.Err, err, asked)
	}
	asked = 0
	if r := h.verify(strings.Repeat("ARC-Seal: i=1; a=rsa-sha256; cv=none; d=h1.example; s=rsa; b=AAAA\r\n", 10000) + letter); r.Value != arc.Fail || !errors.Is(r.Err, arc.ErrStructure) || asked > 0 {
		t.Errorf("10000 fields: %v, %d questions", r.Err, asked)
	}
	if r := h.verify(strings.ReplaceAll(m, "i=50;", "i=51;")); r.Value != arc.Fail || asked > 0 {
		t.Errorf("51 sets: %v, %d questions", r.Err, asked)
	}
}

// TestAttacks: chains that somebody has changed or invented, and why each fails. Nothing is asked of DNS before the
// structure is right.
func TestAttacks(t *testing.T) {
	h := newHosts(t)
	one, two := h.seal(1, letter), h.seal(2, h.seal(1, letter))
	replace := func(m, old, new string) string {
		t.Helper()
		if !strings.Contains(m, old) {
			t.Fatalf("no %q in %s", old, m)
		}
		return strings.Replace(m, old, new, 1)
	}
	var mu sync.Mutex
	asked := 0
	h.zone.Observe(func(string, string) { mu.Lock(); asked++; mu.Unlock() })
	for name, tt := range map[string]struct {
		message string
		err     error
		asks    bool
	}{
		"body":                  {one + "PS\r\n", dkim.ErrBodyHash, true},
		"subject":               {replace(one, "a letter", "the letter"), dkim.ErrVerify, true},
		"older results":         {replace(two, "mx.h1.example", "mx.h9.example"), arc.ErrSeal, true},
		"newest results":        {replace(two, "mx.h2.example", "mx.h9.example"), arc.ErrSeal, true},
		"gap":                   {strings.ReplaceAll(two, "i=2;", "i=3;"), arc.ErrStructure, false},
		"instance 0":            {strings.ReplaceAll(one, "i=1;", "i=0;"), arc.ErrStructure, false},
		"instance 01":           {strings.ReplaceAll(one, "i=1;", "i=01;"), arc.ErrStructure, false},
		"instance 51":           {strings.ReplaceAll(one, "i=1;", "i=51;"), arc.ErrStructure, false},
		"instance 1e1":          {strings.ReplaceAll(one, "i=1;", "i=1e1;"), arc.ErrStructure, false},
		"twice":                 {one[:strings.Index(one, "From:")] + one, arc.ErrStructure, false},
		"first says pass":       {replace(one, "cv=none", "cv=pass"), arc.ErrStructure, false},
		"second says none":      {replace(two, "cv=pass", "cv=none"), arc.ErrStructure, false},
		"status in capitals":    {replace(one, "cv=none", "cv=None"), arc.ErrStructure, false},
		"fail continued":        {replace(two, "cv=none", "cv=fail"), arc.ErrStructure, false},
		"newest says fail":      {replace(two, "cv=pass", "cv=fail"), arc.ErrMarked, false},
		"no seal":               {replace(one, "ARC-Seal", "X-Seal"), arc.ErrStructure, false},
		"no message signature":  {replace(one, "ARC-Message-Signature", "X-Signature"), arc.ErrStructure, false},
		"no results":            {replace(one, "ARC-Authentication-Results", "X-Results"), arc.ErrStructure, false},
		"seal with h=":          {replace(one, "cv=none;", "cv=none; h=from;"), arc.ErrStructure, false},
		"empty tag":             {replace(one, "cv=none;", "cv=none;;"), arc.ErrStructure, false},
		"tag twice":             {replace(one, "cv=none;", "cv=none; cv=none;"), arc.ErrStructure, false},
		"seal is covered":       {replace(one, "h=from", "h=arc-seal:from"), dkim.ErrSignature, false},
		"sha1":                  {strings.ReplaceAll(one, "ed25519-sha256", "rsa-sha1"), dkim.ErrAlgorithm, false},
		"part of the body":      {replace(one, "c=relaxed/relaxed;", "c=relaxed/relaxed; l=7;"), dkim.ErrPartial, false},
		"expired before sealed": {replace(one, "c=relaxed/relaxed;", "c=relaxed/relaxed; x=1;"), dkim.ErrSignature, false},
		"expired":               {replace(one, "subject; i=1; s=ed2; t=", "subject; i=1; s=ed2; x=1000; y="), dkim.ErrExpired, false},
		"in the future":         {replace(one, "subject; i=1; s=ed2; t=", "subject; i=1; s=ed2; t=9"), dkim.ErrFuture, false},
		"no key":                {strings.ReplaceAll(one, "d=h1.example", "d=no.example"), dkim.ErrNoKey, true},
	} {
		asked = 0
		r := h.verify(tt.message)
		if r.Value != arc.Fail || !errors.Is(r.Err, tt.err) || (asked > 0) != tt.asks || r.Temporary() {
			t.Errorf("%s: %s, %v, %d questions", name, r.Value, r.Err, asked)
		}
		if _, ok := errors.AsType[*arc.Error](r.Err); !ok || r.Reason() == "" || strings.HasPrefix(r.Reason(), "arc: ") {
			t.Errorf("%s: %T %v", name, r.Err, r.Err)
		}
		entry := string(r.AppendResult(nil))
		if f, err := authres.Parse("x; " + entry); err != nil || len(f.Results) != 1 || f.Results[0].Value != "fail" {
			t.Errorf("%s: %s: %v", name, entry, err)
		}
	}
}

// TestTemporary: an answer that does not come makes the chain fail (RFC 8617 §5.2.1), and is told apart.
func TestTemporary(t *testing.T) {
	h := newHosts(t)
	m := h.seal(1, letter)
	h.zone.Fail("ed2._domainkey.h1.example", dnstest.ServFail)
	r := h.verify(m)
	if r.Value != arc.Fail || !r.Temporary() || string(r.AppendResult(nil)) != `arc=fail reason="key look-up failed"` {
		t.Errorf("%s, %v, %s", r.Value, r.Err, r.AppendResult(nil))
	}
}

// TestShared validates a chain and DKIM signatures over one pass, with DNSSEC state.
func TestShared(t *testing.T) {
	h := newHosts(t)
	signature, err := dkim.Sign(strings.NewReader(letter), dkim.Signer{Domain: "h0.example", Selector: "ed2", Key: h.keys[dkim.Ed25519SHA256]})
	if err != nil {
		t.Fatal(err)
	}
	m := h.seal(2, h.seal(1, string(signature)+letter))
	header, body, _ := strings.Cut(m, "\r\n\r\n")
	for _, secure := range []bool{false, true} {
		if secure {
			h.zone.Sign("example")
		}
		k := dkim.Verifier{Resolver: h.zone}.Begin(t.Context(), []byte(header+"\r\n"))
		section := []byte(header + "\r\n")
		c := arc.Verifier{SecureResolver: h.zone}.Begin(t.Context(), section, k)
		clear(section) // the caller's to use again
		if _, err := io.Copy(io.MultiWriter(k, c), iotest.OneByteReader(strings.NewReader(body))); err != nil {
			t.Fatal(err)
		}
		signatures := k.Results()
		r := c.Result()
		r.RemoteIP = netip.MustParseAddr("2001:db8::1")
		if signatures[0].Value != dkim.Pass || r.Value != arc.Pass || r.Secure != secure || string(r.AppendResult(nil)) != `arc=pass header.oldest-pass=0 smtp.remote-ip="2001:db8::1"` {
			t.Errorf("%v, %s, %v, %s", signatures[0].Err, r.Value, r.Err, r.AppendResult(nil))
		}
		if err := errors.Join(c.Close(), k.Close()); err != nil {
			t.Error(err)
		}
	}
}

// TestSealer: what cannot be sealed, and that a seal does not depend on how the message is cut or on its line ends.
func TestSealer(t *testing.T) {
	h := newHosts(t)
	good := h.sealer(1, dkim.RSASHA256)
	good.Now = func() time.Time { return time.Unix(1e9, 0) }
	for name, do := range map[string]func(*arc.Sealer) (string, arc.Value){
		"no domain":       func(s *arc.Sealer) (string, arc.Value) { s.Domain = ""; return letter, arc.None },
		"no name":         func(s *arc.Sealer) (string, arc.Value) { s.ID = ""; return letter, arc.None },
		"status":          func(*arc.Sealer) (string, arc.Value) { return letter, "good" },
		"none of a chain": func(*arc.Sealer) (string, arc.Value) { return h.seal(1, letter), arc.None },
		"pass without":    func(*arc.Sealer) (string, arc.Value) { return letter, arc.Pass },
		"pass of a ruin":  func(*arc.Sealer) (string, arc.Value) { return "ARC-Seal: i=1\r\n" + letter, arc.Pass },
		"results signed": func(s *arc.Sealer) (string, arc.Value) {
			s.Headers = []string{"authentication-results"}
			return letter, arc.None
		},
		"ARC signed":        func(s *arc.Sealer) (string, arc.Value) { s.Headers = []string{"arc-seal"}; return letter, arc.None },
		"no name of header": func(s *arc.Sealer) (string, arc.Value) { s.Headers = []string{"a:b"}; return letter, arc.None },
	} {
		s := good
		m, cv := do(&s)
		if got, err := s.Seal(strings.NewReader(m), cv); err == nil || got != nil || !strings.HasPrefix(err.Error(), "arc: ") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := good.Seal(iotest.ErrReader(io.ErrUnexpectedEOF), arc.None); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	long := strings.Repeat("Resent-To: somebody@example.com\r\nResent-Message-Header: x\r\n", 20) + letter + strings.Repeat("some \t text  \r\n", 1000) + "\r\n\r\n"
	want, err := good.Seal(strings.NewReader(long), arc.None)
	if err != nil {
		t.Fatal(err)
	}
	if r := h.verify(string(want) + long); r.Value != arc.Pass {
		t.Errorf("%v", r.Err)
	}
	for line := range strings.SplitSeq(string(want), "\r\n") {
		if len(line) > 998 || len(line) > 78 && !strings.HasPrefix(line, " b=") {
			t.Errorf("line of %d octets: %s", len(line), line)
		}
	}
	for _, r := range []io.Reader{iotest.OneByteReader(strings.NewReader(long)), iotest.HalfReader(strings.NewReader(long)), dkim.NewCRLFReader(strings.NewReader(strings.ReplaceAll(long, "\r\n", "\n")))} {
		if got, err := good.Seal(r, arc.None); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v: %s", err, got)
		}
	}
}

// TestMerge: results of this host are taken from the message, those of others are not.
func TestMerge(t *testing.T) {
	h := newHosts(t)
	m := "Authentication-Results: MX.h1.example; spf=pass\r\n smtp.mailfrom=a@b;\r\nAuthentication-Results: other.example; dkim=pass\r\n" +
		"Authentication-Results: mx.h1.example; none\r\nAuthentication-Results: mx.h1.example; dkim=pass (a; b) reason=\"c;d\"\r\nAuthentication-Results: ;;\r\n" + letter
	fields, err := h.sealer(1, dkim.Ed25519SHA256).Seal(strings.NewReader(m), arc.None)
	if err != nil {
		t.Fatal(err)
	}
	r := h.verify(string(fields) + m)
	if want := "mx.h1.example;\r\n spf=pass\r\n smtp.mailfrom=a@b;\r\n dkim=pass (a; b) reason=\"c;d\""; r.Value != arc.Pass || r.Sets[0].Results != want {
		t.Errorf("%s, %v: %q", r.Value, r.Err, r.Sets[0].Results)
	}
}

// slow is a resolver that answers when the context ends.
type slow struct{}

func (slow) LookupTXT(ctx context.Context, name string) ([]string, error) {
	<-ctx.Done()
	return nil, &net.DNSError{Err: ctx.Err().Error(), Name: name, IsTimeout: true}
}

// TestClose: no look-up outlives Close.
func TestClose(t *testing.T) {
	h := newHosts(t)
	m := h.seal(1, letter)
	c := arc.Verifier{Resolver: slow{}}.Begin(t.Context(), []byte(m), nil)
	done := make(chan error)
	go func() { done <- c.Close() }()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := (arc.Verifier{Resolver: h.zone}).Verify(t.Context(), io.MultiReader(strings.NewReader(m), iotest.ErrReader(io.ErrUnexpectedEOF))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}

func FuzzVerify(f *testing.F) {
	h := newHosts(f)
	f.Add(h.seal(2, h.seal(1, letter)))
	f.Add("ARC-Seal: i=1; cv=none; a=x; b=; d=; s=\r\nARC-Message-Signature: i=1; h=\r\nARC-Authentication-Results: (x) i (y) = (z) 1 (;); a\r\n\r\n")
	f.Add("ARC-Authentication-Results: ))((i=1\r\nARC-Seal: i=50; cv=fail\r\n")
	f.Fuzz(func(t *testing.T, m string) {
		h := &hosts{t, h.zone, h.keys}
		r, err := h.verifier().Verify(t.Context(), strings.NewReader(m))
		if err != nil {
			return
		}
		if f, err := authres.Parse("x; " + string(r.AppendResult(nil))); err != nil || len(f.Results) != 1 || f.Results[0].Value != string(r.Value) {
			t.Errorf("%q: %v", r.AppendResult(nil), err)
		}
		fields, err := h.sealer(3, dkim.Ed25519SHA256).Seal(strings.NewReader(m), r.Value, r)
		if err != nil || fields == nil || r.Value == arc.Fail {
			return
		}
		if sealed := h.verify(string(fields) + m); sealed.Value != arc.Pass || len(sealed.Sets) != len(r.Sets)+1 {
			t.Errorf("sealed with %s: %s, %v\n%s", r.Value, sealed.Value, sealed.Err, fields)
		}
	})
}
