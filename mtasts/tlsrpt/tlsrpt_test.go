package tlsrpt_test

import (
	"bytes"
	"compress/gzip"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/mtasts/tlsrpt"
)

// TestSuite reads the public reports. Those in mail have what their JSON beside them has; each is written again and read
// back without loss.
func TestSuite(t *testing.T) {
	dir := suites.Dir(t, "tlsrpt/mail-auth")
	n := 0
	for _, name := range []string{"rpt01", "rpt02", "rpt03"} {
		text, err := os.ReadFile(filepath.Join(dir, name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		want, err := tlsrpt.Read(bytes.NewReader(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		n++
		again, err := tlsrpt.Read(bytes.NewReader(want.Append(nil)))
		if again != nil {
			want.Problems, again.Problems = nil, nil
		}
		if err != nil || !reflect.DeepEqual(again, want) {
			t.Errorf("%s: written and read: %+v, %v; want %+v", name, again, err, want)
		}
		var fields map[string]any // what the file has must be in what is written
		if err := json.Unmarshal(text, &fields); err != nil {
			t.Fatal(err)
		}
		var ours map[string]any
		if err := json.Unmarshal(want.Append(nil), &ours); err != nil {
			t.Fatal(err)
		}
		within(t, name, fields, ours)
		mail, err := os.ReadFile(filepath.Join(dir, name+".eml"))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
		got, err := tlsrpt.ReadMessage(bytes.NewReader(mail))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s.eml: %+v, %v; want %+v", name, got, err, want)
		}
	}
	if n != 5 {
		t.Errorf("%d reports", n)
	}
}

// within checks that b has all that a has. Addresses may be written in another way.
func within(t *testing.T, path string, a, b any) {
	t.Helper()
	switch a := a.(type) {
	case map[string]any:
		bm, _ := b.(map[string]any)
		for k, v := range a {
			within(t, path+"/"+k, v, bm[k])
		}
	case []any:
		bl, _ := b.([]any)
		if len(a) != len(bl) {
			t.Errorf("%s: %v, want %v", path, b, a)
			return
		}
		for i := range a {
			within(t, fmt.Sprint(path, "/", i), a[i], bl[i])
		}
	default:
		if strings.HasSuffix(path, "ip") {
			a = netip.MustParseAddr(a.(string)).String()
		}
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s: %v, want %v", path, b, a)
		}
	}
}

// TestRFC8460Records are the examples of RFC 8460 §3.1.
func TestRFC8460Records(t *testing.T) {
	for txt, want := range map[string][]string{
		"v=TLSRPTv1;rua=mailto:reports@example.com":                           {"mailto:reports@example.com"},
		"v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt":             {"https://reporting.example.com/v1/tlsrpt"},
		"v=TLSRPTv1 ; x-y=1; rua=mailto:a@b.example , https://c.example ;":    {"mailto:a@b.example", "https://c.example"},
		"v=TLSRPTv1;rua=mailto:a@b.example;rua=mailto:second@b.example":       {"mailto:a@b.example"},
		"v=TLSRPTv1;\trua=mailto:a@b.example?subject=x%21;future=x_y;more=a-": {"mailto:a@b.example?subject=x%21"},
	} {
		r, err := tlsrpt.ParseRecord(txt)
		if err != nil || !reflect.DeepEqual(r.RUA, want) {
			t.Errorf("%q: %q, %v", txt, r.RUA, err)
		}
		text, err := r.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := tlsrpt.ParseRecord(string(text)); err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%q: %q, %v", text, again, err)
		}
	}
}

func TestMalformedRecords(t *testing.T) {
	for _, txt := range []string{
		"", "v=TLSRPTv1", "v=TLSRPTv1;", "v=TLSRPTv2;rua=mailto:a@b", "V=TLSRPTv1;rua=mailto:a@b", " v=TLSRPTv1;rua=mailto:a@b", "v=TLSRPTv1;rua=", "v=TLSRPTv1;x=1", "v=TLSRPTv1x;rua=mailto:a@b",
		"v=TLSRPTv1;rua=mailto:a", "v=TLSRPTv1;rua=http://a.example", "v=TLSRPTv1;rua=https:", "v=TLSRPTv1;rua=mailto:a@b!10m", "v=TLSRPTv1;rua=mailto:a@b,,mailto:c@d",
		"v=TLSRPTv1;rua=mailto:a@b;;x=1", "v=TLSRPTv1;rua=mailto:a\x00@b", "v=TLSRPTv1;-x=1;rua=mailto:a@b", "v=TLSRPTv1;rua=mailto:a@b;x", "v=TLSRPTv1;rua=%zz:a@b",
		"v=TLSRPTv1;rua=" + strings.Repeat("mailto:a@b,", 20) + "mailto:a@b",
	} {
		if r, err := tlsrpt.ParseRecord(txt); !errors.Is(err, tlsrpt.ErrRecord) {
			t.Errorf("%q: %+v, %v", txt, r, err)
		}
	}
	for _, r := range []tlsrpt.Record{{}, {RUA: []string{"x"}}, {RUA: []string{"mailto:a@b;x=y"}}, {RUA: []string{"mailto:a@b,c"}}} {
		if text, err := r.Append(nil); !errors.Is(err, tlsrpt.ErrRecord) || len(text) > 0 {
			t.Errorf("%+v: %q, %v", r, text, err)
		}
	}
}

func TestLookup(t *testing.T) {
	z := dnstest.New()
	good := "v=TLSRPTv1;rua=mailto:a@b.example"
	z.AddTXT("_smtp._tls.one.example", "something else")
	z.AddTXT("_smtp._tls.one.example", good)
	z.AddTXT("_smtp._tls.two.example", good)
	z.AddTXT("_smtp._tls.two.example", good+",mailto:c@d.example")
	z.AddTXT("_smtp._tls.bad.example", "v=TLSRPTv1;rua=gopher:x")
	z.Fail("_smtp._tls.fail.example", dnstest.ServFail)
	for domain, want := range map[string]error{"one.example": nil, "one.example.": nil, "two.example": tlsrpt.ErrNone, "no.example": tlsrpt.ErrNone, "bad.example": tlsrpt.ErrRecord} {
		r, err := tlsrpt.Lookup(t.Context(), z, domain)
		if !errors.Is(err, want) || want == nil && (err != nil || len(r.RUA) != 1) || want == tlsrpt.ErrRecord && !errors.Is(err, tlsrpt.ErrNone) {
			t.Errorf("%s: %+v, %v", domain, r, err)
		}
	}
	_, err := tlsrpt.Lookup(t.Context(), z, "fail.example")
	if d, ok := errors.AsType[*net.DNSError](err); !ok || !d.IsTemporary || errors.Is(err, tlsrpt.ErrNone) {
		t.Error(err)
	}
}

func gz(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text) // into memory
	_ = w.Close()
	return b.Bytes()
}

