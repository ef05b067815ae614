package report_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/dmarc"
	"github.com/mailbricks/mailbricks/dmarc/report"
)

const good = `<?xml version="1.0" encoding="UTF-8"?>
<feedback><report_metadata><org_name>x</org_name><report_id>1</report_id><date_range><begin>1</begin><end>2</end></date_range></report_metadata>
<policy_published><domain>example.com</domain><p>none</p></policy_published>
<record><row><source_ip>192.0.2.1</source_ip><count>7</count><policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>
<identifiers><header_from>example.com</header_from></identifiers><auth_results><spf><domain>d</domain><result>fail</result></spf></auth_results></record></feedback>`

func gz(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text) // into memory
	_ = w.Close()
	return b.Bytes()
}

func zipped(files int, text string) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := range files {
		f, err := w.Create(fmt.Sprint(i))
		if err == nil {
			_, _ = io.WriteString(f, text)
		}
	}
	_ = w.Close()
	return b.Bytes()
}

// TestMalformed: what is refused and why, and what is read although it is not as it should be.
func TestMalformed(t *testing.T) {
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatal(old)
		}
		return strings.Replace(good, old, new, 1)
	}
	records := good[strings.Index(good, "<record>"):strings.Index(good, "</feedback>")]
	for name, tt := range map[string]struct {
		data     string
		err      error
		problems int
	}{
		"good":                   {good, nil, 0},
		"gzip":                   {string(gz(good)), nil, 0},
		"zip":                    {string(zipped(1, good)), nil, 0},
		"no declaration":         {good[strings.Index(good, "<feedback"):], nil, 0},
		"byte order mark":        {"\xef\xbb\xbf" + good, nil, 0},
		"namespace of 9990":      {replace("<feedback>", `<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">`), nil, 0},
		"namespace with prefix":  {strings.NewReplacer("<?", "<?", "</", "</d:", "<feedback", `<d:feedback xmlns:d="urn:ietf:params:xml:ns:dmarc-2.0"`, "<", "<d:").Replace(good), nil, 0},
		"extension":              {replace("<record>", `<extension xmlns:e="urn:x"><e:count>1<e:record/></e:count></extension><record><e:row xmlns:e="urn:x"><count>9</count></e:row>`), nil, 0},
		"element not known":      {replace("<row>", "<row><color>red</color>"), nil, 0},
		"no address":             {replace("192.0.2.1", "192.0.2"), nil, 1},
		"no number":              {replace("<count>7", "<count>many"), nil, 1},
		"negative number":        {replace("<count>7", "<count>-7"), nil, 1},
		"no date":                {replace("<end>2", "<end>tomorrow"), nil, 2},
		"policy not known":       {replace("<p>none", "<p>maybe"), nil, 1},
		"no record":              {replace(records, ""), nil, 1},
		"no identity":            {replace("<report_id>1</report_id>", ""), nil, 1},
		"charset not known":      {replace("UTF-8", "x-none"), nil, 1},
		"octets of no character": {replace("<p>", "<org_name>\xff\x00\x0b\xc3</org_name><p>"), nil, 0},
		"empty":                  {"", report.ErrReport, 0},
		"no XML":                 {"Dear domain owner,", report.ErrReport, 0},
		"JSON":                   {`{"policies":[]}`, report.ErrReport, 0},
		"another root":           {"<html></html>", report.ErrReport, 0},
		"cut short":              {good[:len(good)-30], report.ErrReport, 0},
		"crossed":                {replace("</count>", "</row>"), report.ErrReport, 0},
		"gzip, cut short":        {string(gz(good)[:100]), report.ErrReport, 0},
		"gzip of gzip":           {string(gz(string(gz(good)))), report.ErrReport, 0},
		"zip of two":             {string(zipped(2, good)), report.ErrReport, 0},
		"document type":          {replace("<feedback>", `<!DOCTYPE x [<!ENTITY a "b">]><feedback>`), report.ErrReport, 0},
		"document type inside":   {replace("<row>", `<x xmlns="urn:x"><!DOCTYPE x></x><row>`), report.ErrReport, 0},
		"entity":                 {replace("<org_name>x", "<org_name>&lol;"), report.ErrReport, 0},
		"entities that grow":     {`<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><feedback><report_metadata><org_name>&b;</org_name></report_metadata></feedback>`, report.ErrReport, 0},
		"long text":              {replace("<org_name>x", "<org_name>"+strings.Repeat("x", 1<<20)), report.ErrLimit, 0},
		"long element":           {replace("<row>", "<row "+strings.Repeat(`a=">" `, 20000)+">"), report.ErrLimit, 0},
		"long comment":           {replace("<row>", "<!--"+strings.Repeat("x", 1<<20)+"--><row>"), report.ErrLimit, 0},
		"deep":                   {replace("<row>", strings.Repeat("<x>", 100)+"<row>"), report.ErrLimit, 0},
		"gzip bomb":              {string(gz(replace("<row>", strings.Repeat("<!-- -->", 1<<18)+"<row>"))), report.ErrLimit, 0},
		"zip bomb":               {string(zipped(1, strings.Repeat(" ", 2<<20))), report.ErrLimit, 0},
		"zip of many":            {string(zipped(20, "")), report.ErrLimit, 0},
		"too long as it came":    {strings.Repeat(" ", 11<<20), report.ErrLimit, 0},
		"too many records":       {string(gz(replace(records, strings.Repeat(records, 10)+strings.Repeat("<record/>", report.MaxRecords)))), report.ErrLimit, 0},
	} {
		a, err := report.Read(strings.NewReader(tt.data))
		if !errors.Is(err, tt.err) || (err == nil) != (a != nil) || a != nil && len(a.Problems) != tt.problems {
			t.Errorf("%s: %+v, %v", name, a, err)
			continue
		}
		if a != nil && len(a.Records) > 0 && (a.Records[0].HeaderFrom != "example.com" || a.Records[0].SPF != dmarc.Fail && name != "crossed") {
			t.Errorf("%s: %+v", name, a.Records)
		}
	}
	for _, read := range []func(io.Reader) error{
		func(r io.Reader) error { _, err := report.Read(r); return err },
		func(r io.Reader) error { _, err := report.ReadMail(r); return err },
		func(r io.Reader) error { _, err := report.ReadFailure(r); return err },
	} {
		if err := read(io.MultiReader(strings.NewReader(good[:50]), iotest.ErrReader(io.ErrClosedPipe))); !errors.Is(err, io.ErrClosedPipe) || errors.Is(err, report.ErrReport) {
			t.Error(err)
		}
	}
	for _, mail := range []string{"Subject: x\r\n\r\nno report", ""} {
		if _, err := report.ReadMail(strings.NewReader(mail)); !errors.Is(err, report.ErrNoReport) {
			t.Error(err)
		}
	}
	if _, err := report.ReadMail(bytes.NewReader(make([]byte, report.MaxMessage+1))); !errors.Is(err, report.ErrLimit) {
		t.Error(err)
	}
	stop := errors.New("enough")
	if _, err := report.Each(strings.NewReader(good), func(report.Record) error { return stop }); err != stop {
		t.Error(err)
	}
}

