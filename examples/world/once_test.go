package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/examples/cli/clitest"
	"github.com/mailbricks/mailbricks/internal/suites"
)

func TestUsage(t *testing.T) {
	clitest.Usage(t, "world", run, []string{"-once"}, []string{"x.eml"}, []string{"-json"}, []string{"-x"}, []string{"-once", "/does/not/exist.eml"})
}

// once runs -json -once and returns the status, the reports and what was complained of.
func once(t *testing.T, files ...string) (int, []report, string) {
	t.Helper()
	status, stdout, stderr := clitest.Status(t, "world", run, append([]string{"-json", "-once"}, files...)...)
	var doc struct{ Messages []report }
	d := json.NewDecoder(strings.NewReader(stdout))
	if err := d.Decode(&doc); err != nil {
		t.Fatalf("%v: %.500s", err, stdout)
	}
	if d.More() {
		t.Error("more than one document")
	}
	if len(doc.Messages) != len(files) {
		t.Fatalf("%d reports for %d files", len(doc.Messages), len(files))
	}
	return status, doc.Messages, stderr
}

// through checks a report of a letter that came through.
func through(t *testing.T, r report, dmarc string) {
	t.Helper()
	if !r.Delivered || !r.Identical || r.Problem != "" || r.Read != (read{true, true, true}) || r.Auth.SPF != "pass" || r.Auth.DKIM != "pass" || r.Auth.DMARC != dmarc || len(r.Hops) < 9 {
		t.Errorf("%s: %s, auth %+v, read %+v, identical %v, %d hops", r.File, r.Problem, r.Auth, r.Read, r.Identical, len(r.Hops))
	}
}