// TestMalformedReports: what each gets, and what is read although it is not as it should be.
func TestMalformedReports(t *testing.T) {
	const good = `{"organization-name":"x","date-range":{"start-datetime":"2020-01-01T00:00:00Z","end-datetime":"2020-01-02T00:00:00Z"},"policies":[{"policy":{"policy-type":"sts","policy-domain":"d"},"summary":{"total-successful-session-count":"7"},"failure-details":[{"sending-mta-ip":"192.0.2.1"}]}]}`
	replace := func(old, new string) []byte { return []byte(strings.Replace(good, old, new, 1)) }
	for name, tt := range map[string]struct {
		data     []byte
		err      error
		problems int
	}{
		"good":              {[]byte(good), nil, 0},
		"gzip":              {gz(good), nil, 0},
		"byte order mark":   {[]byte("\xef\xbb\xbf" + good), nil, 0},
		"string for array":  {replace(`"policy-domain"`, `"policy-string":"version: STSv1","mx-host":"*.d","policy-domain"`), nil, 0},
		"no time":           {replace("2020-01-01T00:00:00Z", "yesterday"), nil, 1},
		"no address":        {replace("192.0.2.1", "192.0.2"), nil, 1},
		"type not known":    {replace(`"sts"`, `"x"`), nil, 1},
		"null":              {replace(`"7"`, "null"), nil, 0},
		"empty":             {nil, tlsrpt.ErrReport, 0},
		"not JSON":          {[]byte("<feedback/>"), tlsrpt.ErrReport, 0},
		"cut short":         {[]byte(good[:100]), tlsrpt.ErrReport, 0},
		"two":               {[]byte(good + good), tlsrpt.ErrReport, 0},
		"no policies":       {[]byte("{}"), tlsrpt.ErrReport, 0},
		"negative":          {replace(`"7"`, "-1"), tlsrpt.ErrReport, 0},
		"fraction":          {replace(`"7"`, "1.5"), tlsrpt.ErrReport, 0},
		"too big a number":  {replace(`"7"`, "99999999999999999999"), tlsrpt.ErrReport, 0},
		"wrong type":        {replace(`"sts"`, "[]"), tlsrpt.ErrReport, 0},
		"list of numbers":   {replace(`"policy-domain"`, `"mx-host":[1],"policy-domain"`), tlsrpt.ErrReport, 0},
		"damaged gzip":      {gz(good)[:60], tlsrpt.ErrReport, 0},
		"deep":              {[]byte(strings.Repeat("[", 1<<20)), tlsrpt.ErrReport, 0},
		"bomb":              {gz(`{"x":"` + strings.Repeat("0", 2<<20)), tlsrpt.ErrLimit, 0},
		"too long":          {bytes.Repeat([]byte(" "), 11<<20), tlsrpt.ErrLimit, 0},
		"too many policies": {[]byte(`{"policies":[` + strings.Repeat("{},", tlsrpt.MaxPolicies) + "{}]}"), tlsrpt.ErrLimit, 0},
		"too many failures": {[]byte(`{"policies":[{"failure-details":[` + strings.Repeat("{},", tlsrpt.MaxFailures) + "{}]}]}"), tlsrpt.ErrLimit, 0},
	} {
		r, err := tlsrpt.Read(bytes.NewReader(tt.data))
		if !errors.Is(err, tt.err) || (err == nil) != (r != nil) || r != nil && len(r.Problems) != tt.problems {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	for _, read := range []func(io.Reader) (*tlsrpt.Report, error){tlsrpt.Read, tlsrpt.ReadMessage} {
		if _, err := read(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
	}
	if _, err := tlsrpt.ReadMessage(strings.NewReader("Subject: x\r\n\r\nno report")); !errors.Is(err, tlsrpt.ErrNoReport) {
		t.Error(err)
	}
	if _, err := tlsrpt.ReadMessage(bytes.NewReader(make([]byte, tlsrpt.MaxMessage+1))); !errors.Is(err, tlsrpt.ErrLimit) {
		t.Error(err)
	}
}

// TestCount counts equal sessions together, and the report goes out in a message and comes back.
func TestCount(t *testing.T) {
	day := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	r := &tlsrpt.Report{Organization: "Example \"Net\" <&>", Contact: "tls@example.net", ID: "1", Start: day, End: day.Add(24*time.Hour - time.Second)}
	sts := tlsrpt.Policy{Type: tlsrpt.STS, Domain: "example.com", MX: []string{"*.example.com"}}
	dane := tlsrpt.Policy{Type: tlsrpt.TLSA, Domain: "example.com", Strings: []string{"3 1 1 00"}}
	expired := tlsrpt.Failure{Type: tlsrpt.CertificateExpired, MXHost: "mx.example.com", ReceivingIP: netip.MustParseAddr("192.0.2.1")}
	for range 3 {
		r.Count(sts, nil)
		r.Count(sts, &expired)
	}
	r.Count(dane, &tlsrpt.Failure{Type: tlsrpt.TLSAInvalid})
	r.Count(sts, &tlsrpt.Failure{Type: tlsrpt.StartTLSNotSupported})
	if len(r.Policies) != 2 || r.Policies[0].Success != 3 || r.Policies[0].Failure != 4 || len(r.Policies[0].Failures) != 2 || r.Policies[0].Failures[0].Count != 3 || expired.Count != 0 || r.Policies[1].Failure != 1 {
		t.Errorf("%+v", r)
	}
	m := tlsrpt.Message{From: "tls@example.net", To: "reports@example.com", Domain: "example.com", Submitter: "example.net", MessageID: "1@example.net", Date: day}
	mail, err := r.AppendMessage(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := tlsrpt.ReadMessage(bytes.NewReader(mail))
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("%+v, %v; want %+v", got, err, r)
	}
	for _, want := range []string{"Subject: Report Domain: example.com\r\n Submitter: example.net\r\n Report-ID: <1@example.net>\r\n", "\r\nTLS-Report-Domain: example.com\r\n", "filename=\"example.net!example.com!1777593600!1777679999.json.gz\""} {
		if !strings.Contains(string(mail), want) {
			t.Errorf("no %q in\n%s", want, mail)
		}
	}
	for line := range strings.SplitSeq(string(mail), "\n") {
		if len(line) > 100 || line != "" && !strings.HasSuffix(line, "\r") {
			t.Errorf("line %q", line)
		}
	}
	for _, bad := range []func(*tlsrpt.Message){func(m *tlsrpt.Message) { m.To = "" }, func(m *tlsrpt.Message) { m.Domain = "a\r\nBcc: x" }, func(m *tlsrpt.Message) { m.From = "a> <b" }, func(m *tlsrpt.Message) { m.Submitter = strings.Repeat("a", 400) }} {
		x := m
		bad(&x)
		if out, err := r.AppendMessage(nil, x); !errors.Is(err, tlsrpt.ErrMessage) || len(out) > 0 {
			t.Errorf("%+v: %v", x, err)
		}
	}
}

func TestClassify(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want tlsrpt.ResultType
	}{
		{x509.CertificateInvalidError{Reason: x509.Expired}, tlsrpt.CertificateExpired},
		{x509.CertificateInvalidError{Reason: x509.TooManyIntermediates}, tlsrpt.CertificateNotTrusted},
		{fmt.Errorf("tls: %w", x509.HostnameError{Certificate: &x509.Certificate{}}), tlsrpt.CertificateHostMismatch},
		{x509.UnknownAuthorityError{}, tlsrpt.CertificateNotTrusted},
		{io.EOF, tlsrpt.ValidationFailure},
	} {
		if got := tlsrpt.Classify(tt.err); got != tt.want {
			t.Errorf("%v: %s", tt.err, got)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add("v=TLSRPTv1;rua=mailto:reports@example.com")
	f.Add("v=TLSRPTv1; rua=https://a.example/x?y=z , mailto:a@b; x=y;")
	f.Fuzz(func(t *testing.T, txt string) {
		r, err := tlsrpt.ParseRecord(txt)
		if err != nil {
			return
		}
		text, err := r.Append(nil)
		if err != nil {
			t.Fatalf("%q: %v", r.RUA, err)
		}
		if again, err := tlsrpt.ParseRecord(string(text)); err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%q: %+v, %v", text, again, err)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"organization-name":"x","date-range":{"start-datetime":"2020-01-01T00:00:00Z"},"policies":[{"policy":{"policy-type":"sts","mx-host":["a"]},"failure-details":[{"sending-mta-ip":"::1"}]}]}`))
	f.Add(gz(`{"policies":[{}]}`))
	f.Add([]byte("Content-Type: application/tlsrpt+json\n\n{\"policies\":[{}]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = tlsrpt.ReadMessage(bytes.NewReader(data))
		r, err := tlsrpt.Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		r.Start, r.End, r.Problems = time.Time{}, time.Time{}, nil // their zones and what cannot be read are lost
		again, err := tlsrpt.Read(bytes.NewReader(r.Append(nil)))
		if err != nil {
			t.Fatalf("%v in %s", err, r.Append(nil))
		}
		if again.Problems = nil; !bytes.Equal(again.Append(nil), r.Append(nil)) {
			t.Errorf("%s\n%s", again.Append(nil), r.Append(nil))
		}
	})
}