// TestCharsets: a name in charsets that are declared, or declared wrongly.
func TestCharsets(t *testing.T) {
	utf16 := func(s string, little bool) string {
		var b strings.Builder
		if little {
			b.WriteString("\xff\xfe")
		} else {
			b.WriteString("\xfe\xff")
		}
		for _, r := range s {
			if little {
				b.WriteString(string([]byte{byte(r), byte(r >> 8)}))
			} else {
				b.WriteString(string([]byte{byte(r >> 8), byte(r)}))
			}
		}
		return b.String()
	}
	with := func(charset, name string) string {
		return strings.NewReplacer("UTF-8", charset, "<org_name>x", "<org_name>"+name).Replace(good)
	}
	for name, tt := range map[string][2]string{
		"UTF-8":                       {with("UTF-8", "Grüße"), "Grüße"},
		"ISO-8859-1":                  {with("ISO-8859-1", "Gr\xfc\xdfe"), "Grüße"},
		"windows-1252":                {with("windows-1252", "Gr\xfc\xdfe \x80"), "Grüße €"},
		"GB2312":                      {with("GB2312", "\xc4\xe3\xba\xc3"), "你好"},
		"UTF-16, little":              {utf16(with("UTF-16", "Grüße"), true), "Grüße"},
		"UTF-16, big":                 {utf16(with("UTF-16", "Grüße"), false), "Grüße"},
		"says UTF-8, is ISO-8859-1":   {with("UTF-8", "Gr\xfc\xdfe"), "Gr\ufffd\ufffde"},
		"says ASCII, is UTF-8":        {with("utf8", "Grüße"), "Grüße"},
		"single quotes":               {strings.Replace(with("latin1", "\xfc"), `"latin1"`, `'latin1'`, 1), "ü"},
		"says nothing, has no letter": {strings.Replace(good, `encoding="UTF-8"`, "", 1), "x"},
	} {
		a, err := report.Read(strings.NewReader(tt[0]))
		if err != nil || a.Organization != tt[1] {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}

// TestWriter: everything that a report can hold is read back, whatever it contains, and sent as mail.
func TestWriter(t *testing.T) {
	a := &report.Aggregate{Organization: "<Example> & \"Net\"", Contact: "dmarc@example.net", ExtraContact: "https://example.net/?a&b", ID: "2026-05-01_example.com@example.net",
		Begin: time.Unix(1777593600, 0).UTC(), End: time.Unix(1777679999, 0).UTC(), Errors: []string{"rua: not a URI"}, Generator: "x",
		Policy: report.Published{Domain: "example.com", Discovery: "treewalk", P: "reject", SP: "none", NP: "quarantine", StrictDKIM: true, StrictSPF: true, Testing: true, FO: "1:d"}}
	for i := range 1000 {
		a.Records = append(a.Records, report.Record{SourceIP: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), Count: int64(i), Disposition: "quarantine", DKIM: dmarc.Fail, SPF: dmarc.Pass,
			Reasons: []report.Reason{{"local_policy", "arc=pass as[1].d=<x>"}, {"other", ""}}, HeaderFrom: "news.example.com", EnvelopeFrom: "bounce.example.com", EnvelopeTo: "example.net",
			Signatures: []report.Signature{{"example.com", "s", "fail", "body has changed"}, {"esp.example", "t", "pass", ""}}, Sender: []report.Sender{{"bounce.example.com", "mfrom", "pass", ""}}})
	}
	packed := write(t, a)
	got, err := report.Read(bytes.NewReader(packed))
	if err != nil || !reflect.DeepEqual(got, a) {
		t.Errorf("%v\n%+v\n%+v", err, got.Records[0], a.Records[0])
	}
	m := report.Mail{From: "dmarc@example.net", To: "agg@example.com", Submitter: "example.net", MessageID: "1@example.net", Date: a.End}
	mail, err := a.AppendMail(nil, m, packed)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := report.ReadMail(bytes.NewReader(mail)); err != nil || !reflect.DeepEqual(got, a) {
		t.Errorf("by mail: %v", err)
	}
	for _, want := range []string{"Subject: Report Domain: example.com\r\n Submitter: example.net\r\n Report-ID: <2026-05-01_example.com@example.net>\r\n", "filename=\"example.net!example.com!1777593600!1777679999.xml.gz\""} {
		if !strings.Contains(string(mail), want) {
			t.Errorf("no %q in %.500s", want, mail)
		}
	}
	for _, bad := range []func(*report.Mail){func(m *report.Mail) { m.To = "" }, func(m *report.Mail) { m.From = "a\r\nBcc: b" }, func(m *report.Mail) { m.Submitter = "a>b" }} {
		x := m
		bad(&x)
		if _, err := a.AppendMail(nil, x, packed); !errors.Is(err, report.ErrMail) {
			t.Error(err)
		}
		if _, err := (&report.Failure{}).AppendMail(nil, x); !errors.Is(err, report.ErrMail) {
			t.Error(err)
		}
	}
	w, err := report.NewWriter(io.Discard, a)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); !errors.Is(err, report.ErrEmpty) {
		t.Error(err)
	}
}

