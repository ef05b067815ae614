package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/internal/suites"
)

// TestReport reads public reports of each kind and in each packing.
func TestReport(t *testing.T) {
	dmarc, tls := suites.Dir(t, "dmarc/parsedmarc"), suites.Dir(t, "tlsrpt/mail-auth")
	for _, tt := range []struct{ file, kind, json, text string }{
		{dmarc + "/aggregate/rfc9990-sample.xml", "aggregate", `{"source_ip":"192.0.2.123","count":123,"disposition":"pass","dkim":"pass","spf":"fail","header_from":"example.com"}`,
			"DMARC aggregate report of Sample Reporter about example.com\n1979-08-07 00:00 to 1979-08-07 23:59, p=quarantine, 1 records\n"},
		{dmarc + "/aggregate/fastmail.com!example.com!1516060800!1516147199!102675056.xml.gz", "aggregate", `"domain":"indemed.com"`, "about indemed.com"},
		{dmarc + "/aggregate/estadocuenta1.infonacot.gob.mx!example.com!1536853302!1536939702!2940.xml.zip", "aggregate", `"count":1`, "about example.com"},
		{dmarc + "/aggregate/twilight.eml", "aggregate", `"domain":"twlnet.com"`, "report of google.com about twlnet.com"},
		{dmarc + "/aggregate/mimecast-weird-gzip.eml", "aggregate", `"problems":["after the report`, "  ! after the report"},
		{dmarc + "/failure/dmarc_ruf_report_linkedin.eml", "failure", `"auth_failure":"dmarc","delivery_result":"delivered","source_ip":"10.10.10.10"`, "DMARC failure report about example.com\n  from address 10.10.10.10\n"},
		{tls + "/rpt01.eml", "tls", `"total-failure-session-count":303`, "company-y.example under sts: 5629 sessions, 303 failed\n     100  certificate-expired at mx1.mail.company-y.example"},
		{tls + "/rpt03.json", "tls", `"policy-type":"no-policy-found"`, "! policy-type is \"invalid-policy-type\""},
	} {
		out := must(t, "report", "-json", tt.file)
		if got := parse[map[string]any](t, out); got["kind"] != tt.kind || !strings.Contains(out, tt.json) {
			t.Errorf("%s: %s", filepath.Base(tt.file), out)
		}
		if text := must(t, "report", tt.file); !strings.Contains(text, tt.text) {
			t.Errorf("%s: %s", filepath.Base(tt.file), text)
		}
	}
	evil := filepath.Join(t.TempDir(), "evil.xml")
	if err := os.WriteFile(evil, []byte("<feedback><report_metadata><org_name>\x1b[2J&#27;</org_name></report_metadata></feedback>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, status, err := mailcheck(t, "report", evil); strings.Contains(out, "\x1b") || status != 1 && status != 0 {
		t.Errorf("%q, %d, %v", out, status, err)
	}
}