// TestSuites: messages of all kinds come through, identical over three protocols.
func TestSuites(t *testing.T) {
	dir := suites.Dir(t, "mime")
	files := map[string]string{ // to the result of DMARC
		"cpython-email/msg_01.txt":                                  "pass", // an old Return-Path
		"cpython-email/msg_02.txt":                                  "pass", // a digest
		"cpython-email/msg_10.txt":                                  "pass", // encodings of all kinds
		"cpython-email/msg_21.txt":                                  "pass", // preamble and epilogue
		"cpython-email/msg_35.txt":                                  "pass", // a header that breaks off
		"cpython-email/msg_26.txt":                                  "pass", // CRLF in a text file
		"enmime/mail/attachment.raw":                                "pass",
		"enmime/mail/html-mime-inline.raw":                          "pass",
		"enmime/mail/inlinemultipart.raw":                           "none", // a domain of one label
		"mime4j/testmsgs/basic-plain-very-long-lines.msg":           "pass", // over 998, no final newline
		"mime4j/testmsgs/intermediate-boundaries.msg":               "none", // lines that begin with a dot, no From
		"mime4j/testmsgs/obsolete.msg":                              "none", // 8-bit in the header, no From
		"mime4j/testmsgs/very-long-boundary.msg":                    "none",
		"mime4j/testmsgs/multipartdigestnestedemptyparts.msg":       "pass",
		"mime4j/testmsgs/basic-plain-with-bad-header-separator.msg": "pass",
		"imap-mbox/fetch-bodystructure.mbox":                        "", // whatever it is, it comes through
	}
	var names []string
	for f := range files {
		if _, err := os.Stat(filepath.Join(dir, f)); err != nil {
			t.Error(err)
			continue
		}
		names = append(names, filepath.Join(dir, f))
	}
	status, reports, stderr := once(t, names...)
	if status != 0 || stderr != "" {
		t.Errorf("status %d, %s", status, stderr)
	}
	for _, r := range reports {
		want := files[strings.TrimPrefix(r.File, dir+"/")]
		if want == "" {
			want = r.Auth.DMARC
		}
		through(t, r, want)
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestKinds: letters that break what is not careful with them.
func TestKinds(t *testing.T) {
	const head = "From: Ann <ann@guest.test>\nTo: bob\nSubject: x\n"
	var big strings.Builder
	for i := 0; big.Len() < 2<<20; i++ {
		fmt.Fprintf(&big, "line %d of a letter that goes on and on\n", i)
	}
	var names []string
	for name, text := range map[string]string{
		"bare":      head + "\nLF alone\n",
		"crlf":      strings.ReplaceAll(head+"\nCRLF\n", "\n", "\r\n"),
		"mixed":     head + "\r\nboth\r\nof\nthem\r\n",
		"no-final":  head + "\nno newline at the end",
		"dots":      head + "\n.\n..\n.x\n\n.\n",
		"8bit":      head + "Content-Type: text/plain; charset=iso-8859-1\n\n\xe4\xf6\xfc\xff\x80\n",
		"utf8":      "From: =?utf-8?q?=C3=84nne?= <änne@bücher.guest.test>\nSubject: Grüße 你好\n\nÜber\n",
		"latin1":    head + "X-Latin: \xe4\xf6\xfc\n\nx\n",
		"long":      head + "\n" + strings.Repeat("x", 20_000) + "\n" + strings.Repeat("y", 998) + "\n",
		"long-head": head + "X-Long: " + strings.Repeat("z", 5000) + "\n\nx\n",
		"no-body":   head,
		"no-empty":  strings.TrimSuffix(head, "\n"),
		"has-date":  head + "Date: Wed, 25 Nov 2026 10:00:00 +0000\nMessage-ID: <1@guest.test>\n\nx\n",
		"folded":    head + "X-Fold: a\n b\n\tc\n \n d\n\nx\n",
		"from-line": "From ann@guest.test Wed Nov 25 10:00:00 2026\n" + head + "\nx\n",
		"verdicts":  head + "Authentication-Results: mx.elsewhere.test; spf=pass\nReceived: from a by b; now\nDKIM-Signature: v=1\n\nx\n",
		"big":       head + "\n" + big.String(),
	} {
		names = append(names, write(t, name+".eml", text))
	}
	status, reports, stderr := once(t, names...)
	if status != 0 || stderr != "" {
		t.Errorf("status %d, %s", status, stderr)
	}
	for _, r := range reports {
		through(t, r, "pass")
	}
}

// TestNobody: letters that name no author, and the same letter twice.
func TestNobody(t *testing.T) {
	name := write(t, "nobody.eml", "Subject: nobody wrote this\n\nx\n")
	empty := write(t, "empty.eml", "")
	status, reports, _ := once(t, name, name, empty)
	if status != 0 {
		t.Errorf("status %d", status)
	}
	for _, r := range reports {
		through(t, r, "none")
	}
}

// TestNeighbour: a letter within the recipient's own domain does not leave it.
func TestNeighbour(t *testing.T) {
	status, reports, stderr := once(t, write(t, "neighbour.eml", "From: ann@meadow.example\n\nx\n"))
	r := reports[0]
	if status != 0 || stderr != "" || !r.Delivered || !r.Identical || r.Auth.SPF != "" {
		t.Errorf("status %d, %s: %+v", status, stderr, r)
	}
}

// TestRefused: what does not come through says why, and does not hold up the rest.
func TestRefused(t *testing.T) {
	good := write(t, "good.eml", "From: ann@guest.test\n\nx\n")
	for name, tt := range map[string]struct{ text, want string }{
		"nul":         {"From: ann@guest.test\n\nx\x00\n", "line 3 (octet 23) holds NUL, which SMTP cannot carry"},
		"cr":          {"From: ann@guest.test\n\nx\ry\n", "line 3 (octet 23) holds CR without LF, which SMTP cannot carry"},
		"two authors": {"From: ann@guest.test, bob@other.test\n\nx\n", "refused: 550 5.7.1"},
		"two fields":  {"From: ann@guest.test\nFrom: ann@guest.test\n\nx\n", "refused: 550 5.7.1"},
		"forged":      {"From: ann@guest.test\nAuthentication-Results: mx.meadow.example; dmarc=pass\n\nx\n", "not read back as it was sent"},
	} {
		bad := write(t, "bad.eml", tt.text)
		status, reports, stderr := once(t, bad, good)
		if status != 1 || !strings.Contains(reports[0].Problem, tt.want) || reports[0].Identical || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "1 of 2 did not come through: "+bad) {
			t.Errorf("%s: status %d, %q, %s", name, status, reports[0].Problem, stderr)
		}
		through(t, reports[1], "pass")
	}
}

// TestText: what is printed for people.
func TestText(t *testing.T) {
	good := write(t, "good.eml", "From: ann@guest.test\nSubject: a \x1b[31mletter\n\nx\n")
	bad := write(t, "bad.eml", "From: ann@guest.test, bob@other.test\n\nx\n")
	status, stdout, _ := clitest.Status(t, "world", run, "-v", "-once", good, bad)
	if status != 1 {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{
		"✓ submission   alice@harbour.example → mx.harbour.example", "      -> STARTTLS\n", "      -> AUTH PLAIN ***\n", "✓ signature", "✓ queue",
		"MX meadow.example? · 10 mx.meadow.example\n", "✓ policy", "✓ relay        mx.harbour.example → mx.meadow.example", "✓ verification",
		"DMARC pass for guest.test", "SPF pass for guest.test", "TXT guest.test? · v=spf1 include:harbour.example -all", "DKIM pass for guest.test",
		"TXT w1._domainkey.guest.test?", "✓ delivery", "✓ reading", "✓ delivered; over IMAP, POP3 and JMAP identical to the octet",
		"✗ refused: 550 5.7.1", "DMARC permerror",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if bytes.ContainsAny([]byte(stdout), "\x1b\r\x00") {
		t.Errorf("control characters of a letter are printed: %q", stdout)
	}
}