// TestFailureInjection: what a stranger wrote stays in its line.
func TestFailureInjection(t *testing.T) {
	evil := "a@b\r\nBcc: victim@example.net\r\n\r\n--=_failure\r\nContent-Type: text/html"
	f := &report.Failure{MailFrom: evil, RcptTo: []string{evil}, ReportedDomains: []string{evil}, Results: []string{evil}, DKIMDomain: evil, EnvelopeID: evil, UserAgent: evil, Original: []byte("Subject: x\r\n"), HeaderOnly: true}
	m := report.Mail{From: "a@b.example", To: "c@d.example", Submitter: "b.example", MessageID: "1@b.example"}
	mail, err := f.AppendMail(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(mail, []byte("\nBcc:")) || bytes.Count(mail, []byte("\r\n--=_failure")) != 4 {
		t.Errorf("%s", mail)
	}
	got, err := report.ReadFailure(bytes.NewReader(mail))
	if err != nil || !got.HeaderOnly || string(got.Original) != "Subject: x\r\n" {
		t.Errorf("%+v, %v", got, err)
	}
	f.Original = []byte("--=_failure--\r\n")
	if _, err := f.AppendMail(nil, m); !errors.Is(err, report.ErrMail) {
		t.Error(err)
	}
	many := "Content-Type: message/feedback-report\r\n\r\n" + strings.Repeat("X: y\r\n", report.MaxFields+1)
	if _, err := report.ReadFailure(strings.NewReader(many)); !errors.Is(err, report.ErrLimit) {
		t.Error(err)
	}
	odd := "Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nIncidents: -1\r\nArrival-Date: never\r\nSource-IP: here\r\n"
	if got, err := report.ReadFailure(strings.NewReader(odd)); err != nil || len(got.Problems) != 4 {
		t.Errorf("%+v, %v", got, err)
	}
}

// counting counts questions.
type counting struct {
	*dnstest.Zone
	n int
}

func (c *counting) LookupTXT(ctx context.Context, name string) ([]string, error) {
	c.n++
	return c.Zone.LookupTXT(ctx, name)
}

// TestDestinations: RFC 9990 §4. Nobody is sent reports who has not said that he takes them.
func TestDestinations(t *testing.T) {
	z := dnstest.New()
	z.MustAdd(`
_dmarc.example.com.                                     IN TXT "v=DMARC1; p=none"
_dmarc.example.net.                                     IN TXT "v=DMARC1; p=none"
blue.example.com._report._dmarc.red.example.net.        IN TXT "v=DMARC1"
blue.example.com._report._dmarc.other.example.          IN TXT "v=DMARC1; rua=mailto:new@other.example,mailto:two@OTHER.example; ruf=mailto:f@other.example"
blue.example.com._report._dmarc.away.example.           IN TXT "v=DMARC1; rua=mailto:new@victim.example"
blue.example.com._report._dmarc.junk.example.           IN TXT "yes please"
*._report._dmarc.any.example.                           IN TXT "v=DMARC1;"
_dmarc.bad.example.                                     IN TXT "v=DMARC1; p=none"
`)
	z.Fail("blue.example.com._report._dmarc.slow.example", dnstest.ServFail)
	c := &counting{Zone: z}
	for _, tt := range []struct {
		uri      string
		failures bool
		want     string // addresses
		external bool
		err      error
	}{
		{"mailto:agg@example.com", false, "agg@example.com", false, nil},
		{"mailto:agg@reports.Example.COM", false, "agg@reports.Example.COM", false, nil},
		{"mailto:reports@red.example.net", false, "reports@red.example.net", true, nil}, // the example of RFC 9990 §4
		{"mailto:a%2Bb@any.example", false, "a+b@any.example", true, nil},
		{"mailto:x@other.example", false, "new@other.example two@OTHER.example", true, nil},
		{"mailto:x@other.example", true, "f@other.example", true, nil},
		{"mailto:x@away.example", false, "", true, report.ErrExternal},
		{"mailto:x@away.example", true, "x@away.example", true, nil}, // nothing else is named for failures
		{"mailto:x@junk.example", false, "", true, report.ErrExternal},
		{"mailto:victim@victim.example", false, "", true, report.ErrExternal},
		{"mailto:x@" + strings.Repeat(strings.Repeat("a", 60)+".", 4)[:230] + ".example", false, "", true, report.ErrExternal},
		{"https://example.com/", false, "", false, report.ErrURI},
		{"mailto:example.com", false, "", false, report.ErrURI},
		{"mailto:a@b@", false, "", false, report.ErrURI},
		{"mailto:a@example.com,b@victim.example", false, "", false, report.ErrURI},
		{"mailto:a%0d%0a@example.com", false, "", false, report.ErrURI},
		{"mailto:%zz@example.com", false, "", false, report.ErrURI},
		{"mailto:a@localhost", false, "", false, report.ErrURI},
	} {
		d := report.Destinations(t.Context(), c, "Blue.example.com.", []string{tt.uri}, tt.failures)
		if len(d) != 1 || d[0].URI != tt.uri || strings.Join(d[0].Addresses, " ") != tt.want || d[0].External != tt.external || !errors.Is(d[0].Err, tt.err) || (d[0].Err == nil) != (tt.err == nil) {
			t.Errorf("%s: %+v; want %s, %v", tt.uri, d, tt.want, tt.err)
		}
	}
	d := report.Destinations(t.Context(), c, "blue.example.com", []string{"mailto:x@slow.example"}, false)
	if e, ok := errors.AsType[*net.DNSError](d[0].Err); !ok || !e.IsTemporary || len(d[0].Addresses) > 0 {
		t.Errorf("%+v", d)
	}
	c.n = 0
	if d := report.Destinations(t.Context(), c, "blue.example.com", slices.Repeat([]string{"mailto:x@victim.example"}, 1000), false); len(d) != report.MaxURIs || c.n > 10*report.MaxURIs {
		t.Errorf("%d destinations, %d questions", len(d), c.n)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(good))
	f.Add(gz(good))
	f.Add([]byte(strings.Replace(good, "UTF-8", "latin1", 1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := report.Read(bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, report.ErrReport) && !errors.Is(err, report.ErrLimit) {
				t.Error(err)
			}
			return
		}
		if len(a.Records) == 0 || a.Begin.IsZero() || a.End.IsZero() || slices.ContainsFunc(a.Records, func(r report.Record) bool {
			return !r.SourceIP.IsValid() || r.Disposition == "" || r.DKIM == "" || r.SPF == ""
		}) {
			return
		}
		again, err := report.Read(bytes.NewReader(write(t, a)))
		if err != nil {
			t.Fatal(err)
		}
		if w, g := write(t, a), write(t, again); !bytes.Equal(w, g) {
			t.Errorf("%+v\n%+v", a, again)
		}
	})
}

func FuzzReadFailure(f *testing.F) {
	f.Add([]byte("Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: auth-failure\r\nAuth-Failure: dmarc\r\nSource-IP: 192.0.2.1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n--b--\r\n"))
	f.Add([]byte("Content-Type: message/feedback-report\nContent-Transfer-Encoding: base64\n\nRmVlZGJhY2stVHlwZTogYXV0aC1mYWlsdXJl"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := report.ReadFailure(bytes.NewReader(data))
		if err != nil {
			return
		}
		m := report.Mail{From: "a@b.example", To: "c@d.example", Submitter: "b.example", MessageID: "1@b.example"}
		mail, err := r.AppendMail(nil, m)
		if err != nil {
			return
		}
		again, err := report.ReadFailure(bytes.NewReader(mail))
		if err != nil || again.SourceIP != r.SourceIP.Unmap() && r.SourceIP.Zone() == "" || len(again.RcptTo) != len(r.RcptTo) || len(again.Results) > len(r.Results) {
			t.Errorf("%+v\n%+v, %v\n%s", r, again, err, mail)
		}
	})
}
